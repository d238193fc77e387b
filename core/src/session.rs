//! One case of one submission: the bounding box, then the clicks.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use tokio_util::sync::CancellationToken;

use crate::backend::{
    BackendError, BackendErrorKind, Ending, Execution, InferenceBackend, InteractionRequest,
    LogTails, Runnable,
};
use crate::case::Case;
use crate::clicks::ClickPolicy;
use crate::event::{Event, Observer};
use crate::npz::{
    Folder, NpzError, Prediction, PredictionError, ResultWriter, SpareVolume,
    read_prediction_reusing,
};
use crate::prompt::{ClickHistory, PromptError, write_box_input, write_click_input};
use crate::protocol::{FailedPrediction, Protocol};
use crate::record::{CaseRecord, ClickRecord, InteractionRecord, Outcome, Prompt};
use crate::results::SubmissionFiles;
use crate::run::{JournalError, hash_file};
use crate::score::{Scores, score};
use crate::volume::Comparison;
use crate::work::WorkFolder;

/// Why a case could not be finished. Never the submission's doing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The engine failed.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The work folder could not be used.
    #[error("cannot use the work folder {}: {source}", path.display())]
    Work {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A model input could not be written.
    #[error("cannot write the model input: {0}")]
    Prompt(#[from] PromptError),
    /// A prediction could not be read for a reason of this machine's.
    #[error(transparent)]
    Prediction(PredictionError),
    /// The predictions could not be saved.
    #[error("cannot save the predictions: {0}")]
    Save(#[from] NpzError),
    /// The predictions were saved and can't be read again.
    #[error("cannot read the saved predictions {}: {source}", path.display())]
    Saved {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The run is being stopped.
    #[error("interrupted")]
    Interrupted,
}

impl SessionError {
    /// Whether the run is merely being stopped.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }
}

/// What a session works with.
pub struct Session<'a> {
    /// The run's unique id.
    pub run_id: &'a str,
    /// The case.
    pub case: &'a Case,
    /// What runs the submission.
    pub backend: &'a dyn InferenceBackend,
    /// The submission.
    pub runnable: &'a Runnable,
    /// What places the clicks.
    pub policy: &'a dyn ClickPolicy,
    /// The protocol's options.
    pub protocol: &'a Protocol,
    /// The case's own folders for input and output.
    pub work: &'a WorkFolder,
    /// Where results go.
    pub files: &'a SubmissionFiles,
    /// Keeps each interaction's record as soon as there is one.
    pub journal: &'a (dyn Fn(&InteractionRecord) -> Result<(), JournalError> + Sync),
    /// Who hears of what happens.
    pub observer: &'a dyn Observer,
    /// Fires when the run is to stop.
    pub cancel: &'a CancellationToken,
    /// Which of the cases side by side this is, from 0.
    pub lane: usize,
    /// How many there are.
    pub jobs: usize,
}

impl Session<'_> {
    /// Runs all interactions, writes `CASE.npz` and returns the record.
    ///
    /// # Errors
    /// When the engine failed, the disk did, or the run was cancelled. What the submission does
    /// is never an error.
    pub async fn run(&self) -> Result<CaseRecord, SessionError> {
        let mut state = State::new(self.case);
        let mut results = self.open_results()?;
        let mut interactions = Vec::with_capacity(self.protocol.interactions());
        for index in 1..=self.protocol.interactions() {
            let skipped = index == 1 && !self.case.image.has_boxes();
            let record = if skipped {
                InteractionRecord::skipped(self.case.keys.labels())
            } else {
                let record = self.interaction(index, &mut state).await?;
                tokio::task::block_in_place(|| results.push(state.prediction.cast.view()))?;
                record
            };
            (self.journal)(&record)?;
            self.tell(|submission, case| Event::InteractionFinished {
                submission,
                case,
                record: record.clone(),
            });
            interactions.push(record);
        }
        let predictions = tokio::task::block_in_place(|| -> Result<String, SessionError> {
            results.finish(state.prediction.cast.view())?;
            let path = self.files.predictions(self.stem());
            hash_file(&path).map_err(|source| SessionError::Saved { path, source })
        })?;
        Ok(self.case_record(interactions, predictions))
    }

    fn open_results(&self) -> Result<ResultWriter, SessionError> {
        let path = self.files.predictions(self.stem());
        let written = self.protocol.clicks + usize::from(self.case.image.has_boxes());
        Ok(ResultWriter::create(
            &path,
            self.case.image.shape(),
            written,
        )?)
    }

    async fn interaction(
        &self,
        index: usize,
        state: &mut State,
    ) -> Result<InteractionRecord, SessionError> {
        let (prompt, clicks) = tokio::task::block_in_place(|| self.give_prompt(index, state))?;
        self.tell(|submission, case| Event::InteractionRunning {
            submission,
            case,
            index,
        });
        let execution = self.run_submission(index).await?;
        self.tell(|submission, case| Event::InteractionScoring {
            submission,
            case,
            index,
        });
        let (outcome, scores, remarks) =
            tokio::task::block_in_place(|| self.judge(&execution.ending, state))?;
        Ok(self.record(index, prompt, clicks, outcome, scores, execution, remarks))
    }

    /// Places the clicks, where there are any, and writes the model input.
    fn give_prompt(
        &self,
        index: usize,
        state: &mut State,
    ) -> Result<(Prompt, Vec<ClickRecord>), SessionError> {
        self.work
            .restore()
            .map_err(|source| self.work_error(source))?;
        self.work
            .clear_input(&self.case.name)
            .map_err(|source| self.work_error(source))?;
        let inputs = self.open(self.work.inputs())?;
        let name = OsStr::new(&self.case.name);
        if index == 1 {
            write_box_input(&inputs, name, &self.case.image)?;
            return Ok((Prompt::Box, Vec::new()));
        }
        let clicks = self.place_clicks(state);
        let previous = state.prediction.cast.view();
        write_click_input(&inputs, name, &self.case.image, &state.history, previous)?;
        Ok((Prompt::Clicks, clicks))
    }

    fn place_clicks(&self, state: &mut State) -> Vec<ClickRecord> {
        let comparison = Comparison::new(&self.case.truth, state.prediction.clicked.view());
        let keys: Vec<_> = self.case.keys.iter().map(|(_, key)| key).collect();
        let clicks: Vec<_> = keys
            .par_iter()
            .map(|&key| self.policy.place(&comparison, key))
            .collect();
        let labels = self.case.keys.labels().iter();
        let records = labels
            .zip(&clicks)
            .map(|(&label, &click)| ClickRecord::new(label, click));
        let records = records.collect();
        state.history.push(&clicks);
        records
    }

    async fn run_submission(&self, index: usize) -> Result<Execution, SessionError> {
        let log = self
            .files
            .folder()
            .join(SubmissionFiles::log_name(self.stem(), index));
        let request = InteractionRequest {
            run_id: self.run_id,
            case: &self.case.name,
            index,
            inputs: self.work.inputs(),
            outputs: self.work.outputs(),
            timeout: self.protocol.interaction_timeout,
            log: &log,
            cancel: self.cancel.clone(),
            lane: self.lane,
        };
        match self.backend.infer(self.runnable, &request).await {
            Ok(Execution {
                ending: Ending::Cancelled,
                ..
            }) => Err(SessionError::Interrupted),
            Ok(execution) if self.was_stopped_as_well(&execution.ending).await => {
                Err(SessionError::Interrupted)
            }
            Ok(execution) => Ok(execution),
            Err(error) if error.kind() == BackendErrorKind::Cancelled => {
                Err(SessionError::Interrupted)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Whether a failure is the end of the whole run and not the submission's: a batch system
    /// signals every process of a job, and the submission may end before this process hears.
    async fn was_stopped_as_well(&self, ending: &Ending) -> bool {
        const TERM: i32 = 15;
        let was_told = match *ending {
            Ending::Signalled { signal } => signal == TERM,
            Ending::Exited { code } => code == 128 + TERM,
            _ => false,
        };
        let failed = !matches!(ending, Ending::Exited { code: 0 });
        let in_a_job = std::env::var_os("SLURM_JOB_ID").is_some();
        if !(was_told || failed && in_a_job) {
            return false;
        }
        tokio::time::timeout(HEARING, self.cancel.cancelled())
            .await
            .is_ok()
    }

    /// Reads the prediction, decides on the outcome, and scores what is now the current
    /// prediction.
    fn judge(
        &self,
        ending: &Ending,
        state: &mut State,
    ) -> Result<(Outcome, Scores, Vec<String>), SessionError> {
        let read = self.read_prediction(&mut state.spare)?;
        let mut remarks = Vec::new();
        let failure = Outcome::of_failure(ending);
        let outcome = match (failure, &read) {
            (None, Ok(_)) => Outcome::Ok { exit_code: 0 },
            (None, Err(PredictionError::Missing)) => Outcome::NoOutput { exit_code: 0 },
            (None, Err(error)) => Outcome::BadOutput {
                exit_code: 0,
                reason: error.to_string(),
            },
            (Some(outcome), Err(error)) if !matches!(error, PredictionError::Missing) => {
                remarks.push(format!("its prediction is unusable as well: {error}"));
                outcome
            }
            (Some(outcome), _) => outcome,
        };
        // What a submission wrote counts even when it failed afterwards: the official script
        // looks at the file alone.
        if let Ok(prediction) = read {
            remarks.extend(prediction.remarks.iter().cloned());
            let replaced = std::mem::replace(&mut state.prediction, prediction);
            state.spare.keep(replaced);
        }
        if outcome.is_failure() && self.protocol.failed_prediction == FailedPrediction::Zeros {
            state.prediction = Prediction::zeros(self.case.image.shape());
        }
        Ok((outcome, self.score(&state.prediction), remarks))
    }

    /// What the submission wrote: the inner error is its own fault, the outer this machine's.
    fn read_prediction(
        &self,
        spare: &mut SpareVolume,
    ) -> Result<Result<Prediction, PredictionError>, SessionError> {
        // The submission may have removed the folder, or locked it.
        self.work
            .restore()
            .map_err(|source| self.work_error(source))?;
        let outputs = self.open(self.work.outputs())?;
        let name = OsStr::new(&self.case.name);
        let (shape, keys) = (self.case.image.shape(), &self.case.keys);
        match read_prediction_reusing(&outputs, name, shape, keys, spare) {
            Err(error @ PredictionError::System(_)) => Err(SessionError::Prediction(error)),
            read => Ok(read),
        }
    }

    fn open(&self, folder: &Path) -> Result<Folder, SessionError> {
        Folder::open(folder).map_err(|source| self.work_error(source))
    }

    fn score(&self, prediction: &Prediction) -> Scores {
        let comparison = Comparison::new(&self.case.truth, prediction.scored.view());
        score(&comparison, &self.case.keys, self.protocol.nsd_tolerance_mm)
    }

    #[allow(clippy::too_many_arguments)] // A record has that many parts.
    fn record(
        &self,
        index: usize,
        prompt: Prompt,
        clicks: Vec<ClickRecord>,
        outcome: Outcome,
        scores: Scores,
        execution: Execution,
        remarks: Vec<String>,
    ) -> InteractionRecord {
        InteractionRecord {
            index,
            prompt,
            clicks,
            outcome,
            seconds: execution.wall.as_secs_f64(),
            dsc: scores.dsc,
            nsd: scores.nsd,
            labels: scores.labels,
            phases: execution.phases,
            peak_memory: execution.peak_memory,
            log_tail: main_tail(&execution.tails),
            stdout_tail: execution.tails.stdout,
            stderr_tail: execution.tails.stderr,
            log: Some(SubmissionFiles::log_name(self.stem(), index)),
            remarks,
        }
    }

    fn case_record(
        &self,
        interactions: Vec<InteractionRecord>,
        predictions_sha256: String,
    ) -> CaseRecord {
        let mut record = CaseRecord {
            schema: CaseRecord::SCHEMA,
            case: self.case.name.clone(),
            labels: self.case.keys.labels().to_vec(),
            has_boxes: self.case.image.has_boxes(),
            shape: self.case.image.shape(),
            spacing: self.case.image.spacing().mm(),
            interactions,
            total_seconds: 0.0,
            seconds_allowed: 0.0,
            over_time: false,
            zeroed: false,
            jobs: self.jobs,
            predictions_sha256: Some(predictions_sha256),
            fingerprint: None,
        };
        let allowed = self.protocol.time_limit(self.case.keys.count());
        record.apply_time_limit(allowed, self.protocol.over_time);
        record
    }

    fn stem(&self) -> &str {
        self.case
            .name
            .strip_suffix(".npz")
            .unwrap_or(&self.case.name)
    }

    fn work_error(&self, source: std::io::Error) -> SessionError {
        SessionError::Work {
            path: self.work.path().to_owned(),
            source,
        }
    }

    fn tell(&self, event: impl FnOnce(String, String) -> Event) {
        let submission = self.runnable.submission.name.clone();
        self.observer
            .notice(&event(submission, self.case.name.clone()));
    }
}

/// How much later than its submission this process may hear that both are to end.
const HEARING: std::time::Duration = std::time::Duration::from_millis(500);

/// What one interaction hands on to the next.
struct State {
    prediction: Prediction,
    history: ClickHistory,
    /// The memory of the prediction before.
    spare: SpareVolume,
}

impl State {
    fn new(case: &Case) -> Self {
        Self {
            prediction: Prediction::zeros(case.image.shape()),
            history: ClickHistory::new(case.keys.count()),
            spare: SpareVolume::default(),
        }
    }
}

/// The stream in which a person looks for the reason first.
fn main_tail(tails: &LogTails) -> String {
    let stderr_says_nothing = tails.stderr.trim().is_empty();
    if stderr_says_nothing {
        tails.stdout.clone()
    } else {
        tails.stderr.clone()
    }
}
