//! The life of one container: create, listen, start, wait (or kill), look, remove.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use segarena_contract::{
    BackendError, BackendErrorKind, Ending, Execution, InteractionRequest, LogCapture, LogStream,
    LogTails, Phase, RunningTime,
};
use tokio_util::sync::CancellationToken;
use walkdir::WalkDir;

use crate::engine::{Engine, Output};
use crate::helper::{Helper, TakenFolders};
use crate::memory::PeakWatch;
use crate::pending::Pending;
use crate::request::ContainerRequest;
use crate::script;
use crate::store::Store;

/// What a container is run with.
pub(crate) struct Run<E> {
    /// The engine.
    pub(crate) engine: Arc<E>,
    /// What is under way with it.
    pub(crate) pending: Arc<Pending>,
    /// What runs things of our own.
    pub(crate) helper: Arc<Helper>,
    /// The container.
    pub(crate) container: ContainerRequest,
    /// Whose what it wrote is to be, as [`About::us`](crate::engine::About::us) has it.
    pub(crate) us: String,
    /// Whether the kernel counts who was killed for want of memory, so that the engine knows.
    pub(crate) knows_out_of_memory: bool,
    /// Where the engine keeps its containers, if that is a folder of this machine's.
    pub(crate) store: Option<Store>,
}

impl<E: Engine> Run<E> {
    /// Runs the container from its creation to its removal.
    ///
    /// The work is done by a task of its own, one of those `pending`: when the caller stops
    /// listening, it kills and removes the container before it ends.
    ///
    /// # Errors
    /// The engine's. What keeps only this image from being run is the submission's failure.
    pub(crate) async fn run(
        self,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        let cancel = request.cancel.child_token();
        let _stops_with_us = cancel.clone().drop_guard();
        let log = LogCapture::create(request.log).map_err(|error| {
            let message = format!("cannot write the log {}", request.log.display());
            BackendError::new(BackendErrorKind::NoSpace, message).with_source(error)
        })?;
        let pending = Arc::clone(&self.pending);
        let task = Task {
            run: self,
            timeout: request.timeout,
            cancel,
            folders: [request.inputs.to_owned(), request.outputs.to_owned()],
            log: Arc::new(log),
        };
        let ran = pending.spawn(task.run()).await;
        ran.unwrap_or_else(|error| Err(task_died(error)))
    }

    /// Whether an error is the submission's own: its image is there, and a container of ours can be
    /// run where its container can't.
    pub(crate) async fn is_the_submissions(&self, error: &BackendError) -> bool {
        use BackendErrorKind::{Cancelled, Permission, Unavailable};
        if matches!(error.kind(), Unavailable | Permission | Cancelled) {
            return false;
        }
        self.is_in_order().await
    }

    /// Whether a failed container's end is the submission's own. One that was killed may have been
    /// stopped with its engine, or with the session of its user: it is the submission's as long as
    /// another container can be run. What it was refused by a full disk is its own as long as that
    /// disk is no longer full once its container is gone.
    ///
    /// # Errors
    /// One to try again after, where it is not.
    pub(crate) async fn is_answerable_for(
        &self,
        ending: &Ending,
        outputs: &Path,
    ) -> Result<(), BackendError> {
        // A disk that the outputs are on as well may be full of them, and is emptied of them.
        let store = self.store.as_ref();
        let store = store.filter(|store| !store.is_on_the_disk_of(outputs));
        if matches!(ending, Ending::Exited { code } if *code != 0)
            && let Some(why) = store.and_then(Store::is_full)
        {
            let message = format!("the submission failed on a full disk: {why}");
            let error = BackendError::new(BackendErrorKind::NoSpace, message);
            let advice = "free the disk that holds the engine's images and containers";
            return Err(error.with_advice(advice).temporary());
        }
        if !may_be_from_outside(ending) || self.is_in_order().await {
            return Ok(());
        }
        let message = "the submission's container was killed, and the engine runs no other now";
        let error = BackendError::new(BackendErrorKind::Unavailable, message);
        Err(error
            .with_advice(
                "was the engine stopped, or the session that it belongs to (loginctl enable-linger \
             keeps a user's containers after logging out)?",
            )
            .temporary())
    }

    /// Whether the image is there, and a container of ours can be run.
    async fn is_in_order(&self) -> bool {
        let Self {
            engine,
            pending,
            helper,
            container,
            ..
        } = self;
        matches!(engine.image(&container.image).await, Ok(Some(_)))
            && helper.can_be_run(engine, pending, container).await
    }

