//! `segarena click`: where the next click of each label goes.

use anyhow::Context;
use ndarray::Array3;
use segarena_core::clicks::PolicyOptions;
use segarena_core::npz::{read_ground_truth, read_prediction_file};
use segarena_core::record::ClickRecord;
use segarena_core::volume::{Comparison, Spacing};

use crate::args::ClickOptions;
use crate::exit::ExitStatus;
use crate::registry::Registry;
use crate::stdout;

pub(crate) fn click(registry: &Registry, options: &ClickOptions) -> anyhow::Result<ExitStatus> {
    let policy = registry
        .policy(
            &options.policy,
            PolicyOptions {
                seed: options.seed,
                sigma_mm: options.sigma,
            },
        )
        .with_context(|| {
            let known = registry.policy_names().join(", ");
            format!(
                "--policy: there is no click policy `{}`; there are {known}",
                options.policy
            )
        })?;
    let truth = read_ground_truth(&options.ground_truth, "gts")?;
    // Clicks are placed in voxels; a file of labels alone tells no spacing.
    let truth = truth.into_volume(Spacing::new([1.0; 3])?);
    let clicked = match &options.prediction {
        None => Array3::zeros(truth.shape()),
        Some(path) => {
            let prediction = read_prediction_file(path, truth.shape(), truth.keys())
                .with_context(|| format!("cannot use the prediction {}", path.display()))?;
            prediction.clicked.as_ref().clone()
        }
    };
    let comparison = Comparison::new(&truth, clicked.view());
    let records: Vec<ClickRecord> = truth
        .keys()
        .iter()
        .map(|(label, key)| ClickRecord::new(label, policy.place(&comparison, key)))
        .collect();
    if options.json {
        stdout::print(&format!("{}\n", serde_json::to_string(&records)?));
    } else {
        records
            .iter()
            .for_each(|record| stdout::print(&format!("{}\n", sentence(record))));
    }
    Ok(ExitStatus::Done)
}

fn sentence(record: &ClickRecord) -> String {
    match (record.kind, record.at) {
        (Some(kind), Some([z, y, x])) => {
            format!(
                "label {}: {} at z={z} y={y} x={x}",
                record.label,
                kind.name()
            )
        }
        _ => format!("label {}: perfect, no click", record.label),
    }
}
