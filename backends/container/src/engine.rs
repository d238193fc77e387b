//! What a container engine must be able to do, in words that Docker and Podman share.

use std::pin::Pin;

use async_trait::async_trait;
use segarena_contract::{BackendError, LogStream};
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

pub use crate::about::About;
pub use crate::archive::TarStream;
use crate::request::ContainerRequest;

/// What a container prints, piece by piece, until it ends.
pub type Output = mpsc::Receiver<(LogStream, Vec<u8>)>;

/// A container's standard input; shut down, the container sees its end.
pub type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// An engine, by the operations that the life of an interaction is made of.
///
/// Names and ids are the engine's own. An error is what the engine says; whether it is the fault of
/// a submission is found out by its caller, who asks the engine for something else.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// The name by which the configuration chooses this engine.
    fn kind(&self) -> &'static str;

    /// What it is and what it can enforce here. Also shows that it answers at all.
    async fn about(&self) -> Result<About, BackendError>;

    /// Loads an archive's images, which it gives no names, and returns their ids in its order.
    async fn load(&self, tar: TarStream) -> Result<Vec<String>, BackendError>;

    /// The image of this name or id, if there is one.
    async fn image(&self, reference: &str) -> Result<Option<Image>, BackendError>;

    /// All names of all images.
    async fn image_names(&self) -> Result<Vec<String>, BackendError>;

    /// Gives an image a further name.
    async fn tag(&self, image: &str, repository: &str, tag: &str) -> Result<(), BackendError>;

    /// Takes a name from an image, or removes it when it was the last.
    async fn remove_image(&self, reference: &str) -> Result<(), BackendError>;

    /// All containers with segarena's owner label, running or not: their ids and owners.
    async fn owned_containers(&self) -> Result<Vec<(String, String)>, BackendError>;

    /// Creates a container and returns its id.
    async fn create(&self, request: &ContainerRequest) -> Result<String, BackendError>;

    /// Listens to a container that has not started yet.
    async fn listen(&self, container: &str) -> Result<Output, BackendError>;

    /// Listens to a container that has not started yet and whose standard input is open, and gives
    /// that as well.
    async fn attach(&self, container: &str) -> Result<(Output, Input), BackendError>;

    /// Starts a container.
    async fn start(&self, container: &str) -> Result<(), BackendError>;

    /// Waits until a container has ended and returns its exit status.
    async fn wait(&self, container: &str) -> Result<i32, BackendError>;

    /// What the engine knows of a container.
    async fn state(&self, container: &str) -> Result<State, BackendError>;

    /// Kills a container; one that has ended already is fine.
    async fn kill(&self, container: &str) -> Result<(), BackendError>;

    /// Removes a container by its name or id, running or not, with its anonymous volumes; one that is gone is fine.
    async fn remove(&self, container: &str) -> Result<(), BackendError>;

    /// Stops what this engine's client started for itself.
    async fn shut_down(&self) -> Result<(), BackendError> {
        Ok(())
    }
}

/// An image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Its id, a digest of its content.
    pub id: String,
    /// All its names.
    pub names: Vec<String>,
    /// The processor architecture it is for, as Go names it.
    pub architecture: String,
    /// The user that it sets; empty: root.
    pub user: String,
    /// Its size in bytes.
    pub size: u64,
    /// The folder that its command runs in; empty: `/`.
    pub workdir: String,
    /// What its command is given to as arguments; empty: the command runs itself.
    pub entrypoint: Vec<String>,
}

/// What an engine knows of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// Its first process on this machine; 0 when it does not run.
    pub pid: i32,
    /// Whether the engine saw it run out of memory.
    pub out_of_memory: bool,
}
