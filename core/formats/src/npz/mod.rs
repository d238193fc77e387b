//! File formats: numpy's `.npz` archives, read from anybody and written for anybody.
//!
//! Three sorts of files come in. *Images* ([`Image`]) and *ground truths* ([`read_ground_truth`])
//! are the data set's: they are checked so that a mistake in them is named before anything runs.
//! *Predictions* ([`read_prediction`]) are a stranger's: they are read under limits that follow
//! from the case, and nothing in them is executed. [`NpzWriter`] and [`ResultWriter`] write.
//!
//! An `.npz` is a zip archive of `.npy` members, `segs.npy` for the key `segs`; the format of a
//! `.npy` is numpy's NEP 1.

mod archive;
mod dtype;
pub(crate) mod element;
mod error;
mod file;
mod folder;
mod ground_truth;
mod header;
mod image;
mod layout;
mod members;
pub mod pickle;
mod prediction;
mod result;
mod writer;

pub use dtype::{Dtype, Kind};
pub use element::Element;
pub use error::{NpzError, NpzErrorKind, PredictionError};
pub use file::{NpzFile, write_image, write_volume};
pub use folder::Folder;
pub use ground_truth::{
    GroundTruth, ground_truth_of, read_byte_ground_truth, read_ground_truth,
    read_ground_truth_bytes,
};
pub use image::CopyError;
pub use image::Image;
pub use members::NpzMembers;
pub use prediction::{
    SpareVolume, prediction_of, read_prediction, read_prediction_bytes, read_prediction_file,
    read_prediction_reusing,
};
pub use result::{ResultWriter, SavedSegs, read_saved_segs};
pub use segarena_kernels::Prediction;
pub use writer::{NpzWriter, Writable};
