//! The life of one container: create, listen, start, wait (or kill), look, remove.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use segarena_contract::{
    BackendError, BackendErrorKind, Ending, Execution, InteractionRequest, LogCapture, LogStream,
    Phase,
};
use tokio_util::sync::CancellationToken;
use walkdir::WalkDir;

use crate::engine::{Engine, Output, Started};
use crate::memory::PeakWatch;
use crate::pending::Pending;
use crate::request::ContainerRequest;
use crate::script;

/// Runs a container from its creation to its removal. What it wrote then belongs to `us`, as
/// [`About::us`](crate::engine::About::us) has it.
///
/// The work is done by a task of its own, one of those `pending`: when the caller stops listening, it
/// kills and removes the container before it ends.
///
/// # Errors
/// The engine's.
pub async fn run<E: Engine>(
    pending: &Arc<Pending>,
    engine: Arc<E>,
    container: ContainerRequest,
    us: String,
    request: &InteractionRequest<'_>,
) -> Result<Execution, BackendError> {
    let cancel = request.cancel.child_token();
    let _stops_with_us = cancel.clone().drop_guard();
    let log = LogCapture::create(request.log).map_err(|error| {
        let message = format!("cannot write the log {}", request.log.display());
        BackendError::new(BackendErrorKind::NoSpace, message).with_source(error)
    })?;
    let run = ContainerRun {
        pending: Arc::clone(pending),
        engine,
        container,
        us,
        timeout: request.timeout,
        cancel,
        folders: [request.inputs.to_owned(), request.outputs.to_owned()],
    };
    pending.spawn(run.run(log)).await.unwrap_or_else(|error| {
        Err(BackendError::new(
            BackendErrorKind::Engine,
            "the task that watched a container died",
        )
        .with_source(error))
    })
}

struct ContainerRun<E> {
    pending: Arc<Pending>,
    engine: Arc<E>,
    container: ContainerRequest,
    us: String,
    timeout: Duration,
    cancel: CancellationToken,
    folders: [PathBuf; 2],
}

/// How the wait for a container ended.
enum Waited {
    Ended(i32),
    TimedOut,
    Cancelled,
}

impl<E: Engine> ContainerRun<E> {
    async fn run(self, log: LogCapture) -> Result<Execution, BackendError> {
        let beginning = Instant::now();
        let id = self.engine.create(&self.container).await?;
        let created = Instant::now();
        let result = self.started_and_ended(&id, log, beginning, created).await;
        let before_removal = Instant::now();
        let removed = self.engine.remove(&id).await;
        let removed = removed.inspect_err(|_| self.pending.remove_later(&id));
        let mut execution = result?;
        removed?;
        execution
            .phases
            .push(phase("remove", before_removal.elapsed()));
        self.hand_over().await?;
        Ok(execution)
    }

    async fn started_and_ended(
        &self,
        id: &str,
        log: LogCapture,
        beginning: Instant,
        created: Instant,
    ) -> Result<Execution, BackendError> {
        let output = self.engine.listen(id).await?;
        let log = Arc::new(log);
        let keeper = tokio::spawn(keep(output, Arc::clone(&log)));
        let refused = match self.engine.start(id).await? {
            Started::Yes => false,
            Started::Refused(why) => {
                let text = format!("the container could not be started: {why}\n");
                // The tail has it even if the file has no room.
                let _ = log.take(LogStream::Stderr, text.as_bytes());
                true
            }
        };
        let started = Instant::now();
        let pid = self.engine.state(id).await.map_or(0, |state| state.pid);
        let memory = (pid > 0).then(|| PeakWatch::start(pid));
        let waited = if refused {
            Waited::Ended(NOT_STARTED)
        } else {
            self.wait(id, beginning).await?
        };
        let ended = Instant::now();
        let state = self.engine.state(id).await?;
        // The output ends with the container; what holds it open longer is not waited for.
        let abort = keeper.abort_handle();
        if tokio::time::timeout(DRAIN, keeper).await.is_err() {
            abort.abort();
        }
        let mut tails = match Arc::try_unwrap(log) {
            Ok(log) => log.finish(),
            Err(_) => Default::default(),
        };
        if matches!(waited, Waited::Ended(code) if code != 0) {
            script::explain_missing(&mut tails.stderr);
        }
        Ok(Execution {
            wall: ended - beginning,
            phases: vec![
                phase("create", created - beginning),
                phase("start", started - created),
                phase("run", ended - started),
            ],
            ending: match waited {
                Waited::Ended(code) if state.out_of_memory => {
                    Ending::OutOfMemory { code: Some(code) }
                }
                // Killed, and not by us: the kernel's answer to memory that is not there.
                Waited::Ended(137) => Ending::OutOfMemory { code: Some(137) },
                Waited::Ended(code) => Ending::Exited { code },
                Waited::TimedOut => Ending::TimedOut,
                Waited::Cancelled => Ending::Cancelled,
            },
            tails,
            peak_memory: memory.and_then(|watch| watch.peak()),
        })
    }

