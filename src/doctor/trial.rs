//! The attempts from outside: what is asked for, and what was seen.

use std::net::{IpAddr, Ipv4Addr, TcpListener, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use segarena_container::image_archive::ImageArchive;
use segarena_core::backend::{
    BackendError, Ending, Execution, InferenceBackend, InteractionRequest, NoProgress, Runnable,
    Submission, SubmissionSource,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::cpu_use::CpuUse;
use super::{ATTEMPT_TIMEOUT, Verdict, by_status};

/// An image with this program, ready to be run under tight limits.
pub(super) struct Trial {
    backend: Arc<dyn InferenceBackend>,
    runnable: Runnable,
    folder: TempDir,
}

type Seen = (Verdict, String);

impl Trial {
    /// Makes and loads the image. The error says why that can't be done.
    pub(super) async fn prepare(backend: &Arc<dyn InferenceBackend>) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("segarena-doctor-")
            .tempdir()
            .map_err(|error| format!("cannot make a temporary folder: {error}"))?;
        let archive = folder.path().join("probe.tar");
        for name in ["inputs", "outputs"] {
            std::fs::create_dir(folder.path().join(name)).map_err(|error| error.to_string())?;
        }
        let path = archive.clone();
        tokio::task::spawn_blocking(move || write_image(&path))
            .await
            .map_err(|error| error.to_string())?
            .map_err(|error| format!("cannot write the image of the probe: {error}"))?;
        let submission = Submission {
            name: "doctor".to_owned(),
            source: SubmissionSource::Archive {
                path: archive,
                argv: None,
            },
            env: Default::default(),
        };
        let runnable = backend
            .prepare(&submission, &NoProgress)
            .await
            .map_err(|error| format!("cannot load an image: {error}"))?;
        Ok(Self {
            backend: Arc::clone(backend),
            runnable,
            folder,
        })
    }

    /// Removes the image.
    pub(super) async fn end(self) {
        // Nobody to tell: the examination is over, and the next run sweeps what is left.
        let _ = self.backend.release(self.runnable).await;
    }

    /// Runs the probe with this attempt's words.
    async fn attempt(&self, words: &[&str], timeout: Duration) -> Result<Execution, BackendError> {
        let mut runnable = self.runnable.clone();
        if let SubmissionSource::Archive { argv, .. } = &mut runnable.submission.source {
            let words = [&[PROGRAM, "probe"], words].concat();
            *argv = Some(words.into_iter().map(str::to_owned).collect());
        }
        let path = |name: &str| self.folder.path().join(name);
        let (inputs, outputs, log) = (path("inputs"), path("outputs"), path("log"));
        let request = InteractionRequest {
            run_id: "doctor",
            case: "probe",
            index: 1,
            inputs: &inputs,
            outputs: &outputs,
            timeout,
            log: &log,
            cancel: CancellationToken::new(),
            worker: 0,
        };
        self.backend.infer(&runnable, &request).await
    }

    /// An attempt whose exit status tells.
    async fn told_by_status(&self, words: &[&str], held: &str, broken: &str) -> Seen {
        match self.attempt(words, ATTEMPT_TIMEOUT).await {
            Ok(execution) => match by_status(&execution) {
                Some(Verdict::Holds) => (Verdict::Holds, held.to_owned()),
                Some(verdict) => (verdict, broken.to_owned()),
                None => unclear(&execution),
            },
            Err(error) => (Verdict::Unclear, error.to_string()),
        }
    }

    pub(super) async fn shows_that_something_runs(&self) -> Result<(), String> {
        match self.attempt(&["nothing"], ATTEMPT_TIMEOUT).await {
            Ok(execution) if execution.ending == (Ending::Exited { code: 0 }) => Ok(()),
            Ok(execution) => Err(format!(
                "a container that should do nothing failed: {}",
                unclear(&execution).1
            )),
            Err(error) => Err(format!("cannot run a container: {error}")),
        }
    }

    pub(super) async fn time(&self) -> Seen {
        let begun = Instant::now();
        match self.attempt(&["time"], Duration::from_secs(1)).await {
            Ok(execution) if execution.ending == Ending::TimedOut => (
                Verdict::Holds,
                format!(
                    "a program without end, allowed 1 s, was gone after {:.1} s",
                    begun.elapsed().as_secs_f64()
                ),
            ),
            Ok(execution) => unclear(&execution),
            Err(error) => (Verdict::Unclear, error.to_string()),
        }
    }

    pub(super) async fn memory(&self) -> Seen {
        match self.attempt(&["memory", "256"], ATTEMPT_TIMEOUT).await {
            Ok(execution) => match execution.ending {
                Ending::OutOfMemory { .. } => (
                    Verdict::Holds,
                    "a program that took 256 MiB, allowed 64 MiB, was killed".to_owned(),
                ),
                Ending::Exited { code: 0 } => (
                    Verdict::Broken,
                    "a program allowed 64 MiB got 256 MiB".to_owned(),
                ),
                _ => unclear(&execution),
            },
            Err(error) => (Verdict::Unclear, error.to_string()),
        }
    }

    pub(super) async fn pids(&self) -> Seen {
        self.told_by_status(
            &["pids", "200"],
            "a program allowed 48 threads was refused 200",
            "a program allowed 48 threads got 200",
        )
        .await
    }

    pub(super) async fn cpus(&self) -> Seen {
        match self.attempt(&["cpus"], ATTEMPT_TIMEOUT).await {
            Ok(execution) if execution.ending == (Ending::Exited { code: 0 }) => {
                let line = execution.tails.stdout.trim().lines().next_back();
                match line.and_then(|line| serde_json::from_str::<CpuUse>(line).ok()) {
                    Some(used) => used.verdict(),
                    None => unclear(&execution),
                }
            }
            Ok(execution) => unclear(&execution),
            Err(error) => (Verdict::Unclear, error.to_string()),
        }
    }

    pub(super) async fn shared_memory(&self) -> Seen {
        self.told_by_status(
            &["shared-memory", "4"],
            "/dev/shm, allowed 1 MiB, did not take 4 MiB",
            "/dev/shm, allowed 1 MiB, took 4 MiB",
        )
        .await
    }

    pub(super) async fn network(&self) -> Seen {
        let listener = match TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
            .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        {
            Ok(listener) => listener,
            Err(error) => return (Verdict::Unclear, format!("cannot listen: {error}")),
        };
        let port = listener.local_addr().map_or(0, |address| address.port());
        let mut words = vec!["network".to_owned(), port.to_string()];
        words.extend(own_addresses().iter().map(IpAddr::to_string));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let (verdict, seen) = self
            .told_by_status(
                &words,
                "a listener on this machine could not be reached",
                "a listener on this machine was reached",
            )
            .await;
        if listener.accept().is_ok() {
            return (Verdict::Broken, "a listener here was called".to_owned());
        }
        (verdict, seen)
    }

    pub(super) async fn filesystem(&self) -> Seen {
        // Beside the two mounted folders, where only the folders' parent would show it.
        let secret = self.folder.path().join("secret");
        if let Err(error) = std::fs::write(&secret, b"of the host") {
            return (Verdict::Unclear, format!("cannot write a file: {error}"));
        }
        let (verdict, seen) = self
            .told_by_status(
                &["filesystem", &secret.to_string_lossy()],
                "a file beside the work folders could not be read, nor one written",
                "a file of this machine was read",
            )
            .await;
        let written = PathBuf::from(format!("{}.written", secret.display()));
        if written.exists() {
            return (Verdict::Broken, "a file here was written".to_owned());
        }
        (verdict, seen)
    }

    pub(super) async fn privileges(&self) -> Seen {
        self.told_by_status(
            &["privileges"],
            "a setuid program did not become root",
            "a setuid program became root",
        )
        .await
    }
}

/// Where the probe is in its image.
const PROGRAM: &str = "/segarena";

/// An image whose user is nobody and whose program is root's and setuid: the way to root is open
/// unless it is closed from outside.
fn write_image(path: &std::path::Path) -> std::io::Result<()> {
    let image = ImageArchive::named("segarena-doctor:latest")
        .setuid_program(PROGRAM, &std::env::current_exe()?)
        .file(
            "/etc/passwd",
            0o644,
            b"root:x:0:0::/:\nnobody:x:65534:65534::/:\n",
        )
        .user("65534:65534");
    std::fs::write(path, image.to_tar()?)
}

/// This machine's addresses as far as routes tell; nothing is sent.
fn own_addresses() -> Vec<IpAddr> {
    let outward = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    let outward = outward.ok().map(|address| address.ip());
    outward
        .into_iter()
        .chain([IpAddr::from(Ipv4Addr::LOCALHOST)])
        .collect()
}

fn unclear(execution: &Execution) -> Seen {
    let said = [&execution.tails.stderr, &execution.tails.stdout]
        .into_iter()
        .find_map(|tail| tail.trim().lines().last())
        .map(|line| format!(": {line}"));
    let seen = format!("{:?}{}", execution.ending, said.unwrap_or_default());
    (Verdict::Unclear, seen)
}
