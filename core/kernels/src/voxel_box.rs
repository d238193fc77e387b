//! Boxes of voxels.

use super::Voxel;

/// A box of voxels, `low` and `high` both inside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VoxelBox {
    /// The corner with the smallest indices.
    pub low: Voxel,
    /// The corner with the largest indices.
    pub high: Voxel,
}

impl VoxelBox {
    /// The box of one voxel.
    pub fn of(voxel: Voxel) -> Self {
        Self {
            low: voxel,
            high: voxel,
        }
    }

    /// The smallest box that holds this one and `voxel`.
    #[must_use]
    pub fn with(self, voxel: Voxel) -> Self {
        Self {
            low: [0, 1, 2].map(|axis| self.low[axis].min(voxel[axis])),
            high: [0, 1, 2].map(|axis| self.high[axis].max(voxel[axis])),
        }
    }

    /// How many voxels it has along each axis.
    pub fn size(&self) -> [usize; 3] {
        [0, 1, 2].map(|axis| self.high[axis] - self.low[axis] + 1)
    }

    /// Whether it holds this voxel.
    pub fn holds(&self, voxel: Voxel) -> bool {
        (0..3).all(|axis| (self.low[axis]..=self.high[axis]).contains(&voxel[axis]))
    }
}
