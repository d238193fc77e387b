//! What a run has left in its output folder, read again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::gather::forget_words;
use super::record::{Progress, RunRecord};
use crate::record::CaseRecord;
use crate::results::{SubmissionFiles, read_whole};

/// A run that was begun at some time, as its output folder tells.
#[derive(Debug)]
pub struct PastRun {
    /// The output folder.
    pub output: PathBuf,
    /// What was evaluated, and how.
    pub record: RunRecord,
    /// The submissions with results in the folder: those of the last run in its order, then those
    /// of earlier runs by name, but for those that had another lifetime.
    pub submissions: Vec<PastSubmission>,
}

/// A submission's results.
#[derive(Debug)]
pub struct PastSubmission {
    /// Its name.
    pub name: String,
    /// Why it could not be run, where it could not.
    pub error: Option<String>,
    /// Whether the last run came to its end with it.
    pub finished: bool,
    /// Its files.
    pub files: SubmissionFiles,
    /// The records of its finished cases: in the run's order, then others by name.
    pub cases: Vec<CaseRecord>,
}

/// An output folder that can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PastRunError {
    /// There is no such folder.
    #[error("there is no folder {}", .0.display())]
    Missing(PathBuf),
    /// No run was ever begun in it.
    #[error(
        "{} has no run.json, so it is no output folder of segarena (give the folder that `evaluate` wrote to)",
        .0.display()
    )]
    NoRun(PathBuf),
    /// A file can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error(
        "{} is damaged or not segarena's: {source} (remove it and evaluate again: what is whole is not run again)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// A file is from a version with another form of records.
    #[error(
        "{} has form {found}, and this version of segarena reads form {known} (use the version that wrote it, or evaluate again)",
        path.display()
    )]
    OtherVersion {
        /// The file.
        path: PathBuf,
        /// Its form.
        found: u64,
        /// Ours.
        known: u32,
    },
}

impl PastRun {
    /// Reads an output folder.
    ///
    /// # Errors
    /// When it is not there, holds no run, or a record in it is damaged or of another version.
    pub fn read(output: &Path) -> Result<Self, PastRunError> {
        Self::read_with(output, |_| {})
    }

    /// The same without what submissions printed where nothing failed, which is most of the memory
    /// that many records take.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn read_without_words(output: &Path) -> Result<Self, PastRunError> {
        Self::read_with(output, forget_words)
    }

    fn read_with(output: &Path, prepare: fn(&mut CaseRecord)) -> Result<Self, PastRunError> {
        if !output.is_dir() {
            return Err(PastRunError::Missing(output.to_owned()));
        }
        let path = output.join("run.json");
        if !path.exists() {
            return Err(PastRunError::NoRun(output.to_owned()));
        }
        let record: RunRecord = read_record(&path, RunRecord::SCHEMA)?;
        let mut submissions = Vec::new();
        for state in &record.submissions {
            let mut past = PastSubmission::read(output, &state.name, &record, prepare)?;
            past.error.clone_from(&state.error);
            past.finished = state.state == Progress::Done;
            submissions.push(past);
        }
        for name in earlier_submissions(output, &record) {
            let earlier = PastSubmission::read(output, &name, &record, prepare)?;
            // Warm and cold are never ranked together.
            let is_alike = |case: &CaseRecord| case.lifetime == record.lifetime;
            if earlier.cases.iter().all(is_alike) {
                submissions.push(earlier);
            }
        }
        Ok(Self {
            output: output.to_owned(),
            record,
            submissions,
        })
    }
}

impl PastSubmission {
    fn read(
        output: &Path,
        name: &str,
        run: &RunRecord,
        prepare: fn(&mut CaseRecord),
    ) -> Result<Self, PastRunError> {
        let files = SubmissionFiles::new(output, name);
        let mut by_name = json_files(files.folder())
            .into_par_iter()
            .map(|path| {
                let mut record: CaseRecord = read_record(&path, CaseRecord::SCHEMA)?;
                prepare(&mut record);
                Ok((record.case.clone(), record))
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let mut cases: Vec<CaseRecord> = run
            .cases
            .iter()
            .filter_map(|case| by_name.remove(&case.name))
            .collect();
        cases.extend(by_name.into_values());
        Ok(Self {
            name: name.to_owned(),
            error: None,
            finished: true,
            files,
            cases,
        })
    }
}

/// The folders beside the run's that hold a submission's table.
fn earlier_submissions(output: &Path, run: &RunRecord) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(output)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| SubmissionFiles::new(output, name).table().is_file())
        .filter(|name| run.submissions.iter().all(|known| known.name != *name))
        .collect();
    names.sort();
    names
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect()
}

fn read_record<T: serde::de::DeserializeOwned>(path: &Path, known: u32) -> Result<T, PastRunError> {
    let text = read_whole(path).map_err(|source| PastRunError::Read {
        path: path.to_owned(),
        source,
    })?;
    let damaged = |source| PastRunError::Damaged {
        path: path.to_owned(),
        source,
    };
    /// The form alone: a record of another one may have the rest otherwise.
    #[derive(Deserialize)]
    struct Form {
        schema: Option<u64>,
    }
    let form: Form = serde_json::from_slice(&text).map_err(damaged)?;
    match form.schema {
        Some(found) if found != u64::from(known) => Err(PastRunError::OtherVersion {
            path: path.to_owned(),
            found,
            known,
        }),
        _ => serde_json::from_slice(&text).map_err(damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_run_is_told_from_one_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let error = PastRun::read(folder.path()).unwrap_err();
        assert!(matches!(error, PastRunError::NoRun(_)), "{error}");
        let error = PastRun::read(&folder.path().join("x")).unwrap_err();
        assert!(matches!(error, PastRunError::Missing(_)), "{error}");
    }

    #[test]
    fn a_cut_or_foreign_run_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        for (text, said) in [
            ("{\"schema\": 1, \"seg", "damaged"),
            ("{\"schema\": 99}", "form 99"),
            ("[]", "damaged"),
        ] {
            std::fs::write(&path, text).unwrap();
            let error = PastRun::read(folder.path()).unwrap_err().to_string();
            assert!(
                error.contains(said) && error.contains("run.json"),
                "{error}"
            );
        }
    }
}
