//! Instances: which of a prediction's objects are which of the truth's, and how well.
//!
//! The values of both volumes are bytes, 0 being background; each other value is an instance.

use ndarray::{Array2, Array3, ArrayView3};
use serde::{Deserialize, Serialize};

use super::components::face_components;
use super::rows::{equal_length, row_of};
use super::runs::{Run, RunMask};
use super::score::mean;
use super::{OverlapTable, optimal_assignment};

/// Two instances match when their intersection over union is at least this.
pub const LEAST_IOU: f64 = 0.5;

/// An instance of the truth and the instance of the prediction it was matched with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct InstancePair {
    /// The value of the truth's.
    pub truth: u8,
    /// The value of the prediction's.
    pub prediction: u8,
    /// Voxels of the truth's.
    pub truth_voxels: u64,
    /// Voxels of the prediction's.
    pub prediction_voxels: u64,
    /// Voxels of both.
    pub both: u64,
    /// Intersection over union.
    pub iou: f64,
    /// The Dice similarity coefficient.
    pub dsc: f64,
}

/// How well a prediction's instances are those of the truth.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstanceScores {
    /// F1 of the matches: 2PR/(P+R), 0 where undefined.
    pub f1: f64,
    /// The mean DSC of the matched pairs, 0 if there are none.
    pub dsc_tp: f64,
    /// Instances of the truth.
    pub truth_instances: u64,
    /// Instances of the prediction.
    pub prediction_instances: u64,
    /// Matched pairs.
    pub true_positives: u64,
    /// Instances of the prediction that match none.
    pub false_positives: u64,
    /// Instances of the truth that match none. 0 where the prediction has no instance, as the
    /// challenge counts.
    pub false_negatives: u64,
    /// The matched pairs, by the truth's values ascending.
    pub pairs: Vec<InstancePair>,
}

/// Matches instances as the challenge does: an optimal assignment of the costs
/// −\[IoU ≥ 0.5\] − IoU / (2·min(n, m)) for n instances of the truth and m of the prediction; a
/// pair of it matches if its IoU is at least `LEAST_IOU`.
///
/// A prediction that is one mask is to be split before, by [`split_single_mask`].
///
/// # Panics
/// If the shapes differ or one is not in C order.
pub fn score_instances(
    truth: ArrayView3<'_, u8>,
    prediction: ArrayView3<'_, u8>,
) -> InstanceScores {
    let table = OverlapTable::new(truth, prediction);
    let truths = instances(&table.truth_voxels());
    let predictions = instances(&table.prediction_voxels());
    let pairs = matches(&table, &truths, &predictions);
    let matched = pairs.len() as u64;
    let (unmatched, missed) = match predictions.len() {
        0 => (0, 0),
        many => (many as u64 - matched, truths.len() as u64 - matched),
    };
    let dsc_tp = match pairs.len() {
        0 => 0.0,
        _ => mean(pairs.iter().map(|pair| pair.dsc)),
    };
    InstanceScores {
        f1: f1(matched as f64, unmatched as f64, missed as f64),
        dsc_tp,
        truth_instances: truths.len() as u64,
        prediction_instances: predictions.len() as u64,
        true_positives: matched,
        false_positives: unmatched,
        false_negatives: missed,
        pairs,
    }
}

/// The values that are instances, each with its voxels, ascending.
fn instances(voxels: &[u64; 256]) -> Vec<(u8, u64)> {
    let values = (0..=255u8).zip(voxels.iter().copied());
    values
        .filter(|&(value, count)| value != 0 && count != 0)
        .collect()
}

fn matches(
    table: &OverlapTable,
    truths: &[(u8, u64)],
    predictions: &[(u8, u64)],
) -> Vec<InstancePair> {
    let pair = |(row, column): (usize, usize)| {
        let ((truth, truth_voxels), (prediction, prediction_voxels)) =
            (truths[row], predictions[column]);
        let both = table.both(truth, prediction);
        InstancePair {
            truth,
            prediction,
            truth_voxels,
            prediction_voxels,
            both,
            iou: both as f64 / (truth_voxels + prediction_voxels - both) as f64,
            dsc: (2 * both) as f64 / (truth_voxels + prediction_voxels) as f64,
        }
    };
    let shorter = truths.len().min(predictions.len()) as f64;
    let costs = Array2::from_shape_fn((truths.len(), predictions.len()), |at| {
        let iou = pair(at).iou;
        let bonus = if iou >= LEAST_IOU { 1.0 } else { 0.0 };
        -bonus - iou / (2.0 * shorter)
    });
    let assigned = optimal_assignment(costs.view()).into_iter().map(pair);
    assigned.filter(|pair| pair.iou >= LEAST_IOU).collect()
}

fn f1(matched: f64, unmatched: f64, missed: f64) -> f64 {
    if matched == 0.0 {
        return 0.0;
    }
    let precision = matched / (matched + unmatched);
    let recall = matched / (matched + missed);
    2.0 * (precision * recall) / (precision + recall)
}

