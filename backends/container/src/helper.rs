//! A small image of our own, made of this machine's programs: for what is done as a container's
//! root after a submission, and for asking an engine something that has nothing to do with one.
//!
//! Nothing of a submission's image is ever run for either.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use segarena_contract::{BackendError, BackendErrorKind};
use tokio::sync::{Mutex, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use crate::engine::Engine;
use crate::folders::{CASES, INPUTS, OUTPUTS};
use crate::image_archive::ImageArchive;
use crate::leftovers::Mark;
use crate::pending::Pending;
use crate::request::ContainerRequest;

/// The image, with the engine from its first use on until [`Helper::unload`].
#[derive(Debug, Default)]
pub(crate) struct Helper {
    image: Mutex<Option<String>>,
}

/// Folders that are taken over from a container, as it sees them.
pub(crate) struct TakenFolders {
    /// By themselves, the outermost first.
    pub(crate) around: Vec<String>,
    /// With everything in them.
    pub(crate) whole: [String; 2],
}

/// How a container of ours ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    With(i32),
    /// It was given up on.
    Stopped,
}

impl Helper {
    /// Gives folders of the container `beside` to `owner` (`UID:GID` as the container counts),
    /// readable for it and without special bits. Gives up when `until` is over.
    ///
    /// Says whether it was done.
    ///
    /// # Errors
    /// The engine's.
    pub(crate) async fn take_over<E: Engine>(
        &self,
        engine: &Arc<E>,
        pending: &Pending,
        beside: &ContainerRequest,
        folders: &TakenFolders,
        owner: &str,
        until: impl Future<Output = ()> + Send,
    ) -> Result<bool, BackendError> {
        let image = self.loaded(engine).await?;
        // Links are neither followed nor given away for what they mean.
        let script = format!(
            "i=$1; o=$2; shift 2; \
             for f; do chown -h {owner} \"$f\" && chmod u+rwx \"$f\" || exit 1; done; \
             chown -hR {owner} \"$i\" \"$o\" && chmod -R u+rwX,u-s,g-s,o-t \"$i\" \"$o\""
        );
        let TakenFolders { around, whole } = folders;
        let [inputs, outputs] = whole;
        let mut words = vec!["/bin/sh", "-c", &script, "sh", inputs, outputs];
        words.extend(around.iter().map(String::as_str));
        let container = beside.of_our_own(image, &words);
        let ended = run(engine, pending, &container, until).await?;
        Ok(ended == Ended::With(0))
    }

    /// Whether a container that does nothing, with the same folders and limits as `beside`, can be
    /// run now: then it is not the engine that failed.
    pub(crate) async fn can_be_run<E: Engine>(
        &self,
        engine: &Arc<E>,
        pending: &Pending,
        beside: &ContainerRequest,
    ) -> bool {
        let attempt = async {
            let image = self.loaded(engine).await?;
            let container = beside.of_our_own(image, &["/bin/sh", "-c", "exit 0"]);
            // What the submission would be given must be to be had.
            let container = ContainerRequest {
                limits: beside.limits.clone(),
                ..container
            };
            run(
                engine,
                pending,
                &container,
                tokio::time::sleep(PROOF_TIMEOUT),
            )
            .await
        };
        match attempt.await {
            Ok(ended) => ended == Ended::With(0),
            Err(error) => {
                tracing::debug!(%error, "a container of our own can't be run either");
                false
            }
        }
    }

    /// Whether the image has room with the engine.
    pub(crate) async fn can_be_loaded<E: Engine>(&self, engine: &Arc<E>) -> bool {
        self.loaded(engine).await.is_ok()
    }

    /// Removes the image, if it was ever needed.
    ///
    /// # Errors
    /// The engine's.
    pub(crate) async fn unload(&self, engine: &impl Engine) -> Result<(), BackendError> {
        let mut loaded = self.image.lock().await;
        if let Some(image) = &*loaded {
            Mark::of_loaded(image).take_away(engine).await?;
        }
        *loaded = None;
        Ok(())
    }

