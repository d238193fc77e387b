//! Labels made ready to be a ground truth: small pieces dropped, boxes drawn.

use ndarray::{Array3, ArrayView3, Axis};
use rand_mt::Mt;
use segarena_core::npz::GroundTruth;
use segarena_core::prompt::BoundingBox;
use segarena_core::volume::LabelKeys;
use sha2::{Digest, Sha256};

/// The side of the pictures that the challenge's pixels of jitter are told for.
const JITTER_SIDE: u64 = 256;

/// Makes background of each 26-connected piece of a label with fewer voxels, as `cc3d.dust` does.
pub(crate) fn drop_smaller_than(voxels: &mut Array3<u8>, fewest: u64) {
    let (depth, height, width) = voxels.dim();
    let Some(keys) = voxels.as_slice_mut().filter(|_| fewest > 1) else {
        return;
    };
    let mut seen = vec![false; keys.len()];
    let mut waiting = Vec::new();
    let mut piece = Vec::new();
    for first in 0..keys.len() {
        let key = keys[first];
        if key == 0 || seen[first] {
            continue;
        }
        let mut size = 0u64;
        piece.clear();
        seen[first] = true;
        waiting.push(first);
        while let Some(at) = waiting.pop() {
            size += 1;
            // Only the voxels of a small piece are needed again.
            if size < fewest {
                piece.push(at);
            }
            let (z, y, x) = (at / width / height, at / width % height, at % width);
            for z in z.saturating_sub(1)..depth.min(z + 2) {
                for y in y.saturating_sub(1)..height.min(y + 2) {
                    for x in x.saturating_sub(1)..width.min(x + 2) {
                        let near = (z * height + y) * width + x;
                        if !seen[near] && keys[near] == key {
                            seen[near] = true;
                            waiting.push(near);
                        }
                    }
                }
            }
        }
        if size < fewest {
            piece.iter().for_each(|&at| keys[at] = 0);
        }
    }
}

/// The labels that are left after some were dropped, with their keys; `None` where none is.
pub(crate) fn remaining(truth: GroundTruth) -> Option<GroundTruth> {
    let GroundTruth { mut voxels, keys } = truth;
    let mut there = [false; 256];
    voxels
        .iter()
        .for_each(|&key| there[usize::from(key)] = true);
    let is_left = |&(_, key): &(i64, u8)| there[usize::from(key)];
    let left = LabelKeys::new(
        keys.iter()
            .filter(is_left)
            .map(|(label, _)| label)
            .collect(),
    )?;
    let mut new_keys = [0; 256];
    for (label, key) in keys.iter() {
        new_keys[usize::from(key)] = left.key_of(label);
    }
    voxels
        .iter_mut()
        .for_each(|key| *key = new_keys[usize::from(*key)]);
    Some(GroundTruth { voxels, keys: left })
}

/// How boxes are widened by lot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jitter<'a> {
    /// At most so many pixels on each side, in a picture of 256.
    pub(crate) most: u32,
    pub(crate) seed: u64,
    /// Lots differ from case to case, and are the same whatever else is imported.
    pub(crate) case: &'a str,
}

/// The box of each label, ascending: its rectangle is in the middle one of the slices that have the
/// label, its slices are all between the first and the last, as the challenge draws them.
///
/// The rectangle is wider on all four sides by one lot between 0 and the most, in proportion to the
/// picture's sides, and ends at its edges.
pub(crate) fn boxes(truth: &GroundTruth, jitter: Jitter<'_>) -> Vec<BoundingBox> {
    let slices = slices_of_keys(truth.voxels.view());
    let bounds = |(label, key): (i64, u8)| {
        let slices = &slices[usize::from(key)];
        let z_mid = *slices.get(slices.len() / 2)?;
        let tight = rectangle(truth.voxels.view(), z_mid, key)?;
        let [height, width] = [truth.voxels.dim().1, truth.voxels.dim().2];
        let shift = lot(jitter, label);
        let widened = |low: usize, high: usize, side: usize| {
            let by = (shift * side as u64 / JITTER_SIDE) as usize;
            (low.saturating_sub(by), (high + by).min(side - 1))
        };
        let (z_mid_y_min, z_mid_y_max) = widened(tight[0], tight[1], height);
        let (z_mid_x_min, z_mid_x_max) = widened(tight[2], tight[3], width);
        Some(BoundingBox {
            z_min: *slices.first()?,
            z_max: *slices.last()?,
            z_mid,
            z_mid_x_min,
            z_mid_y_min,
            z_mid_x_max,
            z_mid_y_max,
        })
    };
    truth.keys.iter().filter_map(bounds).collect()
}

/// The slices that have each key, in one pass.
fn slices_of_keys(voxels: ArrayView3<'_, u8>) -> Vec<Vec<usize>> {
    let mut slices = vec![Vec::new(); 256];
    for (z, slice) in voxels.axis_iter(Axis(0)).enumerate() {
        let mut there = [false; 256];
        slice.iter().for_each(|&key| there[usize::from(key)] = true);
        for (key, _) in there.iter().enumerate().filter(|&(_, there)| *there) {
            slices[key].push(z);
        }
    }
    slices
}

