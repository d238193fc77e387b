//! The folders of services whose runs were killed: who owns one is written in it.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;

use segarena_child::ProcessIdentity;
use tempfile::TempDir;

const PREFIX: &str = "segarena-podman-";
/// The service's socket in its folder.
pub(crate) const SOCKET: &str = "podman.sock";
const OWNER: &str = "owner";

/// A new folder for a service of this process.
pub(crate) fn new_folder() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(PREFIX).tempdir()?;
    fs::write(
        folder.path().join(OWNER),
        ProcessIdentity::own().to_string(),
    )?;
    Ok(folder)
}

/// Removes the folders among `place`'s whose owners are dead and whose services have ended.
pub(crate) fn clear_away(place: &Path) {
    let me = rustix::process::geteuid().as_raw();
    for entry in fs::read_dir(place).into_iter().flatten().flatten() {
        let is_ours = entry.file_name().to_string_lossy().starts_with(PREFIX)
            && entry
                .metadata()
                .is_ok_and(|there| there.is_dir() && there.uid() == me);
        if is_ours && is_abandoned(&entry.path()) {
            tracing::debug!(folder = ?entry.path(), "removing what a killed run left");
            let _ = fs::remove_dir_all(entry.path());
        }
    }
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
    fn only_folders_of_the_dead_whose_service_has_ended_are_removed() {
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
        let ours = folder("segarena-podman-ours", &living);
        let foreign = folder("another-programs", &dead);
        clear_away(place.path());
        assert!(!gone.exists());
        assert!(served.exists() && ours.exists() && foreign.exists());
    }
}
