//! What the container backends share: archives of images, the options of a container, and whose
//! a container is that somebody left behind.
#![warn(missing_docs)]

pub mod archive;
mod backend;
pub mod engine;
pub mod image_archive;
mod intention;
mod interaction;
mod leftovers;
pub mod limits;
pub mod lives;
pub mod loading;
pub mod memory;
pub mod options;
pub mod request;
pub mod tags;

pub use backend::ContainerBackend;
