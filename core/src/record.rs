//! What is known of an evaluated case: the content of `CASE.json` and of a row of the CSV.

use segarena_dialogue::{CaseResult, InteractionResult, PromptKind, Scores, TextPrompt, Track};
use std::collections::BTreeMap;
use std::sync::Arc;

use segarena_kernels::InstanceScores;
use serde::{Deserialize, Serialize};

use crate::backend::{Ending, Lifetime, NoAnswer, Phase};
use crate::clicks::{Click, ClickKind};
use crate::machine::Machine;
use crate::protocol::{OverTime, Protocol};
use crate::run::known_track;
use crate::score::{LabelCounts, LabelScore, area_under_curve};
use crate::volume::Voxel;

/// A click as it is recorded: `kind` and `at` are null where the label was perfect.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickRecord {
    /// The label it is for.
    pub label: i64,
    /// Foreground, background, or none.
    pub kind: Option<ClickKind>,
    /// The voxel `[z, y, x]`, or none.
    pub at: Option<Voxel>,
}

impl ClickRecord {
    /// The record of this label's click, or of there being none.
    pub fn new(label: i64, click: Option<Click>) -> Self {
        Self {
            label,
            kind: click.map(|click| click.kind),
            at: click.map(|click| click.at),
        }
    }
}

/// How an interaction came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The submission ended well and its prediction is readable.
    Ok {
        /// Always 0.
        exit_code: i32,
    },
    /// There was no box to give, so nothing was run.
    Skipped,
    /// The submission ended with another status than 0.
    Exit {
        /// The status; 128 + the signal's number where a signal ended it.
        exit_code: i32,
        /// The signal, where one ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
    },
    /// It was killed at the time limit of an interaction.
    TimedOut,
    /// It was killed for its use of memory.
    OutOfMemory {
        /// The exit status, where there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit_code: Option<i32>,
    },
    /// Kept warm, it answered that it failed.
    Failed {
        /// Why, in its own words.
        reason: String,
    },
    /// Kept warm, it gave no answer that counts.
    NoAnswer(NoAnswer),
    /// It ended well without ever having written a prediction.
    NoOutput {
        /// Always 0.
        exit_code: i32,
    },
    /// It ended well but its prediction can't be used.
    BadOutput {
        /// Always 0.
        exit_code: i32,
        /// What is wrong with the prediction.
        reason: String,
    },
}

impl Outcome {
    /// The outcome of a run that did not end with status 0; `None` for one that did, whose
    /// outcome depends on what it wrote, and for one that was cancelled, which has none.
    pub fn of_failure(ending: &Ending) -> Option<Self> {
        match *ending {
            Ending::Exited { code: 0 } | Ending::Answered | Ending::Cancelled => None,
            Ending::Failed { ref reason } => Some(Self::Failed {
                reason: reason.clone(),
            }),
            Ending::NoAnswer(why) => Some(Self::NoAnswer(why)),
            Ending::Exited { code } => Some(Self::Exit {
                exit_code: code,
                signal: None,
            }),
            Ending::Signalled { signal } => Some(Self::Exit {
                exit_code: 128 + signal,
                signal: Some(signal),
            }),
            Ending::TimedOut => Some(Self::TimedOut),
            Ending::OutOfMemory { code } => Some(Self::OutOfMemory { exit_code: code }),
        }
    }

