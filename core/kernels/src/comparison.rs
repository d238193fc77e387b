//! A ground truth beside a prediction: what one pass over both says of every label.

use ndarray::ArrayView3;

use super::rows::{agreeing_length, equal_length, row_of};
use super::{LabelVolume, Run, RunMask, VoxelBox};

/// What a pass over truth and prediction counted for one label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LabelOverlap {
    /// Voxels with the label in the truth.
    pub truth: u64,
    /// Voxels with the label in the prediction.
    pub prediction: u64,
    /// Voxels with the label in both.
    pub both: u64,
    /// The bounding box of the voxels with the label in exactly one of the two.
    pub error: Option<VoxelBox>,
    /// The bounding box of the voxels with the label in either.
    pub either: Option<VoxelBox>,
}

/// A ground truth, a prediction of the same shape, and every label's overlap.
///
/// Beside the counts the pass notes in which rows each label is, and, unless they are very many,
/// the stretches in which truth and prediction differ, so that what is asked of one label
/// afterwards costs what there is of that label and not another look at the volume.
pub struct Comparison<'a> {
    truth: &'a LabelVolume,
    prediction: ArrayView3<'a, u8>,
    pass: Pass,
}

/// A stretch of one row in which truth and prediction hold one key each, and not the same.
#[derive(Clone, Copy)]
struct Difference {
    run: Run,
    truth: u8,
    prediction: u8,
}

/// One difference is noted for so many voxels at most: noise would cost more memory than the
/// volume otherwise.
const VOXELS_PER_DIFFERENCE: usize = 16;

/// What the pass finds.
struct Pass {
    labels: Vec<LabelOverlap>,
    /// For each key a bit for each row that has it in either; empty where there is none.
    rows: Vec<Vec<u64>>,
    /// In C order; absent if there were too many.
    differences: Option<Vec<Difference>>,
    most_differences: usize,
    row_count: usize,
}

impl<'a> Comparison<'a> {
    /// Compares in one pass, whatever the number of labels: row by row, by the stretches in which
    /// neither truth nor prediction changes, so that a box grows once for each of these.
    ///
    /// # Panics
    /// If the shapes differ or the prediction is not in C order: whoever read it has seen to both.
    pub fn new(truth: &'a LabelVolume, prediction: ArrayView3<'a, u8>) -> Self {
        Self::noting(truth, prediction, prediction.len() / VOXELS_PER_DIFFERENCE)
    }

    /// Notes so many differences at most.
    fn noting(
        truth: &'a LabelVolume,
        prediction: ArrayView3<'a, u8>,
        most_differences: usize,
    ) -> Self {
        assert_eq!(
            truth.voxels().dim(),
            prediction.dim(),
            "truth and prediction differ in shape"
        );
        let [depth, height, _] = truth.shape();
        let mut pass = Pass {
            labels: vec![LabelOverlap::default(); 256],
            rows: vec![Vec::new(); 256],
            differences: Some(Vec::new()),
            most_differences,
            row_count: depth * height,
        };
        for z in 0..depth {
            for y in 0..height {
                let rows = [row_of(truth.voxels(), z, y), row_of(prediction, z, y)];
                pass.count_row([z, y], z * height + y, rows);
            }
        }
        Self {
            truth,
            prediction,
            pass,
        }
    }

    /// The ground truth.
    pub fn truth(&self) -> &'a LabelVolume {
        self.truth
    }

    /// The prediction, the truth's shape, C order.
    pub fn prediction(&self) -> ArrayView3<'a, u8> {
        self.prediction
    }

    /// The error of the label with this key: the voxels that have it in exactly one of the two.
    pub fn error_runs(&self, key: u8) -> RunMask {
        let Some(bounds) = self.label(key).error else {
            return RunMask::new(self.truth.shape());
        };
        match &self.pass.differences {
            Some(differences) => self.noted_errors(key, bounds, differences),
            None => self.found_errors(key, bounds),
        }
    }

    fn noted_errors(&self, key: u8, bounds: VoxelBox, differences: &[Difference]) -> RunMask {
        let row = |z: usize, y: usize| (z * self.truth.shape()[1] + y) as u32;
        let first = row(bounds.low[0], bounds.low[1]);
        let last = row(bounds.high[0], bounds.high[1]);
        let start = differences.partition_point(|difference| difference.run.row < first);
        let end = differences.partition_point(|difference| difference.run.row <= last);
        let errors = differences[start..end]
            .iter()
            .filter(|difference| difference.truth == key || difference.prediction == key);
        RunMask::from_runs(self.truth.shape(), errors.map(|difference| difference.run))
    }

    /// The same by another look at the label's error box.
    fn found_errors(&self, key: u8, bounds: VoxelBox) -> RunMask {
        let mut error = RunMask::new(self.truth.shape());
        let VoxelBox { low, high } = bounds;
        for z in low[0]..=high[0] {
            for y in (low[1]..=high[1]).filter(|&y| self.has_row(key, z, y)) {
                let row = (z * self.truth.shape()[1] + y) as u32;
                let truth = &row_of(self.truth.voxels(), z, y)[..=high[2]];
                let prediction = &row_of(self.prediction, z, y)[..=high[2]];
                let mut x = low[2];
                while x <= high[2] {
                    let (t, p) = (truth[x], prediction[x]);
                    if t == p {
                        x += agreeing_length(&truth[x..], &prediction[x..]);
                        continue;
                    }
                    let length = equal_length(&truth[x..], &prediction[x..]);
                    if t == key || p == key {
                        error.push(Run {
                            row,
                            start: x as u32,
                            end: (x + length) as u32,
                        });
                    }
                    x += length;
                }
            }
        }
        error
    }

    /// Whether the row at `z`, `y` has a voxel with this key in either.
    pub(super) fn has_row(&self, key: u8, z: usize, y: usize) -> bool {
        let row = z * self.truth.shape()[1] + y;
        let rows = &self.pass.rows[usize::from(key)];
        rows.get(row / 64)
            .is_some_and(|bits| bits >> (row % 64) & 1 == 1)
    }

    /// What was counted for the label with this key.
    pub fn label(&self, key: u8) -> &LabelOverlap {
        &self.pass.labels[usize::from(key)]
    }
}

