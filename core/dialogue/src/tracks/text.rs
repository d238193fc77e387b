//! The challenge's text-prompt track: one interaction, prompted by words.

use segarena_kernels::score::{Scores as LabelScores, count_labels};
use segarena_kernels::{Comparison, LabelKeys, Prediction, score_instances, split_single_mask};

use crate::dialogue::{Answer, Dialogue, Scores};
use crate::prompt::{Prompt, PromptKind, TextPrompt, Value};
use crate::protocol::{FailedPrediction, Protocol};
use crate::track::{CaseProblem, CaseResult, CaseTruth, InteractionResult, Track, TruthReading};

use super::TrackOptions;

const TEXT_PROMPTS: &str = "text_prompts";
const INSTANCE_LABEL: &str = "instance_label";

/// The measures, which are the columns as well: two for labels, two for instances.
const SCORES: [&str; 4] = ["DSC", "NSD", "F1", "DSC_TP"];

/// `cvpr25-text`: the submission is given the image with its `text_prompts` and answers once.
///
/// Source: the evaluation script `CVPR25_text_eval.py` of the CVPR 2025 challenge "Foundation
/// Models for Text-Guided 3D Biomedical Image Segmentation".
pub struct TextTrack {
    protocol: Protocol,
}

impl TextTrack {
    /// The name by which the configuration chooses it.
    pub const NAME: &'static str = "cvpr25-text";
    /// The version of its rules.
    const VERSION: u32 = 1;

    /// The track with these options; those about clicks and time limits mean nothing to it.
    pub fn new(options: TrackOptions) -> Self {
        Self {
            protocol: options.protocol,
        }
    }
}

impl Track for TextTrack {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn id(&self) -> String {
        let standard = Protocol::default();
        let relevant = Protocol {
            nsd_tolerance_mm: self.protocol.nsd_tolerance_mm,
            failed_prediction: self.protocol.failed_prediction,
            interaction_timeout: self.protocol.interaction_timeout,
            ..standard
        };
        let options = relevant.changed_options();
        let id = format!("{}@{}", Self::NAME, Self::VERSION);
        if options.is_empty() {
            id
        } else {
            format!("{id}({})", options.join(","))
        }
    }

    fn prompts(&self) -> Vec<PromptKind> {
        vec![PromptKind::TEXT]
    }

    fn objects(&self) -> &'static [&'static str] {
        &[TEXT_PROMPTS]
    }

    fn truth(&self) -> TruthReading {
        TruthReading::Bytes
    }

    fn seconds_allowed(&self, _classes: usize) -> Option<f64> {
        None
    }

    fn check(&self, case: &CaseTruth) -> Result<(), CaseProblem> {
        TextPrompts::of(case).map(|_| ())
    }

    fn dialogue(&self, case: CaseTruth) -> Result<Box<dyn Dialogue>, CaseProblem> {
        let prompts = TextPrompts::of(&case)?;
        Ok(Box::new(Conversation {
            protocol: self.protocol.clone(),
            prediction: Prediction::zeros(case.truth.shape()),
            replaced: None,
            is_open: true,
            prompts,
            case,
        }))
    }

    fn columns(&self) -> Vec<String> {
        let columns = ["CaseName", "RunningTime"].into_iter().chain(SCORES);
        columns.map(str::to_owned).collect()
    }

    fn row(&self, case: &CaseResult<'_>) -> Vec<String> {
        let scores = self.summary(&case.interactions).into_iter();
        let scores = scores.map(|(_, value)| value.map(rounded).unwrap_or_default());
        let named = [case.case.to_owned(), format!("{:?}", case.total_seconds)];
        named.into_iter().chain(scores).collect()
    }

    fn summary_columns(&self) -> Vec<&'static str> {
        SCORES.to_vec()
    }

    fn summary(&self, interactions: &[InteractionResult<'_>]) -> Vec<(&'static str, Option<f64>)> {
        let measure = |name| interactions.last().and_then(|i| i.scores.get(name));
        SCORES.map(|name| (name, measure(name))).to_vec()
    }
}

