//! What a backend has under way with its engine, and what it has yet to remove there.

use std::sync::{Mutex, PoisonError};

use segarena_contract::BackendError;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::engine::Engine;

/// Tasks that go on when nobody listens to them any more, and the containers that could not be
/// removed when they should have been.
#[derive(Debug, Default)]
pub struct Pending {
    tasks: TaskTracker,
    unremoved: Mutex<Vec<String>>,
}

impl Pending {
    /// Starts a task.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Notes the name of a container that the engine, gone for a moment, could not remove.
    pub fn remove_later(&self, container: &str) {
        self.unremoved().push(container.to_owned());
    }

    /// Waits for all tasks to end, then removes what could not be removed when it should have been.
    ///
    /// # Errors
    /// The engine's. What can't be removed now either is left for the next call.
    pub async fn settle(&self, engine: &impl Engine) -> Result<(), BackendError> {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        self.remove_left_behind(engine).await
    }

    /// Removes what could not be removed when it should have been.
    ///
    /// # Errors
    /// The engine's. What can't be removed now either is left for the next call.
    pub async fn remove_left_behind(&self, engine: &impl Engine) -> Result<(), BackendError> {
        loop {
            let Some(container) = self.unremoved().last().cloned() else {
                return Ok(());
            };
            engine.remove(&container).await?;
            self.unremoved().retain(|other| *other != container);
        }
    }

    fn unremoved(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.unremoved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
