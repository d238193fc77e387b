//! What clicks bring: how many it takes to be good enough, what each gains, and how long it takes.
//! All of it is in the records anyway.

use segarena_core::record::{CaseRecord, InteractionRecord, Outcome};

use super::board::Board;
use super::table::{Cell, Heading, Row, Table};
use super::views::{Team, View, mean_of};

/// The DSC that clicks are counted up to, as interactive segmentation does (NoC@80, @85, @90).
pub(super) const GOALS: [f64; 3] = [0.8, 0.85, 0.9];

/// A score after each interaction that was given, with the number of clicks until then.
type Curve = Vec<(usize, f64)>;

/// How a case went: the clicks are those for each label, one an interaction; a box is none.
fn curve(case: &CaseRecord, score: impl Fn(&InteractionRecord) -> Option<f64>) -> Curve {
    let given = case
        .interactions
        .iter()
        .filter(|interaction| interaction.outcome != Outcome::Skipped);
    let points = given.filter_map(|i| Some((i.index.saturating_sub(1), score(i)?)));
    points.collect()
}

/// The clicks that it took to reach the goal; none where it was never reached.
fn clicks_to(curve: &Curve, goal: f64) -> Option<usize> {
    curve
        .iter()
        .find(|(_, score)| *score >= goal)
        .map(|(clicks, _)| *clicks)
}

/// The mean number of clicks to the goal, and the share of curves that never reach it, which count
/// as all the clicks there were.
pub(super) fn number_of_clicks(curves: &[Curve], goal: f64) -> Option<(f64, f64)> {
    let reached: Vec<Option<usize>> = curves.iter().map(|curve| clicks_to(curve, goal)).collect();
    let counted = reached.iter().zip(curves).map(|(clicks, curve)| {
        let all = curve.last().map_or(0, |(clicks, _)| *clicks);
        clicks.unwrap_or(all) as f64
    });
    let never = reached.iter().filter(|clicks| clicks.is_none()).count();
    let mean = mean_of(counted)?;
    Some((mean, never as f64 / curves.len() as f64))
}

/// What a click adds on average: from the first interaction that was given to the last.
fn gain(curve: &Curve) -> Option<f64> {
    let (first, last) = (curve.first()?, curve.last()?);
    let clicks = last.0.checked_sub(first.0).filter(|clicks| *clicks > 0)?;
    Some((last.1 - first.1) / clicks as f64)
}

/// The mean over curves of what a click adds.
pub(super) fn mean_gain(curves: &[Curve]) -> Option<f64> {
    mean_of(curves.iter().filter_map(gain))
}

/// The seconds of the interactions with clicks, a case's mean.
fn seconds_per_click(case: &CaseRecord) -> Option<f64> {
    let clicks = case.interactions.iter().filter(|i| !i.clicks.is_empty());
    mean_of(clicks.map(|interaction| interaction.seconds))
}

/// The curves of a score over the cases.
pub(super) fn dsc_curves(cases: &[&CaseRecord]) -> Vec<Curve> {
    let curves = cases.iter().map(|case| curve(case, |i| Some(i.dsc)));
    curves.filter(|curve: &Curve| !curve.is_empty()).collect()
}

/// The curves of a label over the cases that have it.
pub(super) fn label_curves(cases: &[&CaseRecord], label: i64) -> Vec<Curve> {
    let of_label = |interaction: &InteractionRecord| {
        let found = interaction.labels.iter().find(|score| score.label == label);
        found.map(|score| score.dsc)
    };
    let curves = cases.iter().map(|case| curve(case, of_label));
    curves.filter(|curve: &Curve| !curve.is_empty()).collect()
}

/// The area under a curve as a share of the largest there can be.
fn normalised(case: &CaseRecord, area: f64) -> Option<f64> {
    let widths = case.interactions.len().checked_sub(2).filter(|w| *w > 0)?;
    Some(area / widths as f64)
}