    /// The image's id; loads it where that has not been done, or somebody has removed it.
    async fn loaded<E: Engine>(&self, engine: &Arc<E>) -> Result<String, BackendError> {
        let mut loaded = self.image.lock().await;
        if let Some(image) = &*loaded
            && engine.image(image).await?.is_some()
        {
            return Ok(image.clone());
        }
        let mut tries = 1;
        let image = loop {
            match load(&**engine).await {
                // Another run has just taken its own mark, and with it the image, away.
                Err(_) if tries < LOAD_TRIES => tries += 1,
                image => break image?,
            }
        };
        *loaded = Some(image.clone());
        Ok(image)
    }
}

async fn load(engine: &impl Engine) -> Result<String, BackendError> {
    let failed = |why: String| {
        let message = format!("cannot make an image of this machine's sh, chown and chmod: {why}");
        BackendError::new(BackendErrorKind::Engine, message)
    };
    let tar = tokio::task::spawn_blocking(archive).await;
    let tar = tar.map_err(|error| failed(error.to_string()))?;
    let tar = tar.map_err(|error| failed(error.to_string()))?;
    let (sender, receiver) = mpsc::channel(1);
    // Nobody listens if the engine has given up, which it then says itself.
    let sending = tokio::spawn(async move { sender.send(Ok(tar)).await.is_ok() });
    let names = engine.load(ReceiverStream::new(receiver)).await?;
    let _ = sending.await;
    let name = names
        .first()
        .ok_or_else(|| failed("the engine loaded nothing".to_owned()))?;
    let image = engine.image(name).await?;
    let image = image.ok_or_else(|| failed("the engine has removed it again".to_owned()))?;
    Mark::of_loaded(&image.id).put(engine, &image).await?;
    Ok(image.id)
}

/// The image's archive. It names no image, so that it can take no name from another.
fn archive() -> std::io::Result<Vec<u8>> {
    let mut image = ImageArchive::unnamed();
    for (inside, program) in [
        ("/bin/sh", "sh"),
        ("/bin/chown", "chown"),
        ("/bin/chmod", "chmod"),
    ] {
        image = image.program(inside, &program_of_this_machine(program)?);
    }
    // The folders to mount onto, for an engine with a root that can't be written.
    image
        .file(&format!("{INPUTS}/.mount"), 0o644, b"")
        .file(&format!("{OUTPUTS}/.mount"), 0o644, b"")
        .file(&format!("{CASES}/.mount"), 0o644, b"")
        .to_tar()
}

/// A program by its place in the system's own folders: `PATH` may lead elsewhere.
fn program_of_this_machine(name: &str) -> std::io::Result<PathBuf> {
    let folders = ["/bin", "/usr/bin", "/sbin", "/run/current-system/sw/bin"];
    let places = folders.map(|folder| Path::new(folder).join(name));
    let found = places.into_iter().find(|path| path.is_file());
    found.ok_or_else(|| std::io::Error::other(format!("there is no /bin/{name}")))
}

/// Runs a container of ours from its creation to its removal, killed when `until` is over.
async fn run<E: Engine>(
    engine: &Arc<E>,
    pending: &Pending,
    container: &ContainerRequest,
    until: impl Future<Output = ()> + Send,
) -> Result<Ended, BackendError> {
    let ended = async {
        let id = engine.create(container).await?;
        engine.start(&id).await?;
        tokio::select! {
            code = engine.wait(&id) => Ok(Ended::With(code?)),
            () = until => Ok(Ended::Stopped),
        }
    }
    .await;
    // It kills as well.
    let removed = engine.remove(&container.name).await;
    removed.inspect_err(|_| pending.remove_later(&container.name))?;
    ended
}

/// How long a container that does nothing may take.
const PROOF_TIMEOUT: Duration = Duration::from_secs(60);
const LOAD_TRIES: usize = 3;
