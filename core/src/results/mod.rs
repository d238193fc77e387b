//! What an evaluation leaves on disk. Every file appears whole or not at all.

mod table;

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use segarena_formats::temporary::{is_abandoned, is_temporary};
use segarena_formats::whole_file::WholeFile;

pub use segarena_formats::whole_file::read_whole;
pub use table::metrics_table;

/// A result that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source} (check that its folder can be written and has space left)", path.display())]
pub struct WriteError {
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Writes a file under a temporary name beside `path`, flushes it to the disk and renames it.
///
/// # Errors
/// Those of any of these steps; `path` is then as it was before.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let write = || -> io::Result<()> {
        let mut file = WholeFile::create(path)?;
        file.write_all(bytes)?;
        file.finish()
    };
    write().map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// Writes a record as indented JSON with a final newline.
///
/// # Errors
/// Those of [`write_whole`].
pub fn write_json(path: &Path, record: &impl Serialize) -> Result<(), WriteError> {
    let mut bytes = serde_json::to_vec_pretty(record).map_err(|error| WriteError {
        path: path.to_owned(),
        source: io::Error::other(error),
    })?;
    bytes.push(b'\n');
    write_whole(path, &bytes)
}

/// Removes the temporary files that a run of this machine which died left in `folder`, as well as
/// can be.
pub(crate) fn remove_temporaries(folder: &Path) {
    remove_files(folder, is_abandoned);
}

/// Removes all temporary files in `folder`, which nobody writes to.
pub(crate) fn remove_all_temporaries(folder: &Path) {
    remove_files(folder, is_temporary);
}

fn remove_files(folder: &Path, is_wanted: fn(&str) -> bool) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_wanted = entry.file_name().to_str().is_some_and(is_wanted);
        if is_wanted && entry.file_type().is_ok_and(|kind| kind.is_file()) {
            // One that stays is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Creates a folder and its parents.
///
/// # Errors
/// When it can't be made.
pub fn create_folder(path: &Path) -> Result<(), WriteError> {
    std::fs::create_dir_all(path).map_err(|source| WriteError {
        path: path.to_owned(),
        source,
    })
}

/// The files of one submission in the output folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubmissionFiles {
    team: String,
    folder: PathBuf,
}

impl SubmissionFiles {
    /// Those of `team` in `output`.
    pub fn new(output: &Path, team: &str) -> Self {
        Self {
            team: team.to_owned(),
            folder: output.join(team),
        }
    }

    /// `OUT/TEAM`.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// `OUT/TEAM/TEAM_metrics.csv`.
    pub fn table(&self) -> PathBuf {
        self.folder.join(format!("{}_metrics.csv", self.team))
    }

    /// `OUT/TEAM/CASE.npz`: the predictions.
    pub fn predictions(&self, case_stem: &str) -> PathBuf {
        self.folder.join(format!("{case_stem}.npz"))
    }

    /// `OUT/TEAM/CASE.json`: all that is known of the case.
    pub fn record(&self, case_stem: &str) -> PathBuf {
        self.folder.join(format!("{case_stem}.json"))
    }

    /// `OUT/TEAM/logs`.
    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// `OUT/TEAM/kept/CASE`, for the folders of each interaction, where they are kept.
    pub fn kept(&self, case_stem: &str) -> PathBuf {
        self.folder.join("kept").join(case_stem)
    }

    /// The log of one interaction, relative to [`Self::folder`].
    pub fn log_name(case_stem: &str, interaction: usize) -> String {
        format!("logs/{case_stem}.{interaction}.log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        write_whole(&path, b"one").unwrap();
        write_whole(&path, b"two").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_not_there_is_named_in_the_error() {
        let error = write_whole(Path::new("/nonexistent/x.csv"), b"").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/x.csv"), "{error}");
    }
}
