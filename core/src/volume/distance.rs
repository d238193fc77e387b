//! The exact Euclidean distance transform.

use ndarray::{Array3, Axis};

use super::runs::RunMask;
use super::{Voxel, VoxelBox};

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
    bounds: VoxelBox,
    /// Shape of the box; 0 outside the mask.
    values: Array3<u64>,
}

/// No background on a line.
const FAR: u64 = u64::MAX;

impl SquaredDistances {
    /// Measures every voxel of a mask: the squared distance, in voxels, to the centre of the
    /// nearest background voxel. `None` if the mask is empty.
    ///
    /// Exact: squares are integers. One axis after the other, each line the lower envelope of the
    /// parabolas that stand on the axes before (Meijster, Roerdink and Hesselink, "A general
    /// algorithm for computing distance transforms in linear time", 2000; Felzenszwalb and
    /// Huttenlocher, "Distance transforms of sampled functions", 2012).
    ///
    /// Where the volume holds no background at all and nothing lies outside, every value is
    /// `u64::MAX`.
    pub fn new(mask: &RunMask, outside: Outside) -> Option<Self> {
        let bounds = mask.bounds()?;
        let shape = mask.shape();
        let background_before =
            [0, 1, 2].map(|axis| outside == Outside::Background || bounds.low[axis] > 0);
        let background_after = [0, 1, 2]
            .map(|axis| outside == Outside::Background || bounds.high[axis] + 1 < shape[axis]);

        let mut values = Array3::<u64>::zeros(bounds.size());
        for &run in mask.runs() {
            let (z, y) = mask.row_of(run);
            let (start, end) = (run.start as usize, run.end as usize);
            let before = background_before[2] || start > bounds.low[2];
            let after = background_after[2] || end <= bounds.high[2];
            for x in start..end {
                let left = if before { (x + 1 - start) as u64 } else { FAR };
                let right = if after { (end - x) as u64 } else { FAR };
                let nearest = left.min(right);
                values[[z - bounds.low[0], y - bounds.low[1], x - bounds.low[2]]] =
                    nearest.saturating_mul(nearest);
            }
        }
        let mut envelope = Envelope::default();
        for axis in [1, 0] {
            for mut line in values.lanes_mut(Axis(axis)) {
                envelope.clear();
                if background_before[axis] {
                    envelope.add(-1, 0);
                }
                for (at, &value) in line.iter().enumerate() {
                    envelope.add(at as i64, value);
                }
                if background_after[axis] {
                    envelope.add(line.len() as i64, 0);
                }
                envelope.write(line.iter_mut());
            }
        }
        Some(Self { bounds, values })
    }

    /// The squared distance of a voxel; 0 outside the mask.
    pub fn at(&self, voxel: Voxel) -> u64 {
        if self.bounds.holds(voxel) {
            self.values[[0, 1, 2].map(|axis| voxel[axis] - self.bounds.low[axis])]
        } else {
            0
        }
    }

    /// The largest squared distance.
    pub fn greatest(&self) -> u64 {
        self.values.iter().copied().max().unwrap_or(0)
    }
}

/// The lower envelope of parabolas `height + (x - at)²` over the integers.
#[derive(Default)]
struct Envelope {
    /// Where a parabola stands, its height, and the first x at which it is the lowest.
    arcs: Vec<(i64, i64, i64)>,
}

impl Envelope {
    fn clear(&mut self) {
        self.arcs.clear();
    }

    /// Adds a parabola to the right of all others.
    fn add(&mut self, at: i64, height: u64) {
        if height == FAR {
            return;
        }
        let height = height as i64;
        let mut from = i64::MIN;
        while let Some(&(other, other_height, other_from)) = self.arcs.last() {
            // The new one is strictly lower from the first x beyond the crossing.
            let rise = (at * at + height) - (other * other + other_height);
            from = rise.div_euclid(2 * (at - other)) + 1;
            if from > other_from {
                break;
            }
            self.arcs.pop();
            from = i64::MIN;
        }
        self.arcs.push((at, height, from));
    }

    fn write<'a>(&self, line: impl Iterator<Item = &'a mut u64>) {
        let mut arc = 0;
        for (x, value) in line.enumerate() {
            let x = x as i64;
            while arc + 1 < self.arcs.len() && self.arcs[arc + 1].2 <= x {
                arc += 1;
            }
            *value = match self.arcs.get(arc) {
                Some(&(at, height, _)) => ((x - at) * (x - at) + height) as u64,
                None => FAR,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::volume::twins;

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
        fn every_distance_is_the_least_there_is(voxels in twins::volumes(2)) {
            let mask = twins::runs_of(&voxels);
            if let Some(found) = SquaredDistances::new(&mask, Outside::Nothing) {
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
    }
}
