//! The plain tables: curves in figures, labels, times, and every case.

use std::collections::{BTreeMap, BTreeSet};

use bytesize::ByteSize;
use segarena_core::record::{CaseRecord, Outcome};
use segarena_core::volume::InstanceScores;

use super::board::Board;
use super::effort::{label_curves, mean_gain, number_of_clicks};
use super::table::{Cell, Heading, Row, Table};
use super::text;
use super::views::{Team, View, mean_of};
use crate::machines::kind_of;
use crate::ranking::Column;

/// A row of a submission in a view, where the submission has cases there.
fn rows(board: &Board<'_>, cells: impl Fn(&Team<'_>, &View) -> Vec<Vec<Cell>>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (number, view) in board.views.iter().enumerate() {
        let teams = board.with_cases().iter();
        for team in teams.filter(|team| !team.cases(view).is_empty()) {
            rows.extend(cells(team, view).into_iter().map(|cells| Row {
                view: Some(number),
                over: view.name(),
                cells,
            }));
        }
    }
    rows
}

/// The cases of one kind of curve. A mean over interactions is only fair over one set of cases:
/// those without a box begin at interaction 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    Box,
    FirstClick,
}

impl Start {
    pub(super) const ALL: [Self; 2] = [Self::Box, Self::FirstClick];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Box => "with a box",
            Self::FirstClick => "without a box",
        }
    }

    pub(super) fn of(case: &CaseRecord) -> Self {
        match case.interactions.first().map(|first| &first.outcome) {
            Some(Outcome::Skipped) => Self::FirstClick,
            _ => Self::Box,
        }
    }
}

/// The kinds of curves that there are cases for.
pub(super) fn starts(board: &Board<'_>) -> Vec<Start> {
    let cases = || board.with_cases().iter().flat_map(|team| &team.past.cases);
    let there = |start: &Start| cases().any(|case| Start::of(case) == *start);
    Start::ALL.into_iter().filter(there).collect()
}

