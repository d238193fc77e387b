//! One interaction as a backend runs it: the request and the answer.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

/// What a backend is asked to run.
#[derive(Debug, Clone)]
pub struct InteractionRequest<'a> {
    /// The run's unique id, for labels on what the engine creates.
    pub run_id: &'a str,
    /// The case's file name, `CASE.npz`.
    pub case: &'a str,
    /// The interaction's number, from 1.
    pub index: usize,
    /// The case's inputs folder on this machine, absolute.
    pub inputs: &'a Path,
    /// The case's outputs folder on this machine, absolute.
    pub outputs: &'a Path,
    /// After this the submission is killed.
    pub timeout: Duration,
    /// The file that gets all of the submission's stdout and stderr (up to a bound).
    pub log: &'a Path,
    /// Fires when the whole run is to stop: kill, clean up, answer [`Ending::Cancelled`].
    pub cancel: CancellationToken,
    /// Which of the cases running side by side this is, from 0 (chooses a GPU, for one).
    pub worker: usize,
}

/// How a submission's run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "how", rename_all = "snake_case")]
pub enum Ending {
    /// It ended by itself with this status.
    Exited {
        /// The exit status, 0 for success.
        code: i32,
    },
    /// A signal that we did not send ended it.
    Signalled {
        /// The signal's number.
        signal: i32,
    },
    /// It took longer than allowed and was killed.
    TimedOut,
    /// It was killed for using more memory than allowed.
    OutOfMemory {
        /// The exit status seen, usually 137.
        code: Option<i32>,
    },
    /// Kept warm, it answered that it is done, and runs on.
    Answered,
    /// Kept warm, it answered that it failed.
    Failed {
        /// Why, in its own words.
        reason: String,
    },
    /// Kept warm, it gave no answer that counts.
    NoAnswer(NoAnswer),
    /// The run was cancelled and the submission killed: no result at all.
    Cancelled,
}

/// How a submission that is kept warm came to give no answer that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "snake_case")]
pub enum NoAnswer {
    /// It was not ready within the time limit of an interaction.
    NeverReady,
    /// It ended with status 0 before it was ready.
    EndedBeforeReady,
    /// It ended with status 0 before it had answered.
    Ended,
    /// It answered before it was ready.
    AnsweredBeforeReady,
    /// It answered for another interaction than the one that it was asked for.
    OtherInteraction,
    /// It closed its standard input.
    ClosedInput,
    /// It closed its standard output.
    ClosedOutput,
}

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const READY: &str = "a submission that is kept warm (SEGARENA_SERVE=1) writes the line \
                             {\"segarena\": \"ready\"} to stdout and is then asked on stdin; one \
                             that can't is run with lifetime = \"interaction\"";
        match self {
            Self::NeverReady => write!(
                f,
                "it was not ready within the time limit of an interaction ({READY})"
            ),
            Self::EndedBeforeReady => write!(f, "it ended before it was ready ({READY})"),
            Self::Ended => f.write_str("it ended before it had answered"),
            Self::AnsweredBeforeReady => {
                write!(
                    f,
                    "it answered before it had said that it is ready ({READY})"
                )
            }
            Self::OtherInteraction => f.write_str("it answered for another interaction"),
            Self::ClosedInput => f.write_str("it closed its standard input and can't be asked"),
            Self::ClosedOutput => {
                f.write_str("it closed its standard output before it had answered")
            }
        }
    }
}

/// The last lines of what a submission printed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTails {
    /// The end of stdout.
    pub stdout: String,
    /// The end of stderr.
    pub stderr: String,
}

/// A named part of an interaction's wall time, such as `create` or `run`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// The part's name.
    pub name: String,
    /// How long it took.
    pub seconds: f64,
}

/// What a backend answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// The time that counts: the wall time of the whole run of the submission, create to exit, or
    /// of one that is kept warm from the request sent to the answer read.
    pub wall: Duration,
    /// How long a submission that is kept warm took until it was ready, where it was started for
    /// this interaction. No part of `wall`.
    pub load: Option<Duration>,
    /// Its parts, where the backend knows them. May also name work outside `wall`.
    pub phases: Vec<Phase>,
    /// How it ended.
    pub ending: Ending,
    /// The end of what it printed.
    pub tails: LogTails,
    /// The most memory it used, in bytes, where the backend can tell.
    pub peak_memory: Option<u64>,
}

impl Execution {
    /// A run of which only its time and its end are known.
    pub fn new(wall: Duration, ending: Ending) -> Self {
        Self {
            wall,
            load: None,
            phases: Vec::new(),
            ending,
            tails: LogTails::default(),
            peak_memory: None,
        }
    }
}
