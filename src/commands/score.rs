//! `segarena score`: DSC and NSD of one prediction.

use anyhow::Context;
use segarena_core::case::{Case, CaseFiles};
use segarena_core::npz::read_prediction_file;
use segarena_core::score::{Scores, score as score_prediction};
use segarena_core::volume::Comparison;

use crate::args::ScoreOptions;
use crate::exit::ExitStatus;
use crate::stdout;

pub(crate) fn score(options: &ScoreOptions) -> anyhow::Result<ExitStatus> {
    if !(options.tolerance.is_finite() && options.tolerance > 0.0) {
        anyhow::bail!(
            "--tolerance must be a positive number of millimetres, not {}",
            options.tolerance
        );
    }
    let name = options
        .image
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let case = Case::load(&CaseFiles {
        name,
        image: options.image.clone(),
        ground_truth: options.ground_truth.clone(),
    })?;
    let prediction = read_prediction_file(&options.prediction, case.image.shape(), &case.keys)
        .with_context(|| format!("cannot use the prediction {}", options.prediction.display()))?;
    let comparison = Comparison::new(&case.truth, prediction.scored.view());
    let scores = score_prediction(&comparison, &case.keys, options.tolerance);
    if options.json {
        stdout::print(&format!("{}\n", serde_json::to_string(&scores)?));
    } else {
        stdout::print(&table(&scores));
    }
    Ok(ExitStatus::Done)
}

fn table(scores: &Scores) -> String {
    let mut text = String::from("label      DSC     NSD\n");
    for label in &scores.labels {
        text.push_str(&format!(
            "{:>5}  {:.5}  {:.5}\n",
            label.label, label.dsc, label.nsd
        ));
    }
    text.push_str(&format!(" mean  {:.5}  {:.5}\n", scores.dsc, scores.nsd));
    text
}
