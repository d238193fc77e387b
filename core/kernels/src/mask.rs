//! Masks: a bit for each voxel, in those rows that have any.

use std::ops::Range;

use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;

use super::bits::{self, ByteRow};
use super::rows::numbered_row;
use super::{Voxel, VoxelBox};

/// So many rows at least are one thread's.
const ROWS_AT_ONCE: usize = 1024;

/// A mask of voxels.
///
/// It holds a bit for each voxel of the rows (along x) that have a voxel of the mask, between the
/// words of 64 in which the mask begins and ends; rows without any cost nothing.
///
/// ```
/// use ndarray::arr3;
/// use segarena_kernels::Mask;
///
/// let volume = arr3(&[[[0, 7, 7], [0, 0, 7]]]);
/// let mask = Mask::of_key(volume.view(), 7);
/// assert_eq!(mask.voxels(), 3);
/// assert_eq!(mask.nth(2), Some([0, 1, 2]));
/// ```
#[derive(Debug, Clone)]
pub struct Mask {
    /// (z, y, x)
    shape: [usize; 3],
    /// The words kept of each row, counted from x = 0.
    words: Range<usize>,
    /// The numbers (`z * shape[1] + y`) of the rows with a voxel of the mask, ascending.
    rows: Vec<u32>,
    /// `words.len()` words for each of `rows`.
    bits: Vec<u64>,
}

/// Some voxels of a row: bit `i` is the one at x = 64·word + i.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaskWord {
    pub(crate) row: u32,
    pub(crate) word: usize,
    pub(crate) bits: u64,
}

