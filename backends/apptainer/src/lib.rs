//! Runs submissions by Apptainer, or Singularity: what clusters have where there is no engine.
//!
//! `apptainer exec` is a child process that makes a container around itself, so all of it is
//! `segarena-child`'s: its end, its time limit, its output, and how it is asked again and again.
//! What is this crate's own is what an archive is turned into (`store`), the words that contain a
//! submission (`exec`), and what of its limits holds on this machine (`launcher`, `job`).
#![warn(missing_docs)]

mod backend;
mod by_hand;
mod config;
mod docker_archive;
mod exec;
mod failure;
mod image;
mod job;
mod launcher;
mod store;
mod temporary;
mod warm;

pub use backend::ApptainerBackend;
pub use by_hand::{ByHand, converted_image};
pub use config::Config;

/// The name by which the configuration chooses Apptainer; Singularity will do where it is all
/// there is.
pub const KIND: &str = "apptainer";
/// The name by which the configuration chooses Singularity.
pub const SINGULARITY: &str = "singularity";
