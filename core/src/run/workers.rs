//! One submission on all cases, some of them side by side.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::fingerprint::Fingerprint;
use super::journal::{Journal, JournalError};
use super::{Evaluation, RunError, SubmissionSummary};
use crate::backend::{
    InferenceBackend, Lifetime, Runnable, Scope, SessionRequest, SubmissionSession,
};
use crate::case::{Case, CaseFiles, stem};
use crate::event::{Event, MeanMeasure, Observer};
use crate::hash::hash_file;
use crate::record::{CaseRecord, InteractionRecord};
use crate::results::{SubmissionFiles, create_folder, metrics_table, write_json, write_whole};
use crate::session::{Session, SessionError, SessionSetting};
use crate::work::{CasesFolder, KeepWork, WorkFolder, is_a_submissions_doing};

/// One submission, ready to run on all cases.
pub(super) struct SubmissionRun {
    pub(super) run_id: String,
    pub(super) evaluation: Arc<Evaluation>,
    /// The cases to run, in order.
    pub(super) cases: Arc<[CaseFiles]>,
    /// What determines the numbers.
    pub(super) fingerprint: Fingerprint,
    /// Whether nobody else runs cases of the submission, so that the table is this run's to write.
    pub(super) owns_table: bool,
    pub(super) runnable: Arc<Runnable>,
    pub(super) files: SubmissionFiles,
    /// The folder for the cases' work folders.
    pub(super) work: PathBuf,
    pub(super) backend: Arc<dyn InferenceBackend>,
    pub(super) observer: Arc<dyn Observer>,
    pub(super) cancel: CancellationToken,
}

/// What the workers share: the cases still to do, and what is done.
struct Shared {
    run: SubmissionRun,
    waiting: Mutex<VecDeque<CaseFiles>>,
    done: Mutex<Done>,
}

struct Done {
    journal: Journal,
    /// By the cases' names, in whose order the table has them.
    records: BTreeMap<String, CaseRecord>,
}

/// A submission that is kept for a run, and the folder in which it sees its cases.
struct StartedForRun<'a> {
    submission: Box<dyn SubmissionSession + 'a>,
    cases: CasesFolder,
}

/// A case and the worker that runs it.
struct Place<'a> {
    case: &'a Case,
    worker: usize,
    stop: &'a CancellationToken,
}

/// The beginning of the names of the folders in which submissions see one case after the other: a
/// case's own name never begins with a dot.
const WORKER: &str = ".worker-";

impl SubmissionRun {
    /// Runs the cases that are not among `finished`, and writes every result as it comes. What
    /// else is finished stays in the table.
    ///
    /// # Errors
    /// The first that any case met. The others are stopped then; what was finished is kept.
    pub(super) async fn go(
        self,
        journal: Journal,
        mut finished: BTreeMap<String, CaseRecord>,
    ) -> Result<SubmissionSummary, RunError> {
        create_folder(&self.files.logs())?;
        let is_whole = |case: &CaseFiles| {
            let record = finished.get(&case.name);
            record.is_some_and(|record| self.has_predictions(case, record))
        };
        let (kept, waiting): (Vec<_>, Vec<_>) =
            tokio::task::block_in_place(|| self.cases.iter().cloned().partition(is_whole));
        for case in &waiting {
            finished.remove(&case.name);
        }
        let finished_before = kept.len();
        let mean = |score: fn(&CaseRecord) -> f64| {
            let records = kept.iter().filter_map(|case| finished.get(&case.name));
            let sum = records.map(score).fold(0.0, |sum, score| sum + score);
            sum / finished_before.max(1) as f64
        };
        self.observer.notice(&Event::SubmissionStarted {
            submission: self.name().to_owned(),
            facts: self.runnable.facts.clone(),
            finished_before,
            dsc_before: mean(CaseRecord::dsc_final),
            nsd_before: mean(CaseRecord::nsd_final),
            means_before: MeanMeasure::of(finished.values()),
        });
        let shared = Arc::new(Shared {
            run: self,
            waiting: Mutex::new(waiting.into()),
            done: Mutex::new(Done {
                journal,
                records: finished,
            }),
        });
        shared.write_records()?;
        let result = Shared::drain(&shared).await;
        result?;
        let name = shared.run.name().to_owned();
        let records = shared.in_order();
        Ok(SubmissionSummary {
            name,
            error: None,
            records,
            finished_before,
        })
    }

    /// Whether a finished case's predictions are on the disk as they were written.
    fn has_predictions(&self, case: &CaseFiles, record: &CaseRecord) -> bool {
        let hash = hash_file(&self.files.predictions(case.stem()));
        hash.is_ok_and(|hash| {
            record
                .predictions_sha256
                .as_ref()
                .is_none_or(|then| *then == hash)
        })
    }

    fn name(&self) -> &str {
        &self.runnable.submission.name
    }
}

