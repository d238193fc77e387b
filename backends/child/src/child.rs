//! One child process from start to end: its group, its output, its time limit.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use segarena_contract::{
    BackendError, BackendErrorKind, Ending, Execution, InteractionRequest, LogCapture, LogStream,
    Phase, RunningTime,
};
use segarena_warm::SERVE_VARIABLE;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::task::JoinSet;
use wait4::Wait4;

use crate::mark::MARK_VARIABLE;
use crate::orphans::OrphanScope;
use crate::session::InSessionOfItsOwn;
use crate::watchdog::Watchdog;

/// What to run, with every placeholder filled in.
#[derive(Debug)]
pub struct ChildCommand<'a> {
    /// The program's file.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// The folder it runs in.
    pub workdir: &'a Path,
    /// Variables that it gets beside those of this process.
    pub environment: Vec<(String, String)>,
}

/// How long a pipe may stay open after every known process is gone.
pub(crate) const PIPE_GRACE: Duration = Duration::from_secs(2);

/// Runs the command and waits for its end, the time limit or the run's cancellation, whichever
/// comes first. When this returns, or is dropped, no process of it is left.
///
/// # Errors
/// When the program can't be started, or its log not be written; never for what it did.
pub async fn run(
    command: &ChildCommand<'_>,
    request: &InteractionRequest<'_>,
) -> Result<Execution, BackendError> {
    let log = LogCapture::create(request.log).map_err(|error| log_error(request.log, error))?;
    let log = Arc::new(log);
    let clock = RunningTime::start();
    let mut group = new_group(command, |command| {
        // Whoever runs segarena may have been asked to stay.
        command.env_remove(SERVE_VARIABLE).stdin(Stdio::null());
    })?;
    let mut readers = read_output(&mut group.child, &log)?;
    let began = group.began;
    let started = began.elapsed();

    let stopped = tokio::select! {
        exited = group.exit() => { exited?; None }
        () = clock.reaches(request.timeout) => Some(Ending::TimedOut),
        () = request.cancel.cancelled() => Some(Ending::Cancelled),
    };
    if stopped.is_some() {
        group.kill();
        group.exit().await?;
    }
    let wall = began.elapsed().saturating_sub(clock.stood_still());
    let (status, peak_memory) = group.reap()?;

    let drained = tokio::time::timeout(PIPE_GRACE, async {
        while readers.join_next().await.is_some() {}
    });
    if drained.await.is_err() {
        tracing::warn!(
            case = request.case,
            "the submission's output is still held open; not waiting for it"
        );
        readers.shutdown().await;
    }
    let tails = Arc::into_inner(log)
        .map(LogCapture::finish)
        .unwrap_or_default();
    let phase = |name: &str, time: Duration| Phase {
        name: name.to_owned(),
        seconds: time.as_secs_f64(),
    };
    Ok(Execution {
        wall,
        load: None,
        phases: vec![
            phase("start", started),
            phase("run", wall.saturating_sub(started)),
        ],
        ending: stopped.unwrap_or_else(|| ending_of(status)),
        tails,
        peak_memory,
    })
}

