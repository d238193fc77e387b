//! Folders of the machine's folder for temporary files, whose names say whose they are: what a
//! killed run could not remove, the next one does.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use segarena_child::ProcessIdentity;
use segarena_contract::{BackendError, BackendErrorKind};
use segarena_formats::removal::remove_tree;

/// Begins every name.
const OURS: &str = "segarena-";

/// A folder that no other user can look into. It goes when dropped, whatever a submission has made
/// of it.
#[derive(Debug)]
pub(crate) struct TemporaryFolder(PathBuf);

impl TemporaryFolder {
    /// Makes one for this purpose.
    ///
    /// # Errors
    /// When it can't be made.
    pub(crate) fn new(purpose: &str) -> Result<Self, BackendError> {
        let prefix = format!("{OURS}{purpose}-");
        let owner = format!(".{}", ProcessIdentity::own());
        let made = tempfile::Builder::new()
            .prefix(&prefix)
            .suffix(&owner)
            .permissions(Permissions::from_mode(0o700))
            .tempdir();
        let made = made.map_err(|error| {
            let folder = std::env::temp_dir();
            let message = format!("cannot make a temporary folder in {}", folder.display());
            BackendError::new(BackendErrorKind::NoSpace, message).with_source(error)
        })?;
        Ok(Self(made.keep()))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Removes it, however long that takes.
    pub(crate) async fn remove(self) {
        // What is not removed has been told of.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "a temporary folder is left");
        }
    }
}

/// Removes the folders of runs that are gone.
pub(crate) fn sweep() {
    sweep_in(&std::env::temp_dir());
}

fn sweep_in(folder: &Path) {
    let us = rustix::process::geteuid().as_raw();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let owner = name.to_str().and_then(|name| {
            let (_, owner) = name.strip_prefix(OURS)?.split_once('.')?;
            ProcessIdentity::parse(owner)
        });
        // Everybody may put something of this name here.
        let is_ours = |entry: &std::fs::DirEntry| {
            let found = entry.metadata();
            found.is_ok_and(|found| found.is_dir() && found.uid() == us)
        };
        if owner.is_some_and(|owner| owner.is_gone())
            && is_ours(&entry)
            && let Err(error) = remove_tree(&entry.path())
        {
            let folder = entry.path();
            tracing::warn!(%error, folder = %folder.display(), "what a killed run left is still there");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_is_swept_and_what_a_living_one_uses_stays() {
        let living = TemporaryFolder::new("scratch").unwrap();
        let mode = living.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let place = tempfile::tempdir().unwrap();
        let own = living.path().file_name().unwrap().to_str().unwrap();
        // Our number, and the start of a process that no process of ours can be.
        let (name, owner) = own.split_once('.').unwrap();
        let (pid, rest) = owner.split_once('.').unwrap();
        let (_, rest) = rest.split_once('.').unwrap();
        let dead = place.path().join(format!("{name}.{pid}.1.{rest}"));
        std::fs::create_dir_all(dead.join("tmp/deep")).unwrap();
        std::fs::set_permissions(dead.join("tmp"), Permissions::from_mode(0o000)).unwrap();
        let kept = [own, "segarena-validate-abc", "segarena-scratch-abc.def"];
        for name in kept {
            std::fs::create_dir(place.path().join(name)).unwrap();
        }
        sweep_in(place.path());
        assert!(!dead.exists());
        for name in kept {
            assert!(place.path().join(name).is_dir(), "{name}");
        }
    }

    #[test]
    fn a_dropped_folder_is_gone_even_if_it_was_locked() {
        let folder = TemporaryFolder::new("scratch").unwrap();
        let path = folder.path().to_owned();
        std::fs::create_dir_all(path.join("tmp/closed/x")).unwrap();
        let closed = Permissions::from_mode(0o000);
        std::fs::set_permissions(path.join("tmp/closed"), closed).unwrap();
        drop(folder);
        assert!(!path.exists());
    }
}
