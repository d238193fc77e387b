//! Runs a submission as a plain child process of this machine.
//!
//! For debugging, for clusters without an engine (with `apptainer exec` and the like as the
//! command), and for segarena's own demo and tests. It contains little: the submission has the
//! rights of whoever runs segarena. What it does promise is that nothing outlives an interaction,
//! nor segarena itself: see [`segarena_child`].
#![warn(missing_docs)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use segarena_child::{ChildCommand, WarmChild, kill_orphans_of_killed_runs, start_warm};
use segarena_contract::{
    BackendError, BackendErrorKind, BackendStatus, CARDS_VARIABLE, Enforcement, Execution,
    FreshStarts, InferenceBackend, InteractionRequest, Lifetime, Limit, LimitStatus, Placeholders,
    PrepareProgress, ProgramFacts, Runnable, Scope, SessionRequest, Submission, SubmissionFacts,
    SubmissionSession, SubmissionSource, Workdir, short_hash,
};
use segarena_warm::{Listener, Places, Start, Started, WarmSession};
use serde::Deserialize;

/// The keys of `[backend]` with `kind = "process"`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Always `process`.
    pub kind: String,
    /// How long a submission lives, which each session is told.
    pub lifetime: Lifetime,
    /// Environment variables for every submission; a submission's own `env` goes before them.
    /// `INPUTS` and `OUTPUTS` are its folders unless they are set here.
    pub env: BTreeMap<String, String>,
}

/// The backend of kind `process`.
#[derive(Debug)]
pub struct ProcessBackend {
    config: Config,
    /// Graphics cards that the cases side by side share out; none: each sees what we see.
    cards: Vec<String>,
}

impl ProcessBackend {
    /// The name by which the configuration chooses this backend.
    pub const KIND: &'static str = "process";

    /// A backend with this configuration.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            cards: Vec::new(),
        }
    }

    /// The same, with one of these graphics cards for each of the cases that run side by side.
    #[must_use]
    pub fn with_cards(self, cards: Vec<String>) -> Self {
        Self { cards, ..self }
    }

    /// The command, its working folder, and a hash of the program, of every file that the command
    /// names (a script, say) and of the variables it is given, so that results of an edited
    /// program are not taken for those of the one before. Where the files are has no part in it:
    /// the same command by another path gives the same numbers.
    fn fingerprint(&self, submission: &Submission, command: &FoundCommand<'_>) -> String {
        let workdir = command.workdir;
        let named = command.argv[1..]
            .iter()
            .map(|argument| (argument, workdir.path.join(argument)));
        let mut words = vec![file_name(&command.program)];
        let mut contents = vec![content(&command.program)];
        for (argument, path) in named {
            if path.is_file() {
                words.push(file_name(&path));
                contents.push(content(&path));
            } else {
                words.push(argument.clone());
            }
        }
        let variables = self.variables(submission).into_iter();
        let variables = variables.map(|(name, value)| format!("{name}={value}\0").into_bytes());
        let hash = short_hash(contents.into_iter().chain(variables));
        format!(
            "{words:?} in {} (files and env {hash})",
            workdir.relative.display()
        )
    }

    /// The variables for a submission, with their placeholders. Without others it is told its
    /// folders all the same.
    fn variables(&self, submission: &Submission) -> BTreeMap<String, String> {
        let folders = [("INPUTS", "{inputs}"), ("OUTPUTS", "{outputs}")];
        let folders = folders.map(|(name, folder)| (name.to_owned(), folder.to_owned()));
        let mut variables = BTreeMap::from(folders);
        variables.extend(self.config.env.clone());
        variables.extend(submission.env.clone());
        variables
    }

    /// What is run with these folders.
    fn command<'a>(
        &self,
        runnable: &'a Runnable,
        places: &Placeholders<'_>,
        worker: usize,
    ) -> Result<ChildCommand<'a>, BackendError> {
        let submission = &runnable.submission;
        let (argv, workdir) = command_of(submission)?;
        Ok(ChildCommand {
            program: PathBuf::from(&runnable.reference),
            arguments: argv[1..]
                .iter()
                .map(|argument| places.fill(argument))
                .collect(),
            workdir: &workdir.path,
            environment: self.environment(submission, places, worker),
        })
    }

    fn environment(
        &self,
        submission: &Submission,
        places: &Placeholders<'_>,
        worker: usize,
    ) -> Vec<(String, String)> {
        let variables = self.variables(submission).into_iter();
        let mut variables: BTreeMap<String, String> = variables
            .map(|(name, value)| (name, places.fill(&value)))
            .collect();
        if !self.cards.is_empty() {
            let card = self.cards[worker % self.cards.len()].clone();
            variables.insert(CARDS_VARIABLE.to_owned(), card);
        }
        variables.into_iter().collect()
    }
}

