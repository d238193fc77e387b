//! `segarena validate`: a submission tried before it is sent in.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use segarena_core::backend::{InferenceBackend, Submission, SubmissionSource};
use segarena_process::ProcessBackend;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::evaluate::stop_on_signal;
use crate::args::ValidateOptions;
use crate::config::{ConfigError, LoadedConfig, Place};
use crate::exit::ExitStatus;
use crate::lifetime::lifetime;
use crate::progress::Listeners;
use crate::registry::{BackendSection, ENGINES, Registry};
use crate::stderr;
use crate::stdout;
use crate::submissions::{check_name, is_sif, team_name};
use crate::summary::Look;
use crate::validate::{Examination, Trial, Tried, Verdict, findings, text, worst};

pub(crate) fn validate(
    registry: &Registry,
    options: &ValidateOptions,
) -> anyhow::Result<ExitStatus> {
    let submission = submission(options)?;
    let timeout = timeout(options)?;
    let config = options
        .config
        .as_deref()
        .map(LoadedConfig::load)
        .transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let backend = runtime.block_on(choose(registry, options, config.as_ref(), &submission))?;
    let lifetime = lifetime(options.lifetime, config.as_ref(), &*backend)?;
    let kind = backend.kind().to_owned();
    let folder = Folder::new(options.output.as_deref())?;
    let trial = Trial {
        backend,
        submission: submission.clone(),
        track: options.track,
        lifetime,
        folder: folder.path().to_owned(),
        timeout,
    };
    let progress = Listeners::only_progress();
    let tried = runtime.block_on(carry_out(trial, &progress));
    progress.end();
    let tried = tried?;
    if tried.interrupted {
        stderr::line("interrupted");
        return Ok(ExitStatus::Failed);
    }
    let checks = findings(&submission.name, &submission.source, &tried);
    let examination = Examination {
        verdict: worst(&checks),
        submission: submission.name,
        backend: kind,
        folder: options.output.as_ref().map(|_| folder.path().to_owned()),
        checks,
    };
    if options.json {
        let json = serde_json::to_string_pretty(&examination)?;
        stdout::print(&format!("{json}\n"));
    } else {
        stdout::print(&text(&examination, Look::of_stdout()));
    }
    Ok(match examination.verdict {
        Verdict::Failed => ExitStatus::SomeFailed,
        Verdict::Ok | Verdict::Warning => ExitStatus::Done,
    })
}

async fn carry_out(trial: Trial, progress: &Listeners) -> anyhow::Result<Tried> {
    let cancel = CancellationToken::new();
    tokio::spawn(stop_on_signal(
        cancel.clone(),
        progress.observer(),
        ExitStatus::Failed,
    ));
    trial.go(progress.observer(), cancel).await
}

/// The folder for the cases and results: the one asked for, or one that goes away again.
enum Folder {
    Kept(PathBuf),
    Temporary(TempDir),
}

