//! What a killed run left with the engine, and its removal by the next one.
//!
//! Containers carry their owner as a label. An image can't be given a label, so one that came from
//! an archive gets a name that carries the owner, a mark, and goes with it: it has no other, but for
//! those that somebody has given it meanwhile, with which it stays.

use segarena_child::ProcessIdentity;
use segarena_contract::BackendError;

use crate::engine::{Engine, Image};
use crate::loading::short;

/// Begins the marks of images that a run has loaded and that go with it.
const LOADED: &str = "segarena-loaded";
/// Begins the marks of images that a run uses and somebody else has loaded: another run, at whose
/// end the image would go were it not for the mark.
const USED: &str = "segarena-used";

/// The name of an image that a run's archive holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    repository: String,
    tag: String,
}

impl Mark {
    /// This process's mark on an image that it has loaded.
    pub fn of_loaded(image: &str) -> Self {
        Self::new(LOADED, image)
    }

    /// This process's mark on an image that was there before.
    pub fn of_used(image: &str) -> Self {
        Self::new(USED, image)
    }

    fn new(prefix: &str, image: &str) -> Self {
        Self {
            repository: format!("{prefix}/{}", short(image)),
            tag: ProcessIdentity::own().to_string(),
        }
    }

    /// Puts it on the image.
    ///
    /// # Errors
    /// The engine's.
    pub async fn put(&self, engine: &impl Engine, image: &Image) -> Result<(), BackendError> {
        engine.tag(&image.id, &self.repository, &self.tag).await
    }

    /// Takes it away, and with it the image when it was the last name.
    ///
    /// # Errors
    /// The engine's.
    pub async fn take_away(&self, engine: &impl Engine) -> Result<(), BackendError> {
        let name = format!("{}:{}", self.repository, self.tag);
        if engine.image(&name).await?.is_some() {
            engine.remove_image(&name).await?;
        }
        Ok(())
    }
}

/// Removes the containers and images of owners that are dead.
///
/// # Errors
/// The engine's, when it can't even list them. What can't be removed now is left for next time.
pub async fn sweep(engine: &impl Engine) -> Result<(), BackendError> {
    for (container, owner) in engine.owned_containers().await? {
        if ProcessIdentity::parse(&owner).is_some_and(|owner| owner.is_gone()) {
            tracing::info!(container, "removing what a killed run left");
            let _ = engine.remove(&container).await;
        }
    }
    for mark in engine.image_names().await? {
        let owner = owner_of(&mark, LOADED).or_else(|| owner_of(&mark, USED));
        if owner.is_some_and(|owner| owner.is_gone()) {
            let _ = engine.remove_image(&mark).await;
        }
    }
    Ok(())
}

fn owner_of(name: &str, prefix: &str) -> Option<ProcessIdentity> {
    let (repository, tag) = name.rsplit_once(':')?;
    // Podman puts a registry before a bare name.
    let repository = repository.strip_prefix("localhost/").unwrap_or(repository);
    let digest = repository.strip_prefix(prefix)?;
    digest
        .starts_with('/')
        .then(|| ProcessIdentity::parse(tag))?
}