#[async_trait]
impl InferenceBackend for ProcessBackend {
    fn kind(&self) -> &str {
        Self::KIND
    }

    async fn check(&self) -> Result<BackendStatus, BackendError> {
        let orphans = kill_orphans_of_killed_runs();
        if orphans > 0 {
            tracing::warn!(orphans, "killed processes that a killed run left behind");
        }
        let not_contained = |what: &str| Enforcement::NotEnforced {
            reason: format!("a plain process {what}"),
        };
        let limits = [
            (Limit::Time, Enforcement::Enforced),
            (
                Limit::Memory,
                not_contained("may use all memory of this machine"),
            ),
            (
                Limit::Pids,
                not_contained("may start as many processes as you may"),
            ),
            (Limit::Network, not_contained("may use the network")),
            (
                Limit::Filesystem,
                not_contained("may read and write every file that you may"),
            ),
        ];
        Ok(BackendStatus {
            engine: "plain process".to_owned(),
            version: None,
            facts: Vec::new(),
            limits: limits
                .map(|(limit, enforcement)| LimitStatus { limit, enforcement })
                .to_vec(),
            caution: Some(
                "the process backend does not contain a submission: it has your rights on this \
                 machine (files, network, memory); run only what you trust, or use docker or podman"
                    .to_owned(),
            ),
        })
    }

    fn known_fingerprint(&self, submission: &Submission) -> Option<String> {
        let command = FoundCommand::of(submission).ok()?;
        Some(self.fingerprint(submission, &command))
    }

    async fn prepare(
        &self,
        submission: &Submission,
        _progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        let command = FoundCommand::of(submission)?;
        Ok(Runnable {
            submission: submission.clone(),
            reference: command.program.to_string_lossy().into_owned(),
            fingerprint: self.fingerprint(submission, &command),
            loaded: Vec::new(),
            facts: SubmissionFacts::Program(ProgramFacts {
                program: command.program,
                workdir: command.workdir.path.clone(),
            }),
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
        let places = match request.scope {
            Scope::Interaction => return Ok(Box::new(FreshStarts::new(self, runnable))),
            Scope::Case {
                case,
                inputs,
                outputs,
            } => Placeholders {
                inputs,
                outputs,
                case,
            },
            // Each case's own are named by the request for it.
            Scope::Run { cases } => Placeholders {
                inputs: cases,
                outputs: cases,
                case: "",
            },
        };
        let command = self.command(runnable, &places, request.worker)?;
        Ok(Box::new(WarmSession::new(WarmProcess { command })))
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        let command = self.command(
            runnable,
            &Placeholders {
                inputs: request.inputs,
                outputs: request.outputs,
                case: request.case,
            },
            request.worker,
        )?;
        segarena_child::run(&command, request).await
    }

    async fn release(&self, _runnable: Runnable) -> Result<(), BackendError> {
        Ok(())
    }
}

/// A program that is kept warm, once it is started.
struct WarmProcess<'a> {
    command: ChildCommand<'a>,
}

#[async_trait]
impl Start for WarmProcess<'_> {
    type Running = WarmChild;

    fn places(&self, request: &InteractionRequest<'_>) -> Places {
        Places::as_they_are(request)
    }

    async fn start(
        &self,
        _request: &InteractionRequest<'_>,
        listener: Listener,
    ) -> Result<Started<WarmChild>, BackendError> {
        start_warm(&self.command, listener).map(Started::Running)
    }
}

/// A submission's command, whose program and folder are there.
struct FoundCommand<'a> {
    program: PathBuf,
    argv: &'a [String],
    workdir: &'a Workdir,
}

