//! Pure kernels on label volumes: no input or output, no protocol.
//!
//! Axis order is (z, y, x) everywhere, in C order; a voxel is `[z, y, x]`. What a kernel finds is
//! exact and does not depend on how many threads there are.

#![warn(missing_docs)]

mod assignment;
mod bits;
mod blocks;
mod bounding_box;
mod comparison;
mod components;
mod distance;
mod instances;
mod labels;
mod mask;
mod overlap_table;
mod pass;
mod prediction;
#[cfg(any(test, feature = "reference"))]
pub mod reference;
mod rows;
mod runs;
pub mod score;
mod surface;
mod voxel_box;

pub use assignment::optimal_assignment;
pub use blocks::Blocks;
pub use bounding_box::BoundingBox;
pub use comparison::{Comparison, LabelOverlap};
pub use components::largest_component;
pub use distance::{Outside, SquaredDistances, deepest_voxels};
pub use instances::{InstancePair, InstanceScores, score_instances, split_single_mask};
pub use labels::{LabelKeys, LabelView, LabelVolume, Spacing, SpacingError, Voxel};
pub use mask::Mask;
pub use overlap_table::OverlapTable;
pub use prediction::Prediction;
pub use surface::{SurfaceOverlap, surface_overlap};
pub use voxel_box::VoxelBox;