/// The measures that the cases of a run define, in the order of its track.
pub(super) fn measures(board: &Board<'_>) -> Vec<&'static str> {
    let mut measures: Vec<(&'static str, bool)> = Vec::new();
    let cases = board.with_cases().iter().flat_map(|team| &team.past.cases);
    let all = cases.flat_map(|case| case.interactions.iter());
    for (name, value) in all.flat_map(|interaction| interaction.scores().measures) {
        match measures.iter_mut().find(|(known, _)| *known == name) {
            Some((_, is_defined)) => *is_defined |= value.is_some(),
            None => measures.push((name, value.is_some())),
        }
    }
    let defined = measures.into_iter().filter(|(_, is_defined)| *is_defined);
    defined.map(|(name, _)| name).collect()
}

/// Whether there is more than one interaction to draw a curve over.
pub(super) fn has_curves(board: &Board<'_>) -> bool {
    most_interactions(board) > 1
}

/// The values at each interaction over the cases of one kind; nothing at one that was not given.
pub(super) fn at_interactions(cases: &[&CaseRecord], start: Start, measure: &str) -> Vec<Vec<f64>> {
    let cases: Vec<&CaseRecord> = cases
        .iter()
        .copied()
        .filter(|case| Start::of(case) == start)
        .collect();
    let steps = cases.iter().map(|case| case.interactions.len()).max();
    let at = |index: usize| {
        let interactions = cases.iter().filter_map(|case| case.interactions.get(index));
        let given = interactions.filter(|i| i.outcome != Outcome::Skipped);
        given.filter_map(|i| i.measure(measure)).collect()
    };
    (0..steps.unwrap_or(0)).map(at).collect()
}

/// The mean of a score at an interaction, from 0, over the cases of one kind.
pub(super) fn mean_at(
    team: &Team<'_>,
    view: &View,
    start: Start,
    measure: &str,
    index: usize,
) -> Option<f64> {
    team.over(view, |cases| {
        let steps = at_interactions(cases, start, measure);
        mean_of(steps.get(index)?.iter().copied())
    })
}

/// The most interactions of a case.
pub(super) fn most_interactions(board: &Board<'_>) -> usize {
    let cases = board.with_cases().iter().flat_map(|team| &team.past.cases);
    cases.map(|case| case.interactions.len()).max().unwrap_or(0)
}

/// The curves of the charts as figures.
pub(super) fn curves(board: &Board<'_>) -> Table {
    let (starts, most) = (starts(board), most_interactions(board));
    let measures = measures(board);
    let mut headings = vec![Heading::text("Submission"), Heading::text("Score")];
    if starts.len() > 1 {
        headings.push(Heading::text("Cases"));
    }
    headings.extend((1..=most).map(|index| Heading::numbers(index.to_string())));
    let cells = |team: &Team<'_>, view: &View| {
        let mut rows = Vec::new();
        for &start in &starts {
            if !team.cases(view).iter().any(|case| Start::of(case) == start) {
                continue;
            }
            for name in &measures {
                let mut cells = vec![team.cell(), Cell::text(*name)];
                cells.extend((starts.len() > 1).then(|| Cell::text(start.name())));
                cells.extend(
                    (0..most).map(|index| Cell::number(mean_at(team, view, start, name, index), 3)),
                );
                rows.push(cells);
            }
        }
        rows
    };
    Table {
        id: "curves",
        title: "The curves in figures",
        caption: "Means after each interaction, over one set of cases for all interactions."
            .to_owned(),
        headings,
        rows: match has_curves(board) {
            true => rows(board, cells),
            false => Vec::new(),
        },
    }
}

/// The DSC that a label's clicks are counted up to.
const LABEL_GOAL: f64 = 0.85;

/// Every label of every submission.
pub(super) fn labels(board: &Board<'_>) -> Table {
    let has_curves = has_curves(board);
    let cells = |team: &Team<'_>, view: &View| {
        let cases = team.cases(view);
        // Of instances no label has a score of its own.
        let all = cases.iter().filter_map(|case| case.interactions.last());
        let all = all.flat_map(|last| last.labels.iter().map(|score| score.label));
        let labels: BTreeSet<i64> = all.collect();
        let row = |label: i64| {
            let having = |cases: &[&CaseRecord]| -> Vec<_> {
                let finals = cases.iter().filter_map(|case| case.interactions.last());
                let scores = finals.flat_map(|last| last.labels.clone());
                scores.filter(|score| score.label == label).collect()
            };
            let dsc = team.over(view, |cases| mean_of(having(cases).iter().map(|s| s.dsc)));
            let nsd = team.over(view, |cases| mean_of(having(cases).iter().map(|s| s.nsd)));
            let clicks = |pick: fn((f64, f64)) -> f64| {
                team.over(view, |cases| {
                    number_of_clicks(&label_curves(cases, label), LABEL_GOAL).map(pick)
                })
            };
            let gain = team.over(view, |cases| mean_gain(&label_curves(cases, label)));
            let mut cells = vec![
                Cell::number(Some(label as f64), 0),
                team.cell(),
                Cell::count(having(&cases).len()),
                Cell::number(dsc, 4),
                Cell::number(nsd, 4),
            ];
            if has_curves {
                cells.extend([
                    Cell::number(clicks(|found| found.0), 2),
                    Cell::share(clicks(|found| found.1)),
                    Cell::number(gain, 4),
                ]);
            }
            cells
        };
        labels.into_iter().map(row).collect()
    };
    let mut rows = rows(board, cells);
    // A label's submissions beside each other.
    let key = |row: &Row| (row.view, row.cells[0].value.map(|label| label as i64));
    rows.sort_by_key(key);
    let mut headings = vec![
        Heading::numbers("Label"),
        Heading::text("Submission"),
        Heading::numbers("Cases"),
        Heading::numbers("DSC final"),
        Heading::numbers("NSD final"),
    ];
    let mut caption =
        "Each label by itself, over the cases that have it: mean final scores".to_owned();
    if has_curves {
        headings.extend([
            Heading::numbers(format!("Clicks to DSC {LABEL_GOAL}")),
            Heading::numbers(format!("never {LABEL_GOAL}")),
            Heading::numbers("DSC gained per click"),
        ]);
        caption.push_str(
            ", clicks that it takes to a DSC of 0.85 and the share of cases that never come so \
             far, and what a click adds",
        );
    }
    caption.push('.');
    Table {
        id: "labels",
        title: "Labels",
        caption,
        headings,
        rows,
    }
}

