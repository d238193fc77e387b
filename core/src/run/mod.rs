//! A whole run: every submission on every case, with what is needed to go on after a crash.

mod checked;
mod earlier;
mod fingerprint;
mod finished;
mod gather;
mod journal;
mod lock;
mod output;
mod past;
mod record;
mod rescore;
mod shard;
mod shard_record;
mod sharded;
mod workers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use segarena_dialogue::Track;
use tokio_util::sync::CancellationToken;

use crate::backend::{
    BackendError, BackendErrorKind, InferenceBackend, Lifetime, Runnable, Submission,
};
use crate::case::{CaseError, CaseFiles};
use crate::event::{Event, Observer};
use crate::protocol::Protocol;
use crate::record::CaseRecord;
use crate::results::WriteError;
use crate::retry::RetryingBackend;
use crate::session::SessionError;
use crate::work::KeepWork;

pub use checked::{CheckedCase, CheckedCases};
pub use earlier::OtherResults;
pub use fingerprint::Fingerprint;
pub use finished::OtherConfiguration;
pub use gather::{GatherError, Gathered, MissingCase, gather, has_shards, running_shards};
pub use journal::JournalError;
pub use lock::LockError;
pub use output::OutputFolder;
pub use past::{PastRun, PastRunError, PastSubmission};
pub(crate) use record::known_track;
pub use record::{CaseIdentity, Progress, RunRecord, SubmissionState};
pub use rescore::{Rescored, rescore_case};
pub use shard::{Pair, Shard, shares};
pub use shard_record::{ShardOwner, ShardRecord, ShardState, Task};
pub use sharded::{Prepared, ShardTaken};

use earlier::Earlier;
use journal::{Journal, Noted};
use lock::OutputLock;
use output::Notes;
use workers::SubmissionRun;

/// What is to be evaluated, and how. Everything in it was validated.
pub struct Evaluation {
    /// The images folder, for the record.
    pub images: PathBuf,
    /// The ground truth folder, where it is another one.
    pub ground_truth: Option<PathBuf>,
    /// The cases, in order.
    pub cases: Vec<CaseFiles>,
    /// The submissions, in order; no two of one name.
    pub submissions: Vec<Submission>,
    /// The protocol's options.
    pub protocol: Protocol,
    /// Runs the submissions.
    pub backend: Arc<dyn InferenceBackend>,
    /// What is asked of a submission.
    pub track: Arc<dyn Track>,
    /// How long a submission that was started lives.
    pub lifetime: Lifetime,
    /// Where results go.
    pub output: PathBuf,
    /// Where work folders are made; none: inside the output folder.
    pub work_dir: Option<PathBuf>,
    /// What of the work folders is left behind.
    pub keep_work: KeepWork,
    /// What an earlier run left that is discarded instead of gone on from.
    pub restart: Restart,
    /// Cases side by side, at least 1.
    pub jobs: usize,
}

/// What of an earlier run's results is discarded, so that it is evaluated anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Nothing: what is finished is finished.
    Nothing,
    /// The cases of this evaluation, of its submissions.
    Cases,
    /// All cases of its submissions.
    Everything,
}

/// What a run achieved.
#[derive(Debug, Clone, PartialEq)]
pub struct RunSummary {
    /// The submissions in order.
    pub submissions: Vec<SubmissionSummary>,
    /// Whether it was interrupted; it can then be resumed.
    pub interrupted: bool,
}

impl RunSummary {
    /// Whether some submission could not be run, or failed at some interaction.
    pub fn has_failure(&self) -> bool {
        self.submissions.iter().any(|submission| {
            submission.error.is_some() || submission.records.iter().any(CaseRecord::has_failure)
        })
    }
}

/// What a run achieved with one submission.
#[derive(Debug, Clone, PartialEq)]
pub struct SubmissionSummary {
    /// Its name.
    pub name: String,
    /// Why it could not be run, where it could not.
    pub error: Option<String>,
    /// The finished cases in the order of their names, with those that earlier runs finished and
    /// nobody asked for now.
    pub records: Vec<CaseRecord>,
    /// How many of the cases asked for an earlier run had finished.
    pub finished_before: usize,
}

