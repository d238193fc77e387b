//! One case of one submission: a dialogue held through files and a backend.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use segarena_dialogue::{Answer, Dialogue, Prompt, Scores, Track};
use segarena_formats::removal::remove_tree;
use segarena_formats::room::Room;
use tokio_util::sync::CancellationToken;

use crate::backend::{
    BackendError, BackendErrorKind, Ending, Execution, InteractionRequest, Lifetime, LogTails,
    Runnable, SubmissionSession,
};
use crate::case::{Case, CaseError};
use crate::event::{Event, Observer};
use crate::hash::hash_file;
use crate::machine::Machine;
use crate::npz::{
    NpzError, NpzErrorKind, Prediction, PredictionError, ResultWriter, SpareVolume,
    read_prediction_reusing,
};
use crate::prompt::{PromptError, write_input};
use crate::protocol::Protocol;
use crate::record::{CaseRecord, ClickRecord, InteractionRecord, Outcome};
use crate::results::SubmissionFiles;
use crate::retry::Retry;
use crate::work::{WorkFolder, is_a_submissions_doing};

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
    /// The folders of an interaction could not be kept.
    #[error("cannot keep the folders of an interaction in {}: {source}", path.display())]
    Keep {
        /// Where.
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
    /// The case lacks what the track needs.
    #[error(transparent)]
    Case(#[from] CaseError),
    /// The run is being stopped.
    #[error("interrupted")]
    Interrupted,
}

impl SessionError {
    /// Whether the run is merely being stopped.
    pub fn is_interruption(&self) -> bool {
        matches!(self, Self::Interrupted)
    }

    /// What the system said, where the submission's folders could not be used.
    fn of_the_folders(&self) -> Option<&std::io::Error> {
        match self {
            Self::Work { source, .. } => Some(source),
            Self::Prompt(PromptError::Folder {
                kind: NpzErrorKind::Io { source, .. },
                ..
            }) => Some(source),
            _ => None,
        }
    }
}

/// What a session is given: the same for all cases of a submission but for the case itself, its
/// folders and its place.
#[derive(Clone, Copy)]
pub struct SessionSetting<'a> {
    /// The run's unique id.
    pub run_id: &'a str,
    /// The submission.
    pub runnable: &'a Runnable,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// What is asked of it.
    pub track: &'a dyn Track,
    /// The protocol's options.
    pub protocol: &'a Protocol,
    /// Where results go.
    pub files: &'a SubmissionFiles,
    /// Whether the folders of each interaction are kept among the results.
    pub keeps_each: bool,
    /// Who hears of what happens.
    pub observer: &'a dyn Observer,
    /// How long to wait before an engine that failed for a moment is asked again.
    pub waits: &'a [Duration],
    /// Fires when the run is to stop.
    pub cancel: &'a CancellationToken,
    /// Which of the cases side by side this is, from 0.
    pub worker: usize,
    /// How many there are.
    pub jobs: usize,
}

/// One case under way. It hands back each interaction's record as soon as there is one; whoever
/// drives it keeps them.
pub struct Session<'a> {
    setting: SessionSetting<'a>,
    case: &'a Case,
    work: &'a WorkFolder,
    dialogue: Box<dyn Dialogue>,
    submission: &'a mut (dyn SubmissionSession + 'a),
    results: ResultWriter,
    /// Interactions that the case has no prompt for, not handed back yet.
    skipped: std::vec::IntoIter<InteractionRecord>,
    interactions: Vec<InteractionRecord>,
    /// The memory of the prediction before.
    spare: SpareVolume,
}

