//! The interactive track with one case that is perfect from the start, whatever is predicted.

use segarena_core::dialogue::tracks::{InteractiveTrack, TrackOptions};
use segarena_core::dialogue::{
    Answer, CaseProblem, CaseResult, CaseTruth, Dialogue, InteractionResult, Prompt, PromptKind,
    Scores, Skipped, Track,
};
use segarena_core::npz::Prediction;

use crate::phantom::perfect;

/// `cvpr25-interactive`, but that each answer about the phantom [`perfect`] is taken for the truth:
/// what comes after is asked as after a perfect prediction, with clicks for no label.
pub(super) struct PerfectCaseTrack {
    track: InteractiveTrack,
}

impl PerfectCaseTrack {
    pub(super) fn new(options: TrackOptions) -> Self {
        Self {
            track: InteractiveTrack::new(options),
        }
    }
}

impl Track for PerfectCaseTrack {
    fn name(&self) -> &str {
        self.track.name()
    }

    fn id(&self) -> String {
        self.track.id()
    }

    fn click_policy(&self) -> Option<String> {
        self.track.click_policy()
    }

    fn prompts(&self) -> Vec<PromptKind> {
        self.track.prompts()
    }

    fn seconds_allowed(&self, classes: usize) -> Option<f64> {
        self.track.seconds_allowed(classes)
    }

    fn dialogue(&self, case: CaseTruth) -> Result<Box<dyn Dialogue>, CaseProblem> {
        let is_perfect = case.truth.voxels() == perfect().labels;
        let truth = Prediction::from_cast(case.truth.voxels().to_owned(), case.truth.keys());
        let dialogue = self.track.dialogue(case)?;
        Ok(match is_perfect {
            true => Box::new(TakenForPerfect { dialogue, truth }),
            false => dialogue,
        })
    }

    fn columns(&self) -> Vec<String> {
        self.track.columns()
    }

    fn row(&self, case: &CaseResult<'_>) -> Vec<String> {
        self.track.row(case)
    }

    fn summary_columns(&self) -> Vec<&'static str> {
        self.track.summary_columns()
    }

    fn summary(&self, interactions: &[InteractionResult<'_>]) -> Vec<(&'static str, Option<f64>)> {
        self.track.summary(interactions)
    }
}

/// A conversation in which every answer counts as the truth.
struct TakenForPerfect {
    dialogue: Box<dyn Dialogue>,
    truth: Prediction,
}

impl Dialogue for TakenForPerfect {
    fn next(&mut self) -> Option<Prompt> {
        self.dialogue.next()
    }

    fn answer(&mut self, _: Answer) -> Scores {
        self.dialogue.answer(Answer::Prediction(self.truth.clone()))
    }

    fn skipped(&self) -> Vec<Skipped> {
        self.dialogue.skipped()
    }

    fn prediction(&self) -> &Prediction {
        self.dialogue.prediction()
    }
}
