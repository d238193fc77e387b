//! What runs a submission: the trait [`InferenceBackend`], what it is asked and what it answers.

mod cards;
mod error;
mod execution;
mod log;
mod running_time;
mod session;
mod status;
mod submission;

use async_trait::async_trait;

pub use cards::{CARDS_VARIABLE, Cards};
pub use error::{BackendError, BackendErrorKind};
pub use execution::{Ending, Execution, InteractionRequest, LogTails, NoAnswer, Phase};
pub use log::{LogCapture, LogStream};
pub use running_time::RunningTime;
pub use session::{FreshStarts, Lifetime, Scope, SessionRequest, SubmissionSession};
pub use status::{BackendStatus, Enforcement, Limit, LimitStatus};
pub use submission::{
    ImageFacts, Placeholders, ProgramFacts, Runnable, Submission, SubmissionFacts,
    SubmissionSource, Workdir, short_hash,
};

/// Something that can run submissions: a container engine, or this machine itself.
///
/// Implementations are chosen by `kind` in the configuration. All of them pass the one
/// conformance suite of this crate.
///
/// # Behavior
/// - **A submission that fails is a result, an engine that fails is an error.** A crash, a
///   timeout, running out of memory are all `Ok` with an [`Ending`] that says so. `Err` means
///   that the submission was not given its chance; the caller may try again when
///   [`BackendError::is_temporary`].
/// - **No state between calls that the caller cannot see.** What [`prepare`](Self::prepare)
///   found out travels in the [`Runnable`].
/// - **Nothing outlives its session.** When [`infer`](Self::infer) returns, or when its future is
///   dropped, no process and no container of that interaction is left; what a session keeps
///   between interactions is gone when it is closed or dropped.
/// - The work folder belongs to the caller: a backend never cleans it, but leaves every file in
///   it readable and removable by the caller.
#[async_trait]
pub trait InferenceBackend: Send + Sync {
    /// The name by which the configuration chooses this backend.
    fn kind(&self) -> &str;

    /// Says whether this backend can run here, and which configured limits it enforces.
    ///
    /// # Errors
    /// When nothing can be run at all: no engine, no permission. The message says what to do.
    async fn check(&self) -> Result<BackendStatus, BackendError>;

    /// The [`fingerprint`](Runnable::fingerprint) of a submission, where it can be told without
    /// preparing it. What was evaluated before can then be held against it before anything
    /// begins; where it can't be told, that waits until the submission is prepared.
    fn known_fingerprint(&self, submission: &Submission) -> Option<String> {
        let _ = submission;
        None
    }

    /// Makes a submission runnable: loads an archive, looks up an image, finds a program.
    ///
    /// `progress` hears of what takes long, in words and, where known, in bytes.
    ///
    /// # Errors
    /// [`BackendErrorKind::Submission`] when this submission cannot be run by anybody (archive
    /// broken, command not found): other submissions still can. Any other kind is the engine's.
    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError>;

    /// Makes ready what of a submission every machine that sees the same folders can use, so that
    /// not each of many has to: an image converted into a shared folder. Says whether there was
    /// anything; the default is that each machine prepares for itself.
    ///
    /// # Errors
    /// Those of [`prepare`](Self::prepare).
    async fn prepare_for_all(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<bool, BackendError> {
        let _ = (submission, progress);
        Ok(false)
    }

    /// Whether [`open`](Self::open) knows every [`Scope`]: whether this backend can start a
    /// submission once and ask it again and again. The default is no.
    fn keeps_warm(&self) -> bool {
        false
    }

    /// Begins a session, of which interactions are asked. The default starts the submission anew
    /// for each, by [`infer`](Self::infer), and knows no other scope.
    ///
    /// # Errors
    /// When the engine failed, never because of what the submission did; and
    /// [`BackendErrorKind::Unsupported`] where the scope can't be had.
    async fn open<'a>(
        &'a self,
        runnable: &'a Runnable,
        request: &SessionRequest<'_>,
    ) -> Result<Box<dyn SubmissionSession + 'a>, BackendError> {
        match request.scope {
            Scope::Interaction => Ok(Box::new(FreshStarts::new(self, runnable))),
            Scope::Case { .. } | Scope::Run { .. } => Err(BackendError::new(
                BackendErrorKind::Unsupported,
                format!("{} cannot keep a submission warm", self.kind()),
            )
            .with_advice("set lifetime = \"interaction\" under [backend]")),
        }
    }

    /// Runs one interaction from start to exit and says how it went.
    ///
    /// # Errors
    /// Only when the engine failed; never because of what the submission did.
    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError>;

    /// Undoes [`prepare`](Self::prepare): removes what it loaded.
    ///
    /// # Errors
    /// When something could not be removed; the message says what is left.
    async fn release(&self, runnable: Runnable) -> Result<(), BackendError>;

    /// Called once after the last submission, also when a run is interrupted: stop what this
    /// backend started for itself (a private engine service, say). The default does nothing.
    ///
    /// # Errors
    /// When something could not be stopped.
    async fn shut_down(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

/// Hears how far the preparation of a submission is.
pub trait PrepareProgress: Send + Sync {
    /// Something of `done` bytes out of `total` (where known) has been dealt with.
    fn bytes(&self, what: &str, done: u64, total: Option<u64>);

    /// A remark worth keeping in the log, such as which of an archive's tags is run.
    fn note(&self, text: &str);
}

/// Ignores all progress.
pub struct NoProgress;

impl PrepareProgress for NoProgress {
    fn bytes(&self, _: &str, _: u64, _: Option<u64>) {}
    fn note(&self, _: &str) {}
}
