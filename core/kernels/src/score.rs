//! Scores: how good a prediction is, label by label and on average.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::{Comparison, LabelKeys, SurfaceOverlap, surface_overlap};

/// NSD is computed only where the mean DSC is above this.
pub const LEAST_DSC_FOR_NSD: f64 = 0.2;

/// The scores of one label.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelScore {
    /// The label, as the ground truth has it.
    pub label: i64,
    /// The Dice similarity coefficient.
    pub dsc: f64,
    /// The normalised surface Dice.
    pub nsd: f64,
}

/// The scores of a prediction: the means over the labels, and each label's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// The mean DSC.
    pub dsc: f64,
    /// The mean NSD.
    pub nsd: f64,
    /// Every label of the ground truth, ascending.
    pub labels: Vec<LabelScore>,
}

/// What was counted of a label: its scores can be followed from it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LabelCounts {
    /// The label, as the ground truth has it.
    pub label: i64,
    /// Voxels with the label in the truth.
    pub truth_voxels: u64,
    /// Voxels with the label in the prediction.
    pub prediction_voxels: u64,
    /// Voxels with the label in both.
    pub both: u64,
    /// The areas of its surfaces.
    pub surface: SurfaceOverlap,
}

impl LabelCounts {
    /// The scores that these counts give.
    pub fn score(&self) -> LabelScore {
        LabelScore {
            label: self.label,
            dsc: dice(self.truth_voxels, self.prediction_voxels, self.both),
            // A label that is nowhere has been found wherever it is.
            nsd: self.surface.dice().unwrap_or(1.0),
        }
    }
}

impl Scores {
    /// The scores that these counts give; means over no label are not numbers.
    pub fn of_counts(counts: &[LabelCounts]) -> Self {
        let labels: Vec<_> = counts.iter().map(LabelCounts::score).collect();
        Self {
            dsc: mean(labels.iter().map(|label| label.dsc)),
            nsd: mean(labels.iter().map(|label| label.nsd)),
            labels,
        }
    }
}

/// Scores a prediction on the truth's labels as the challenge does: where the mean DSC is at most
/// [`LEAST_DSC_FOR_NSD`], every NSD is 0.
pub fn score(comparison: &Comparison<'_>, tolerance_mm: f64) -> Scores {
    let keys = comparison.truth().keys();
    let overlaps = dice_of_all(comparison, keys);
    if overlaps.dsc > LEAST_DSC_FOR_NSD {
        Scores::of_counts(&count_labels(comparison, keys, tolerance_mm))
    } else {
        overlaps
    }
}

/// Counts these labels' voxels and measures their surfaces, by the keys ascending.
pub fn count_labels(
    comparison: &Comparison<'_>,
    keys: &LabelKeys,
    tolerance_mm: f64,
) -> Vec<LabelCounts> {
    let keys: Vec<_> = keys.iter().collect();
    keys.par_iter()
        .map(|&(label, key)| {
            let overlap = comparison.label(key);
            LabelCounts {
                label,
                truth_voxels: overlap.truth,
                prediction_voxels: overlap.prediction,
                both: overlap.both,
                surface: surface_overlap(comparison, key, tolerance_mm),
            }
        })
        .collect()
}

/// The area under a curve of values one step apart, by the trapezoid rule; 0 for fewer than two.
pub fn area_under_curve(values: &[f64]) -> f64 {
    let areas = values.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
    // The sum of nothing would be -0.0, and look like it in tables.
    areas.fold(0.0, |sum, area| sum + area)
}

fn dice_of_all(comparison: &Comparison<'_>, keys: &LabelKeys) -> Scores {
    let labels: Vec<_> = keys
        .iter()
        .map(|(label, key)| LabelScore {
            label,
            dsc: comparison.label(key).dice(),
            nsd: 0.0,
        })
        .collect();
    let dsc = mean(labels.iter().map(|label| label.dsc));
    Scores {
        dsc,
        nsd: 0.0,
        labels,
    }
}

/// DSC = 2·|P∩G| / (|P| + |G|); 1 where the label is in neither.
pub(crate) fn dice(truth: u64, prediction: u64, both: u64) -> f64 {
    match truth + prediction {
        0 => 1.0,
        all => (2 * both) as f64 / all as f64,
    }
}

