//! The folders that a submission sees: one pair per case, for as long as the case lasts.
//!
//! What a submission leaves in `inputs/` and `outputs/` it finds again at the next interaction of
//! the case; some rely on it. Nothing in them is trusted: they may come back as links, as files,
//! unreadable, or not at all.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use segarena_formats::copying::copy_folder;
use segarena_formats::removal::{
    remove_folder_in, remove_tree, remove_tree_in, restore_folder, set_aside,
};
use segarena_formats::room::{Room, room_left, room_taken};

use crate::npz::Folder;

const INPUTS: &str = "inputs";
const OUTPUTS: &str = "outputs";
/// Begins the name of what can't be removed.
const STUCK: &str = ".unremovable-";

/// What of the folders that submissions see is left behind, for somebody to look at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum KeepWork {
    /// Nothing.
    #[default]
    Nothing,
    /// Each case's, as its last interaction left them, where they were made.
    Last,
    /// Each interaction's, among the results: `OUT/TEAM/kept/CASE/N`.
    All,
}

/// So much of each of an interaction's folders is copied, in bytes.
const MOST_KEPT: u64 = 16 << 30;

/// A case's private folders, `inputs/` and `outputs/`. Removed when dropped, unless kept.
///
/// A submission that is kept warm may change them at any time, even while they are put in order. So
/// they are reached from the handle of the folder around the case's, which is never its own, and no
/// link is followed on the way.
#[derive(Debug)]
pub struct WorkFolder {
    path: PathBuf,
    inputs: PathBuf,
    outputs: PathBuf,
    parent: File,
    afterwards: Afterwards,
}

