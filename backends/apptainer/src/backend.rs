//! The backend: how a submission's image is found, and the life of an interaction.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use async_trait::async_trait;
use segarena_container::folders::Folders;
use segarena_container::script;
use segarena_contract::{
    BackendError, BackendErrorKind, BackendStatus, Ending, Execution, FreshStarts, ImageFacts,
    InferenceBackend, InteractionRequest, LimitStatus, PrepareProgress, Runnable, SessionRequest,
    Submission, SubmissionFacts, SubmissionSession, SubmissionSource, short_hash,
};
use segarena_formats::removal::remove_tree;
use segarena_warm::WarmSession;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exec::{Exec, NO_PROGRAM, command, variables};
use crate::failure::{FATAL, fatal_words, is_about_a_program, looked_for_a_program};
use crate::image::Image;
use crate::job::{self, JobGroup};
use crate::launcher::{Launcher, Limits, request};
use crate::store::Store;
use crate::temporary::{self, TemporaryFolder};
use crate::warm::WarmContainer;

/// The backend of kind `apptainer` and `singularity`.
#[derive(Debug)]
pub struct ApptainerBackend {
    kind: &'static str,
    config: Config,
    machine: OnceCell<Machine>,
    /// Where images are converted when no folder is named.
    temporary: OnceLock<TemporaryFolder>,
}

/// What was found out of this machine, once.
#[derive(Debug)]
struct Machine {
    launcher: Launcher,
    limits: Limits,
    statuses: Vec<LimitStatus>,
}

impl ApptainerBackend {
    /// A backend with this configuration.
    pub fn new(config: Config) -> Self {
        Self {
            kind: match config.kind.as_str() {
                crate::SINGULARITY => crate::SINGULARITY,
                _ => crate::KIND,
            },
            config,
            machine: OnceCell::new(),
            temporary: OnceLock::new(),
        }
    }

    async fn machine(&self) -> Result<&Machine, BackendError> {
        let look = || async {
            let launcher = Launcher::find(self.kind)?;
            let (limits, statuses) = launcher.limits(&self.config).await?;
            Ok(Machine {
                launcher,
                limits,
                statuses,
            })
        };
        self.machine.get_or_try_init(look).await
    }

    /// Where converted images are kept.
    fn image_dir(&self) -> Result<&Path, BackendError> {
        if let Some(folder) = &self.config.image_dir {
            return Ok(folder);
        }
        if self.temporary.get().is_none() {
            // Of two who come here at once, one makes a folder that goes unused.
            let _ = self.temporary.set(TemporaryFolder::new("images")?);
        }
        let made = self.temporary.get().map(TemporaryFolder::path);
        made.ok_or_else(|| BackendError::new(BackendErrorKind::Engine, "no folder for images"))
    }

    /// The image that a submission names as it is: a SIF file or a sandbox folder.
    async fn named(
        &self,
        submission: &Submission,
        reference: &str,
        store: &Store<'_>,
        progress: &dyn PrepareProgress,
    ) -> Result<(Image, String), BackendError> {
        let name = &submission.name;
        let path = std::path::absolute(reference).unwrap_or_else(|_| PathBuf::from(reference));
        let unreadable = |error: std::io::Error| {
            let message = format!("submission `{name}`: cannot read {}", path.display());
            BackendError::new(BackendErrorKind::Submission, message).with_source(error)
        };
        let found = path.metadata().map_err(|error| {
            let message = format!("submission `{name}`: there is no image {}", path.display());
            BackendError::new(BackendErrorKind::Submission, message)
                .with_source(error)
                .with_advice(
                    "`image` names a SIF file or a sandbox folder; for a saved image there is \
                     `archive`",
                )
        })?;
        if found.is_dir() {
            let state = state_of_folder(&path).map_err(unreadable)?;
            return Ok((Image::at(&path), state));
        }
        let digest = store.digest(&path, progress).await.map_err(unreadable)?;
        let image = match &store.launcher.no_sif {
            None => Image::at(&path),
            Some(_) => store.of_sif(name, &path, progress).await?,
        };
        Ok((image, format!("sha256:{digest}")))
    }
}

#[async_trait]
impl InferenceBackend for ApptainerBackend {
    fn kind(&self) -> &str {
        self.kind
    }

