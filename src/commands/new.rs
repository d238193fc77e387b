//! `segarena new`: a submission that works from the first minute.

use crate::args::NewOptions;
use crate::exit::ExitStatus;
use crate::{new, stdout};

pub(crate) fn new(options: &NewOptions) -> anyhow::Result<ExitStatus> {
    let folder = &options.folder;
    let (name, files) = new::write(folder)?;
    let folder = folder.display();
    stdout::print(&format!(
        "{name} is in {folder}: {}\nnext: segarena validate {folder}, then the README there\n",
        files.join(", ")
    ));
    Ok(ExitStatus::Done)
}
