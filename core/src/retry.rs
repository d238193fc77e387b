//! Trying an engine again that failed for a moment.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::{
    BackendError, BackendStatus, Execution, InferenceBackend, InteractionRequest, PrepareProgress,
    Runnable, SessionRequest, Submission, SubmissionSession,
};
use crate::event::{Event, Observer};

/// How long to wait before each further try.
pub(crate) const WAITS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(16),
];

/// A backend that tries again, a bounded number of times and ever later, when the one inside
/// answers with an error that is [temporary](BackendError::is_temporary).
///
/// It tries again what concerns a whole submission. An interaction is tried again by the session,
/// which has its folders to restore and its input to write anew first.
pub struct RetryingBackend {
    inner: Arc<dyn InferenceBackend>,
    observer: Arc<dyn Observer>,
    waits: Vec<Duration>,
}

impl RetryingBackend {
    /// Tries again after 1, 4 and 16 seconds.
    pub fn new(inner: Arc<dyn InferenceBackend>, observer: Arc<dyn Observer>) -> Self {
        Self::with_waits(inner, observer, WAITS.to_vec())
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

    /// Takes this step until it gives what is to stand.
    async fn again<T, F>(&self, step: impl Fn() -> F) -> Result<T, BackendError>
    where
        F: Future<Output = Result<T, BackendError>>,
    {
        let mut retry = Retry::new(&self.waits, &*self.observer);
        loop {
            let result = step().await;
            let Some(wait) = retry.wait_after(&result) else {
                return result;
            };
            tokio::time::sleep(wait).await;
        }
    }
}

/// How often, and for how long, there is still something to wait for.
pub(crate) struct Retry<'a> {
    waits: std::slice::Iter<'a, Duration>,
    observer: &'a dyn Observer,
    tries: usize,
}

impl<'a> Retry<'a> {
    /// After each of these waits there is one more try.
    pub(crate) fn new(waits: &'a [Duration], observer: &'a dyn Observer) -> Self {
        Self {
            waits: waits.iter(),
            observer,
            tries: 1,
        }
    }

    /// How long to wait before trying again; `None` where the result is to stand.
    pub(crate) fn wait_after<T>(&mut self, result: &Result<T, BackendError>) -> Option<Duration> {
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

    fn known_fingerprint(&self, submission: &Submission) -> Option<String> {
        self.inner.known_fingerprint(submission)
    }

    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        self.again(|| self.inner.prepare(submission, progress))
            .await
    }

    async fn prepare_for_all(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<bool, BackendError> {
        self.again(|| self.inner.prepare_for_all(submission, progress))
            .await
    }

    fn keeps_warm(&self) -> bool {
        self.inner.keeps_warm()
    }

    async fn open<'a>(
        &'a self,
        runnable: &'a Runnable,
        request: &SessionRequest<'_>,
    ) -> Result<Box<dyn SubmissionSession + 'a>, BackendError> {
        self.inner.open(runnable, request).await
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        self.inner.infer(runnable, request).await
    }

    async fn release(&self, runnable: Runnable) -> Result<(), BackendError> {
        self.again(|| self.inner.release(runnable.clone())).await
    }

    async fn shut_down(&self) -> Result<(), BackendError> {
        self.inner.shut_down().await
    }
}
