//! The folders that a submission sees: one pair per case, for as long as the case lasts.
//!
//! What a submission leaves in `inputs/` and `outputs/` it finds again at the next interaction of
//! the case; some rely on it. Nothing in them is trusted: they may come back as links, as files,
//! unreadable, or not at all.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use segarena_formats::removal::{open_to_all, remove_tree};

/// A case's private folders, `inputs/` and `outputs/`. Removed when dropped, unless kept.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    inputs: PathBuf,
    outputs: PathBuf,
    keep: bool,
}

impl WorkFolder {
    /// Makes the folders anew: whatever a run that died left at `path` is removed first.
    ///
    /// The case's folders are open to every user, as a container's may be any. So the folder around
    /// them, `path`'s parent, is made ours alone: no other user of this machine can read an input
    /// there, plant a prediction, or run what a container's root has left with its setuid bit.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        remove_tree(path)?;
        if let Some(parent) = path.parent() {
            let mut builder = fs::DirBuilder::new();
            builder.recursive(true).mode(0o700).create(parent)?;
            fs::set_permissions(parent, Permissions::from_mode(0o700))?;
        }
        fs::create_dir(path)?;
        let path = path.canonicalize()?;
        let folder = Self {
            inputs: path.join("inputs"),
            outputs: path.join("outputs"),
            path,
            keep: false,
        };
        folder.restore()?;
        Ok(folder)
    }

    /// The same, left in place when dropped, for somebody to look at.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.keep = true;
        self
    }

    /// The folder around the two.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the submission finds its model input.
    pub fn inputs(&self) -> &Path {
        &self.inputs
    }

    /// Where the submission puts its prediction.
    pub fn outputs(&self) -> &Path {
        &self.outputs
    }

    /// Puts back what a submission took away: both folders and the one around them exist, are
    /// folders and not links, and can be read, written and searched. What is in them stays.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn restore(&self) -> io::Result<()> {
        for folder in [&self.path, &self.inputs, &self.outputs] {
            match fs::symlink_metadata(folder) {
                Ok(found) if found.is_dir() => {}
                Ok(_) => {
                    fs::remove_file(folder)?;
                    fs::create_dir(folder)?;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => fs::create_dir(folder)?,
                Err(error) => return Err(error),
            }
            // Also to a container with another user.
            open_to_all(folder)?;
        }
        Ok(())
    }

    /// Removes a folder that stands where a model input is to be written: a file, a link or a
    /// FIFO is replaced by the writing itself, a folder would make it fail.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn clear_input(&self, name: &str) -> io::Result<()> {
        let path = self.inputs.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_dir() => remove_tree(&path),
            _ => Ok(()),
        }
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if self.keep {
            return;
        }
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a work folder could not be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, WorkFolder) {
        let parent = tempfile::tempdir().unwrap();
        let folder = WorkFolder::create(&parent.path().join("case")).unwrap();
        (parent, folder)
    }

    #[test]
    fn folders_that_were_removed_or_replaced_are_put_back() {
        let (parent, folder) = folder();
        fs::remove_dir(folder.inputs()).unwrap();
        fs::remove_dir(folder.outputs()).unwrap();
        symlink(parent.path(), folder.outputs()).unwrap();
        folder.restore().unwrap();
        for path in [folder.inputs(), folder.outputs()] {
            assert!(fs::symlink_metadata(path).unwrap().is_dir());
        }
    }

    #[test]
    fn a_case_s_folder_replaced_by_a_link_is_put_back_and_the_link_s_target_left_alone() {
        let (parent, folder) = folder();
        let precious = parent.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::set_permissions(&precious, Permissions::from_mode(0o700)).unwrap();
        fs::remove_dir_all(folder.path()).unwrap();
        symlink(&precious, folder.path()).unwrap();
        folder.restore().unwrap();
        assert!(fs::symlink_metadata(folder.path()).unwrap().is_dir());
        drop(folder);
        assert_eq!(precious.read_dir().unwrap().count(), 0);
        let mode = precious.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn no_other_user_reaches_the_folders_whatever_they_are_opened_to() {
        let parent = tempfile::tempdir().unwrap();
        // As a run of an earlier version left it.
        let team = parent.path().join("work/team");
        fs::create_dir_all(&team).unwrap();
        fs::set_permissions(&team, Permissions::from_mode(0o755)).unwrap();
        let folder = WorkFolder::create(&team.join("case")).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&team), 0o700);
        assert_eq!(mode(folder.outputs()), 0o777);
    }

    #[test]
    fn restoring_keeps_what_the_submission_left() {
        let (_parent, folder) = folder();
        fs::write(folder.outputs().join("state.pt"), "x").unwrap();
        fs::set_permissions(folder.outputs(), Permissions::from_mode(0o000)).unwrap();
        folder.restore().unwrap();
        assert_eq!(fs::read(folder.outputs().join("state.pt")).unwrap(), b"x");
    }

    #[test]
    fn a_dropped_folder_is_gone_and_a_kept_one_is_not() {
        let (_parent, folder) = folder();
        let path = folder.path().to_owned();
        let kept = folder.kept();
        drop(kept);
        assert!(path.exists());
        drop(WorkFolder::create(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn unsearchable_folders_are_removed_too() {
        let (_parent, folder) = folder();
        let locked = folder.outputs().join("a/b");
        fs::create_dir_all(&locked).unwrap();
        fs::set_permissions(folder.outputs().join("a"), Permissions::from_mode(0o000)).unwrap();
        let path = folder.path().to_owned();
        drop(folder);
        assert!(!path.exists());
    }
}
