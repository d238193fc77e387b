//! Means with intervals, ranks with intervals, and the test of paired differences: by resampling,
//! which assumes nothing of how scores are distributed (Efron and Tibshirani, *An Introduction to
//! the Bootstrap*, 1993, chapters 13 and 15).

use rand_mt::Mt64;

/// How often data are drawn again.
const DRAWS: usize = 2000;
/// The same answer for the same data.
const SEED: u64 = 0x5e6a_7e4a;

/// A value and the interval that holds 95 % of what resampling gives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) value: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// The mean; 0 for nothing.
pub(crate) fn mean(values: &[f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean with its percentile bootstrap interval.
pub(crate) fn mean_with_interval(values: &[f64]) -> Interval {
    let value = mean(values);
    if values.len() < 2 {
        return Interval {
            value,
            low: value,
            high: value,
        };
    }
    let mut lots = Mt64::new(SEED);
    let mut drawn = vec![0.0; values.len()];
    let means = (0..DRAWS).map(|_| {
        for slot in &mut drawn {
            *slot = values[below(&mut lots, values.len())];
        }
        mean(&drawn)
    });
    middle_of(value, means.collect())
}

/// The rank of each submission. `scores[s][c]` are the scores of submission `s` at case `c`, of the
/// same cases for all.
///
/// In each score the submissions are ranked by its mean (1 is the highest); the lower the sum of
/// these ranks, the better. So a score counts the same whatever its scale is. Equals share the
/// better rank.
pub(crate) fn ranks<const N: usize>(scores: &[Vec<[f64; N]>]) -> Vec<usize> {
    let all: Vec<usize> = (0..scores.first().map_or(0, Vec::len)).collect();
    ranks_over(scores, &all)
}

/// The ranks over these cases, each as often as it is named.
fn ranks_over<const N: usize>(scores: &[Vec<[f64; N]>], cases: &[usize]) -> Vec<usize> {
    let sums: Vec<[f64; N]> = scores
        .iter()
        .map(|of_team| {
            let of_case = |score: usize| cases.iter().map(|&case| of_team[case][score]).sum();
            std::array::from_fn(of_case)
        })
        .collect();
    let in_score = |team: &[f64; N], score: usize| {
        let better = sums.iter().filter(|other| other[score] > team[score]);
        1 + better.count()
    };
    let ranks: Vec<usize> = sums
        .iter()
        .map(|team| (0..N).map(|score| in_score(team, score)).sum())
        .collect();
    let place = |rank: &usize| 1 + ranks.iter().filter(|other| *other < rank).count();
    ranks.iter().map(place).collect()
}

/// The [rank](ranks) of each submission, with its interval when the cases are drawn again.
pub(crate) fn ranks_with_intervals<const N: usize>(scores: &[Vec<[f64; N]>]) -> Vec<Interval> {
    let cases = scores.first().map_or(0, Vec::len);
    let all: Vec<usize> = (0..cases).collect();
    let ranks = ranks_over(scores, &all).into_iter().map(|rank| rank as f64);
    if cases < 2 {
        let sure = |value: f64| Interval {
            value,
            low: value,
            high: value,
        };
        return ranks.map(sure).collect();
    }
    let mut lots = Mt64::new(SEED);
    let mut drawn = vec![Vec::with_capacity(DRAWS); scores.len()];
    let mut chosen = all;
    for _ in 0..DRAWS {
        for case in &mut chosen {
            *case = below(&mut lots, cases);
        }
        for (ranks, rank) in drawn.iter_mut().zip(ranks_over(scores, &chosen)) {
            ranks.push(rank as f64);
        }
    }
    let pairs = ranks.zip(drawn);
    pairs.map(|(rank, drawn)| middle_of(rank, drawn)).collect()
}

/// The probability of a mean difference at least this far from 0 when the sign of each difference
/// is a matter of chance: the two-sided sign-flip permutation test, exact for up to sixteen
/// differences, else by 20 000 draws.
pub(crate) fn sign_flip_test(differences: &[f64]) -> f64 {
    let differing: Vec<f64> = differences.iter().copied().filter(|d| *d != 0.0).collect();
    // Sums that are equal on paper may differ in their last bits.
    let rounding = 1e-12 * differing.iter().map(|d| d.abs()).sum::<f64>();
    let seen = differing.iter().sum::<f64>().abs() - rounding;
    let flipped = |signs: u64| -> f64 {
        let signed = differing.iter().enumerate();
        signed
            .map(|(bit, d)| if signs >> (bit % 64) & 1 == 1 { -d } else { *d })
            .sum()
    };
    if differing.len() <= 16 {
        let ways = 1_u64 << differing.len();
        let as_far = (0..ways)
            .filter(|&signs| flipped(signs).abs() >= seen)
            .count();
        return as_far as f64 / ways as f64;
    }
    let mut lots = Mt64::new(SEED);
    let draws = 20_000;
    let as_far = (0..draws)
        .filter(|_| {
            let mut bits = 0;
            let mut sum = 0.0;
            for (index, difference) in differing.iter().enumerate() {
                if index % 64 == 0 {
                    bits = lots.next_u64();
                }
                sum += if bits & 1 == 1 {
                    -difference
                } else {
                    *difference
                };
                bits >>= 1;
            }
            sum.abs() >= seen
        })
        .count();
    // One more for what was seen itself: the probability is never 0.
    (as_far + 1) as f64 / (draws + 1) as f64
}

/// The middle 95 % of what was drawn.
fn middle_of(value: f64, mut drawn: Vec<f64>) -> Interval {
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| drawn[(share * (drawn.len() - 1) as f64).round() as usize];
    Interval {
        value,
        low: at(0.025),
        high: at(0.975),
    }
}

fn below(lots: &mut Mt64, bound: usize) -> usize {
    (lots.next_u64() % bound as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_of_a_mean_holds_it_and_narrows_with_more_data() {
        let few: Vec<f64> = (0..10).map(|i| f64::from(i % 5)).collect();
        let many: Vec<f64> = (0..1000).map(|i| f64::from(i % 5)).collect();
        let [few, many] = [few, many].map(|values| mean_with_interval(&values));
        assert_eq!((few.value, many.value), (2.0, 2.0));
        assert!(few.low < 2.0 && few.high > 2.0);
        assert!(many.high - many.low < few.high - few.low);
        // The normal interval of 1000 values with standard deviation √2 is ± 0.088.
        assert!((many.high - many.low - 0.175).abs() < 0.02, "{many:?}");
    }

    #[test]
    fn nothing_and_one_value_have_no_spread() {
        assert_eq!(mean_with_interval(&[]).high, 0.0);
        assert_eq!(mean_with_interval(&[0.5]).low, 0.5);
    }

    #[test]
    fn a_submission_that_is_always_better_is_surely_first() {
        let better: Vec<f64> = (0..20).map(|i| 0.5 + f64::from(i) * 0.01).collect();
        let worse: Vec<f64> = better.iter().map(|v| v - 0.1).collect();
        let [worse, better] =
            [worse, better].map(|v| v.into_iter().map(|v| [v]).collect::<Vec<_>>());
        let ranks = ranks_with_intervals(&[worse, better.clone(), better]);
        assert_eq!(
            (ranks[0].low, ranks[0].value, ranks[0].high),
            (3.0, 3.0, 3.0)
        );
        assert_eq!(ranks[1].value, 1.0);
        assert_eq!(ranks[2].value, 1.0, "equals share the better rank");
    }

    #[test]
    fn the_test_of_differences_is_exact_for_few() {
        // All of five differences have one sign: 2 of 32 ways are as far.
        assert_eq!(sign_flip_test(&[1.0; 5]), 2.0 / 32.0);
        assert_eq!(sign_flip_test(&[1.0, -1.0]), 1.0);
        assert_eq!(sign_flip_test(&[0.0, 0.0]), 1.0);
        assert_eq!(sign_flip_test(&[]), 1.0);
        let strong = sign_flip_test(&[1.0; 40]);
        assert!(strong < 1e-4 && strong > 0.0, "{strong}");
    }

    /// The quantiles of the means of all n^n ways to draw n values again.
    fn exact_interval(values: &[f64]) -> [f64; 2] {
        let ways = values.len().pow(values.len() as u32);
        let mut means: Vec<f64> = (0..ways)
            .map(|mut way| {
                let draws = (0..values.len()).map(|_| {
                    let value = values[way % values.len()];
                    way /= values.len();
                    value
                });
                draws.sum::<f64>() / values.len() as f64
            })
            .collect();
        means.sort_by(f64::total_cmp);
        [0.025, 0.975].map(|share| means[(share * (ways - 1) as f64).round() as usize])
    }

    #[test]
    fn the_interval_is_that_of_all_ways_to_draw_again() {
        let values = [0.11, 0.47, 0.52, 0.68, 0.9, 0.93];
        let interval = mean_with_interval(&values);
        let [low, high] = exact_interval(&values);
        assert!((interval.low - low).abs() < 0.015, "{interval:?}, {low}");
        assert!((interval.high - high).abs() < 0.015, "{interval:?}, {high}");
    }

    #[test]
    fn the_test_of_differences_gives_what_others_give() {
        // Darwin's maize, from Fisher, The Design of Experiments, 1935, section 21: of 32768 ways,
        // 863 are at least as far to one side as 314, so 1726 to either.
        let darwin = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48].map(f64::from);
        assert_eq!(sign_flip_test(&darwin), 1726.0 / 32768.0);
        // Twice as many are drawn by lot; 0.003 is three standard errors of 20 000 draws and more.
        let twice = [darwin, darwin].concat();
        let variance: f64 = twice.iter().map(|d| d * d).sum();
        let normal = 2.0 * upper_tail(628.0 / variance.sqrt());
        let drawn = sign_flip_test(&twice);
        assert!((drawn - normal).abs() < 0.003, "{drawn}, {normal}");
    }

    /// The normal distribution's, by Simpson's rule.
    fn upper_tail(from: f64) -> f64 {
        let density = |x: f64| (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
        let step = 1e-3;
        let pieces = (0..10_000).map(|n| from + f64::from(n) * step);
        pieces
            .map(|x| (density(x) + 4.0 * density(x + step / 2.0) + density(x + step)) * step / 6.0)
            .sum()
    }

    #[test]
    fn sums_that_are_equal_on_paper_count_as_equal() {
        // 0.1 + 0.2 - 0.3 is 5e-17 in floats, and of eight ways two are 0 on paper.
        assert_eq!(sign_flip_test(&[0.1, 0.2, -0.3]), 1.0);
    }

    #[test]
    fn every_score_counts_the_same_in_the_rank_whatever_its_scale() {
        // The first wins two scores of three by a little, the second one by far.
        let ranks = ranks_with_intervals(&[vec![[0.9, 0.9, 0.0]], vec![[0.8, 0.8, 4.0]]]);
        assert_eq!((ranks[0].value, ranks[1].value), (1.0, 2.0));
    }

    #[test]
    fn a_rank_that_hangs_on_single_cases_has_a_wide_interval() {
        let a: Vec<[f64; 1]> = (0..10).map(|i| [f64::from(i % 2)]).collect();
        let b: Vec<[f64; 1]> = (0..10).map(|i| [f64::from((i + 1) % 2) * 0.99]).collect();
        let ranks = ranks_with_intervals(&[a, b]);
        assert_eq!(
            (ranks[0].value, ranks[0].low, ranks[0].high),
            (1.0, 1.0, 2.0)
        );
    }
}
