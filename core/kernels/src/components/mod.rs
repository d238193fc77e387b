//! Connected components of a mask: of voxels that share a face, an edge or a corner
//! (26-connectivity), or of those that share a face (6-connectivity).

mod beams;
mod faces;
mod forest;

use std::ops::Range;

use rayon::prelude::*;

use super::Mask;
use super::bits;
use beams::Beams;
pub(super) use faces::face_components;
use forest::Forest;

/// The largest 26-connected component of a mask; of equals, the one whose first voxel comes first
/// in C order. `None` if the mask is empty.
///
/// Rows are taken four at a time, two by two: what overlaps in these along x hangs together and is
/// joined as one (the blocks of Grana, Borghesani and Cucchiara, "Optimized block-based connected
/// components labeling with decision trees", IEEE Transactions on Image Processing 19, 2010, made
/// as long as they can be). Sets are merged in a forest, 64 voxels being held against 64 at once.
/// Slabs of the volume are done side by side and joined at their seams. Time and memory are linear
/// in the mask's rows and stretches.
///
/// ```
/// use ndarray::arr3;
/// use segarena_kernels::{Mask, largest_component};
///
/// let mask = Mask::of_key(arr3(&[[[1, 0, 0, 1], [0, 1, 0, 1]]]).view(), 1);
/// let component = largest_component(mask).unwrap();
/// assert_eq!((component.voxels(), component.nth(0)), (2, Some([0, 0, 0])));
/// ```
pub fn largest_component(mask: Mask) -> Option<Mask> {
    largest_in_slabs(mask, ROWS_PER_SLAB)
}

fn largest_in_slabs(mask: Mask, rows_per_slab: usize) -> Option<Mask> {
    let (&first, &last) = (mask.row_numbers().first()?, mask.row_numbers().last()?);
    let beam = |row: u32| row as usize / mask.shape()[1] / 2;
    let beams = beam(first)..beam(last) + 1;
    let bars = Bars::of(&mask, beams, rows_per_slab);
    let best = bars.largest(&mask);
    Some(bars.voxels(mask, best))
}

/// So many rows at least make a slab.
const ROWS_PER_SLAB: usize = 4096;
/// So many slabs at most, however large the mask.
const MOST_SLABS: usize = 24;

/// The bars of a mask, in the order of the beams they are in.
struct Bars {
    /// Each with as many beams along z, the last one with fewer perhaps.
    slabs: Vec<Slab>,
    /// For each bar the first of its component.
    roots: Vec<u32>,
}

/// Some beams after each other along z, and their bars.
struct Slab {
    beams: Range<usize>,
    forest: Forest,
    /// For the beams at each z how many bars of the slab come before them, and how many there are.
    before: Vec<u32>,
    /// The voxels of each bar.
    voxels: Vec<u32>,
    /// The number of its first bar.
    first_bar: u32,
}

impl Bars {
    fn of(mask: &Mask, beams: Range<usize>, rows_per_slab: usize) -> Self {
        let rows_per_beam = mask.row_numbers().len().div_ceil(beams.len()).max(1);
        let thickness = rows_per_slab.div_ceil(rows_per_beam);
        // At each seam two beams are looked at once more.
        let thickness = thickness.max(beams.len().div_ceil(MOST_SLABS));
        let starts: Vec<_> = beams.clone().step_by(thickness).collect();
        let slabs = starts.into_par_iter().map(|start| {
            let end = beams.end.min(start + thickness);
            Slab::of(mask, start..end)
        });
        let mut slabs: Vec<_> = slabs.collect();
        let mut forest = Forest::default();
        for slab in &mut slabs {
            slab.first_bar = forest.len() as u32;
            forest.append(&std::mem::take(&mut slab.forest));
        }
        for pair in slabs.windows(2) {
            join_seam(mask, &pair[0], &pair[1], &mut forest);
        }
        Self {
            slabs,
            roots: forest.into_roots(),
        }
    }

    /// The first bar of the largest component.
    fn largest(&self, mask: &Mask) -> u32 {
        let mut sizes = vec![0u64; self.roots.len()];
        let voxels = self.slabs.iter().flat_map(|slab| &slab.voxels);
        for (&root, &voxels) in self.roots.iter().zip(voxels) {
            sizes[root as usize] += u64::from(voxels);
        }
        let most = sizes.iter().copied().max().unwrap_or(0);
        let mut largest = (0..).zip(&sizes).filter(|&(_, &size)| size == most);
        let first = largest.next().map_or(0, |(bar, _)| bar);
        if largest.next().is_none() {
            return first;
        }
        self.first_in_order(mask, |root| sizes[root as usize] == most)
    }