/// The instances of every submission, over the cases whose instances are told apart.
pub(super) fn instances(board: &Board<'_>) -> Table {
    let cells = |team: &Team<'_>, view: &View| {
        let cases = team.cases(view);
        let last = cases.iter().filter_map(|case| case.interactions.last());
        let counted: Vec<&InstanceScores> =
            last.filter_map(|last| last.instances.as_deref()).collect();
        if counted.is_empty() {
            return Vec::new();
        }
        let sum = |of: fn(&InstanceScores) -> u64| {
            let all: u64 = counted.iter().map(|counted| of(counted)).sum();
            Cell::count(all as usize)
        };
        let mean = |of: fn(&InstanceScores) -> f64| {
            Cell::number(mean_of(counted.iter().map(|counted| of(counted))), 4)
        };
        vec![vec![
            team.cell(),
            Cell::count(counted.len()),
            sum(|counted| counted.truth_instances),
            sum(|counted| counted.true_positives),
            sum(|counted| counted.truth_instances - counted.true_positives),
            sum(|counted| counted.prediction_instances - counted.true_positives),
            mean(|counted| counted.f1),
            mean(|counted| counted.dsc_tp),
        ]]
    };
    Table {
        id: "instances",
        title: "Instances",
        caption: "Over the cases whose instances are told apart: instances of the truth, matched \
                  at an IoU of 0.5 or more, missed, and predicted ones that match none; F1 and the \
                  DSC of the matched ones are means over the cases."
            .to_owned(),
        headings: vec![
            Heading::text("Submission"),
            Heading::numbers("Cases"),
            Heading::numbers("In the truth"),
            Heading::numbers("Matched"),
            Heading::numbers("Missed"),
            Heading::numbers("False"),
            Heading::numbers("F1"),
            Heading::numbers("DSC TP"),
        ],
        rows: rows(board, cells),
    }
}

/// The part of its time limit that a case took; none where there is no limit.
pub(super) fn share_of_limit(case: &CaseRecord) -> Option<f64> {
    (case.seconds_allowed > 0.0).then(|| case.total_seconds / case.seconds_allowed)
}

/// Those of the cases that ran on this kind of machine; all of them where no kind is told.
pub(super) fn on_kind<'a>(cases: &[&'a CaseRecord], kind: Option<&str>) -> Vec<&'a CaseRecord> {
    let cases = cases.iter().copied();
    cases.filter(|case| is_on_kind(case, kind)).collect()
}

/// Whether a case ran on this kind of machine; any did where no kind is told.
pub(super) fn is_on_kind(case: &CaseRecord, kind: Option<&str>) -> bool {
    kind.is_none_or(|kind| kind_of(case) == kind)
}

/// The kinds of machine whose times are shown apart; one, without a name, where all are alike.
pub(super) fn kinds<'b>(board: &'b Board<'_>) -> Vec<Option<&'b str>> {
    match board.machines.differ() {
        true => board.machines.kinds().map(Some).collect(),
        false => vec![None],
    }
}