impl Folder {
    fn new(asked: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = asked else {
            let folder = tempfile::Builder::new()
                .prefix("segarena-validate-")
                .tempdir();
            return Ok(Self::Temporary(
                folder.context("cannot make a temporary folder")?,
            ));
        };
        let failed = || format!("cannot make the folder {}", path.display());
        std::fs::create_dir_all(path).with_context(failed)?;
        let is_empty = path.read_dir().with_context(failed)?.next().is_none();
        if !is_empty {
            return Err(refused(
                "--output",
                format!("{} is not empty; name a new folder", path.display()),
            ));
        }
        let path = std::path::absolute(path).with_context(failed)?;
        Ok(Self::Kept(path))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

fn refused(flag: &'static str, message: String) -> anyhow::Error {
    let place = Place::Flag(flag);
    ConfigError::Value { place, message }.into()
}

/// What the command line names.
fn submission(options: &ValidateOptions) -> anyhow::Result<Submission> {
    let argv = (!options.command.is_empty()).then(|| options.command.clone());
    let (name, source) = match (&options.archive, &options.image) {
        (Some(path), _) if path.is_dir() => (file_name(path), program(path, argv)?),
        (Some(path), _) if path.is_file() && is_sif(&file_name(path)) => {
            let reference = std::path::absolute(path)?.to_string_lossy().into_owned();
            let name = team_name(&file_name(path));
            (name, SubmissionSource::Image { reference, argv })
        }
        (Some(path), _) if path.is_file() => {
            let path = std::path::absolute(path)?;
            (
                team_name(&file_name(&path)),
                SubmissionSource::Archive { path, argv },
            )
        }
        (Some(path), _) => {
            let message = format!("there is no file {} (check the path)", path.display());
            return Err(refused("ARCHIVE", message));
        }
        (None, Some(reference)) => {
            let last = reference.rsplit('/').next().unwrap_or(reference);
            let name = last.split([':', '@']).next().unwrap_or(last).to_owned();
            let reference = reference.clone();
            (name, SubmissionSource::Image { reference, argv })
        }
        (None, None) => {
            let argv = argv.ok_or_else(|| ConfigError::Usage {
                message: "nothing to validate: give an archive, --image NAME, a folder with a \
                          predict.sh, or a command after --"
                    .to_owned(),
            })?;
            (
                "command".to_owned(),
                SubmissionSource::Command {
                    argv,
                    workdir: here(options)?.into(),
                },
            )
        }
    };
    let is_command = matches!(source, SubmissionSource::Command { .. });
    if options.workdir.is_some() && !is_command {
        return Err(ConfigError::Usage {
            message: "--workdir is for a plain command; an image has its own".to_owned(),
        }
        .into());
    }
    let folders = [("INPUTS", "{inputs}"), ("OUTPUTS", "{outputs}")];
    let folders = folders.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ok(Submission {
        name: match check_name(&name) {
            Ok(()) => name,
            Err(_) => "submission".to_owned(),
        },
        source,
        env: if is_command {
            folders.into()
        } else {
            BTreeMap::new()
        },
    })
}

fn file_name(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// A folder with a program that is run as it is.
fn program(folder: &Path, argv: Option<Vec<String>>) -> anyhow::Result<SubmissionSource> {
    if argv.is_none() && !folder.join("predict.sh").is_file() {
        let message = format!(
            "{} is a folder without a predict.sh; give an archive, or a command after --",
            folder.display()
        );
        return Err(refused("ARCHIVE", message));
    }
    Ok(SubmissionSource::Command {
        argv: argv.unwrap_or_else(|| ["sh", "predict.sh"].map(str::to_owned).to_vec()),
        workdir: std::path::absolute(folder)?.into(),
    })
}

fn here(options: &ValidateOptions) -> anyhow::Result<PathBuf> {
    let folder = options.workdir.as_deref().unwrap_or(Path::new("."));
    let path = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    if !path.is_dir() {
        let message = format!("there is no folder {} (check the path)", folder.display());
        return Err(refused("--workdir", message));
    }
    Ok(path)
}

fn timeout(options: &ValidateOptions) -> anyhow::Result<Option<Duration>> {
    const YEAR: f64 = 365.0 * 86_400.0;
    match options.timeout {
        None => Ok(None),
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => {
            Ok(Some(Duration::from_secs_f64(seconds.min(YEAR))))
        }
        Some(seconds) => {
            let message = format!("must be a positive number of seconds, not {seconds}");
            Err(refused("--timeout", message))
        }
    }
}

/// The backend that is asked for, else the one that suits: for an image, the engine that answers.
async fn choose(
    registry: &Registry,
    options: &ValidateOptions,
    config: Option<&LoadedConfig>,
    submission: &Submission,
) -> anyhow::Result<Arc<dyn InferenceBackend>> {
    let in_file = config.and_then(|config| {
        let kind = config.file.backend.as_ref()?.kind.get_ref();
        Some(BackendSection::in_file(kind, &config.path, &config.text))
    });
    let section = match (&options.backend, in_file) {
        (None, Some(section)) => section,
        (Some(kind), Some(section)) if section.kind() == kind => section,
        (Some(kind), _) => BackendSection::without_file(kind),
        (None, None) if matches!(submission.source, SubmissionSource::Command { .. }) => {
            BackendSection::without_file(ProcessBackend::KIND)
        }
        (None, None) if matches!(&submission.source, SubmissionSource::Image { reference, .. } if is_sif(reference)) => {
            BackendSection::without_file(segarena_apptainer::KIND)
        }
        (None, None) => return engine_that_answers(registry).await,
    };
    match registry.backend(&section) {
        Some(backend) => Ok(backend?),
        None => {
            let kinds = registry.backend_kinds().join(", ");
            let message = format!(
                "there is no backend `{}`; there are {kinds}",
                section.kind()
            );
            Err(refused("--backend", message))
        }
    }
}

async fn engine_that_answers(registry: &Registry) -> anyhow::Result<Arc<dyn InferenceBackend>> {
    let mut reasons = Vec::new();
    for kind in ENGINES {
        let Some(backend) = registry.backend(&BackendSection::without_file(kind)) else {
            continue;
        };
        let backend = match backend {
            Ok(backend) => backend,
            Err(error) => {
                reasons.push(format!("\n  {error}"));
                continue;
            }
        };
        match backend.check().await {
            Ok(_) => return Ok(backend),
            Err(error) => reasons.push(format!("\n  {error}")),
        }
        // It may have started a service to ask.
        let _ = backend.shut_down().await;
    }
    anyhow::bail!(
        "no engine answers that could run an image:{}\n  segarena doctor says more",
        reasons.concat()
    )
}
