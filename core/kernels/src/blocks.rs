//! Masks at half their resolution, and back.

use super::bits;
use super::{Mask, Voxel};

/// The 2×2×2 blocks of a box of voxels, counted from its corner. The box may begin and end beyond
/// the volume.
///
/// ```
/// use ndarray::arr3;
/// use segarena_kernels::{Blocks, Mask};
///
/// let mask = Mask::of_key(arr3(&[[[0, 1, 1, 1, 0]]]).view(), 1);
/// // One voxel more on every side.
/// let blocks = Blocks { corner: [-1; 3], shape: [2, 2, 4] };
/// let halved = blocks.of(&mask);
/// assert_eq!(halved.voxels(), 2);
/// assert_eq!(blocks.voxels_in(&mask, &halved), mask);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// The first voxel (z, y, x) of the first block, in the volume's own count. No voxel of a mask may
    /// come before it on any axis.
    pub corner: [isize; 3],
    /// How many blocks there are along each axis.
    pub shape: [usize; 3],
}

impl Blocks {
    /// The blocks that hold a voxel of the mask, as a mask of blocks.
    ///
    /// # Panics
    /// If a voxel of the mask lies outside the blocks.
    pub fn of(&self, mask: &Mask) -> Mask {
        let Some(bounds) = mask.bounds() else {
            return Mask::new(self.shape);
        };
        let (low, high) = (self.block(bounds.low), self.block(bounds.high));
        let rows = (low[0]..=high[0])
            .flat_map(|z| (low[1]..=high[1]).map(move |y| (z * self.shape[1] + y) as u32));
        let words = low[2] / 64..high[2] / 64 + 1;
        Mask::from_rows(self.shape, words.clone(), rows.collect(), |row, blocks| {
            let [z, y] = [row / self.shape[1], row % self.shape[1]];
            for row in self.rows_of(mask, z, y) {
                let from = self.place_of_word(mask, words.start);
                halve(row, from, blocks);
            }
        })
    }

    /// The voxels of the mask that are in one of `blocks`, a mask of blocks.
    pub fn voxels_in(&self, mask: &Mask, blocks: &Mask) -> Mask {
        let height = mask.shape()[1];
        // Where a row's voxels are, counted from the mask's first word.
        let from = self.place_of_word(mask, blocks.words().start);
        let place = |block: usize| {
            let place = from + 2 * block as isize;
            place.clamp(0, mask.words().len() as isize * 64) as usize
        };
        let mut found = mask.clone();
        found.keep(|row, bits| {
            let [z, y, _] =
                self.block([row / height, row % height, self.corner[2].max(0) as usize]);
            for run in blocks.row(z, y).into_iter().flat_map(bits::runs) {
                bits::set_stretch(bits, place(run.start)..place(run.end));
            }
        });
        found
    }

    /// The block a voxel is in.
    fn block(&self, voxel: Voxel) -> Voxel {
        [0, 1, 2].map(|axis| (voxel[axis] as isize - self.corner[axis]) as usize / 2)
    }

    /// Where the first voxel of a word of blocks is, counted from the mask's first word.
    fn place_of_word(&self, mask: &Mask, word: usize) -> isize {
        self.corner[2] + 128 * word as isize - 64 * mask.words().start as isize
    }

    /// The rows of voxels in a row of blocks.
    fn rows_of<'m>(&self, mask: &'m Mask, z: usize, y: usize) -> impl Iterator<Item = &'m [u64]> {
        let [depth, height, _] = mask.shape();
        let (z, y) = (
            self.corner[0] + 2 * z as isize,
            self.corner[1] + 2 * y as isize,
        );
        let places = [(z, y), (z, y + 1), (z + 1, y), (z + 1, y + 1)];
        places.into_iter().filter_map(move |(z, y)| {
            let (z, y) = (usize::try_from(z).ok()?, usize::try_from(y).ok()?);
            (z < depth && y < height).then(|| mask.row(z, y))?
        })
    }
}

/// Sets the bit of each pair of bits in which the row has any, the first pair being at `from`.
fn halve(row: &[u64], from: isize, halves: &mut [u64]) {
    for (word, half) in halves.iter_mut().enumerate() {
        let from = from + 128 * word as isize;
        *half |= halved(word_from(row, from)) | halved(word_from(row, from + 64)) << 32;
    }
}

/// The 64 bits of a row that begin at `from`; beyond its ends none is set.
fn word_from(row: &[u64], from: isize) -> u64 {
    let (word, bit) = (from.div_euclid(64), from.rem_euclid(64));
    let at = |word: isize| {
        let word = usize::try_from(word).ok();
        word.and_then(|word| row.get(word)).copied().unwrap_or(0)
    };
    // 64 at once cannot be shifted.
    at(word) >> bit | at(word + 1) << 1 << (63 - bit)
}

/// Bit `i`, below 32, says whether bit 2i or 2i+1 is set.
fn halved(bits: u64) -> u64 {
    let mut halves = (bits | bits >> 1) & 0x5555_5555_5555_5555;
    halves = (halves | halves >> 1) & 0x3333_3333_3333_3333;
    halves = (halves | halves >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    halves = (halves | halves >> 4) & 0x00ff_00ff_00ff_00ff;
    halves = (halves | halves >> 8) & 0x0000_ffff_0000_ffff;
    (halves | halves >> 16) & 0x0000_0000_ffff_ffff
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference;

    proptest! {
        #[test]
        fn blocks_are_those_of_the_padded_volume_and_hold_their_voxels(
            voxels in reference::volumes(2),
            padding in [0..4usize, 0..4usize, 0..70usize],
        ) {
            let mask = reference::mask_of(&voxels);
            let padded = reference::padded(&voxels, padding);
            let halved = reference::halved(&padded);
            let (depth, height, width) = halved.dim();
            let blocks = Blocks {
                corner: padding.map(|size| -(size as isize)),
                shape: [depth, height, width],
            };
            let found = blocks.of(&mask);
            prop_assert_eq!(&found, &reference::mask_of(&halved));
            prop_assert_eq!(blocks.voxels_in(&mask, &found), mask.clone());

            // Every other block.
            let mut some = halved.clone();
            some.indexed_iter_mut()
                .for_each(|((z, y, x), block)| *block *= ((z + y + x) % 2) as u8);
            let found = blocks.voxels_in(&mask, &reference::mask_of(&some));
            let mut expected = reference::voxels_of(&mask);
            expected.retain(|&at| {
                some[[0, 1, 2].map(|axis| (at[axis] + padding[axis]) / 2)] == 1
            });
            prop_assert_eq!(reference::voxels_of(&found), expected);
        }
    }
}