/// Four places of the shortest decimal that reads back as the number, half to even, as the
/// official table has them.
fn rounded(value: f64) -> String {
    const PLACES: usize = 4;
    let decimal = format!("{:.1$}", value, PLACES);
    let shortest = format!("{value}");
    let digits = shortest.split_once('.').map_or("", |(_, digits)| digits);
    let text = match digits.as_bytes() {
        // Exactly half between two: the even one, which the digit before decides.
        [.., before, b'5'] if digits.len() == PLACES + 1 => {
            let kept = &shortest[..shortest.len() - 1];
            match (before - b'0').is_multiple_of(2) {
                true => kept.to_owned(),
                false => {
                    let up: f64 = kept.parse().unwrap_or(value);
                    format!("{:.1$}", up + value.signum() * 1e-4, PLACES)
                }
            }
        }
        _ => decimal,
    };
    text.parse()
        .map_or(text, |number: f64| format!("{number:?}"))
}

/// What a case's `text_prompts` say.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TextPrompts {
    /// The labels that have a prompt, and what it says.
    labels: Vec<TextPrompt>,
    /// Whether instances are to be told apart.
    instances: bool,
}

impl TextPrompts {
    fn of(case: &CaseTruth) -> Result<Self, CaseProblem> {
        let problem = |reason: String| CaseProblem {
            key: TEXT_PROMPTS.to_owned(),
            reason,
        };
        let prompts = case.objects.get(TEXT_PROMPTS).ok_or_else(|| {
            problem(
                "is missing: the text track needs a dictionary of prompts by label, with \
                 `instance_label` 0 or 1"
                    .to_owned(),
            )
        })?;
        // An array of one item, which `numpy.ndarray.item` takes out as well.
        let prompts = match prompts {
            Value::List(items) if items.len() == 1 => &items[0],
            prompts => prompts,
        };
        let Value::Dict(entries) = prompts else {
            return Err(problem(
                "must be an array of one dictionary: prompts by label, and `instance_label`"
                    .to_owned(),
            ));
        };
        let instances = match prompts.get(INSTANCE_LABEL) {
            Some(Value::Int(0)) => false,
            Some(Value::Int(1)) => true,
            Some(_) => {
                return Err(problem(
                    "has an `instance_label` that is neither 0 nor 1".to_owned(),
                ));
            }
            None => {
                return Err(problem(
                    "has no `instance_label`: 0 (semantic labels) or 1 (instances)".to_owned(),
                ));
            }
        };
        let mut labels = Vec::new();
        for (key, prompt) in entries.iter().filter(|(key, _)| key != INSTANCE_LABEL) {
            let label: i64 = key.parse().map_err(|_| {
                problem(format!(
                    "has the key `{key}`, which is no label: a whole number in quotes"
                ))
            })?;
            let texts = texts_of(prompt).ok_or_else(|| {
                problem(format!(
                    "has for label {key} neither a string nor a list of strings"
                ))
            })?;
            labels.push(TextPrompt { label, texts });
        }
        Ok(Self { labels, instances })
    }
}

/// The texts of a string or a list of strings; `None` for anything else.
fn texts_of(prompt: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| match value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    match prompt {
        Value::List(items) => items.iter().map(text).collect(),
        prompt => Some(vec![text(prompt)?]),
    }
}

/// The conversation about one case: one prompt, one answer.
struct Conversation {
    protocol: Protocol,
    case: CaseTruth,
    prompts: TextPrompts,
    prediction: Prediction,
    replaced: Option<Prediction>,
    is_open: bool,
}

impl Conversation {
    fn score(&self) -> Scores {
        if self.prompts.instances {
            self.score_instances()
        } else {
            self.score_labels()
        }
    }

    fn score_instances(&self) -> Scores {
        let prediction = self.prediction.cast.view();
        let split = split_single_mask(prediction);
        let prediction = split.as_ref().map_or(prediction, |split| split.view());
        let scores = score_instances(self.case.truth.voxels(), prediction);
        Scores {
            measures: vec![
                ("DSC", None),
                ("NSD", None),
                ("F1", Some(scores.f1)),
                ("DSC_TP", Some(scores.dsc_tp)),
            ],
            labels: Vec::new(),
            counted: Vec::new(),
            instances: Some(scores),
        }
    }

    fn score_labels(&self) -> Scores {
        let keys = self.scored_labels();
        let compared = Comparison::new(&*self.case.truth, self.prediction.cast.view());
        let counted = count_labels(&compared, &keys, self.protocol.nsd_tolerance_mm);
        let scores = LabelScores::of_counts(&counted);
        // The mean over no label is not a number.
        let mean = |value: f64| (keys.count() > 0).then_some(value);
        Scores {
            measures: vec![
                ("DSC", mean(scores.dsc)),
                ("NSD", mean(scores.nsd)),
                ("F1", None),
                ("DSC_TP", None),
            ],
            labels: scores.labels,
            counted,
            instances: None,
        }
    }