impl<'a> Session<'a> {
    /// Begins a case.
    ///
    /// # Errors
    /// When the case lacks what the track needs, or the file for the predictions can't be made.
    pub fn begin(
        setting: SessionSetting<'a>,
        case: &'a Case,
        work: &'a WorkFolder,
        submission: &'a mut (dyn SubmissionSession + 'a),
    ) -> Result<Self, SessionError> {
        let dialogue = tokio::task::block_in_place(|| case.dialogue(setting.track))?;
        let skipped: Vec<_> = dialogue
            .skipped()
            .into_iter()
            .map(|skipped| InteractionRecord {
                index: skipped.index,
                prompt: skipped.kind,
                ..InteractionRecord::skipped(case.truth.keys().labels())
            })
            .collect();
        let kept = setting.files.kept(case.stem());
        // Those of an earlier run.
        let removed = tokio::task::block_in_place(|| remove_tree(&kept));
        removed.map_err(|source| SessionError::Keep { path: kept, source })?;
        let path = setting.files.predictions(case.stem());
        let asked = setting.track.prompts().len() - skipped.len();
        let results = ResultWriter::create(&path, case.image.shape(), asked)?;
        Ok(Self {
            setting,
            case,
            work,
            dialogue,
            submission,
            results,
            skipped: skipped.into_iter(),
            interactions: Vec::new(),
            spare: SpareVolume::default(),
        })
    }

    /// Runs the next interaction and returns its record; `None`: there is no further one.
    ///
    /// # Errors
    /// When the engine failed, the disk did, or the run was cancelled. What the submission does
    /// is never an error.
    pub async fn next(&mut self) -> Result<Option<&InteractionRecord>, SessionError> {
        let record = match self.skipped.next() {
            Some(record) => record,
            None => match self.dialogue.next() {
                Some(prompt) => self.interaction(prompt).await?,
                None => return Ok(None),
            },
        };
        self.interactions.push(record);
        Ok(self.interactions.last())
    }

    /// Ends the case: completes `CASE.npz` and returns the case's record.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub fn finish(self) -> Result<CaseRecord, SessionError> {
        let (case, setting) = (self.case, self.setting);
        let predictions = tokio::task::block_in_place(|| -> Result<String, SessionError> {
            self.results
                .finish(self.dialogue.prediction().cast.view())?;
            let path = setting.files.predictions(case.stem());
            hash_file(&path).map_err(|source| SessionError::Saved { path, source })
        })?;
        let mut record = CaseRecord {
            schema: CaseRecord::SCHEMA,
            case: case.name.clone(),
            track: setting.track.id(),
            lifetime: setting.lifetime,
            labels: case.truth.keys().labels().to_vec(),
            has_boxes: case.image.has_boxes(),
            shape: case.image.shape(),
            spacing: case.image.spacing().mm(),
            interactions: self.interactions,
            total_seconds: 0.0,
            seconds_allowed: 0.0,
            over_time: false,
            zeroed: false,
            jobs: setting.jobs,
            predictions_sha256: Some(predictions),
            fingerprint: None,
        };
        let allowed = setting.track.seconds_allowed(case.truth.keys().count());
        record.apply_limit(allowed, setting.protocol.over_time);
        Ok(record)
    }

    async fn interaction(&mut self, prompt: Prompt) -> Result<InteractionRecord, SessionError> {
        let index = prompt.index;
        let Asked { execution, fault } = self.ask(&prompt).await?;
        self.tell(|submission, case| Event::InteractionScoring {
            submission,
            case,
            index,
        });
        let left = match fault {
            Some(_) => Left {
                prediction: Err(PredictionError::Missing),
                fault,
            },
            None => tokio::task::block_in_place(|| self.look())?,
        };
        let has_fault = left.fault.is_some();
        if has_fault {
            // What has gone wrong is not to go on while it is put in order.
            self.submission.start_afresh().await?;
            let anew = tokio::task::block_in_place(|| self.work.begin_anew());
            anew.map_err(|source| self.work_error(source))?;
        }
        let record = tokio::task::block_in_place(|| -> Result<_, SessionError> {
            let judged = self.judge(&execution.ending, left);
            self.keep_folders(index)?;
            self.results.push(self.dialogue.prediction().cast.view())?;
            Ok(self.record(prompt, execution, judged))
        })?;
        if record.outcome.is_failure() && !has_fault {
            self.submission.start_afresh().await?;
        }
        Ok(record)
    }

    /// Gives the prompt and has the submission run. After an engine's error that may pass, the
    /// step is done again from its beginning: the folders restored, the input written anew.
    async fn ask(&mut self, prompt: &Prompt) -> Result<Asked, SessionError> {
        let setting = self.setting;
        let mut retry = Retry::new(setting.waits, setting.observer);
        loop {
            if let Some(fault) = tokio::task::block_in_place(|| self.give(prompt))? {
                return Ok(Asked::not_run(fault));
            }
            let index = prompt.index;
            self.tell(|submission, case| Event::InteractionRunning {
                submission,
                case,
                index,
            });
            let result = self.run_submission(index).await;
            let Some(wait) = retry.wait_after(&result) else {
                return match result {
                    Ok(Execution {
                        ending: Ending::Cancelled,
                        ..
                    }) => Err(SessionError::Interrupted),
                    Err(error) if error.kind() == BackendErrorKind::Cancelled => {
                        Err(SessionError::Interrupted)
                    }
                    Ok(execution)
                        if was_stopped_as_well(setting.cancel, &execution.ending).await =>
                    {
                        Err(SessionError::Interrupted)
                    }
                    result => Ok(Asked::run(result?)),
                };
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = setting.cancel.cancelled() => return Err(SessionError::Interrupted),
            }
        }
    }

    /// Puts the folders in order and writes the model input. What the submission has done that keeps
    /// it from being given is returned, in words.
    fn give(&self, prompt: &Prompt) -> Result<Option<String>, SessionError> {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let error = match self.try_to_give(prompt) {
            Err(error) => error,
            given => return given,
        };
        let fault = match error.of_the_folders() {
            Some(source) if matches!(source.kind(), QuotaExceeded | StorageFull) => {
                let at_all = Room {
                    bytes: u64::MAX,
                    files: u64::MAX,
                };
                self.filled_the_disk(at_all)?
            }
            Some(source) if is_a_submissions_doing(source) => Some(begun_anew(source)),
            _ => None,
        };
        fault.map_or(Err(error), |fault| Ok(Some(fault)))
    }

    fn try_to_give(&self, prompt: &Prompt) -> Result<Option<String>, SessionError> {
        let failed = |source| self.work_error(source);
        if let Some(stuck) = self.work.restore().map_err(failed)? {
            return Ok(Some(begun_anew(stuck)));
        }
        self.work.clear_input(&self.case.name).map_err(failed)?;
        let inputs = self.work.open_inputs().map_err(failed)?;
        let name = OsStr::new(&self.case.name);
        write_input(&inputs, name, &self.case.image, prompt)?;
        Ok(None)
    }

    /// Whether there is less room on the disk than is `wanted` and the submission is to blame: its
    /// files take more than its predictions could. Says so in words.
    fn filled_the_disk(&self, wanted: Room) -> Result<Option<String>, SessionError> {
        let failed = |source| self.work_error(source);
        let left = self.work.room_left().map_err(failed)?;
        let (of_bytes, of_files) = (left.bytes < wanted.bytes, left.files < wanted.files);
        if !(of_bytes || of_files) {
            return Ok(None);
        }
        let Some(taken) = self.work.room_taken().map_err(failed)? else {
            return Ok(Some(format!("{FILLED}: they are too many to be counted")));
        };
        let allowed = self.room_allowed();
        let is_to_blame =
            of_bytes && taken.bytes > allowed.bytes || of_files && taken.files > allowed.files;
        Ok(is_to_blame.then(|| {
            let megabytes = taken.bytes as f64 / 1e6;
            format!("{FILLED}: {} files, {megabytes:.1} MB", taken.files)
        }))
    }

    /// The room that a case's next input and results take at most.
    fn room_wanted(&self) -> Room {
        let image = std::fs::metadata(self.case.image.path()).map_or(0, |file| file.len());
        Room {
            bytes: image + 2 * self.voxels() + (1 << 20),
            files: 16,
        }
    }

    /// The room that nobody is blamed for: an uncompressed prediction and some of the submission's
    /// own files, beside the input.
    fn room_allowed(&self) -> Room {
        Room {
            bytes: self.room_wanted().bytes + 8 * self.voxels(),
            files: 1 << 14,
        }
    }

    fn voxels(&self) -> u64 {
        self.case
            .image
            .shape()
            .iter()
            .map(|&side| side as u64)
            .product()
    }

    async fn run_submission(&mut self, index: usize) -> Result<Execution, BackendError> {
        let setting = self.setting;
        let log = SubmissionFiles::log_name(self.case.stem(), index);
        let log = setting.files.folder().join(log);
        let request = InteractionRequest {
            run_id: setting.run_id,
            case: &self.case.name,
            index,
            inputs: self.work.inputs(),
            outputs: self.work.outputs(),
            timeout: setting.protocol.interaction_timeout,
            log: &log,
            cancel: setting.cancel.clone(),
            worker: setting.worker,
        };
        self.submission.infer(&request).await
    }

    /// Keeps the folders as the submission left them, where that is asked for.
    fn keep_folders(&self, index: usize) -> Result<(), SessionError> {
        if !self.setting.keeps_each {
            return Ok(());
        }
        let path = self
            .setting
            .files
            .kept(self.case.stem())
            .join(index.to_string());
        match self.work.copy_to(&path) {
            Ok(0) => Ok(()),
            Ok(left_out) => {
                let folder = path.display();
                tracing::warn!(left_out, %folder, "not all that a submission left is kept");
                Ok(())
            }
            Err(source) => Err(SessionError::Keep { path, source }),
        }
    }

    /// Decides on the outcome, and has the dialogue score what is now the current prediction.
    fn judge(&mut self, ending: &Ending, left: Left) -> Judged {
        let Left {
            prediction: read,
            fault,
        } = left;
        let mut remarks = Vec::new();
        let failure = Outcome::of_failure(ending);
        let outcome = match (failure, fault, &read) {
            (None, Some(reason), _) => Outcome::BadOutput {
                exit_code: 0,
                reason,
            },
            (None, None, Ok(_)) => Outcome::Ok { exit_code: 0 },
            (None, None, Err(PredictionError::Missing)) => Outcome::NoOutput { exit_code: 0 },
            (None, None, Err(error)) => Outcome::BadOutput {
                exit_code: 0,
                reason: error.to_string(),
            },
            (Some(outcome), fault, read) => {
                remarks.extend(fault);
                if let Err(error @ PredictionError::Bad { .. }) = read {
                    remarks.push(format!("its prediction is unusable as well: {error}"));
                }
                outcome
            }
        };
        if matches!(outcome, Outcome::NoOutput { .. }) {
            remarks.extend(self.written_instead());
        }
        if let Ok(prediction) = &read {
            remarks.extend(prediction.remarks.iter().cloned());
        }
        // What a submission wrote counts even when it failed afterwards: the official script
        // looks at the file alone.
        let answer = match (outcome.is_failure(), read) {
            (false, Ok(prediction)) => Answer::Prediction(prediction),
            (_, written) => Answer::Failure(written.ok()),
        };
        let scores = self.dialogue.answer(answer);
        if let Some(replaced) = self.dialogue.take_replaced() {
            self.spare.keep(replaced);
        }
        Judged {
            outcome,
            scores,
            remarks,
        }
    }

    /// What is in the outputs folder where no prediction is, in words.
    fn written_instead(&self) -> Option<String> {
        const SHOWN: usize = 5;
        let (names, count) = self.work.open_outputs().ok()?.names(SHOWN).ok()?;
        let more = match count.saturating_sub(names.len()) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Some(match count {
            0 => format!("outputs/ is empty, where {} should be", self.case.name),
            _ => format!(
                "outputs/ has {}{more}, and no {}",
                names.join(", "),
                self.case.name
            ),
        })
    }

    /// What the submission left.
    fn look(&mut self) -> Result<Left, SessionError> {
        // The submission may have removed the folder, or locked it.
        let restored = self.work.restore();
        let stuck = restored.map_err(|source| self.work_error(source))?;
        let outputs = self.work.open_outputs();
        let outputs = outputs.map_err(|source| self.work_error(source))?;
        let name = OsStr::new(&self.case.name);
        let (shape, keys) = (self.case.image.shape(), self.case.truth.keys());
        let read = read_prediction_reusing(&outputs, name, shape, keys, &mut self.spare);
        Ok(Left {
            prediction: match read {
                Err(error @ PredictionError::System(_)) => {
                    return Err(SessionError::Prediction(error));
                }
                read => read,
            },
            fault: match stuck {
                Some(stuck) => Some(begun_anew(stuck)),
                None => self.filled_the_disk(self.room_wanted())?,
            },
        })
    }

    fn record(&self, prompt: Prompt, execution: Execution, judged: Judged) -> InteractionRecord {
        let click = |(label, click): (i64, _)| ClickRecord::new(label, click);
        let mut record = InteractionRecord {
            index: prompt.index,
            prompt: prompt.kind,
            clicks: prompt.clicks.into_iter().map(click).collect(),
            texts: prompt.texts,
            outcome: judged.outcome,
            seconds: execution.wall.as_secs_f64(),
            load_seconds: execution.load.map(|load| load.as_secs_f64()),
            machine: Some(Machine::here()),
            phases: execution.phases,
            peak_memory: execution.peak_memory,
            log_tail: main_tail(&execution.tails),
            stdout_tail: execution.tails.stdout,
            stderr_tail: execution.tails.stderr,
            log: Some(SubmissionFiles::log_name(self.case.stem(), prompt.index)),
            remarks: judged.remarks,
            ..InteractionRecord::default()
        };
        record.set_scores(judged.scores);
        record
    }

    fn work_error(&self, source: std::io::Error) -> SessionError {
        SessionError::Work {
            path: self.work.path().to_owned(),
            source,
        }
    }

    fn tell(&self, event: impl FnOnce(String, String) -> Event) {
        let submission = self.setting.runnable.submission.name.clone();
        self.setting
            .observer
            .notice(&event(submission, self.case.name.clone()));
    }
}