    /// Makes a container's files in these folders of this machine ours, so that they can be read
    /// and removed; `None`: they are already.
    pub(crate) async fn take_over(
        &self,
        folders: &[PathBuf; 2],
        cancel: &CancellationToken,
    ) -> Result<Option<TakenOver>, BackendError> {
        // A container that is kept for a run is given the folders around a case's as well.
        let around = self.container.folders.around(&folders[0]);
        let (looked_at, looked_at_around) = (folders.clone(), around.clone());
        let looking = move || {
            looked_at_around.iter().any(|folder| is_anothers(folder))
                || looked_at.iter().any(|folder| must_be_taken_over(folder))
        };
        let is_needed = tokio::task::spawn_blocking(looking).await.unwrap_or(true);
        if !is_needed {
            return Ok(None);
        }
        let Self {
            engine,
            pending,
            helper,
            container,
            us,
            ..
        } = self;
        let beginning = Instant::now();
        // The outermost first, as the others are reached by it.
        let around = around
            .iter()
            .rev()
            .map(|folder| container.folders.inside(folder));
        let what = TakenFolders {
            around: around.collect(),
            whole: folders
                .each_ref()
                .map(|folder| container.folders.inside(folder)),
        };
        let done = helper
            .take_over(engine, pending, container, &what, us, cancel)
            .await?;
        Ok(Some(TakenOver {
            done,
            time: beginning.elapsed(),
        }))
    }
}

/// What came of taking a container's files over.
pub(crate) struct TakenOver {
    /// Whether all of them are ours now.
    pub(crate) done: bool,
    /// How long that took.
    pub(crate) time: Duration,
}

pub(crate) fn task_died(error: tokio::task::JoinError) -> BackendError {
    let message = "the task that watched a container died";
    BackendError::new(BackendErrorKind::Engine, message).with_source(error)
}

struct Task<E> {
    run: Run<E>,
    timeout: Duration,
    cancel: CancellationToken,
    folders: [PathBuf; 2],
    log: Arc<LogCapture>,
}

/// How the wait for a container ended.
enum Waited {
    Ended(i32),
    TimedOut,
    Cancelled,
}

/// What the engine failed at.
enum Failure {
    /// Before the submission ran.
    ToStart(BackendError),
    /// When it ran or had run.
    ToFollow(BackendError),
}

impl<E: Engine> Task<E> {
    async fn run(self) -> Result<Execution, BackendError> {
        let Run {
            engine, pending, ..
        } = &self.run;
        // The engine may have died under an earlier try: never are there two on one folder.
        pending.remove_left_behind(&**engine).await?;
        let ran = match self.one_container().await {
            Err(Failure::ToStart(error)) if self.run.is_the_submissions(&error).await => {
                // An engine stumbles now and then: it is the submission's when it happens again.
                self.one_container().await
            }
            ran => ran,
        };
        let mut execution = match ran {
            Ok(execution) => execution,
            Err(Failure::ToStart(error)) if self.run.is_the_submissions(&error).await => {
                self.not_started(&error)
            }
            Err(Failure::ToStart(error) | Failure::ToFollow(error)) => return Err(error),
        };
        let [_, outputs] = &self.folders;
        let ending = &execution.ending;
        self.run.is_answerable_for(ending, outputs).await?;
        self.take_over(&mut execution).await?;
        execution.tails = self.log.tails();
        if matches!(execution.ending, Ending::Exited { code } if code != 0) {
            script::explain_missing(&mut execution.tails.stderr);
        }
        Ok(execution)
    }

    /// The execution of a container that the engine can't start.
    fn not_started(&self, why: &BackendError) -> Execution {
        self.say(&format!("the container could not be started: {why}"));
        Execution {
            wall: Duration::ZERO,
            load: None,
            phases: Vec::new(),
            ending: Ending::Exited { code: NOT_STARTED },
            tails: LogTails::default(),
            peak_memory: None,
        }
    }

    /// Adds a line of ours to what the submission printed.
    fn say(&self, text: &str) {
        // The tail has it even if the file has no room.
        let _ = self
            .log
            .take(LogStream::Stderr, format!("{text}\n").as_bytes());
    }

