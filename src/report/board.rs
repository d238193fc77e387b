//! The leaderboard: who is first, how sure that is, and what it hangs on.

use std::collections::BTreeSet;

use rayon::prelude::*;
use segarena_core::record::CaseRecord;
use segarena_core::run::{PastRun, PastSubmission};

use super::table::{Cell, Heading, Row, Table};
use super::text;
use super::views::{Team, View, mean_of, values};
use crate::machines::Machines;
use crate::progress::count;
use crate::ranking::{
    Column, Entrant, Field, Frequencies, Missing, Scheme, Settings, left_out, scores_of,
};
use crate::statistics::{holm, mean_with_interval, signed_rank};

/// The submissions in order, and all that ranks them.
pub(super) struct Board<'a> {
    pub(super) teams: Vec<Team<'a>>,
    pub(super) views: Vec<View>,
    /// The scores that the cases have.
    pub(super) columns: Vec<Column>,
    pub(super) settings: &'a Settings,
    pub(super) field: Field,
    /// On what the cases ran.
    pub(super) machines: Machines,
    missing: Missing,
    /// How many of the teams are ranked: the first ones.
    pub(super) ranked: usize,
    /// By the scheme that decides, then by the other one.
    pub(super) frequencies: [Frequencies; 2],
    places: [Vec<usize>; 2],
}

impl<'a> Board<'a> {
    pub(super) fn of(run: &'a PastRun, settings: &'a Settings) -> Self {
        let is_over = run.record.finished.is_some();
        let missing = match is_over {
            true => Missing::AreWorst,
            false => Missing::AreLeftOut,
        };
        let (with_cases, without): (Vec<_>, Vec<_>) = run
            .submissions
            .iter()
            .partition(|team| !team.cases.is_empty());
        let field = field(&with_cases, run, missing, settings);
        let places = field.places(settings.scheme, &field.all());
        let mut order: Vec<(usize, &PastSubmission)> = places.into_iter().zip(with_cases).collect();
        order.sort_by_key(|(place, _)| *place);
        let ordered: Vec<&PastSubmission> = order.into_iter().map(|(_, team)| team).collect();
        let field = self::field(&ordered, run, missing, settings);
        let schemes = [settings.scheme, settings.scheme.other()];
        let records = ordered.iter().flat_map(|team| &team.cases);
        let names = records
            .clone()
            .map(|case| settings.groups.of(&case.case).to_owned());
        let groups: BTreeSet<String> = names.collect();
        let groups: Vec<String> = groups.into_iter().collect();
        let teams = ordered.iter().copied().chain(without).enumerate();
        Self {
            machines: Machines::of(records.clone()),
            columns: scores_of(records),
            views: View::of(&groups),
            ranked: ordered.len(),
            teams: teams
                .map(|(index, team)| Team::new(index, team, &settings.groups))
                .collect(),
            frequencies: schemes.map(|scheme| field.frequencies(scheme)),
            places: schemes.map(|scheme| field.places(scheme, &field.all())),
            settings,
            field,
            missing,
        }
    }

    /// Those with cases.
    pub(super) fn with_cases(&self) -> &[Team<'a>] {
        &self.teams[..self.ranked]
    }

    /// The place of each ranked submission over the cases of a view.
    fn places_of(&self, view: &View) -> Vec<usize> {
        let scheme = self.settings.scheme;
        match view {
            View::All => self.places[0].clone(),
            View::MeanOfGroups => {
                let groups = self.field.by_group();
                groups.places(scheme, &groups.all())
            }
            View::Group(group) => self.field.places(scheme, &self.field.of_group(group)),
        }
    }

    fn do_schemes_disagree(&self) -> bool {
        self.places[0] != self.places[1]
    }

    /// The leaderboard, for every view.
    pub(super) fn table(&self) -> Table {
        let mut headings = vec![Heading::intervals("Rank"), Heading::text("Submission")];
        let columns = self.columns.iter();
        headings.extend(columns.map(|column| Heading::intervals(column.name.clone())));
        headings.push(Heading::numbers("P(rank 1)"));
        let other = self.settings.scheme.other().name();
        if self.do_schemes_disagree() {
            headings.push(Heading::numbers(format!("Rank by {other}")));
        }
        headings.push(Heading::numbers("Cases"));
        headings.push(Heading::numbers("Failed"));
        let views = self.views.par_iter().enumerate();
        let rows = views.flat_map_iter(|(number, view)| {
            let places = self.places_of(view);
            let mut rows: Vec<(usize, Row)> = Vec::new();
            for team in &self.teams {
                let place = places.get(team.index).copied();
                let row = Row {
                    view: Some(number),
                    over: view.name(),
                    cells: self.cells(team, view, place.filter(|_| !self.field.is_empty())),
                };
                rows.push((place.unwrap_or(usize::MAX), row));
            }
            rows.sort_by_key(|(place, _)| *place);
            rows.into_iter().map(|(_, row)| row)
        });
        Table {
            id: "leaderboard",
            title: "Leaderboard",
            caption: self.caption(),
            headings,
            rows: rows.collect(),
        }
    }

