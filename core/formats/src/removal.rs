//! Removing a folder that a stranger has filled.
//!
//! Nothing is followed out of it, neither a link nor a mount, and neither its depth nor locked or
//! frozen folders keep it: whatever is done is done relative to the handle of a folder that was
//! opened without following links, and what lies deep is first moved up, so that there are never
//! more than three handles and no path grows long.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::obstacles::{
    change_mode, despite_obstacles, look_at_folder, open_folder, read, told, unfreeze,
};

/// Somebody who goes on adding files while they are removed is given up on.
const ROUNDS: usize = 100_000;
/// So many names are held in memory at once, however many there are.
const BATCH: usize = 4096;
/// So many folders that were moved up are remembered; the others are found again.
const REMEMBERED: usize = 16 * BATCH;

/// Removes a tree, file or link. One that is not there is removed already.
///
/// # Errors
/// Those of the file system, the first of them: what else can be removed is removed.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    // The way to it is the caller's own, and may lead over mounts and links.
    match open_own_parent(path) {
        Ok(parent) => remove_tree_in(parent, name),
        Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// [`remove_tree`] of what has this name in a folder.
///
/// # Errors
/// As [`remove_tree`].
pub fn remove_tree_in(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let (parent, name) = (parent.as_fd(), c_name(name)?);
    let mut removal = Removal::default();
    match open_folder(parent, &name) {
        Ok(folder) => {
            removal.empty(&folder, ROUNDS);
            removal.remove(parent, &name, AtFlags::REMOVEDIR);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            removal.remove(parent, &name, AtFlags::empty());
        }
        Err(error) => return Err(error),
    }
    removal.done()
}

/// Removes a folder of this name with all that is in it; whatever is no folder stays.
///
/// # Errors
/// As [`remove_tree`].
pub fn remove_folder_in(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let parent = parent.as_fd();
    match look_at_folder(parent, &c_name(name)?) {
        Err(error) if is_gone(&error) => Ok(()),
        _ => remove_tree_in(parent, name),
    }
}

/// Gives a folder of this name another one beside it, beginning with `prefix`, that nothing has.
/// Returns the new name.
///
/// # Errors
/// Those of the file system.
pub fn set_aside(parent: impl AsFd, name: &OsStr, prefix: &str) -> io::Result<String> {
    let (parent, name) = (parent.as_fd(), c_name(name)?);
    let mut number = 0u64;
    loop {
        let aside = format!("{prefix}{number}");
        let renamed = despite_obstacles(parent, &name, || {
            rustix::fs::renameat(parent, &*name, parent, &*aside)
        });
        match renamed {
            Ok(()) => return Ok(aside),
            Err(errno) if is_taken(errno) => number += 1,
            Err(errno) => return Err(told(errno)),
        }
    }
}

/// Sees to it that there is a folder of this name in `parent`, open to everybody: to its owner and
/// to containers with another user. What else stands there is removed, and neither a link nor a
/// mount followed. Returns the folder's handle.
///
/// # Errors
/// Those of the file system; also if it is not ours.
pub fn restore_folder(parent: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let (parent, name) = (parent.as_fd(), c_name(name)?);
    let folder = match look_at_folder(parent, &name) {
        Err(error) if is_gone(&error) => {
            if error.kind() == io::ErrorKind::NotADirectory {
                let mut removal = Removal::default();
                removal.remove(parent, &name, AtFlags::empty());
                removal.done()?;
            }
            despite_obstacles(parent, &name, || {
                rustix::fs::mkdirat(parent, &*name, Mode::from_raw_mode(0o777))
            })
            .map_err(told)?;
            look_at_folder(parent, &name)?
        }
        folder => folder?,
    };
    let mode = rustix::fs::fstat(&folder)?.st_mode;
    if !Mode::from_raw_mode(mode).contains(Mode::from_raw_mode(0o777)) {
        change_mode(&folder, 0o777)?;
    }
    let folder = read(&folder)?;
    // Only root may, and only root may have frozen it.
    unfreeze(folder.as_fd());
    Ok(folder)
}

/// A removal under way.
#[derive(Default)]
struct Removal {
    /// How much was removed.
    removed: u64,
    /// How many folders were moved up.
    moved: u64,
    /// The first thing that could not be done.
    failed: Option<io::Error>,
}

impl Removal {
    fn done(self) -> io::Result<()> {
        self.failed.map_or(Ok(()), Err)
    }

    /// Removes everything in a folder that can be removed, in so many rounds at most.
    fn empty(&mut self, folder: &OwnedFd, rounds: usize) {
        for _ in 0..rounds {
            let found = match entries(folder) {
                Ok(found) if found.is_empty() => {
                    // What failed has gone otherwise.
                    self.failed = None;
                    return;
                }
                Ok(found) => found,
                Err(error) => return self.note(error),
            };
            let before = (self.removed, self.moved);
            let mut folders = Vec::new();
            for (name, kind) in found {
                match kind {
                    FileType::Directory => folders.push(name),
                    _ => self.remove(folder.as_fd(), &name, AtFlags::empty()),
                }
            }
            while let Some(name) = folders.pop() {
                self.dissolve(folder, &name, &mut folders);
            }
            if before == (self.removed, self.moved) {
                break;
            }
        }
        self.note(io::Error::from(io::ErrorKind::DirectoryNotEmpty));
    }

    /// Removes files of a folder and moves its folders up `beside` it, then removes it, if that was
    /// all.
    fn dissolve(&mut self, parent: &OwnedFd, name: &CStr, beside: &mut Vec<CString>) {
        let found = open_folder(parent, name).and_then(|folder| {
            let found = entries(&folder)?;
            Ok((folder, found))
        });
        let (folder, found) = match found {
            Ok(found) => found,
            // Something else by now: the next round sees it.
            Err(error) if is_gone(&error) => return,
            Err(error) => return self.note(error),
        };
        for (inner, kind) in found {
            if kind != FileType::Directory {
                self.remove(folder.as_fd(), &inner, AtFlags::empty());
                continue;
            }
            if self
                .try_to_remove(folder.as_fd(), &inner, AtFlags::REMOVEDIR)
                .is_ok()
            {
                continue;
            }
            // It is not empty; to be moved it must be writable.
            match open_folder(&folder, &inner) {
                Ok(_) => self.move_up(&folder, &inner, parent, beside),
                Err(error) if is_gone(&error) => {}
                Err(error) => self.note(error),
            }
        }
        match self.try_to_remove(parent.as_fd(), name, AtFlags::REMOVEDIR) {
            // There is more in it: the next round sees it.
            Ok(()) | Err(Errno::NOTEMPTY | Errno::EXIST) => {}
            Err(errno) => self.note(told(errno)),
        }
    }

    fn move_up(&mut self, from: &OwnedFd, name: &CStr, to: &OwnedFd, beside: &mut Vec<CString>) {
        loop {
            let place = format!(".segarena-removed-{}", self.moved);
            self.moved += 1;
            let renamed =
                despite_obstacles(from, name, || rustix::fs::renameat(from, name, to, &*place));
            match renamed {
                Ok(()) => {
                    if beside.len() < REMEMBERED {
                        beside.extend(CString::new(place));
                    }
                    return;
                }
                // There is something of that name already.
                Err(errno) if is_taken(errno) => {}
                Err(Errno::NOENT) => return,
                Err(errno) => return self.note(told(errno)),
            }
        }
    }

    fn remove(&mut self, folder: BorrowedFd<'_>, name: &CStr, how: AtFlags) {
        match self.try_to_remove(folder, name, how) {
            // A folder by now: the next round sees it.
            Ok(()) | Err(Errno::ISDIR) => {}
            Err(errno) => self.note(told(errno)),
        }
    }

    /// What is not there is removed already.
    fn try_to_remove(
        &mut self,
        folder: BorrowedFd<'_>,
        name: &CStr,
        how: AtFlags,
    ) -> rustix::io::Result<()> {
        match despite_obstacles(folder, name, || rustix::fs::unlinkat(folder, name, how)) {
            Ok(()) => self.removed += 1,
            Err(Errno::NOENT) => {}
            Err(errno) => return Err(errno),
        }
        Ok(())
    }

    fn note(&mut self, error: io::Error) {
        self.failed.get_or_insert(error);
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

/// Whether a name for something can't be had because something else has it.
fn is_taken(errno: Errno) -> bool {
    matches!(errno, Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR)
}

/// The first names in a folder, without `.` and `..`, and what each is.
fn entries(folder: &OwnedFd) -> io::Result<Vec<(CString, FileType)>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            FileType::Unknown => {
                match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) => FileType::from_raw_mode(stat.st_mode),
                    Err(Errno::NOENT) => continue,
                    Err(errno) => return Err(errno.into()),
                }
            }
            known => known,
        };
        found.push((name.to_owned(), kind));
        if found.len() == BATCH {
            break;
        }
    }
    Ok(found)
}

