//! Masks as runs: the voxels of a mask, told as the stretches it covers along x.

/// A stretch of voxels along x, `start..end` of one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Run {
    /// The row's number in C order: `z * shape[1] + y`.
    pub(crate) row: u32,
    /// The first voxel's x.
    pub(crate) start: u32,
    /// One past the last voxel's x.
    pub(crate) end: u32,
}

/// A mask of voxels as its runs.
///
/// The runs are in C order, none is empty, and no two of one row touch: each is as long as it
/// can be. A mask costs memory for its surface, not for the volume it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunMask {
    shape: [usize; 3],
    runs: Vec<Run>,
}

impl RunMask {
    /// An empty mask in a volume of this shape (z, y, x).
    pub(crate) fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            runs: Vec::new(),
        }
    }

    /// Adds a run that begins before none of the others in C order, joining it to the last if they
    /// touch or overlap.
    pub(crate) fn push(&mut self, run: Run) {
        match self.runs.last_mut() {
            Some(last) if last.row == run.row && run.start <= last.end => {
                last.end = last.end.max(run.end);
            }
            _ => self.runs.push(run),
        }
    }

    /// The shape (z, y, x) of the volume.
    pub(crate) fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The runs, in C order.
    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The `(z, y)` of a run.
    pub(crate) fn row_of(&self, run: Run) -> (usize, usize) {
        let row = run.row as usize;
        (row / self.shape[1], row % self.shape[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_that_touch_become_one() {
        let mut mask = RunMask::new([2, 2, 4]);
        for (row, start, end) in [(0, 1, 2), (0, 2, 3), (1, 0, 1)] {
            mask.push(Run { row, start, end });
        }
        let joined = [(0, 1, 3), (1, 0, 1)].map(|(row, start, end)| Run { row, start, end });
        assert_eq!(mask.runs(), joined);
    }
}