/// A prediction of exactly two values, split into instances; `None` for any other, which tells
/// its instances apart itself.
///
/// Its 6-connected components of equal values (0 is none) are numbered from 1 in C order of their
/// first voxels; component *c* gets the value *c* + the largest value, modulo 256: beyond 255
/// components values are used again and may be 0.
///
/// # Panics
/// If the volume is not in C order.
pub fn split_single_mask(prediction: ArrayView3<'_, u8>) -> Option<Array3<u8>> {
    let masks = masks_of_two_values(prediction)?;
    let largest = *prediction.iter().max()?;
    let components: Vec<_> = masks.iter().map(face_components).collect();
    // The components of all masks in the order of their first voxels.
    let mut order: Vec<(Run, usize, u32)> = Vec::new();
    for (mask, found) in components.iter().enumerate() {
        let firsts = found.first_runs.iter().zip(0..);
        order.extend(firsts.map(|(&run, component)| (run, mask, component)));
    }
    order.sort_unstable();
    let mut values: Vec<Vec<u8>> = components
        .iter()
        .map(|found| vec![0; found.first_runs.len()])
        .collect();
    let mut value = largest;
    for (_, mask, component) in order {
        value = value.wrapping_add(1);
        values[mask][component as usize] = value;
    }
    let mut split = Array3::zeros(prediction.dim());
    let (_, height, width) = prediction.dim();
    let voxels: &mut [u8] = split.as_slice_mut()?;
    for ((mask, found), values) in masks.iter().zip(&components).zip(&values) {
        for (run, &component) in mask.runs().iter().zip(&found.of_runs) {
            let (z, y) = mask.row_of(*run);
            let row = &mut voxels[(z * height + y) * width..][..width];
            row[run.start as usize..run.end as usize].fill(values[component as usize]);
        }
    }
    Some(split)
}

