//! A ground truth beside a prediction: what one pass over both says of every label.

use ndarray::ArrayView3;

use super::{LabelVolume, Run, RunMask, Voxel, VoxelBox};

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
pub struct Comparison<'a> {
    truth: &'a LabelVolume,
    prediction: ArrayView3<'a, u8>,
    labels: Vec<LabelOverlap>,
}

impl<'a> Comparison<'a> {
    /// Compares voxel by voxel. One pass, whatever the number of labels.
    ///
    /// # Panics
    /// If the shapes differ: whoever read the prediction has checked that.
    pub fn new(truth: &'a LabelVolume, prediction: ArrayView3<'a, u8>) -> Self {
        assert_eq!(
            truth.voxels().dim(),
            prediction.dim(),
            "truth and prediction differ in shape"
        );
        let mut labels = vec![LabelOverlap::default(); 256];
        for ((at, &t), &p) in truth.voxels().indexed_iter().zip(prediction.iter()) {
            let at = [at.0, at.1, at.2];
            labels[usize::from(t)].truth += 1;
            labels[usize::from(p)].prediction += 1;
            grow(&mut labels[usize::from(t)].either, at);
            if t == p {
                labels[usize::from(t)].both += 1;
            } else {
                grow(&mut labels[usize::from(p)].either, at);
                grow(&mut labels[usize::from(t)].error, at);
                grow(&mut labels[usize::from(p)].error, at);
            }
        }
        Self {
            truth,
            prediction,
            labels,
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
        let mut error = RunMask::new(self.truth.shape());
        let Some(VoxelBox { low, high }) = self.label(key).error else {
            return error;
        };
        let truth = self.truth.voxels();
        for z in low[0]..=high[0] {
            for y in low[1]..=high[1] {
                let row = (z * self.truth.shape()[1] + y) as u32;
                for x in low[2]..=high[2] {
                    let at = [z, y, x];
                    if (truth[at] == key) != (self.prediction[at] == key) {
                        let start = x as u32;
                        error.push(Run {
                            row,
                            start,
                            end: start + 1,
                        });
                    }
                }
            }
        }
        error
    }

    /// What was counted for the label with this key.
    pub fn label(&self, key: u8) -> &LabelOverlap {
        &self.labels[usize::from(key)]
    }
}

fn grow(bounds: &mut Option<VoxelBox>, at: Voxel) {
    *bounds = Some(bounds.map_or(VoxelBox::of(at), |bounds| bounds.with(at)));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::volume::twins;

    fn bounds(voxels: impl Iterator<Item = Voxel>) -> Option<VoxelBox> {
        let mut bounds = None;
        voxels.for_each(|at| grow(&mut bounds, at));
        bounds
    }

    proptest! {
        #[test]
        fn every_label_is_counted_as_if_alone((truth, prediction) in twins::pairs(4)) {
            let volume = twins::volume(truth.clone());
            let comparison = Comparison::new(&volume, prediction.view());
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
                prop_assert_eq!(twins::voxels_of(&comparison.error_runs(key)), error);
            }
        }
    }
}