    /// Of some components the one whose first voxel comes first in C order. Bars are not in that
    /// order.
    fn first_in_order(&self, mask: &Mask, is_asked: impl Fn(u32) -> bool + Sync) -> u32 {
        let firsts = self.slabs.par_iter().filter_map(|slab| {
            let mut first: Option<([u32; 2], u32)> = None;
            slab.each_bar(mask, |beams, y, bar, x| {
                let root = self.roots[bar as usize];
                if !is_asked(root) {
                    return;
                }
                let rows = beams.indices_of(y).into_iter().zip(beams.rows_of(y));
                let voxel = rows.filter_map(|(index, words)| {
                    let at = bits::first_set(words, x.start).filter(|&at| at < x.end)?;
                    Some([index?, at as u32])
                });
                let found = voxel.min().map(|voxel| (voxel, root));
                first = [first, found].into_iter().flatten().min();
            });
            first
        });
        firsts.min().map_or(0, |(_, root)| root)
    }

    /// The voxels of the component with this first bar: what is left of the mask, whose memory is
    /// used again.
    fn voxels(&self, mut mask: Mask, root: u32) -> Mask {
        let Some(first) = self.slabs.first() else {
            return mask;
        };
        let height = mask.shape()[1];
        // Where, in the beams at one z, the component's bars are.
        let words = mask.words().len();
        let words_per_z = height.div_ceil(2) * words;
        let count: usize = self.slabs.iter().map(|slab| slab.beams.len()).sum();
        let mut kept = vec![0; count * words_per_z];
        let pieces = kept.par_chunks_mut(first.beams.len() * words_per_z);
        pieces.zip(&self.slabs).for_each(|(kept, slab)| {
            slab.find_bars(&mask, |bar| self.roots[bar as usize] == root, kept);
        });
        mask.keep(|row, bits| {
            let (z, y) = (row / height / 2 - first.beams.start, row % height / 2);
            bits.copy_from_slice(&kept[z * words_per_z + y * words..][..words]);
        });
        mask
    }
}

impl Slab {
    fn of(mask: &Mask, beams: Range<usize>) -> Self {
        let mut slab = Self {
            beams: beams.clone(),
            forest: Forest::default(),
            before: vec![0],
            voxels: Vec::new(),
            first_bar: 0,
        };
        let (mut below, mut here) = (Beams::new(mask), Beams::new(mask));
        for (step, z) in beams.enumerate() {
            let first = slab.forest.len() as u32;
            let end = here.turn_to(z, first);
            slab.before.push(end);
            for _ in first..end {
                slab.forest.add();
            }
            slab.count(&here);
            join_within(&here, &mut slab.forest);
            if step > 0 {
                join_across(&below, &here, &mut slab.forest);
            }
            std::mem::swap(&mut below, &mut here);
        }
        slab
    }

    /// Counts the voxels of these beams' bars.
    fn count(&mut self, beams: &Beams<'_>) {
        for &y in beams.filled() {
            let rows = beams.rows_of(y);
            for (_, x) in beams.bars_of(y) {
                let voxels = rows.map(|row| bits::count_in(row, x.clone()));
                self.voxels.push(voxels.iter().sum::<u64>() as u32);
            }
        }
    }

