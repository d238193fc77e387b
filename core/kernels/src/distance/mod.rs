//! The exact Euclidean distance transform.

mod envelope;
mod field;
mod shallow;
mod square;

use super::mask::MaskWord;
use super::{Mask, Voxel, VoxelBox};
use field::{Faces, Field};
use shallow::{Worn, wear};
use square::Square;

/// What lies beyond the faces of the volume a mask lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Background, from which distances are measured as from any other.
    Background,
    /// Background along y and x, nothing along z: what an image of one slice has around it.
    BackgroundInPlane,
    /// Nothing: only background inside the volume counts.
    Nothing,
}

impl Outside {
    fn is_background_along(self, axis: usize) -> bool {
        match self {
            Self::Background => true,
            Self::BackgroundInPlane => axis != 0,
            Self::Nothing => false,
        }
    }
}

/// Squared distances of a mask's voxels to the background, in the mask's bounding box.
///
/// ```
/// use ndarray::Array3;
/// use segarena_kernels::{Mask, Outside, SquaredDistances};
///
/// let mask = Mask::of_key(Array3::from_elem((3, 3, 3), 1).view(), 1);
/// let distances = SquaredDistances::new(&mask, Outside::Background).unwrap();
/// assert_eq!((distances.at([1, 1, 1]), distances.at([0, 1, 1])), (4, 1));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SquaredDistances {
    bounds: VoxelBox,
    values: Values,
}

/// In the shape of the box; 0 outside the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Values {
    /// Where every squared distance in the box fits.
    Narrow(Field<u32>),
    Wide(Field<u64>),
}

impl SquaredDistances {
    /// Measures every voxel of a mask: the squared distance, in voxels, to the centre of the
    /// nearest background voxel. `None` if the mask is empty.
    ///
    /// Exact: squares are integers. One axis after the other, each line the lower envelope of the
    /// parabolas that stand on the axes before; lines are taken out of the volume some at a time,
    /// as they lie side by side in memory. Memory is four bytes for each voxel of the mask's box.
    ///
    /// Where the volume holds no background at all and nothing lies outside, every value is
    /// `u64::MAX`.
    pub fn new(mask: &Mask, outside: Outside) -> Option<Self> {
        let bounds = mask.bounds()?;
        Some(Self::measured(mask, outside, bounds, is_wide(bounds)))
    }

    fn measured(mask: &Mask, outside: Outside, bounds: VoxelBox, wide: bool) -> Self {
        let faces = faces(mask, bounds, outside);
        let values = if wide {
            Values::Wide(Field::measure(mask, bounds, faces))
        } else {
            Values::Narrow(Field::measure(mask, bounds, faces))
        };
        Self { bounds, values }
    }

    /// The squared distance of a voxel; 0 outside the mask.
    pub fn at(&self, voxel: Voxel) -> u64 {
        if !self.bounds.holds(voxel) {
            return 0;
        }
        let at = [0, 1, 2].map(|axis| voxel[axis] - self.bounds.low[axis]);
        match &self.values {
            Values::Narrow(values) => values.at(at).to_u64(),
            Values::Wide(values) => values.at(at).to_u64(),
        }
    }

    /// The voxel with the largest squared distance, these left out, and that distance; of several
    /// the first in C order. `None` if no voxel of the mask is left.
    pub fn deepest_but(&self, left_out: &[Voxel]) -> Option<(Voxel, u64)> {
        let from_corner = |at: Voxel| [0, 1, 2].map(|axis| at[axis] + self.bounds.low[axis]);
        let is_left = |at: Voxel| !left_out.contains(&from_corner(at));
        let (at, distance) = match &self.values {
            Values::Narrow(values) => values
                .deepest_where(is_left)
                .map(|(at, v)| (at, v.to_u64())),
            Values::Wide(values) => values
                .deepest_where(is_left)
                .map(|(at, v)| (at, v.to_u64())),
        }?;
        Some((from_corner(at), distance))
    }

    /// The largest squared distance.
    pub fn greatest(&self) -> u64 {
        match &self.values {
            Values::Narrow(values) => values.greatest().to_u64(),
            Values::Wide(values) => values.greatest().to_u64(),
        }
    }
}