/// Starts the command, set up further by `set_up`, as the leader of a group of its own.
pub(crate) fn new_group(
    command: &ChildCommand<'_>,
    set_up: impl FnOnce(&mut Command),
) -> Result<ProcessGroup, BackendError> {
    let scope = OrphanScope::enter();
    let mut watchdog = Watchdog::start(scope.mark());
    if let Some(pid) = watchdog.id() {
        scope.know(pid);
    }
    let mut program = Command::new(&command.program);
    program
        .args(&command.arguments)
        .current_dir(command.workdir)
        .envs(
            command
                .environment
                .iter()
                .map(|(name, value)| (name, value)),
        )
        .env(MARK_VARIABLE, scope.mark().to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .in_session_of_its_own();
    set_up(&mut program);
    let began = Instant::now();
    let child = program
        .spawn()
        .map_err(|error| start_error(command, error))?;
    scope.know(child.id());
    watchdog.watch(child.id());
    Ok(ProcessGroup {
        child,
        watchdog,
        scope,
        began,
        reaped: false,
    })
}

/// A child that leads its own session and process group; dropped before its end, it takes the
/// group with it.
pub(crate) struct ProcessGroup {
    child: Child,
    watchdog: Watchdog,
    scope: OrphanScope,
    /// When it was started.
    began: Instant,
    reaped: bool,
}

impl ProcessGroup {
    /// The leader's number, and the group's.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn child_mut(&mut self) -> &mut Child {
        &mut self.child
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(self.child.id() as i32)
    }

    /// Waits until the leader has ended, leaving it as a zombie so that its id, and with it the
    /// group's, can't be given to anybody else before the rest of the group is killed.
    pub(crate) fn exit(&self) -> impl Future<Output = Result<(), BackendError>> + use<> {
        let pid = self.pid();
        async move {
            let Some(pid) = pid else { return Ok(()) };
            let waiting = tokio::task::spawn_blocking(move || {
                loop {
                    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                    match waitid(WaitId::Pid(pid), options) {
                        Err(rustix::io::Errno::INTR) => {}
                        other => return other,
                    }
                }
            });
            match waiting.await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(error)) => Err(wait_error(error.into())),
                Err(error) => Err(wait_error(io::Error::other(error))),
            }
        }
    }

    pub(crate) fn kill(&self) {
        if let Some(pid) = self.pid() {
            // A group that is gone already is what we want.
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }

    /// Kills what is left of the group and of those who left it, and reaps the leader. Returns
    /// its status and the largest resident memory of it and its waited-for children, in bytes.
    pub(crate) fn reap(mut self) -> Result<(ExitStatus, Option<u64>), BackendError> {
        self.kill();
        self.watchdog.dismiss();
        let usage = self.child.wait4().map_err(wait_error)?;
        self.reaped = true;
        let orphans = self.scope.kill_orphans();
        if orphans > 0 {
            tracing::warn!(orphans, "killed processes that the submission left behind");
        }
        Ok((
            usage.status,
            (usage.rusage.maxrss > 0).then_some(usage.rusage.maxrss),
        ))
    }
}

impl Drop for ProcessGroup {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill();
            self.watchdog.dismiss();
            let _ = self.child.wait();
        }
    }
}

fn read_output(child: &mut Child, log: &Arc<LogCapture>) -> Result<JoinSet<()>, BackendError> {
    let mut readers = JoinSet::new();
    if let Some(pipe) = child.stdout.take() {
        let pipe = tokio::process::ChildStdout::from_std(pipe).map_err(wait_error)?;
        readers.spawn(copy(pipe, LogStream::Stdout, Arc::clone(log)));
    }
    if let Some(pipe) = child.stderr.take() {
        let pipe = tokio::process::ChildStderr::from_std(pipe).map_err(wait_error)?;
        readers.spawn(copy(pipe, LogStream::Stderr, Arc::clone(log)));
    }
    Ok(readers)
}

async fn copy(mut pipe: impl AsyncRead + Unpin, stream: LogStream, log: Arc<LogCapture>) {
    let mut piece = vec![0; 64 << 10];
    let mut complained = false;
    loop {
        match pipe.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                // A full disk must not stop the submission: its pipe is read on regardless.
                if let Err(error) = log.take(stream, &piece[..count])
                    && !complained
                {
                    tracing::warn!(%error, "the submission's log is incomplete");
                    complained = true;
                }
            }
        }
    }
}

pub(crate) fn ending_of(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited { code },
        (None, signal) => Ending::Signalled {
            signal: signal.unwrap_or(0),
        },
    }
}

fn start_error(command: &ChildCommand<'_>, error: io::Error) -> BackendError {
    let message = format!("cannot start {}", command.program.display());
    let busy = matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::OutOfMemory
    );
    let failure = BackendError::new(BackendErrorKind::Engine, message).with_source(error);
    if busy {
        failure.temporary()
    } else {
        failure.with_advice("is it executable here?")
    }
}

fn log_error(path: &Path, error: io::Error) -> BackendError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull => BackendErrorKind::NoSpace,
        io::ErrorKind::PermissionDenied => BackendErrorKind::Permission,
        _ => BackendErrorKind::Engine,
    };
    BackendError::new(kind, format!("cannot create the log {}", path.display())).with_source(error)
}

pub(crate) fn wait_error(error: io::Error) -> BackendError {
    BackendError::new(
        BackendErrorKind::Engine,
        "cannot follow the submission's process",
    )
    .with_source(error)
}
