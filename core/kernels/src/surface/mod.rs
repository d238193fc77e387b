//! Surfaces of labels: their elements, and how much of them two volumes share.

mod area;
mod codes;
mod reach;
mod slices;

use std::ops::Range;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::Comparison;
use area::AreaTable;
use codes::CodeCounts;
use reach::{Reach, RowReach};
use slices::{Elements, Frame};

/// The areas, in mm², of a label's surface in the truth and in the prediction, and how much of
/// each lies near the other.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct SurfaceOverlap {
    /// The area of the truth's surface.
    pub truth: f64,
    /// The area of the prediction's surface.
    pub prediction: f64,
    /// The part of `truth` within the tolerance of the prediction's surface.
    pub truth_near: f64,
    /// The part of `prediction` within the tolerance of the truth's surface.
    pub prediction_near: f64,
}

impl SurfaceOverlap {
    /// The normalised surface Dice: the share of both surfaces that is near the other. `None` if
    /// there is no surface at all.
    pub fn dice(&self) -> Option<f64> {
        let all = self.truth + self.prediction;
        (all > 0.0).then(|| (self.truth_near + self.prediction_near) / all)
    }
}

/// Measures the surfaces of the label with this key, in the truth and in the prediction.
///
/// Every 2×2×2 neighbourhood that holds voxels of the label and others is a surface element (those
/// that reach over the volume's border included, everything outside being background). Its area is
/// that of the marching cubes surface in it. An element is near the other surface when an element
/// of that is at most `tolerance_mm` away, in mm, centre to centre (Nikolov et al., "Deep learning
/// to achieve clinically applicable segmentation of head and neck anatomy for radiotherapy", 2018).
///
/// Elements are bits, and 64 of them at once are held against the other surface's, made wider by
/// the tolerance. Areas are counts of each kind of element until the end, so that the sums do not
/// depend on the order in which slabs of the volume are done.
///
/// ```
/// use ndarray::Array3;
/// use segarena_kernels::{Comparison, LabelVolume, Spacing, surface_overlap};
///
/// let mut voxels = Array3::zeros((8, 8, 8));
/// voxels.slice_mut(ndarray::s![2..6, 2..6, 2..6]).fill(1);
/// let truth = LabelVolume::new(voxels.clone(), Spacing::new([1.5, 0.8, 0.8])?);
/// // A voxel further along x: 0.8 mm.
/// let moved = Array3::from_shape_fn((8, 8, 8), |(z, y, x)| if x > 0 { voxels[[z, y, x - 1]] } else { 0 });
/// let comparison = Comparison::new(&truth, moved.view());
/// assert_eq!(surface_overlap(&comparison, 1, 0.8).dice(), Some(1.0));
/// assert!(surface_overlap(&comparison, 1, 0.7).dice() < Some(1.0));
/// # Ok::<(), segarena_kernels::SpacingError>(())
/// ```
pub fn surface_overlap(comparison: &Comparison<'_>, key: u8, tolerance_mm: f64) -> SurfaceOverlap {
    overlap_in_slabs(comparison, key, tolerance_mm, SLICES_PER_SLAB)
}

/// So many slices make a slab, and more where the tolerance reaches far: a slab looks at the slices
/// within reach as well.
const SLICES_PER_SLAB: usize = 16;

fn overlap_in_slabs(
    comparison: &Comparison<'_>,
    key: u8,
    tolerance_mm: f64,
    thickness: usize,
) -> SurfaceOverlap {
    let Some(bounds) = comparison.label(key).either else {
        return SurfaceOverlap::default();
    };
    let frame = Frame::new(bounds);
    let spacing = comparison.truth().spacing();
    let reach = Reach::new(spacing, tolerance_mm, bounds.size().map(|size| size + 1));
    let thickness = thickness.max(4 * reach.slices());
    let starts: Vec<_> = (0..frame.depth).step_by(thickness).collect();
    let counted = starts.into_par_iter().map(|start| {
        let slab = start..frame.depth.min(start + thickness);
        count_slab(comparison, key, &reach, frame, slab)
    });
    let counts: Vec<[Counts; 2]> = counted.collect();
    let areas = AreaTable::new(spacing);
    let area = |of: usize, count: fn(&Counts, u8) -> u64| -> f64 {
        let codes = 0..=255u8;
        codes
            .map(|code| {
                let count: u64 = counts.iter().map(|slab| count(&slab[of], code)).sum();
                count as f64 * areas.area(code)
            })
            .sum()
    };
    let near = |counts: &Counts, code| counts.all.of(code) - counts.far.of(code);
    SurfaceOverlap {
        truth: area(0, |counts, code| counts.all.of(code)),
        prediction: area(1, |counts, code| counts.all.of(code)),
        truth_near: area(0, near),
        prediction_near: area(1, near),
    }
}

/// The elements of a surface by their codes.
struct Counts {
    all: CodeCounts,
    /// Those not within the tolerance of the other surface.
    far: CodeCounts,
}

