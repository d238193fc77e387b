//! What all shards of a run have left, put together: the tables, the record of the run, and what is
//! missing. Nothing that a shard writes is touched, so that shards may run meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::finished::{finished_cases_with, names_of_finished_with};
use super::output::OutputFolder;
use super::record::known_track;
use super::shard::{Shard, shares};
use super::shard_record::{Life, ShardRecord, ShardState, Task};
use super::sharded::shard_records;
use super::{
    CaseIdentity, CheckedCases, Fingerprint, Progress, RunRecord, RunSummary, SubmissionState,
    SubmissionSummary,
};
use crate::case::{CaseFiles, stem};
use crate::record::CaseRecord;
use crate::results::{
    SubmissionFiles, WriteError, create_folder, metrics_table, remove_all_temporaries, write_json,
    write_whole,
};

/// What was found of a run in shards.
#[derive(Debug)]
pub struct Gathered {
    /// The finished cases of every submission.
    pub summary: RunSummary,
    /// What is missing, in the order of submissions and cases.
    pub missing: Vec<MissingCase>,
    /// Pairs of submission and case in all.
    pub pairs: usize,
}

/// A pair without a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingCase {
    /// The submission.
    pub submission: String,
    /// The case's file name.
    pub case: String,
    /// The shard that is to run it.
    pub shard: Shard,
    /// Why there is no result, as far as is known.
    pub why: String,
    /// Where the shard wrote its messages.
    pub log: Option<PathBuf>,
}

/// Why nothing can be gathered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatherError {
    /// No shard ever began.
    #[error(
        "no shard was ever begun in {} (`evaluate --shard` begins one; for the results of a run \
         without shards there is `report`)",
        .0.display()
    )]
    NoShards(PathBuf),
    /// No shard came so far that its results could be read.
    #[error("no shard in {} came to its first case: {reason}", output.display())]
    NothingBegan {
        /// The output folder.
        output: PathBuf,
        /// What one of them said.
        reason: String,
    },
    /// What shards left can't be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The shards evaluated a track of another version of segarena.
    #[error("this version of segarena does not know the track {0} (gather with the one that ran)")]
    OtherTrack(String),
    /// A table or the record can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// Writes the tables and `run.json` from whatever shards have finished in `output`.
///
/// # Errors
/// When no shard ever began, what they left can't be read, or nothing can be written.
pub fn gather(output: &Path) -> Result<Gathered, GatherError> {
    let folder = OutputFolder::at(output);
    let shards = Shards::read(&folder)?;
    let mut summaries = Vec::new();
    let mut missing = Vec::new();
    for (index, name) in shards.task.submissions.iter().enumerate() {
        let records = shards.finished(&folder, name);
        let files = folder.submission(name);
        if !records.is_empty() {
            let fingerprint = &shards.task.fingerprint;
            let track = known_track(&fingerprint.track, &fingerprint.protocol)
                .ok_or_else(|| GatherError::OtherTrack(fingerprint.track.clone()))?;
            let in_order = shards.names().filter_map(|case| records.get(case));
            create_folder(files.folder())?;
            write_whole(&files.table(), &metrics_table(&*track, in_order))?;
        }
        missing.extend(shards.missing(index, name, &records));
        summaries.push(SubmissionSummary {
            name: name.clone(),
            error: shards.error(name),
            records: in_order(records, shards.names()),
            finished_before: 0,
        });
    }
    write_json(&folder.run_record(), &shards.run_record(&missing))?;
    let is_still = |record: &ShardRecord| record.state != ShardState::Running;
    if missing.is_empty() && shards.records.iter().all(is_still) {
        for name in &shards.task.submissions {
            remove_all_temporaries(folder.submission(name).folder());
        }
    }
    Ok(Gathered {
        summary: RunSummary {
            submissions: summaries,
            interrupted: false,
        },
        missing,
        pairs: shards.task.submissions.len() * shards.checked.cases().len(),
    })
}

/// Whether shards were ever begun in `output`.
pub fn has_shards(output: &Path) -> bool {
    let records = shard_records(&OutputFolder::at(output));
    records.is_ok_and(|records| !records.is_empty())
}

/// The shards that go on, as far as can be seen from this machine, and the machine of each. One that
/// was killed on another machine is taken to go on.
pub fn running_shards(output: &Path) -> Vec<(Shard, String)> {
    let records = shard_records(&OutputFolder::at(output)).unwrap_or_default();
    let running = records
        .into_iter()
        .filter(|record| record.state == ShardState::Running && record.owner.life() != Life::Ended);
    running
        .map(|record| (record.shard, record.owner.host))
        .collect()
}