impl<'a> FoundCommand<'a> {
    fn of(submission: &'a Submission) -> Result<Self, BackendError> {
        let (argv, workdir) = command_of(submission)?;
        if !workdir.path.is_dir() {
            return Err(BackendError::new(
                BackendErrorKind::Submission,
                format!(
                    "submission `{}`: its workdir {} is no folder",
                    submission.name,
                    workdir.path.display()
                ),
            )
            .with_advice("set `workdir` to the folder its command is to run in"));
        }
        let program = find_program(&argv[0], &workdir.path).ok_or_else(|| {
            let file = workdir.path.join(&argv[0]);
            if argv[0].contains('/') && file.is_file() {
                return BackendError::new(
                    BackendErrorKind::Submission,
                    format!(
                        "submission `{}`: {} is not executable",
                        submission.name,
                        file.display()
                    ),
                )
                .with_advice("chmod +x it, or name what runs it first: [\"sh\", \"predict.sh\"]");
            }
            BackendError::new(
                BackendErrorKind::Submission,
                format!(
                    "submission `{}`: there is no program `{}` to run",
                    submission.name, argv[0]
                ),
            )
            .with_advice("check `command`: a name is looked up on PATH, a path starts at `workdir`")
        })?;
        Ok(Self {
            program,
            argv,
            workdir,
        })
    }
}

fn command_of(submission: &Submission) -> Result<(&[String], &Workdir), BackendError> {
    match &submission.source {
        SubmissionSource::Command { argv, workdir } if !argv.is_empty() => Ok((argv, workdir)),
        SubmissionSource::Command { .. } => Err(BackendError::new(
            BackendErrorKind::Submission,
            format!("submission `{}`: its command is empty", submission.name),
        )
        .with_advice(
            "give the program and its arguments, as in command = [\"python3\", \"predict.py\"]",
        )),
        SubmissionSource::Archive { .. } | SubmissionSource::Image { .. } => {
            Err(BackendError::new(
                BackendErrorKind::Submission,
                format!(
                    "submission `{}` is a container image, which the process backend can't run",
                    submission.name
                ),
            )
            .with_advice(
                "choose kind = \"docker\" or \"podman\", or give the submission a `command`",
            ))
        }
    }
}

/// Larger files named by a command are data rather than programs.
const LARGEST_SCRIPT: u64 = 16 << 20;

/// What a file holds; of a large one only how much it is, of one that can't be read nothing.
fn content(path: &Path) -> Vec<u8> {
    match path.metadata() {
        Ok(file) if file.len() < LARGEST_SCRIPT => std::fs::read(path).unwrap_or_default(),
        Ok(file) => file.len().to_le_bytes().to_vec(),
        Err(_) => Vec::new(),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The program as an absolute path: a bare name is looked up on PATH, a path starts at `workdir`.
fn find_program(program: &str, workdir: &Path) -> Option<PathBuf> {
    which::which_in(program, std::env::var_os("PATH"), workdir).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_case_side_by_side_has_a_card_of_its_own() {
        let submission = Submission {
            name: "team".to_owned(),
            source: SubmissionSource::Command {
                argv: vec!["sh".to_owned()],
                workdir: PathBuf::from("/").into(),
            },
            env: BTreeMap::new(),
        };
        let places = Placeholders {
            inputs: Path::new("/i"),
            outputs: Path::new("/o"),
            case: "a.npz",
        };
        let card = |backend: &ProcessBackend, worker| {
            let variables = backend.environment(&submission, &places, worker);
            let own = variables
                .into_iter()
                .find(|(name, _)| name == CARDS_VARIABLE);
            own.map(|(_, card)| card)
        };
        let plain = ProcessBackend::new(Config::default());
        assert_eq!(card(&plain, 0), None);
        let cards = ["2", "GPU-5a"].map(str::to_owned).to_vec();
        let shared = ProcessBackend::new(Config::default()).with_cards(cards);
        assert_eq!(card(&shared, 0).as_deref(), Some("2"));
        assert_eq!(card(&shared, 1).as_deref(), Some("GPU-5a"));
        assert_eq!(card(&shared, 2), card(&shared, 0));
        // Which card it was has no part in the numbers.
        let command = FoundCommand::of(&submission).unwrap();
        assert_eq!(
            plain.fingerprint(&submission, &command),
            shared.fingerprint(&submission, &command)
        );
    }
}
