//! Slices of a label as bits, and the surface elements between them.

use std::ops::Range;

use ndarray::ArrayView3;

use crate::VoxelBox;
use crate::bits::ByteRow;
use crate::rows::row_of;

/// A label's box, and the neighbourhoods in it: one more than voxels along each axis. The
/// neighbourhood at `[z, y, x]` has the voxels from `[z-1, y-1, x-1]` to `[z, y, x]`, z and y being
/// counted from the box's low corner, x from the beginning of the word that corner is in.
#[derive(Clone, Copy)]
pub(super) struct Frame {
    pub(super) bounds: VoxelBox,
    /// Slices of neighbourhoods.
    pub(super) depth: usize,
    /// Rows of neighbourhoods in a slice.
    pub(super) height: usize,
    /// Words of a row of neighbourhoods.
    pub(super) words: usize,
    /// The word of the volume's rows that is the first here.
    first_word: usize,
}

impl Frame {
    pub(super) fn new(bounds: VoxelBox) -> Self {
        let [depth, height, _] = bounds.size();
        let first_word = bounds.low[2] / 64;
        Self {
            bounds,
            depth: depth + 1,
            height: height + 1,
            words: (bounds.high[2] + 1) / 64 - first_word + 1,
            first_word,
        }
    }
}

/// Some slices of rows of bits, and which rows have any set.
struct Slices {
    first: usize,
    height: usize,
    words: usize,
    bits: Vec<u64>,
    filled: Vec<bool>,
}

impl Slices {
    fn new(slices: &Range<usize>, height: usize, words: usize) -> Self {
        Self {
            first: slices.start,
            height,
            words,
            bits: vec![0; slices.len() * height * words],
            filled: vec![false; slices.len() * height],
        }
    }

    fn index(&self, z: usize, y: usize) -> usize {
        (z - self.first) * self.height + y
    }

    fn row_mut(&mut self, z: usize, y: usize) -> (&mut [u64], &mut bool) {
        let index = self.index(z, y);
        let words = &mut self.bits[index * self.words..][..self.words];
        (words, &mut self.filled[index])
    }

    /// `None` if the row has no bit set.
    fn row(&self, z: usize, y: usize) -> Option<&[u64]> {
        let index = self.index(z, y);
        self.filled[index].then(|| &self.bits[index * self.words..][..self.words])
    }
}

/// The surface of a mask in some slices of neighbourhoods.
pub(super) struct Elements {
    /// Slice `z` of voxels as slice `z + 1`, row `y` as row `y + 1`, so that rows before the first
    /// and after the last are there, too.
    voxels: Slices,
    /// A bit for each neighbourhood that is a surface element.
    elements: Slices,
    zeros: Vec<u64>,
}

impl Elements {
    /// Of the voxels with this key in rows that `has_row` says have some.
    pub(super) fn of(
        frame: Frame,
        slices: Range<usize>,
        volume: ArrayView3<'_, u8>,
        key: u8,
        has_row: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let mut surface = Self {
            voxels: Slices::new(
                &(slices.start..slices.end + 1),
                frame.height + 1,
                frame.words,
            ),
            elements: Slices::new(&slices, frame.height, frame.words),
            zeros: vec![0; frame.words],
        };
        let VoxelBox { low, .. } = frame.bounds;
        for z in slices.start..slices.end + 1 {
            // Before the first slice of voxels and after the last there is background.
            if z > 0 && z < frame.depth {
                for y in 1..frame.height {
                    let at = (low[0] + z - 1, low[1] + y - 1);
                    if has_row(at.0, at.1) {
                        let row = ByteRow::new(row_of(volume, at.0, at.1));
                        let (words, filled) = surface.voxels.row_mut(z, y);
                        let mut any = 0;
                        for (word, bits) in (frame.first_word..).zip(words) {
                            *bits = row.bits(word, key);
                            any |= *bits;
                        }
                        *filled = any != 0;
                    }
                }
            }
            if z > slices.start {
                surface.find_between(z - 1);
            }
        }
        surface
    }

    /// Finds the elements of slice `z` of neighbourhoods.
    fn find_between(&mut self, z: usize) {
        let Self {
            voxels,
            elements,
            zeros,
        } = self;
        for y in 0..elements.height {
            let around = [(z, y), (z, y + 1), (z + 1, y), (z + 1, y + 1)];
            let around = around.map(|(z, y)| voxels.row(z, y));
            if around.iter().all(Option::is_none) {
                continue;
            }
            let rows = around.map(|row| row.unwrap_or(zeros));
            let (words, filled) = elements.row_mut(z, y);
            *filled = find_elements(rows, words);
        }
    }

    /// The elements of a row of neighbourhoods; `None` if there is none.
    pub(super) fn row(&self, z: usize, y: usize) -> Option<&[u64]> {
        self.elements.row(z, y)
    }

    /// The four rows of voxels around a row of neighbourhoods: (z−1, y−1), (z−1, y), (z, y−1) and
    /// (z, y).
    pub(super) fn around(&self, z: usize, y: usize) -> [&[u64]; 4] {
        let around = [(z, y), (z, y + 1), (z + 1, y), (z + 1, y + 1)];
        around.map(|(z, y)| self.voxels.row(z, y).unwrap_or(&self.zeros))
    }
}

/// Sets the bits of those neighbourhoods in which some voxels of the four rows around are set, but
/// not all; returns whether there are any.
fn find_elements(rows: [&[u64]; 4], elements: &mut [u64]) -> bool {
    let [a, b, c, d] = rows.map(|row| &row[..elements.len()]);
    let (mut any_before, mut every_before) = (0, 0);
    let mut found = 0;
    for (word, elements) in elements.iter_mut().enumerate() {
        let any = a[word] | b[word] | c[word] | d[word];
        let every = a[word] & b[word] & c[word] & d[word];
        // The neighbourhood at x has the voxels x−1 and x.
        let any_of_both = any | any << 1 | any_before >> 63;
        let every_of_both = every & (every << 1 | every_before >> 63);
        *elements = any_of_both & !every_of_both;
        found |= *elements;
        (any_before, every_before) = (any, every);
    }
    found != 0
}