/// The pairs that have no result yet, as the numbers of the shards that would run them; none where
/// the data set has changed since it was checked, or was never. What `submissions` are made of
/// can't be told before they are prepared, and is taken to be what it was.
pub(super) fn unfinished_shards(
    output: &Path,
    submissions: &[String],
    cases: &[CaseFiles],
    fingerprint: &Fingerprint,
    count: usize,
) -> Option<BTreeSet<usize>> {
    let folder = OutputFolder::at(output);
    let checked = CheckedCases::recall(cases, &fingerprint.track, &folder.private())?;
    let records = shard_records(&folder).ok()?;
    let mut unfinished = BTreeSet::new();
    let shares = shares(submissions.len(), &checked.weights(), count);
    let known = prints(&records);
    let finished: Vec<BTreeSet<String>> = submissions
        .par_iter()
        .map(|name| {
            let Some(print) = known.get(name.as_str()) else {
                return BTreeSet::new();
            };
            let fingerprint = with(fingerprint, print, &checked);
            let files = folder.submission(name);
            let names = names_of_finished_with(&files, cases, &fingerprint).into_iter();
            names.filter(|case| has_predictions(&files, case)).collect()
        })
        .collect();
    for (number, share) in shares.iter().enumerate() {
        let is_missing = |pair: &&super::Pair| {
            !finished[pair.submission].contains(&checked.cases()[pair.case].name)
        };
        if share.iter().any(|pair| is_missing(&pair)) {
            unfinished.insert(number);
        }
    }
    Some(unfinished)
}

/// All that shards have said of themselves.
struct Shards {
    /// Those that have this task, the one begun last at the end.
    records: Vec<ShardRecord>,
    task: Task,
    checked: CheckedCases,
    /// Into how many shares the pairs were divided last.
    count: usize,
    /// What each submission was found to be.
    prints: BTreeMap<String, String>,
    /// The record of the last run of a shard.
    run: RunRecord,
}

impl Shards {
    fn read(folder: &OutputFolder) -> Result<Self, GatherError> {
        let mut all = shard_records(folder).map_err(|source| GatherError::Read {
            path: folder.shard_records(),
            source,
        })?;
        all.sort_by(|a, b| a.started.cmp(&b.started));
        let Some(latest) = all.last() else {
            return Err(GatherError::NoShards(folder.path().to_owned()));
        };
        let nothing = |record: &ShardRecord| GatherError::NothingBegan {
            output: folder.path().to_owned(),
            reason: match &record.state {
                ShardState::Failed { error } => error.clone(),
                _ => format!("shard {}: {}", record.shard, why(record)),
            },
        };
        let task = all.iter().rev().find_map(|record| record.task.clone());
        let run = all.iter().rev().find_map(|record| record.run.clone());
        let (Some(task), Some(run)) = (task, run) else {
            return Err(nothing(latest));
        };
        let count = latest.shard.count();
        // A shard that failed before it knew its task belongs as well: it says why.
        all.retain(|record| {
            record.task.as_ref().is_none_or(|other| {
                other.submissions == task.submissions && other.fingerprint == task.fingerprint
            })
        });
        let checked = CheckedCases::read(&folder.private(), &task.checked).map_err(|source| {
            GatherError::Read {
                path: folder.private().join(&task.checked),
                source,
            }
        })?;
        let prints = prints(&all)
            .into_iter()
            .map(|(name, print)| (name.to_owned(), print.to_owned()))
            .collect();
        Ok(Self {
            records: all,
            task,
            checked,
            count,
            prints,
            run,
        })
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.checked.cases().iter().map(|case| case.name.as_str())
    }

    /// A submission's finished cases.
    fn finished(&self, folder: &OutputFolder, submission: &str) -> BTreeMap<String, CaseRecord> {
        let Some(print) = self.prints.get(submission) else {
            return BTreeMap::new();
        };
        let fingerprint = with(&self.task.fingerprint, print, &self.checked);
        let files = folder.submission(submission);
        let cases: Vec<CaseFiles> = self
            .names()
            .map(|name| CaseFiles::nowhere(name.to_owned()))
            .collect();
        let mut records = finished_cases_with(&files, &cases, &fingerprint);
        records.retain(|case, _| has_predictions(&files, case));
        for record in records.values_mut() {
            forget_words(record);
        }
        records
    }

    fn error(&self, submission: &str) -> Option<String> {
        let states = self.records.iter().rev().filter_map(|record| {
            let run = record.run.as_ref()?;
            run.submissions
                .iter()
                .find(|state| state.name == submission)
        });
        // What a shard found last is what counts: the engine may have been mended.
        states.take(1).find_map(|state| state.error.clone())
    }

    fn missing(
        &self,
        index: usize,
        submission: &str,
        finished: &BTreeMap<String, CaseRecord>,
    ) -> Vec<MissingCase> {
        if finished.len() == self.checked.cases().len() {
            return Vec::new();
        }
        let shares = shares(
            self.task.submissions.len(),
            &self.checked.weights(),
            self.count,
        );
        let mut missing = Vec::new();
        for (number, share) in shares.iter().enumerate() {
            for pair in share.iter().filter(|pair| pair.submission == index) {
                let case = &self.checked.cases()[pair.case].name;
                if finished.contains_key(case) {
                    continue;
                }
                let Ok(shard) = Shard::new(number, self.count) else {
                    continue;
                };
                let record = self.records.iter().find(|record| record.shard == shard);
                missing.push(MissingCase {
                    submission: submission.to_owned(),
                    case: case.clone(),
                    shard,
                    why: match (self.error(submission), record) {
                        (Some(error), _) => error,
                        (None, Some(record)) => why(record),
                        (None, None) => "never started".to_owned(),
                    },
                    log: record.and_then(|record| record.log.clone()),
                });
            }
        }
        missing.sort_by(|a, b| a.case.cmp(&b.case));
        missing
    }

