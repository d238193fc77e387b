//! A file that appears under its name whole, or not at all, and how it is read beside that.

use std::fs::{File, Permissions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::temporary::temporary_prefix;

/// A file being written beside its place, under a [temporary name](crate::temporary), readable by
/// everybody whom the umask lets in. Dropped before [`Self::finish`], it leaves nothing.
pub struct WholeFile {
    path: PathBuf,
    temporary: NamedTempFile,
}

impl WholeFile {
    /// Begins the file that will be at `path`.
    ///
    /// # Errors
    /// If the folder of `path` does not take it.
    pub fn create(path: &Path) -> io::Result<Self> {
        let temporary = tempfile::Builder::new()
            .prefix(temporary_prefix())
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(path))?;
        Ok(Self {
            path: path.to_owned(),
            temporary,
        })
    }

    /// Puts the file in its place, on the disk to stay.
    ///
    /// # Errors
    /// If flushing or renaming fails; `path` is then as it was before.
    pub fn finish(self) -> io::Result<()> {
        self.temporary.as_file().sync_all()?;
        self.temporary.persist(&self.path)?;
        // The rename lasts when the folder's entry is on the disk.
        File::open(folder_of(&self.path))?.sync_all()
    }
}

/// Reads a file that another machine may put a newer one in the place of meanwhile: a file server
/// may have forgotten the older one by then, and the newer one is read.
///
/// # Errors
/// When it can't be read.
pub fn read_whole(path: &Path) -> io::Result<Vec<u8>> {
    /// More often than that nobody replaces a file while it is read.
    const TRIES: usize = 10;
    for _ in 1..TRIES {
        match std::fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::StaleNetworkFileHandle => {}
            read => return read,
        }
    }
    std::fs::read(path)
}

impl Write for WholeFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.temporary.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.temporary.flush()
    }
}

impl Seek for WholeFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.temporary.seek(to)
    }
}

fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_when_it_is_finished_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"new").unwrap();
        assert!(!path.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");

        let mut file = WholeFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