    /// Whether the submission failed at this interaction.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Ok { .. } | Self::Skipped)
    }

    /// The outcome's name, as in the record.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Ok { .. } => "ok",
            Self::Skipped => "skipped",
            Self::Exit { .. } => "exit",
            Self::TimedOut => "timed_out",
            Self::OutOfMemory { .. } => "out_of_memory",
            Self::Failed { .. } => "failed",
            Self::NoAnswer(_) => "no_answer",
            Self::NoOutput { .. } => "no_output",
            Self::BadOutput { .. } => "bad_output",
        }
    }

    /// The outcome in a few words for a person.
    pub fn describe(&self) -> String {
        match self {
            Self::Ok { .. } => "ok".to_owned(),
            Self::Skipped => "skipped: the image has no boxes".to_owned(),
            Self::Exit {
                signal: Some(signal),
                ..
            } => format!("ended by signal {signal}"),
            // Whoever did it, the kernel does it for want of memory.
            Self::Exit { exit_code: 137, .. } => {
                "exit status 137 (killed, perhaps out of memory)".to_owned()
            }
            Self::Exit { exit_code, .. } => format!("exit status {exit_code}"),
            Self::TimedOut => "killed at the time limit of an interaction".to_owned(),
            Self::OutOfMemory { .. } => "out of memory".to_owned(),
            Self::Failed { reason } => format!("answered that it failed: {reason}"),
            Self::NoAnswer(why) => why.to_string(),
            Self::NoOutput { .. } => "wrote no prediction".to_owned(),
            Self::BadOutput { reason, .. } => format!("unusable prediction: {reason}"),
        }
    }
}

/// The measures that tracks have, in the order of their tables.
const MEASURES: [&str; 4] = ["DSC", "NSD", "F1", "DSC_TP"];

/// One interaction of a case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InteractionRecord {
    /// From 1.
    pub index: usize,
    /// What was given.
    pub prompt: PromptKind,
    /// The clicks added at this interaction, one entry per label.
    pub clicks: Vec<ClickRecord>,
    /// What was asked for in words, where the prompt was of words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<TextPrompt>,
    /// How it came out.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The submission's running time: create to exit or, where it is kept warm, from the request
    /// to the answer.
    pub seconds: f64,
    /// How long it took to load, where it is kept warm and was started for this interaction. No
    /// part of `seconds`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_seconds: Option<f64>,
    /// Where it ran; none where nothing ran.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "crate::machine::shared"
    )]
    pub machine: Option<Arc<Machine>>,
    /// Mean DSC over the labels.
    pub dsc: f64,
    /// Mean NSD over the labels.
    pub nsd: f64,
    /// The scores of each label.
    pub labels: Vec<LabelScore>,
    /// What was counted of each label, where the track tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<LabelCounts>,
    /// The track's measures by name, where it has others than DSC and NSD of every case; null
    /// where the case does not define one. `dsc` and `nsd` are 0 then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scores: BTreeMap<String, Option<f64>>,
    /// What was counted of instances, where the track scores instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instances: Option<Box<InstanceScores>>,
    /// Parts of the running time, and work around it, where the backend tells.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub phases: Vec<Phase>,
    /// The most memory used, in bytes, where the backend tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// The end of stderr or, where that is empty, of stdout.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub log_tail: String,
    /// The end of stdout.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stdout_tail: String,
    /// The end of stderr.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stderr_tail: String,
    /// The file with all of the output, relative to the submission's folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// What else is worth knowing, such as values that did not fit a byte.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<String>,
}

impl InteractionRecord {
    /// The record of an interaction that a case with these labels has no prompt for: nothing ran,
    /// scores are 0.
    pub fn skipped(labels: &[i64]) -> Self {
        let zeros = labels.iter().map(|&label| LabelScore {
            label,
            dsc: 0.0,
            nsd: 0.0,
        });
        Self {
            labels: zeros.collect(),
            ..Self::default()
        }
    }

    /// Takes over what the dialogue says an answer is worth.
    pub fn set_scores(&mut self, scores: Scores) {
        self.dsc = scores.get("DSC").unwrap_or(0.0);
        self.nsd = scores.get("NSD").unwrap_or(0.0);
        self.scores = match scores.measures.len() > 2 {
            true => scores
                .measures
                .iter()
                .map(|&(name, value)| (name.to_owned(), value))
                .collect(),
            false => BTreeMap::new(),
        };
        self.labels = scores.labels;
        self.counted = scores.counted;
        self.instances = scores.instances.map(Box::new);
    }

    /// A measure of the track by its name; `None` where the case does not define it.
    pub fn measure(&self, name: &str) -> Option<f64> {
        match (self.scores.is_empty(), name) {
            (true, "DSC") => Some(self.dsc),
            (true, "NSD") => Some(self.nsd),
            _ => self.scores.get(name).copied().flatten(),
        }
    }