    /// Waits for the container; past its time, or when the run is cancelled, kills it and waits
    /// until it is gone.
    async fn wait(&self, id: &str, beginning: Instant) -> Result<Waited, BackendError> {
        let deadline = tokio::time::Instant::from_std(beginning + self.timeout);
        let waiting = self.engine.wait(id);
        tokio::pin!(waiting);
        let why = tokio::select! {
            code = &mut waiting => return Ok(Waited::Ended(code?)),
            () = tokio::time::sleep_until(deadline) => Waited::TimedOut,
            () = self.cancel.cancelled() => Waited::Cancelled,
        };
        self.engine.kill(id).await?;
        // Removal kills as well; an engine that can't say that the container is gone is asked
        // for that next.
        let _ = tokio::time::timeout(GONE, waiting).await;
        Ok(why)
    }

    /// Makes the container's files ours, so that they can be read and removed.
    async fn hand_over(&self) -> Result<(), BackendError> {
        let folders = self.folders.clone();
        let foreign = tokio::task::spawn_blocking(move || folders.iter().any(|f| is_foreign(f)))
            .await
            .unwrap_or(true);
        if !foreign {
            return Ok(());
        }
        let id = self
            .engine
            .create(&self.container.handing_over(&self.us))
            .await?;
        let result = async {
            if self.engine.start(&id).await? == Started::Yes {
                let _ = tokio::time::timeout(HAND_OVER, self.engine.wait(&id)).await;
            }
            Ok(())
        }
        .await;
        self.engine
            .remove(&id)
            .await
            .inspect_err(|_| self.pending.remove_later(&id))?;
        result
    }
}

/// The exit status of a program that is not there, as shells and engines have it.
const NOT_STARTED: i32 = 127;
/// How long output may keep coming after the container has ended.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a killed container may take to be gone.
const GONE: Duration = Duration::from_secs(30);
/// How long the change of owners may take.
const HAND_OVER: Duration = Duration::from_secs(120);

async fn keep(mut output: Output, log: Arc<LogCapture>) {
    while let Some((stream, bytes)) = output.recv().await {
        // A full disk loses the log, not the tail.
        let _ = log.take(stream, &bytes);
    }
}

fn phase(name: &str, time: Duration) -> Phase {
    Phase {
        name: name.to_owned(),
        seconds: time.as_secs_f64(),
    }
}

/// Whether anything in or under this folder can't be managed by us. Follows no links.
fn is_foreign(path: &Path) -> bool {
    let me = rustix::process::geteuid();
    if me.is_root() {
        return false;
    }
    // Deep folders and closed ones are errors, and as good as foreign.
    WalkDir::new(path).into_iter().any(|entry| {
        entry
            .and_then(|entry| entry.metadata())
            .map_or(true, |metadata| metadata.uid() != me.as_raw())
    })
}
