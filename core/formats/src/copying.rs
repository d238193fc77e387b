//! Copying a folder that a stranger has filled, and may still be filling.
//!
//! Nothing is followed out of it: whatever is read is reached by the handle of a folder that was
//! opened without following links or mounts. What is no regular file, lies too deep or is too much
//! is left out, and what was copied has no more rights than any new file.

use std::ffi::{CStr, OsStr};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, FileType, OFlags};

use crate::obstacles::open_unmounted;

/// Folders below more than so many others are left out.
const DEEPEST: usize = 8;
/// Files and folders beyond so many are left out.
const MOST: usize = 10_000;

/// Copies what is in a folder, no more than so many bytes, to `to`, which is made. Returns how much
/// was left out, in files and folders.
///
/// # Errors
/// When `to` can't be made or written to.
pub fn copy_folder(from: impl AsFd, to: &Path, most_bytes: u64) -> io::Result<usize> {
    let mut copying = Copying {
        bytes: most_bytes,
        entries: MOST,
        left_out: 0,
    };
    copying.folder(from.as_fd(), to, 0)?;
    Ok(copying.left_out)
}

/// What may still be copied, and what was not.
struct Copying {
    bytes: u64,
    entries: usize,
    left_out: usize,
}

impl Copying {
    fn folder(&mut self, from: BorrowedFd<'_>, to: &Path, depth: usize) -> io::Result<()> {
        fs::create_dir(to)?;
        let Ok(entries) = Dir::read_from(from) else {
            self.left_out += 1;
            return Ok(());
        };
        for entry in entries {
            // Somebody who goes on adding files is not read on.
            if self.entries == 0 {
                self.left_out += 1;
                return Ok(());
            }
            let Ok(entry) = entry else { continue };
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            self.entries -= 1;
            let to = to.join(OsStr::from_bytes(name.to_bytes()));
            match kind(from, name) {
                Some(FileType::Directory) if depth < DEEPEST => {
                    match open(from, name, OFlags::DIRECTORY) {
                        Some(inner) => self.folder(inner.as_fd(), &to, depth + 1)?,
                        None => self.left_out += 1,
                    }
                }
                Some(FileType::RegularFile) => match open(from, name, OFlags::NONBLOCK) {
                    Some(file) => self.file(File::from(file), &to)?,
                    None => self.left_out += 1,
                },
                _ => self.left_out += 1,
            }
        }
        Ok(())
    }

    fn file(&mut self, from: File, to: &Path) -> io::Result<()> {
        let found = from.metadata()?;
        // A sparse one is as large as it says, once it is copied.
        if !found.is_file() || found.len() > self.bytes {
            self.left_out += 1;
            return Ok(());
        }
        // It may grow meanwhile.
        let mut from = from.take(self.bytes);
        self.bytes -= io::copy(&mut from, &mut File::create_new(to)?)?;
        Ok(())
    }
}

/// What a name means, without following it.
fn kind(folder: BorrowedFd<'_>, name: &CStr) -> Option<FileType> {
    let found = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(found.st_mode))
}

fn open(folder: BorrowedFd<'_>, name: &CStr, more: OFlags) -> Option<OwnedFd> {
    open_unmounted(folder, name, OFlags::RDONLY | OFlags::NOCTTY | more).ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use rustix::fs::Mode;

    use super::*;

    /// On what every Linux has.
    #[test]
    fn what_is_mounted_in_a_folder_is_not_read() {
        let root = File::open("/").unwrap();
        assert!(open(root.as_fd(), c"proc", OFlags::DIRECTORY).is_none());
        assert!(open(root.as_fd(), c"etc", OFlags::DIRECTORY).is_some());
    }

    #[test]
    fn files_are_copied_and_what_is_no_file_or_leads_elsewhere_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/state"), "x").unwrap();
        fs::write(from.join("run me"), "#!/bin/sh").unwrap();
        let setuid = fs::Permissions::from_mode(0o4777);
        fs::set_permissions(from.join("run me"), setuid).unwrap();
        fs::write(folder.path().join("secret"), "x").unwrap();
        symlink(folder.path().join("secret"), from.join("link")).unwrap();
        symlink(folder.path(), from.join("folder link")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            from.join("fifo"),
            FileType::Fifo,
            Mode::RUSR,
            0,
        )
        .unwrap();
        // Larger than may be copied, though it takes no room.
        File::create(from.join("sparse"))
            .and_then(|file| file.set_len(1 << 40))
            .unwrap();
        let to = folder.path().join("to");
        let left_out = copy_folder(File::open(&from).unwrap(), &to, 1 << 20).unwrap();
        assert_eq!(left_out, 4);
        assert_eq!(fs::read(to.join("a/b/state")).unwrap(), b"x");
        let mode = to.join("run me").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7111, 0, "{mode:o}");
        assert_eq!(fs::read_dir(&to).unwrap().count(), 2);
    }

    #[test]
    fn what_is_too_much_or_too_deep_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let from = folder.path().join("from");
        let deep = (0..20).fold(from.clone(), |path, _| path.join("d"));
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("x"), "x").unwrap();
        for name in ["one", "two"] {
            fs::write(from.join(name), vec![0; 600]).unwrap();
        }
        let to = folder.path().join("to");
        let left_out = copy_folder(File::open(&from).unwrap(), &to, 1000).unwrap();
        assert_eq!(left_out, 2);
        let copied = ["one", "two"].map(|name| to.join(name).exists());
        assert_eq!(copied.iter().filter(|there| **there).count(), 1);
    }
}
