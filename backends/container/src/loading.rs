//! From an archive to the engine's images, and back: what a run has loaded goes with the run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use segarena_contract::{BackendError, BackendErrorKind, PrepareProgress};
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, Damage, TarStream};
use crate::engine::Engine;
use crate::leftovers::Mark;
use crate::load_journal::JournalledLoad;
use crate::pending::Pending;

/// The images of an archive, loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// The names that the archive gives them, in the engine's words; ids for those without.
    pub names: Vec<String>,
    /// Those of the names that the engine did not know before.
    pub new: Vec<String>,
}

/// Loads the archive at `path`, and marks what is new as this process's.
///
/// The work is done by a task of its own, one of those `pending`: when the caller stops listening, it has
/// the engine stop and removes what came of it.
///
/// # Errors
/// When the archive can't be read, or the engine can't load it.
pub async fn load<E: Engine>(
    pending: &Pending,
    engine: &Arc<E>,
    submission: &str,
    path: &Path,
    progress: &dyn PrepareProgress,
) -> Result<Loaded, BackendError> {
    let archive = Archive::open(path)?;
    let (size, read) = (archive.size(), archive.progress());
    let given_up = CancellationToken::new();
    let _gives_up_with_us = given_up.clone().drop_guard();
    let refusal = Refusal {
        submission: submission.to_owned(),
        path: path.to_owned(),
        damage: archive.damage(),
    };
    let stream = archive.into_stream(given_up.clone());
    let mut loading = pending.spawn(load_and_mark(Arc::clone(engine), stream, given_up, refusal));
    let mut tick = tokio::time::interval(TICK);
    let loaded = loop {
        tokio::select! {
            loaded = &mut loading => break loaded,
            _ = tick.tick() => {
                progress.bytes("loading image", read.load(Ordering::Relaxed), Some(size));
            }
        }
    };
    let loaded = loaded.unwrap_or_else(|error| {
        let message = "the task that loaded an archive died";
        Err(BackendError::new(BackendErrorKind::Engine, message).with_source(error))
    });
    progress.bytes("loading image", size, Some(size));
    loaded
}

const TICK: Duration = Duration::from_millis(200);

async fn load_and_mark<E: Engine>(
    engine: Arc<E>,
    stream: TarStream,
    given_up: CancellationToken,
    refusal: Refusal,
) -> Result<Loaded, BackendError> {
    let known = engine.image_names().await?;
    let load = JournalledLoad::of(engine.kind(), &refusal.path, known);
    let names = engine.load(stream).await;
    let names = names.map_err(|error| refusal.explain(error))?;
    let is_new = |name: &&String| !load.was_there(name);
    let new: Vec<String> = names.iter().filter(is_new).cloned().collect();
    for name in &new {
        let image = engine.image(name).await?;
        // Gone again, if another run has just removed it: loading it once more helps.
        let image = image.ok_or_else(|| gone(name).temporary())?;
        let put = Mark::of_loaded(&image.id).put(&*engine, &image).await;
        put.map_err(BackendError::temporary)?;
    }
    load.completed();
    if given_up.is_cancelled() {
        unload(&*engine, &new).await?;
    }
    Ok(Loaded { names, new })
}

fn gone(name: &str) -> BackendError {
    let message = format!("the image {name} was removed while it was loaded");
    BackendError::new(BackendErrorKind::Engine, message)
}

/// Removes what was loaded under these names, and this process's marks on it.
///
/// # Errors
/// The engine's.
pub async fn unload(engine: &impl Engine, names: &[String]) -> Result<(), BackendError> {
    for name in names {
        if let Some(image) = engine.image(name).await? {
            engine.remove_image(name).await?;
            Mark::of_loaded(&image.id).take_away(engine).await?;
        }
    }
    Ok(())
}

/// Leaves what was loaded under these names with the engine: takes this process's marks away. An
/// image without a name gets one, for it would go with the mark.
///
/// # Errors
/// The engine's.
pub async fn keep(engine: &impl Engine, names: &[String]) -> Result<(), BackendError> {
    for name in names {
        let Some(image) = engine.image(name).await? else {
            continue;
        };
        if is_id(name) {
            let repository = format!("segarena-kept/{}", short(&image.id));
            engine.tag(&image.id, &repository, "latest").await?;
        }
        Mark::of_loaded(&image.id).take_away(engine).await?;
    }
    Ok(())
}

/// The beginning of a digest, as engines show it.
pub(crate) fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

/// Whether an image is called by its id, because it has no name.
pub(crate) fn is_id(name: &str) -> bool {
    name.starts_with("sha256:")
}

/// What is known of an archive that an engine may refuse.
struct Refusal {
    submission: String,
    path: PathBuf,
    damage: Damage,
}

impl Refusal {
    /// Why the archive could not be loaded: what is wrong with it where we saw that ourselves, else
    /// the engine's words.
    fn explain(&self, error: BackendError) -> BackendError {
        let (name, file) = (&self.submission, self.path.display());
        if let Some(damage) = self.damage.found() {
            let message = format!("submission `{name}`: {file} is damaged or cut short: {damage}");
            return BackendError::new(BackendErrorKind::Submission, message)
                .with_advice(SAVE_AGAIN);
        }
        if error.kind() != BackendErrorKind::Engine || error.is_temporary() {
            return error;
        }
        let message = format!("submission `{name}`: {file} could not be loaded");
        BackendError::new(BackendErrorKind::Submission, message)
            .with_source(error)
            .with_advice(SAVE_AGAIN)
    }
}

/// What to do about an archive that can't be loaded.
pub(crate) const SAVE_AGAIN: &str = "save the image again: docker save IMAGE | gzip > TEAM.tar.gz";
