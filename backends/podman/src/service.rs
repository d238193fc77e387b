//! Where Podman listens, and a service of our own where it doesn't.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use segarena_contract::{BackendError, BackendErrorKind};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use crate::libpod::Libpod;
use crate::place::{Place, RuntimeFolder};

/// The socket of a service that runs already, in the order in which Podman's own client looks:
/// configured, `CONTAINER_HOST`, the user's, and for root the system's.
///
/// # Errors
/// When a socket is named that can't be one.
pub(crate) fn running(configured: Option<&str>) -> Result<Option<PathBuf>, BackendError> {
    let named = configured
        .map(|socket| (socket.to_owned(), "`socket` under [backend]"))
        .or_else(|| Some((std::env::var("CONTAINER_HOST").ok()?, "CONTAINER_HOST")));
    if let Some((address, whence)) = named {
        let path = address.strip_prefix("unix://").unwrap_or(&address);
        if path.contains("://") {
            let message = format!("podman: {whence} is {address}, which is no Unix socket");
            return Err(
                BackendError::new(BackendErrorKind::Unsupported, message).with_advice(
                    "work folders are bound from this machine, so its engine must be here: \
                     give unix:///PATH",
                ),
            );
        }
        return Ok(Some(PathBuf::from(path)));
    }
    let users = std::env::var_os("XDG_RUNTIME_DIR")
        .map(|folder| Path::new(&folder).join("podman/podman.sock"));
    let systems = rustix::process::geteuid()
        .is_root()
        .then(|| PathBuf::from("/run/podman/podman.sock"));
    let mut known = users.into_iter().chain(systems);
    // A socket file may outlive the service behind it.
    Ok(known.find(|path| std::os::unix::net::UnixStream::connect(path).is_ok()))
}

/// A service that was started for this run.
///
/// It ends by itself once nobody has spoken to it for a while, so that it does not outlive a run
/// that is killed; until then it finishes what it was at, an image that it loads for one. A living
/// run speaks to it all the time.
#[derive(Debug)]
pub(crate) struct Service {
    child: Mutex<Child>,
    _keep_alive: KeepAlive,
}

impl Service {
    /// Starts `podman system service` on a private socket in a place that suits it, and gives both
    /// once it listens.
    ///
    /// # Errors
    /// When there is no `podman`, or it ends instead of listening; its own words are told.
    pub(crate) async fn start() -> Result<(Self, Place), BackendError> {
        let program = which::which("podman").map_err(|error| {
            BackendError::new(
                BackendErrorKind::Unavailable,
                "podman: no service listens and there is no `podman` to start one",
            )
            .with_source(error)
            .with_advice("install podman, or set `socket` under [backend] to where it listens")
        })?;
        let place = in_background(|| Place::find(program)).await?;
        let error = match Self::start_in(&place).await {
            Ok(service) => return Ok((service, place)),
            Err(error) if !place.may_lack_a_runtime_folder() => return Err(error),
            Err(error) => error,
        };
        let why = match place.runtime_folder() {
            RuntimeFolder::Unusable(trouble) => format!("{trouble}, and without one: {error}"),
            _ => format!("XDG_RUNTIME_DIR names no folder, and without one: {error}"),
        };
        let place = in_background(|| place.with_own_storage(why)).await?;
        match Self::start_in(&place).await {
            Ok(service) => Ok((service, place)),
            Err(_) => {
                in_background(|| {
                    drop(place);
                    Ok(())
                })
                .await?;
                Err(error)
            }
        }
    }

    /// Starts it in this place, where an earlier one may have died.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub(crate) async fn start_in(place: &Place) -> Result<Self, BackendError> {
        let failed = |error: io::Error| {
            let message = "podman: cannot start `podman system service`";
            BackendError::new(BackendErrorKind::Unavailable, message).with_source(error)
        };
        let said = place.folder().join("service.log");
        let log = std::fs::File::create(&said).map_err(failed)?;
        let socket = place.socket();
        // Of one that died.
        let _ = std::fs::remove_file(&socket);
        let mut child = Command::from(place.podman())
            .args(["system", "service"])
            .arg(format!("--time={}", IDLE_TIMEOUT.as_secs()))
            .arg(format!("unix://{}", socket.display()))
            // What its monitors drop where they stand is gone with the folder.
            .current_dir(place.folder())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            // Ctrl-C is ours to hear: the service must live until the containers are gone.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        let begun = Instant::now();
        let mut ending = None;
        while ending.is_none() && begun.elapsed() < START_TIMEOUT {
            if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
                return Ok(Self {
                    child: Mutex::new(child),
                    _keep_alive: KeepAlive::of(&socket),
                });
            }
            ending = child.try_wait().map_err(failed)?;
            tokio::time::sleep(POLL_INTERVAL).await;
        }
        let what = match ending {
            Some(status) => format!("ended before it listened ({status})"),
            None => format!("did not listen within {} s", START_TIMEOUT.as_secs()),
        };
        let said = std::fs::read_to_string(said).unwrap_or_default();
        Err(BackendError::new(
            BackendErrorKind::Unavailable,
            format!("podman: its service {what}: {}", said.trim()),
        )
        .with_advice("try `podman info`: what keeps it from running keeps the service from it"))
    }

    /// Whether it has not ended.
    pub(crate) fn is_alive(&self) -> bool {
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(child.try_wait(), Ok(None))
    }

    /// Stops it and waits until it is gone.
    pub(crate) async fn stop(self) {
        let mut child = self
            .child
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        // An ordinary user's is two processes, of which the first would leave the second behind.
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        if let Some(group) = group {
            let _ = kill_process_group(group, Signal::KILL);
        }
        // It may be gone already, which is as well.
        let _ = child.kill().await;
    }
}

/// Does what may take a while, as Podman's commands do, beside all else.
async fn in_background<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, BackendError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
        .map_err(|error| {
            let message = format!(
                "podman: cannot make a folder for its service in {}",
                std::env::temp_dir().display()
            );
            BackendError::new(BackendErrorKind::NoSpace, message).with_source(error)
        })
}

/// Speaks to a service now and then, until dropped.
#[derive(Debug)]
struct KeepAlive(JoinHandle<()>);

impl KeepAlive {
    fn of(socket: &Path) -> Self {
        let libpod = Libpod::new(socket);
        Self(tokio::spawn(async move {
            loop {
                tokio::time::sleep(KEEP_ALIVE_INTERVAL).await;
                // Whatever it answers, it has been spoken to.
                let _ = libpod.get("/_ping").await;
            }
        }))
    }
}

impl Drop for KeepAlive {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A service that nobody speaks to ends after this time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(15);
/// How often ours is spoken to.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(3);

/// How often a service that starts is looked at.
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// How long a service may take until it listens: the first of a slow machine sets up its storage.
const START_TIMEOUT: Duration = Duration::from_secs(120);