impl Mask {
    /// An empty mask in a volume of this shape (z, y, x).
    pub fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            words: 0..0,
            rows: Vec::new(),
            bits: Vec::new(),
        }
    }

    /// The voxels with this key.
    ///
    /// # Panics
    /// If the volume is not in C order.
    pub fn of_key(voxels: ArrayView3<'_, u8>, key: u8) -> Self {
        let (depth, height, width) = voxels.dim();
        let every_row = (0..(depth * height) as u32).collect();
        let words = 0..width.div_ceil(64);
        Self::from_rows([depth, height, width], words, every_row, |row, words| {
            let bytes = ByteRow::new(numbered_row(voxels, row));
            for (word, bits) in words.iter_mut().enumerate() {
                *bits = bytes.bits(word, key);
            }
        })
    }

    /// A mask of these rows (ascending), each filled by `fill`, which is given the row's number and
    /// its `words`, all 0. Rows that stay empty are left out.
    pub(crate) fn from_rows(
        shape: [usize; 3],
        words: Range<usize>,
        rows: Vec<u32>,
        fill: impl Fn(usize, &mut [u64]) + Sync,
    ) -> Self {
        let count = words.len();
        let mut mask = Self {
            shape,
            words,
            bits: vec![0; rows.len() * count],
            rows,
        };
        if count == 0 {
            return Self::new(shape);
        }
        let pieces = mask.bits.par_chunks_mut(ROWS_AT_ONCE * count);
        let rows = mask.rows.par_chunks(ROWS_AT_ONCE);
        let any_empty = pieces
            .zip(rows)
            .map(|(piece, rows)| {
                let mut any_empty = false;
                for (words, &row) in piece.chunks_exact_mut(count).zip(rows) {
                    fill(row as usize, words);
                    any_empty |= words.iter().all(|&bits| bits == 0);
                }
                any_empty
            })
            .reduce(|| false, |a, b| a || b);
        if any_empty {
            mask.leave_out_empty_rows();
        }
        mask
    }

    /// A mask of some words, some of them perhaps the same ones.
    pub(crate) fn of_words(shape: [usize; 3], mut given: Vec<MaskWord>) -> Self {
        given.sort_unstable_by_key(|word| (word.row, word.word));
        let first = given.iter().map(|word| word.word).min().unwrap_or(0);
        let last = given.iter().map(|word| word.word).max();
        let words = first..last.map_or(first, |last| last + 1);
        let count = words.len();
        let mut mask = Self {
            shape,
            words,
            rows: Vec::new(),
            bits: Vec::new(),
        };
        for MaskWord { row, word, bits } in given {
            if mask.rows.last() != Some(&row) {
                mask.rows.push(row);
                mask.bits.resize(mask.rows.len() * count, 0);
            }
            let start = mask.bits.len() - count;
            mask.bits[start + word - first] |= bits;
        }
        mask
    }

    fn leave_out_empty_rows(&mut self) {
        let count = self.words.len();
        let mut kept = 0;
        for at in 0..self.rows.len() {
            let words = at * count..(at + 1) * count;
            if self.bits[words.clone()].iter().any(|&bits| bits != 0) {
                if kept < at {
                    self.rows[kept] = self.rows[at];
                    self.bits.copy_within(words, kept * count);
                }
                kept += 1;
            }
        }
        self.rows.truncate(kept);
        self.bits.truncate(kept * count);
    }

    /// The shape (z, y, x) of the volume.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Whether it has no voxel.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many voxels the mask has.
    pub fn voxels(&self) -> u64 {
        count(&self.bits)
    }

    /// The smallest box that holds every voxel; `None` if there is none.
    pub fn bounds(&self) -> Option<VoxelBox> {
        let (&first, &last) = (self.rows.first()?, self.rows.last()?);
        let mut y = (usize::MAX, 0);
        let mut any = vec![0; self.words.len()];
        for (row, words) in self.rows() {
            let at = row % self.shape[1];
            y = (y.0.min(at), y.1.max(at));
            for (any, &bits) in any.iter_mut().zip(words) {
                *any |= bits;
            }
        }
        let start = self.words.start * 64;
        let low_x = start + bits::first_set(&any, 0)?;
        let (last_word, &last_bits) = any.iter().enumerate().rfind(|&(_, &bits)| bits != 0)?;
        let high_x = start + last_word * 64 + 63 - last_bits.leading_zeros() as usize;
        Some(VoxelBox {
            low: [first as usize / self.shape[1], y.0, low_x],
            high: [last as usize / self.shape[1], y.1, high_x],
        })
    }

    /// The `n`th voxel of the mask in C order, counted from 0.
    pub fn nth(&self, n: u64) -> Option<Voxel> {
        let mut left = n;
        for (row, words) in self.rows() {
            let here = count(words);
            if left >= here {
                left -= here;
                continue;
            }
            let places = words.iter().enumerate().flat_map(|(word, &bits)| {
                bits::places(bits).map(move |bit| (self.words.start + word) * 64 + bit)
            });
            let x = places.into_iter().nth(left as usize)?;
            return Some([row / self.shape[1], row % self.shape[1], x]);
        }
        None
    }

    /// The mask as an array of its volume's shape, C order: `true` where a voxel is of the mask.
    pub fn to_array(&self) -> Array3<bool> {
        let mut array = Array3::from_elem(self.shape, false);
        let width = self.shape[2];
        let start = self.words.start * 64;
        if let Some(voxels) = array.as_slice_mut() {
            for (row, words) in self.rows() {
                for run in bits::runs(words) {
                    let first = row * width + start;
                    voxels[first + run.start..first + run.end].fill(true);
                }
            }
        }
        array
    }

    /// The words kept of each row, counted from x = 0.
    pub(crate) fn words(&self) -> Range<usize> {
        self.words.clone()
    }

    /// The rows' numbers, ascending.
    pub(crate) fn row_numbers(&self) -> &[u32] {
        &self.rows
    }

    /// Each row's number and its [`Self::words`], in C order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, &[u64])> {
        let words = self.bits.chunks_exact(self.words.len().max(1));
        self.rows.iter().map(|&row| row as usize).zip(words)
    }

    /// Of the rows from number `start` to before `end`: which of [`Self::row_numbers`] they are.
    pub(crate) fn rows_between(&self, start: usize, end: usize) -> Range<usize> {
        let before = |row: usize| self.rows.partition_point(|&at| (at as usize) < row);
        before(start)..before(end)
    }

    /// The words of the row that is number `index` of those there are.
    pub(crate) fn words_of(&self, index: usize) -> &[u64] {
        let count = self.words.len();
        &self.bits[index * count..][..count]
    }

    /// Leaves of each row the voxels that `fill` sets, which is given the row's number and
    /// [`Self::words`], all 0.
    pub(crate) fn keep(&mut self, fill: impl Fn(usize, &mut [u64]) + Sync) {
        let count = self.words.len();
        let words = self.bits.par_chunks_exact_mut(count.max(1));
        let rows = self.rows.par_iter().zip(words).with_min_len(ROWS_AT_ONCE);
        rows.for_each_init(
            || vec![0; count],
            |kept, (&row, words)| {
                kept.fill(0);
                fill(row as usize, kept);
                for (bits, kept) in words.iter_mut().zip(&*kept) {
                    *bits &= kept;
                }
            },
        );
        self.leave_out_empty_rows();
    }

    /// The words of the row at `z`, `y`; `None` if it has no voxel of the mask.
    pub(crate) fn row(&self, z: usize, y: usize) -> Option<&[u64]> {
        let row = (z * self.shape[1] + y) as u32;
        let index = self.rows.binary_search(&row).ok()?;
        Some(self.words_of(index))
    }
}

