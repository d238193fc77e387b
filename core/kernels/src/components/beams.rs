//! Beams: four rows of voxels side by side, two by two, in which what overlaps hangs together.

use std::ops::Range;

use crate::Mask;
use crate::bits;

/// The rows of two slices, two by two: a beam has the rows 2Z, 2Z+1 along z and 2Y, 2Y+1 along y.
///
/// Voxels of one beam whose x differ by at most 1 are neighbours wherever in it they are. So each
/// stretch of x at which a beam has a voxel in any of its rows is one piece of a component: a
/// *bar*. A mask has far fewer bars than runs.
pub(super) struct Beams<'m> {
    mask: &'m Mask,
    /// The rows of slices 2Z and 2Z+1, absent where the mask has none, in pairs
    /// even where the height is odd.
    rows: [Vec<Option<u32>>; 2],
    /// The Ys of the beams with a voxel, ascending.
    filled: Vec<usize>,
    /// For each beam, filled or not, [`Mask::words`]: its four rows' voxels, in C order,
    voxels: [Vec<u64>; 4],
    /// where its bars are,
    any: Vec<u64>,
    /// where they begin,
    starts: Vec<u64>,
    /// and how many bars of the mask begin before the word.
    before: Vec<u32>,
    width: usize,
}

/// A face of a beam, or one of its rows: some of its voxels, and the bars they belong to.
#[derive(Clone, Copy)]
pub(super) struct Side<'b> {
    voxels: [&'b [u64]; 2],
    any: &'b [u64],
    starts: &'b [u64],
    before: &'b [u32],
}

impl<'m> Beams<'m> {
    /// For the beams of one Z after another.
    pub(super) fn new(mask: &'m Mask) -> Self {
        let width = mask.words().len();
        let beams = mask.shape()[1].div_ceil(2);
        let rows = || vec![None; 2 * beams];
        Self {
            mask,
            rows: [rows(), rows()],
            filled: Vec::new(),
            voxels: [0; 4].map(|_| vec![0; beams * width]),
            any: vec![0; beams * width],
            starts: vec![0; beams * width],
            before: vec![0; beams * width],
            width,
        }
    }

    /// Turns to the beams at `z`, their first bar having this number; returns the number after the
    /// last one's.
    pub(super) fn turn_to(&mut self, z: usize, first_bar: u32) -> u32 {
        for y in std::mem::take(&mut self.filled) {
            for rows in &mut self.rows {
                rows[2 * y..2 * y + 2].fill(None);
            }
        }
        self.find_rows(z);
        let mut bar = first_bar;
        for at in 0..self.filled.len() {
            let y = self.filled[at];
            let words = y * self.width..(y + 1) * self.width;
            for (voxels, index) in self.voxels.iter_mut().zip(indices_of(&self.rows, y)) {
                let voxels = &mut voxels[words.clone()];
                match index {
                    Some(index) => voxels.copy_from_slice(self.mask.words_of(index as usize)),
                    None => voxels.fill(0),
                }
            }
            let mut carry = 0;
            for word in words {
                let any = self.voxels.iter().fold(0, |any, row| any | row[word]);
                self.any[word] = any;
                let starts = any & !(any << 1 | carry);
                carry = any >> 63;
                self.starts[word] = starts;
                self.before[word] = bar;
                // Most words have none, and counting is not for nothing.
                if starts != 0 {
                    bar += starts.count_ones();
                }
            }
        }
        bar
    }

    fn find_rows(&mut self, z: usize) {
        let height = self.mask.shape()[1];
        for (slice, rows) in (2 * z..).zip(&mut self.rows) {
            let indices = self.mask.rows_between(slice * height, (slice + 1) * height);
            let numbers = &self.mask.row_numbers()[indices.clone()];
            for (index, &row) in indices.zip(numbers) {
                rows[row as usize - slice * height] = Some(index as u32);
            }
        }
        let filled = (0..self.count()).filter(|&y| self.is_filled(y));
        self.filled = filled.collect();
    }

    /// The four rows of a beam: in C order.
    pub(super) fn rows_of(&self, y: usize) -> [&[u64]; 4] {
        let words = y * self.width..(y + 1) * self.width;
        [0, 1, 2, 3].map(|row: usize| &self.voxels[row][words.clone()])
    }

    /// Which of [`Mask::row_numbers`] the four rows of a beam are.
    pub(super) fn indices_of(&self, y: usize) -> [Option<u32>; 4] {
        indices_of(&self.rows, y)
    }

