//! The overlaps of all pairs of values of two volumes, counted in one pass.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::rows::equal_length;

/// How many values a byte has.
const VALUES: usize = 256;
/// Voxels that are counted at a stretch, so that there is one table per thread and not per row.
const STRETCH: usize = 1 << 20;

/// For each pair of a truth's value and a prediction's the number of voxels that have both: a
/// contingency table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverlapTable {
    /// `counts[truth * 256 + prediction]`.
    counts: Vec<u64>,
}

impl OverlapTable {
    /// Counts two volumes of one shape.
    ///
    /// # Panics
    /// If the shapes differ or one is not in C order: whoever read them has seen to both.
    pub fn new(truth: ArrayView3<'_, u8>, prediction: ArrayView3<'_, u8>) -> Self {
        assert_eq!(
            truth.dim(),
            prediction.dim(),
            "truth and prediction differ in shape"
        );
        let truth = truth.to_slice().expect("volumes are in C order");
        let prediction = prediction.to_slice().expect("volumes are in C order");
        let stretches = truth
            .par_chunks(STRETCH)
            .zip(prediction.par_chunks(STRETCH));
        stretches
            .fold(Self::empty, |table, (truth, prediction)| {
                table.with(truth, prediction)
            })
            .reduce(Self::empty, Self::sum)
    }

    fn empty() -> Self {
        Self {
            counts: vec![0; VALUES * VALUES],
        }
    }

    fn with(mut self, truth: &[u8], prediction: &[u8]) -> Self {
        let mut at = 0;
        while at < truth.len() {
            let length = equal_length(&truth[at..], &prediction[at..]);
            let pair = usize::from(truth[at]) * VALUES + usize::from(prediction[at]);
            self.counts[pair] += length as u64;
            at += length;
        }
        self
    }

    fn sum(mut self, other: Self) -> Self {
        let pairs = self.counts.iter_mut().zip(other.counts);
        pairs.for_each(|(count, more)| *count += more);
        self
    }

    /// Voxels that have `truth` in the truth and `prediction` in the prediction.
    pub fn both(&self, truth: u8, prediction: u8) -> u64 {
        self.counts[usize::from(truth) * VALUES + usize::from(prediction)]
    }

    /// For each value how many voxels of the truth have it.
    pub fn truth_voxels(&self) -> [u64; VALUES] {
        let mut voxels = [0; VALUES];
        for (sum, row) in voxels.iter_mut().zip(self.counts.chunks_exact(VALUES)) {
            *sum = row.iter().sum();
        }
        voxels
    }

    /// For each value how many voxels of the prediction have it.
    pub fn prediction_voxels(&self) -> [u64; VALUES] {
        let mut voxels = [0; VALUES];
        for row in self.counts.chunks_exact(VALUES) {
            voxels.iter_mut().zip(row).for_each(|(sum, n)| *sum += n);
        }
        voxels
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference;

    proptest! {
        #[test]
        fn overlaps_are_those_counted_voxel_by_voxel((truth, prediction) in reference::pairs(6)) {
            let table = OverlapTable::new(truth.view(), prediction.view());
            let count = |wanted: &dyn Fn(u8, u8) -> bool| {
                let pairs = truth.iter().zip(&prediction);
                pairs.filter(|&(&t, &p)| wanted(t, p)).count() as u64
            };
            for t in 0..7 {
                prop_assert_eq!(table.truth_voxels()[usize::from(t)], count(&|a, _| a == t));
                prop_assert_eq!(table.prediction_voxels()[usize::from(t)], count(&|_, b| b == t));
                for p in 0..7 {
                    prop_assert_eq!(table.both(t, p), count(&|a, b| a == t && b == p));
                }
            }
        }
    }

    #[test]
    fn volumes_longer_than_a_stretch_are_counted_whole() {
        let shape = (3, 1024, 1024);
        let truth = ndarray::Array3::from_shape_fn(shape, |(z, y, _)| (z + y) as u8);
        let prediction = ndarray::Array3::from_shape_fn(shape, |(z, _, _)| z as u8);
        let table = OverlapTable::new(truth.view(), prediction.view());
        assert_eq!(
            table.prediction_voxels()[..4],
            [1 << 20, 1 << 20, 1 << 20, 0]
        );
        assert_eq!(table.truth_voxels(), [3 * 4 * 1024; 256]);
        assert_eq!(table.both(5, 2), 4 * 1024);
    }
}
