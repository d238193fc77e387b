//! The scores of all submissions side by side, and the ranks that they give.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;
use segarena_core::record::CaseRecord;

use super::columns::{Column, scores_of};
use super::settings::{Scheme, Settings};
use crate::statistics::{DRAWS, Interval, Lots};

/// A submission that is ranked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrant<'r> {
    pub(crate) name: &'r str,
    pub(crate) records: &'r [CaseRecord],
}

/// What becomes of cases that not every submission has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Missing {
    /// They count as the worst there can be: the run is over, and nothing will come.
    AreWorst,
    /// They are left out: the run goes on.
    AreLeftOut,
}

/// The merits (higher is better) of the submissions in the cases and columns that count.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    submissions: usize,
    /// The names of the cases, ascending.
    pub(crate) cases: Vec<String>,
    /// The group of each case.
    pub(crate) groups: Vec<String>,
    pub(crate) columns: Vec<Counted>,
}

/// A column that counts.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    pub(crate) column: Column,
    pub(crate) weight: f64,
    /// For each case the merit of every submission; empty for a case without this column.
    pub(crate) merits: Vec<Vec<f64>>,
    /// For each case the rank of every submission in it, as a number to add up.
    ranks: Vec<Vec<f64>>,
}

impl Field {
    /// `cases` are all that were to be evaluated.
    pub(crate) fn new<'c>(
        entrants: &[Entrant<'_>],
        cases: impl Iterator<Item = &'c str>,
        missing: Missing,
        settings: &Settings,
    ) -> Self {
        let by_name: Vec<BTreeMap<&str, &CaseRecord>> = entrants
            .iter()
            .map(|entrant| {
                let records = entrant.records.iter();
                records
                    .map(|record| (record.case.as_str(), record))
                    .collect()
            })
            .collect();
        let is_ranked = |case: &&str| {
            missing == Missing::AreWorst || by_name.iter().all(|records| records.contains_key(case))
        };
        let cases: BTreeSet<&str> = cases.filter(is_ranked).collect();
        let records = entrants.iter().flat_map(|entrant| entrant.records);
        let known = scores_of(records).into_iter().chain([Column::seconds()]);
        let counted = known.map(|column| {
            let weight = settings.weight(&column);
            (column, weight)
        });
        let counted = counted.filter(|(_, weight)| *weight > 0.0);
        let columns = counted.map(|(column, weight)| {
            let merits: Vec<Vec<f64>> = cases
                .iter()
                .map(|case| merits(&column, case, &by_name))
                .collect();
            Counted {
                column,
                weight,
                ranks: merits.iter().map(|merits| shared_ranks(merits)).collect(),
                merits,
            }
        });
        let has_values = |counted: &Counted| counted.merits.iter().any(|merits| !merits.is_empty());
        Self {
            submissions: entrants.len(),
            columns: columns.filter(has_values).collect(),
            groups: cases
                .iter()
                .map(|case| settings.groups.of(case).to_owned())
                .collect(),
            cases: cases.into_iter().map(str::to_owned).collect(),
        }
    }

    /// Whether there is anything to rank by.
    pub(crate) fn is_empty(&self) -> bool {
        self.cases.is_empty() || self.columns.is_empty()
    }

    /// All cases, once each.
    pub(crate) fn all(&self) -> Vec<usize> {
        (0..self.cases.len()).collect()
    }

    /// The cases of a group.
    pub(crate) fn of_group(&self, group: &str) -> Vec<usize> {
        let cases = self.groups.iter().enumerate();
        let cases = cases.filter(|(_, other)| *other == group);
        cases.map(|(case, _)| case).collect()
    }

