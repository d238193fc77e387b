//! Wilcoxon's signed-rank test (*Individual Comparisons by Ranking Methods*, Biometrics Bulletin
//! 1(6), 1945), and Holm's correction for many tests (*A Simple Sequentially Rejective Multiple
//! Test Procedure*, Scandinavian Journal of Statistics 6, 1979). The normal distribution is
//! `statrs`'s; that crate has no signed-rank test.

use statrs::function::erf::erfc;

/// Up to so many differences the distribution is counted out, beyond it is taken as normal.
const COUNTED: usize = 50;

/// What the test says of paired differences.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SignedRank {
    /// Two-sided: how often chance alone gives rank sums so far apart.
    pub(crate) p: f64,
    /// Whether the positive differences have the greater rank sum, 0 where neither has.
    pub(crate) sign: i8,
}

/// Tests whether differences lie around 0. Those that are 0 are left out, as Wilcoxon does; equal
/// sizes share the mean of their ranks. Up to 50 differences the probability is exact, ties and
/// all; beyond, normal with the variance corrected for ties and no correction for continuity, as
/// in scipy. Differences that are not finite are compared as numbers and rank highest.
pub(crate) fn signed_rank(differences: &[f64]) -> SignedRank {
    let mut differing: Vec<f64> = differences
        .iter()
        .copied()
        .filter(|d| *d != 0.0 && !d.is_nan())
        .collect();
    if differing.is_empty() {
        return SignedRank { p: 1.0, sign: 0 };
    }
    differing.sort_by(|a, b| a.abs().total_cmp(&b.abs()));
    // Twice the rank, so that the mean of two ranks is a whole number.
    let doubled = doubled_ranks(&differing);
    let total: u64 = doubled.iter().sum();
    let pairs = differing.iter().zip(&doubled);
    let positive: u64 = pairs.filter(|(d, _)| **d > 0.0).map(|(_, r)| *r).sum();
    let p = match differing.len() {
        n if n <= COUNTED => counted(&doubled, positive.min(total - positive)),
        _ => normal(&doubled, positive),
    };
    SignedRank {
        p,
        sign: (2 * positive).cmp(&total) as i8,
    }
}

/// Twice the ranks of sorted sizes, equals sharing the mean.
fn doubled_ranks(sorted: &[f64]) -> Vec<u64> {
    let ties = sorted.chunk_by(|a, b| a.abs() == b.abs());
    let mut before = 0;
    let ranks = ties.flat_map(|tie| {
        let count = tie.len() as u64;
        let doubled = 2 * before + count + 1;
        before += count;
        std::iter::repeat_n(doubled, tie.len())
    });
    ranks.collect()
}

/// The share of all ways to choose signs whose smaller rank sum is this small.
fn counted(doubled: &[u64], smaller: u64) -> f64 {
    let total: u64 = doubled.iter().sum();
    // ways[s]: in how many ways the positive ones add up to s. They are at most 2⁵⁰.
    let mut ways = vec![0_u64; total as usize + 1];
    ways[0] = 1;
    for &rank in doubled {
        for sum in (rank as usize..ways.len()).rev() {
            ways[sum] += ways[sum - rank as usize];
        }
    }
    let as_far: u64 = ways[..=smaller as usize].iter().sum();
    let all = 2_f64.powi(doubled.len() as i32);
    (2.0 * as_far as f64 / all).min(1.0)
}

/// The same by the normal distribution.
fn normal(doubled: &[u64], positive: u64) -> f64 {
    let total: u64 = doubled.iter().sum();
    // The variance of the sum is a quarter of that of the ranks' squares, which ties lower.
    let squares: f64 = doubled.iter().map(|rank| (*rank as f64).powi(2)).sum();
    let deviation = squares.sqrt() / 2.0;
    let z = (positive as f64 - total as f64 / 2.0).abs() / deviation;
    erfc(z / std::f64::consts::SQRT_2).min(1.0)
}

/// The probabilities of many tests, corrected after Holm: each at most the chance that one of
/// those at least as strong is an accident.
pub(crate) fn holm(probabilities: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let mut corrected = vec![1.0; probabilities.len()];
    let mut highest: f64 = 0.0;
    for (place, &test) in order.iter().enumerate() {
        let left = (probabilities.len() - place) as f64;
        highest = highest.max((left * probabilities[test]).min(1.0));
        corrected[test] = highest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is(differences: &[f64], expected: f64) {
        let found = signed_rank(differences).p;
        assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
    }

    #[test]
    fn few_differences_give_what_scipy_and_r_give() {
        // Darwin's maize, the example of scipy.stats.wilcoxon 1.17: p = 0.041259765625.
        let maize = [49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48].map(f64::from);
        is(&maize, 0.041_259_765_625);
        assert_eq!(signed_rank(&maize).sign, 1);
        // The depression scores of Hollander and Wolfe, the example of R's wilcox.test, two-sided.
        let first = [1830, 500, 1620, 2480, 1680, 1880, 1550, 3060, 1300];
        let second = [878, 647, 598, 2050, 1060, 1290, 1060, 3140, 1290];
        let pairs = first.iter().zip(second);
        let differences: Vec<f64> = pairs.map(|(a, b)| f64::from(a - b)).collect();
        is(&differences, 0.039_062_5);
    }

    #[test]
    fn ties_are_counted_out_exactly() {
        // scipy.stats.wilcoxon with PermutationMethod(n_resamples=inf).
        let tied = [1, -1, 2, 2, 3, -4, 5, 5, 6, 7, 0].map(f64::from);
        is(&tied, 0.041_015_625);
    }

    #[test]
    fn many_differences_give_scipys_normal_probability() {
        // scipy.stats.wilcoxon(…, method="asymptotic", correction=False).
        let sixty: Vec<f64> = (0..60)
            .map(|i| f64::from(i * 37 % 101 - 40) / 10.0)
            .collect();
        is(&sixty, 0.022_633_208_936_007_52);
        let tied: Vec<f64> = (0..80).map(|i| f64::from(i * 7 % 11 - 4)).collect();
        is(&tied, 0.012_191_510_042_753_53);
    }

    #[test]
    fn no_difference_and_one_say_nothing() {
        assert_eq!(signed_rank(&[]), SignedRank { p: 1.0, sign: 0 });
        assert_eq!(signed_rank(&[0.0; 9]).p, 1.0);
        assert_eq!(signed_rank(&[-2.0]), SignedRank { p: 1.0, sign: -1 });
        assert_eq!(signed_rank(&[1.0, -1.0]).sign, 0);
    }

    #[test]
    fn fifty_and_fifty_one_differences_nearly_agree() {
        let some = |n: i32| -> Vec<f64> { (1..=n).map(|i| f64::from(i * 37 % 53 - 17)).collect() };
        let [counted, normal] = [50, 51].map(|n| signed_rank(&some(n)).p);
        assert!((counted - normal).abs() < 0.02, "{counted} {normal}");
    }

    #[test]
    fn many_tests_are_corrected_as_r_does() {
        // p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.005), "holm")
        let corrected = holm(&[0.01, 0.02, 0.03, 0.04, 0.005]);
        let expected = [0.04, 0.06, 0.06, 0.06, 0.025];
        for (found, expected) in corrected.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{corrected:?}");
        }
        assert_eq!(holm(&[0.9, 0.9]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }
}
