//! Every figure of a report, for the page and for export.

use rayon::prelude::*;
use segarena_core::record::CaseRecord;

use super::board::{Board, Significance};
use super::charts::{self, Bars, Curve, Named, Verdict};
use super::tables::{Start, at_interactions, mean_at, most_interactions, share_of_limit};
use super::views::{Team, View};
use super::{tables, text};
use crate::ranking::Column;

/// A figure and where it belongs.
pub(super) struct Figure {
    /// Its file's name.
    pub(super) id: String,
    pub(super) part: Part,
    /// The view's number; none for one that belongs to every view.
    pub(super) view: Option<usize>,
    /// In the page's own ink.
    pub(super) svg: String,
}

/// The part of the page that a figure stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Scores,
    /// A submission by itself.
    Own,
    Ranking,
    Times,
    /// Only exported: the page draws the heatmap from its data, and has no room for each group's
    /// distributions of very many submissions.
    Exported,
}

/// A probability of chance below this is called significant.
pub(super) const LEVEL: f64 = 0.05;

/// With more submissions the distributions by group are only exported.
const MOST_BY_GROUP: usize = 20;

pub(super) fn figures(board: &Board<'_>, tested: &[Significance]) -> Vec<Figure> {
    let views = board.views.par_iter().enumerate();
    let mut figures: Vec<Figure> = views
        .flat_map_iter(|(number, view)| of_view(board, number, view))
        .collect();
    figures.extend(ranking(board, tested));
    let own = board.with_cases().par_iter().map(|team| own(board, team));
    figures.extend(own.flatten_iter().collect::<Vec<_>>());
    figures.extend(heatmap(board));
    figures
}

fn named(team: &Team<'_>) -> Named {
    Named::new(team.index, team.name.clone())
}

fn names(board: &Board<'_>) -> Vec<Named> {
    board.with_cases().iter().map(named).collect()
}

/// Curves over the interactions, then distributions over the cases, then times.
fn of_view(board: &Board<'_>, number: usize, view: &View) -> Vec<Figure> {
    let figure = |part, id: String, svg: Option<String>| {
        svg.map(|svg| Figure {
            id: format!("{id}{}", file_suffix(view)),
            part,
            view: Some(number),
            svg,
        })
    };
    let mut figures = Vec::new();
    let starts = match tables::has_curves(board) {
        true => tables::starts(board),
        false => Vec::new(),
    };
    let measures = tables::measures(board);
    for &start in &starts {
        for name in &measures {
            let curve = |team: &Team<'_>| {
                let means = (0..most_interactions(board))
                    .map(|index| mean_at(team, view, start, name, index));
                Curve::of_means(named(team), means)
            };
            let curves: Vec<Curve> = board.with_cases().iter().map(curve).collect();
            let kind = match starts.len() {
                1 => String::new(),
                _ => format!(", cases {}", start.name()),
            };
            let title = format!("Mean {name} after each interaction{kind}{}", view.suffix());
            let id = match (starts.len(), start) {
                (2, Start::FirstClick) => format!("curve_{}_without_box", name.to_lowercase()),
                _ => format!("curve_{}", name.to_lowercase()),
            };
            figures.extend(figure(Part::Scores, id, charts::curves(&title, &curves)));
        }
    }
    if *view == View::MeanOfGroups {
        return figures;
    }
    let is_shown = number == 0 || board.ranked <= MOST_BY_GROUP;
    let shown = |part| if is_shown { part } else { Part::Exported };
    for column in board.columns.iter().filter(|column| is_share(column)) {
        let rows = rows(board, view, |case| column.of(case));
        let title = format!("{} of each case{}", column.name, view.suffix());
        let svg = charts::bars(&title, &rows, Bars::Score);
        figures.extend(figure(
            shown(Part::Scores),
            format!("cases_{}", column.id),
            svg,
        ));
    }
    for (at, kind) in tables::kinds(board).into_iter().enumerate() {
        let of_kind =
            |case: &CaseRecord| share_of_limit(case).filter(|_| tables::is_on_kind(case, kind));
        let rows = rows(board, view, of_kind);
        let on = kind.map(|kind| format!(", on {}", text::line(kind)));
        let title = format!(
            "Running time of each case, of its limit{}{}",
            on.unwrap_or_default(),
            view.suffix()
        );
        let id = match kind {
            None => "times".to_owned(),
            Some(_) => format!("times_machine_{}", at + 1),
        };
        let svg = charts::bars(&title, &rows, Bars::Share);
        figures.extend(figure(shown(Part::Times), id, svg));
    }
    figures
}

/// Whether a column runs from 0 to 1, as all do but areas.
fn is_share(column: &Column) -> bool {
    !column.id.ends_with("_auc")
}