    /// The first measure that the case defines, with its name: what an answer is looked at by.
    pub fn main_score(&self) -> Option<(&'static str, f64)> {
        let named = |name| Some((name, self.measure(name)?));
        MEASURES.into_iter().find_map(named)
    }

    /// The scores as the track gave them.
    pub fn scores(&self) -> Scores {
        let known = MEASURES
            .iter()
            .filter_map(|&name| Some((name, *self.scores.get(name)?)));
        Scores {
            measures: match self.scores.is_empty() {
                true => vec![("DSC", Some(self.dsc)), ("NSD", Some(self.nsd))],
                false => known.collect(),
            },
            labels: self.labels.clone(),
            counted: self.counted.clone(),
            instances: self.instances.as_deref().cloned(),
        }
    }
}

impl Default for InteractionRecord {
    /// Nothing was given and nothing came of it.
    fn default() -> Self {
        Self {
            index: 1,
            prompt: PromptKind::BOX,
            clicks: Vec::new(),
            texts: Vec::new(),
            outcome: Outcome::Skipped,
            seconds: 0.0,
            load_seconds: None,
            machine: None,
            dsc: 0.0,
            nsd: 0.0,
            labels: Vec::new(),
            counted: Vec::new(),
            scores: BTreeMap::new(),
            instances: None,
            phases: Vec::new(),
            peak_memory: None,
            log_tail: String::new(),
            stdout_tail: String::new(),
            stderr_tail: String::new(),
            log: None,
            remarks: Vec::new(),
        }
    }
}

/// Everything known of one case of one submission.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseRecord {
    /// The version of this record's form, [`CaseRecord::SCHEMA`].
    pub schema: u32,
    /// The case's file name, `CASE.npz`.
    pub case: String,
    /// The id of the track.
    #[serde(default = "first_track")]
    pub track: String,
    /// How long the submission lived.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// Its labels, ascending.
    pub labels: Vec<i64>,
    /// Whether the image has bounding boxes.
    pub has_boxes: bool,
    /// The volume's shape (z, y, x).
    pub shape: [usize; 3],
    /// The size of a voxel in millimetres, axes 0, 1, 2.
    pub spacing: [f64; 3],
    /// The interactions in order.
    pub interactions: Vec<InteractionRecord>,
    /// Running times of all interactions added up, in seconds.
    pub total_seconds: f64,
    /// The time limit, in seconds.
    pub seconds_allowed: f64,
    /// Whether the total is over the limit.
    pub over_time: bool,
    /// Whether that cost the case its scores.
    pub zeroed: bool,
    /// How many cases ran side by side, which disturbs running times when it is not 1.
    pub jobs: usize,
    /// The SHA-256 of the file with the predictions, `CASE.npz`, as it was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predictions_sha256: Option<String>,
    /// What determined its numbers, in short
    /// ([`Fingerprint::of_case`](crate::run::Fingerprint::of_case)): a run that would give the same
    /// takes the case for finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
}

impl CaseRecord {
    /// The version of the form of `CASE.json`.
    pub const SCHEMA: u32 = 1;

    /// Adds up the running times, holds them against the limit, and sets all scores to 0 where
    /// the protocol says so.
    ///
    /// Without a limit (`None`), `seconds_allowed` is 0.
    pub fn apply_limit(&mut self, allowed: Option<f64>, policy: OverTime) {
        match allowed {
            Some(allowed) => self.apply_time_limit(allowed, policy),
            None => {
                self.apply_time_limit(f64::INFINITY, policy);
                self.seconds_allowed = 0.0;
            }
        }
    }

