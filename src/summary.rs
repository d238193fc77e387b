//! The table at the end of a run.

use std::fmt::Write as _;
use std::path::Path;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use segarena_core::record::CaseRecord;
use segarena_core::run::{RunSummary, SubmissionSummary};

use crate::progress::count;

/// The submissions by their mean final DSC, what failed, and where everything is.
pub(crate) fn text(summary: &RunSummary, output: &Path) -> String {
    let mut ranked: Vec<&SubmissionSummary> = summary.submissions.iter().collect();
    ranked
        .sort_by(|a, b| mean(b, CaseRecord::dsc_final).total_cmp(&mean(a, CaseRecord::dsc_final)));
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "submission",
        "cases",
        "DSC AUC",
        "NSD AUC",
        "DSC final",
        "NSD final",
        "seconds",
        "failed",
    ]);
    for submission in ranked {
        table.add_row(row(submission));
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for submission in &summary.submissions {
        failures(submission, &mut text);
    }
    let _ = writeln!(text, "results: {}", output.display());
    text
}

fn row(submission: &SubmissionSummary) -> Vec<String> {
    if submission.error.is_some() {
        return vec![submission.name.clone(), "not run".to_owned()];
    }
    let score = |value: fn(&CaseRecord) -> f64| format!("{:.4}", mean(submission, value));
    let failed = submission
        .records
        .iter()
        .filter(|record| record.has_failure())
        .count();
    vec![
        submission.name.clone(),
        submission.records.len().to_string(),
        score(CaseRecord::dsc_auc),
        score(CaseRecord::nsd_auc),
        score(CaseRecord::dsc_final),
        score(CaseRecord::nsd_final),
        format!("{:.1}", mean(submission, |record| record.total_seconds)),
        failed.to_string(),
    ]
}

/// The mean over the submission's cases; 0 where there are none.
fn mean(submission: &SubmissionSummary, value: fn(&CaseRecord) -> f64) -> f64 {
    let cases = submission.records.len().max(1) as f64;
    submission.records.iter().map(value).sum::<f64>() / cases
}

fn failures(submission: &SubmissionSummary, text: &mut String) {
    if let Some(error) = &submission.error {
        let _ = writeln!(text, "{}: could not be run: {error}", submission.name);
    }
    let failed: Vec<&CaseRecord> = submission
        .records
        .iter()
        .filter(|r| r.has_failure())
        .collect();
    if failed.is_empty() {
        return;
    }
    let _ = writeln!(
        text,
        "{}: {} with failures:",
        submission.name,
        count(failed.len(), "case")
    );
    for record in failed {
        let first = record.interactions.iter().find(|i| i.outcome.is_failure());
        if let Some(interaction) = first {
            let log = interaction.log.as_deref().unwrap_or_default();
            let _ = writeln!(
                text,
                "  {} at interaction {}: {} ({}/{log})",
                record.case,
                interaction.index,
                interaction.outcome.describe(),
                submission.name,
            );
        }
    }
}