/// Counts both surfaces' elements, the truth's first, in some slices of neighbourhoods.
fn count_slab(
    comparison: &Comparison<'_>,
    key: u8,
    reach: &Reach,
    frame: Frame,
    slab: Range<usize>,
) -> [Counts; 2] {
    let has_row = |z, y| comparison.has_row(key, z, y);
    let around = slab.start.saturating_sub(reach.slices())
        ..frame.depth.min(slab.end.saturating_add(reach.slices()));
    let surfaces = [comparison.truth().voxels(), comparison.prediction()]
        .map(|volume| Elements::of(frame, around.clone(), volume, key, has_row));
    [(0, 1), (1, 0)].map(|(of, other)| {
        let beside = Beside {
            surface: &surfaces[other],
            slices: &around,
            height: frame.height,
            reach,
        };
        beside.count(&surfaces[of], slab.clone())
    })
}

/// A surface beside which another is held.
struct Beside<'a> {
    surface: &'a Elements,
    /// The slices there are of it.
    slices: &'a Range<usize>,
    height: usize,
    reach: &'a Reach,
}

impl<'a> Beside<'a> {
    /// Counts the other surface's elements in these slices.
    fn count(&self, of: &Elements, slices: Range<usize>) -> Counts {
        let mut counts = Counts {
            all: CodeCounts::new(),
            far: CodeCounts::new(),
        };
        let mut near = Vec::new();
        for z in slices {
            for y in 0..self.height {
                let Some(row) = of.row(z, y) else { continue };
                let rows = of.around(z, y);
                let same_place = self.surface.row(z, y);
                near.clear();
                let mut is_known = false;
                for (word, &elements) in row.iter().enumerate().filter(|&(_, &row)| row != 0) {
                    let around =
                        rows.map(|row| (word.checked_sub(1).map_or(0, |w| row[w]), row[word]));
                    counts.all.count(around, elements);
                    let mut far = elements;
                    if self.reach.is_somewhere() {
                        far &= !same_place.map_or(0, |row| row[word]);
                    }
                    if far != 0 {
                        if !is_known {
                            self.rows_near(z, y, &mut near);
                            is_known = true;
                        }
                        far = out_of_reach(far, word, &near);
                    }
                    if far != 0 {
                        counts.far.count(around, far);
                    }
                }
            }
        }
        counts
    }

    /// The rows with elements within reach of a row, and how far along x they are; the nearest
    /// first.
    fn rows_near(&self, z: usize, y: usize, rows: &mut Vec<(&'a [u64], usize)>) {
        for &RowReach { z: dz, y: dy, x } in self.reach.rows() {
            let (z, y) = (z.wrapping_add_signed(dz), y.wrapping_add_signed(dy));
            if self.slices.contains(&z) && y < self.height {
                rows.extend(self.surface.row(z, y).map(|row| (row, x as usize)));
            }
        }
    }
}

/// Of the elements of a word those from which no element of these rows is as near along x as it may
/// be.
fn out_of_reach(mut far: u64, word: usize, rows: &[(&[u64], usize)]) -> u64 {
    for &(row, reach) in rows {
        far &= !widened(row, word, reach);
        if far == 0 {
            break;
        }
    }
    far
}

/// A word of a row, each bit set so far to both sides.
fn widened(row: &[u64], word: usize, reach: usize) -> u64 {
    let at = |word: usize| row.get(word).copied().unwrap_or(0);
    let mut wide = at(word);
    // What whole words away can reach every bit, and what lies beyond some.
    for step in 1..=reach.div_ceil(64) {
        let before = word.checked_sub(step).map_or(0, at);
        let after = at(word.saturating_add(step));
        if before != 0 {
            let last = 63 - before.leading_zeros() as usize + reach;
            // How far into this word the last bit of that one reaches.
            if let Some(reached) = last.checked_sub(64 * step) {
                wide |= u64::MAX >> (63 - reached.min(63));
            }
        }
        if after != 0 {
            let first = (after.trailing_zeros() as usize + 64 * step).saturating_sub(reach);
            if first < 64 {
                wide |= u64::MAX << first;
            }
        }
    }
    // The bits beside those of this word: doubling the width each time.
    let inside = at(word);
    if inside != 0 {
        let (mut up, mut down) = (inside, inside);
        let mut done = 0;
        while done < reach.min(63) {
            let step = (done + 1).min(reach.min(63) - done);
            up |= up << step;
            down |= down >> step;
            done += step;
        }
        wide |= up | down;
    }
    wide
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;
    use crate::{LabelVolume, Spacing, Voxel, reference};

    /// Every element held against every other.
    fn naive(truth: &LabelVolume, prediction: &Array3<u8>, key: u8, tolerance: f64) -> [f64; 4] {
        let spacing = truth.spacing();
        let areas = AreaTable::new(spacing);
        let surfaces = [truth.voxels().to_owned(), prediction.clone()]
            .map(|voxels| reference::surface_elements(&voxels, key));
        let near = |a: &Voxel, b: &Voxel| {
            let squares = [0, 1, 2].map(|axis| {
                let length = a[axis].abs_diff(b[axis]) as f64 * spacing.mm()[axis];
                length * length
            });
            (squares[0] + squares[1] + squares[2]).sqrt() <= tolerance
        };
        let area = |of: usize, only_near: bool| -> f64 {
            let others = &surfaces[1 - of];
            surfaces[of]
                .iter()
                .filter(|(at, _)| !only_near || others.iter().any(|(other, _)| near(at, other)))
                .map(|&(_, code)| areas.area(code))
                .sum()
        };
        [area(0, false), area(1, false), area(0, true), area(1, true)]
    }

    /// Voxels as a linear congruential generator throws them, one in `one_in` set.
    fn thrown([depth, height, width]: [usize; 3], seed: u32, one_in: u32) -> Array3<u8> {
        let mut state = seed;
        Array3::from_shape_simple_fn((depth, height, width), || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::from((state >> 16).is_multiple_of(one_in))
        })
    }