    fn caption(&self) -> String {
        let counted: Vec<String> = self
            .field
            .columns
            .iter()
            .map(|counted| match counted.weight {
                1.0 => counted.column.name.to_owned(),
                weight => format!("{} × {weight}", counted.column.name),
            })
            .collect();
        let how = match self.settings.scheme {
            Scheme::MeanThenRank => "mean-then-rank: that of the mean rank in these columns",
            Scheme::RankThenMean => {
                "rank-then-mean: that of the mean of the ranks in each case and column"
            }
        };
        let cases = count(self.field.cases.len(), "case");
        let over = match self.missing {
            Missing::AreWorst => format!(
                "over all {cases} of the run: a case that a submission lacks counts as the \
                 worst, and one that failed as what it scored, 0 without any prediction"
            ),
            Missing::AreLeftOut => {
                format!("over the {cases} that every submission has finished so far")
            }
        };
        format!(
            "Means over a submission's cases, with 95 % bootstrap intervals. The rank is by {how} \
             ({}), {over}.",
            counted.join(", ")
        )
    }

    fn cells(&self, team: &Team<'_>, view: &View, place: Option<usize>) -> Vec<Cell> {
        let cases = team.cases(view);
        let (is_all, has_spread) = (*view == View::All, self.field.cases.len() > 1);
        let rank = match place {
            Some(place) if is_all && has_spread => {
                Cell::interval(self.frequencies[0].interval(team.index, place), [0, 0])
            }
            place => Cell::number(place.map(|place| place as f64), 0),
        };
        let mut cells = vec![rank, team.cell()];
        let scores: Vec<Cell> = self
            .columns
            .par_iter()
            .map(|column| {
                let values = values(&cases, column);
                match (view, values.len()) {
                    (View::MeanOfGroups, _) | (_, 0 | 1) => {
                        let mean = team.over(view, |cases| {
                            mean_of(cases.iter().filter_map(|case| column.of(case)))
                        });
                        Cell::number(mean, 4)
                    }
                    _ => Cell::interval(mean_with_interval(&values), [4, 3]),
                }
            })
            .collect();
        cells.extend(scores);
        let first = place
            .filter(|_| is_all)
            .map(|_| self.frequencies[0].share(team.index, 1));
        cells.push(Cell::share(first));
        if self.do_schemes_disagree() {
            let other = self.places[1].get(team.index).filter(|_| is_all);
            cells.push(Cell::number(other.map(|place| *place as f64), 0));
        }
        let failed = cases.iter().filter(|case| case.has_failure()).count();
        cells.extend([Cell::count(cases.len()), Cell::count(failed)]);
        cells
    }