/// The table, a row for each submission and view.
pub(super) fn table(board: &Board<'_>) -> Table {
    let (teams, views) = (board.with_cases(), &board.views[..]);
    let mut headings = vec![
        Heading::text("Submission"),
        Heading::numbers("DSC AUC, 0 to 1"),
        Heading::numbers("NSD AUC, 0 to 1"),
    ];
    for goal in GOALS {
        headings.push(Heading::numbers(format!("Clicks to DSC {goal:.2}")));
        headings.push(Heading::numbers(format!("never {goal:.2}")));
    }
    headings.push(Heading::numbers("DSC gained per click"));
    // Seconds of unlike machines have no mean.
    let has_seconds = !board.machines.differ();
    headings.extend(has_seconds.then(|| Heading::numbers("Seconds per click")));
    let most = teams.iter().flat_map(|team| &team.past.cases);
    let most = most.map(|case| case.interactions.len()).max().unwrap_or(0);
    let mut rows = Vec::new();
    // Of a single interaction there is nothing to say.
    let views = if most > 1 { views } else { &[] };
    for (number, view) in views.iter().enumerate() {
        for team in teams.iter().filter(|team| !team.cases(view).is_empty()) {
            rows.push(Row {
                view: Some(number),
                over: view.name(),
                cells: cells(team, view, has_seconds),
            });
        }
    }
    Table {
        id: "clicks",
        title: "What clicks bring",
        caption: format!(
            "The official AUC is at most {} for {} interactions with clicks; here it is divided \
             by that. Clicks to a DSC count those of one label, the box as none; a case that \
             never reaches it counts as all its clicks. The gain is from the first interaction \
             to the last.",
            most.saturating_sub(2),
            most.saturating_sub(1),
        ),
        headings,
        rows,
    }
}

fn cells(team: &Team<'_>, view: &View, has_seconds: bool) -> Vec<Cell> {
    let area = |of: fn(&CaseRecord) -> f64| {
        team.over(view, |cases| {
            mean_of(cases.iter().filter_map(|case| normalised(case, of(case))))
        })
    };
    let mut cells = vec![
        team.cell(),
        Cell::number(area(CaseRecord::dsc_auc), 4),
        Cell::number(area(CaseRecord::nsd_auc), 4),
    ];
    for goal in GOALS {
        let of = |pick: fn((f64, f64)) -> f64| {
            team.over(view, |cases| {
                number_of_clicks(&dsc_curves(cases), goal).map(pick)
            })
        };
        cells.push(Cell::number(of(|found| found.0), 2));
        cells.push(Cell::share(of(|found| found.1)));
    }
    let gain = team.over(view, |cases| mean_gain(&dsc_curves(cases)));
    cells.push(Cell::number(gain, 4));
    if has_seconds {
        let seconds = team.over(view, |cases| {
            mean_of(cases.iter().filter_map(|case| seconds_per_click(case)))
        });
        cells.push(Cell::number(seconds, 2));
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::sample::{record, sound};

    fn case(scores: [f64; 6]) -> CaseRecord {
        let mut case = record("1.npz", 0.0, sound());
        for (interaction, score) in case.interactions.iter_mut().zip(scores) {
            interaction.dsc = score;
            interaction.nsd = score;
            interaction.labels[0].dsc = score;
        }
        case
    }

    #[test]
    fn clicks_are_counted_up_to_the_goal_and_those_who_never_reach_it_are_said() {
        let (quick, slow) = (case([0.9; 6]), case([0.1, 0.2, 0.8, 0.84, 0.86, 0.87]));
        let curves = dsc_curves(&[&quick, &slow]);
        assert_eq!(number_of_clicks(&curves, 0.8), Some((1.0, 0.0)));
        assert_eq!(number_of_clicks(&curves, 0.85), Some((2.0, 0.0)));
        assert_eq!(number_of_clicks(&curves, 0.9), Some((2.5, 0.5)));
        assert_eq!(number_of_clicks(&[], 0.9), None);
        assert_eq!(label_curves(&[&quick, &slow], 1), curves);
        assert!(label_curves(&[&quick], 7).is_empty());
    }

    #[test]
    fn a_case_without_a_box_begins_at_its_first_click() {
        let mut case = case([0.0, 0.5, 0.6, 0.7, 0.8, 0.9]);
        case.interactions[0].outcome = Outcome::Skipped;
        let curves = dsc_curves(&[&case]);
        assert_eq!(curves[0][0], (1, 0.5));
        let gain = mean_gain(&curves).unwrap();
        assert!((gain - 0.1).abs() < 1e-12, "{gain}");
        assert_eq!(number_of_clicks(&curves, 0.8), Some((4.0, 0.0)));
    }

    #[test]
    fn a_perfect_area_is_one() {
        let case = case([1.0; 6]);
        assert_eq!(case.dsc_auc(), 4.0);
        assert_eq!(normalised(&case, case.dsc_auc()), Some(1.0));
    }
}