#[derive(Debug)]
enum Afterwards {
    Remove,
    Keep,
    /// Keep under another name: where it is the submission would go on seeing it.
    KeepAt(PathBuf),
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
        let parent = path.parent().unwrap_or(Path::new(""));
        create_private(parent)?;
        Self::create_in(parent, path.file_name().unwrap_or_default())
    }

    /// Makes the folders of a case where a submission sees one case after the other.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create_among(cases: &CasesFolder, case: &str) -> io::Result<Self> {
        Self::create_in(&cases.path, OsStr::new(case))
    }

    fn create_in(parent: &Path, name: &OsStr) -> io::Result<Self> {
        let parent_path = parent.canonicalize()?;
        let parent = File::open(&parent_path)?;
        clear(&parent, name)?;
        let path = parent_path.join(name);
        let folder = Self {
            inputs: path.join(INPUTS),
            outputs: path.join(OUTPUTS),
            path,
            parent,
            afterwards: Afterwards::Remove,
        };
        folder.put_back()?;
        Ok(folder)
    }

    /// The same, left in place when dropped, for somebody to look at.
    #[must_use]
    pub fn kept(mut self) -> Self {
        self.afterwards = Afterwards::Keep;
        self
    }

    /// The same, left at this path when dropped, for somebody to look at.
    #[must_use]
    pub fn kept_at(mut self, path: PathBuf) -> Self {
        self.afterwards = Afterwards::KeepAt(path);
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

    /// The inputs folder, put back where it was taken away.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_inputs(&self) -> io::Result<Folder> {
        Ok(Folder::of_handle(self.restored(INPUTS)?, &self.inputs))
    }

    /// The outputs folder, put back where it was taken away.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn open_outputs(&self) -> io::Result<Folder> {
        Ok(Folder::of_handle(self.restored(OUTPUTS)?, &self.outputs))
    }

    /// Puts back what a submission took away: both folders and the one around them exist, are
    /// folders and neither links nor mounts, and can be read, written and searched. What is in them
    /// stays, unless what was done to them can't be undone: then both are begun anew, and why is
    /// returned.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn restore(&self) -> io::Result<Option<Stuck>> {
        match self.put_back() {
            Err(why) if is_a_submissions_doing(&why) => {
                self.begin_anew()?;
                Ok(Some(Stuck(why)))
            }
            restored => restored.map(|()| None),
        }
    }

    /// Removes what is in both folders, whatever it is; what can't be removed, with its reason, is
    /// set aside.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn begin_anew(&self) -> io::Result<Option<Stuck>> {
        let stuck = clear(&self.parent, self.name())?;
        self.put_back()?;
        Ok(stuck)
    }

    /// Removes the folders as a drop does, and says of what can't be removed why.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn leave(mut self) -> io::Result<Option<Stuck>> {
        let left = self.be_left();
        self.afterwards = Afterwards::Keep;
        match left {
            Err(why) if is_a_submissions_doing(&why) => Ok(Some(Stuck(why))),
            left => left,
        }
    }

    /// The room that is left on the folders' disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn room_left(&self) -> io::Result<Room> {
        room_left(&self.parent)
    }

    /// The room that the folders take; `None`: more than can be said.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn room_taken(&self) -> io::Result<Option<Room>> {
        Ok(room_taken(&restore_folder(&self.parent, self.name())?))
    }

    fn be_left(&self) -> io::Result<Option<Stuck>> {
        match &self.afterwards {
            Afterwards::Keep => Ok(None),
            Afterwards::Remove => clear(&self.parent, self.name()),
            Afterwards::KeepAt(path) => {
                remove_tree(path)?;
                fs::rename(&self.path, path)?;
                Ok(None)
            }
        }
    }

    fn put_back(&self) -> io::Result<()> {
        unlock(&self.parent)?;
        self.restored(INPUTS)?;
        self.restored(OUTPUTS)?;
        Ok(())
    }

    /// Copies both folders as they are now to `to`, which is made anew. Returns how many files and
    /// folders were left out: what is no regular file, and what is too much.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn copy_to(&self, to: &Path) -> io::Result<usize> {
        remove_tree(to)?;
        fs::create_dir_all(to)?;
        let mut left_out = 0;
        for name in [INPUTS, OUTPUTS] {
            left_out += copy_folder(self.restored(name)?, &to.join(name), MOST_KEPT)?;
        }
        Ok(left_out)
    }

    /// Fills `outputs/` with what an interaction left whose folders were [copied](Self::copy_to)
    /// to `kept`.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn take_outputs_of(&self, kept: &Path) -> io::Result<()> {
        let left = File::open(kept.join(OUTPUTS))?;
        remove_tree(&self.outputs)?;
        copy_folder(left, &self.outputs, MOST_KEPT)?;
        self.put_back()
    }

    /// Removes a folder that stands where a model input is to be written: a file, a link or a
    /// FIFO is replaced by the writing itself, a folder would make it fail.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn clear_input(&self, name: &str) -> io::Result<()> {
        remove_folder_in(self.restored(INPUTS)?, OsStr::new(name))
    }

    /// One of the two folders, by its handle.
    fn restored(&self, folder: &str) -> io::Result<OwnedFd> {
        let case = restore_folder(&self.parent, self.name())?;
        restore_folder(&case, OsStr::new(folder))
    }

    fn name(&self) -> &OsStr {
        self.path.file_name().unwrap_or_default()
    }
}

impl Drop for WorkFolder {
    fn drop(&mut self) {
        if let Err(error) = self.be_left() {
            tracing::warn!(path = %self.path.display(), %error, "a work folder could not be removed");
        }
    }
}

/// Why something of a submission's can't be removed or put in order.
#[derive(Debug)]
pub struct Stuck(io::Error);

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Removes what has this name, or at least sees to it that nothing has: what can't be removed gets
/// another one, and why it can't is returned.
fn clear(parent: &File, name: &OsStr) -> io::Result<Option<Stuck>> {
    unlock(parent)?;
    match remove_tree_in(parent, name) {
        Err(why) if is_a_submissions_doing(&why) => {
            let aside = set_aside(parent, name, STUCK)?;
            tracing::warn!(name = %name.display(), aside, %why, "a work folder could not be removed");
            Ok(Some(Stuck(why)))
        }
        removed => removed.map(|()| None),
    }
}

/// Opens the folder around a case's to its owner again: a plain process is that owner, and so may
/// lock it.
fn unlock(around: &File) -> io::Result<()> {
    let mode = around.metadata()?.permissions().mode();
    match mode & 0o700 {
        0o700 => Ok(()),
        _ => around.set_permissions(Permissions::from_mode(mode & 0o777 | 0o700)),
    }
}

