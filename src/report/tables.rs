//! The plain tables: labels, times, cases, and the curves in figures.

use std::collections::BTreeMap;

use bytesize::ByteSize;
use segarena_core::record::{CaseRecord, InteractionRecord, Outcome};
use segarena_core::run::PastSubmission;

use super::text;
use crate::scores::SCORES;
use crate::statistics::mean;

/// The mean final scores of a label.
pub(super) struct LabelRow {
    pub(super) label: i64,
    pub(super) submission: String,
    pub(super) cases: usize,
    pub(super) dsc: String,
    pub(super) nsd: String,
}

/// A submission's running times and memory.
pub(super) struct TimeRow {
    pub(super) name: String,
    pub(super) mean: String,
    pub(super) longest: String,
    pub(super) share: String,
    pub(super) longest_case: String,
    pub(super) over: usize,
    pub(super) memory: String,
    pub(super) memory_key: String,
}

/// A case of a submission.
pub(super) struct CaseRow {
    pub(super) submission: String,
    pub(super) case: String,
    /// The number of its picture, where it has one.
    pub(super) view: Option<usize>,
    pub(super) scores: [String; 4],
    pub(super) seconds: String,
    pub(super) outcome: String,
}

/// A submission's curve in figures.
pub(super) struct CurveRow {
    pub(super) submission: String,
    pub(super) score: &'static str,
    pub(super) values: Vec<String>,
}

/// Every label of every submission.
pub(super) fn label_rows(teams: &[&PastSubmission]) -> Vec<LabelRow> {
    let mut by_label: BTreeMap<(i64, usize), Vec<(f64, f64)>> = BTreeMap::new();
    for (index, team) in teams.iter().enumerate() {
        let finals = team
            .cases
            .iter()
            .filter_map(|case| case.interactions.last());
        for score in finals.flat_map(|interaction| &interaction.labels) {
            let scores = by_label.entry((score.label, index)).or_default();
            scores.push((score.dsc, score.nsd));
        }
    }
    let rows = by_label.into_iter().map(|((label, index), scores)| {
        let (dsc, nsd): (Vec<f64>, Vec<f64>) = scores.into_iter().unzip();
        LabelRow {
            label,
            submission: text::line(&teams[index].name),
            cases: dsc.len(),
            dsc: format!("{:.4}", mean(&dsc)),
            nsd: format!("{:.4}", mean(&nsd)),
        }
    });
    rows.collect()
}

/// The part of its time limit that a case took.
pub(super) fn share_of_limit(case: &CaseRecord) -> f64 {
    match case.seconds_allowed {
        allowed if allowed > 0.0 => case.total_seconds / allowed,
        _ => 0.0,
    }
}

pub(super) fn time_row(team: &PastSubmission) -> Option<TimeRow> {
    let nearest = team
        .cases
        .iter()
        .max_by(|a, b| share_of_limit(a).total_cmp(&share_of_limit(b)))?;
    let seconds: Vec<f64> = team.cases.iter().map(|case| case.total_seconds).collect();
    let interactions = team.cases.iter().flat_map(|case| &case.interactions);
    let memory = interactions.filter_map(|i| i.peak_memory).max();
    Some(TimeRow {
        name: text::line(&team.name),
        mean: format!("{:.1}", mean(&seconds)),
        longest: format!(
            "{:.1} of {:.0}",
            nearest.total_seconds, nearest.seconds_allowed
        ),
        share: format!("{:.1}", 100.0 * share_of_limit(nearest)),
        longest_case: text::line(&nearest.case),
        over: team.cases.iter().filter(|case| case.over_time).count(),
        memory: memory.map_or("unknown".to_owned(), |bytes| ByteSize::b(bytes).to_string()),
        memory_key: memory.map_or(String::new(), |bytes| bytes.to_string()),
    })
}

/// Every case, the worst first; `view` gives the number of a case's picture.
pub(super) fn case_rows(
    teams: &[&PastSubmission],
    view: impl Fn(&str, &str) -> Option<usize>,
) -> Vec<CaseRow> {
    let cases = teams
        .iter()
        .flat_map(|team| team.cases.iter().map(|case| (*team, case)));
    let mut cases: Vec<(&PastSubmission, &CaseRecord)> = cases.collect();
    cases.sort_by(|(_, a), (_, b)| {
        let by_dsc = a.dsc_final().total_cmp(&b.dsc_final());
        by_dsc.then(a.nsd_final().total_cmp(&b.nsd_final()))
    });
    let rows = cases.into_iter().map(|(team, case)| CaseRow {
        submission: text::line(&team.name),
        case: text::line(&case.case),
        view: view(&team.name, &case.case),
        scores: SCORES.map(|score| format!("{:.4}", (score.of)(case))),
        seconds: format!("{:.1}", case.total_seconds),
        outcome: outcome(case),
    });
    rows.collect()
}

/// How a case went, in a few words: each kind of failure with its interactions.
fn outcome(case: &CaseRecord) -> String {
    let mut kinds: Vec<(&str, Vec<String>)> = Vec::new();
    for interaction in case.interactions.iter().filter(|i| i.outcome.is_failure()) {
        let (name, index) = (interaction.outcome.name(), interaction.index.to_string());
        match kinds.iter_mut().find(|(known, _)| *known == name) {
            Some((_, indexes)) => indexes.push(index),
            None => kinds.push((name, vec![index])),
        }
    }
    let mut words: Vec<String> = kinds
        .into_iter()
        .map(|(name, indexes)| format!("{} at {}", name.replace('_', " "), indexes.join(", ")))
        .collect();
    if case.over_time {
        words.push(
            if case.zeroed {
                "over time: zero"
            } else {
                "over time"
            }
            .to_owned(),
        );
    }
    if words.is_empty() {
        "ok".to_owned()
    } else {
        words.join("; ")
    }
}

/// The values of a score at each interaction, over a submission's cases; a box that was not there
/// to give says nothing of the submission.
pub(super) fn at_interactions(
    team: &PastSubmission,
    score: fn(&InteractionRecord) -> f64,
) -> Vec<Vec<f64>> {
    let steps = team.cases.iter().map(|case| case.interactions.len()).max();
    let at = |index: usize| {
        let interactions = team
            .cases
            .iter()
            .filter_map(|case| case.interactions.get(index));
        let given = interactions.filter(|i| i.outcome != Outcome::Skipped);
        given.map(score).collect()
    };
    (0..steps.unwrap_or(0)).map(at).collect()
}

/// The curves of the charts as figures, for those who do not see them, and how many interactions.
pub(super) fn curve_rows(teams: &[&PastSubmission]) -> (Vec<CurveRow>, Vec<usize>) {
    let row = |team: &PastSubmission, name, score| CurveRow {
        submission: text::line(&team.name),
        score: name,
        values: at_interactions(team, score)
            .iter()
            .map(|values| match values.is_empty() {
                true => "–".to_owned(),
                false => format!("{:.3}", mean(values)),
            })
            .collect(),
    };
    let with_cases = teams.iter().filter(|team| !team.cases.is_empty());
    let mut rows: Vec<CurveRow> = with_cases
        .flat_map(|team| [row(team, "DSC", |i| i.dsc), row(team, "NSD", |i| i.nsd)])
        .collect();
    let most = rows.iter().map(|row| row.values.len()).max().unwrap_or(0);
    for row in &mut rows {
        row.values.resize(most, "–".to_owned());
    }
    (rows, (1..=most).collect())
}
