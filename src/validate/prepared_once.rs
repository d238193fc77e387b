//! A backend that makes a submission runnable once for several evaluations: loading an image may
//! take minutes.

use std::sync::Arc;

use async_trait::async_trait;
use segarena_core::backend::{
    BackendError, BackendStatus, Execution, InferenceBackend, InteractionRequest, PrepareProgress,
    Runnable, SessionRequest, Submission, SubmissionSession,
};
use tokio::sync::Mutex;

/// A backend for one submission.
pub(super) struct PreparedOnce {
    backend: Arc<dyn InferenceBackend>,
    runnable: Mutex<Option<Runnable>>,
}

impl PreparedOnce {
    pub(super) fn new(backend: Arc<dyn InferenceBackend>) -> Self {
        Self {
            backend,
            runnable: Mutex::new(None),
        }
    }

    /// Undoes what was made, and shuts the backend down, after the last evaluation.
    ///
    /// # Errors
    /// When something of it is left.
    pub(super) async fn end(&self) -> Result<(), BackendError> {
        let released = match self.runnable.lock().await.take() {
            Some(runnable) => self.backend.release(runnable).await,
            None => Ok(()),
        };
        let shut_down = self.backend.shut_down().await;
        released.and(shut_down)
    }
}

#[async_trait]
impl InferenceBackend for PreparedOnce {
    fn kind(&self) -> &str {
        self.backend.kind()
    }

    async fn check(&self) -> Result<BackendStatus, BackendError> {
        self.backend.check().await
    }

    fn known_fingerprint(&self, submission: &Submission) -> Option<String> {
        self.backend.known_fingerprint(submission)
    }

    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        let mut kept = self.runnable.lock().await;
        if let Some(runnable) = &*kept {
            return Ok(runnable.clone());
        }
        let runnable = self.backend.prepare(submission, progress).await?;
        Ok(kept.insert(runnable).clone())
    }

    fn keeps_warm(&self) -> bool {
        self.backend.keeps_warm()
    }

    async fn open<'a>(
        &'a self,
        runnable: &'a Runnable,
        request: &SessionRequest<'_>,
    ) -> Result<Box<dyn SubmissionSession + 'a>, BackendError> {
        self.backend.open(runnable, request).await
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        self.backend.infer(runnable, request).await
    }

    async fn release(&self, _runnable: Runnable) -> Result<(), BackendError> {
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), BackendError> {
        Ok(())
    }
}