impl Pass {
    /// Counts one row of both.
    fn count_row(&mut self, [z, y]: [usize; 2], row: usize, [truth, prediction]: [&[u8]; 2]) {
        let mut x = 0;
        while x < truth.len() {
            let (truth_key, prediction_key) = (truth[x], prediction[x]);
            let (t, p) = (usize::from(truth_key), usize::from(prediction_key));
            let length = equal_length(&truth[x..], &prediction[x..]);
            let stretch = VoxelBox {
                low: [z, y, x],
                high: [z, y, x + length - 1],
            };
            let count = length as u64;
            self.labels[t].truth += count;
            self.labels[p].prediction += count;
            self.note_row(t, row);
            grow(&mut self.labels[t].either, stretch);
            if t == p {
                self.labels[t].both += count;
            } else {
                self.note_row(p, row);
                grow(&mut self.labels[p].either, stretch);
                grow(&mut self.labels[t].error, stretch);
                grow(&mut self.labels[p].error, stretch);
                self.note_difference(Difference {
                    run: Run {
                        row: row as u32,
                        start: x as u32,
                        end: (x + length) as u32,
                    },
                    truth: truth_key,
                    prediction: prediction_key,
                });
            }
            x += length;
        }
    }

    fn note_row(&mut self, key: usize, row: usize) {
        let rows = &mut self.rows[key];
        if rows.is_empty() {
            rows.resize(self.row_count.div_ceil(64), 0);
        }
        rows[row / 64] |= 1 << (row % 64);
    }

    fn note_difference(&mut self, difference: Difference) {
        match &mut self.differences {
            Some(differences) if differences.len() < self.most_differences => {
                differences.push(difference);
            }
            differences => *differences = None,
        }
    }
}

fn grow(bounds: &mut Option<VoxelBox>, stretch: VoxelBox) {
    *bounds = Some(bounds.map_or(stretch, |bounds| {
        bounds.with(stretch.low).with(stretch.high)
    }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Voxel, twins};

    fn bounds(voxels: impl Iterator<Item = Voxel>) -> Option<VoxelBox> {
        let mut bounds = None;
        voxels.for_each(|at| grow(&mut bounds, VoxelBox::of(at)));
        bounds
    }

    proptest! {
        #[test]
        fn every_label_is_counted_as_if_alone((truth, prediction) in twins::pairs(4)) {
            let volume = twins::volume(truth.clone());
            let comparison = Comparison::new(&volume, prediction.view());
            // With every difference noted, and with none.
            let comparisons = [usize::MAX, 0]
                .map(|most| Comparison::noting(&volume, prediction.view(), most));
            for key in 0..=255 {
                let with = |wanted: fn(bool, bool) -> bool| -> Vec<Voxel> {
                    let voxels = truth.indexed_iter().zip(&prediction);
                    voxels
                        .filter(|&((_, &t), &p)| wanted(t == key, p == key))
                        .map(|(((z, y, x), _), _)| [z, y, x])
                        .collect()
                };
                let error = with(|t, p| t != p);
                let expected = LabelOverlap {
                    truth: with(|t, _| t).len() as u64,
                    prediction: with(|_, p| p).len() as u64,
                    both: with(|t, p| t && p).len() as u64,
                    error: bounds(error.iter().copied()),
                    either: bounds(with(|t, p| t || p).into_iter()),
                };
                prop_assert_eq!(comparison.label(key), &expected);
                for comparison in &comparisons {
                    prop_assert_eq!(&twins::voxels_of(&comparison.error_runs(key)), &error);
                }
                for z in 0..truth.dim().0 {
                    for y in 0..truth.dim().1 {
                        let row = ndarray::s![z, y, ..];
                        let mut voxels = truth.slice(row).into_iter().chain(prediction.slice(row));
                        prop_assert_eq!(comparison.has_row(key, z, y), voxels.any(|&v| v == key));
                    }
                }
            }
        }
    }
}
