//! From an archive to the engine's images, and back: what a run has loaded goes with the run.
//!
//! Images come, are run and go by their ids. The names that an archive gives them are for people:
//! on the engine a name stays with the image that has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytesize::ByteSize;
use segarena_contract::{BackendError, BackendErrorKind, PrepareProgress};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, Damage, Defect, SAVE_AGAIN, TarStream};
use crate::engine::Engine;
use crate::leftovers::Mark;
use crate::load_journal::JournalledLoad;
use crate::message::shown;
use crate::pending::Pending;
use crate::store::Store;
use crate::unnamed::Names;

/// An image of an archive, loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedImage {
    /// Its id with the engine.
    pub id: String,
    /// The names that the archive gives it.
    pub names: Vec<String>,
    /// Whether the engine did not have it before.
    pub is_new: bool,
}

impl LoadedImage {
    /// What it is called: its names, or its id where it has none.
    pub fn called(&self) -> Vec<String> {
        match self.names.is_empty() {
            true => vec![self.id.clone()],
            false => self.names.clone(),
        }
    }
}

/// What an archive may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes that it may hold unpacked.
    pub size: ByteSize,
    /// How long it may take to be loaded.
    pub time: Duration,
    /// Where the engine keeps its images, if that is a folder of this machine's.
    pub store: Option<PathBuf>,
}

/// Loads the archive at `path`, and marks what is new as this process's.
///
/// The work is done by a task of its own, one of those `pending`: when the caller stops listening, it has
/// the engine stop and removes what came of it.
///
/// # Errors
/// When the archive can't be read or holds too much, or the engine can't load it, has no room for
/// it or takes too long.
pub async fn load<E: Engine>(
    pending: &Pending,
    engine: &Arc<E>,
    submission: &str,
    path: &Path,
    bounds: &Bounds,
    progress: &dyn PrepareProgress,
) -> Result<Vec<LoadedImage>, BackendError> {
    let archive = Archive::open(path, bounds.size)?;
    let (size, read) = (archive.size(), archive.progress());
    let refusal = Refusal {
        submission: submission.to_owned(),
        path: path.to_owned(),
        damage: archive.damage(),
    };
    let store = bounds.store.as_deref().and_then(Store::at);
    if let Some(store) = &store {
        store
            .has_room_for(size)
            .map_err(|why| refusal.no_room(why))?;
    }
    let given_up = CancellationToken::new();
    let _gives_up_with_us = given_up.clone().drop_guard();
    let (stream, names) = archive.into_unnamed(given_up.clone());
    let load = Load {
        engine: Arc::clone(engine),
        stream,
        names,
        given_up: given_up.clone(),
        refusal: refusal.clone(),
    };
    let mut loading = pending.spawn(load.run());
    let deadline = tokio::time::sleep(bounds.time);
    tokio::pin!(deadline);
    let mut tick = tokio::time::interval(TICK);
    let mut stopped = None;
    let loaded = loop {
        tokio::select! {
            loaded = &mut loading => break loaded,
            () = &mut deadline, if stopped.is_none() => {
                stopped = Some(refusal.too_slow(bounds.time));
                given_up.cancel();
            }
            _ = tick.tick() => {
                progress.bytes("loading image", read.load(Ordering::Relaxed), Some(size));
                let full = store.as_ref().and_then(Store::is_full);
                if let Some(why) = full.filter(|_| stopped.is_none()) {
                    stopped = Some(refusal.no_room(why));
                    given_up.cancel();
                }
            }
        }
    };
    let loaded = loaded.unwrap_or_else(|error| {
        let message = "the task that loaded an archive died";
        Err(BackendError::new(BackendErrorKind::Engine, message).with_source(error))
    });
    progress.bytes("loading image", size, Some(size));
    match stopped {
        Some(why) => Err(why),
        None => loaded,
    }
}

const TICK: Duration = Duration::from_millis(200);
/// How long an engine may take to stop, once the archive it reads has broken off.
const STOPPING: Duration = Duration::from_secs(30);

/// An archive under way to the engine.
struct Load<E> {
    engine: Arc<E>,
    stream: TarStream,
    names: oneshot::Receiver<Names>,
    given_up: CancellationToken,
    refusal: Refusal,
}

impl<E: Engine> Load<E> {
    async fn run(self) -> Result<Vec<LoadedImage>, BackendError> {
        let Self {
            engine,
            stream,
            names,
            given_up,
            refusal,
        } = self;
        let known = engine.image_names().await?;
        let journalled = JournalledLoad::of(engine.kind(), &refusal.path, known);
        let ids = tokio::select! {
            ids = engine.load(stream) => ids.map_err(|error| refusal.explain(error))?,
            () = async {
                given_up.cancelled().await;
                tokio::time::sleep(STOPPING).await;
            } => return Err(BackendError::cancelled()),
        };
        let names = names.await.unwrap_or_default();
        let images = named(ids, names, &journalled);
        for image in images.iter().filter(|image| image.is_new) {
            let found = engine.image(&image.id).await?;
            // Gone again, if another run has just removed it: loading it once more helps.
            let found = found.ok_or_else(|| gone(&image.id).temporary())?;
            let put = Mark::of_loaded(&found.id).put(&*engine, &found).await;
            put.map_err(BackendError::temporary)?;
        }
        journalled.completed();
        let defect = refusal.damage.found();
        if given_up.is_cancelled() || defect.is_some() {
            unload(&*engine, &new_ids(&images)).await?;
        }
        match defect {
            Some(defect) => Err(refusal.because(&defect)),
            None => Ok(images),
        }
    }
}

