//! Masks as runs: the voxels of a mask, told as the stretches it covers along x.

use super::{Voxel, VoxelBox};

/// A stretch of voxels along x, `start..end` of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    /// The row's number in C order: `z * shape[1] + y`.
    pub row: u32,
    /// The first voxel's x.
    pub start: u32,
    /// One past the last voxel's x.
    pub end: u32,
}

impl Run {
    /// How many voxels it covers.
    pub fn voxels(self) -> u64 {
        u64::from(self.end - self.start)
    }
}

/// A mask of voxels as its runs.
///
/// The runs are in C order, none is empty, and no two of one row touch: each is as long as it
/// can be. A mask costs memory for its surface, not for the volume it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunMask {
    shape: [usize; 3],
    runs: Vec<Run>,
}

impl RunMask {
    /// An empty mask in a volume of this shape (z, y, x).
    pub fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            runs: Vec::new(),
        }
    }

    /// A mask of these runs: in C order of their starts, overlaps allowed.
    pub fn from_runs(shape: [usize; 3], runs: impl IntoIterator<Item = Run>) -> Self {
        let mut mask = Self::new(shape);
        for run in runs {
            mask.push(run);
        }
        mask
    }

    /// Adds a run that begins before none of the others in C order, joining it to the last if they
    /// touch or overlap.
    pub fn push(&mut self, run: Run) {
        match self.runs.last_mut() {
            Some(last) if last.row == run.row && run.start <= last.end => {
                last.end = last.end.max(run.end);
            }
            _ => self.runs.push(run),
        }
    }

    /// The shape (z, y, x) of the volume.
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The runs, in C order.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// How many voxels the mask has.
    pub fn voxels(&self) -> u64 {
        self.runs.iter().map(|run| run.voxels()).sum()
    }

    /// The `(z, y)` of a run.
    pub fn row_of(&self, run: Run) -> (usize, usize) {
        let row = run.row as usize;
        (row / self.shape[1], row % self.shape[1])
    }

    /// The runs of the row at `z`, `y`.
    pub fn row(&self, z: usize, y: usize) -> &[Run] {
        let row = (z * self.shape[1] + y) as u32;
        let start = self.runs.partition_point(|run| run.row < row);
        let count = self.runs[start..].partition_point(|run| run.row == row);
        &self.runs[start..start + count]
    }

    /// The smallest box that holds every voxel; `None` if there is none.
    pub fn bounds(&self) -> Option<VoxelBox> {
        let ends = self.runs.iter().flat_map(|&run| {
            let (z, y) = self.row_of(run);
            [[z, y, run.start as usize], [z, y, run.end as usize - 1]]
        });
        ends.fold(None, |bounds: Option<VoxelBox>, at| {
            Some(bounds.map_or(VoxelBox::of(at), |bounds| bounds.with(at)))
        })
    }

    /// The `n`th voxel of the mask in C order, counted from 0.
    pub fn nth(&self, n: u64) -> Option<Voxel> {
        let mut left = n;
        for &run in &self.runs {
            if left < run.voxels() {
                let (z, y) = self.row_of(run);
                return Some([z, y, run.start as usize + left as usize]);
            }
            left -= run.voxels();
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn() -> RunMask {
        // Two slices of two rows: ".##." "#..." / "...." "..##".
        let mut mask = RunMask::new([2, 2, 4]);
        for (row, start, end) in [(0, 1, 2), (0, 2, 3), (1, 0, 1), (3, 2, 4)] {
            mask.push(Run { row, start, end });
        }
        mask
    }

    #[test]
    fn runs_that_touch_become_one() {
        let mask = drawn();
        assert_eq!(mask.runs().len(), 3);
        assert_eq!(
            mask.runs()[0],
            Run {
                row: 0,
                start: 1,
                end: 3
            }
        );
        assert_eq!(mask.voxels(), 5);
    }

    #[test]
    fn voxels_are_counted_in_c_order() {
        let mask = drawn();
        let all: Vec<_> = (0..6).map_while(|n| mask.nth(n)).collect();
        assert_eq!(all, [[0, 0, 1], [0, 0, 2], [0, 1, 0], [1, 1, 2], [1, 1, 3]]);
    }

    #[test]
    fn a_row_has_its_own_runs() {
        let mask = drawn();
        assert_eq!(mask.row(0, 0), &mask.runs()[..1]);
        assert_eq!(mask.row(1, 0), &[]);
        assert_eq!(mask.row(1, 1), &mask.runs()[2..]);
    }

    #[test]
    fn the_bounds_hold_every_voxel() {
        assert_eq!(
            drawn().bounds(),
            Some(VoxelBox {
                low: [0, 0, 0],
                high: [1, 1, 3]
            })
        );
        assert_eq!(RunMask::new([2, 2, 4]).bounds(), None);
    }
}