/// The masks of the values that are not 0, of a volume that has exactly two values.
fn masks_of_two_values(prediction: ArrayView3<'_, u8>) -> Option<Vec<RunMask>> {
    let (depth, height, width) = prediction.dim();
    let first = *prediction.first()?;
    let mut other = None;
    let shape = [depth, height, width];
    let mut masks = [RunMask::new(shape), RunMask::new(shape)];
    for z in 0..depth {
        for y in 0..height {
            let row = row_of(prediction, z, y);
            let mut x = 0;
            while x < width {
                let value = row[x];
                let length = equal_length(&row[x..], &row[x..]);
                if value != first && *other.get_or_insert(value) != value {
                    return None;
                }
                if value != 0 {
                    masks[usize::from(value != first)].push(Run {
                        row: (z * height + y) as u32,
                        start: x as u32,
                        end: (x + length) as u32,
                    });
                }
                x += length;
            }
        }
    }
    other?;
    let found = masks.into_iter().filter(|mask| !mask.runs().is_empty());
    Some(found.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use ndarray::arr3;
    use proptest::prelude::*;

    use super::*;
    use crate::reference;

    fn scores(truth: &Array3<u8>, prediction: &Array3<u8>) -> InstanceScores {
        score_instances(truth.view(), prediction.view())
    }

    #[test]
    fn an_iou_of_exactly_a_half_matches() {
        let truth = arr3(&[[[7, 7, 0, 3]]]);
        let prediction = arr3(&[[[1, 0, 0, 9]]]);
        let found = scores(&truth, &prediction);
        let pairs: Vec<_> = found
            .pairs
            .iter()
            .map(|p| (p.truth, p.prediction))
            .collect();
        assert_eq!(pairs, [(3, 9), (7, 1)]);
        assert_eq!((found.f1, found.dsc_tp), (1.0, (1.0 + 2.0 / 3.0) / 2.0));
    }

    #[test]
    fn of_two_halves_one_is_matched_and_the_other_is_false() {
        let found = scores(&arr3(&[[[1, 1]]]), &arr3(&[[[1, 2]]]));
        assert_eq!(
            (
                found.true_positives,
                found.false_positives,
                found.false_negatives
            ),
            (1, 1, 0)
        );
        assert_eq!(found.f1, 2.0 / 3.0);
    }

    #[test]
    fn a_prediction_of_nothing_counts_nothing_and_scores_zero() {
        let found = scores(&arr3(&[[[1, 2]]]), &arr3(&[[[0, 0]]]));
        assert_eq!(
            (
                found.true_positives,
                found.false_positives,
                found.false_negatives
            ),
            (0, 0, 0)
        );
        assert_eq!((found.f1, found.dsc_tp), (0.0, 0.0));
    }

    #[test]
    fn a_truth_of_nothing_makes_every_instance_false() {
        let found = scores(&arr3(&[[[0, 0]]]), &arr3(&[[[4, 2]]]));
        assert_eq!((found.false_positives, found.truth_instances), (2, 0));
        assert_eq!((found.f1, found.dsc_tp), (0.0, 0.0));
    }

    #[test]
    fn only_a_prediction_of_two_values_is_split() {
        assert_eq!(split_single_mask(arr3(&[[[0, 0]]]).view()), None);
        assert_eq!(split_single_mask(arr3(&[[[0, 1, 2]]]).view()), None);
        assert_eq!(
            split_single_mask(arr3(&[[[0, 5, 0, 5]]]).view()),
            Some(arr3(&[[[0, 6, 0, 7]]]))
        );
        assert_eq!(
            split_single_mask(arr3(&[[[2, 1, 2]]]).view()),
            Some(arr3(&[[[3, 4, 5]]]))
        );
    }

    #[test]
    fn beyond_255_components_values_wrap() {
        let dots = Array3::from_shape_fn((1, 1, 600), |(_, _, x)| u8::from(x % 2 == 0));
        let split = split_single_mask(dots.view()).unwrap();
        let values: Vec<u8> = split.iter().step_by(2).copied().collect();
        assert_eq!((values[0], values[253], values[254]), (2, 255, 0));
        assert_eq!((values[255], values[256], values[299]), (1, 2, 45));
    }

    /// The scores from the IoU of every pair, counted one by one, and the most pairs of at least
    /// a half that can be had, found by trying.
    fn naive(truth: &Array3<u8>, prediction: &Array3<u8>) -> (f64, f64) {
        let values = |volume: &Array3<u8>| -> BTreeSet<u8> {
            volume.iter().copied().filter(|&value| value != 0).collect()
        };
        let (truths, predictions) = (values(truth), values(prediction));
        let mut ious = BTreeMap::new();
        for &t in &truths {
            for &p in &predictions {
                let voxels = || truth.iter().zip(prediction);
                let both = voxels().filter(|&(&a, &b)| a == t && b == p).count() as f64;
                let either = voxels().filter(|&(&a, &b)| a == t || b == p).count() as f64;
                if both / either >= 0.5 {
                    ious.insert((t, p), both / either);
                }
            }
        }
        // Of all sets of pairs the one with the most pairs, and of those the largest sum.
        let pairs: Vec<_> = ious.into_iter().collect();
        let mut best: (usize, f64, f64) = (0, 0.0, 0.0);
        for chosen in 0..1u32 << pairs.len() {
            let set: Vec<_> = (0..pairs.len())
                .filter(|at| chosen >> at & 1 == 1)
                .collect();
            let rows: BTreeSet<_> = set.iter().map(|&at| pairs[at].0.0).collect();
            let columns: BTreeSet<_> = set.iter().map(|&at| pairs[at].0.1).collect();
            if rows.len() < set.len() || columns.len() < set.len() {
                continue;
            }
            let sum: f64 = set.iter().map(|&at| pairs[at].1).sum();
            let dice: f64 = set
                .iter()
                .map(|&at| 2.0 * pairs[at].1 / (1.0 + pairs[at].1))
                .sum();
            if (set.len(), sum) > (best.0, best.1) {
                best = (set.len(), sum, dice);
            }
        }
        let matched = best.0 as f64;
        if matched == 0.0 {
            return (0.0, 0.0);
        }
        let f1 = 2.0 * matched / (truths.len() + predictions.len()) as f64;
        (f1, best.2 / matched)
    }

    proptest! {
        #[test]
        fn scores_are_those_of_the_plainest_count((truth, prediction) in reference::pairs(8)) {
            let found = scores(&truth, &prediction);
            let (f1, dsc_tp) = naive(&truth, &prediction);
            prop_assert!((found.f1 - f1).abs() < 1e-12, "{} {}", found.f1, f1);
            prop_assert!((found.dsc_tp - dsc_tp).abs() < 1e-12, "{} {}", found.dsc_tp, dsc_tp);
        }

        #[test]
        fn a_mask_is_split_as_flooding_splits_it(mask in reference::volumes(2), one in 1..=255u8) {
            let mask = mask.mapv(|voxel| voxel * one);
            let values: BTreeSet<u8> = mask.iter().copied().collect();
            let (numbers, _) = reference::face_components(&mask);
            let largest = u32::from(*values.last().unwrap());
            let expected = numbers.mapv(|number| match number {
                0 => 0,
                number => (number + largest) as u8,
            });
            prop_assert_eq!(
                split_single_mask(mask.view()),
                (values.len() == 2).then_some(expected)
            );
        }

        #[test]
        fn two_values_without_background_are_split_alike(mask in reference::volumes(2)) {
            let mask = mask.mapv(|voxel| voxel + 1);
            let values: BTreeSet<u8> = mask.iter().copied().collect();
            let (numbers, _) = reference::face_components(&mask);
            let expected = numbers.mapv(|number| (number + 2) as u8);
            prop_assert_eq!(
                split_single_mask(mask.view()),
                (values.len() == 2).then_some(expected)
            );
        }
    }
}
