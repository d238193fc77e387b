//! What the container backends share: archives of images, the options of a container, and whose
//! a container is that somebody left behind.
#![warn(missing_docs)]

mod about;
pub mod archive;
mod backend;
pub mod engine;
pub mod folders;
mod helper;
pub mod image_archive;
mod inflated;
mod interaction;
mod leftovers;
pub mod limits;
mod load_journal;
pub mod loading;
pub mod manifest;
mod members;
pub mod memory;
pub mod message;
pub mod options;
pub mod pending;
pub mod request;
pub mod script;
mod store;
pub mod tags;
mod unnamed;
mod warm;

pub use backend::ContainerBackend;