    /// Both schemes beside each other.
    pub(super) fn schemes(&self) -> Table {
        let schemes = [self.settings.scheme, self.settings.scheme.other()];
        let mut headings = vec![Heading::text("Submission")];
        for scheme in schemes {
            headings.push(Heading::intervals(format!("Rank by {}", scheme.name())));
            headings.push(Heading::numbers(format!("Mean rank, {}", scheme.name())));
            headings.push(Heading::numbers(format!("P(rank 1), {}", scheme.name())));
        }
        let mean_ranks = schemes.map(|scheme| self.field.mean_ranks(scheme, &self.field.all()));
        let row = |team: &Team<'_>| {
            let mut cells = vec![team.cell()];
            let of_schemes = self.frequencies.iter().zip(&self.places).zip(&mean_ranks);
            for ((frequencies, places), mean_ranks) in of_schemes {
                let interval = frequencies.interval(team.index, places[team.index]);
                cells.push(Cell::interval(interval, [0, 0]));
                cells.push(Cell::number(Some(mean_ranks[team.index]), 3));
                cells.push(Cell::share(Some(frequencies.share(team.index, 1))));
            }
            row_of_all(cells)
        };
        let verdict = match self.do_schemes_disagree() {
            true => "They disagree here",
            false => "They agree here",
        };
        Table {
            id: "schemes",
            title: "Ranking schemes",
            caption: format!(
                "Mean-then-rank takes the mean of each column over the cases and ranks it; \
                 rank-then-mean ranks in each case and takes the mean of the ranks. {verdict}. \
                 The intervals hold 95 % of the ranks when the cases are drawn again."
            ),
            headings,
            rows: self.with_cases().iter().map(row).collect(),
        }
    }

    /// What the ranking hangs on.
    pub(super) fn stability(&self) -> Table {
        let whole = &self.places[0];
        let row = |left: &crate::ranking::LeftOut| {
            let named = |at: usize| self.teams[at].name.clone();
            let first = (0..whole.len())
                .filter(|team| left.places[*team] == 1)
                .map(named);
            let farthest = (0..whole.len())
                .max_by_key(|team| (left.places[*team].abs_diff(whole[*team]), usize::MAX - team))
                .filter(|team| left.places[*team] != whole[*team]);
            let farthest = farthest.map_or("none".to_owned(), |team| {
                format!("{}: {} to {}", named(team), whole[team], left.places[team])
            });
            row_of_all(vec![
                Cell::text(text::line(&left.what)),
                Cell::number(left.agreement, 3),
                Cell::text(first.collect::<Vec<_>>().join(", ")),
                Cell::text(farthest),
            ])
        };
        Table {
            id: "stability",
            title: "What the ranking hangs on",
            caption: "The ranking with one group of cases or one column left out: Kendall's τ \
                      with the whole ranking (1: the same order), who is first, and whose rank \
                      changes most."
                .to_owned(),
            headings: vec![
                Heading::text("Left out"),
                Heading::numbers("Kendall's τ"),
                Heading::text("First"),
                Heading::text("Largest change"),
            ],
            rows: left_out(&self.field, self.settings.scheme)
                .iter()
                .map(row)
                .collect(),
        }
    }

    /// Every pair of submissions in every column that counts, tested.
    pub(super) fn significance(&self) -> Vec<Significance> {
        let teams = self.ranked;
        let pairs: Vec<(usize, usize)> = (0..teams)
            .flat_map(|first| (first + 1..teams).map(move |second| (first, second)))
            .collect();
        let of_column = |counted: &crate::ranking::Counted| {
            let tests: Vec<_> = pairs
                .par_iter()
                .map(|&(first, second)| {
                    let merits = counted.merits.iter().filter(|merits| !merits.is_empty());
                    let differences: Vec<f64> = merits
                        .map(|merits| difference(merits[first], merits[second]))
                        .collect();
                    signed_rank(&differences)
                })
                .collect();
            let corrected = holm(&tests.iter().map(|test| test.p).collect::<Vec<_>>());
            let pairs = pairs.iter().zip(tests).zip(corrected);
            Significance {
                column: counted.column.clone(),
                pairs: pairs
                    .map(|((&(first, second), test), corrected)| Pair {
                        first,
                        second,
                        p: test.p,
                        corrected,
                        sign: test.sign,
                    })
                    .collect(),
            }
        };
        self.field.columns.iter().map(of_column).collect()
    }

    /// The tests as a table.
    pub(super) fn significance_table(&self, tested: &[Significance]) -> Table {
        let rows = tested.iter().flat_map(|of_column| {
            of_column.pairs.iter().map(|pair| {
                let better = match pair.sign {
                    0 => "neither",
                    1 => &self.teams[pair.first].name,
                    _ => &self.teams[pair.second].name,
                };
                row_of_all(vec![
                    Cell::text(of_column.column.name.clone()),
                    self.teams[pair.first].cell(),
                    self.teams[pair.second].cell(),
                    Cell::text(better),
                    Cell::number(Some(pair.p), 4),
                    Cell::number(Some(pair.corrected), 4),
                ])
            })
        });
        Table {
            id: "significance",
            title: "Pairs of submissions",
            caption: "Wilcoxon's signed-rank test of each pair over the cases, two-sided, and the \
                      probabilities corrected after Holm for all pairs of a column."
                .to_owned(),
            headings: vec![
                Heading::text("Column"),
                Heading::text("First"),
                Heading::text("Second"),
                Heading::text("Better in most"),
                Heading::numbers("p"),
                Heading::numbers("p, Holm"),
            ],
            rows: rows.collect(),
        }
    }
}

/// Two that are both infinitely bad do not differ.
fn difference(first: f64, second: f64) -> f64 {
    if first == second { 0.0 } else { first - second }
}

fn row_of_all(cells: Vec<Cell>) -> Row {
    Row {
        view: None,
        over: View::All.name(),
        cells,
    }
}

/// A column's tests of all pairs.
pub(super) struct Significance {
    pub(super) column: Column,
    pub(super) pairs: Vec<Pair>,
}

/// Two submissions by their lines in the leaderboard, tested.
pub(super) struct Pair {
    pub(super) first: usize,
    pub(super) second: usize,
    pub(super) p: f64,
    pub(super) corrected: f64,
    /// 1 where the first is better in most, -1 where the second is.
    pub(super) sign: i8,
}

fn field(teams: &[&PastSubmission], run: &PastRun, missing: Missing, settings: &Settings) -> Field {
    let entrants: Vec<Entrant<'_>> = teams
        .iter()
        .map(|team| Entrant {
            name: &team.name,
            records: &team.cases,
        })
        .collect();
    let cases = run.record.cases.iter().map(|case| case.name.as_str());
    // A data set that was since replaced has none of its names left in the record.
    let known: BTreeSet<&str> = cases.collect();
    let done = teams
        .iter()
        .flat_map(|team| &team.cases)
        .map(|case: &CaseRecord| &*case.case);
    let done: BTreeSet<&str> = done.collect();
    let cases = match known.is_disjoint(&done) {
        true => done,
        false => known,
    };
    Field::new(&entrants, cases.into_iter(), missing, settings)
}
