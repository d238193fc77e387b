//! Trying an engine again that failed for a moment.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::{
    BackendError, BackendStatus, Execution, InferenceBackend, InteractionRequest, PrepareProgress,
    Runnable, Submission,
};
use crate::event::{Event, Observer};

/// A backend that tries again, a bounded number of times and ever later, when the one inside
/// answers with an error that is [temporary](BackendError::is_temporary).
///
/// It goes around the backend, and nothing goes around it: a timeout wrapped around it would
/// cut the waiting short and count it as the submission's time.
pub struct RetryingBackend {
    inner: Arc<dyn InferenceBackend>,
    observer: Arc<dyn Observer>,
    waits: Vec<Duration>,
}

impl RetryingBackend {
    /// Tries again after 1, 4 and 16 seconds.
    pub fn new(inner: Arc<dyn InferenceBackend>, observer: Arc<dyn Observer>) -> Self {
        Self::with_waits(
            inner,
            observer,
            [1, 4, 16].map(Duration::from_secs).to_vec(),
        )
    }

    /// Tries again after each of these waits.
    pub fn with_waits(
        inner: Arc<dyn InferenceBackend>,
        observer: Arc<dyn Observer>,
        waits: Vec<Duration>,
    ) -> Self {
        Self {
            inner,
            observer,
            waits,
        }
    }

    fn patience(&self) -> Patience<'_> {
        Patience {
            waits: self.waits.iter(),
            observer: &*self.observer,
            tries: 1,
        }
    }
}

/// How often, and for how long, there is still something to wait for.
struct Patience<'a> {
    waits: std::slice::Iter<'a, Duration>,
    observer: &'a dyn Observer,
    tries: usize,
}

impl Patience<'_> {
    /// How long to wait before trying again; `None` where the result is to stand.
    fn wait_after<T>(&mut self, result: &Result<T, BackendError>) -> Option<Duration> {
        let error = result.as_ref().err().filter(|error| error.is_temporary())?;
        let wait = *self.waits.next()?;
        self.tries += 1;
        self.observer.notice(&Event::EngineRetry {
            error: error.to_string(),
            attempt: self.tries,
            after_seconds: wait.as_secs_f64(),
        });
        Some(wait)
    }
}

#[async_trait]
impl InferenceBackend for RetryingBackend {
    fn kind(&self) -> &str {
        self.inner.kind()
    }

    async fn check(&self) -> Result<BackendStatus, BackendError> {
        self.inner.check().await
    }

    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        let mut patience = self.patience();
        loop {
            let result = self.inner.prepare(submission, progress).await;
            let Some(wait) = patience.wait_after(&result) else {
                return result;
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        let mut patience = self.patience();
        loop {
            let result = self.inner.infer(runnable, request).await;
            let Some(wait) = patience.wait_after(&result) else {
                return result;
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = request.cancel.cancelled() => return Err(BackendError::cancelled()),
            }
        }
    }

    async fn release(&self, runnable: Runnable) -> Result<(), BackendError> {
        let mut patience = self.patience();
        loop {
            let result = self.inner.release(runnable.clone()).await;
            let Some(wait) = patience.wait_after(&result) else {
                return result;
            };
            tokio::time::sleep(wait).await;
        }
    }

    async fn shut_down(&self) -> Result<(), BackendError> {
        self.inner.shut_down().await
    }
}