/// Where background follows beyond the faces of a mask's box.
fn faces(mask: &Mask, bounds: VoxelBox, outside: Outside) -> Faces {
    let is_background = |axis| outside.is_background_along(axis);
    let shape = mask.shape();
    Faces {
        before: [0, 1, 2].map(|axis| is_background(axis) || bounds.low[axis] > 0),
        after: [0, 1, 2].map(|axis| is_background(axis) || bounds.high[axis] + 1 < shape[axis]),
    }
}

/// Whether squared distances in the box may need more than 32 bits: no distance along an axis is
/// more than the box's size there.
fn is_wide(bounds: VoxelBox) -> bool {
    let squares = bounds.size().map(|size| (size as u64).saturating_pow(2));
    squares.into_iter().fold(0, u64::saturating_add) >= u64::from(u32::MAX)
}

/// The voxels of a mask that are farthest from the background, as [`SquaredDistances`] measures
/// it. `None` if the mask is empty.
///
/// Faster than all the distances: where the mask is not very deep, 64 voxels are tried at once, and
/// elsewhere columns that cannot hold the greatest distance are left out.
///
/// ```
/// use ndarray::arr3;
/// use segarena_kernels::{Mask, Outside, deepest_voxels};
///
/// let mask = Mask::of_key(arr3(&[[[1, 1, 1, 0]]]).view(), 1);
/// let deepest = deepest_voxels(&mask, Outside::Nothing).unwrap();
/// assert_eq!((deepest.voxels(), deepest.nth(0)), (1, Some([0, 0, 0])));
/// ```
pub fn deepest_voxels(mask: &Mask, outside: Outside) -> Option<Mask> {
    let bounds = mask.bounds()?;
    Some(match wear(mask, bounds, outside) {
        Worn::Away(deepest) => deepest,
        Worn::TooDeep(least) => measure_deepest(mask, outside, bounds, least, is_wide(bounds)),
    })
}

