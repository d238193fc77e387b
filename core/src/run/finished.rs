//! Which cases are finished, by their own records: whoever finished them, and wherever.

use std::collections::BTreeMap;
use std::path::PathBuf;

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

/// What the records of a submission's cases say.
pub(super) struct Finished {
    /// The records of the cases that were finished with the fingerprint asked for.
    pub(super) records: BTreeMap<String, CaseRecord>,
    /// The first that belongs to another configuration.
    pub(super) other: Option<OtherConfiguration>,
}

/// Reads the records of `cases`. One that is not whole, or that an earlier version wrote without a
/// fingerprint, finishes nothing.
pub(super) fn finished_cases(
    files: &SubmissionFiles,
    cases: &[CaseFiles],
    fingerprint: &Fingerprint,
) -> Finished {
    let (mut records, mut other) = (BTreeMap::new(), None);
    for case in cases {
        let path = files.record(case.stem());
        let Some(record) = read(&path) else { continue };
        match &record.fingerprint {
            None => {}
            Some(found) if *found == fingerprint.of_case(&case.name) => {
                records.insert(case.name.clone(), record);
            }
            Some(_) => {
                other.get_or_insert(OtherConfiguration { path });
            }
        }
    }
    Finished { records, other }
}

fn read(path: &std::path::Path) -> Option<CaseRecord> {
    let text = std::fs::read(path).ok()?;
    let record: CaseRecord = serde_json::from_slice(&text).ok()?;
    (record.schema == CaseRecord::SCHEMA).then_some(record)
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