fn rows(
    board: &Board<'_>,
    view: &View,
    value: impl Fn(&CaseRecord) -> Option<f64>,
) -> Vec<(Named, Vec<f64>)> {
    let teams = board.with_cases().iter();
    let row = |team: &Team<'_>| {
        let cases = team.cases(view);
        let values = cases.iter().filter_map(|case| value(case)).collect();
        (named(team), values)
    };
    let rows = teams.map(row);
    rows.filter(|(_, values): &(Named, Vec<f64>)| !values.is_empty())
        .collect()
}

/// The end of a file's name: nothing for all cases.
fn file_suffix(view: &View) -> String {
    let name = match view {
        View::All => return String::new(),
        View::MeanOfGroups => "mean_of_groups".to_owned(),
        View::Group(group) => format!("group_{group}"),
    };
    format!("_{}", file_name(&name))
}

/// A name as a part of a file's name: letters, digits, dashes and underscores.
pub(super) fn file_name(name: &str) -> String {
    let plain = |letter: char| match letter.is_ascii_alphanumeric() || letter == '-' {
        true => letter,
        false => '_',
    };
    name.chars().take(80).map(plain).collect()
}

/// How sure the ranks are: how often each was had, and which differences are significant.
fn ranking(board: &Board<'_>, tested: &[Significance]) -> Vec<Figure> {
    let mut figures = Vec::new();
    if board.ranked < 2 || board.field.is_empty() {
        return figures;
    }
    let names = names(board);
    let schemes = [board.settings.scheme, board.settings.scheme.other()];
    for (scheme, frequencies) in schemes.iter().zip(&board.frequencies) {
        let title = format!("How often each rank is had, {}", scheme.name());
        let svg = charts::blobs(&title, &names, |row, rank| frequencies.share(row, rank));
        figures.extend(svg.map(|svg| Figure {
            id: format!("ranks_{}", scheme.name().replace('-', "_")),
            part: Part::Ranking,
            view: None,
            svg,
        }));
    }
    for of_column in tested {
        let verdicts = of_column.verdicts(board.ranked);
        let title = format!("Significant differences in {}", of_column.column.name);
        let svg = charts::significance(&title, &names, |row, column| verdicts[row][column]);
        figures.extend(svg.map(|svg| Figure {
            id: format!("significance_{}", of_column.column.id),
            part: Part::Ranking,
            view: None,
            svg,
        }));
    }
    figures
}

impl Significance {
    /// What is said of each submission (first index) beside each other one.
    fn verdicts(&self, submissions: usize) -> Vec<Vec<Verdict>> {
        let mut verdicts = vec![vec![Verdict::Undecided; submissions]; submissions];
        for pair in self
            .pairs
            .iter()
            .filter(|pair| pair.corrected < LEVEL && pair.sign != 0)
        {
            let (better, worse) = match pair.sign {
                1 => (pair.first, pair.second),
                _ => (pair.second, pair.first),
            };
            verdicts[better][worse] = Verdict::Better;
            verdicts[worse][better] = Verdict::Worse;
        }
        verdicts
    }
}

/// A submission by itself, with the spread over its cases.
fn own(board: &Board<'_>, team: &Team<'_>) -> Vec<Figure> {
    if !tables::has_curves(board) {
        return Vec::new();
    }
    let cases = team.cases(&View::All);
    let starts = tables::starts(board);
    let of_start = |start: Start| {
        let title = match starts.len() {
            1 => format!("{} {}", team.index + 1, team.name),
            _ => format!("{} {}, cases {}", team.index + 1, team.name, start.name()),
        };
        let scores = ["DSC", "NSD"].map(|name| at_interactions(&cases, start, name));
        let kind = match (starts.len(), start) {
            (2, Start::FirstClick) => "_without_box",
            _ => "",
        };
        charts::spread(&title, &scores).map(|svg| Figure {
            id: format!(
                "submission_{}_{}{kind}",
                team.index + 1,
                file_name(&team.name)
            ),
            part: Part::Own,
            view: None,
            svg,
        })
    };
    starts.iter().copied().filter_map(of_start).collect()
}

/// The final score of every submission in every case.
fn heatmap(board: &Board<'_>) -> Option<Figure> {
    let column = board.columns.iter().find(|column| is_share(column))?;
    let cells: Vec<Vec<Option<f64>>> = board
        .with_cases()
        .iter()
        .map(|team| {
            let by_name = super::data::by_name(team);
            let values = super::data::cases(board).into_iter().map(|(_, case)| {
                by_name
                    .get(case.as_str())
                    .and_then(|record| column.of(record))
            });
            values.collect()
        })
        .collect();
    let title = text::line(&format!("{} of every case", column.name));
    charts::heatmap(&title, &names(board), &cells).map(|svg| Figure {
        id: "heatmap".to_owned(),
        part: Part::Exported,
        view: None,
        svg,
    })
}
