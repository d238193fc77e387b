//! One run at a time on an output folder.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Held for the length of a run. The operating system releases it with its owner's last breath,
/// so that a crash leaves no lock behind.
#[derive(Debug)]
pub struct OutputLock {
    file: File,
    /// What the file held before, as long as nothing was begun.
    before: Option<Vec<u8>>,
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
        let began = Instant::now();
        while let Err(error) = file.try_lock() {
            if let TryLockError::Error(error) = error {
                return Err(failed(error));
            }
            let owner = owner(&mut file);
            // A process that was killed while it started another leaves the lock with that one
            // until it has become another program.
            let line = Path::new("/proc").join(&owner).join("cmdline");
            let is_dying = std::fs::read(line).unwrap_or_default().is_empty();
            if !(is_dying && began.elapsed() < DYING_OWNER_TIMEOUT) {
                return Err(LockError::Taken {
                    output: output.to_owned(),
                    owner,
                });
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let before = content(&mut file).map_err(failed)?;
        replace(&mut file, format!("{}\n", std::process::id()).as_bytes()).map_err(failed)?;
        Ok(Self {
            file,
            before: Some(before),
        })
    }

    /// From now on it stays known who held the lock last. Without this the file is left as it was
    /// found: who changed nothing leaves no trace.
    pub fn begin(&mut self) {
        self.before = None;
    }
}

impl Drop for OutputLock {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // Whose number is in a file that nobody holds is of no matter.
            let _ = replace(&mut self.file, before);
        }
    }
}

/// How long a lock may outlive the process that held it.
const DYING_OWNER_TIMEOUT: Duration = Duration::from_secs(5);

/// The process id that the lock's owner noted.
fn owner(file: &mut File) -> String {
    let owner = content(file).unwrap_or_default();
    String::from_utf8_lossy(&owner).trim().to_owned()
}

fn content(file: &mut File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn replace(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
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

    #[test]
    fn a_run_that_began_nothing_leaves_the_lock_as_it_was() {
        let output = tempfile::tempdir().unwrap();
        let path = output.path().join("lock");
        std::fs::write(&path, "1\n").unwrap();
        drop(OutputLock::take(output.path(), &path).unwrap());
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n");
        OutputLock::take(output.path(), &path).unwrap().begin();
        assert_ne!(std::fs::read(&path).unwrap(), b"1\n");
    }

    #[test]
    fn a_lock_that_outlives_its_owner_for_a_moment_is_waited_for() {
        let output = tempfile::tempdir().unwrap();
        let path = output.path().join("lock");
        let mut first = OutputLock::take(output.path(), &path).unwrap();
        // No process has this id.
        replace(&mut first.file, b"999999999\n").unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                drop(first);
            });
            OutputLock::take(output.path(), &path).unwrap();
        });
    }
}
