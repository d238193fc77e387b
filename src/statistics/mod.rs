//! Means with intervals, and tests of paired differences, by resampling and by ranks, which assume
//! nothing of how scores are distributed (Efron and Tibshirani, *An Introduction to the Bootstrap*,
//! 1993, chapters 13 and 15).

mod signed_rank;

use rand_mt::Mt64;

pub(crate) use signed_rank::{holm, signed_rank};

/// How often data are drawn again.
pub(crate) const DRAWS: usize = 2000;
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
    let mut lots = Lots::of_draw(0);
    let mut drawn = vec![0.0; values.len()];
    let means = (0..DRAWS).map(|_| {
        for slot in &mut drawn {
            *slot = values[lots.below(values.len())];
        }
        mean(&drawn)
    });
    middle_of(value, means.collect())
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

/// The lots by which data are drawn again.
pub(crate) struct Lots(Mt64);

impl Lots {
    /// Those of one draw of many, so that draws can be made side by side.
    pub(crate) fn of_draw(draw: usize) -> Self {
        Self(Mt64::new(SEED.wrapping_add(draw as u64)))
    }

    /// Anything from 0 to below `bound`, which is not 0.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }
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
}