    /// The distinct values of the truth without the first, which is the background where there is
    /// any, as far as they have a prompt.
    fn scored_labels(&self) -> LabelKeys {
        let has_background = self.case.truth.voxels().iter().any(|&label| label == 0);
        let labels = self.case.truth.keys().labels().iter();
        let labels = labels.skip(usize::from(!has_background));
        let prompts = &self.prompts.labels;
        let prompted = labels.filter(|&&label| prompts.iter().any(|prompt| prompt.label == label));
        LabelKeys::of_own_keys(prompted.filter_map(|&label| u8::try_from(label).ok()))
    }
}

impl Dialogue for Conversation {
    fn next(&mut self) -> Option<Prompt> {
        self.is_open
            .then(|| Prompt::text(1, self.prompts.labels.clone()))
    }

    fn answer(&mut self, answer: Answer) -> Scores {
        assert!(self.is_open, "no prompt waits for an answer");
        self.is_open = false;
        let (written, failed) = match answer {
            Answer::Prediction(prediction) => (Some(prediction), false),
            Answer::Failure(written) => (written, true),
        };
        let nothing = written.is_none();
        if let Some(written) = written {
            self.replaced = Some(std::mem::replace(&mut self.prediction, written));
        }
        if failed && self.protocol.failed_prediction == FailedPrediction::Zeros {
            self.prediction = Prediction::zeros(self.case.truth.shape());
        }
        let mut scores = self.score();
        if nothing {
            // Without an output a case has 0 in the columns of its kind, whatever its labels.
            let kind = if self.prompts.instances {
                ["F1", "DSC_TP"]
            } else {
                ["DSC", "NSD"]
            };
            for (name, value) in &mut scores.measures {
                *value = kind.contains(name).then_some(value.unwrap_or(0.0));
            }
        }
        scores
    }

    fn prediction(&self) -> &Prediction {
        &self.prediction
    }

