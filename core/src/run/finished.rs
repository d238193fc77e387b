//! Which cases are finished, by their own records: whoever finished them, and wherever.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;

use super::fingerprint::Fingerprint;
use crate::case::CaseFiles;
use crate::record::CaseRecord;
use crate::results::{SubmissionFiles, WriteError, read_whole};

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
    for found in cases.iter().filter_map(|case| Found::of_case(files, case)) {
        if found.heading.is_made_with(fingerprint) {
            finished.extend(found.whole().map(|record| (record.case.clone(), record)));
        } else if found.heading.fingerprint.is_some() {
            return Err(OtherConfiguration { path: found.path });
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
    cases
        .par_iter()
        .filter_map(|case| Found::of_case(files, case))
        .filter(|found| found.heading.is_made_with(fingerprint))
        .filter_map(|found| found.whole())
        .map(|record| (record.case.clone(), record))
        .collect()
}

/// The names of those cases, for which nothing else of their records is kept.
pub(super) fn names_of_finished_with(
    files: &SubmissionFiles,
    cases: &[CaseFiles],
    fingerprint: &Fingerprint,
) -> BTreeSet<String> {
    cases
        .par_iter()
        .filter_map(|case| Found::of_case(files, case))
        .filter(|found| found.heading.is_made_with(fingerprint))
        .map(|found| found.heading.case)
        .collect()
}

/// What of a case's record tells whether it finishes the case.
#[derive(Deserialize)]
struct Heading {
    schema: u32,
    case: String,
    fingerprint: Option<String>,
}

impl Heading {
    fn is_made_with(&self, fingerprint: &Fingerprint) -> bool {
        let made_with = self.fingerprint.as_ref();
        made_with.is_some_and(|made_with| *made_with == fingerprint.of_case(&self.case))
    }
}

/// A case's record, of which only the heading was looked at.
struct Found {
    path: PathBuf,
    heading: Heading,
    text: Vec<u8>,
}

impl Found {
    fn of_case(files: &SubmissionFiles, case: &CaseFiles) -> Option<Self> {
        Self::at(files.record(case.stem())).filter(|found| found.heading.case == case.name)
    }

    /// None where it is not whole, or of another form.
    fn at(path: PathBuf) -> Option<Self> {
        let text = read_whole(&path).ok()?;
        let heading: Heading = serde_json::from_slice(&text).ok()?;
        (heading.schema == CaseRecord::SCHEMA).then_some(Self {
            path,
            heading,
            text,
        })
    }

    fn whole(&self) -> Option<CaseRecord> {
        serde_json::from_slice(&self.text).ok()
    }
}

/// The cases of a submission, by its records, that are not among `known`.
pub(super) fn other_cases(files: &SubmissionFiles, known: &[CaseFiles]) -> Vec<CaseFiles> {
    let records = records_in(files.folder()).filter_map(Found::at);
    let names = records.map(|found| found.heading.case);
    let others = names.filter(|name| known.iter().all(|case| case.name != *name));
    others.map(CaseFiles::nowhere).collect()
}

/// Whether a submission has a finished case.
pub(super) fn has_any(files: &SubmissionFiles) -> bool {
    records_in(files.folder()).any(|path| Found::at(path).is_some())
}

/// The files in a submission's folder that are called as records are.
fn records_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "json"))
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
