//! segarena with one more backend and one more click policy: `mine -b nothing …`.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use segarena::{NoOptions, Registry, run};
use segarena_core::backend::*;
use segarena_core::clicks::{Click, ClickKind, ClickPolicy};
use segarena_core::volume::Comparison;

/// Runs nothing at all: every submission ends well and writes no prediction.
struct Nothing;

#[async_trait]
impl InferenceBackend for Nothing {
    fn kind(&self) -> &str {
        "nothing"
    }
    async fn check(&self) -> Result<BackendStatus, BackendError> {
        Ok(BackendStatus { engine: "nothing".to_owned(), ..BackendStatus::default() })
    }
    async fn prepare(&self, submission: &Submission, _: &dyn PrepareProgress) -> Result<Runnable, BackendError> {
        Ok(Runnable::new(submission.clone(), "nothing", "nothing"))
    }
    async fn infer(&self, _: &Runnable, _: &InteractionRequest<'_>) -> Result<Execution, BackendError> {
        Ok(Execution::new(Instant::now().elapsed(), Ending::Exited { code: 0 }))
    }
    async fn release(&self, _: Runnable) -> Result<(), BackendError> {
        Ok(())
    }
}

/// Clicks on the first voxel of a label's error.
struct First;

impl ClickPolicy for First {
    fn name(&self) -> &str {
        "first"
    }
    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click> {
        let at = comparison.error_mask(key).nth(0)?;
        let kind = ClickKind::of(comparison.truth(), at, key);
        Some(Click { kind, at })
    }
}

fn main() -> ExitCode {
    let mut registry = Registry::built_in();
    registry.add_backend("nothing", |section| {
        let _: NoOptions = section.read()?;
        Ok(Arc::new(Nothing))
    });
    registry.add_policy("first", |_| Arc::new(First));
    run(registry, std::env::args_os())
}