fn open_own_parent(path: &Path) -> rustix::io::Result<OwnedFd> {
    let parent = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(parent, flags, Mode::empty())
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(name.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn links_out_of_a_tree_are_removed_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::create_dir_all(precious.join("inner")).unwrap();
        fs::write(precious.join("file"), "kept").unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        for link in ["link", "a/link", "a/b/link"] {
            symlink(&precious, tree.join(link)).unwrap();
        }
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
        assert_eq!(fs::read(precious.join("file")).unwrap(), b"kept");

        symlink(&precious, &tree).unwrap();
        remove_tree(&tree).unwrap();
        assert!(fs::symlink_metadata(&tree).is_err() && precious.join("inner").is_dir());
        remove_tree(&tree).unwrap();
    }

    #[test]
    fn a_folder_swapped_for_a_link_meanwhile_leads_nowhere() {
        use std::sync::atomic::{AtomicBool, Ordering};
        let folder = tempfile::tempdir().unwrap();
        let precious = folder.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "kept").unwrap();
        let tree = folder.path().join("tree");
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let _ = fs::create_dir_all(tree.join("a"));
                    let _ = fs::write(tree.join("a/file"), "x");
                    let _ = fs::rename(tree.join("a"), folder.path().join("aside"));
                    let _ = symlink(&precious, tree.join("a"));
                    let _ = fs::remove_file(tree.join("a"));
                    let _ = fs::rename(folder.path().join("aside"), tree.join("a"));
                }
            });
            for _ in 0..300 {
                // It may fail, as long as it touches nothing else.
                let _ = remove_tree(&tree);
            }
            stop.store(true, Ordering::Relaxed);
        });
        assert_eq!(fs::read(precious.join("file")).unwrap(), b"kept");
    }

    #[test]
    fn a_tree_deeper_than_any_path_and_locked_throughout_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        let mut inner = rustix::fs::open(&tree, OFlags::DIRECTORY, Mode::empty()).unwrap();
        let mut levels = Vec::new();
        for depth in 0..3000 {
            rustix::fs::mkdirat(&inner, "deep", Mode::RWXU).unwrap();
            let next = rustix::fs::openat(&inner, "deep", OFlags::DIRECTORY, Mode::empty());
            let outer = std::mem::replace(&mut inner, next.unwrap());
            if depth % 100 == 0 {
                levels.push(outer);
            }
        }
        for level in &levels {
            rustix::fs::fchmod(level, Mode::empty()).unwrap();
        }
        drop((inner, levels));
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn a_tree_may_have_more_levels_than_there_are_rounds() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join(vec!["d"; 100].join("/"))).unwrap();
        let mut removal = Removal::default();
        removal.empty(&fs::File::open(folder.path()).unwrap().into(), 3);
        removal.done().unwrap();
    }

    #[test]
    fn what_is_set_aside_takes_no_name_from_another() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["tree/inner", ".left-0/inner"] {
            fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        fs::write(folder.path().join(".left-1"), "x").unwrap();
        let parent = fs::File::open(folder.path()).unwrap();
        let aside = set_aside(&parent, OsStr::new("tree"), ".left-").unwrap();
        assert_eq!(aside, ".left-2");
        assert!(folder.path().join(".left-2/inner").is_dir());
        assert!(!folder.path().join("tree").exists());
    }

    #[test]
    fn names_of_any_bytes_are_removed() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let tree = folder.path().join("tree");
        fs::create_dir(&tree).unwrap();
        for name in [
            &b"\xff\xfe"[..],
            b"new\nline",
            b"-rf",
            b" ",
            b"\x1b[2J",
            &[b'x'; 255],
        ] {
            let inner = tree.join(OsStr::from_bytes(name));
            fs::create_dir(&inner).unwrap();
            fs::write(inner.join(OsStr::from_bytes(name)), "x").unwrap();
        }
        // Names that the removal itself would take.
        fs::create_dir_all(tree.join(".segarena-removed-0/a/b")).unwrap();
        fs::write(tree.join(".segarena-removed-1"), "x").unwrap();
        remove_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn a_folder_is_restored_open_to_all_and_a_link_in_its_place_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let parent = fs::File::open(folder.path()).unwrap();
        let precious = folder.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::set_permissions(&precious, Permissions::from_mode(0o000)).unwrap();
        symlink(&precious, folder.path().join("link")).unwrap();
        let mode = |name: &str| {
            let found = fs::symlink_metadata(folder.path().join(name)).unwrap();
            (found.is_dir(), found.permissions().mode() & 0o777)
        };
        restore_folder(&parent, OsStr::new("link")).unwrap();
        restore_folder(&parent, OsStr::new("new")).unwrap();
        assert_eq!(mode("precious"), (true, 0));
        assert_eq!([mode("link"), mode("new")], [(true, 0o777); 2]);
        restore_folder(&parent, OsStr::new("precious")).unwrap();
        assert_eq!(mode("precious"), (true, 0o777));
    }
}