    /// The beams at each z, and the numbers of their bars.
    fn bars_by_z(&self) -> impl Iterator<Item = (usize, Range<u32>)> + '_ {
        let bars = self.before.windows(2);
        let bars = bars.map(|pair| self.first_bar + pair[0]..self.first_bar + pair[1]);
        self.beams.clone().zip(bars)
    }

    /// Visits its bars in order: the beams they are in, the beam's Y, their number and where they
    /// are along x, counted from the mask's first word.
    fn each_bar(&self, mask: &Mask, mut visit: impl FnMut(&Beams<'_>, usize, u32, Range<usize>)) {
        let mut beams = Beams::new(mask);
        for (z, bars) in self.bars_by_z() {
            beams.turn_to(z, bars.start);
            for &y in beams.filled() {
                for (bar, x) in beams.bars_of(y) {
                    visit(&beams, y, bar, x);
                }
            }
        }
    }

    /// Sets, for the beams at one z after another, each Y's words where they have bars that are
    /// asked for.
    fn find_bars(&self, mask: &Mask, is_asked: impl Fn(u32) -> bool, found: &mut [u64]) {
        let mut beams = Beams::new(mask);
        let words = mask.words().len();
        let found = found.chunks_exact_mut(beams.count() * words);
        for ((z, bars), found) in self.bars_by_z().zip(found) {
            let asked = bars.clone().filter(|&bar| is_asked(bar)).count();
            if asked == 0 {
                continue;
            }
            if asked == bars.len() {
                found.fill(u64::MAX);
                continue;
            }
            beams.turn_to(z, bars.start);
            for &y in beams.filled() {
                for (bar, x) in beams.bars_of(y) {
                    if is_asked(bar) {
                        bits::set_stretch(&mut found[y * words..][..words], x);
                    }
                }
            }
        }
    }
}

/// Joins the bars of beams beside each other along y.
fn join_within(beams: &Beams<'_>, forest: &mut Forest) {
    for pair in beams.filled().windows(2) {
        if pair[0] + 1 == pair[1] {
            let side = beams.side(pair[1], [0, 2]);
            side.touch(&beams.side(pair[0], [1, 3]), |a, b| forest.join(a, b));
        }
    }
}

/// Joins the bars of the beams at one z with those at the one before.
fn join_across(below: &Beams<'_>, here: &Beams<'_>, forest: &mut Forest) {
    let beams = below.count();
    for &y in here.filled() {
        let mut join = |a, b| forest.join(a, b);
        if below.is_filled(y) {
            here.side(y, [0, 1])
                .touch(&below.side(y, [2, 3]), &mut join);
        }
        if y > 0 && below.is_filled(y - 1) {
            here.side(y, [0, 0])
                .touch(&below.side(y - 1, [3, 3]), &mut join);
        }
        if y + 1 < beams && below.is_filled(y + 1) {
            here.side(y, [1, 1])
                .touch(&below.side(y + 1, [2, 2]), &mut join);
        }
    }
}

/// Joins the bars of the last beams of a slab with those of the first of the next.
fn join_seam(mask: &Mask, before: &Slab, after: &Slab, forest: &mut Forest) {
    let (mut below, mut here) = (Beams::new(mask), Beams::new(mask));
    let last = before.bars_by_z().last();
    let Some((z, bars)) = last else { return };
    below.turn_to(z, bars.start);
    here.turn_to(after.beams.start, after.first_bar);
    join_across(&below, &here, forest);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference;

    fn mask(rows: &[&str]) -> Mask {
        let width = rows[0].len();
        let cells: Vec<u8> = rows.concat().bytes().map(|c| u8::from(c == b'#')).collect();
        reference::mask_of(&ndarray::Array3::from_shape_vec((1, rows.len(), width), cells).unwrap())
    }

    #[test]
    fn corners_join_and_gaps_divide() {
        let largest = largest_component(mask(&["##...", "..#..", ".....", "####."])).unwrap();
        assert_eq!(
            reference::voxels_of(&largest),
            [[0, 3, 0], [0, 3, 1], [0, 3, 2], [0, 3, 3]]
        );
        let largest = largest_component(mask(&["##...", "..#..", ".#...", "...##"])).unwrap();
        assert_eq!(largest.voxels(), 4);
    }

    #[test]
    fn of_equal_components_the_one_that_starts_first_wins() {
        let largest = largest_component(mask(&["...#.", ".#.#.", ".#..."])).unwrap();
        assert_eq!(reference::voxels_of(&largest), [[0, 0, 3], [0, 1, 3]]);
    }

    #[test]
    fn an_empty_mask_has_no_component() {
        assert_eq!(largest_component(Mask::new([3, 3, 3])), None);
    }

    proptest! {
        #[test]
        fn the_largest_component_is_the_one_flooding_finds(voxels in reference::volumes(2)) {
            let mask = reference::mask_of(&voxels);
            let expected = reference::largest_component(&reference::voxels_of(&mask));
            for rows_per_slab in [1, ROWS_PER_SLAB] {
                let found = largest_in_slabs(mask.clone(), rows_per_slab);
                let found = found.map(|c| reference::voxels_of(&c)).unwrap_or_default();
                prop_assert_eq!(&found, &expected);
            }
        }
    }
}