    /// How many beams there are at one z.
    pub(super) fn count(&self) -> usize {
        self.rows[0].len() / 2
    }

    /// The Ys of the beams with a voxel, ascending.
    pub(super) fn filled(&self) -> &[usize] {
        &self.filled
    }

    /// The bars of a beam: their numbers, and where they are along x, counted from the mask's first
    /// word.
    pub(super) fn bars_of(&self, y: usize) -> impl Iterator<Item = (u32, Range<usize>)> + '_ {
        let words = y * self.width..(y + 1) * self.width;
        let first = self.before.get(words.start).copied().unwrap_or(0);
        (first..).zip(bits::runs(&self.any[words]))
    }

    /// Whether the mask has a voxel in the beam.
    pub(super) fn is_filled(&self, y: usize) -> bool {
        let rows = |slice: &[Option<u32>]| slice[2 * y].is_some() || slice[2 * y + 1].is_some();
        rows(&self.rows[0]) || rows(&self.rows[1])
    }

    /// The voxels of those of a beam's four rows that are named.
    #[inline]
    pub(super) fn side(&self, y: usize, rows: [usize; 2]) -> Side<'_> {
        let words = y * self.width..(y + 1) * self.width;
        let [a, b] = rows.map(|row| &self.voxels[row][words.clone()]);
        Side {
            voxels: [a, b],
            any: &self.any[words.clone()],
            starts: &self.starts[words.clone()],
            before: &self.before[words],
        }
    }
}

fn indices_of([here, next]: &[Vec<Option<u32>>; 2], y: usize) -> [Option<u32>; 4] {
    [here[2 * y], here[2 * y + 1], next[2 * y], next[2 * y + 1]]
}

impl Side<'_> {
    #[inline]
    fn word(&self, word: usize) -> u64 {
        self.voxels[0][word] | self.voxels[1][word]
    }

    /// The bar that the beam has at a bit of a word.
    fn bar(&self, word: usize, bit: usize) -> u32 {
        let begun = self.starts[word] & bits::stretch(0, bit + 1);
        self.before[word] + begun.count_ones() - 1
    }

    /// Tells of the bars of two sides that touch, all voxels of one being neighbours of those of
    /// the other whose x differ by at most 1; of some pairs more than once.
    pub(super) fn touch(&self, other: &Self, mut tell: impl FnMut(u32, u32)) {
        let words = self.any.len();
        let mine = self.voxels[0].iter().zip(self.voxels[1]);
        for (word, mine) in mine.map(|(a, b)| a | b).enumerate() {
            // Most words have none.
            if mine == 0 {
                continue;
            }
            let here = other.word(word);
            let before = if word > 0 { other.word(word - 1) } else { 0 };
            let after = if word + 1 < words {
                other.word(word + 1)
            } else {
                0
            };
            if (before >> 63 | here | after & 1) != 0 {
                let left = here << 1 | before >> 63;
                let right = here >> 1 | after << 63;
                // Where the other beam has a bar at the same x, that is the one touched.
                let level = mine & (left | here | right) & other.any[word];
                let shared = self.any[word] & other.any[word];
                for bit in bits::places(firsts(level, shared)) {
                    tell(self.bar(word, bit), other.bar(word, bit));
                }
                // Where it has none, there may be one on either side.
                for bit in bits::places(mine & left & !other.any[word]) {
                    let x = word * 64 + bit - 1;
                    tell(self.bar(word, bit), other.bar(x / 64, x % 64));
                }
                for bit in bits::places(mine & right & !other.any[word]) {
                    let x = word * 64 + bit + 1;
                    tell(self.bar(word, bit), other.bar(x / 64, x % 64));
                }
            }
        }
    }
}

/// Of the bits of each stretch of `within` the first that is in `bits`, a subset of it.
fn firsts(bits: u64, within: u64) -> u64 {
    // Adding carries a bit to the end of its stretch: what has changed there lies behind a bit.
    let from_first = ((bits.wrapping_add(within) ^ within) | bits) & within;
    from_first & !(from_first << 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_bit_of_each_stretch_is_found(bits: u64, more: u64, holes: u64) {
            let within = bits | more & holes;
            let expected = bits::runs(&[within])
                .filter_map(|run| run.into_iter().find(|&bit| bits >> bit & 1 == 1))
                .fold(0, |all, bit| all | 1u64 << bit);
            prop_assert_eq!(firsts(bits, within), expected);
        }
    }
}
