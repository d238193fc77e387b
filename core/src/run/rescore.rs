//! A finished case's scores, computed again from what was saved.

use segarena_dialogue::{Answer, PromptKind};

use super::journal::finished_case;
use super::output::OutputFolder;
use super::past::{PastRun, PastSubmission};
use crate::case::{Case, CaseFiles};
use crate::hash::{hash_case, hash_file};
use crate::npz::{Prediction, read_saved_segs};
use crate::record::{CaseRecord, InteractionRecord, Outcome};
use crate::score::score;
use crate::volume::Comparison;

/// A case scored again.
#[derive(Debug)]
pub struct Rescored {
    /// The record with the scores of today.
    pub record: CaseRecord,
    /// What is not as it was, in words; empty: everything is.
    pub findings: Vec<String>,
}

/// Scores a case of a past run again from the saved predictions and the ground truth.
///
/// # Errors
/// In words, when the case or its predictions can't be read.
pub fn rescore_case(
    run: &PastRun,
    submission: &PastSubmission,
    record: &CaseRecord,
    files: &CaseFiles,
) -> Result<Rescored, String> {
    let track = run
        .record
        .track()
        .ok_or_else(|| format!("this version does not know the track {}", run.record.track))?;
    let case = Case::load_for(files, &*track).map_err(|error| error.to_string())?;
    let path = submission.files.predictions(files.stem());
    let saved = read_saved_segs(&path).map_err(|error| error.to_string())?;
    let mut findings = changed_files(run, record, files, &path);
    if journalled(run, submission, record).is_some_and(|noted| noted != *record) {
        findings.push("its record is not what was noted when it was evaluated".to_owned());
    }
    let given = record.interactions.iter().filter(|i| was_run(i)).count();
    if saved.left() != given || saved.shape() != case.image.shape() {
        return Err(format!(
            "{} holds {} predictions of shape {:?}, where the record has {given} of shape {:?}",
            path.display(),
            saved.left(),
            saved.shape(),
            record.shape
        ));
    }
    let mut again = record.clone();
    let ran = again.interactions.iter_mut().filter(|i| was_run(i));
    for (interaction, prediction) in ran.zip(saved) {
        let prediction = prediction.map_err(|error| error.to_string())?;
        let prediction = Prediction::from_cast(prediction, case.truth.keys());
        if interaction.prompt == PromptKind::TEXT {
            let wrote_nothing = matches!(interaction.outcome, Outcome::NoOutput { .. })
                || interaction.outcome.is_failure() && prediction.cast.iter().all(|&v| v == 0);
            let answer = match wrote_nothing {
                true => Answer::Failure(None),
                false => Answer::Prediction(prediction),
            };
            let mut dialogue = case.dialogue(&*track).map_err(|error| error.to_string())?;
            interaction.set_scores(dialogue.answer(answer));
            continue;
        }
        let comparison = Comparison::new(&*case.truth, prediction.scored.view());
        let tolerance = run.record.protocol.nsd_tolerance_mm;
        interaction.set_scores(score(&comparison, tolerance).into());
    }
    let protocol = &run.record.protocol;
    again.apply_limit(
        track.seconds_allowed(case.truth.keys().count()),
        protocol.over_time,
    );
    findings.extend(other_times(record, &again));
    for (was, is) in record.interactions.iter().zip(&again.interactions) {
        findings.extend(difference(was, is));
    }
    Ok(Rescored {
        record: again,
        findings,
    })
}

/// What the run's journal says of the case, where there is one.
fn journalled(
    run: &PastRun,
    submission: &PastSubmission,
    record: &CaseRecord,
) -> Option<CaseRecord> {
    let journal = OutputFolder::at(&run.output).journal(&submission.name);
    finished_case(&journal, &record.case)
}

/// Running times can't be measured again, but they must fit together.
fn other_times(was: &CaseRecord, is: &CaseRecord) -> Option<String> {
    let fits = was.total_seconds == is.total_seconds
        && was.seconds_allowed == is.seconds_allowed
        && was.over_time == is.over_time
        && was.zeroed == is.zeroed;
    (!fits).then(|| {
        format!(
            "its record has {} s of {} s allowed, its interactions took {} s of {} s",
            was.total_seconds, was.seconds_allowed, is.total_seconds, is.seconds_allowed
        )
    })
}

fn was_run(interaction: &InteractionRecord) -> bool {
    interaction.outcome != Outcome::Skipped
}

/// Files that are not what they were when the case was evaluated.
fn changed_files(
    run: &PastRun,
    record: &CaseRecord,
    files: &CaseFiles,
    predictions: &std::path::Path,
) -> Vec<String> {
    let mut findings = Vec::new();
    let known = run
        .record
        .cases
        .iter()
        .find(|case| case.name == record.case);
    if let (Some(known), Ok(now)) = (known, hash_case(files))
        && known.sha256 != now
    {
        findings.push("its image or ground truth is not the file that was evaluated".to_owned());
    }
    if let (Some(known), Ok(now)) = (&record.predictions_sha256, hash_file(predictions))
        && *known != now
    {
        findings.push("its predictions were changed after they were scored".to_owned());
    }
    findings
}

/// A measure of the track that is not what it was.
fn other_measure(was: &InteractionRecord, is: &InteractionRecord) -> Option<String> {
    let show = |value: Option<f64>| value.map_or("none".to_owned(), |v| format!("{v:.6}"));
    is.scores.iter().find_map(|(name, &now)| {
        let before = was.scores.get(name).copied().flatten();
        let same = match (before, now) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9,
            (before, now) => before.is_none() && now.is_none(),
        };
        (!same).then(|| {
            format!(
                "interaction {}: the record has {name} {}, the saved prediction gives {}",
                was.index,
                show(before),
                show(now)
            )
        })
    })
}

fn difference(was: &InteractionRecord, is: &InteractionRecord) -> Option<String> {
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9;
    let same_labels = was.labels.len() == is.labels.len()
        && was
            .labels
            .iter()
            .zip(&is.labels)
            .all(|(a, b)| near(a.dsc, b.dsc) && near(a.nsd, b.nsd));
    if let Some(finding) = other_measure(was, is) {
        return Some(finding);
    }
    if near(was.dsc, is.dsc) && near(was.nsd, is.nsd) && same_labels {
        return None;
    }
    let because = if was.remarks.is_empty() {
        ""
    } else {
        " (its values did not fit the byte that is saved of each)"
    };
    Some(format!(
        "interaction {}: the record has DSC {:.6} NSD {:.6}, the saved prediction gives DSC {:.6} \
         NSD {:.6}{because}",
        was.index, was.dsc, was.nsd, is.dsc, is.nsd
    ))
}