/// The images of these ids with the names that the archive gives them, in whose order an engine
/// tells their ids.
fn named(ids: Vec<String>, names: Names, load: &JournalledLoad) -> Vec<LoadedImage> {
    let names = match names.len() == ids.len() {
        true => names,
        false => vec![Vec::new(); ids.len()],
    };
    let images = ids.into_iter().zip(names);
    images
        .map(|(id, names)| LoadedImage {
            is_new: !load.was_there(&id),
            id,
            names: names.iter().map(|name| shown(name)).collect(),
        })
        .collect()
}

/// The ids of those that the engine did not have before.
pub(crate) fn new_ids(images: &[LoadedImage]) -> Vec<String> {
    let new = images.iter().filter(|image| image.is_new);
    new.map(|image| image.id.clone()).collect()
}

fn gone(id: &str) -> BackendError {
    let message = format!("the image {id} was removed while it was loaded");
    BackendError::new(BackendErrorKind::Engine, message)
}

/// Takes this process's marks from what was loaded with these ids, and with them the images, but
/// for those that somebody has given a name meanwhile.
///
/// # Errors
/// The engine's.
pub async fn unload(engine: &impl Engine, ids: &[String]) -> Result<(), BackendError> {
    for id in ids {
        if let Some(image) = engine.image(id).await? {
            Mark::of_loaded(&image.id).take_away(engine).await?;
        }
    }
    Ok(())
}

/// Leaves what was loaded with the engine, under those of its names that no other image has. One
/// without any gets one, for it would go with this process's mark.
///
/// # Errors
/// The engine's.
pub async fn keep(
    engine: &impl Engine,
    images: &[LoadedImage],
    progress: &dyn PrepareProgress,
) -> Result<(), BackendError> {
    for loaded in images.iter().filter(|image| image.is_new) {
        let Some(image) = engine.image(&loaded.id).await? else {
            continue;
        };
        let mut has_name = false;
        for name in &loaded.names {
            match engine.image(name).await? {
                Some(other) if other.id != image.id => {
                    let id = short(&other.id);
                    progress.note(&format!("{name} stays another image's name ({id})"));
                }
                _ => has_name |= give_name(engine, &image.id, name).await,
            }
        }
        if !has_name {
            let repository = format!("segarena-kept/{}", short(&image.id));
            engine.tag(&image.id, &repository, "latest").await?;
        }
        Mark::of_loaded(&image.id).take_away(engine).await?;
    }
    Ok(())
}

/// Whether an image could be given this name, which a stranger has thought of.
async fn give_name(engine: &impl Engine, image: &str, name: &str) -> bool {
    let (repository, tag) = match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (name, "latest"),
    };
    let is_ours = repository.contains("segarena-");
    !is_ours && engine.tag(image, repository, tag).await.is_ok()
}

/// The beginning of a digest, as engines show it.
pub(crate) fn short(id: &str) -> &str {
    let hex = id.strip_prefix("sha256:").unwrap_or(id);
    hex.get(..12).unwrap_or(hex)
}

/// What is known of an archive that can't be loaded.
#[derive(Debug, Clone)]
struct Refusal {
    submission: String,
    path: PathBuf,
    damage: Damage,
}

impl Refusal {
    /// Why the archive could not be loaded: what is wrong with it where we saw that ourselves, else
    /// the engine's words.
    fn explain(&self, error: BackendError) -> BackendError {
        if let Some(defect) = self.damage.found() {
            return self.because(&defect);
        }
        if error.kind() != BackendErrorKind::Engine || error.is_temporary() {
            return error;
        }
        self.error(BackendErrorKind::Submission, "could not be loaded")
            .with_source(error)
            .with_advice(SAVE_AGAIN)
    }

    fn because(&self, defect: &Defect) -> BackendError {
        self.error(BackendErrorKind::Submission, &defect.what)
            .with_advice(defect.advice)
    }

    fn too_slow(&self, time: Duration) -> BackendError {
        let what = format!("was not loaded within {} s", time.as_secs());
        self.error(BackendErrorKind::Submission, &what)
            .with_advice("raise `load_timeout_seconds` under [backend]")
    }

    fn no_room(&self, why: String) -> BackendError {
        self.error(BackendErrorKind::NoSpace, &format!("finds no room: {why}"))
            .with_advice("free the disk that holds the engine's images")
            .temporary()
    }

    fn error(&self, kind: BackendErrorKind, what: &str) -> BackendError {
        let (name, file) = (&self.submission, self.path.display());
        BackendError::new(kind, format!("submission `{name}`: {file} {what}"))
    }
}
