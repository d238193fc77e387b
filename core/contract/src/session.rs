//! A case's lifetime, as a backend knows it.

use std::path::Path;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{BackendError, Execution, InferenceBackend, InteractionRequest, Runnable};

/// What a backend is told of a case before its first interaction.
#[derive(Debug, Clone)]
pub struct CaseRequest<'a> {
    /// The run's unique id, for labels on what the engine creates.
    pub run_id: &'a str,
    /// The case's file name, `CASE.npz`.
    pub case: &'a str,
    /// The case's inputs folder on this machine, absolute.
    pub inputs: &'a Path,
    /// The case's outputs folder on this machine, absolute.
    pub outputs: &'a Path,
    /// Fires when the whole run is to stop.
    pub cancel: CancellationToken,
    /// Which of the cases running side by side this is, from 0.
    pub worker: usize,
}

/// A submission at work on one case.
///
/// # Behavior
/// - [`infer`](Self::infer) is asked once for each interaction, one after the other, and again
///   for the same one after an error that is [temporary](BackendError::is_temporary).
/// - When `infer` answers with an error, nothing that the failed try started is still running:
///   whoever tries again never meets a process or a container of the try before.
/// - **Nothing outlives its session.** When [`close`](Self::close) returns, or when the session is
///   dropped, no process and no container of the case is left.
#[async_trait]
pub trait CaseSession: Send {
    /// Runs one interaction and says how it went.
    ///
    /// # Errors
    /// Only when the engine failed; never because of what the submission did.
    async fn infer(&mut self, request: &InteractionRequest<'_>) -> Result<Execution, BackendError>;

    /// Ends the case.
    ///
    /// # Errors
    /// When something of the case could not be ended or removed; the message says what is left.
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
impl<B: InferenceBackend + ?Sized> CaseSession for FreshStarts<'_, B> {
    async fn infer(&mut self, request: &InteractionRequest<'_>) -> Result<Execution, BackendError> {
        self.backend.infer(self.runnable, request).await
    }

    async fn close(self: Box<Self>) -> Result<(), BackendError> {
        Ok(())
    }
}