impl Shared {
    /// Runs the workers until no case waits, or one of them fails.
    async fn drain(self: &Arc<Self>) -> Result<(), RunError> {
        let stop = self.run.cancel.child_token();
        let mut workers = JoinSet::new();
        for worker in 0..self.run.evaluation.jobs {
            let (shared, stop) = (Arc::clone(self), stop.clone());
            workers.spawn(async move { shared.worker(worker, &stop).await });
        }
        let mut first_error = None;
        while let Some(ended) = workers.join_next().await {
            let result =
                ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()));
            if let Err(error) = result {
                stop.cancel();
                first_error.get_or_insert(error);
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    async fn worker(&self, worker: usize, stop: &CancellationToken) -> Result<(), RunError> {
        let mut for_run = None;
        while let Some(files) = self.next_case(stop) {
            match self.case(&files, worker, stop, &mut for_run).await {
                Ok(()) => {}
                Err(RunError::Session { source, .. }) if source.is_interruption() => break,
                Err(error) => return Err(error),
            }
        }
        if let Some(StartedForRun { submission, .. }) = for_run {
            submission.close().await?;
        }
        Ok(())
    }

    fn next_case(&self, stop: &CancellationToken) -> Option<CaseFiles> {
        if stop.is_cancelled() {
            None
        } else {
            lock(&self.waiting).pop_front()
        }
    }

    /// Runs a case on a submission of its own, or on the one that is kept `for_run`.
    async fn case<'s>(
        &'s self,
        files: &CaseFiles,
        worker: usize,
        stop: &CancellationToken,
        for_run: &mut Option<StartedForRun<'s>>,
    ) -> Result<(), RunError> {
        let run = &self.run;
        run.observer.notice(&Event::CaseStarted {
            submission: run.name().to_owned(),
            case: files.name.clone(),
        });
        let evaluation = &run.evaluation;
        let case = tokio::task::block_in_place(|| Case::load_for(files, &*evaluation.track))?;
        let at = Place {
            case: &case,
            worker,
            stop,
        };
        let record = if evaluation.lifetime == Lifetime::Run {
            let (started, work) = self.place_for_run(&at, files, for_run).await?;
            let record = self.dialogue(&at, &work, &mut *started.submission).await?;
            self.leave(work, record)?
        } else {
            let work = self.work_folder(files)?;
            let mut submission = self.start_for_case(&at, &work).await?;
            let record = self.dialogue(&at, &work, &mut *submission).await?;
            let closed = submission.close().await;
            closed.map_err(|error| self.error_of_case(&case, error.into()))?;
            self.leave(work, record)?
        };
        self.finish(record)
    }

    /// The submission that is kept for all cases, and this one's folders where it sees them.
    async fn place_for_run<'s, 'r>(
        &'s self,
        at: &Place<'_>,
        files: &CaseFiles,
        for_run: &'r mut Option<StartedForRun<'s>>,
    ) -> Result<(&'r mut StartedForRun<'s>, WorkFolder), RunError> {
        if let Some(StartedForRun { submission, cases }) = for_run.take() {
            match self.work_folder_among(&cases, files) {
                Ok(work) => {
                    let started = StartedForRun { submission, cases };
                    return Ok((for_run.insert(started), work));
                }
                // It has locked us out: it begins anew in a folder of its own.
                Err(RunError::Work { source, .. }) if is_a_submissions_doing(&source) => {
                    let closed = submission.close().await;
                    closed.map_err(|error| self.error_of_case(at.case, error.into()))?;
                }
                Err(error) => {
                    submission.close().await?;
                    return Err(error);
                }
            }
        }
        let started = self.start_for_run(at).await?;
        let work = self.work_folder_among(&started.cases, files)?;
        Ok((for_run.insert(started), work))
    }

    /// Removes a case's folders. What of them can't be removed is held against the submission.
    fn leave(&self, work: WorkFolder, mut record: CaseRecord) -> Result<CaseRecord, RunError> {
        let path = work.path().to_owned();
        let left = tokio::task::block_in_place(|| work.leave());
        if let Some(stuck) = left.map_err(|source| RunError::Work { path, source })? {
            let reason = format!("what it left in its folders can't be removed: {stuck}");
            record.hold_against(reason);
        }
        Ok(record)
    }

    /// Begins to keep a submission for all cases that this worker takes.
    async fn start_for_run(&self, at: &Place<'_>) -> Result<StartedForRun<'_>, RunError> {
        let path = self.run.work.join(format!("{WORKER}{}", at.worker));
        let cases = CasesFolder::create(&path).map_err(|source| RunError::Work { path, source })?;
        let scope = Scope::Run {
            cases: cases.path(),
        };
        let submission = self.open(at, scope).await?;
        Ok(StartedForRun { submission, cases })
    }

    async fn start_for_case(
        &self,
        at: &Place<'_>,
        work: &WorkFolder,
    ) -> Result<Box<dyn SubmissionSession + '_>, RunError> {
        let scope = match self.run.evaluation.lifetime {
            Lifetime::Interaction => Scope::Interaction,
            Lifetime::Case | Lifetime::Run => Scope::Case {
                case: &at.case.name,
                inputs: work.inputs(),
                outputs: work.outputs(),
            },
        };
        self.open(at, scope).await
    }

