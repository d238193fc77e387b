//! Whole cases held in memory, without a file of a run, and a track of another challenge.

use std::collections::BTreeMap;
use std::sync::Arc;

use ndarray::Array3;
use segarena_core::case::{Case, CaseChoice, find_cases};
use segarena_core::clicks::{ChallengePolicy, Click};
use segarena_core::dialogue::tracks::{InteractiveTrack, TrackOptions};
use segarena_core::dialogue::{
    Answer, CaseProblem, CaseResult, CaseTruth, Dialogue, ImageMembers, InteractionResult, Member,
    Prompt, PromptKind, Scores, Track,
};
use segarena_core::npz::{NpzMembers, Prediction};
use segarena_core::prompt::{ModelInput, boxes_of};
use segarena_core::protocol::Protocol;
use segarena_core::record::ClickRecord;
use serde_json::json;

use crate::golden::golden;
use crate::scenario::fixtures;
use crate::stand_in::segment;

fn interactive() -> InteractiveTrack {
    InteractiveTrack::new(TrackOptions {
        protocol: Protocol::default(),
        policy: Arc::new(ChallengePolicy),
    })
}

fn case(name: &str) -> Case {
    let set = fixtures().join("parity");
    let choice = CaseChoice {
        names: vec![name.to_owned()],
        first: None,
    };
    let files = find_cases(&set.join("imgs"), Some(&set.join("gts")), &choice).unwrap();
    Case::load(&files[0]).unwrap()
}

/// What the stand-in would find in its inputs folder.
fn model_input(case: &Case, prompt: &Prompt) -> ModelInput {
    let image = NpzMembers::open(case.image.path()).unwrap();
    let previous = prompt.members.iter().find_map(|(_, member)| match member {
        Member::Labels(labels) => Some(Array3::clone(labels)),
        _ => None,
    });
    let clicks = prompt.clicks.iter().map(|(_, click)| *click).collect();
    ModelInput {
        image: image.volume("imgs").unwrap(),
        boxes: case
            .image
            .boxes()
            .map_or_else(Vec::new, |boxes| boxes_of(boxes).unwrap()),
        texts: None,
        last_clicks: previous.is_some().then_some(clicks),
        click_count: prompt.index - 1,
        previous,
    }
}

#[test]
fn a_case_held_in_memory_has_the_official_clicks_and_metrics() {
    for name in ["micro_tiny_objects.npz", "phantom_perfect.npz"] {
        let case = case(name);
        let track = interactive();
        let mut dialogue = case.dialogue(&track).unwrap();
        let (mut kinds, mut scores) = (Vec::new(), Vec::new());
        let mut clicks: Vec<Vec<Option<Click>>> = vec![Vec::new(); case.truth.keys().count()];
        while let Some(prompt) = dialogue.next() {
            for (label, (_, click)) in clicks.iter_mut().zip(&prompt.clicks) {
                label.push(*click);
            }
            let labels = segment(name, &model_input(&case, &prompt));
            let answer = Prediction::from_cast(labels, case.truth.keys());
            scores.push(dialogue.answer(Answer::Prediction(answer)));
            kinds.push(prompt.kind);
        }
        assert_eq!(kinds, track.prompts());

        let official = &golden()[name];
        for (label, clicks) in clicks.iter().enumerate() {
            let records = clicks.iter().map(|click| ClickRecord::new(1, *click));
            let order: Vec<_> = records.map(|record| json!(record.kind)).collect();
            assert_eq!(json!(order), official["clicks_order"][label], "{name}");
            let at = |kind: &str| -> Vec<_> {
                let of_kind = clicks.iter().flatten().filter(|c| c.kind.name() == kind);
                of_kind.map(|click| json!(click.at)).collect()
            };
            let found = json!({"fg": at("fg"), "bg": at("bg")});
            assert_eq!(found, official["clicks"][label], "{name}");
        }
        let interactions: Vec<_> = kinds
            .iter()
            .zip(scores)
            .map(|(kind, scores)| InteractionResult {
                kind,
                seconds: 0.0,
                scores,
            })
            .collect();
        let same = |ours: f64, metric: &str| {
            let theirs = official["metrics"][metric].as_f64().unwrap();
            assert!((ours - theirs).abs() <= 1e-9, "{name} {metric}: {ours}");
        };
        for (index, interaction) in interactions.iter().enumerate() {
            same(interaction.measure("DSC"), &format!("DSC_{}", index + 1));
            same(interaction.measure("NSD"), &format!("NSD_{}", index + 1));
        }
        for (column, value) in track.summary(&interactions) {
            same(value.unwrap(), column);
        }
    }
}

