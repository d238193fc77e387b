//! `segarena new`: a submission that works from the first minute.

use crate::args::{BuiltInTrack, NewOptions};
use crate::exit::ExitStatus;
use crate::{new, stdout};

pub(crate) fn new(options: &NewOptions) -> anyhow::Result<ExitStatus> {
    let folder = &options.folder;
    let (name, files) = new::write(folder, options.track)?;
    let folder = folder.display();
    let track = match options.track {
        BuiltInTrack::Interactive => String::new(),
        other => format!(" --track {}", other.name()),
    };
    stdout::print(&format!(
        "{name} is in {folder}: {}\nnext: segarena validate {folder}{track}, then the README there\n",
        files.join(", ")
    ));
    Ok(ExitStatus::Done)
}
