//! Surfaces of labels: their elements, and how much of them two volumes share.

mod area;
mod bits;
mod reach;

use ndarray::ArrayView3;

use super::rows::row_of;
use super::{Comparison, VoxelBox};
use area::AreaTable;
use bits::BitSlice;
use reach::Reach;

/// The areas, in mm², of a label's surface in the truth and in the prediction, and how much of
/// each lies near the other.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
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
pub fn surface_overlap(comparison: &Comparison<'_>, key: u8, tolerance_mm: f64) -> SurfaceOverlap {
    let Some(bounds) = comparison.label(key).either else {
        return SurfaceOverlap::default();
    };
    let spacing = comparison.truth().spacing();
    let has_row = |z, y| comparison.has_row(key, z, y);
    let truth = Surface::of(bounds, comparison.truth().voxels(), key, has_row);
    let prediction = Surface::of(bounds, comparison.prediction(), key, has_row);
    let reach = Reach::new(spacing, tolerance_mm, truth.shape);
    let areas = AreaTable::new(spacing);
    SurfaceOverlap {
        truth: truth.area(&areas, |_, _| true),
        prediction: prediction.area(&areas, |_, _| true),
        truth_near: truth.area(&areas, |row, x| prediction.is_near(row, x, &reach)),
        prediction_near: prediction.area(&areas, |row, x| truth.is_near(row, x, &reach)),
    }
}

/// The surface elements of a mask, by row.
struct Surface {
    /// Neighbourhoods along each axis: one more than the voxels.
    shape: [usize; 3],
    /// Where each row's elements start in `elements`, and where the last one's end.
    rows: Vec<usize>,
    /// The x and the code of each element.
    elements: Vec<(u32, u8)>,
}

impl Surface {
    /// Of the voxels with this key, which all lie within `bounds` and in rows that `has_row` says
    /// have some. Holds two slices as bits at a time and looks at 64 neighbourhoods at once.
    fn of(
        bounds: VoxelBox,
        voxels: ArrayView3<'_, u8>,
        key: u8,
        has_row: impl Fn(usize, usize) -> bool,
    ) -> Self {
        let VoxelBox { low, high } = bounds;
        let [depth, height, width] = bounds.size();
        let mut surface = Self {
            shape: [depth + 1, height + 1, width + 1],
            rows: vec![0],
            elements: Vec::new(),
        };
        let mut below = BitSlice::empty(height, width);
        let mut here = BitSlice::empty(height, width);
        for z in 0..=depth {
            if z < depth {
                here.fill(key, |y| {
                    let (z, y) = (low[0] + z, low[1] + y);
                    has_row(z, y).then(|| &row_of(voxels, z, y)[low[2]..=high[2]])
                });
            } else {
                here.clear();
            }
            for y in 0..=height {
                if below.is_filled_at(y) || here.is_filled_at(y) {
                    let rows = [
                        below.row_before(y),
                        below.row(y),
                        here.row_before(y),
                        here.row(y),
                    ];
                    bits::elements_of_row(rows, &mut surface.elements);
                }
                surface.rows.push(surface.elements.len());
            }
            std::mem::swap(&mut below, &mut here);
        }
        surface
    }

    fn row(&self, z: usize, y: usize) -> &[(u32, u8)] {
        let row = z * self.shape[1] + y;
        &self.elements[self.rows[row]..self.rows[row + 1]]
    }

    /// The area of the elements chosen by their row and x.
    fn area(&self, areas: &AreaTable, chosen: impl Fn((usize, usize), u32) -> bool) -> f64 {
        let mut counts = [0u64; 256];
        for z in 0..self.shape[0] {
            for y in 0..self.shape[1] {
                for &(x, code) in self.row(z, y) {
                    counts[usize::from(code)] += u64::from(chosen((z, y), x));
                }
            }
        }
        (0..=255)
            .map(|code: u8| counts[usize::from(code)] as f64 * areas.area(code))
            .sum()
    }

    /// Whether an element lies within reach of this place.
    fn is_near(&self, (z, y): (usize, usize), x: u32, reach: &Reach) -> bool {
        reach.rows().iter().any(|offset| {
            let z = z.wrapping_add_signed(offset.z);
            let y = y.wrapping_add_signed(offset.y);
            if z >= self.shape[0] || y >= self.shape[1] {
                return false;
            }
            let row = self.row(z, y);
            let next = row.partition_point(|&(at, _)| at + offset.x < x);
            row.get(next).is_some_and(|&(at, _)| at <= x + offset.x)
        })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;
    use crate::{LabelVolume, Spacing, Voxel, twins};

    /// Every element held against every other.
    fn naive(truth: &LabelVolume, prediction: &Array3<u8>, key: u8, tolerance: f64) -> [f64; 4] {
        let spacing = truth.spacing();
        let areas = AreaTable::new(spacing);
        let surfaces = [truth.voxels().to_owned(), prediction.clone()]
            .map(|voxels| twins::surface_elements(&voxels, key));
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
        let truth = twins::volume(Array3::from_elem((2, 2, 2), 1));
        let prediction = Array3::zeros((2, 2, 2));
        let comparison = Comparison::new(&truth, prediction.view());
        assert_eq!(surface_overlap(&comparison, 1, 1e9).dice(), Some(0.0));
        assert_eq!(surface_overlap(&comparison, 2, 1e9).dice(), None);
    }

    proptest! {
        #[test]
        fn surfaces_overlap_as_they_do_element_by_element(
            (truth, prediction) in twins::pairs(3),
            spacing in twins::spacings(),
            tolerance in prop_oneof![Just(2.0), Just(0.0), 0.1..4.0f64],
        ) {
            let truth = LabelVolume::new(truth, spacing);
            let comparison = Comparison::new(&truth, prediction.view());
            for key in [1, 2] {
                let found = surface_overlap(&comparison, key, tolerance);
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