    /// The record of the run that all shards together are.
    fn run_record(&self, missing: &[MissingCase]) -> RunRecord {
        let runs = || self.records.iter().filter_map(|record| record.run.as_ref());
        let engines: BTreeSet<&str> = runs().map(|run| run.engine.as_str()).collect();
        let state = |name: &String| {
            let error = self.error(name);
            let notes: BTreeSet<&String> = runs()
                .flat_map(|run| &run.submissions)
                .filter(|state| state.name == *name)
                .flat_map(|state| &state.notes)
                .collect();
            let unfinished = missing.iter().any(|pair| pair.submission == *name);
            SubmissionState {
                name: name.clone(),
                state: match (&error, unfinished, self.prints.contains_key(name)) {
                    (Some(_), _, _) => Progress::Failed,
                    (None, false, _) => Progress::Done,
                    (None, true, true) => Progress::Running,
                    (None, true, false) => Progress::Waiting,
                },
                fingerprint: self.prints.get(name).cloned(),
                error,
                notes: notes.into_iter().cloned().collect(),
            }
        };
        let ended = self
            .records
            .iter()
            .filter_map(|record| record.ended.clone());
        let is_whole = missing.is_empty();
        RunRecord {
            started: runs()
                .map(|run| run.started.clone())
                .min()
                .unwrap_or_else(|| self.run.started.clone()),
            finished: is_whole.then(|| ended.max()).flatten(),
            engine: engines.into_iter().collect::<Vec<_>>().join("; "),
            cases: self
                .checked
                .cases()
                .iter()
                .map(|case| CaseIdentity {
                    name: case.name.clone(),
                    sha256: case.sha256.clone(),
                })
                .collect(),
            submissions: self.task.submissions.iter().map(state).collect(),
            ..self.run.clone()
        }
    }
}

/// What each submission was found to be by the shard that began last.
fn prints(records: &[ShardRecord]) -> BTreeMap<&str, &str> {
    let mut latest: Vec<&ShardRecord> = records.iter().collect();
    latest.sort_by(|a, b| a.started.cmp(&b.started));
    let runs = latest.into_iter().filter_map(|record| record.run.as_ref());
    runs.flat_map(|run| &run.submissions)
        .filter_map(|state| Some((state.name.as_str(), state.fingerprint.as_deref()?)))
        .collect()
}

/// The fingerprint of one submission on these cases.
fn with(shared: &Fingerprint, submission: &str, checked: &CheckedCases) -> Fingerprint {
    let cases = checked.cases().iter();
    Fingerprint {
        submission: submission.to_owned(),
        cases: cases
            .map(|case| (case.name.clone(), case.sha256.clone()))
            .collect(),
        ..shared.clone()
    }
}

fn has_predictions(files: &SubmissionFiles, case: &str) -> bool {
    files.predictions(stem(case)).is_file()
}

fn in_order<'a>(
    mut records: BTreeMap<String, CaseRecord>,
    names: impl Iterator<Item = &'a str>,
) -> Vec<CaseRecord> {
    names.filter_map(|name| records.remove(name)).collect()
}

/// Drops what a submission printed where nothing failed, and the room that lists were given to grow
/// in: of a thousand cases they are most of the memory. The words stay in the cases' own records.
pub(super) fn forget_words(record: &mut CaseRecord) {
    record.labels.shrink_to_fit();
    record.interactions.shrink_to_fit();
    for interaction in &mut record.interactions {
        interaction.clicks.shrink_to_fit();
        interaction.labels.shrink_to_fit();
        interaction.phases = Vec::new();
        interaction.stdout_tail = String::new();
        interaction.stderr_tail = String::new();
        if !interaction.outcome.is_failure() {
            interaction.log_tail = String::new();
        }
    }
}

/// Why a shard has left something undone, as far as is known.
fn why(record: &ShardRecord) -> String {
    let host = &record.owner.host;
    match &record.state {
        ShardState::Interrupted => format!("told to stop on {host}"),
        ShardState::Failed { error } => format!("failed on {host}: {error}"),
        ShardState::Done => format!(
            "the shard ended on {host}, but the result is not there, or is that of another \
             configuration"
        ),
        ShardState::Running => match record.owner.life() {
            Life::Alive => format!("still running on {host}"),
            Life::Ended => format!("killed on {host}"),
            Life::Unknown => format!(
                "begun on {host} at {} and not heard of since: it runs, or the node was lost",
                record.started
            ),
        },
    }
}
