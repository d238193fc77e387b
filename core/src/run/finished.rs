//! Which cases are finished, by their own records: whoever finished them, and wherever.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::fingerprint::Fingerprint;
use crate::case::CaseFiles;
use crate::record::CaseRecord;
use crate::results::{SubmissionFiles, WriteError};

/// A case's record that belongs to another configuration.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} is the result of another configuration: segarena's version, the protocol, the backend, the \
     submission or the case's files were other ones (use another output folder, or --restart to \
     discard it)",
    path.display()
)]
pub struct OtherConfiguration {
    /// The record.
    pub path: PathBuf,
}

/// Reads the records of `cases`. One that is not whole, or that an earlier version wrote without a
/// fingerprint, finishes nothing.
///
/// # Errors
/// When one belongs to another configuration than `fingerprint`.
pub(super) fn finished_cases(
    files: &SubmissionFiles,
    cases: &[CaseFiles],
    fingerprint: &Fingerprint,
) -> Result<BTreeMap<String, CaseRecord>, OtherConfiguration> {
    let mut finished = BTreeMap::new();
    for (path, record) in records_of(files, cases) {
        if is_made_with(&record, fingerprint) {
            finished.insert(record.case.clone(), record);
        } else if record.fingerprint.is_some() {
            return Err(OtherConfiguration { path });
        }
    }
    Ok(finished)
}

/// The same, where records of another configuration are passed over.
pub(super) fn finished_cases_with(
    files: &SubmissionFiles,
    cases: &[CaseFiles],
    fingerprint: &Fingerprint,
) -> BTreeMap<String, CaseRecord> {
    records_of(files, cases)
        .map(|(_, record)| record)
        .filter(|record| is_made_with(record, fingerprint))
        .map(|record| (record.case.clone(), record))
        .collect()
}

fn records_of<'a>(
    files: &'a SubmissionFiles,
    cases: &'a [CaseFiles],
) -> impl Iterator<Item = (PathBuf, CaseRecord)> + 'a {
    cases.iter().filter_map(|case| {
        let path = files.record(case.stem());
        let record = read(&path).filter(|record| record.case == case.name)?;
        Some((path, record))
    })
}

fn is_made_with(record: &CaseRecord, fingerprint: &Fingerprint) -> bool {
    let made_with = record.fingerprint.as_ref();
    made_with.is_some_and(|made_with| *made_with == fingerprint.of_case(&record.case))
}

/// The cases of a submission, by its records, that are not among `known`.
pub(super) fn other_cases(files: &SubmissionFiles, known: &[CaseFiles]) -> Vec<CaseFiles> {
    let records = records_in(files.folder()).filter_map(|path| read(&path));
    let names = records.map(|record| record.case);
    let others = names.filter(|name| known.iter().all(|case| case.name != *name));
    others.map(CaseFiles::nowhere).collect()
}

/// Whether a submission has a finished case.
pub(super) fn has_any(files: &SubmissionFiles) -> bool {
    records_in(files.folder()).any(|path| read(&path).is_some())
}

/// The files in a submission's folder that are called as records are.
fn records_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"))
}

fn read(path: &Path) -> Option<CaseRecord> {
    let text = std::fs::read(path).ok()?;
    let record: CaseRecord = serde_json::from_slice(&text).ok()?;
    (record.schema == CaseRecord::SCHEMA).then_some(record)
}

/// Removes all that earlier runs found out about a submission: its records, and the predictions
/// that belong to them.
pub(super) fn discard_all(files: &SubmissionFiles) -> Result<(), WriteError> {
    records_in(files.folder()).try_for_each(|path| {
        super::output::discard(&path.with_extension("npz"))?;
        super::output::discard(&path)
    })
}

/// Removes the records of these cases, which are to be run again.
pub(super) fn discard_records(
    files: &SubmissionFiles,
    cases: &[CaseFiles],
) -> Result<(), WriteError> {
    cases
        .iter()
        .try_for_each(|case| super::output::discard(&files.record(case.stem())))
}
