//! Room on a disk: how much is left, and how much a folder takes that a stranger has filled.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, Dir, FileType};

use crate::obstacles::open_folder;

/// So deep a folder is looked into.
const LEVELS: usize = 64;
/// So many folders in one are looked into.
const FOLDERS: usize = 1 << 16;

/// Room for files, or what files take.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// In bytes.
    pub bytes: u64,
    /// In files, folders, links and whatever else has a place of its own.
    pub files: u64,
}

/// The room that is left on the disk of a folder.
///
/// # Errors
/// Those of the file system.
pub fn room_left(folder: impl AsFd) -> io::Result<Room> {
    let disk = rustix::fs::fstatvfs(folder)?;
    let (blocks, files) = match rustix::process::geteuid().is_root() {
        true => (disk.f_bfree, disk.f_ffree),
        false => (disk.f_bavail, disk.f_favail),
    };
    // A file system without a fixed size, or a fixed number of files, has 0 of them in all.
    let or_endless = |all: u64, left: u64| if all == 0 { u64::MAX } else { left };
    Ok(Room {
        bytes: or_endless(disk.f_blocks, blocks.saturating_mul(disk.f_frsize)),
        files: or_endless(disk.f_files, files),
    })
}

/// The room that a folder takes with all that is in it, a file once for each of its names. Follows
/// neither links nor mounts, unlocks what is locked, and passes over what it may not read. `None`:
/// it is nested too deep or too widely to say.
pub fn room_taken(folder: &OwnedFd) -> Option<Room> {
    let mut taken = Room::default();
    add(folder, &mut taken, LEVELS)?;
    Some(taken)
}

fn add(folder: &OwnedFd, taken: &mut Room, levels: usize) -> Option<()> {
    let mut inner = Vec::new();
    for entry in Dir::read_from(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let Ok(found) = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        taken.files += 1;
        let bytes = u64::try_from(found.st_blocks)
            .unwrap_or(0)
            .saturating_mul(512);
        taken.bytes = taken.bytes.saturating_add(bytes);
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            inner.push(CString::from(name));
        }
        if inner.len() > FOLDERS {
            return None;
        }
    }
    for name in inner {
        let levels = levels.checked_sub(1)?;
        if let Ok(inner) = open_folder(folder, &name) {
            add(&inner, taken, levels)?;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn taken_by(path: &std::path::Path) -> Option<Room> {
        room_taken(&File::open(path).unwrap().into())
    }

    #[test]
    fn files_are_counted_wherever_they_are_locked_away() {
        let folder = tempfile::tempdir().unwrap();
        let locked = folder.path().join("a/locked");
        fs::create_dir_all(&locked).unwrap();
        fs::write(locked.join("file"), vec![1; 1 << 20]).unwrap();
        symlink("/", folder.path().join("link")).unwrap();
        fs::set_permissions(&locked, Permissions::from_mode(0o000)).unwrap();
        let taken = taken_by(folder.path()).unwrap();
        assert_eq!(taken.files, 4);
        assert!((1 << 20..2 << 20).contains(&taken.bytes), "{taken:?}");
    }

    #[test]
    fn a_folder_nested_too_deep_has_no_known_size() {
        let folder = tempfile::tempdir().unwrap();
        let levels = |count| folder.path().join(vec!["d"; count].join("/"));
        fs::create_dir_all(levels(LEVELS)).unwrap();
        assert_eq!(taken_by(folder.path()).unwrap().files, LEVELS as u64);
        fs::create_dir(levels(LEVELS + 1)).unwrap();
        assert_eq!(taken_by(folder.path()), None);
    }

    #[test]
    fn there_is_room_on_the_disk_of_a_temporary_folder() {
        let folder = tempfile::tempdir().unwrap();
        let left = room_left(File::open(folder.path()).unwrap()).unwrap();
        assert!(left.bytes > 0 && left.files > 0, "{left:?}");
    }
}