    /// The groups in place of the cases: each counts the same, however many cases it has.
    pub(crate) fn by_group(&self) -> Self {
        let groups: BTreeSet<&String> = self.groups.iter().collect();
        let members: Vec<Vec<usize>> = groups.iter().map(|group| self.of_group(group)).collect();
        let means = |values: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let of_group = |cases: &Vec<usize>| {
                let mut means = vec![0.0; self.submissions];
                match add_up(values, cases, &mut means) {
                    0 => return Vec::new(),
                    had => means.iter_mut().for_each(|sum| *sum /= had as f64),
                }
                means
            };
            members.iter().map(of_group).collect()
        };
        let columns = self.columns.iter().map(|counted| Counted {
            merits: means(&counted.merits),
            ranks: means(&counted.ranks),
            column: counted.column.clone(),
            weight: counted.weight,
        });
        Self {
            submissions: self.submissions,
            columns: columns.collect(),
            cases: groups.iter().map(|group| (*group).clone()).collect(),
            groups: groups.into_iter().cloned().collect(),
        }
    }

    /// The mean rank of each submission over these cases, each as often as it is named: the lower
    /// the better. Columns count by their weights.
    ///
    /// Mean-then-rank gives a submission its rank by the mean of each column; rank-then-mean gives
    /// it one in each case, and takes their mean. Either way a column counts the same whatever its
    /// scale is (Maier-Hein et al., *Why rankings of biomedical image analysis competitions should
    /// be interpreted with care*, Nature Communications 9:5217, 2018, on the two).
    pub(crate) fn mean_ranks(&self, scheme: Scheme, cases: &[usize]) -> Vec<f64> {
        let mut sums = vec![0.0; self.submissions];
        let mut weights = 0.0;
        let mut means = vec![0.0; self.submissions];
        for counted in &self.columns {
            let values = match scheme {
                Scheme::MeanThenRank => &counted.merits,
                Scheme::RankThenMean => &counted.ranks,
            };
            let had = add_up(values, cases, &mut means);
            if had == 0 {
                continue;
            }
            weights += counted.weight;
            let ranks = match scheme {
                Scheme::MeanThenRank => &shared_ranks(&means),
                Scheme::RankThenMean => {
                    means.iter_mut().for_each(|sum| *sum /= had as f64);
                    &means
                }
            };
            for (sum, rank) in sums.iter_mut().zip(ranks) {
                *sum += counted.weight * rank;
            }
        }
        if weights > 0.0 {
            sums.iter_mut().for_each(|sum| *sum /= weights);
        }
        sums
    }

    /// The place of each submission over these cases, from 1; equals share the better one.
    pub(crate) fn places(&self, scheme: Scheme, cases: &[usize]) -> Vec<usize> {
        let lower_is_better: Vec<f64> = self
            .mean_ranks(scheme, cases)
            .into_iter()
            // Means that are equal on paper may differ in their last bits.
            .map(|rank| -(rank * 1e9).round())
            .collect();
        let places = shared_ranks(&lower_is_better).into_iter();
        places.map(|place| place as usize).collect()
    }

    /// How often each submission has each place when the cases are drawn again.
    pub(crate) fn frequencies(&self, scheme: Scheme) -> Frequencies {
        let cases = self.cases.len();
        let draws = if cases < 2 { 1 } else { DRAWS };
        let drawn = |draw: usize| {
            let chosen = match cases {
                0 | 1 => self.all(),
                _ => {
                    let mut lots = Lots::of_draw(draw);
                    (0..cases).map(|_| lots.below(cases)).collect()
                }
            };
            self.places(scheme, &chosen)
        };
        let places: Vec<Vec<usize>> = (0..draws).into_par_iter().map(drawn).collect();
        let mut counts = vec![vec![0; self.submissions]; self.submissions];
        for draw in places {
            for (counts, place) in counts.iter_mut().zip(draw) {
                counts[place - 1] += 1;
            }
        }
        Frequencies { counts, draws }
    }
}

/// The merit of every submission in a case; empty where no submission has one.
fn merits(column: &Column, case: &str, by_name: &[BTreeMap<&str, &CaseRecord>]) -> Vec<f64> {
    let values: Vec<Option<f64>> = by_name
        .iter()
        .map(|records| column.merit(records.get(case)?))
        .collect();
    if values.iter().all(Option::is_none) {
        return Vec::new();
    }
    let values = values.into_iter();
    // What is no number is no merit either.
    let values = values.map(|value| value.filter(|value| !value.is_nan()));
    values
        .map(|value| value.unwrap_or(column.worst()))
        .collect()
}

/// From 1 for the highest; equals share the better rank.
fn shared_ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*b].total_cmp(&values[*a]));
    let mut ranks = vec![0.0; values.len()];
    let mut rank = 1.0;
    for (place, &index) in order.iter().enumerate() {
        if place > 0 && values[index] != values[order[place - 1]] {
            rank = (place + 1) as f64;
        }
        ranks[index] = rank;
    }
    ranks
}

/// Adds up the values of these cases for each submission; gives how many cases had any.
fn add_up(values: &[Vec<f64>], cases: &[usize], sums: &mut [f64]) -> usize {
    sums.fill(0.0);
    let mut had = 0;
    for &case in cases {
        for (sum, value) in sums.iter_mut().zip(&values[case]) {
            *sum += value;
        }
        had += usize::from(!values[case].is_empty());
    }
    had
}