    async fn open(
        &self,
        at: &Place<'_>,
        scope: Scope<'_>,
    ) -> Result<Box<dyn SubmissionSession + '_>, RunError> {
        let run = &self.run;
        let request = SessionRequest {
            run_id: &run.run_id,
            scope,
            cancel: at.stop.clone(),
            worker: at.worker,
        };
        let opened = run.backend.open(&run.runnable, &request).await;
        opened.map_err(|error| self.error_of_case(at.case, error.into()))
    }

    /// Holds a case's dialogue with a submission, and keeps each interaction as it comes.
    async fn dialogue(
        &self,
        at: &Place<'_>,
        work: &WorkFolder,
        submission: &mut dyn SubmissionSession,
    ) -> Result<CaseRecord, RunError> {
        let run = &self.run;
        let evaluation = &run.evaluation;
        let setting = SessionSetting {
            run_id: &run.run_id,
            runnable: &run.runnable,
            lifetime: evaluation.lifetime,
            track: &*evaluation.track,
            protocol: &evaluation.protocol,
            files: &run.files,
            observer: &*run.observer,
            keeps_each: evaluation.keep_work == KeepWork::All,
            waits: &crate::retry::WAITS,
            cancel: at.stop,
            worker: at.worker,
            jobs: evaluation.jobs,
        };
        let of_case = |source| self.error_of_case(at.case, source);
        let mut session = Session::begin(setting, at.case, work, submission).map_err(of_case)?;
        while let Some(record) = session.next().await.map_err(of_case)? {
            self.note_interaction(&at.case.name, record)?;
            run.observer.notice(&Event::InteractionFinished {
                submission: run.name().to_owned(),
                case: at.case.name.clone(),
                record: record.clone(),
            });
        }
        session.finish().map_err(of_case)
    }

    fn error_of_case(&self, case: &Case, source: SessionError) -> RunError {
        RunError::Session {
            submission: self.run.name().to_owned(),
            case: case.name.clone(),
            source: Box::new(source),
        }
    }

    fn work_folder(&self, files: &CaseFiles) -> Result<WorkFolder, RunError> {
        let path = self.run.work.join(files.stem());
        let folder = WorkFolder::create(&path).map_err(|source| RunError::Work {
            path: path.clone(),
            source,
        })?;
        Ok(match self.run.evaluation.keep_work {
            KeepWork::Last => folder.kept(),
            KeepWork::Nothing | KeepWork::All => folder,
        })
    }

    fn work_folder_among(
        &self,
        cases: &CasesFolder,
        files: &CaseFiles,
    ) -> Result<WorkFolder, RunError> {
        let folder = WorkFolder::create_among(cases, files.stem());
        let folder = folder.map_err(|source| RunError::Work {
            path: cases.path().join(files.stem()),
            source,
        })?;
        Ok(match self.run.evaluation.keep_work {
            KeepWork::Last => folder.kept_at(self.run.work.join(files.stem())),
            KeepWork::Nothing | KeepWork::All => folder,
        })
    }

    fn note_interaction(&self, case: &str, record: &InteractionRecord) -> Result<(), JournalError> {
        lock(&self.done).journal.interaction(case, record)
    }

    /// Notes a finished case in the journal, then writes its record and the table.
    fn finish(&self, mut record: CaseRecord) -> Result<(), RunError> {
        record.fingerprint = Some(self.run.fingerprint.of_case(&record.case));
        {
            let mut done = lock(&self.done);
            done.journal.case(&record)?;
            done.records.insert(record.case.clone(), record.clone());
        }
        self.write_record(&record)?;
        self.write_table()?;
        self.run.observer.notice(&Event::CaseFinished {
            submission: self.run.name().to_owned(),
            record,
        });
        Ok(())
    }

    /// Writes what the journal knows, in case a crash came between it and the files.
    fn write_records(&self) -> Result<(), RunError> {
        if !self.run.owns_table {
            return Ok(());
        }
        for record in self.in_order() {
            self.write_record(&record)?;
        }
        self.write_table()
    }

    fn write_record(&self, record: &CaseRecord) -> Result<(), RunError> {
        Ok(write_json(
            &self.run.files.record(stem(&record.case)),
            record,
        )?)
    }

    fn write_table(&self) -> Result<(), RunError> {
        if !self.run.owns_table {
            return Ok(());
        }
        // Holding the lock while writing keeps an older table from replacing a newer one.
        let done = lock(&self.done);
        let table = metrics_table(&*self.run.evaluation.track, done.records.values());
        Ok(write_whole(&self.run.files.table(), &table)?)
    }

    fn in_order(&self) -> Vec<CaseRecord> {
        lock(&self.done).records.values().cloned().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