/// Running times and memory, of each kind of machine by itself.
pub(super) fn times(board: &Board<'_>) -> Table {
    let of_kind = |team: &Team<'_>, view: &View, kind: Option<&str>| {
        let cases = on_kind(&team.cases(view), kind);
        // Without a limit the longest.
        let share = |case: &CaseRecord| share_of_limit(case).unwrap_or(case.total_seconds);
        let nearest = cases.iter().max_by(|a, b| share(a).total_cmp(&share(b)))?;
        let mean = team.over(view, |cases| {
            let cases = on_kind(cases, kind);
            mean_of(cases.iter().map(|case| case.total_seconds))
        });
        let interactions = cases.iter().flat_map(|case| &case.interactions);
        let memory = interactions.filter_map(|i| i.peak_memory).max();
        let mut row = vec![team.cell()];
        row.extend(kind.map(|kind| Cell::text(text::line(kind))));
        row.extend([
            Cell::number(mean, 1),
            Cell::number(Some(nearest.total_seconds), 1).with_remark(
                share_of_limit(nearest).map_or("no limit".to_owned(), |_| {
                    format!("of {:.0}", nearest.seconds_allowed)
                }),
            ),
            Cell::share(share_of_limit(nearest)),
            Cell::text(text::line(&nearest.case)),
            Cell::count(cases.iter().filter(|case| case.over_time).count()),
            Cell {
                text: memory.map_or("unknown".to_owned(), |b| ByteSize::b(b).to_string()),
                value: memory.map(|bytes| bytes as f64),
                ..Cell::default()
            },
        ]);
        Some(row)
    };
    let kinds = kinds(board);
    let cells = |team: &Team<'_>, view: &View| {
        let rows = kinds.iter().filter_map(|kind| of_kind(team, view, *kind));
        rows.collect()
    };
    let mut headings = vec![Heading::text("Submission")];
    let mut caption = "Running time of the submission in seconds, all interactions of a case \
                       together; the case that came nearest to its limit."
        .to_owned();
    if board.machines.differ() {
        headings.push(Heading::text("Machine"));
        caption.push_str(" Each kind of machine by itself, over the cases that ran there.");
    }
    headings.extend([
        Heading::numbers("Mean"),
        Heading::numbers("Longest"),
        Heading::numbers("of its limit"),
        Heading::text("Longest case"),
        Heading::numbers("Over the limit"),
        Heading::numbers("Peak memory"),
    ]);
    Table {
        id: "times",
        title: "Time and memory",
        caption,
        headings,
        rows: rows(board, cells),
    }
}

/// Every case, the lowest final score first.
pub(super) fn cases(board: &Board<'_>) -> Table {
    let teams = board.with_cases().iter();
    let mut cases: Vec<(&Team<'_>, &CaseRecord)> = teams
        .flat_map(|team| team.past.cases.iter().map(move |case| (team, case)))
        .collect();
    let score = |case: &CaseRecord| case.main_score().map_or(0.0, |(_, score)| score);
    cases.sort_by(|(_, a), (_, b)| {
        let by_score = score(a).total_cmp(&score(b));
        by_score.then(a.nsd_final().total_cmp(&b.nsd_final()))
    });
    let mut headings = vec![
        Heading::text("Case"),
        Heading::text("Group"),
        Heading::text("Submission"),
    ];
    let columns = board.columns.iter();
    headings.extend(columns.map(|column| Heading::numbers(column.name.clone())));
    headings.extend([Heading::numbers("Seconds"), Heading::text("Outcome")]);
    let rows = cases.into_iter().map(|(team, case)| {
        let group = board.settings.groups.of(&case.case);
        let mut cells = vec![
            Cell::text(text::line(&case.case)),
            Cell::text(text::line(group)),
            team.cell(),
        ];
        let columns = board.columns.iter();
        cells.extend(columns.map(|column| Cell::number(column.of(case), 4)));
        cells.push(Cell::number(Column::seconds().of(case), 1));
        cells.push(Cell::text(outcome(case)));
        Row {
            view: None,
            over: View::All.name(),
            cells,
        }
    });
    Table {
        id: "cases",
        title: "Cases",
        caption: "Every case of every submission, the lowest final score first.".to_owned(),
        rows: rows.collect(),
        headings,
    }
}

/// How a case went, in a few words: each kind of failure with its interactions.
pub(super) fn outcome(case: &CaseRecord) -> String {
    let mut kinds: BTreeMap<usize, (&str, Vec<String>)> = BTreeMap::new();
    for interaction in case.interactions.iter().filter(|i| i.outcome.is_failure()) {
        let (name, index) = (interaction.outcome.name(), interaction.index.to_string());
        let known = kinds.values_mut().find(|(known, _)| *known == name);
        match known {
            Some((_, indexes)) => indexes.push(index),
            None => {
                kinds.insert(kinds.len(), (name, vec![index]));
            }
        }
    }
    let mut words: Vec<String> = kinds
        .into_values()
        .map(|(name, indexes)| format!("{} at {}", name.replace('_', " "), indexes.join(", ")))
        .collect();
    if case.over_time {
        let cost = if case.zeroed {
            "over time: zero"
        } else {
            "over time"
        };
        words.push(cost.to_owned());
    }
    if words.is_empty() {
        "ok".to_owned()
    } else {
        words.join("; ")
    }
}
