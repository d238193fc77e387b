//! The files of an evaluation: numpy's archives, the safe part of Python's pickles, NIfTI images, and
//! folders that strangers fill.
//!
//! Whatever is read may come from anybody: it is checked before it is believed, and nothing in it
//! is executed.
#![warn(missing_docs)]

pub mod copying;
pub mod known_file;
pub mod nifti;
pub mod npz;
mod obstacles;
pub mod removal;
pub mod room;
pub mod temporary;
pub mod whole_file;