    /// [`Self::apply_limit`] where there is one.
    pub fn apply_time_limit(&mut self, allowed: f64, policy: OverTime) {
        self.total_seconds = self.interactions.iter().map(|i| i.seconds).sum();
        self.seconds_allowed = allowed;
        self.over_time = self.total_seconds > allowed;
        self.zeroed = self.over_time && policy == OverTime::Zero;
        if self.zeroed {
            for interaction in &mut self.interactions {
                let zeros = self.labels.iter().map(|&label| LabelScore {
                    label,
                    dsc: 0.0,
                    nsd: 0.0,
                });
                (interaction.dsc, interaction.nsd) = (0.0, 0.0);
                interaction.labels = zeros.collect();
            }
        }
    }

    /// What the case came to, for its row in a table.
    pub fn result(&self) -> CaseResult<'_> {
        let interactions = self
            .interactions
            .iter()
            .map(|interaction| InteractionResult {
                kind: &interaction.prompt,
                seconds: interaction.seconds,
                scores: interaction.scores(),
            });
        CaseResult {
            case: &self.case,
            classes: self.labels.len(),
            total_seconds: self.total_seconds,
            seconds_allowed: self.seconds_allowed,
            interactions: interactions.collect(),
        }
    }

    /// The last interaction's first measure that the case defines, with its name: what a case is
    /// looked at by.
    pub fn main_score(&self) -> Option<(&'static str, f64)> {
        self.interactions.last()?.main_score()
    }

    /// Area under the DSC over the click interactions: trapezoids of unit width.
    pub fn dsc_auc(&self) -> f64 {
        area_under_curve(&self.click_scores(|interaction| interaction.dsc))
    }

    /// Area under the NSD over the click interactions: trapezoids of unit width.
    pub fn nsd_auc(&self) -> f64 {
        area_under_curve(&self.click_scores(|interaction| interaction.nsd))
    }

    /// The case's track; `None` where this version of segarena does not know it.
    pub fn track(&self) -> Option<Arc<dyn Track>> {
        known_track(&self.track, &Protocol::default())
    }

    /// The scores that summaries show and rank by, by the names of their columns: the track's or,
    /// where this version of segarena does not know the track, the last interaction's measures.
    pub fn summary(&self) -> Vec<(&'static str, Option<f64>)> {
        let interactions = self.result().interactions;
        match self.track() {
            Some(track) => track.summary(&interactions),
            None => {
                let last = interactions.into_iter().next_back();
                last.map_or_else(Vec::new, |last| last.scores.measures)
            }
        }
    }

    /// DSC of the last interaction.
    pub fn dsc_final(&self) -> f64 {
        self.interactions
            .last()
            .map_or(0.0, |interaction| interaction.dsc)
    }

    /// NSD of the last interaction.
    pub fn nsd_final(&self) -> f64 {
        self.interactions
            .last()
            .map_or(0.0, |interaction| interaction.nsd)
    }

    /// How long the submission took to load, all its starts added up, in seconds; 0 where it was not
    /// kept warm.
    pub fn load_seconds(&self) -> f64 {
        let loads = self.interactions.iter().filter_map(|i| i.load_seconds);
        loads.sum()
    }

    /// Makes the last interaction that ran a failure for this reason, if it is not one already. What
    /// was predicted keeps its scores.
    pub fn hold_against(&mut self, reason: String) {
        let ran = |interaction: &&mut InteractionRecord| interaction.outcome != Outcome::Skipped;
        let Some(last) = self.interactions.iter_mut().rfind(ran) else {
            return;
        };
        match last.outcome.is_failure() {
            true => last.remarks.push(reason),
            false => {
                last.outcome = Outcome::BadOutput {
                    exit_code: 0,
                    reason,
                }
            }
        }
    }

    /// Whether the submission failed at some interaction.
    pub fn has_failure(&self) -> bool {
        self.interactions
            .iter()
            .any(|interaction| interaction.outcome.is_failure())
    }

    fn click_scores(&self, score: impl Fn(&InteractionRecord) -> f64) -> Vec<f64> {
        let clicks = self
            .interactions
            .iter()
            .filter(|interaction| interaction.prompt == PromptKind::CLICKS);
        clicks.map(score).collect()
    }
}

/// The track of records that were written when there was but one.
pub(crate) fn first_track() -> String {
    "cvpr25-interactive@1".to_owned()
}