    async fn one_container(&self) -> Result<Execution, Failure> {
        let Run {
            engine,
            pending,
            container,
            ..
        } = &self.run;
        let beginning = Instant::now();
        let result = match engine.create(container).await {
            Ok(id) => self.started_and_ended(&id, beginning).await,
            Err(error) => Err(Failure::ToStart(error)),
        };
        let before_removal = Instant::now();
        // By its name: it may be there although its creation was never answered.
        let removed = engine.remove(&container.name).await;
        let Err(error) = removed else {
            let mut execution = result?;
            let removal = phase("remove", before_removal.elapsed());
            execution.phases.push(removal);
            return Ok(execution);
        };
        if result.is_ok() && self.run.is_the_submissions(&error).await {
            self.say(&format!("the container could not be removed: {error}"));
            return result.map(|execution| Execution {
                ending: Ending::Exited { code: NOT_REMOVED },
                ..execution
            });
        }
        pending.remove_later(&container.name);
        match result {
            // It has certainly ended, and is removed before the next one starts.
            Ok(execution) if matches!(execution.ending, Ending::Exited { .. }) => Ok(execution),
            Ok(_) => Err(Failure::ToFollow(error)),
            Err(failure) => Err(failure),
        }
    }

    async fn started_and_ended(&self, id: &str, beginning: Instant) -> Result<Execution, Failure> {
        let engine = &self.run.engine;
        let created = Instant::now();
        let output = engine.listen(id).await.map_err(Failure::ToStart)?;
        let keeper = tokio::spawn(keep(output, Arc::clone(&self.log)));
        engine.start(id).await.map_err(Failure::ToStart)?;
        let started = Instant::now();
        let pid = engine.state(id).await.map_or(0, |state| state.pid);
        let memory = (pid > 0).then(|| PeakWatch::start(pid));
        let clock = RunningTime::start();
        let left = self.timeout.saturating_sub(beginning.elapsed());
        let waited = self.wait(id, clock.reaches(left)).await;
        let waited = waited.map_err(Failure::ToFollow)?;
        let ended = started + started.elapsed().saturating_sub(clock.stood_still());
        let state = engine.state(id).await.map_err(Failure::ToFollow)?;
        // The output ends with the container; what holds it open longer is not waited for.
        let abort = keeper.abort_handle();
        if tokio::time::timeout(DRAIN, keeper).await.is_err() {
            abort.abort();
        }
        Ok(Execution {
            wall: ended - beginning,
            load: None,
            phases: vec![
                phase("create", created - beginning),
                phase("start", started - created),
                phase("run", ended - started),
            ],
            ending: match waited {
                Waited::Ended(code) => {
                    ending_of(code, state.out_of_memory, self.run.knows_out_of_memory)
                }
                Waited::TimedOut => Ending::TimedOut,
                Waited::Cancelled => Ending::Cancelled,
            },
            tails: LogTails::default(),
            peak_memory: memory.and_then(|watch| watch.peak()),
        })
    }

    /// Waits for the container; past its time, or when the run is cancelled, kills it and waits
    /// until it is gone.
    async fn wait(
        &self,
        id: &str,
        time_is_up: impl Future<Output = ()>,
    ) -> Result<Waited, BackendError> {
        let engine = &self.run.engine;
        let waiting = engine.wait(id);
        tokio::pin!(waiting);
        let why = tokio::select! {
            code = &mut waiting => return Ok(Waited::Ended(code?)),
            () = time_is_up => Waited::TimedOut,
            () = self.cancel.cancelled() => Waited::Cancelled,
        };
        engine.kill(id).await?;
        // Removal kills as well; an engine that can't say that the container is gone is asked
        // for that next.
        let _ = tokio::time::timeout(GONE, waiting).await;
        Ok(why)
    }

    /// Makes the container's files ours. What can't be taken over in time is the submission's
    /// failure.
    async fn take_over(&self, execution: &mut Execution) -> Result<(), BackendError> {
        let taken = self.run.take_over(&self.folders, &self.cancel).await?;
        let Some(TakenOver { done, time }) = taken else {
            return Ok(());
        };
        if !done && execution.ending != Ending::Cancelled {
            self.say(NOT_TAKEN_OVER);
            execution.ending = Ending::Exited { code: NOT_REMOVED };
        }
        execution.phases.push(phase("take over", time));
        Ok(())
    }
}

/// What is said of files that were not taken over.
pub(crate) const NOT_TAKEN_OVER: &str =
    "the files it wrote could not be taken over: too many, or not to be changed";

/// The exit status of a program that is not there, as shells and engines have it.
pub(crate) const NOT_STARTED: i32 = 127;
/// The exit status of a container whose engine failed, as engines have it.
pub(crate) const NOT_REMOVED: i32 = 125;
/// How long output may keep coming after the container has ended.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);
/// How long a killed container may take to be gone.
pub(crate) const GONE: Duration = Duration::from_secs(30);