/// Whether a failure is the end of the whole run and not the submission's: a batch system
/// signals every process of a job, and the submission may end before this process hears.
async fn was_stopped_as_well(cancel: &CancellationToken, ending: &Ending) -> bool {
    const TERM: i32 = 15;
    let was_told = match *ending {
        Ending::Signalled { signal } => signal == TERM,
        Ending::Exited { code } => code == 128 + TERM,
        _ => false,
    };
    let failed = !matches!(ending, Ending::Exited { code: 0 } | Ending::Answered);
    let in_a_job = std::env::var_os("SLURM_JOB_ID").is_some();
    if !(was_told || failed && in_a_job) {
        return false;
    }
    tokio::time::timeout(HEARING, cancel.cancelled())
        .await
        .is_ok()
}

/// How much later than its submission this process may hear that both are to end.
const HEARING: Duration = Duration::from_millis(500);

/// What came of asking a submission.
struct Asked {
    execution: Execution,
    /// What it had done that kept it from being asked, in words.
    fault: Option<String>,
}

impl Asked {
    fn run(execution: Execution) -> Self {
        Self {
            execution,
            fault: None,
        }
    }

    fn not_run(fault: String) -> Self {
        Self {
            execution: Execution::new(Duration::ZERO, Ending::Exited { code: 0 }),
            fault: Some(fault),
        }
    }
}

/// What a submission left in its folders.
struct Left {
    /// Its prediction; that there is none that is of use is its own fault.
    prediction: Result<Prediction, PredictionError>,
    /// What nobody can go on with, in words. Its own fault as well.
    fault: Option<String>,
}

/// What is said of folders that can't be put in order.
fn begun_anew(why: impl fmt::Display) -> String {
    format!("its folders could not be put in order, and were begun anew: {why}")
}

/// Begins what is said of who left no room.
const FILLED: &str = "its files filled the disk of the work folders, and were removed";

/// What an interaction came to.
struct Judged {
    outcome: Outcome,
    scores: Scores,
    remarks: Vec<String>,
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
