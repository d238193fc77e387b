//! Pure kernels on label volumes: no input or output, no protocol.
//!
//! Axis order is (z, y, x) everywhere, in C order; a voxel is `[z, y, x]`.

mod comparison;
mod labels;

pub use comparison::{Comparison, LabelOverlap, VoxelBox};
pub use labels::{LabelKeys, LabelVolume, Spacing, SpacingError, Voxel};
