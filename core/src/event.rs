//! What happens during a run, told to whoever wants to show or store it.
//!
//! The run never talks to a terminal; it emits these events, and observers consume them.

use serde::Serialize;

use crate::backend::SubmissionFacts;
use crate::record::{CaseRecord, InteractionRecord};

/// The mean of a measure over the cases that define it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MeanMeasure {
    /// The measure's name.
    pub name: &'static str,
    /// The mean.
    pub mean: f64,
    /// Over so many cases.
    pub cases: usize,
}

impl MeanMeasure {
    /// The means of the last interactions' measures, in the track's order.
    pub fn of<'r>(records: impl IntoIterator<Item = &'r CaseRecord>) -> Vec<Self> {
        let mut means = Vec::new();
        for record in records {
            Self::add(&mut means, record);
        }
        means
    }

    /// Counts one more case.
    pub fn add(means: &mut Vec<Self>, record: &CaseRecord) {
        let last = record.interactions.last();
        for (name, value) in last.into_iter().flat_map(|last| last.scores().measures) {
            let Some(value) = value else { continue };
            match means.iter_mut().find(|known| known.name == name) {
                Some(known) => {
                    let sum = known.mean * known.cases as f64 + value;
                    known.cases += 1;
                    known.mean = sum / known.cases as f64;
                }
                None => means.push(Self {
                    name,
                    mean: value,
                    cases: 1,
                }),
            }
        }
    }
}

/// Something that happened. As JSON, `event` says what.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A case's files were read and found in order. All of them are before anything runs.
    CaseChecked {
        /// The case.
        case: String,
        /// Cases checked so far.
        done: usize,
        /// Out of so many.
        total: usize,
    },
    /// What a person should know before a run with this backend.
    Caution {
        /// The backend's kind.
        backend: String,
        /// The caution.
        text: String,
    },
    /// The run begins: everything was checked.
    RunStarted {
        /// The run's unique id.
        run_id: String,
        /// The submissions' names in order.
        submissions: Vec<String>,
        /// The cases' file names in order.
        cases: Vec<String>,
        /// Interactions of each case.
        interactions: usize,
        /// Cases side by side.
        jobs: usize,
    },
    /// A submission is being made runnable.
    SubmissionPreparing {
        /// The submission.
        submission: String,
    },
    /// How far something long is, such as loading an archive.
    PreparationProgress {
        /// The submission.
        submission: String,
        /// What is being done.
        what: String,
        /// Bytes dealt with.
        done: u64,
        /// Out of so many, where known.
        total: Option<u64>,
    },
    /// A remark worth keeping.
    Note {
        /// What it concerns, usually a submission.
        subject: String,
        /// The remark.
        text: String,
    },
    /// A submission is ready to run; some of its cases may be done already.
    SubmissionStarted {
        /// The submission.
        submission: String,
        /// What the backend found out about it, such as its image's size.
        facts: SubmissionFacts,
        /// Cases that an earlier run finished.
        finished_before: usize,
        /// The mean final DSC of those; 0 for none.
        dsc_before: f64,
        /// The mean final NSD of those; 0 for none.
        nsd_before: f64,
        /// The means of all measures, each over those of the cases that define it.
        means_before: Vec<MeanMeasure>,
    },
    /// A case begins.
    CaseStarted {
        /// The submission.
        submission: String,
        /// The case.
        case: String,
    },
    /// The submission is being run.
    InteractionRunning {
        /// The submission.
        submission: String,
        /// The case.
        case: String,
        /// The interaction, from 1.
        index: usize,
    },
    /// The prediction is being scored.
    InteractionScoring {
        /// The submission.
        submission: String,
        /// The case.
        case: String,
        /// The interaction, from 1.
        index: usize,
    },
    /// An interaction is over and scored.
    InteractionFinished {
        /// The submission.
        submission: String,
        /// The case.
        case: String,
        /// All about it.
        record: InteractionRecord,
    },
    /// A case is over and its files are written.
    CaseFinished {
        /// The submission.
        submission: String,
        /// All about it.
        record: CaseRecord,
    },
    /// An engine failed and will be tried again.
    EngineRetry {
        /// What it said.
        error: String,
        /// The coming attempt, from 2.
        attempt: usize,
        /// How long until then, in seconds.
        after_seconds: f64,
    },
    /// A submission could not be made runnable.
    SubmissionFailed {
        /// The submission.
        submission: String,
        /// Why.
        error: String,
    },
    /// All cases of a submission are done.
    SubmissionFinished {
        /// The submission.
        submission: String,
    },
    /// Somebody asked the run to stop: what runs is killed, what is done is kept.
    Stopping,
    /// The run is over.
    RunFinished {
        /// Whether it was interrupted.
        interrupted: bool,
    },
}

/// Hears of every event, from whichever task it happens in.
pub trait Observer: Send + Sync {
    /// Something happened. Must not block for long: a case waits meanwhile.
    fn notice(&self, event: &Event);
}

/// Hears nothing.
pub struct NoObserver;

impl Observer for NoObserver {
    fn notice(&self, _: &Event) {}
}

/// Passes every event on to several observers in order.
pub struct Observers(pub Vec<Box<dyn Observer>>);

impl Observer for Observers {
    fn notice(&self, event: &Event) {
        for observer in &self.0 {
            observer.notice(event);
        }
    }
}
