//! Runs submissions on Podman, as root or not, with or without a running service, by the libpod
//! interface.
#![warn(missing_docs)]

mod abandoned;
mod engine;
mod failure;
mod file_system;
mod libpod;
mod output;
mod place;
mod root;
mod service;
mod spec;
mod usual_store;

use segarena_container::ContainerBackend;
use segarena_container::options::ContainerOptions;

pub use engine::PodmanEngine;

/// The name by which the configuration chooses this backend.
pub const KIND: &str = "podman";

/// The backend of kind `podman`.
#[derive(Debug)]
pub struct PodmanBackend;

impl PodmanBackend {
    /// A backend on the engine that `options` name: their `socket`, else `CONTAINER_HOST`, else
    /// `$XDG_RUNTIME_DIR/podman/podman.sock` or `/run/podman/podman.sock`, else one that is
    /// started for the length of the run. Does not talk to it yet.
    pub fn connect(options: ContainerOptions) -> ContainerBackend<PodmanEngine> {
        ContainerBackend::new(PodmanEngine::new(options.socket.clone()), options)
    }
}
