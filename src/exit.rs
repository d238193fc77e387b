//! What the program's exit status means.

use std::process::ExitCode;

use crate::config::ConfigError;

/// The exit status of `segarena`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: all was done.
    Done,
    /// 1: it could not be done, or not to the end; the message says what to do.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: it was done, but some submission or case failed.
    SomeFailed,
    /// 75 (`EX_TEMPFAIL`): a shard was told to stop, and can be gone on with.
    GoOnLater,
}

impl ExitStatus {
    /// The number the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::SomeFailed => 3,
            Self::GoOnLater => 75,
        }
    }

    /// The status for an error that ended the program.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<ConfigError>() {
            Some(ConfigError::Usage { .. }) => Self::Usage,
            _ => Self::Failed,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// The error and what lies beneath it, for a person.
pub(crate) fn explain(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}");
    let mut shown = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Many errors repeat what is beneath them in their own message.
        if !shown.contains(&cause) {
            text.push_str(&format!("\n  because: {cause}"));
            shown = cause;
        }
    }
    text
}
