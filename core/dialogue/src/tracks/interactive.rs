//! The challenge's interactive track: a bounding box, then clicks into what is still wrong.

use std::sync::Arc;

use rayon::prelude::*;
use segarena_kernels::score::{LabelScore, Scores as LabelScores, area_under_curve, score};
use segarena_kernels::{Comparison, Prediction};

use crate::clicks::Click;
use crate::dialogue::{Answer, Dialogue, Scores, Skipped};
use crate::history::ClickHistory;
use crate::prompt::{Prompt, PromptKind};
use crate::protocol::{FailedPrediction, Protocol};
use crate::track::{CaseProblem, CaseResult, CaseTruth, InteractionResult, Track};

use super::TrackOptions;

const BOX_INDEX: usize = 1;

/// The columns that summaries show and rank by.
const SUMMARY: [&str; 4] = ["DSC_AUC", "NSD_AUC", "DSC_Final", "NSD_Final"];

/// `cvpr25-interactive`: interaction 1 gives the bounding boxes, where the image has them; each
/// of the others gives one more click for every label.
///
/// Source: the evaluation script `CVPR25_iter_eval.py` of the CVPR 2025 challenge "Foundation
/// Models for Interactive 3D Biomedical Image Segmentation".
pub struct InteractiveTrack {
    options: TrackOptions,
}

impl InteractiveTrack {
    /// The name by which the configuration chooses it.
    pub const NAME: &'static str = "cvpr25-interactive";
    /// The version of its rules.
    const VERSION: u32 = 1;

    /// The track with these options.
    pub fn new(options: TrackOptions) -> Self {
        Self { options }
    }

    fn protocol(&self) -> &Protocol {
        &self.options.protocol
    }
}

impl Track for InteractiveTrack {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn id(&self) -> String {
        let mut options = self.protocol().changed_options();
        let policy = self.options.policy.id();
        if policy != crate::clicks::ChallengePolicy::NAME {
            options.push(format!("policy={policy}"));
        }
        let id = format!("{}@{}", Self::NAME, Self::VERSION);
        if options.is_empty() {
            id
        } else {
            format!("{id}({})", options.join(","))
        }
    }

    fn click_policy(&self) -> Option<String> {
        Some(self.options.policy.id())
    }

    fn seconds_allowed(&self, classes: usize) -> Option<f64> {
        Some(self.protocol().time_limit(classes))
    }

    fn prompts(&self) -> Vec<PromptKind> {
        let mut kinds = vec![PromptKind::BOX];
        kinds.resize(BOX_INDEX + self.protocol().clicks, PromptKind::CLICKS);
        kinds
    }

    fn dialogue(&self, case: CaseTruth) -> Result<Box<dyn Dialogue>, CaseProblem> {
        Ok(Box::new(Conversation::begin(self.options.clone(), case)))
    }

    fn columns(&self) -> Vec<String> {
        let last = BOX_INDEX + self.protocol().clicks;
        let numbered = |name: &str| -> Vec<String> {
            (1..=last).map(|index| format!("{name}_{index}")).collect()
        };
        let named =
            |names: &[&str]| -> Vec<String> { names.iter().map(|&name| name.to_owned()).collect() };
        [
            named(&["CaseName", "TotalRunningTime"]),
            numbered("RunningTime"),
            named(&SUMMARY),
            numbered("DSC"),
            numbered("NSD"),
            named(&["num_class", "runtime_upperbound"]),
        ]
        .concat()
    }

    fn row(&self, case: &CaseResult<'_>) -> Vec<String> {
        let each = |value: &dyn Fn(&InteractionResult<'_>) -> f64| -> Vec<String> {
            case.interactions
                .iter()
                .map(|interaction| number(value(interaction)))
                .collect()
        };
        let summary = self.summary(&case.interactions).into_iter();
        [
            vec![case.case.to_owned(), number(case.total_seconds)],
            each(&|interaction| interaction.seconds),
            summary
                .map(|(_, value)| number(value.unwrap_or(0.0)))
                .collect(),
            each(&|interaction| interaction.measure("DSC")),
            each(&|interaction| interaction.measure("NSD")),
            vec![case.classes.to_string(), number(case.seconds_allowed)],
        ]
        .concat()
    }

    fn summary_columns(&self) -> Vec<&'static str> {
        SUMMARY.to_vec()
    }

    fn summary(&self, interactions: &[InteractionResult<'_>]) -> Vec<(&'static str, Option<f64>)> {
        let over_clicks = |measure: &str| {
            let clicks = interactions
                .iter()
                .filter(|interaction| *interaction.kind == PromptKind::CLICKS);
            let values: Vec<f64> = clicks.map(|click| click.measure(measure)).collect();
            // Without a click there is no curve.
            (!values.is_empty()).then(|| area_under_curve(&values))
        };
        let last = |measure: &str| Some(interactions.last().map_or(0.0, |i| i.measure(measure)));
        let values = [
            over_clicks("DSC"),
            over_clicks("NSD"),
            last("DSC"),
            last("NSD"),
        ];
        SUMMARY.into_iter().zip(values).collect()
    }
}

/// As many digits as it takes to read the same number back.
fn number(value: f64) -> String {
    format!("{value:?}")
}

/// The conversation about one case.
struct Conversation {
    options: TrackOptions,
    case: CaseTruth,
    /// The interaction that waits for an answer.
    index: usize,
    prediction: Prediction,
    replaced: Option<Prediction>,
    history: ClickHistory,
    /// The clicks of the prompt that waits.
    clicks: Vec<Option<Click>>,
}