pub(crate) fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let values: Vec<f64> = values.collect();
    pairwise_sum(&values) / values.len() as f64
}

/// Sums in the order numpy does, so that a mean is the same to the last bit: eight sums side by
/// side for up to 128 values, halves of a multiple of eight beyond.
fn pairwise_sum(values: &[f64]) -> f64 {
    if values.len() < 8 {
        return values.iter().fold(0.0, |sum, value| sum + value);
    }
    if values.len() > 128 {
        let half = values.len() / 2;
        let (left, right) = values.split_at(half - half % 8);
        return pairwise_sum(left) + pairwise_sum(right);
    }
    let eights = values.chunks_exact(8);
    let rest = eights.remainder();
    let mut sums = [0.0; 8];
    for eight in eights {
        for (sum, value) in sums.iter_mut().zip(eight) {
            *sum += value;
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let sum = ((a + b) + (c + d)) + ((e + f) + (g + h));
    rest.iter().fold(sum, |sum, value| sum + value)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, arr3};

    use super::*;
    use crate::{LabelVolume, Spacing, reference};

    #[test]
    fn a_perfect_prediction_scores_one() {
        let voxels = arr3(&[[[1, 1, 0], [2, 0, 0]]]);
        let truth = reference::volume(voxels.clone());
        let scores = score(&Comparison::new(&truth, voxels.view()), 2.0);
        assert_eq!((scores.dsc, scores.nsd), (1.0, 1.0));
        let last = LabelScore {
            label: 2,
            dsc: 1.0,
            nsd: 1.0,
        };
        assert_eq!(scores.labels[1], last);
    }

    #[test]
    fn a_label_missing_from_the_prediction_scores_zero() {
        let truth = reference::volume(arr3(&[[[1, 1, 0], [2, 0, 0]]]));
        let prediction = arr3(&[[[1, 1, 0], [0, 0, 0]]]);
        let scores = score(&Comparison::new(&truth, prediction.view()), 2.0);
        assert_eq!((scores.dsc, scores.nsd), (0.5, 0.5));
        assert_eq!(
            scores.labels[1],
            LabelScore {
                label: 2,
                dsc: 0.0,
                nsd: 0.0
            }
        );
    }

    #[test]
    fn where_the_mean_dsc_is_low_nsd_is_zero_unless_asked_for() {
        // DSC 2·1 / (1 + 9) is 0.2 exactly: not above it.
        let mut voxels = Array3::zeros((1, 3, 3));
        voxels[[0, 1, 1]] = 7;
        let spacing = Spacing::new([1.0; 3]).unwrap();
        let truth = LabelVolume::new(voxels, spacing);
        let prediction = Array3::from_elem((1, 3, 3), 7);
        let comparison = Comparison::new(&truth, prediction.view());
        let scores = score(&comparison, 2.0);
        assert_eq!(
            (scores.dsc, scores.nsd, scores.labels[0].nsd),
            (0.2, 0.0, 0.0)
        );
        let scores = Scores::of_counts(&count_labels(&comparison, truth.keys(), 2.0));
        assert_eq!(
            (scores.dsc, scores.nsd, scores.labels[0].nsd),
            (0.2, 1.0, 1.0)
        );
    }

    #[test]
    fn the_area_under_a_curve_is_that_of_its_trapezoids() {
        assert_eq!(area_under_curve(&[0.0, 1.0, 1.0, 0.5, 0.5]), 2.75);
        assert_eq!(area_under_curve(&[0.7]), 0.0);
        assert!(area_under_curve(&[0.7]).is_sign_positive());
        assert_eq!(area_under_curve(&[]), 0.0);
    }

    /// Measured: `numpy.mean` of `[0.1 * k for k in range(1, n + 1)]`.
    #[test]
    fn means_are_numpys_to_the_last_bit() {
        for (count, expected) in [
            (3, 0.20000000000000004),
            (7, 0.4),
            (8, 0.45),
            (15, 0.8),
            (100, 5.05),
            (129, 6.5),
            (255, 12.8),
        ] {
            let values: Vec<f64> = (1..=count).map(|k| 0.1 * f64::from(k)).collect();
            assert_eq!(mean(values.into_iter()), expected, "of {count}");
        }
    }
}
