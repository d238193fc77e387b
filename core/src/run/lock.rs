//! One run at a time on an output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Held for the length of a run. The operating system releases it with its owner's last breath,
/// so that a crash leaves no lock behind.
#[derive(Debug)]
pub struct OutputLock {
    _file: File,
}

/// Why the output folder can't be locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another run is using the folder.
    #[error(
        "another run (process {owner}) is writing to {}: wait for it, or use another output folder",
        output.display()
    )]
    Taken {
        /// The output folder.
        output: PathBuf,
        /// The other's process id, as it noted it.
        owner: String,
    },
    /// The lock file can't be used.
    #[error("cannot lock {}: {source}", path.display())]
    Io {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OutputLock {
    /// Locks `output`, by the file `path` inside it.
    ///
    /// # Errors
    /// When another run holds the lock, or the file can't be used.
    pub fn take(output: &Path, path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Io {
            path: path.to_owned(),
            source,
        };
        let mut options = OpenOptions::new();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                let _ = file.read_to_string(&mut owner);
                return Err(LockError::Taken {
                    output: output.to_owned(),
                    owner: owner.trim().to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        note_owner(&mut file).map_err(failed)?;
        Ok(Self { _file: file })
    }
}

fn note_owner(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_run_on_the_same_folder_is_refused_until_the_first_ends() {
        let output = tempfile::tempdir().unwrap();
        let path = output.path().join("lock");
        let first = OutputLock::take(output.path(), &path).unwrap();
        let refused = OutputLock::take(output.path(), &path).unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(&std::process::id().to_string()),
            "{refused}"
        );
        drop(first);
        OutputLock::take(output.path(), &path).unwrap();
    }
}
