//! A ground truth beside a prediction: what one pass over both says of every label.

use ndarray::ArrayView3;
use rayon::prelude::*;

use super::bits::{ByteRow, set_stretch};
use super::pass::{Difference, Differences, Meetings, Pass, Piece, grow};
use super::rows::{RowSet, numbered_row};
use super::score::dice;
use super::{LabelView, Mask, VoxelBox};

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

impl LabelOverlap {
    /// The Dice similarity coefficient, 2·|P∩G| / (|P| + |G|); 1 where the label is in neither.
    pub fn dice(&self) -> f64 {
        dice(self.truth, self.prediction, self.both)
    }
}

/// What the passes over all pieces found.
struct Findings {
    labels: Vec<LabelOverlap>,
    /// For each key the rows that have it in either.
    rows: Vec<RowSet>,
    /// For each key the rows in which it is in exactly one somewhere.
    error_rows: Vec<RowSet>,
    /// So many rows at a time, in C order; absent where there were too many differences.
    rows_per_piece: usize,
    differences: Vec<Option<Differences>>,
}

/// A ground truth, a prediction of the same shape, and every label's overlap.
///
/// Beside the counts the pass notes in which rows each label is and, where they are not very many,
/// the stretches in which truth and prediction differ, so that what is asked of one label
/// afterwards costs what there is of that label and not another look at the volume.
///
/// ```
/// use ndarray::arr3;
/// use segarena_kernels::{Comparison, LabelVolume, Spacing};
///
/// let truth = LabelVolume::new(arr3(&[[[1, 1, 0, 2]]]), Spacing::new([1.0; 3])?);
/// let prediction = arr3(&[[[1, 0, 0, 2]]]);
/// let comparison = Comparison::new(&truth, prediction.view());
/// assert_eq!(comparison.label(1).truth, 2);
/// assert_eq!(comparison.label(1).both, 1);
/// assert_eq!(comparison.error_mask(1).nth(0), Some([0, 0, 1]));
/// assert!(comparison.error_mask(2).is_empty());
/// # Ok::<(), segarena_kernels::SpacingError>(())
/// ```
pub struct Comparison<'a> {
    truth: LabelView<'a>,
    prediction: ArrayView3<'a, u8>,
    findings: Findings,
}

/// Rows are passed over in pieces of about so many voxels, each by any thread.
const VOXELS_PER_PIECE: usize = 1 << 20;
/// One difference is noted for so many voxels at most: where there are more, looking at the voxels
/// again is faster.
const VOXELS_PER_DIFFERENCE: usize = 64;

impl<'a> Comparison<'a> {
    /// Compares in one pass, whatever the number of labels.
    ///
    /// # Panics
    /// If the shapes differ or the prediction is not in C order: whoever read it has seen to both.
    pub fn new(truth: impl Into<LabelView<'a>>, prediction: ArrayView3<'a, u8>) -> Self {
        let truth = truth.into();
        let width = truth.shape()[2].max(1);
        Self::in_pieces(truth, prediction, (VOXELS_PER_PIECE / width).max(1), None)
    }

    /// With so many rows in a piece, and so many differences noted for each piece at most.
    fn in_pieces(
        truth: LabelView<'a>,
        prediction: ArrayView3<'a, u8>,
        rows_per_piece: usize,
        most_differences: Option<usize>,
    ) -> Self {
        assert_eq!(
            truth.voxels().dim(),
            prediction.dim(),
            "truth and prediction differ in shape"
        );
        let all = |voxels: ArrayView3<'a, u8>| voxels.to_slice().expect("volumes are in C order");
        let [_, height, width] = truth.shape();
        let length = (rows_per_piece * width).max(1);
        let truths = all(truth.voxels()).par_chunks(length);
        let pieces = truths.zip(all(prediction).par_chunks(length)).enumerate();
        let passes: Vec<Pass> = pieces
            .map_init(Meetings::new, |meetings, (index, (truth, prediction))| {
                let piece = Piece {
                    truth,
                    prediction,
                    width,
                    height,
                    first_row: index * rows_per_piece,
                };
                let most = most_differences.unwrap_or(truth.len() / VOXELS_PER_DIFFERENCE);
                Pass::over(&piece, meetings, most)
            })
            .collect();
        Self {
            truth,
            prediction,
            findings: Findings::of(truth.shape(), rows_per_piece, passes),
        }
    }