fn count(words: &[u64]) -> u64 {
    words.iter().map(|bits| u64::from(bits.count_ones())).sum()
}

/// Two masks are equal if they have the same voxels in a volume of the same shape.
impl PartialEq for Mask {
    fn eq(&self, other: &Self) -> bool {
        let runs = |mask: &Self| -> Vec<_> {
            let start = mask.words.start * 64;
            mask.rows()
                .flat_map(|(row, words)| {
                    bits::runs(words).map(move |run| (row, start + run.start, start + run.end))
                })
                .collect()
        };
        self.shape == other.shape && self.rows == other.rows && runs(self) == runs(other)
    }
}

impl Eq for Mask {}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> Mask {
        // Two slices of two rows: ".##." "#..." / "...." "..##".
        let drawn = ndarray::arr3(&[[[0, 1, 1, 0], [1, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 1, 1]]]);
        Mask::of_key(drawn.view(), 1)
    }

    #[test]
    fn voxels_are_counted_in_c_order() {
        let mask = drawn();
        assert_eq!(mask.voxels(), 5);
        let all: Vec<_> = (0..6).map_while(|n| mask.nth(n)).collect();
        assert_eq!(all, [[0, 0, 1], [0, 0, 2], [0, 1, 0], [1, 1, 2], [1, 1, 3]]);
    }

    #[test]
    fn as_an_array_it_is_true_where_the_mask_is() {
        let mut wide = Array3::zeros((2, 3, 200));
        for at in [[0, 1, 63], [0, 1, 64], [1, 2, 199], [1, 0, 70]] {
            wide[at] = 1;
        }
        let mask = Mask::of_key(wide.view(), 1);
        assert_eq!(mask.to_array(), wide.mapv(|value| value == 1));
        assert_eq!(
            Mask::new([1, 2, 3]).to_array(),
            Array3::from_elem((1, 2, 3), false)
        );
    }

    #[test]
    fn rows_without_a_voxel_are_left_out() {
        let mask = drawn();
        assert_eq!(mask.row_numbers(), [0, 1, 3]);
        assert_eq!(mask.row(1, 1), Some(&[0b1100][..]));
        assert_eq!(mask.row(1, 0), None);
        assert_eq!(mask.rows_between(1, 3), 1..2);
    }

    #[test]
    fn the_bounds_hold_every_voxel() {
        let bounds = VoxelBox {
            low: [0, 0, 0],
            high: [1, 1, 3],
        };
        assert_eq!(drawn().bounds(), Some(bounds));
        assert_eq!(Mask::new([2, 2, 4]).bounds(), None);
        let mut far = Array3::zeros((3, 4, 200));
        far[[1, 2, 70]] = 1;
        far[[2, 1, 150]] = 1;
        let bounds = VoxelBox {
            low: [1, 1, 70],
            high: [2, 2, 150],
        };
        assert_eq!(Mask::of_key(far.view(), 1).bounds(), Some(bounds));
    }

    #[test]
    fn masks_are_equal_that_have_the_same_voxels() {
        let mask = drawn();
        let wider = Mask::from_rows([2, 2, 4], 0..3, vec![0, 1, 2, 3], |row, words| {
            words[0] = [0b110, 0b1, 0, 0b1100][row];
        });
        assert_eq!(mask, wider);
        assert_ne!(mask, Mask::new([2, 2, 4]));
    }
}