impl Conversation {
    fn begin(options: TrackOptions, case: CaseTruth) -> Self {
        let mut conversation = Self {
            index: BOX_INDEX,
            prediction: Prediction::zeros(case.truth.shape()),
            replaced: None,
            history: ClickHistory::new(case.truth.keys().count()),
            clicks: Vec::new(),
            options,
            case,
        };
        if !conversation.case.has_boxes {
            conversation.index += 1;
            if conversation.is_open() {
                let clicks = conversation.clicks_on_prediction();
                conversation.place_clicks(clicks);
            }
        }
        conversation
    }

    /// Whether a prompt waits.
    fn is_open(&self) -> bool {
        self.index <= BOX_INDEX + self.options.protocol.clicks
    }

    fn clicks_on_prediction(&self) -> Vec<Option<Click>> {
        let prediction = self.prediction.clicked.view();
        self.clicks_on(&Comparison::new(&*self.case.truth, prediction))
    }

    fn clicks_on(&self, comparison: &Comparison<'_>) -> Vec<Option<Click>> {
        let keys = self.case.truth.keys().iter().map(|(_, key)| key);
        let labels: Vec<_> = keys.zip(self.history.labels()).collect();
        let policy = &self.options.policy;
        labels
            .par_iter()
            .map(|&(key, before)| policy.place_after(comparison, key, before.in_order()))
            .collect()
    }

    fn place_clicks(&mut self, clicks: Vec<Option<Click>>) {
        self.history.push(&clicks);
        self.clicks = clicks;
    }
}

impl Dialogue for Conversation {
    fn next(&mut self) -> Option<Prompt> {
        if !self.is_open() {
            return None;
        }
        if self.index == BOX_INDEX {
            return Some(Prompt::boxes(self.index));
        }
        let previous = Arc::clone(&self.prediction.cast);
        let labels = self.case.truth.keys().labels().iter().copied();
        Some(Prompt {
            clicks: labels.zip(self.clicks.iter().copied()).collect(),
            ..Prompt::clicks(self.index, &self.history, previous)
        })
    }

    fn answer(&mut self, answer: Answer) -> Scores {
        assert!(self.is_open(), "no prompt waits for an answer");
        let (written, failed) = match answer {
            Answer::Prediction(prediction) => (Some(prediction), false),
            Answer::Failure(written) => (written, true),
        };
        if let Some(written) = written {
            self.replaced = Some(std::mem::replace(&mut self.prediction, written));
        }
        let protocol = &self.options.protocol;
        if failed && protocol.failed_prediction == FailedPrediction::Zeros {
            self.prediction = Prediction::zeros(self.case.truth.shape());
        }
        let compared = Comparison::new(&*self.case.truth, self.prediction.scored.view());
        let scores = score(&compared, protocol.nsd_tolerance_mm);
        self.index += 1;
        if self.is_open() {
            let same = Arc::ptr_eq(&self.prediction.scored, &self.prediction.clicked);
            let clicks = if same {
                self.clicks_on(&compared)
            } else {
                self.clicks_on_prediction()
            };
            self.place_clicks(clicks);
        }
        scores.into()
    }

    fn skipped(&self) -> Vec<Skipped> {
        if self.case.has_boxes {
            return Vec::new();
        }
        vec![Skipped {
            index: BOX_INDEX,
            kind: PromptKind::BOX,
        }]
    }

    fn prediction(&self) -> &Prediction {
        &self.prediction
    }

    fn take_replaced(&mut self) -> Option<Prediction> {
        self.replaced.take()
    }
}

impl From<LabelScores> for Scores {
    fn from(scores: LabelScores) -> Self {
        let labels: Vec<LabelScore> = scores.labels;
        Self {
            measures: vec![("DSC", Some(scores.dsc)), ("NSD", Some(scores.nsd))],
            labels,
            counted: Vec::new(),
            instances: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clicks::{ChallengePolicy, RandomPolicy};

    fn track(clicks: usize) -> InteractiveTrack {
        InteractiveTrack::new(TrackOptions {
            protocol: Protocol {
                clicks,
                ..Protocol::default()
            },
            policy: Arc::new(ChallengePolicy),
        })
    }

    #[test]
    fn the_columns_are_the_official_ones() {
        assert_eq!(
            track(5).columns().join(","),
            "CaseName,TotalRunningTime,RunningTime_1,RunningTime_2,RunningTime_3,RunningTime_4,\
             RunningTime_5,RunningTime_6,DSC_AUC,NSD_AUC,DSC_Final,NSD_Final,DSC_1,DSC_2,DSC_3,\
             DSC_4,DSC_5,DSC_6,NSD_1,NSD_2,NSD_3,NSD_4,NSD_5,NSD_6,num_class,runtime_upperbound"
        );
    }

    #[test]
    fn other_numbers_of_clicks_change_the_numbered_columns() {
        let none = track(0).columns();
        assert_eq!(none.iter().filter(|c| c.starts_with("DSC_")).count(), 3);
        assert!(track(2).columns().contains(&"NSD_3".to_owned()));
        assert!(!track(2).columns().contains(&"NSD_4".to_owned()));
    }

    #[test]
    fn the_id_names_every_option_that_is_not_the_challenge_s() {
        assert_eq!(track(5).id(), "cvpr25-interactive@1");
        let random = InteractiveTrack::new(TrackOptions {
            policy: Arc::new(RandomPolicy { seed: 7 }),
            ..track(2).options
        });
        assert_eq!(
            random.id(),
            "cvpr25-interactive@1(clicks=2,policy=random(seed=7))"
        );
    }
}
