//! `segarena score`: one prediction, by the rules of a track.

use std::fmt::Write as _;
use std::sync::Arc;

use anyhow::Context;
use segarena_core::case::{Case, CaseFiles};
use segarena_core::clicks::ChallengePolicy;
use segarena_core::dialogue::tracks::{TextTrack, TrackOptions};
use segarena_core::dialogue::{Answer, Scores as TextScores};
use segarena_core::npz::{Prediction, read_byte_ground_truth, read_prediction_file};
use segarena_core::protocol::Protocol;
use segarena_core::score::{LabelScore, Scores, score as score_prediction};
use segarena_core::volume::{
    Comparison, InstanceScores, LabelKeys, score_instances, split_single_mask,
};
use serde_json::json;

use crate::args::{BuiltInTrack, ScoreOptions};
use crate::exit::ExitStatus;
use crate::stdout;

pub(crate) fn score(options: &ScoreOptions) -> anyhow::Result<ExitStatus> {
    if !(options.tolerance.is_finite() && options.tolerance > 0.0) {
        anyhow::bail!(
            "--tolerance must be a positive number of millimetres, not {}",
            options.tolerance
        );
    }
    let (json, table) = match (options.instances, options.track) {
        (true, _) => by_instances(options)?,
        (false, BuiltInTrack::Interactive) => by_labels(options)?,
        (false, BuiltInTrack::Text) => by_text_prompts(options)?,
    };
    stdout::print(&match options.json {
        true => format!("{json}\n"),
        false => table,
    });
    Ok(ExitStatus::Done)
}

/// What is printed: as JSON, and as a table for people.
type Printed = (serde_json::Value, String);

fn files(options: &ScoreOptions) -> anyhow::Result<CaseFiles> {
    let image = options.image.clone().context("--image FILE is missing")?;
    let name = image.file_name().unwrap_or_default();
    Ok(CaseFiles {
        name: name.to_string_lossy().into_owned(),
        ground_truth: options.ground_truth.clone(),
        image,
    })
}

fn by_labels(options: &ScoreOptions) -> anyhow::Result<Printed> {
    let case = Case::load(&files(options)?)?;
    let prediction = read_prediction(options, case.image.shape(), case.truth.keys())?;
    let comparison = Comparison::new(&*case.truth, prediction.scored.view());
    let scores = score_prediction(&comparison, options.tolerance);
    let table = labels_table(&scores.labels, [Some(scores.dsc), Some(scores.nsd)]);
    Ok((serde_json::to_value::<Scores>(scores)?, table))
}

/// As the text track scores: by what the image's `text_prompts` ask for.
fn by_text_prompts(options: &ScoreOptions) -> anyhow::Result<Printed> {
    let track = TextTrack::new(TrackOptions {
        protocol: Protocol {
            nsd_tolerance_mm: options.tolerance,
            ..Protocol::default()
        },
        policy: Arc::new(ChallengePolicy),
    });
    let case = Case::load_for(&files(options)?, &track)?;
    let mut dialogue = case.dialogue(&track).context(
        "--instances scores a prediction as instances where the image has no `text_prompts`",
    )?;
    let prediction = read_prediction(options, case.image.shape(), case.truth.keys())?;
    let scores = dialogue.answer(Answer::Prediction(prediction));
    let table = match &scores.instances {
        Some(counted) => instances_table(counted),
        None => labels_table(&scores.labels, ["DSC", "NSD"].map(|name| scores.get(name))),
    };
    let TextScores {
        measures,
        labels,
        counted,
        instances,
    } = scores;
    let mut json: serde_json::Map<_, _> = measures
        .into_iter()
        .map(|(name, value)| (name.to_owned(), json!(value)))
        .collect();
    json.insert("labels".to_owned(), json!(labels));
    json.insert("counted".to_owned(), json!(counted));
    json.insert("instances".to_owned(), json!(instances));
    Ok((json.into(), table))
}

fn by_instances(options: &ScoreOptions) -> anyhow::Result<Printed> {
    let truth = read_byte_ground_truth(&options.ground_truth, "gts")?;
    let prediction = read_prediction(options, truth.shape(), &truth.keys)?;
    let prediction = prediction.cast.view();
    let split = split_single_mask(prediction);
    let instances = split.as_ref().map_or(prediction, |split| split.view());
    let scores = score_instances(truth.voxels.view(), instances);
    let table = instances_table(&scores);
    let json = json!({"F1": scores.f1, "DSC_TP": scores.dsc_tp, "instances": scores});
    Ok((json, table))
}

fn read_prediction(
    options: &ScoreOptions,
    shape: [usize; 3],
    keys: &LabelKeys,
) -> anyhow::Result<Prediction> {
    read_prediction_file(&options.prediction, shape, keys)
        .with_context(|| format!("cannot use the prediction {}", options.prediction.display()))
}

fn labels_table(labels: &[LabelScore], means: [Option<f64>; 2]) -> String {
    let mut text = String::from("label      DSC     NSD\n");
    for label in labels {
        let _ = writeln!(
            text,
            "{:>5}  {:.5}  {:.5}",
            label.label, label.dsc, label.nsd
        );
    }
    let [dsc, nsd] =
        means.map(|mean| mean.map_or("   none".to_owned(), |mean| format!("{mean:.5}")));
    let _ = writeln!(text, " mean  {dsc}  {nsd}");
    text
}

/// The matched pairs, by the truth's values, and what comes of them.
fn instances_table(scores: &InstanceScores) -> String {
    let mut text = String::from("truth  prediction      IoU     DSC\n");
    for pair in &scores.pairs {
        let _ = writeln!(
            text,
            "{:>5}  {:>10}  {:.5}  {:.5}",
            pair.truth, pair.prediction, pair.iou, pair.dsc
        );
    }
    let _ = writeln!(
        text,
        "{} matched, {} false, {} missed\nF1      {:.5}\nDSC_TP  {:.5}",
        scores.true_positives,
        scores.false_positives,
        scores.false_negatives,
        scores.f1,
        scores.dsc_tp
    );
    text
}
