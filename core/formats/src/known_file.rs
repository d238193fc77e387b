//! A file as it was when it was read, so that it is not read again before it has changed.
//!
//! It is known again by its size and its times, as the file server tells them: they are held
//! against what the same server told before, never against a clock. The number of its inode is
//! left out, as some network file systems make one up at each mount; a file put in another's place
//! has another time of change.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownFile {
    /// Where it is, absolute.
    pub path: PathBuf,
    size: u64,
    /// Seconds and nanoseconds of the last change of the content.
    modified: (i64, i64),
    /// The same of the content, the name or the permissions.
    changed: (i64, i64),
}

impl KnownFile {
    /// The file as it is now. To be asked before it is read: what changes meanwhile is then read
    /// again the next time.
    ///
    /// # Errors
    /// When there is no such file, or it can't be looked at.
    pub fn at(path: &Path) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let found = std::fs::metadata(&path)?;
        Ok(Self {
            size: found.size(),
            modified: (found.mtime(), found.mtime_nsec()),
            changed: (found.ctime(), found.ctime_nsec()),
            path,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        assert!(KnownFile::at(&path).is_err());
        std::fs::write(&path, "one").unwrap();
        let before = KnownFile::at(&path).unwrap();
        assert_eq!(KnownFile::at(&path).unwrap(), before);
        std::fs::write(&path, "other").unwrap();
        assert_ne!(KnownFile::at(&path).unwrap(), before);
    }
}
