//! NIfTI images, the form that hospitals' data comes in: read from anybody, written for viewers.
//!
//! [`NiftiHeader`] is what a header says once it is checked, [`NiftiVolume`] the voxels with it;
//! [`write_nifti`] writes a label volume beside its image. Both versions of the format are read,
//! `.nii` and `.nii.gz`, either byte order, every integer type and both float types.
//!
//! Axis order: NIfTI counts voxels (x, y, z) with x the fastest. The same bytes in C order are an
//! array with axes (z, y, x), which is what every shape, spacing and array here has. Only an
//! [`Affine`] keeps the format's own order.
//!
//! # Why not the `nifti` crate
//! The crate `nifti` 0.18 was tried first. It reads no NIfTI-2. It panics on headers as they occur: a
//! quaternion longer than 1 or a `pixdim[0]` of 0 in `affine`, a `bitpix` that does not fit
//! `datatype` in `into_ndarray`; a `vox_offset` that is no number passes unseen. Integers are scaled
//! as 32-bit floats, so that 16 777 217 becomes 16 777 216. And a volume is held up to three times
//! on its way to an array. The format is a table of offsets: a reader of our own is shorter than
//! what would have to be put around the crate.

mod affine;
mod error;
mod header;
mod source;
mod volume;
mod write;

pub use affine::Affine;
pub use error::{NiftiError, NiftiErrorKind};
pub use header::{Geometry, NiftiHeader, Scaling, Version};
pub use source::{read_nifti, read_nifti_bytes, read_nifti_header};
pub use volume::NiftiVolume;
pub use write::write_nifti;