#[test]
fn a_case_without_boxes_begins_with_its_first_clicks() {
    let case = case("angio_no_box.npz");
    let mut dialogue = case.dialogue(&interactive()).unwrap();
    let skipped = dialogue.skipped();
    assert_eq!((skipped[0].index, &skipped[0].kind), (1, &PromptKind::BOX));
    let first = dialogue.next().unwrap();
    assert_eq!((first.index, &first.kind), (2, &PromptKind::CLICKS));
    assert_eq!(json!(first.clicks[0].1.unwrap().at), json!([9, 87, 7]));
    assert_eq!(dialogue.next(), Some(first), "it waits for its answer");
}

/// A track of one interaction, whose prompt is of a kind that no other track has.
struct ScribbleTrack;

struct Scribble {
    asked: bool,
    prediction: Prediction,
}

impl Track for ScribbleTrack {
    fn name(&self) -> &str {
        "scribble"
    }
    fn id(&self) -> String {
        "scribble@1".to_owned()
    }
    fn prompts(&self) -> Vec<PromptKind> {
        vec![PromptKind::new("scribble")]
    }
    fn seconds_allowed(&self, _: usize) -> Option<f64> {
        None
    }
    fn dialogue(&self, case: CaseTruth) -> Result<Box<dyn Dialogue>, CaseProblem> {
        Ok(Box::new(Scribble {
            asked: false,
            prediction: Prediction::zeros(case.truth.shape()),
        }))
    }
    fn columns(&self) -> Vec<String> {
        vec!["CaseName".to_owned(), "Voxels".to_owned()]
    }
    fn row(&self, case: &CaseResult<'_>) -> Vec<String> {
        let voxels = case.interactions[0].measure("Voxels");
        vec![case.case.to_owned(), voxels.to_string()]
    }
    fn summary_columns(&self) -> Vec<&'static str> {
        vec!["Voxels"]
    }
    fn summary(&self, interactions: &[InteractionResult<'_>]) -> Vec<(&'static str, Option<f64>)> {
        vec![("Voxels", interactions[0].scores.get("Voxels"))]
    }
}

impl Dialogue for Scribble {
    fn next(&mut self) -> Option<Prompt> {
        let line = Array3::from_elem(self.prediction.cast.dim(), 1);
        (!self.asked).then(|| Prompt {
            index: 1,
            kind: PromptKind::new("scribble"),
            image: ImageMembers::Only(&["imgs"]),
            members: vec![("scribble", Member::Labels(Arc::new(line)))],
            clicks: Vec::new(),
            texts: Vec::new(),
        })
    }
    fn answer(&mut self, answer: Answer) -> Scores {
        self.asked = true;
        if let Answer::Prediction(prediction) = answer {
            self.prediction = prediction;
        }
        let voxels = self.prediction.cast.iter().filter(|&&v| v > 0).count();
        Scores {
            measures: vec![("Voxels", Some(voxels as f64))],
            labels: Vec::new(),
            counted: Vec::new(),
            instances: None,
        }
    }
    fn prediction(&self) -> &Prediction {
        &self.prediction
    }
}

#[test]
fn a_track_with_another_sort_of_prompt_is_a_value_like_those_that_are_built_in() {
    let truth = case("micro_tiny_objects.npz");
    let known = CaseTruth {
        truth: Arc::clone(&truth.truth),
        has_boxes: false,
        objects: BTreeMap::new(),
    };
    let mut dialogue = ScribbleTrack.dialogue(known).unwrap();
    let prompt = dialogue.next().unwrap();
    assert_eq!(prompt.kind.name(), "scribble");
    let folder = tempfile::tempdir().unwrap();
    let inputs = segarena_core::npz::Folder::open(folder.path()).unwrap();
    let name = std::ffi::OsStr::new("x.npz");
    segarena_core::prompt::write_input(&inputs, name, &truth.image, &prompt).unwrap();
    let written = NpzMembers::open(&folder.path().join(name)).unwrap();
    assert!(written.has("imgs") && written.has("scribble") && !written.has("boxes"));
    let scribble = written.byte_volume("scribble").unwrap();
    let answer = Prediction::from_cast(scribble, truth.truth.keys());
    let voxels = answer.cast.len() as f64;
    let scores = dialogue.answer(Answer::Prediction(answer));
    assert_eq!(scores.get("Voxels"), Some(voxels));
    assert_eq!(dialogue.next(), None);
}