/// Whether an error in a submission's folders is none of the disk's.
pub(crate) fn is_a_submissions_doing(error: &io::Error) -> bool {
    use io::ErrorKind::{
        AlreadyExists, CrossesDevices, DirectoryNotEmpty, IsADirectory, NotADirectory, NotFound,
        PermissionDenied, ResourceBusy,
    };
    matches!(
        error.kind(),
        AlreadyExists
            | CrossesDevices
            | DirectoryNotEmpty
            | IsADirectory
            | NotADirectory
            | NotFound
            | PermissionDenied
            | ResourceBusy
    )
}

/// The folder in which a submission that is kept for a run sees the folders of each case as long as
/// it lasts. Removed when dropped.
#[derive(Debug)]
pub struct CasesFolder {
    path: PathBuf,
}

impl CasesFolder {
    /// Makes it anew. Everybody may look into it; the folder around it is ours alone.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn create(path: &Path) -> io::Result<Self> {
        let parent = path.parent().unwrap_or(Path::new(""));
        create_private(parent)?;
        clear(&File::open(parent)?, path.file_name().unwrap_or_default())?;
        fs::create_dir(path)?;
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
        Ok(Self {
            path: path.canonicalize()?,
        })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for CasesFolder {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "a work folder could not be removed");
        }
    }
}

/// Makes a folder that no other user of this machine can look into.
fn create_private(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
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

    #[test]
    fn a_case_swapped_for_a_link_while_it_is_put_in_order_leads_nowhere() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let parent = tempfile::tempdir().unwrap();
        let cases = CasesFolder::create(&parent.path().join("team/cases")).unwrap();
        let folder = WorkFolder::create_among(&cases, "case").unwrap();
        let precious = parent.path().join("precious");
        for name in ["inputs/x.npz", "outputs"] {
            fs::create_dir_all(precious.join(name)).unwrap();
            let locked = Permissions::from_mode(0o700);
            fs::set_permissions(precious.join(name), locked).unwrap();
        }
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let (case, aside) = (folder.path(), parent.path().join("aside"));
                while !stop.load(Ordering::Relaxed) {
                    let _ = fs::rename(case, &aside);
                    let _ = symlink(&precious, case);
                    let _ = fs::remove_file(case);
                    let _ = fs::rename(&aside, case);
                }
            });
            for _ in 0..300 {
                // It may fail, as long as it touches nothing else.
                let _ = (folder.restore(), folder.clear_input("x.npz"));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let found = precious.join("outputs").metadata().unwrap();
        assert_eq!(found.permissions().mode() & 0o777, 0o700);
        assert!(precious.join("inputs/x.npz").is_dir());
    }

    #[test]
    fn what_an_interaction_left_is_copied_and_taken_up_again() {
        let (parent, folder) = folder();
        fs::write(folder.inputs().join("x.npz"), "input").unwrap();
        fs::write(folder.outputs().join("state"), "1").unwrap();
        symlink("/etc/passwd", folder.outputs().join("x.npz")).unwrap();
        let kept = parent.path().join("kept/x/1");
        assert_eq!(folder.copy_to(&kept).unwrap(), 1);
        fs::write(folder.outputs().join("state"), "2").unwrap();
        assert_eq!(fs::read(kept.join("inputs/x.npz")).unwrap(), b"input");
        folder.take_outputs_of(&kept).unwrap();
        assert_eq!(fs::read(folder.outputs().join("state")).unwrap(), b"1");
        assert_eq!(folder.outputs().read_dir().unwrap().count(), 1);
        // What was there before goes.
        assert_eq!(folder.copy_to(&kept).unwrap(), 0);
    }

    #[test]
    fn a_kept_case_is_not_seen_by_the_next() {
        let parent = tempfile::tempdir().unwrap();
        let cases = CasesFolder::create(&parent.path().join("team/cases")).unwrap();
        let kept = parent.path().join("team/case");
        let folder = WorkFolder::create_among(&cases, "case").unwrap();
        fs::write(folder.outputs().join("state"), "x").unwrap();
        drop(folder.kept_at(kept.clone()));
        assert_eq!(cases.path().read_dir().unwrap().count(), 0);
        assert!(kept.join("outputs/state").is_file());
        drop(cases);
        assert!(!parent.path().join("team/cases").exists());
    }
}
