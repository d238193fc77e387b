//! An engine's failure, as opposed to a submission's.

use std::error::Error as StdError;
use std::fmt;

/// What sort of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The engine is not there or not running.
    Unavailable,
    /// We may not use the engine, or a file.
    Permission,
    /// A configured limit or option cannot be had here.
    Unsupported,
    /// This submission cannot be made runnable; others may.
    Submission,
    /// No space left on a disk.
    NoSpace,
    /// The run was cancelled before the call was done.
    Cancelled,
    /// Anything else that the engine answered.
    Engine,
}

/// An engine's failure: its kind, what was being done, what to do about it, and whether trying
/// again may help.
#[derive(Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    message: String,
    advice: Option<String>,
    temporary: bool,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl BackendError {
    /// An error of this kind; `message` says what was wrong and where.
    pub fn new(kind: BackendErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            advice: None,
            temporary: false,
            source: None,
        }
    }

    /// The error of a run that was cancelled.
    pub fn cancelled() -> Self {
        Self::new(BackendErrorKind::Cancelled, "the run was cancelled")
    }

    /// Adds what the user can do about it.
    #[must_use]
    pub fn with_advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Marks the error as one that may be gone at the next try.
    #[must_use]
    pub fn temporary(mut self) -> Self {
        self.temporary = true;
        self
    }

    /// The same error as one that keeps this submission alone from being run.
    #[must_use]
    pub fn of_submission(mut self) -> Self {
        self.kind = BackendErrorKind::Submission;
        self.temporary = false;
        self
    }

    /// What sort of error this is.
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// Whether trying again may help.
    pub fn is_temporary(&self) -> bool {
        self.temporary
    }

    /// What the user can do about it, where we know.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(source) = &self.source {
            write!(f, ": {source}")?;
        }
        if let Some(advice) = &self.advice {
            write!(f, " ({advice})")?;
        }
        Ok(())
    }
}

impl StdError for BackendError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        // The source is part of the message already; the chain goes on below it.
        self.source.as_ref().and_then(|source| source.source())
    }
}
