//! What a backend can do on this machine, proved by trying to break each of its limits.
//!
//! The same program plays both sides: outside it asks a backend to run it, inside it does what
//! the limit forbids ([`probe`]). What the engine claims is never taken as proof.

mod cpu_use;
pub(crate) mod probe;
mod trial;

use std::sync::Arc;
use std::time::Duration;

use segarena_container::limits::key;
use segarena_core::backend::{
    BackendStatus, Ending, Enforcement, Execution, InferenceBackend, Limit,
};
use serde::Serialize;

use crate::registry::{BackendSection, Registry};
use probe::HELD;
use trial::Trial;

/// What was found out about a backend.
#[derive(Debug, Serialize)]
pub(crate) struct Examination {
    /// The kind of backend.
    pub(crate) kind: String,
    /// Whether it can run submissions as configured.
    pub(crate) usable: bool,
    /// What is in the way, where it can't.
    pub(crate) problem: Option<String>,
    /// What it says of itself.
    pub(crate) status: Option<BackendStatus>,
    /// The limits, each tried.
    pub(crate) proofs: Vec<Proof>,
}

/// What an attempt to break a limit showed.
#[derive(Debug, Serialize)]
pub(crate) struct Proof {
    /// The limit.
    pub(crate) limit: Limit,
    /// Whether it holds.
    pub(crate) verdict: Verdict,
    /// What was seen.
    pub(crate) seen: String,
}

/// Whether a limit holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// The attempt to break it was stopped.
    Holds,
    /// The attempt went through.
    Broken,
    /// The engine can't limit this here, and says so.
    CannotBeHad,
    /// The attempt could not be made.
    Unclear,
}

impl Examination {
    fn of(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            usable: false,
            problem: None,
            status: None,
            proofs: Vec::new(),
        }
    }

    /// Of what is there and has no limits of its own to try.
    pub(crate) fn usable(kind: &str, status: BackendStatus) -> Self {
        Self {
            usable: true,
            status: Some(status),
            ..Self::of(kind)
        }
    }

    fn failed(mut self, problem: impl ToString) -> Self {
        self.usable = false;
        self.problem = Some(problem.to_string());
        self
    }
}

/// Examines the backend of this section.
pub(crate) async fn examine(registry: &Registry, section: &BackendSection) -> Examination {
    let examination = Examination::of(section.kind());
    let backend = match registry.backend(section) {
        Some(Ok(backend)) => backend,
        Some(Err(error)) => return examination.failed(error),
        None => return examination.failed(format!("there is no backend `{}`", section.kind())),
    };
    let examination = with_backend(registry, section, &*backend, examination).await;
    // The examination is over either way.
    let _ = backend.shut_down().await;
    examination
}

async fn with_backend(
    registry: &Registry,
    section: &BackendSection,
    backend: &dyn InferenceBackend,
    mut examination: Examination,
) -> Examination {
    let as_configured = backend.check().await;
    let tight = match tightened(section).map(|section| registry.backend(&section)) {
        Some(Some(Ok(tight))) => tight,
        // Not a container: what it says of itself is all there is to know.
        _ => {
            return match as_configured {
                Ok(status) => {
                    examination.usable = true;
                    examination.proofs = claims(&status);
                    examination.status = Some(status);
                    examination
                }
                Err(error) => examination.failed(error),
            };
        }
    };
    match tight.check().await {
        Ok(status) => {
            match prove_all(&tight, &status).await {
                Ok(proofs) => {
                    examination.usable = true;
                    examination.proofs = proofs;
                }
                Err(problem) => examination = examination.failed(problem),
            }
            examination.status = Some(status);
        }
        Err(error) => examination = examination.failed(error),
    }
    let _ = tight.shut_down().await;
    match as_configured {
        Ok(status) => examination.status = Some(status),
        Err(error) => examination = examination.failed(error),
    }
    examination
}

