//! A folder that a submission may have written into: opened once, then used by its handle.
//!
//! Whoever can write into a folder can put a link, a FIFO or a device under any name in it, and
//! can do so between a check and the use. So nothing here follows a link or trusts a path: names
//! are looked up relative to the folder's handle, and what was opened is asked what it is.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};

use super::error::NpzErrorKind;

/// A handle on a folder. It keeps meaning the folder that was opened, whatever is renamed.
#[derive(Debug)]
pub struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens the folder at `path`, which must not itself be a link.
    ///
    /// # Errors
    /// If there is no such folder, or it may not be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let handle = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self {
            handle,
            path: path.to_owned(),
        })
    }

    /// The folder that this handle was opened for, which is at `path`.
    pub fn of_handle(handle: OwnedFd, path: &Path) -> Self {
        Self {
            handle,
            path: path.to_owned(),
        }
    }

    /// The path the folder was opened by, for messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The first `most` names in the folder in alphabetical order, and how many there are.
    ///
    /// # Errors
    /// If the folder may not be read.
    pub fn names(&self, most: usize) -> io::Result<(Vec<String>, usize)> {
        let mut names = std::collections::BTreeSet::new();
        let mut count = 0;
        for entry in rustix::fs::Dir::read_from(&self.handle)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name == "." || name == ".." {
                continue;
            }
            count += 1;
            names.insert(name);
            if names.len() > most {
                names.pop_last();
            }
        }
        Ok((names.into_iter().collect(), count))
    }

    /// Opens the regular file `name` for reading.
    ///
    /// Links, FIFOs, sockets, devices and folders are refused, and none of them can make this
    /// hang: the name is asked before it is opened, opened without following or waiting, and
    /// what was opened is asked again.
    pub(super) fn open_regular(&self, name: &OsStr) -> Result<File, NpzErrorKind> {
        let doing = NpzErrorKind::io("it cannot be opened");
        if !is_plain(name) {
            return Err(doing(io::Error::from(io::ErrorKind::InvalidInput)));
        }
        let named = match rustix::fs::statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(errno) => return Err(doing(errno.into())),
        };
        require_regular(&named)?;
        let flags =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(&self.handle, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(errno) => return Err(doing(errno.into())),
        };
        let opened = match rustix::fs::fstat(&file) {
            Ok(stat) => stat,
            Err(errno) => return Err(doing(errno.into())),
        };
        require_regular(&opened)?;
        Ok(File::from(file))
    }

    /// Puts a file under `name`, whole or not at all, whatever is there now.
    ///
    /// `write` gets a new file under a temporary name that no link can stand in for; the file
    /// replaces what `name` meant, itself a link or not, when `write` has returned.
    pub fn replace(
        &self,
        name: &OsStr,
        write: impl FnOnce(&File) -> Result<(), NpzErrorKind>,
    ) -> Result<(), NpzErrorKind> {
        let (temporary, file) = self
            .create_temporary(name)
            .map_err(NpzErrorKind::io("cannot create"))?;
        let done = write(&file).and_then(|()| {
            rustix::fs::renameat(&self.handle, &temporary, &self.handle, name)
                .map_err(|errno| NpzErrorKind::io("cannot put it in place")(errno.into()))
        });
        if done.is_err() {
            // Best effort: the folder is the submission's, and dies with the case.
            let _ = rustix::fs::unlinkat(&self.handle, &temporary, AtFlags::empty());
        }
        done
    }

    fn create_temporary(&self, name: &OsStr) -> io::Result<(String, File)> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        if !is_plain(name) {
            return Err(io::Error::from(io::ErrorKind::InvalidInput));
        }
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(0o644);
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let temporary = format!(".segarena-{}-{number}.part", std::process::id());
            match rustix::fs::openat(&self.handle, temporary.as_str(), flags, mode) {
                Ok(file) => {
                    // The reader may be another user (a container's), whatever our umask.
                    rustix::fs::fchmod(&file, mode)?;
                    return Ok((temporary, File::from(file)));
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }
}

/// Opens a regular file by its path, following links: for files that are the user's own.
pub(super) fn open_own(path: &Path) -> Result<File, NpzErrorKind> {
    let doing = || NpzErrorKind::io("it cannot be opened");
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        rustix::fs::open(path, flags, Mode::empty()).map_err(|errno| doing()(errno.into()))?;
    let opened = rustix::fs::fstat(&file).map_err(|errno| doing()(errno.into()))?;
    require_regular(&opened)?;
    Ok(File::from(file))
}

/// One name in the folder: no separators, no `..`.
fn is_plain(name: &OsStr) -> bool {
    let mut components = Path::new(name).components();
    matches!(components.next(), Some(Component::Normal(only)) if only == name)
        && components.next().is_none()
}

fn require_regular(stat: &rustix::fs::Stat) -> Result<(), NpzErrorKind> {
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return Ok(()),
        FileType::Symlink => "a symbolic link",
        FileType::Directory => "a folder",
        FileType::Fifo => "a FIFO",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something unknown",
    };
    Err(NpzErrorKind::NotRegular { what })
}
