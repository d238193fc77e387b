//! The conversation about one case, as a state machine.

use segarena_kernels::score::{LabelCounts, LabelScore};
use segarena_kernels::{InstanceScores, Prediction};

use crate::prompt::{Prompt, PromptKind};

/// The conversation with a submission about one case: prompt, answer, prompt, answer, … scores.
///
/// It has no file, no clock and no process in it: whoever drives it has these. [`next`](Self::next)
/// and [`answer`](Self::answer) take turns.
///
/// # Behavior
/// - `next` gives the same prompt again until it is answered, and `None` when the case is over.
/// - `answer` scores what is the current prediction after the answer. It computes what the next
///   prompt needs as well, so that one look at truth and prediction serves both.
/// - The same answers give the same prompts and scores, whatever the machine.
pub trait Dialogue: Send {
    /// The prompt that waits for an answer; `None`: the case is over.
    fn next(&mut self) -> Option<Prompt>;

    /// Takes what the submission answered to the prompt that waits, and scores it.
    ///
    /// # Panics
    /// If no prompt waits: [`next`](Self::next) has said `None`.
    fn answer(&mut self, answer: Answer) -> Scores;

    /// The interactions of the track that this case has no prompt for; they score 0.
    fn skipped(&self) -> Vec<Skipped> {
        Vec::new()
    }

    /// The current prediction: the last one that could be used, zeros before there is any.
    fn prediction(&self) -> &Prediction;

    /// The prediction that the last answer replaced, for its memory to be used again.
    fn take_replaced(&mut self) -> Option<Prediction> {
        None
    }
}

/// What came of a prompt.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A prediction.
    Prediction(Prediction),
    /// The submission failed; it may have written a prediction nevertheless.
    Failure(Option<Prediction>),
}

/// An interaction that a case has no prompt for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The interaction, from 1.
    pub index: usize,
    /// The sort of prompt that is missing.
    pub kind: PromptKind,
}

/// How good an answer is.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// The track's measures by name, in the track's order; none where the case does not define it.
    pub measures: Vec<(&'static str, Option<f64>)>,
    /// The scores of every label, ascending, where the track scores labels.
    pub labels: Vec<LabelScore>,
    /// What was counted of every label, where the track tells.
    pub counted: Vec<LabelCounts>,
    /// What was counted of instances, where the track scores instances.
    pub instances: Option<InstanceScores>,
}

impl Scores {
    /// The measure of this name; `None` where there is none or the case does not define it.
    pub fn get(&self, measure: &str) -> Option<f64> {
        self.measures
            .iter()
            .find(|(name, _)| *name == measure)
            .and_then(|(_, value)| *value)
    }
}