/// Why a run stopped before its end. What was done is kept, and the same run can be resumed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The data set is not as it should be.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// A case's file could not be read.
    #[error("case {case}: cannot read its files: {source}")]
    Read {
        /// The case.
        case: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The engine failed, and went on failing.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// A case could not be finished.
    #[error("submission {submission}, case {case}: {source}")]
    Session {
        /// The submission.
        submission: String,
        /// The case.
        case: String,
        /// Why.
        source: Box<SessionError>,
    },
    /// Another run uses the output folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// Another process runs the same shard.
    #[error(transparent)]
    ShardTaken(#[from] ShardTaken),
    /// The journal can't be used.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A case was finished with another configuration.
    #[error(transparent)]
    Other(#[from] OtherConfiguration),
    /// Results that stay were made with another configuration.
    #[error(transparent)]
    OtherResults(#[from] OtherResults),
    /// A result can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// A work folder can't be used.
    #[error("cannot use the work folder {}: {source}", path.display())]
    Work {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Evaluation {
    /// Checks the data set, the output folder and the backend, then evaluates every submission.
    ///
    /// When `cancel` fires, nothing new begins, what runs is stopped and the summary so far is
    /// returned.
    ///
    /// # Errors
    /// When the run can't be done, or can't go on. A submission's failure is no error: it is in
    /// the summary.
    pub async fn run(
        self,
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> Result<RunSummary, RunError> {
        let output = OutputFolder::at(&self.output);
        let checked = tokio::task::block_in_place(|| {
            CheckedCases::check(&self.cases, &*self.track, &output.private(), &*observer)
        })?;
        let cases = vec![self.cases.clone().into(); self.submissions.len()];
        let run = self.begin(&checked, output, cases, None, observer, cancel);
        let mut run = run.await?;
        // Before anything is made, so that a refusal makes nothing, and again as the only one who
        // writes here.
        run.refuse_other()?;
        OutputFolder::create(&run.evaluation.output)?;
        let lock = OutputLock::take(&run.evaluation.output, &run.output.lock())?;
        sharded::refuse_beside_shards(&run.output)?;
        run.refuse_other()?;
        run.lock = Some(lock);
        run.unsaved = Some(checked);
        run.go().await
    }

    /// Whether a submission of this name is evaluated.
    fn has_submission(&self, name: &str) -> bool {
        self.submissions.iter().any(|own| own.name == name)
    }

    /// The cases that are to be run even where they are finished.
    fn anew(&self) -> BTreeSet<String> {
        match self.restart {
            Restart::Nothing => BTreeSet::new(),
            _ => self.cases.iter().map(|case| case.name.clone()).collect(),
        }
    }

    /// The cases that are not run again where they are finished.
    fn kept_cases(&self) -> impl Iterator<Item = &CaseFiles> {
        let is_kept = self.restart == Restart::Nothing;
        self.cases.iter().filter(move |_| is_kept)
    }

    /// Asks the backend whether it is there, and makes the record of what is to come.
    async fn begin(
        self,
        checked: &CheckedCases,
        output: OutputFolder,
        cases: Vec<Arc<[CaseFiles]>>,
        shard: Option<Arc<Mutex<ShardRecord>>>,
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> Result<Run, RunError> {
        let hashes: BTreeMap<String, String> = checked
            .cases()
            .iter()
            .filter(|case| {
                cases
                    .iter()
                    .flat_map(|own| own.iter())
                    .any(|own| own.name == case.name)
            })
            .map(|case| (case.name.clone(), case.sha256.clone()))
            .collect();
        let status = self.backend.check().await?;
        let record = self.record(&hashes, &status);
        if let Some(caution) = status.caution {
            observer.notice(&Event::Caution {
                backend: self.backend.kind().to_owned(),
                text: caution,
            });
        }
        let backend: Arc<dyn InferenceBackend> = Arc::new(RetryingBackend::new(
            Arc::clone(&self.backend),
            Arc::clone(&observer),
        ));
        Ok(Run {
            evaluation: Arc::new(self),
            cases,
            hashes,
            earlier: Earlier::read(&output),
            output,
            lock: None,
            unsaved: None,
            shard,
            record,
            backend,
            observer,
            cancel,
        })
    }

    fn record(
        &self,
        hashes: &BTreeMap<String, String>,
        status: &crate::backend::BackendStatus,
    ) -> RunRecord {
        let identity = |(name, sha256): (&String, &String)| CaseIdentity {
            name: name.clone(),
            sha256: sha256.clone(),
        };
        let waiting = |submission: &Submission| SubmissionState {
            name: submission.name.clone(),
            state: Progress::Waiting,
            fingerprint: None,
            error: None,
            notes: Vec::new(),
        };
        let version = status.version.as_ref().map(|version| format!(" {version}"));
        RunRecord {
            schema: RunRecord::SCHEMA,
            segarena: env!("CARGO_PKG_VERSION").to_owned(),
            run_id: format!("{:016x}", rand_id()),
            started: now(),
            finished: None,
            protocol: self.protocol.clone(),
            track: self.track.id(),
            click_policy: self.track.click_policy().unwrap_or_default(),
            backend: self.backend.kind().to_owned(),
            engine: format!("{}{}", status.engine, version.unwrap_or_default()),
            limits: status.limits.clone(),
            lifetime: self.lifetime,
            jobs: self.jobs,
            images: absolute(&self.images),
            ground_truth: self.ground_truth.as_deref().map(absolute),
            cases: hashes.iter().map(identity).collect(),
            submissions: self.submissions.iter().map(waiting).collect(),
        }
    }
}

/// A path for the record, which is read from other folders as well.
fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

/// An id that no other run has: random, from the operating system by way of the hasher's keys.
fn rand_id() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one((std::process::id(), std::time::SystemTime::now()))
}

fn now() -> String {
    humantime::format_rfc3339_seconds(std::time::SystemTime::now()).to_string()
}

/// An evaluation under way.
struct Run {
    evaluation: Arc<Evaluation>,
    /// The cases to run of each submission.
    cases: Vec<Arc<[CaseFiles]>>,
    hashes: BTreeMap<String, String>,
    output: OutputFolder,
    /// What was there before.
    earlier: Earlier,
    /// Keeps the output folder for this run; none: for a shard, which has only its share of it.
    lock: Option<OutputLock>,
    /// What was found out about the cases, until something is begun.
    unsaved: Option<CheckedCases>,
    /// What this shard says of itself, where it is one.
    shard: Option<Arc<Mutex<ShardRecord>>>,
    record: RunRecord,
    backend: Arc<dyn InferenceBackend>,
    observer: Arc<dyn Observer>,
    cancel: CancellationToken,
}

impl Run {
    /// Fails where what stays in the output folder was made with another configuration.
    fn refuse_other(&mut self) -> Result<(), RunError> {
        self.earlier = Earlier::read(&self.output);
        let settings = self.settings(self.hashes.clone(), String::new());
        tokio::task::block_in_place(|| self.earlier.refuse_other(&self.evaluation, &settings))
    }

    /// Writes for the first time. Up to here a run can be refused, and then has changed nothing.
    fn settle(&mut self) -> Result<(), RunError> {
        let Some(checked) = self.unsaved.take() else {
            return Ok(());
        };
        if let Some(lock) = &mut self.lock {
            lock.begin();
        }
        checked.save(&self.output.private())?;
        self.output.sweep(&self.evaluation);
        for submission in &self.evaluation.submissions {
            self.discard(&submission.name)?;
        }
        self.earlier.add_to(&mut self.record);
        Ok(())
    }

    /// Discards what is to be evaluated anew.
    fn discard(&self, submission: &str) -> Result<(), WriteError> {
        let files = self.output.submission(submission);
        match self.evaluation.restart {
            Restart::Nothing => Ok(()),
            Restart::Cases => finished::discard_records(&files, &self.evaluation.cases),
            Restart::Everything => {
                output::discard(&self.output.journal(submission))?;
                finished::discard_all(&files)
            }
        }
    }

    async fn go(mut self) -> Result<RunSummary, RunError> {
        if self.shard.is_some() {
            self.save_record()?;
        }
        self.observer.notice(&Event::RunStarted {
            run_id: self.record.run_id.clone(),
            submissions: self
                .evaluation
                .submissions
                .iter()
                .map(|s| s.name.clone())
                .collect(),
            cases: self.hashes.keys().cloned().collect(),
            interactions: self.evaluation.track.prompts().len(),
            jobs: self.evaluation.jobs,
        });
        let result = self.all_submissions().await;
        self.output
            .remove_work(&self.evaluation, &self.record.run_id);
        if let Err(error) = self.backend.shut_down().await {
            tracing::warn!(%error, "the backend could not be shut down");
        }
        let summary = result?;
        if !summary.interrupted {
            self.settle()?;
            self.record.finished = Some(now());
            self.save_record()?;
        }
        self.observer.notice(&Event::RunFinished {
            interrupted: summary.interrupted,
        });
        Ok(summary)
    }

    async fn all_submissions(&mut self) -> Result<RunSummary, RunError> {
        let mut summaries = Vec::new();
        for index in 0..self.evaluation.submissions.len() {
            if self.cancel.is_cancelled() {
                break;
            }
            match self.submission(index).await {
                Ok(summary) => summaries.push(summary),
                Err(RunError::Backend(error)) if error.kind() == BackendErrorKind::Cancelled => {
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let interrupted = self.cancel.is_cancelled();
        Ok(RunSummary {
            submissions: summaries,
            interrupted,
        })
    }

    async fn submission(&mut self, index: usize) -> Result<SubmissionSummary, RunError> {
        let submission = self.evaluation.submissions[index].clone();
        let name = submission.name.clone();
        self.observer.notice(&Event::SubmissionPreparing {
            submission: name.clone(),
        });
        let notes = Notes::new(&name, Arc::clone(&self.observer));
        let prepared = tokio::select! {
            prepared = self.backend.prepare(&submission, &notes) => prepared,
            () = self.cancel.cancelled() => Err(BackendError::cancelled()),
        };
        self.record.submissions[index].notes = notes.into_texts();
        let runnable = match prepared {
            Ok(runnable) => runnable,
            Err(error) if error.kind() == BackendErrorKind::Submission => {
                return self.failed(index, &error);
            }
            Err(error) => return Err(error.into()),
        };
        let result = self.cases(index, &runnable).await;
        if let Err(error) = self.backend.release(runnable).await {
            let text = format!("could not be cleaned up: {error}");
            self.observer.notice(&Event::Note {
                subject: name,
                text,
            });
        }
        result
    }

    /// Notes that a submission could not be made runnable; the others still can.
    fn failed(
        &mut self,
        index: usize,
        error: &BackendError,
    ) -> Result<SubmissionSummary, RunError> {
        self.settle()?;
        let name = self.evaluation.submissions[index].name.clone();
        let error = error.to_string();
        self.set_state(index, Progress::Failed, None, Some(error.clone()))?;
        self.observer.notice(&Event::SubmissionFailed {
            submission: name.clone(),
            error: error.clone(),
        });
        Ok(SubmissionSummary {
            name,
            error: Some(error),
            records: Vec::new(),
            finished_before: 0,
        })
    }

    async fn cases(
        &mut self,
        index: usize,
        runnable: &Runnable,
    ) -> Result<SubmissionSummary, RunError> {
        let name = runnable.submission.name.clone();
        let fingerprint = self.fingerprint(index, runnable);
        let cases = Arc::clone(&self.cases[index]);
        let files = self.output.submission(&name);
        let (journal, finished) = self.open_journal(index, &fingerprint)?;
        self.set_state(
            index,
            Progress::Running,
            Some(runnable.fingerprint.clone()),
            None,
        )?;
        let run = SubmissionRun {
            run_id: self.record.run_id.clone(),
            evaluation: Arc::clone(&self.evaluation),
            cases: Arc::clone(&cases),
            fingerprint,
            owns_table: self.shard.is_none(),
            runnable: Arc::new(runnable.clone()),
            files,
            work: self
                .output
                .work(&self.evaluation, &self.record.run_id, &name),
            backend: Arc::clone(&self.backend),
            observer: Arc::clone(&self.observer),
            cancel: self.cancel.clone(),
        };
        let summary = run.go(journal, finished).await?;
        let has = |case: &str| summary.records.iter().any(|record| record.case == case);
        if self.record.cases.iter().all(|case| has(&case.name)) {
            self.set_state(
                index,
                Progress::Done,
                Some(runnable.fingerprint.clone()),
                None,
            )?;
        }
        if cases.iter().all(|case| has(&case.name)) {
            self.observer
                .notice(&Event::SubmissionFinished { submission: name });
        }
        Ok(summary)
    }

    /// Opens a submission's journal, with the finished cases that stay, whoever asked for them.
    /// What could be refused is refused before anything is written.
    fn open_journal(
        &mut self,
        index: usize,
        fingerprint: &Fingerprint,
    ) -> Result<(Journal, BTreeMap<String, CaseRecord>), RunError> {
        let restart = self.evaluation.restart;
        let files = self
            .output
            .submission(&self.evaluation.submissions[index].name);
        if self.shard.is_some() {
            if restart != Restart::Nothing {
                finished::discard_records(&files, &self.cases[index])?;
            }
        } else if restart == Restart::Everything {
            self.settle()?;
        }
        let path = self.output.journal_of_run(
            &self.record.run_id,
            &self.evaluation.submissions[index].name,
        );
        let anew = self.evaluation.anew();
        let noted = Noted::without(&path, &anew)?;
        noted.refuse_other(&path, fingerprint)?;
        let asked: Vec<CaseFiles> = self.cases[index]
            .iter()
            .filter(|case| restart == Restart::Nothing && !noted.has(&case.name))
            .cloned()
            .collect();
        let mut found = finished::finished_cases(&files, &asked, fingerprint)?;
        if self.shard.is_none() {
            found.extend(self.earlier.finished_besides(
                &files,
                &self.cases[index],
                &noted,
                fingerprint,
            )?);
        }
        self.settle()?;
        let (journal, noted) = Journal::open(&path, fingerprint, &anew)?;
        found.extend(noted);
        Ok((journal, found))
    }

    /// What determines the numbers of a submission's cases.
    fn fingerprint(&self, index: usize, runnable: &Runnable) -> Fingerprint {
        let own = self.cases[index].iter().filter_map(|case| {
            let hash = self.hashes.get(&case.name)?;
            Some((case.name.clone(), hash.clone()))
        });
        self.settings(own.collect(), runnable.fingerprint.clone())
    }

    /// What determines the numbers of these cases of a submission.
    fn settings(&self, cases: BTreeMap<String, String>, submission: String) -> Fingerprint {
        Fingerprint {
            segarena: self.record.segarena.clone(),
            protocol: self.evaluation.protocol.clone(),
            track: self.record.track.clone(),
            click_policy: self.record.click_policy.clone(),
            backend: self.record.backend.clone(),
            lifetime: self.record.lifetime,
            submission,
            cases,
        }
    }

    fn set_state(
        &mut self,
        index: usize,
        state: Progress,
        fingerprint: Option<String>,
        error: Option<String>,
    ) -> Result<(), WriteError> {
        let entry = &mut self.record.submissions[index];
        (entry.state, entry.fingerprint, entry.error) = (state, fingerprint, error);
        self.save_record()
    }

    fn save_record(&self) -> Result<(), WriteError> {
        let Some(shard) = &self.shard else {
            return crate::results::write_json(&self.output.run_record(), &self.record);
        };
        let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
        shard.run = Some(self.record.clone());
        crate::results::write_json(&self.output.shard_record(), &*shard)
    }
}
