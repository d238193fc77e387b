//! The disk that an engine keeps its images on, as far as this machine can see it.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;

/// A folder of an engine's images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Store {
    folder: PathBuf,
}

/// An engine that has less than this left is said to be full, so that others on the disk are not.
const RESERVE: u64 = 64 << 20;
/// On a small disk it is this part of it.
const SMALL_DISK_PART: u64 = 100;

impl Store {
    /// The store in this folder; `None` where it can't be looked at: it is another machine's.
    pub(crate) fn at(folder: &Path) -> Option<Self> {
        let store = Self {
            folder: folder.to_owned(),
        };
        store.space().map(|_| store)
    }

    /// Whether so many bytes of an archive have room, which it takes at the least: else why not.
    pub(crate) fn has_room_for(&self, size: u64) -> Result<(), String> {
        match self.space() {
            Some((free, _)) if free < size => Err(format!(
                "{} has {} left, and the archive alone is {}",
                self.folder.display(),
                ByteSize(free),
                ByteSize(size)
            )),
            _ => Ok(()),
        }
    }

    /// Why nothing more should be loaded, where that is so.
    pub(crate) fn is_full(&self) -> Option<String> {
        let (free, whole) = self.space()?;
        let reserve = RESERVE.min(whole / SMALL_DISK_PART);
        let (folder, free_size) = (self.folder.display(), ByteSize(free));
        (free < reserve).then(|| format!("{folder} has only {free_size} left"))
    }

    /// Whether what is in this folder takes its room.
    pub(crate) fn is_on_the_disk_of(&self, folder: &Path) -> bool {
        let disk = |folder: &Path| rustix::fs::stat(folder).ok().map(|found| found.st_dev);
        disk(&self.folder) == disk(folder)
    }

    /// The bytes that are free, and all there are.
    fn space(&self) -> Option<(u64, u64)> {
        let found = rustix::fs::statvfs(&self.folder).ok()?;
        Some((
            found.f_bavail * found.f_frsize,
            found.f_blocks * found.f_frsize,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_what_the_folders_disk_has_left() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::at(folder.path()).unwrap();
        assert_eq!(store.has_room_for(1), Ok(()));
        let why = store.has_room_for(u64::MAX).unwrap_err();
        assert!(why.contains(folder.path().to_str().unwrap()), "{why}");
        assert!(store.is_on_the_disk_of(folder.path()));
        assert!(!store.is_on_the_disk_of(Path::new("/proc")));
        assert_eq!(Store::at(Path::new("/nowhere/at/all")), None);
    }
}
