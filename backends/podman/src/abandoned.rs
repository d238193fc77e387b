//! Folders that say whose they are, so that those of killed runs can be told.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use segarena_child::ProcessIdentity;
use tempfile::TempDir;

const PREFIX: &str = "segarena-podman-";
/// The service's socket in its folder.
pub(crate) const SOCKET: &str = "podman.sock";
const OWNER: &str = "owner";

/// A new folder of this process in `place`, closed to others.
pub(crate) fn new_folder(place: &Path) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(place)?;
    fs::write(
        folder.path().join(OWNER),
        ProcessIdentity::own().to_string(),
    )?;
    Ok(folder)
}

/// The folders in `place` whose owners are dead and whose services have ended.
pub(crate) fn abandoned(place: &Path) -> Vec<PathBuf> {
    let me = rustix::process::geteuid().as_raw();
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let is_ours = |entry: &fs::DirEntry| {
        let is_named_so = entry.file_name().to_string_lossy().starts_with(PREFIX);
        let is_folder_of_ours = |found: fs::Metadata| found.is_dir() && found.uid() == me;
        is_named_so && entry.metadata().is_ok_and(is_folder_of_ours)
    };
    let ours = entries.filter(is_ours).map(|entry| entry.path());
    ours.filter(|folder| is_abandoned(folder)).collect()
}

fn is_abandoned(folder: &Path) -> bool {
    let label = fs::read_to_string(folder.join(OWNER)).unwrap_or_default();
    let is_dead = ProcessIdentity::parse(&label).is_some_and(|owner| owner.is_gone());
    is_dead && UnixStream::connect(folder.join(SOCKET)).is_err()
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn only_folders_of_the_dead_whose_service_has_ended_are_abandoned() {
        let place = tempfile::tempdir().unwrap();
        let mut parts: Vec<String> = ProcessIdentity::own()
            .to_string()
            .split('.')
            .map(str::to_owned)
            .collect();
        let living = parts.join(".");
        // This process's number, begun at another time.
        parts[1] = "1".to_owned();
        let dead = parts.join(".");
        let folder = |name: &str, owner: &str| {
            let folder = place.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(folder.join(OWNER), owner).unwrap();
            folder
        };
        let gone = folder("segarena-podman-gone", &dead);
        let served = folder("segarena-podman-served", &dead);
        let _listener = UnixListener::bind(served.join(SOCKET)).unwrap();
        folder("segarena-podman-ours", &living);
        folder("another-programs", &dead);
        assert_eq!(abandoned(place.path()), [gone]);
    }
}