    /// The ground truth.
    pub fn truth(&self) -> LabelView<'a> {
        self.truth
    }

    /// The prediction, the truth's shape, C order.
    pub fn prediction(&self) -> ArrayView3<'a, u8> {
        self.prediction
    }

    /// The error of the label with this key: the voxels that have it in exactly one of the two.
    pub fn error_mask(&self, key: u8) -> Mask {
        self.mask_where(
            key,
            |noted| noted.truth == key || noted.prediction == key,
            |truth, prediction| truth ^ prediction,
        )
    }

    /// The false negatives of the label with this key: its voxels that the prediction missed.
    pub fn missed_mask(&self, key: u8) -> Mask {
        self.mask_where(
            key,
            |noted| noted.truth == key,
            |truth, prediction| truth & !prediction,
        )
    }

    /// The false positives of the label with this key: the voxels predicted where it is not.
    pub fn surplus_mask(&self, key: u8) -> Mask {
        self.mask_where(
            key,
            |noted| noted.prediction == key,
            |truth, prediction| prediction & !truth,
        )
    }

    /// A part of a label's error: told for each difference noted, and for 64 voxels with the key
    /// in truth and prediction.
    fn mask_where(
        &self,
        key: u8,
        is_meant: impl Fn(&Difference) -> bool + Sync,
        select: impl Fn(u64, u64) -> u64 + Sync,
    ) -> Mask {
        let shape = self.truth.shape();
        let Some(bounds) = self.label(key).error else {
            return Mask::new(shape);
        };
        let first = bounds.low[2] / 64;
        let words = first..bounds.high[2] / 64 + 1;
        let rows = &self.findings.error_rows[usize::from(key)];
        let rows = rows.iter().map(|row| row as u32).collect();
        Mask::from_rows(shape, words, rows, |row, words| {
            match self.differences_in(row) {
                Some(differences) => {
                    for noted in differences.iter().filter(|noted| is_meant(noted)) {
                        let place = |x: u32| x as usize - 64 * first;
                        set_stretch(words, place(noted.start)..place(noted.end));
                    }
                }
                None => {
                    let rows = [self.truth.voxels(), self.prediction]
                        .map(|voxels| ByteRow::new(numbered_row(voxels, row)));
                    for (word, bits) in (first..).zip(words) {
                        *bits = select(rows[0].bits(word, key), rows[1].bits(word, key));
                    }
                }
            }
        })
    }

    /// The differences of a row, where they have been noted.
    fn differences_in(&self, row: usize) -> Option<&[Difference]> {
        let piece = row / self.findings.rows_per_piece;
        let differences = self.findings.differences[piece].as_ref()?;
        Some(differences.of_row(row % self.findings.rows_per_piece))
    }

    /// Whether the row at `z`, `y` has a voxel with this key in either.
    pub(super) fn has_row(&self, key: u8, z: usize, y: usize) -> bool {
        self.findings.rows[usize::from(key)].contains(z * self.truth.shape()[1] + y)
    }

    /// What was counted for the label with this key.
    pub fn label(&self, key: u8) -> &LabelOverlap {
        &self.findings.labels[usize::from(key)]
    }
}

impl Findings {
    /// What passes over pieces of so many rows found together.
    fn of(shape: [usize; 3], rows_per_piece: usize, passes: Vec<Pass>) -> Self {
        let mut findings = Self {
            labels: vec![LabelOverlap::default(); 256],
            rows: vec![RowSet::default(); 256],
            error_rows: vec![RowSet::default(); 256],
            rows_per_piece,
            differences: Vec::with_capacity(passes.len()),
        };
        let row_count = shape[0] * shape[1];
        for (index, pass) in passes.into_iter().enumerate() {
            let first = index * rows_per_piece;
            for (label, found) in findings.labels.iter_mut().zip(pass.labels) {
                label.truth += found.truth;
                label.prediction += found.prediction;
                label.both += found.both;
                grow(&mut label.error, found.error);
                grow(&mut label.either, found.either);
            }
            for (rows, found) in findings.rows.iter_mut().zip(&pass.rows) {
                rows.extend(found, first, row_count);
            }
            for (rows, found) in findings.error_rows.iter_mut().zip(&pass.error_rows) {
                rows.extend(found, first, row_count);
            }
            findings.differences.push(pass.differences);
        }
        findings
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{Voxel, reference};

    fn bounds(voxels: &[Voxel]) -> Option<VoxelBox> {
        let mut bounds = None;
        for &at in voxels {
            grow(&mut bounds, Some(VoxelBox::of(at)));
        }
        bounds
    }

    proptest! {
        #[test]
        fn every_label_is_counted_as_if_alone(
            (truth, prediction) in reference::pairs(4),
            rows_per_piece in 1..5usize,
        ) {
            let volume = reference::volume(truth.clone());
            let comparison = Comparison::new(&volume, prediction.view());
            // In one piece and in several, with every difference noted, some, and none.
            let comparisons = [usize::MAX, 3, 0].map(|most| {
                Comparison::in_pieces((&volume).into(), prediction.view(), rows_per_piece, Some(most))
            });
            for key in 0..=255 {
                let with = |wanted: fn(bool, bool) -> bool| -> Vec<Voxel> {
                    let voxels = truth.indexed_iter().zip(&prediction);
                    voxels
                        .filter(|&((_, &t), &p)| wanted(t == key, p == key))
                        .map(|(((z, y, x), _), _)| [z, y, x])
                        .collect()
                };
                let error = with(|t, p| t != p);
                let [missed, surplus] = [with(|t, p| t && !p), with(|t, p| p && !t)];
                let expected = LabelOverlap {
                    truth: with(|t, _| t).len() as u64,
                    prediction: with(|_, p| p).len() as u64,
                    both: with(|t, p| t && p).len() as u64,
                    error: bounds(&error),
                    either: bounds(&with(|t, p| t || p)),
                };
                prop_assert_eq!(comparison.label(key), &expected);
                prop_assert_eq!(&reference::voxels_of(&comparison.error_mask(key)), &error);
                for comparison in &comparisons {
                    prop_assert_eq!(comparison.label(key), &expected);
                    prop_assert_eq!(&reference::voxels_of(&comparison.error_mask(key)), &error);
                    prop_assert_eq!(&reference::voxels_of(&comparison.missed_mask(key)), &missed);
                    prop_assert_eq!(&reference::voxels_of(&comparison.surplus_mask(key)), &surplus);
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