    async fn check(&self) -> Result<BackendStatus, BackendError> {
        let orphans = segarena_child::kill_orphans_of_killed_runs();
        if orphans > 0 {
            tracing::warn!(orphans, "killed processes that a killed run left behind");
        }
        let swept = tokio::task::spawn_blocking(temporary::sweep).await;
        swept.map_err(|error| {
            BackendError::new(
                BackendErrorKind::Engine,
                "cannot look for what killed runs left",
            )
            .with_source(error)
        })?;
        let Machine {
            launcher,
            limits,
            statuses,
        } = self.machine().await?;
        let images = match &launcher.no_sif {
            None => "SIF files, mounted".to_owned(),
            Some(reason) => format!("sandbox folders ({reason})"),
        };
        let mut facts = vec![
            ("program".to_owned(), launcher.program.display().to_string()),
            ("images".to_owned(), images),
            (
                "graphics cards".to_owned(),
                match limits.cards.is_empty() {
                    true => "none".to_owned(),
                    false => limits.cards.join(" "),
                },
            ),
        ];
        if let Some(limit) = JobGroup::own().and_then(|group| group.limit()) {
            let limit = bytesize::ByteSize(limit).to_string();
            facts.push(("memory of this control group".to_owned(), limit));
        }
        Ok(BackendStatus {
            engine: launcher.name.to_owned(),
            version: Some(launcher.version.clone()),
            facts,
            limits: statuses.clone(),
            caution: Some(
                "a submission runs as you, whatever user its image sets: what needs real root \
                 (other owners of files, mounts, a port below 1024) works in the challenge and \
                 fails here; and what it writes outside its outputs, /tmp and /var/tmp is kept in \
                 memory, 64 MiB at most (`sessiondir max size` of apptainer.conf)"
                    .to_owned(),
            ),
        })
    }

    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        let machine = self.machine().await?;
        let store = Store {
            folder: self.image_dir()?,
            launcher: &machine.launcher,
            archive_size: self.config.archive_size,
        };
        let (image, content) = match &submission.source {
            SubmissionSource::Archive { path, .. } => {
                let image = store.of_archive(&submission.name, path, progress).await?;
                let id = image.config.as_ref().map(|config| config.facts.id.clone());
                (image, id.unwrap_or_default())
            }
            SubmissionSource::Image { reference, .. } => {
                self.named(submission, reference, &store, progress).await?
            }
            SubmissionSource::Command { .. } => return Err(no_image(submission, self.kind)),
        };
        let hash = short_hash(
            variables(&self.config, submission)
                .iter()
                .map(|(name, value)| format!("{name}={value}\0")),
        );
        let argv = command(&self.config, submission);
        Ok(Runnable {
            submission: submission.clone(),
            fingerprint: format!(
                "{content} runs {argv:?} (env {hash}) with {}",
                surroundings(&self.config)
            ),
            facts: facts(&image, &content),
            reference: image.path.to_string_lossy().into_owned(),
            loaded: Vec::new(),
        })
    }

    fn keeps_warm(&self) -> bool {
        true
    }

    async fn open<'a>(
        &'a self,
        runnable: &'a Runnable,
        request: &SessionRequest<'_>,
    ) -> Result<Box<dyn SubmissionSession + 'a>, BackendError> {
        let Some(folders) = Folders::of_scope(request.scope) else {
            return Ok(Box::new(FreshStarts::new(self, runnable)));
        };
        let machine = self.machine().await?;
        let group = JobGroup::own();
        Ok(Box::new(WarmSession::new(WarmContainer {
            launcher: &machine.launcher,
            image: Image::at(Path::new(&runnable.reference)),
            config: &self.config,
            limits: &machine.limits,
            submission: &runnable.submission,
            folders,
            worker: request.worker,
            kills: AtomicU64::new(group.as_ref().map_or(0, JobGroup::kills)),
            group,
        })))
    }

    async fn prepare_for_all(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<bool, BackendError> {
        // Without a folder that stays it would be gone with this process.
        if self.config.image_dir.is_none() {
            return Ok(false);
        }
        self.prepare(submission, progress).await.map(|_| true)
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        let machine = self.machine().await?;
        let image = Image::at(Path::new(&runnable.reference));
        let scratch = TemporaryFolder::new("scratch")?;
        let exec = Exec {
            launcher: &machine.launcher,
            image: &image,
            config: &self.config,
            limits: &machine.limits,
            submission: &runnable.submission,
            scratch: Some(scratch.path()),
        };
        let group = JobGroup::own();
        let kills = group.as_ref().map_or(0, JobGroup::kills);
        let words = exec.for_interaction(request);
        let mut execution = machine.launcher.run(words, request).await?;
        let killed = group.is_some_and(|group| group.kills() > kills);
        explain(&exec, &mut execution, killed).await?;
        scratch.remove().await;
        Ok(execution)
    }

    async fn release(&self, _runnable: Runnable) -> Result<(), BackendError> {
        // What was converted is there for the next run, or goes with this one as a whole.
        Ok(())
    }

    async fn shut_down(&self) -> Result<(), BackendError> {
        let Some(folder) = self.temporary.get() else {
            return Ok(());
        };
        remove_tree(folder.path()).map_err(|error| {
            let message = format!("converted images are left in {}", folder.path().display());
            BackendError::new(BackendErrorKind::Engine, message).with_source(error)
        })
    }
}