/// Limits that are quick to reach, in the place of the configured ones.
const TIGHT: &str = "memory = \"64MiB\"\nmemory_swap = \"64MiB\"\ncpus = 0.5\npids = 48\n\
                     shm_size = \"1MiB\"\nnetwork = \"none\"\nno_new_privileges = true\n\
                     gpus = \"none\"\nkeep_image = false\n\
                     allow_unenforced = [\"memory\", \"pids\", \"cpus\"]\n";

/// The same for Apptainer, which has fewer options.
const TIGHT_FILES: &str = "memory = \"64MiB\"\ncpus = 0.5\npids = 48\nnetwork = \"none\"\n\
                           gpus = \"none\"\nallow_unenforced = [\"memory\", \"pids\", \"cpus\"]\n";

/// The section with tight limits; none for a backend that has no such options.
fn tightened(section: &BackendSection) -> Option<BackendSection> {
    let kind = section.kind();
    let tight = match kind {
        segarena_docker::KIND | segarena_podman::KIND => TIGHT,
        kind if BackendSection::has_image_files(kind) => TIGHT_FILES,
        _ => return None,
    };
    Some(section.with(&toml::from_str(tight).unwrap_or_default()))
}

/// What a backend without containers says of its limits.
fn claims(status: &BackendStatus) -> Vec<Proof> {
    let claim = |limit: &segarena_core::backend::LimitStatus| match &limit.enforcement {
        Enforcement::NotEnforced { reason } => Some(Proof {
            limit: limit.limit,
            verdict: Verdict::CannotBeHad,
            seen: reason.clone(),
        }),
        _ => None,
    };
    status.limits.iter().filter_map(claim).collect()
}

/// Tries every limit. The error says why nothing could be run at all.
async fn prove_all(
    backend: &Arc<dyn InferenceBackend>,
    status: &BackendStatus,
) -> Result<Vec<Proof>, String> {
    let trial = Trial::prepare(backend).await?;
    let proofs = match trial.shows_that_something_runs().await {
        Ok(()) => {
            let mut proofs = Vec::new();
            for limit in [
                Limit::Time,
                Limit::Memory,
                Limit::Pids,
                Limit::Cpus,
                Limit::SharedMemory,
                Limit::Network,
                Limit::Filesystem,
                Limit::Privileges,
            ] {
                proofs.push(prove(&trial, limit, status).await);
            }
            Ok(proofs)
        }
        Err(problem) => Err(problem),
    };
    trial.end().await;
    proofs
}

async fn prove(trial: &Trial, limit: Limit, status: &BackendStatus) -> Proof {
    let of_limit = status.limits.iter().find(|status| status.limit == limit);
    let cannot_be_had = match of_limit.map(|status| &status.enforcement) {
        Some(Enforcement::NotEnforced { reason }) => Some(reason.clone()),
        // Every limit that there is an option for has been asked for.
        Some(Enforcement::NotAsked) | None => Some("there is no option for it".to_owned()),
        Some(Enforcement::Enforced) => None,
    };
    if let Some(seen) = cannot_be_had {
        return Proof {
            limit,
            verdict: Verdict::CannotBeHad,
            seen,
        };
    }
    let (verdict, seen) = match limit {
        Limit::Time => trial.time().await,
        Limit::Memory => trial.memory().await,
        Limit::Pids => trial.pids().await,
        Limit::Cpus => trial.cpus().await,
        Limit::SharedMemory => trial.shared_memory().await,
        Limit::Network => trial.network().await,
        Limit::Filesystem => trial.filesystem().await,
        Limit::Privileges => trial.privileges().await,
        _ => (Verdict::Unclear, format!("{} is not tried", key(limit))),
    };
    Proof {
        limit,
        verdict,
        seen,
    }
}

/// Whether the attempt was stopped, by its exit status.
fn by_status(execution: &Execution) -> Option<Verdict> {
    match execution.ending {
        Ending::Exited { code: 0 } => Some(Verdict::Broken),
        Ending::Exited { code } if code == i32::from(HELD) => Some(Verdict::Holds),
        _ => None,
    }
}

/// How long a limit may take to bite.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(60);