/// How often each submission had each place.
#[derive(Debug, Clone)]
pub(crate) struct Frequencies {
    /// For each submission the number of draws in which it had the first place, the second, …
    counts: Vec<Vec<usize>>,
    draws: usize,
}

impl Frequencies {
    /// The share of draws in which a submission had a place, from 1.
    pub(crate) fn share(&self, submission: usize, place: usize) -> f64 {
        self.counts[submission][place - 1] as f64 / self.draws as f64
    }

    /// The places that hold the middle 95 % of what was drawn.
    pub(crate) fn interval(&self, submission: usize, place: usize) -> Interval {
        let at = |share: f64| {
            let wanted = (share * (self.draws - 1) as f64).round() as usize;
            let mut passed = 0;
            let places = self.counts[submission].iter();
            let found = places.take_while(|count| {
                passed += **count;
                passed <= wanted
            });
            (found.count() + 1) as f64
        };
        Interval {
            value: place as f64,
            low: at(0.025),
            high: at(0.975),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::sample::{record, sound};

    /// A submission with these final scores, in cases that are numbered.
    fn records(scores: &[f64]) -> Vec<CaseRecord> {
        let cases = scores.iter().enumerate();
        cases
            .map(|(case, score)| record(&format!("{case:03}.npz"), *score, sound()))
            .collect()
    }

    fn field(scores: &[&[f64]], missing: Missing, settings: &Settings) -> Field {
        let records: Vec<Vec<CaseRecord>> = scores.iter().map(|scores| records(scores)).collect();
        let entrants: Vec<Entrant<'_>> = records
            .iter()
            .map(|records| Entrant { name: "", records })
            .collect();
        let most = scores.iter().map(|scores| scores.len()).max().unwrap_or(0);
        let cases: Vec<String> = (0..most).map(|case| format!("{case:03}.npz")).collect();
        Field::new(
            &entrants,
            cases.iter().map(String::as_str),
            missing,
            settings,
        )
    }

    fn worst(scores: &[&[f64]]) -> Field {
        field(scores, Missing::AreWorst, &Settings::default())
    }

    fn places(field: &Field) -> [Vec<usize>; 2] {
        Scheme::ALL.map(|scheme| field.places(scheme, &field.all()))
    }

    #[test]
    fn the_two_schemes_can_disagree_and_do_so_as_on_paper() {
        // The first wins two cases of three by a little, the second one by far.
        let field = worst(&[&[0.6, 0.6, 0.1], &[0.5, 0.5, 0.9]]);
        assert_eq!(places(&field), [vec![2, 1], vec![1, 2]]);
        let ranks = field.mean_ranks(Scheme::RankThenMean, &field.all());
        assert_eq!(ranks, [4.0 / 3.0, 5.0 / 3.0]);
    }

    #[test]
    fn equals_share_the_better_rank() {
        let field = worst(&[&[0.5], &[0.7], &[0.5]]);
        assert_eq!(places(&field), [vec![2, 1, 2], vec![2, 1, 2]]);
    }

    #[test]
    fn a_missing_case_is_the_worst_when_all_is_over_and_left_out_before() {
        let scores: [&[f64]; 2] = [&[0.9, 0.9], &[0.91]];
        assert_eq!(places(&worst(&scores))[0], [1, 2]);
        let going_on = field(&scores, Missing::AreLeftOut, &Settings::default());
        assert_eq!(going_on.cases.len(), 1);
        assert_eq!(places(&going_on)[0], [2, 1]);
    }

    #[test]
    fn of_running_times_the_shorter_is_better_and_a_missing_one_the_worst() {
        let mut quick = records(&[0.1, 0.1]);
        quick[0].total_seconds = 1.0;
        quick[1].total_seconds = 1.0;
        let slow = records(&[0.9, 0.9]);
        let missing = records(&[0.9]);
        let settings = Settings {
            weights: [("seconds".to_owned(), 1.0)].into(),
            ..Settings::default()
        };
        let entrants = [&slow, &quick, &missing].map(|records| Entrant { name: "", records });
        let cases = ["000.npz", "001.npz"].into_iter();
        let field = Field::new(&entrants, cases, Missing::AreWorst, &settings);
        assert_eq!(places(&field), [vec![2, 1, 3], vec![2, 1, 3]]);
    }

    #[test]
    fn weights_decide_what_counts() {
        let mut a = records(&[0.5]);
        a[0].interactions[5].dsc = 0.9;
        let mut b = records(&[0.6]);
        b[0].interactions[5].dsc = 0.8;
        let entrants = [&a, &b].map(|records| Entrant { name: "", records });
        let of = |weights: &[(&str, f64)]| {
            let weights = weights
                .iter()
                .map(|(id, weight)| ((*id).to_owned(), *weight));
            let settings = Settings {
                weights: weights.collect(),
                ..Settings::default()
            };
            let cases = ["000.npz"].into_iter();
            let field = Field::new(&entrants, cases, Missing::AreWorst, &settings);
            field.places(Scheme::MeanThenRank, &field.all())
        };
        assert_eq!(of(&[]), [2, 1]);
        assert_eq!(of(&[("dsc_final", 1.0)]), [1, 2]);
        assert_eq!(of(&[("dsc_final", 2.0), ("nsd_final", 1.0)]), [1, 2]);
        assert_eq!(of(&[("dsc_final", 1.0), ("nsd_final", 2.0)]), [2, 1]);
    }

    #[test]
    fn a_submission_that_is_always_better_is_surely_first() {
        let better: Vec<f64> = (0..20).map(|i| 0.5 + f64::from(i) * 0.01).collect();
        let worse: Vec<f64> = better.iter().map(|v| v - 0.1).collect();
        let field = worst(&[&worse, &better, &better]);
        for scheme in Scheme::ALL {
            let found = field.frequencies(scheme);
            assert_eq!(found.share(0, 3), 1.0);
            assert_eq!((found.share(1, 1), found.share(2, 1)), (1.0, 1.0));
            let interval = found.interval(0, 3);
            assert_eq!((interval.low, interval.high), (3.0, 3.0));
        }
    }

    #[test]
    fn rank_frequencies_are_those_of_all_ways_to_draw_again() {
        // Of 4⁴ ways to draw four cases, the first submission wins those with more than two of
        // its two cases, and shares the first place where they are as many.
        let field = worst(&[&[1.0, 1.0, 0.0, 0.0], &[0.0, 0.0, 1.0, 1.0]]);
        let ways = 256.0;
        // At least two of four draws fall on the two cases that it wins: 1 − (1 + 4) / 16.
        let expected = (ways - 5.0 * 16.0) / ways;
        for scheme in Scheme::ALL {
            let share = field.frequencies(scheme).share(0, 1);
            assert!((share - expected).abs() < 0.03, "{share} {expected}");
        }
    }

    #[test]
    fn a_rank_that_hangs_on_single_cases_has_a_wide_interval() {
        let a: Vec<f64> = (0..10).map(|i| f64::from(i % 2)).collect();
        let b: Vec<f64> = (0..10).map(|i| f64::from((i + 1) % 2) * 0.99).collect();
        let field = worst(&[&a, &b]);
        let interval = field.frequencies(Scheme::MeanThenRank).interval(0, 1);
        assert_eq!((interval.low, interval.high), (1.0, 2.0));
    }

    #[test]
    fn groups_count_the_same_however_many_cases_they_have() {
        let cases = ["A_1.npz", "A_2.npz", "A_3.npz", "B_1.npz"];
        let of = |scores: [f64; 4]| -> Vec<CaseRecord> {
            let pairs = cases.iter().zip(scores);
            pairs
                .map(|(case, score)| record(case, score, sound()))
                .collect()
        };
        let (a, b) = (of([0.6, 0.6, 0.6, 0.4]), of([0.5, 0.5, 0.5, 0.6]));
        let entrants = [&a, &b].map(|records| Entrant { name: "", records });
        let settings = Settings::default();
        let field = Field::new(&entrants, cases.into_iter(), Missing::AreWorst, &settings);
        assert_eq!(places(&field), [vec![1, 2], vec![1, 2]]);
        // 0.5 and 0.55; and each is first in one group.
        assert_eq!(places(&field.by_group()), [vec![2, 1], vec![1, 1]]);
    }

    #[test]
    fn nothing_to_rank_by_is_said() {
        assert!(worst(&[&[], &[]]).is_empty());
        let one = worst(&[&[0.5]]);
        assert!(!one.is_empty());
        assert_eq!(one.frequencies(Scheme::RankThenMean).share(0, 1), 1.0);
    }
}