/// The exit status of what was killed, as shells and engines have it.
const KILLED: i32 = 128 + 9;
/// The same of what was told to stop.
const TOLD_TO_STOP: i32 = 128 + 15;

/// How a container ended that was not ended by us: whether the engine saw it run out of memory, and
/// whether it always sees that.
pub(crate) fn ending_of(code: i32, out_of_memory: bool, is_known: bool) -> Ending {
    // Where nobody knows it is taken for the kernel's answer to memory that is not there.
    match out_of_memory || code == KILLED && !is_known {
        true => Ending::OutOfMemory { code: Some(code) },
        false => Ending::Exited { code },
    }
}

/// Whether it may have been ended by somebody outside.
fn may_be_from_outside(ending: &Ending) -> bool {
    matches!(
        ending,
        Ending::Exited {
            code: TOLD_TO_STOP | KILLED
        } | Ending::OutOfMemory { code: Some(KILLED) }
    )
}

async fn keep(mut output: Output, log: Arc<LogCapture>) {
    while let Some((stream, bytes)) = output.recv().await {
        // A full disk loses the log, not the tail.
        let _ = log.take(stream, &bytes);
    }
}

pub(crate) fn phase(name: &str, time: Duration) -> Phase {
    Phase {
        name: name.to_owned(),
        seconds: time.as_secs_f64(),
    }
}

/// Whether something in or under this folder can't be managed by us, or gives whoever runs it rights
/// that are another's. Follows no links.
fn must_be_taken_over(path: &Path) -> bool {
    let me = rustix::process::geteuid();
    WalkDir::new(path).into_iter().any(|entry| {
        let known = entry.and_then(|entry| Ok((entry.metadata()?, entry)));
        // Deep folders and closed ones are as good as another's.
        known.map_or(true, |(metadata, entry)| {
            let is_foreign = !me.is_root() && metadata.uid() != me.as_raw();
            is_foreign || metadata.is_file() && gives_rights(entry.path(), &metadata)
        })
    })
}

/// Whether this folder itself is not ours, or can't be looked at.
fn is_anothers(folder: &Path) -> bool {
    let me = rustix::process::geteuid();
    !me.is_root()
        && folder
            .symlink_metadata()
            .map_or(true, |it| it.uid() != me.as_raw())
}

/// Whether a file has its setuid or setgid bit, or capabilities.
fn gives_rights(path: &Path, metadata: &std::fs::Metadata) -> bool {
    const SETUID_OR_SETGID: u32 = 0o6000;
    let mut value = [0u8; 64];
    let capabilities = rustix::fs::lgetxattr(path, c"security.capability", &mut value);
    metadata.mode() & SETUID_OR_SETGID != 0
        || matches!(capabilities, Ok(1..) | Err(rustix::io::Errno::RANGE))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_kill_is_for_memory_where_the_engine_says_so_or_cannot_know() {
        let out_of_memory = Ending::OutOfMemory { code: Some(137) };
        assert_eq!(ending_of(137, true, true), out_of_memory);
        assert_eq!(ending_of(137, false, false), out_of_memory);
        assert_eq!(ending_of(137, false, true), Ending::Exited { code: 137 });
        assert_eq!(ending_of(143, false, false), Ending::Exited { code: 143 });
    }

    #[test]
    fn what_was_killed_or_told_to_stop_may_have_been_ended_from_outside() {
        for code in [137, 143] {
            assert!(may_be_from_outside(&Ending::Exited { code }));
        }
        assert!(may_be_from_outside(&ending_of(137, false, false)));
        for code in [0, 1, 127] {
            assert!(!may_be_from_outside(&Ending::Exited { code }));
        }
        assert!(!may_be_from_outside(&Ending::TimedOut));
    }

    #[test]
    fn own_files_are_taken_over_when_they_have_special_bits_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("inner")).unwrap();
        let file = folder.path().join("inner/file");
        fs::write(&file, "x").unwrap();
        let seen_with = |mode| {
            fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            must_be_taken_over(folder.path())
        };
        assert!(!seen_with(0o777));
        // Whoever makes a folder in one with a group of its own is given that group.
        let shared = Permissions::from_mode(0o2777);
        fs::set_permissions(folder.path().join("inner"), shared).unwrap();
        assert!(!seen_with(0o644));
        assert!(seen_with(0o4755));
        assert!(seen_with(0o2755));
    }
}
