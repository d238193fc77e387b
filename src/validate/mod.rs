//! One submission tried on small built-in cases, by the code that evaluates: what was found, and
//! what to do about it.

mod findings;
mod image;
mod output;
mod perfect_case;
mod prepared_once;
mod printout;
mod trial;
mod warm;

use std::path::PathBuf;

use serde::Serialize;

pub(crate) use findings::findings;
pub(crate) use printout::text;
pub(crate) use trial::{Trial, Tried};

/// What came of trying a submission.
#[derive(Debug, Serialize)]
pub(crate) struct Examination {
    /// The worst of the checks.
    pub(crate) verdict: Verdict,
    /// The submission's name, as an evaluation would have it.
    pub(crate) submission: String,
    /// The kind of backend.
    pub(crate) backend: String,
    /// Where everything is kept, where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) folder: Option<PathBuf>,
    /// Each check, in the order of the protocol.
    pub(crate) checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What it is about.
    pub(crate) name: String,
    /// How it came out.
    pub(crate) verdict: Verdict,
    /// What was seen.
    pub(crate) seen: String,
    /// What to do about it, where there is something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
    /// The end of what the submission printed, where it failed.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) log: String,
}

/// How a check came out, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and there is something to know.
    Warning,
    /// It will cost scores.
    Failed,
}

impl Check {
    fn new(name: &str, verdict: Verdict, seen: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            verdict,
            seen: seen.into(),
            advice: None,
            log: String::new(),
        }
    }

    fn ok(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, Verdict::Ok, seen)
    }

    fn warning(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, Verdict::Warning, seen)
    }

    fn failed(name: &str, seen: impl Into<String>) -> Self {
        Self::new(name, Verdict::Failed, seen)
    }

    fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
}

/// The worst verdict of these checks.
pub(crate) fn worst(checks: &[Check]) -> Verdict {
    let verdicts = checks.iter().map(|check| check.verdict);
    verdicts.max().unwrap_or(Verdict::Ok)
}
