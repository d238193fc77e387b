//! Runs submissions on Docker, by the engine's own interface.
#![warn(missing_docs)]

mod engine;
mod failure;

use segarena_container::ContainerBackend;
use segarena_container::options::ContainerOptions;
use segarena_contract::BackendError;

pub use engine::DockerEngine;

/// The name by which the configuration chooses this backend.
pub const KIND: &str = "docker";

/// The backend of kind `docker`.
#[derive(Debug)]
pub struct DockerBackend;

impl DockerBackend {
    /// A backend on the engine that `options` name: their `socket`, else `DOCKER_HOST`, else
    /// `/var/run/docker.sock`. Does not talk to it yet.
    ///
    /// # Errors
    /// When the address is none.
    pub fn connect(
        options: ContainerOptions,
    ) -> Result<ContainerBackend<DockerEngine>, BackendError> {
        let engine = DockerEngine::connect(options.socket.as_deref())?;
        Ok(ContainerBackend::new(engine, options))
    }
}
