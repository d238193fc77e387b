//! What happens during a run, as lines of text.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use segarena_core::event::{Event, Observer};
use segarena_core::record::{CaseRecord, ClickRecord, InteractionRecord};

/// Writes a line for whatever a person wants to know: each case, each failure and, when verbose,
/// each interaction with its clicks.
pub(crate) struct Lines<W> {
    out: Mutex<W>,
    verbose: bool,
}

impl<W: Write + Send> Lines<W> {
    pub(crate) fn new(out: W, verbose: bool) -> Self {
        Self {
            out: Mutex::new(out),
            verbose,
        }
    }

    fn line(&self, text: &str) {
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        // A closed terminal must not end a run that takes days.
        let _ = writeln!(out, "{text}");
    }
}

impl<W: Write + Send> Observer for Lines<W> {
    fn notice(&self, event: &Event) {
        match event {
            Event::RunStarted {
                submissions, cases, ..
            } => {
                self.line(&format!(
                    "{} × {}",
                    count(submissions.len(), "submission"),
                    count(cases.len(), "case")
                ));
            }
            Event::SubmissionPreparing { submission } => {
                self.line(&format!("{submission}: preparing"))
            }
            Event::SubmissionStarted {
                submission,
                finished_before,
                ..
            } if *finished_before > 0 => self.line(&format!(
                "{submission}: {} already done by an earlier run",
                count(*finished_before, "case")
            )),
            Event::Note { subject, text } => self.line(&format!("{subject}: {text}")),
            Event::InteractionFinished {
                submission,
                case,
                record,
            } => {
                if record.outcome.is_failure() {
                    self.line(&failure(submission, case, record));
                }
                if self.verbose {
                    self.line(&interaction(submission, case, record));
                }
            }
            Event::CaseFinished { submission, record } => self.line(&case(submission, record)),
            Event::EngineRetry {
                error,
                after_seconds,
                ..
            } => {
                self.line(&format!(
                    "the engine failed, trying again in {after_seconds} s: {error}"
                ));
            }
            Event::SubmissionFailed { submission, error } => {
                self.line(&format!("{submission}: cannot be run: {error}"));
            }
            _ => {}
        }
    }
}

/// `1 case`, `2 cases`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

fn failure(submission: &str, case: &str, record: &InteractionRecord) -> String {
    let log = record
        .log
        .as_ref()
        .map_or(String::new(), |log| format!(" (log: {submission}/{log})"));
    format!(
        "{submission}: {case}, interaction {}: {}{log}",
        record.index,
        record.outcome.describe()
    )
}

fn interaction(submission: &str, case: &str, record: &InteractionRecord) -> String {
    let clicks: Vec<String> = record.clicks.iter().map(click).collect();
    let clicks = if clicks.is_empty() {
        String::new()
    } else {
        format!("  {}", clicks.join(" "))
    };
    format!(
        "{submission}: {case}, interaction {}: DSC {:.4} NSD {:.4} in {:.2} s{clicks}",
        record.index, record.dsc, record.nsd, record.seconds
    )
}

fn click(record: &ClickRecord) -> String {
    match (record.kind, record.at) {
        (Some(kind), Some(at)) => format!("{}:{}{at:?}", record.label, kind.name()),
        _ => format!("{}:none", record.label),
    }
}

fn case(submission: &str, record: &CaseRecord) -> String {
    let over = if record.over_time {
        format!(", over its limit of {:.0} s", record.seconds_allowed)
    } else {
        String::new()
    };
    format!(
        "{submission}: {} done: DSC {:.4} NSD {:.4} after {}, {:.1} s{over}",
        record.case,
        record.dsc_final(),
        record.nsd_final(),
        count(record.interactions.len(), "interaction"),
        record.total_seconds,
    )
}