    /// Measured with the surface-distance package 0.1.
    #[test]
    fn the_dice_of_surfaces_is_the_one_measured() {
        for (shape, one_in, spacing, tolerance, in_truth, in_prediction, expected) in [
            ([1, 1, 1], 1, [1.0, 1.0, 1.0], 2.0, 1, 1, 1.0),
            (
                [1, 7, 9],
                9,
                [5.0, 0.5, 0.5],
                0.6,
                10,
                4,
                0.5168515230621867,
            ),
            (
                [6, 7, 8],
                2,
                [1.0, 1.0, 1.0],
                0.0,
                179,
                154,
                0.9466344458314974,
            ),
            (
                [6, 7, 8],
                20,
                [2.5, 0.7, 1.1],
                1.2,
                15,
                20,
                0.44726636416755994,
            ),
            (
                [9, 5, 12],
                70,
                [0.4, 0.4, 0.4],
                1.0,
                5,
                8,
                0.4326923076923078,
            ),
            (
                [12, 11, 10],
                60,
                [1.5, 0.8, 0.8],
                2.0,
                20,
                24,
                0.4119318181818181,
            ),
            (
                [4, 30, 3],
                30,
                [3.0, 0.25, 0.5],
                2.0,
                11,
                14,
                0.7484917576053615,
            ),
        ] {
            let truth = LabelVolume::new(thrown(shape, 1, one_in), Spacing::new(spacing).unwrap());
            let prediction = thrown(shape, 2, one_in);
            let comparison = Comparison::new(&truth, prediction.view());
            assert_eq!(comparison.label(1).truth, in_truth);
            assert_eq!(comparison.label(1).prediction, in_prediction);
            let dice = surface_overlap(&comparison, 1, tolerance).dice().unwrap();
            assert!(
                (dice - expected).abs() < 1e-12,
                "{shape:?}: {dice}, not {expected}"
            );
        }
    }

    #[test]
    fn a_surface_is_far_from_one_that_is_not_there() {
        let truth = reference::volume(Array3::from_elem((2, 2, 2), 1));
        let prediction = Array3::zeros((2, 2, 2));
        let comparison = Comparison::new(&truth, prediction.view());
        assert_eq!(surface_overlap(&comparison, 1, 1e9).dice(), Some(0.0));
        assert_eq!(surface_overlap(&comparison, 2, 1e9).dice(), None);
    }

    proptest! {
        #[test]
        fn a_word_is_widened_as_bit_by_bit(
            row in proptest::collection::vec(
                prop_oneof![any::<u64>(), Just(0), (0..64u32).prop_map(|bit| 1 << bit)], 1..5),
            reach in 0..200usize,
        ) {
            let set = |x: usize| row[x / 64] >> (x % 64) & 1 == 1;
            let size = row.len() * 64;
            for word in 0..row.len() {
                let expected = (0..64).fold(0, |wide, bit| {
                    let x = word * 64 + bit;
                    let mut near = x.saturating_sub(reach)..size.min(x + reach + 1);
                    wide | u64::from(near.any(set)) << bit
                });
                prop_assert_eq!(widened(&row, word, reach), expected);
            }
        }

        #[test]
        fn surfaces_overlap_as_they_do_element_by_element(
            (truth, prediction) in reference::pairs(3),
            spacing in reference::spacings(),
            tolerance in prop_oneof![Just(2.0), Just(0.0), 0.1..4.0f64],
        ) {
            let truth = LabelVolume::new(truth, spacing);
            let comparison = Comparison::new(&truth, prediction.view());
            for (key, thickness) in [(1, 1), (1, SLICES_PER_SLAB), (2, 2)] {
                let found = overlap_in_slabs(&comparison, key, tolerance, thickness);
                let found =
                    [found.truth, found.prediction, found.truth_near, found.prediction_near];
                let expected = naive(&truth, &prediction, key, tolerance);
                for (found, expected) in found.into_iter().zip(expected) {
                    prop_assert!((found - expected).abs() <= 1e-9 * expected.max(1.0));
                }
            }
        }
    }
}