    fn take_replaced(&mut self) -> Option<Prediction> {
        self.replaced.take()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use ndarray::{Array3, arr3};
    use segarena_kernels::{LabelVolume, Spacing};

    use super::*;
    use crate::clicks::ChallengePolicy;

    fn track() -> TextTrack {
        TextTrack::new(TrackOptions {
            protocol: Protocol::default(),
            policy: Arc::new(ChallengePolicy),
        })
    }

    fn case(truth: Array3<u8>, prompts: Option<Value>) -> CaseTruth {
        let spacing = Spacing::new([1.0; 3]).unwrap();
        CaseTruth {
            truth: Arc::new(LabelVolume::new(truth, spacing)),
            has_boxes: false,
            objects: prompts
                .map(|prompts| (TEXT_PROMPTS.to_owned(), prompts))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        }
    }

    fn prompts(labels: &[&str], instances: i64) -> Value {
        let texts = labels
            .iter()
            .map(|&label| (label.to_owned(), Value::Text("it".to_owned())));
        let kind = (INSTANCE_LABEL.to_owned(), Value::Int(instances));
        Value::Dict(texts.chain([kind]).collect())
    }

    fn scores(truth: Array3<u8>, prompts: Value, segs: Option<Array3<u8>>) -> Scores {
        let case = case(truth, Some(prompts));
        let keys = Arc::clone(case.truth.keys());
        let mut dialogue = track().dialogue(case).unwrap();
        let prompt = dialogue.next().unwrap();
        assert_eq!((prompt.index, prompt.kind), (1, PromptKind::TEXT));
        assert!(prompt.texts.iter().all(|prompt| prompt.texts == ["it"]));
        let answer = match segs {
            Some(segs) => Answer::Prediction(Prediction::from_cast(segs, &keys)),
            None => Answer::Failure(None),
        };
        let scores = dialogue.answer(answer);
        assert_eq!(dialogue.next(), None);
        scores
    }

    #[test]
    fn only_prompted_labels_are_scored() {
        let truth = arr3(&[[[0, 1, 2, 2]]]);
        let found = scores(
            truth.clone(),
            prompts(&["2", "9"], 0),
            Some(arr3(&[[[0, 0, 2, 2]]])),
        );
        assert_eq!((found.get("DSC"), found.get("F1")), (Some(1.0), None));
        let labels: Vec<i64> = found.labels.iter().map(|score| score.label).collect();
        assert_eq!(labels, [2]);
        let counted = found.counted[0];
        assert_eq!(
            (
                counted.truth_voxels,
                counted.prediction_voxels,
                counted.both
            ),
            (2, 2, 2)
        );
        assert_eq!(counted.score(), found.labels[0]);
        let none = scores(truth, prompts(&["9"], 0), Some(arr3(&[[[0, 0, 2, 2]]])));
        assert_eq!((none.get("DSC"), none.get("NSD")), (None, None));
    }

    #[test]
    fn without_background_the_first_label_is_taken_for_it() {
        let truth = arr3(&[[[1, 1, 2]]]);
        let found = scores(truth.clone(), prompts(&["1", "2"], 0), Some(truth));
        let labels: Vec<i64> = found.labels.iter().map(|score| score.label).collect();
        assert_eq!(labels, [2]);
    }

    #[test]
    fn a_single_mask_is_scored_by_its_components() {
        let truth = arr3(&[[[1, 0, 2, 0, 3, 3]]]);
        let found = scores(
            truth,
            prompts(&["1"], 1),
            Some(arr3(&[[[1, 0, 1, 0, 0, 0]]])),
        );
        let counted = found.instances.clone().unwrap();
        assert_eq!((counted.true_positives, counted.false_negatives), (2, 1));
        assert_eq!((found.get("F1"), found.get("DSC")), (Some(0.8), None));
    }

    #[test]
    fn without_an_output_the_columns_of_the_kind_are_zero() {
        let truth = arr3(&[[[0, 1]]]);
        let semantic = scores(truth.clone(), prompts(&["9"], 0), None);
        assert_eq!((semantic.get("DSC"), semantic.get("F1")), (Some(0.0), None));
        let instances = scores(truth, prompts(&["1"], 1), None);
        assert_eq!(
            (instances.get("F1"), instances.get("NSD")),
            (Some(0.0), None)
        );
    }

    #[test]
    fn prompts_that_are_none_are_named_before_anything_runs() {
        let bad = |prompts: Option<Value>| {
            let error = track().check(&case(arr3(&[[[0, 1]]]), prompts));
            error.unwrap_err().to_string()
        };
        let dictionary = |entries: Vec<(&str, Value)>| {
            let entries = entries
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value));
            Some(Value::Dict(entries.collect()))
        };
        let text = || Value::Text("liver".to_owned());
        for (error, words) in [
            (bad(None), "missing"),
            (bad(Some(text())), "dictionary"),
            (bad(dictionary(vec![("1", text())])), "no `instance_label`"),
            (bad(Some(prompts(&["1"], 2))), "neither 0 nor 1"),
            (bad(Some(prompts(&["liver"], 0))), "`liver`"),
            (
                bad(dictionary(vec![
                    ("1", Value::Int(3)),
                    (INSTANCE_LABEL, Value::Int(0)),
                ])),
                "label 1",
            ),
        ] {
            assert!(
                error.contains("`text_prompts`") && error.contains(words),
                "{error}"
            );
        }
    }

    #[test]
    fn lists_of_strings_are_prompts_and_one_item_is_taken_out() {
        let list = Value::List(vec![
            Value::Text("a".to_owned()),
            Value::Text("b".to_owned()),
        ]);
        let entries = vec![
            ("1".to_owned(), list),
            (INSTANCE_LABEL.to_owned(), Value::Int(0)),
        ];
        let prompts = Value::List(vec![Value::Dict(entries)]);
        track()
            .check(&case(arr3(&[[[0, 1]]]), Some(prompts)))
            .unwrap();
    }

    #[test]
    fn four_places_are_kept_half_to_even() {
        for (value, expected) in [
            (0.8170007481245406, "0.817"),
            (0.27777777777777773, "0.2778"),
            (0.12345, "0.1234"),
            (0.12355, "0.1236"),
            (0.99995, "1.0"),
            (0.00005, "0.0"),
            (0.123451, "0.1235"),
            (1.0, "1.0"),
            (0.0, "0.0"),
        ] {
            assert_eq!(rounded(value), expected, "{value}");
        }
    }
}