/// The same by measuring; the greatest squared distance is at least `least`.
fn measure_deepest(
    mask: &Mask,
    outside: Outside,
    bounds: VoxelBox,
    least: u64,
    wide: bool,
) -> Mask {
    let faces = faces(mask, bounds, outside);
    if !faces.before.contains(&true)
        && !faces.after.contains(&true)
        && mask.voxels() == bounds.size().iter().map(|&size| size as u64).product()
    {
        // No background at all: every voxel is as deep as any.
        return mask.clone();
    }
    let voxels = if wide {
        Field::<u64>::deepest(mask, bounds, faces, least).voxels
    } else {
        Field::<u32>::deepest(mask, bounds, faces, u32::from_raw(least)).voxels
    };
    let height = mask.shape()[1];
    let words = voxels.into_iter().map(|at| {
        let [z, y, x] = [0, 1, 2].map(|axis| bounds.low[axis] + at[axis]);
        MaskWord {
            row: (z * height + y) as u32,
            word: x / 64,
            bits: 1 << (x % 64),
        }
    });
    Mask::of_words(mask.shape(), words.collect())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;
    use crate::reference;

    #[test]
    fn a_cube_is_deepest_in_its_middle() {
        let cube = reference::mask_of(&Array3::from_elem((5, 5, 5), 1));
        let distances = SquaredDistances::new(&cube, Outside::Background).unwrap();
        assert_eq!(distances.greatest(), 9);
        assert_eq!(distances.at([2, 2, 2]), 9);
        assert_eq!(distances.at([1, 2, 2]), 4);
        assert_eq!(distances.at([9, 2, 2]), 0);
    }

    #[test]
    fn without_any_background_every_voxel_is_infinitely_deep() {
        let cube = reference::mask_of(&Array3::from_elem((2, 3, 2), 1));
        let distances = SquaredDistances::new(&cube, Outside::Nothing).unwrap();
        assert_eq!(distances.greatest(), u64::MAX);
    }

    proptest! {
        #[test]
        fn every_distance_is_the_least_there_is(voxels in reference::volumes(2), wide: bool) {
            let mask = reference::mask_of(&voxels);
            if let Some(bounds) = mask.bounds() {
                let found = SquaredDistances::measured(&mask, Outside::Nothing, bounds, wide);
                for ((z, y, x), expected) in reference::squared_distances(&voxels).indexed_iter() {
                    prop_assert_eq!(found.at([z, y, x]), expected.unwrap_or(u64::MAX));
                }
            }
        }

        #[test]
        fn the_outside_counts_as_background_when_it_is(voxels in reference::volumes(2)) {
            let mask = reference::mask_of(&voxels);
            if let Some(found) = SquaredDistances::new(&mask, Outside::Background) {
                let padded = reference::squared_distances(&reference::padded(&voxels, [1; 3]));
                for ((z, y, x), _) in voxels.indexed_iter() {
                    let expected = padded[[z + 1, y + 1, x + 1]];
                    prop_assert_eq!(Some(found.at([z, y, x])), expected);
                }
            }
        }

        #[test]
        fn around_a_slice_only_its_plane_is_background(voxels in reference::volumes(2)) {
            let mask = reference::mask_of(&voxels);
            if let Some(found) = SquaredDistances::new(&mask, Outside::BackgroundInPlane) {
                let padded = reference::squared_distances(&reference::padded(&voxels, [0, 1, 1]));
                for ((z, y, x), _) in voxels.indexed_iter() {
                    prop_assert_eq!(Some(found.at([z, y, x])), padded[[z, y + 1, x + 1]]);
                }
            }
        }

        #[test]
        fn the_deepest_voxel_that_is_left_is_found(
            voxels in reference::volumes(2),
            skipped in 0..4_usize,
        ) {
            let mask = reference::mask_of(&voxels);
            let Some(distances) = SquaredDistances::new(&mask, Outside::Background) else {
                return Ok(());
            };
            let mut by_depth = reference::voxels_of(&mask);
            by_depth.sort_by_key(|&at| std::cmp::Reverse(distances.at(at)));
            let skipped = skipped.min(by_depth.len());
            let expected = by_depth.get(skipped).map(|&at| (at, distances.at(at)));
            prop_assert_eq!(distances.deepest_but(&by_depth[..skipped]), expected);
        }

        #[test]
        fn the_deepest_voxels_are_those_with_the_greatest_distance(
            voxels in reference::volumes(2),
            wide: bool,
        ) {
            let mask = reference::mask_of(&voxels);
            let Some(bounds) = mask.bounds() else { return Ok(()) };
            for outside in [Outside::Nothing, Outside::BackgroundInPlane, Outside::Background] {
                let distances = SquaredDistances::measured(&mask, outside, bounds, wide);
                let mut expected = reference::voxels_of(&mask);
                expected.retain(|&at| distances.at(at) == distances.greatest());
                let found = deepest_voxels(&mask, outside);
                prop_assert_eq!(found.map(|m| reference::voxels_of(&m)), Some(expected.clone()));
                for least in [0, 1, distances.greatest()] {
                    let measured = measure_deepest(&mask, outside, bounds, least, wide);
                    prop_assert_eq!(&reference::voxels_of(&measured), &expected);
                }
            }
        }
    }

    /// Balls of radii on both sides of what is worn away, cut at the volume's border.
    #[test]
    fn the_deepest_voxels_of_large_bodies_are_found() {
        for radius in [3, 9, 15, 16, 17, 25] {
            let square = |a: usize, b: usize| a.abs_diff(b).pow(2);
            let ball = Array3::from_shape_fn((41, 50, 70), |(z, y, x)| {
                u8::from(square(z, 20) + square(y, 28) + square(x, 40) <= radius * radius)
            });
            let mask = reference::mask_of(&ball);
            for outside in [
                Outside::Nothing,
                Outside::BackgroundInPlane,
                Outside::Background,
            ] {
                let distances = SquaredDistances::new(&mask, outside).unwrap();
                let mut expected = reference::voxels_of(&mask);
                expected.retain(|&at| distances.at(at) == distances.greatest());
                let found = deepest_voxels(&mask, outside).unwrap();
                assert_eq!(reference::voxels_of(&found), expected, "{radius}");
            }
        }
    }
}
