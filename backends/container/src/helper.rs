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
use tokio_util::sync::CancellationToken;

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
    /// readable for it and without special bits. Gives up after two minutes, or ten seconds after
    /// the run is stopped.
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
        cancel: &CancellationToken,
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
        let ended = run(engine, pending, &container, take_over_ends(cancel)).await?;
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

/// Comes when files have been taken over for as long as that may take.
async fn take_over_ends(cancel: &CancellationToken) {
    let stopped = async {
        cancel.cancelled().await;
        tokio::time::sleep(TAKE_OVER_WHEN_CANCELLED).await;
    };
    tokio::select! {
        () = tokio::time::sleep(TAKE_OVER) => {}
        () = stopped => {}
    }
}

/// How long the change of owners may take.
const TAKE_OVER: Duration = Duration::from_secs(120);
/// How long it may take from when the run is stopped on.
const TAKE_OVER_WHEN_CANCELLED: Duration = Duration::from_secs(10);
/// How long a container that does nothing may take.
const PROOF_TIMEOUT: Duration = Duration::from_secs(60);
const LOAD_TRIES: usize = 3;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::future;
    use std::sync::Mutex as StdMutex;

    use async_trait::async_trait;
    use segarena_contract::Scope;
    use tokio::time::Instant;

    use super::*;
    use crate::about::About;
    use crate::archive::TarStream;
    use crate::engine::{Image, Input, Output, State};
    use crate::folders::Folders;
    use crate::limits::{Devices, Limits};

    /// An engine whose containers never end by themselves.
    #[derive(Default)]
    struct Endless {
        created: StdMutex<Vec<String>>,
        removed: StdMutex<Vec<String>>,
    }

    #[async_trait]
    impl Engine for Endless {
        fn kind(&self) -> &'static str {
            "endless"
        }

        async fn image(&self, reference: &str) -> Result<Option<Image>, BackendError> {
            Ok(Some(Image {
                id: reference.to_owned(),
                names: Vec::new(),
                architecture: String::new(),
                user: String::new(),
                size: 0,
                workdir: String::new(),
                entrypoint: Vec::new(),
            }))
        }

        async fn create(&self, request: &ContainerRequest) -> Result<String, BackendError> {
            self.created.lock().unwrap().push(request.name.clone());
            Ok(request.name.clone())
        }

        async fn start(&self, _: &str) -> Result<(), BackendError> {
            Ok(())
        }

        async fn wait(&self, _: &str) -> Result<i32, BackendError> {
            future::pending().await
        }

        async fn remove(&self, container: &str) -> Result<(), BackendError> {
            self.removed.lock().unwrap().push(container.to_owned());
            Ok(())
        }

        async fn about(&self) -> Result<About, BackendError> {
            unreachable!()
        }

        async fn load(&self, _: TarStream) -> Result<Vec<String>, BackendError> {
            unreachable!()
        }

        async fn image_names(&self) -> Result<Vec<String>, BackendError> {
            unreachable!()
        }

        async fn tag(&self, _: &str, _: &str, _: &str) -> Result<(), BackendError> {
            unreachable!()
        }

        async fn remove_image(&self, _: &str) -> Result<(), BackendError> {
            unreachable!()
        }

        async fn owned_containers(&self) -> Result<Vec<(String, String)>, BackendError> {
            unreachable!()
        }

        async fn listen(&self, _: &str) -> Result<Output, BackendError> {
            unreachable!()
        }

        async fn attach(&self, _: &str) -> Result<(Output, Input), BackendError> {
            unreachable!()
        }

        async fn state(&self, _: &str) -> Result<State, BackendError> {
            unreachable!()
        }

        async fn kill(&self, _: &str) -> Result<(), BackendError> {
            unreachable!()
        }
    }

    fn a_submissions_container() -> ContainerRequest {
        let scope = Scope::Case {
            case: "a",
            inputs: Path::new("/in"),
            outputs: Path::new("/out"),
        };
        ContainerRequest {
            image: "team".to_owned(),
            name: "team".to_owned(),
            user: None,
            argv: Vec::new(),
            env: BTreeMap::new(),
            labels: BTreeMap::new(),
            folders: Folders::of_scope(scope).unwrap(),
            interactive: false,
            limits: Limits {
                memory: None,
                memory_swap: None,
                cpus: None,
                pids: None,
                shm_size: None,
                network: "none".to_owned(),
                no_new_privileges: true,
                gpus: Devices::None,
            },
            strict: false,
            tmpfs: BTreeMap::new(),
            relabel: false,
        }
    }

    /// How long it takes until a container that goes on for ever is given up and gone.
    async fn seconds_until_given_up(cancel: &CancellationToken) -> u64 {
        let engine = Arc::new(Endless::default());
        let helper = Helper {
            image: Mutex::new(Some("sha256:ours".to_owned())),
        };
        let folders = TakenFolders {
            around: Vec::new(),
            whole: [INPUTS.to_owned(), OUTPUTS.to_owned()],
        };
        let beginning = Instant::now();
        let beside = a_submissions_container();
        let pending = Pending::default();
        let done = helper.take_over(&engine, &pending, &beside, &folders, "0:0", cancel);
        assert!(!done.await.unwrap());
        let removed = engine.removed.lock().unwrap();
        assert_eq!(*removed, *engine.created.lock().unwrap());
        assert_eq!(removed.len(), 1);
        beginning.elapsed().as_secs()
    }

    #[tokio::test(start_paused = true)]
    async fn taking_over_ends_after_two_minutes() {
        assert_eq!(seconds_until_given_up(&CancellationToken::new()).await, 120);
    }

    #[tokio::test(start_paused = true)]
    async fn taking_over_ends_ten_seconds_after_the_run_is_stopped() {
        let cancel = CancellationToken::new();
        let stopping = cancel.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            stopping.cancel();
        });
        assert_eq!(seconds_until_given_up(&cancel).await, 15);
    }
}