/// Says in the contract's words how an execution ended, which Apptainer has its own for.
///
/// # Errors
/// When no container could be made, so that the submission was not given its chance.
pub(crate) async fn explain(
    exec: &Exec<'_>,
    execution: &mut Execution,
    killed_in_group: bool,
) -> Result<(), BackendError> {
    let code = match execution.ending {
        Ending::Exited { code } => code,
        Ending::Signalled { signal } => 128 + signal,
        _ => return Ok(()),
    };
    let stderr = &mut execution.tails.stderr;
    if code == 137 {
        // Within a limit of its own only the kernel kills for it; else the job's group counts.
        let is_limited = exec.limits.memory.is_some();
        if is_limited || killed_in_group || job::slurm_says_out_of_memory(stderr) {
            execution.ending = Ending::OutOfMemory { code: Some(code) };
        }
        return Ok(());
    }
    if code == FATAL
        && let Some(words) = fatal_words(stderr)
    {
        if is_about_a_program(&words) {
            execution.ending = Ending::Exited { code: 127 };
        } else if let Some(words) = why_no_container(exec, &words).await? {
            let name = exec.launcher.name;
            let message = format!("{name} could not make a container: {words}");
            return Err(BackendError::new(BackendErrorKind::Engine, message).temporary());
        }
    }
    if code != 0 {
        script::explain_missing(stderr);
    }
    Ok(())
}

/// Whether the container can't be made. A submission could print the same words and end with the
/// same status, so the container is tried again without it.
async fn why_no_container(exec: &Exec<'_>, words: &str) -> Result<Option<String>, BackendError> {
    // What is wrong with the image's own working folder is the submission's.
    if words.contains("working directory") {
        return Ok(None);
    }
    let folder = TemporaryFolder::new("try")?;
    let log = folder.path().join("log");
    let cancel = CancellationToken::new();
    let request = request(folder.path(), &log, Duration::from_secs(60), cancel);
    let tried = exec
        .launcher
        .run(exec.for_a_try(&request), &request)
        .await?;
    let said = &tried.tails.stderr;
    Ok((!looked_for_a_program(said, NO_PROGRAM)).then(|| words.to_owned()))
}

fn no_image(submission: &Submission, kind: &str) -> BackendError {
    let name = &submission.name;
    let message = format!("submission `{name}` is a plain command, which {kind} can't run");
    BackendError::new(BackendErrorKind::Submission, message).with_advice(
        "give the submission an `archive` or an `image` (a SIF file or a sandbox folder), or \
         choose kind = \"process\"",
    )
}

/// What is known of an image.
fn facts(image: &Image, content: &str) -> SubmissionFacts {
    SubmissionFacts::Image(match &image.config {
        Some(config) => config.facts.clone(),
        None => ImageFacts {
            reference: image.path.display().to_string(),
            id: content.to_owned(),
            size: image.path.metadata().map_or(0, |found| found.len()),
            workdir: image.workdir().to_owned(),
            ..ImageFacts::default()
        },
    })
}

/// Changes when a folder's files do, as far as can be told without reading them: their names,
/// kinds, sizes and times.
fn state_of_folder(folder: &Path) -> std::io::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let mut pieces = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        let mut entries = std::fs::read_dir(&path)?.collect::<Result<Vec<_>, _>>()?;
        entries.sort_by_key(|entry| entry.file_name());
        for entry in entries {
            let found = entry.metadata()?;
            let (size, mode) = (found.len(), found.mode());
            let (seconds, nanoseconds) = (found.mtime(), found.mtime_nsec());
            let name = entry.path();
            pieces.push(format!(
                "{}\0{mode:o} {size} {seconds}.{nanoseconds}\n",
                name.strip_prefix(folder).unwrap_or(&name).display()
            ));
            if found.is_dir() {
                waiting.push(name);
            }
        }
    }
    Ok(format!("files:{}", short_hash(pieces)))
}

/// What a submission has of the machine, in one line: with less memory or no graphics card it may
/// answer otherwise.
fn surroundings(config: &Config) -> String {
    let mut words = vec![
        format!("memory {}", config.memory.as_u64()),
        format!("pids {}", config.pids),
        format!("network {}", config.network),
        format!("gpus {}", config.gpus),
    ];
    words.extend(config.cpus.map(|cpus| format!("cpus {cpus}")));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_another_file_is_another_image() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(folder.path().join("bin/sh"), b"1").unwrap();
        let before = state_of_folder(folder.path()).unwrap();
        assert_eq!(state_of_folder(folder.path()).unwrap(), before);
        std::fs::write(folder.path().join("bin/sh"), b"22").unwrap();
        assert_ne!(state_of_folder(folder.path()).unwrap(), before);
    }

    #[test]
    fn a_command_is_no_image() {
        let submission = Submission {
            name: "mine".to_owned(),
            source: SubmissionSource::Command {
                argv: Vec::new(),
                workdir: PathBuf::new().into(),
            },
            env: Default::default(),
        };
        let text = no_image(&submission, "apptainer").to_string();
        assert!(
            text.contains("`mine`") && text.contains("process"),
            "{text}"
        );
    }
}