/// The least and greatest y and x of a key in a slice.
fn rectangle(voxels: ArrayView3<'_, u8>, z: usize, key: u8) -> Option<[usize; 4]> {
    let slice = voxels.index_axis_move(Axis(0), z);
    let found = slice.indexed_iter().filter(|&(_, &found)| found == key);
    found.fold(None, |bounds: Option<[usize; 4]>, ((y, x), _)| {
        let [top, bottom, left, right] = bounds.unwrap_or([y, y, x, x]);
        Some([top.min(y), bottom.max(y), left.min(x), right.max(x)])
    })
}

/// A number from 0 to the most, each as likely.
fn lot(jitter: Jitter<'_>, label: i64) -> u64 {
    let mut hash = Sha256::new();
    hash.update(jitter.seed.to_le_bytes());
    hash.update(label.to_le_bytes());
    hash.update(jitter.case.as_bytes());
    let digest = hash.finalize();
    let mut seed = [0; 4];
    seed.copy_from_slice(&digest[..4]);
    let mut numbers = Mt::new(u32::from_le_bytes(seed));
    let most = u64::from(jitter.most);
    let mask = (most + 1).next_power_of_two() - 1;
    loop {
        let number = u64::from(numbers.next_u32()) & mask;
        if number <= most {
            return number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(voxels: Array3<u8>) -> GroundTruth {
        let mut labels: Vec<i64> = voxels
            .iter()
            .filter(|&&key| key != 0)
            .map(|&key| i64::from(key))
            .collect();
        labels.sort_unstable();
        labels.dedup();
        GroundTruth {
            voxels,
            keys: LabelKeys::new(labels).unwrap(),
        }
    }

    fn jitter(most: u32, case: &str) -> Jitter<'_> {
        Jitter {
            most,
            seed: 42,
            case,
        }
    }

    /// Two labels that wind through the volume.
    fn winding() -> Array3<u8> {
        Array3::from_shape_fn((9, 20, 30), |(z, y, x)| match (z, y, x) {
            (2..=6, y, x) if y == z + 3 && (x + z) % 7 < 3 && x > z => 1,
            (0 | 4 | 5 | 8, 15..18, x) if x > 20 => 7,
            _ => 0,
        })
    }

    #[test]
    fn boxes_are_those_that_the_challenges_rule_draws() {
        let truth = truth(winding());
        let drawn = boxes(&truth, jitter(0, "a"));
        let twins = [1, 7].map(|key| BoundingBox::around(truth.voxels.view(), key).unwrap());
        assert_eq!(drawn, twins);
    }

    #[test]
    fn jitter_widens_all_sides_by_one_lot_in_proportion_and_within_the_picture() {
        let mut voxels = Array3::zeros((1, 512, 256));
        voxels[[0, 256, 128]] = 1;
        voxels[[0, 1, 1]] = 2;
        let truth = truth(voxels);
        let mut shifts = std::collections::BTreeSet::new();
        for case in 0..100 {
            let case = case.to_string();
            let [middle, corner] = boxes(&truth, jitter(5, &case)).try_into().unwrap();
            let shift = 128 - middle.z_mid_x_min;
            assert_eq!(middle.z_mid_x_max, 128 + shift);
            assert_eq!(
                (256 - middle.z_mid_y_min, middle.z_mid_y_max - 256),
                (2 * shift, 2 * shift)
            );
            assert_eq!(
                corner.z_mid_x_min,
                1usize.saturating_sub(corner.z_mid_x_max - 1)
            );
            assert_eq!(boxes(&truth, jitter(5, &case))[0], middle, "the same again");
            shifts.insert(shift);
        }
        assert_eq!(shifts.into_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn small_pieces_go_and_what_touches_by_a_corner_is_one_piece() {
        let mut voxels = Array3::zeros((3, 4, 4));
        for at in [[0, 0, 0], [1, 1, 1], [2, 2, 2]] {
            voxels[at] = 1;
        }
        voxels[[0, 3, 3]] = 1;
        voxels[[0, 2, 3]] = 2;
        let mut dropped = voxels.clone();
        drop_smaller_than(&mut dropped, 2);
        let left: Vec<_> = dropped
            .indexed_iter()
            .filter(|(_, key)| **key != 0)
            .collect();
        assert_eq!(left.len(), 3, "{left:?}");
        assert_eq!(dropped[[2, 2, 2]], 1);
        drop_smaller_than(&mut dropped, 3);
        assert_eq!(dropped.iter().filter(|key| **key != 0).count(), 3);
        drop_smaller_than(&mut dropped, 4);
        assert!(dropped.iter().all(|key| *key == 0));
        for all in [0, 1] {
            let mut same = voxels.clone();
            drop_smaller_than(&mut same, all);
            assert_eq!(same, voxels);
        }
    }

    #[test]
    fn labels_that_are_gone_leave_no_key_behind() {
        let keys = LabelKeys::new(vec![2, 9, 300]).unwrap();
        let voxels = Array3::from_shape_vec((1, 1, 4), vec![0, 2, 2, 1]).unwrap();
        let left = remaining(GroundTruth { voxels, keys }).unwrap();
        assert_eq!(left.keys.labels(), [2, 9]);
        assert_eq!(left.voxels.as_slice().unwrap(), [0, 9, 9, 2]);
        let keys = LabelKeys::new(vec![2]).unwrap();
        let voxels = Array3::zeros((1, 1, 4));
        assert!(remaining(GroundTruth { voxels, keys }).is_none());
    }
}
