//! Removing a folder that a stranger has filled.
//!
//! Nothing is followed out of it, and neither its depth nor locked folders keep it: whatever is
//! done is done relative to the handle of a folder that was opened without following links, and
//! what lies deep is first moved up, so that there are never more than two handles and no path
//! grows long.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Somebody who goes on adding files while they are removed is given up on.
const ROUNDS: usize = 100_000;
/// So many names are held in memory at once, however many there are.
const BATCH: usize = 4096;

/// Removes a tree, file or link. One that is not there is removed already.
///
/// # Errors
/// Those of the file system.
pub fn remove_tree(path: &Path) -> io::Result<()> {
    remove_tree_in(CWD, path.as_os_str())
}

/// [`remove_tree`] of what has this name in a folder.
///
/// # Errors
/// Those of the file system.
pub fn remove_tree_in(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let (parent, name) = (parent.as_fd(), c_name(name)?);
    let found = match rustix::fs::statat(parent, &*name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => FileType::from_raw_mode(found.st_mode),
        Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno.into()),
    };
    if found != FileType::Directory {
        return Ok(rustix::fs::unlinkat(parent, &*name, AtFlags::empty())?);
    }
    empty(&open_folder(parent, &name)?)?;
    Ok(rustix::fs::unlinkat(parent, &*name, AtFlags::REMOVEDIR)?)
}

/// Removes a folder of this name with all that is in it; whatever is no folder stays.
///
/// # Errors
/// Those of the file system.
pub fn remove_folder_in(parent: impl AsFd, name: &OsStr) -> io::Result<()> {
    let parent = parent.as_fd();
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {
            remove_tree_in(parent, name)
        }
        _ => Ok(()),
    }
}

/// Sees to it that there is a folder of this name in `parent`, open to everybody: to its owner and
/// to containers with another user. What else stands there is removed, and a link not followed.
/// Returns the folder's handle.
///
/// # Errors
/// Those of the file system; also if it is not ours.
pub fn restore_folder(parent: impl AsFd, name: &OsStr) -> io::Result<OwnedFd> {
    let (parent, name) = (parent.as_fd(), c_name(name)?);
    match rustix::fs::statat(parent, &*name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => {}
        Ok(_) => {
            rustix::fs::unlinkat(parent, &*name, AtFlags::empty())?;
            rustix::fs::mkdirat(parent, &*name, Mode::from_raw_mode(0o777))?;
        }
        Err(Errno::NOENT) => rustix::fs::mkdirat(parent, &*name, Mode::from_raw_mode(0o777))?,
        Err(errno) => return Err(errno.into()),
    }
    let folder = look_at_folder(parent, &name)?;
    let mode = rustix::fs::fstat(&folder)?.st_mode;
    if !Mode::from_raw_mode(mode).contains(Mode::from_raw_mode(0o777)) {
        change_mode(&folder, 0o777)?;
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&folder, c".", flags, Mode::empty())?)
}

/// Removes everything in a folder.
fn empty(folder: &OwnedFd) -> io::Result<()> {
    let mut moved = 0u64;
    for _ in 0..ROUNDS {
        let mut is_empty = true;
        for (name, kind) in entries(folder)? {
            is_empty = false;
            if kind == FileType::Directory {
                dissolve(folder, &name, &mut moved)?;
            } else {
                unlink(folder, &name)?;
            }
        }
        if is_empty {
            return Ok(());
        }
    }
    Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty))
}

/// Removes files of a folder and moves its folders up beside it, then removes it, if that was all.
fn dissolve(parent: &OwnedFd, name: &CStr, moved: &mut u64) -> io::Result<()> {
    let folder = match open_folder(parent, name) {
        // Something else by now: the next round sees it.
        Err(error) if is_gone(&error) => return Ok(()),
        folder => folder?,
    };
    for (inner, kind) in entries(&folder)? {
        if kind != FileType::Directory {
            unlink(&folder, &inner)?;
            continue;
        }
        match rustix::fs::unlinkat(&folder, &*inner, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => continue,
            // It is not empty; to be moved it must be writable.
            Err(_) => match open_folder(&folder, &inner) {
                Err(error) if is_gone(&error) => continue,
                inner => drop(inner?),
            },
        }
        loop {
            let place = format!(".segarena-removed-{moved}");
            *moved += 1;
            match rustix::fs::renameat(&folder, &*inner, parent, place) {
                Ok(()) => break,
                // There is something of that name already.
                Err(Errno::EXIST | Errno::NOTEMPTY | Errno::NOTDIR) => {}
                Err(Errno::NOENT) => break,
                Err(errno) => return Err(errno.into()),
            }
        }
    }
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        // There is more in it: the next round sees it.
        Ok(()) | Err(Errno::NOENT | Errno::NOTEMPTY | Errno::EXIST) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn unlink(folder: &OwnedFd, name: &CStr) -> io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        // A folder by now: the next round sees it.
        Ok(()) | Err(Errno::NOENT | Errno::ISDIR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
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

/// Opens a folder that may have been locked, unlocking it for its owner.
fn open_folder(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let parent = parent.as_fd();
    let looked_at = look_at_folder(parent, name)?;
    let mode = rustix::fs::fstat(&looked_at)?.st_mode;
    if !Mode::from_raw_mode(mode).contains(Mode::RWXU) {
        // Somebody else's folder stays as it is: what follows says what can't be done.
        let _ = change_mode(&looked_at, 0o700);
    }
    // The same folder, by its handle: whatever its name means by now.
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(&looked_at, c".", flags, Mode::empty())?)
}

/// A handle that needs no right to the folder.
fn look_at_folder(parent: impl AsFd, name: &CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(parent, name, flags, Mode::empty())?)
}

/// Changes the mode of what a handle means. `fchmod` refuses a handle that was opened without any
/// right; the name that the kernel has for it does not.
fn change_mode(handle: &OwnedFd, mode: u32) -> io::Result<()> {
    let name = format!("/proc/self/fd/{}", handle.as_raw_fd());
    fs::set_permissions(name, Permissions::from_mode(mode))
}

fn c_name(name: &OsStr) -> io::Result<CString> {
    use std::os::unix::ffi::OsStrExt;
    CString::new(name.as_bytes()).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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
