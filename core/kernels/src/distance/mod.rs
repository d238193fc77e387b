//! The exact Euclidean distance transform.

mod envelope;
mod field;
mod square;

use super::runs::{Run, RunMask};
use super::{Voxel, VoxelBox};
use field::{Faces, Field, Wanted};
use square::Square;

/// What lies beyond the faces of the volume a mask lives in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// Background, from which distances are measured as from any other.
    Background,
    /// Nothing: only background inside the volume counts.
    Nothing,
}

/// Squared distances of a mask's voxels to the background, in the mask's bounding box.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SquaredDistances {
    shape: [usize; 3],
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
    pub fn new(mask: &RunMask, outside: Outside) -> Option<Self> {
        Self::measured(mask, outside, Wanted::All, false)
    }

    fn measured(mask: &RunMask, outside: Outside, wanted: Wanted, wide: bool) -> Option<Self> {
        let bounds = mask.bounds()?;
        let shape = mask.shape();
        let is_background = outside == Outside::Background;
        let faces = Faces {
            before: [0, 1, 2].map(|axis| is_background || bounds.low[axis] > 0),
            after: [0, 1, 2].map(|axis| is_background || bounds.high[axis] + 1 < shape[axis]),
        };
        // No distance along an axis is more than the box's size there.
        let most: u64 = bounds
            .size()
            .map(|size| (size as u64).saturating_pow(2))
            .into_iter()
            .fold(0, u64::saturating_add);
        let values = if wide || most >= u64::from(u32::MAX) {
            Values::Wide(Field::measure(mask, bounds, faces, wanted))
        } else {
            Values::Narrow(Field::measure(mask, bounds, faces, wanted))
        };
        Some(Self {
            shape,
            bounds,
            values,
        })
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

    /// The largest squared distance.
    pub fn greatest(&self) -> u64 {
        match &self.values {
            Values::Narrow(values) => values.greatest().to_u64(),
            Values::Wide(values) => values.greatest().to_u64(),
        }
    }

    /// The voxels with the largest.
    fn deepest(&self) -> RunMask {
        match &self.values {
            Values::Narrow(values) => self.voxels_of(values, values.greatest()),
            Values::Wide(values) => self.voxels_of(values, values.greatest()),
        }
    }

    fn voxels_of<S: Square>(&self, values: &Field<S>, wanted: S) -> RunMask {
        let mut mask = RunMask::new(self.shape);
        let [z0, y0, x0] = self.bounds.low;
        for (z, y, voxels) in values.rows() {
            let row = ((z0 + z) * self.shape[1] + y0 + y) as u32;
            let voxels = voxels.iter().enumerate();
            for (x, _) in voxels.filter(|&(_, &value)| value == wanted) {
                let start = (x0 + x) as u32;
                let end = start + 1;
                mask.push(Run { row, start, end });
            }
        }
        mask
    }
}

/// The voxels of a mask that are farthest from the background, as [`SquaredDistances`] measures
/// it. `None` if the mask is empty.
///
/// Faster than all the distances: columns that cannot hold the greatest are left out.
pub fn deepest_voxels(mask: &RunMask, outside: Outside) -> Option<RunMask> {
    let distances = SquaredDistances::measured(mask, outside, Wanted::Greatest, false)?;
    Some(distances.deepest())
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;
    use crate::twins;

    #[test]
    fn a_cube_is_deepest_in_its_middle() {
        let cube = twins::runs_of(&Array3::from_elem((5, 5, 5), 1));
        let distances = SquaredDistances::new(&cube, Outside::Background).unwrap();
        assert_eq!(distances.greatest(), 9);
        assert_eq!(distances.at([2, 2, 2]), 9);
        assert_eq!(distances.at([1, 2, 2]), 4);
        assert_eq!(distances.at([9, 2, 2]), 0);
    }

    #[test]
    fn without_any_background_every_voxel_is_infinitely_deep() {
        let cube = twins::runs_of(&Array3::from_elem((2, 3, 2), 1));
        let distances = SquaredDistances::new(&cube, Outside::Nothing).unwrap();
        assert_eq!(distances.greatest(), u64::MAX);
    }

    proptest! {
        #[test]
        fn every_distance_is_the_least_there_is(voxels in twins::volumes(2), wide: bool) {
            let mask = twins::runs_of(&voxels);
            let found = SquaredDistances::measured(&mask, Outside::Nothing, Wanted::All, wide);
            if let Some(found) = found {
                for ((z, y, x), expected) in twins::squared_distances(&voxels).indexed_iter() {
                    prop_assert_eq!(found.at([z, y, x]), expected.unwrap_or(u64::MAX));
                }
            }
        }

        #[test]
        fn the_outside_counts_as_background_when_it_is(voxels in twins::volumes(2)) {
            let mask = twins::runs_of(&voxels);
            if let Some(found) = SquaredDistances::new(&mask, Outside::Background) {
                let padded = twins::squared_distances(&twins::padded(&voxels, [1; 3]));
                for ((z, y, x), _) in voxels.indexed_iter() {
                    let expected = padded[[z + 1, y + 1, x + 1]];
                    prop_assert_eq!(Some(found.at([z, y, x])), expected);
                }
            }
        }

        #[test]
        fn the_deepest_voxels_are_those_with_the_greatest_distance(
            voxels in twins::volumes(2),
            wide: bool,
        ) {
            let mask = twins::runs_of(&voxels);
            for outside in [Outside::Nothing, Outside::Background] {
                let deepest =
                    SquaredDistances::measured(&mask, outside, Wanted::Greatest, wide)
                        .map(|distances| twins::voxels_of(&distances.deepest()));
                let expected = SquaredDistances::new(&mask, outside).map(|distances| {
                    let mut voxels = twins::voxels_of(&mask);
                    voxels.retain(|&at| distances.at(at) == distances.greatest());
                    voxels
                });
                prop_assert_eq!(deepest, expected);
            }
        }
    }
}
