//! What a backend has under way with its engine, and what it still owes it.

use std::sync::{Mutex, PoisonError};

use segarena_core::backend::BackendError;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

use crate::engine::Engine;

/// Tasks that go on when nobody listens to them any more, and the containers that could not be
/// removed when they should have been.
#[derive(Debug, Default)]
pub struct Lives {
    tasks: TaskTracker,
    unremoved: Mutex<Vec<String>>,
}

impl Lives {
    /// Starts a task.
    pub fn spawn<T: Send + 'static>(
        &self,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.tasks.spawn(task)
    }

    /// Notes a container that the engine, gone for a moment, could not remove.
    pub fn owe_removal(&self, container: &str) {
        self.unremoved().push(container.to_owned());
    }

    /// Waits for all tasks to end, then removes what is owed.
    ///
    /// # Errors
    /// The engine's. What could not be removed stays owed.
    pub async fn all_over(&self, engine: &impl Engine) -> Result<(), BackendError> {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
        loop {
            let Some(container) = self.unremoved().last().cloned() else {
                return Ok(());
            };
            engine.remove(&container).await?;
            self.unremoved().retain(|owed| *owed != container);
        }
    }

    fn unremoved(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.unremoved
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
