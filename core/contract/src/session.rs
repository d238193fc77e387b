//! A submission at work, as a backend knows it: started anew for each interaction, or kept warm.

use std::fmt;
use std::path::Path;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{BackendError, Execution, InferenceBackend, InteractionRequest, Runnable};

/// How long a submission that was started lives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifetime {
    /// It is started anew for each interaction, as the challenge does.
    #[default]
    Interaction,
    /// It is started once for each case.
    Case,
    /// It is started once for all cases.
    Run,
}

impl Lifetime {
    /// All there are, the shortest first.
    pub const ALL: [Self; 3] = [Self::Interaction, Self::Case, Self::Run];

    /// Its name, as configurations and records have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interaction => "interaction",
            Self::Case => "case",
            Self::Run => "run",
        }
    }

    /// Whether a submission is asked more than once after one start.
    pub fn is_warm(self) -> bool {
        self != Self::Interaction
    }

    /// Whether it is the challenge's, for records that leave it out then.
    pub fn is_cold(&self) -> bool {
        !self.is_warm()
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// For how long a submission is started, and which folders it is given then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope<'a> {
    /// For each interaction anew, with the folders that the interaction names.
    Interaction,
    /// For one case.
    Case {
        /// The case's file name, `CASE.npz`.
        case: &'a str,
        /// The case's inputs folder on this machine, absolute.
        inputs: &'a Path,
        /// The case's outputs folder on this machine, absolute.
        outputs: &'a Path,
    },
    /// For one case after the other.
    Run {
        /// The folder on this machine, absolute, below which the folders of each case are as long
        /// as it lasts.
        cases: &'a Path,
    },
}

/// What a backend is told before the first interaction of a session.
#[derive(Debug, Clone)]
pub struct SessionRequest<'a> {
    /// The run's unique id, for labels on what the engine creates.
    pub run_id: &'a str,
    /// How long the submission is to live.
    pub scope: Scope<'a>,
    /// Fires when the whole run is to stop.
    pub cancel: CancellationToken,
    /// Which of the cases running side by side this is, from 0.
    pub worker: usize,
}

/// A submission at work on one case or, with [`Scope::Run`], on one case after the other.
///
/// # Behavior
/// - [`infer`](Self::infer) is asked once for each interaction, one after the other, and again
///   for the same one after an error that is [temporary](BackendError::is_temporary).
/// - When `infer` answers with an error, nothing that the failed try started is still running:
///   whoever tries again never meets a process or a container of the try before.
/// - After an interaction that failed the next one gets a fresh start.
/// - **Nothing outlives its session.** When [`close`](Self::close) returns, or when the session is
///   dropped, no process and no container of it is left.
#[async_trait]
pub trait SubmissionSession: Send {
    /// Runs one interaction and says how it went.
    ///
    /// # Errors
    /// Only when the engine failed; never because of what the submission did.
    async fn infer(&mut self, request: &InteractionRequest<'_>) -> Result<Execution, BackendError>;

    /// Has the next interaction get a fresh start: what the submission answered is of no use. The
    /// default is for a session that starts it anew in any case.
    ///
    /// # Errors
    /// When what runs could not be ended.
    async fn start_afresh(&mut self) -> Result<(), BackendError> {
        Ok(())
    }

    /// Ends the session.
    ///
    /// # Errors
    /// When something of it could not be ended or removed; the message says what is left.
    async fn close(self: Box<Self>) -> Result<(), BackendError>;
}

/// A session that starts the submission anew for each interaction, as the challenge does.
pub struct FreshStarts<'a, B: ?Sized> {
    backend: &'a B,
    runnable: &'a Runnable,
}

impl<'a, B: InferenceBackend + ?Sized> FreshStarts<'a, B> {
    /// A session of this submission with this backend.
    pub fn new(backend: &'a B, runnable: &'a Runnable) -> Self {
        Self { backend, runnable }
    }
}

#[async_trait]
impl<B: InferenceBackend + ?Sized> SubmissionSession for FreshStarts<'_, B> {
    async fn infer(&mut self, request: &InteractionRequest<'_>) -> Result<Execution, BackendError> {
        self.backend.infer(self.runnable, request).await
    }

    async fn close(self: Box<Self>) -> Result<(), BackendError> {
        Ok(())
    }
}
