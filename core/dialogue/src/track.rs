//! What is evaluated, and how: a track of a challenge.

use std::collections::BTreeMap;
use std::sync::Arc;

use segarena_kernels::LabelVolume;

use crate::dialogue::{Dialogue, Scores};
use crate::prompt::{PromptKind, Value};

/// A track of a challenge: what a submission is asked, and what its answers are worth.
///
/// A value: two runs are comparable when their tracks' [ids](Self::id) are equal.
pub trait Track: Send + Sync {
    /// The name by which the configuration chooses this track.
    fn name(&self) -> &str;

    /// The name with the version of its rules, and every option that is not the default:
    /// `cvpr25-interactive@1`, `cvpr25-interactive@1(clicks=2)`.
    fn id(&self) -> String;

    /// The id of the policy that places clicks, where the track has clicks.
    fn click_policy(&self) -> Option<String> {
        None
    }

    /// The sorts of prompt in the order of the interactions; as many as a case has at most.
    fn prompts(&self) -> Vec<PromptKind>;

    /// The members of an image, Python objects, that the track reads. They are decoded where the
    /// image has them, and handed to [`dialogue`](Self::dialogue).
    fn objects(&self) -> &'static [&'static str] {
        &[]
    }

    /// How the ground truth is read.
    fn truth(&self) -> TruthReading {
        TruthReading::Labels
    }

    /// The seconds of running time that a case with so many labels may take; `None`: any.
    fn seconds_allowed(&self, classes: usize) -> Option<f64>;

    /// Checks that a case has what the track needs, before anything runs.
    ///
    /// # Errors
    /// As [`dialogue`](Self::dialogue).
    fn check(&self, case: &CaseTruth) -> Result<(), CaseProblem> {
        let _ = case;
        Ok(())
    }

    /// Begins the conversation about a case.
    ///
    /// # Errors
    /// When the case lacks something that the track needs, or has it in another form: a mistake
    /// of the data set.
    fn dialogue(&self, case: CaseTruth) -> Result<Box<dyn Dialogue>, CaseProblem>;

    /// The columns of a submission's table, `CaseName` first.
    fn columns(&self) -> Vec<String>;

    /// A case's row in the table.
    fn row(&self, case: &CaseResult<'_>) -> Vec<String>;

    /// The names of the columns that summaries show and rank by, in their order. Every one is better
    /// when it is greater.
    fn summary_columns(&self) -> Vec<&'static str>;

    /// The case's scores in the [`summary_columns`](Self::summary_columns), by their names; `None`
    /// in a column that the case does not have.
    fn summary(&self, interactions: &[InteractionResult<'_>]) -> Vec<(&'static str, Option<f64>)>;
}

/// How a track reads a ground truth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TruthReading {
    /// Its values are labels as they are: at least one besides 0, at most 255.
    Labels,
    /// Its values are cast to uint8 first, and wrap.
    Bytes,
}

/// What a dialogue knows of its case.
#[derive(Debug, Clone)]
pub struct CaseTruth {
    /// The ground truth.
    pub truth: Arc<LabelVolume>,
    /// Whether the image has bounding boxes.
    pub has_boxes: bool,
    /// The members that [`Track::objects`] names, where the image has them.
    pub objects: BTreeMap<String, Value>,
}

/// A case that lacks what a track needs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` {reason}")]
pub struct CaseProblem {
    /// The member of the image.
    pub key: String,
    /// What is wrong with it, and what it should be.
    pub reason: String,
}

/// What an evaluated case came to, for a table.
#[derive(Debug, Clone)]
pub struct CaseResult<'a> {
    /// The case's file name, `CASE.npz`.
    pub case: &'a str,
    /// How many labels it has.
    pub classes: usize,
    /// Running times added up, in seconds.
    pub total_seconds: f64,
    /// The time limit, in seconds.
    pub seconds_allowed: f64,
    /// The interactions in order, those that were skipped among them.
    pub interactions: Vec<InteractionResult<'a>>,
}

/// What an interaction came to.
#[derive(Debug, Clone)]
pub struct InteractionResult<'a> {
    /// What sort of prompt was given.
    pub kind: &'a PromptKind,
    /// The submission's running time, in seconds.
    pub seconds: f64,
    /// What the answer was worth.
    pub scores: Scores,
}

impl InteractionResult<'_> {
    /// A measure of the answer; 0 where it is not defined.
    pub fn measure(&self, name: &str) -> f64 {
        self.scores.get(name).unwrap_or(0.0)
    }
}
