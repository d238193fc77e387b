//! What an earlier run left in the output folder, held against what is to come. Nothing is written
//! here: a run that is refused has changed nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::fingerprint::Fingerprint;
use super::finished::{self, OtherConfiguration, finished_cases, other_cases};
use super::journal::Noted;
use super::output::OutputFolder;
use super::record::{CaseIdentity, Progress, RunRecord, SubmissionState};
use super::{Evaluation, Restart, RunError};
use crate::case::CaseFiles;
use crate::record::CaseRecord;
use crate::results::{SubmissionFiles, read_whole};

/// Results that stay, and would stand beside others that were made differently.
#[derive(Debug, thiserror::Error)]
#[error(
    "{} holds the results of submission `{submission}`, evaluated with another configuration: \
     {differences} (use another output folder, or --restart with that submission as well)",
    output.display()
)]
pub struct OtherResults {
    /// The output folder.
    pub output: PathBuf,
    /// A submission whose results stay.
    pub submission: String,
    /// What differs.
    pub differences: String,
}

/// What an output folder holds.
pub(super) struct Earlier {
    folder: OutputFolder,
    /// The record of the last run; none where there is none, or it is not whole.
    record: Option<RunRecord>,
}

impl Earlier {
    pub(super) fn read(folder: &OutputFolder) -> Self {
        let text = read_whole(&folder.run_record()).unwrap_or_default();
        let record: Option<RunRecord> = serde_json::from_slice(&text).ok();
        Self {
            folder: folder.clone(),
            record: record.filter(|record| record.schema == RunRecord::SCHEMA),
        }
    }

    /// Fails where what stays was made with another configuration than `settings`, which has the
    /// hash of every case to come. What a submission is counts where its backend can tell that
    /// without preparing it.
    pub(super) fn refuse_other(
        &self,
        evaluation: &Evaluation,
        settings: &Fingerprint,
    ) -> Result<(), RunError> {
        for submission in &evaluation.submissions {
            if evaluation.restart == Restart::Everything {
                continue;
            }
            let journal = self.folder.journal(&submission.name);
            let noted = Noted::without(&journal, &evaluation.anew())?;
            let known = evaluation.backend.known_fingerprint(submission);
            let fingerprint = Fingerprint {
                submission: known
                    .or_else(|| noted.submission().map(str::to_owned))
                    .unwrap_or_default(),
                ..settings.clone()
            };
            noted.refuse_other(&journal, &fingerprint)?;
            if fingerprint.submission.is_empty() {
                continue;
            }
            let files = self.folder.submission(&submission.name);
            let asked = evaluation.kept_cases();
            let asked = asked.filter(|case| !noted.has(&case.name)).cloned();
            finished_cases(&files, &asked.collect::<Vec<_>>(), &fingerprint)?;
            self.finished_besides(&files, &evaluation.cases, &noted, &fingerprint)?;
        }
        self.refuse_beside_others(evaluation, settings)
    }

    /// The results of submissions that are not evaluated now stay in any case.
    fn refuse_beside_others(
        &self,
        evaluation: &Evaluation,
        settings: &Fingerprint,
    ) -> Result<(), RunError> {
        let Some(record) = &self.record else {
            return Ok(());
        };
        let then = Fingerprint {
            segarena: record.segarena.clone(),
            protocol: record.protocol.clone(),
            track: record.track.clone(),
            click_policy: record.click_policy.clone(),
            backend: record.backend.clone(),
            lifetime: record.lifetime,
            submission: settings.submission.clone(),
            cases: self.hashes(),
        };
        let others = record.submissions.iter();
        let others = others.filter(|state| !evaluation.has_submission(&state.name));
        for state in others {
            let files = self.folder.submission(&state.name);
            if !finished::has_any(&files) {
                continue;
            }
            let has = |case: &str| files.record(crate::case::stem(case)).is_file();
            let differences = then.differences_in(settings, has);
            if !differences.is_empty() {
                return Err(RunError::OtherResults(OtherResults {
                    output: self.folder.path().to_owned(),
                    submission: state.name.clone(),
                    differences: differences.join("; "),
                }));
            }
        }
        Ok(())
    }

    /// The records of the finished cases of a submission that nobody asked for now and that its
    /// journal does not have.
    ///
    /// # Errors
    /// When one belongs to another configuration.
    pub(super) fn finished_besides(
        &self,
        files: &SubmissionFiles,
        asked: &[CaseFiles],
        noted: &Noted,
        fingerprint: &Fingerprint,
    ) -> Result<BTreeMap<String, CaseRecord>, OtherConfiguration> {
        let fingerprint = Fingerprint {
            cases: self.hashes(),
            ..fingerprint.clone()
        };
        let mut others = other_cases(files, asked);
        others.retain(|case| !noted.has(&case.name) && fingerprint.cases.contains_key(&case.name));
        finished_cases(files, &others, &fingerprint)
    }

    fn hashes(&self) -> BTreeMap<String, String> {
        let cases = self.record.iter().flat_map(|record| &record.cases);
        cases
            .map(|case| (case.name.clone(), case.sha256.clone()))
            .collect()
    }

    /// Adds to the record of the run that begins what stays of the ones before: the cases that any
    /// submission has finished, and the submissions that are not evaluated now.
    pub(super) fn add_to(&self, record: &mut RunRecord) {
        let Some(earlier) = &self.record else { return };
        let is_new = |name: &str| record.submissions.iter().all(|state| state.name != name);
        let states = earlier
            .submissions
            .iter()
            .filter(|state| is_new(&state.name));
        let mut states: Vec<SubmissionState> = states.cloned().collect();
        let names = record.submissions.iter().chain(&states);
        let folders: Vec<SubmissionFiles> = names
            .map(|state| self.folder.submission(&state.name))
            .collect();
        let is_finished = |case: &CaseIdentity| {
            let stem = crate::case::stem(&case.name);
            folders.iter().any(|files| files.record(stem).is_file())
        };
        let known: BTreeSet<String> = record.cases.iter().map(|case| case.name.clone()).collect();
        let staying = earlier
            .cases
            .iter()
            .filter(|case| !known.contains(&case.name));
        record
            .cases
            .extend(staying.filter(|case| is_finished(case)).cloned());
        record.cases.sort_by(|a, b| a.name.cmp(&b.name));
        for state in &mut states {
            let files = self.folder.submission(&state.name);
            let lacks =
                |case: &CaseIdentity| !files.record(crate::case::stem(&case.name)).is_file();
            if state.state == Progress::Done && record.cases.iter().any(lacks) {
                state.state = Progress::Running;
            }
        }
        record.submissions.extend(states);
    }
}
