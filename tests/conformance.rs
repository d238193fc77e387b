//! Every backend against the one suite of the core, each behaviour in a process of its own that
//! belongs to the engine's user.
//!
//! An engine that is not there is skipped, and said to be, unless `SEGARENA_REQUIRE` names it.
#![allow(clippy::unwrap_used)]

mod arena;
mod engine;
mod image;
mod oracle;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use engine::{APPTAINER, DOCKER, DOCKER_GROUP, Engine, PODMAN, PODMAN_5, PODMAN_ROOTLESS};
use libtest_mimic::{Arguments, Failed, Trial};
use segarena_apptainer::ApptainerBackend;
use segarena_conformance::{Behaviour, Subject, behaviours};
use segarena_container::options::ContainerOptions;
use segarena_core::backend::{InferenceBackend, Limit, Submission, SubmissionSource};
use segarena_docker::DockerBackend;
use segarena_podman::PodmanBackend;
use segarena_process::ProcessBackend;
use tempfile::TempDir;

/// The backends, and where they run. A further backend is a further line.
fn backends() -> [(&'static str, Place, MakeSubject); 7] {
    [
        ("process", Place::Here, plain),
        ("apptainer", Place::On(APPTAINER), apptainer),
        ("docker", Place::On(DOCKER), docker),
        ("docker-group", Place::On(DOCKER_GROUP), docker),
        ("podman", Place::On(PODMAN), podman),
        ("podman5", Place::On(PODMAN_5), podman),
        (
            "podman-rootless",
            Place::On(PODMAN_ROOTLESS),
            podman_rootless,
        ),
    ]
}

type MakeSubject = fn() -> Box<dyn Subject>;

#[derive(Clone, Copy)]
enum Place {
    Here,
    On(Engine),
}

/// Names the backend and the behaviour that this process is to show.
const SHOW: &str = "SEGARENA_TEST_SHOW";

fn main() -> ExitCode {
    if let Ok(show) = std::env::var(SHOW) {
        let (backend, behaviour) = show.split_once(' ').unwrap();
        let (_, _, subject) = backends().into_iter().find(|b| b.0 == backend).unwrap();
        let all = behaviours();
        let behaviour = all.iter().find(|b| b.name == behaviour).unwrap();
        behaviour.show(&*subject());
        return ExitCode::SUCCESS;
    }
    let trials = backends()
        .into_iter()
        .flat_map(|(name, place, _)| {
            let is_there = match place {
                Place::Here => true,
                Place::On(engine) => engine.answers(),
            };
            behaviours()
                .into_iter()
                .map(move |behaviour| trial(name, place, behaviour).with_ignored_flag(!is_there))
        })
        .collect();
    let mut arguments = Arguments::from_args();
    // Behaviours wait for engines more than they compute.
    arguments.test_threads = arguments.test_threads.or(Some(6));
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn trial(name: &'static str, place: Place, behaviour: Behaviour) -> Trial {
    Trial::test(format!("{}::on_{name}", behaviour.name), move || {
        let program = std::env::current_exe().unwrap();
        let mut command = match place {
            Place::Here => Command::new(program),
            Place::On(engine) => engine.command(program.to_str().unwrap()),
        };
        command.env(SHOW, format!("{name} {}", behaviour.name));
        let output = command.output().unwrap();
        if output.status.success() {
            return Ok(());
        }
        Err(Failed::from(String::from_utf8_lossy(&output.stderr)))
    })
}

/// The variables that the suite's scripts use.
fn submission(name: &str, source: SubmissionSource) -> Submission {
    let variables = [
        ("INPUTS", "{inputs}"),
        ("OUTPUTS", "{outputs}"),
        ("CASE", "{case}"),
    ];
    Submission {
        name: name.to_owned(),
        source,
        env: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
    }
}

fn shell(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

fn plain() -> Box<dyn Subject> {
    let folder = TempDir::new().unwrap();
    Box::new(Plain { folder })
}

/// Submissions as plain processes.
struct Plain {
    folder: TempDir,
}

impl Plain {
    fn command(&self, name: &str, argv: Vec<String>) -> Submission {
        let workdir = self.folder.path().to_owned();
        submission(name, SubmissionSource::Command { argv, workdir })
    }
}

impl Subject for Plain {
    fn backend(&self, _: u64) -> Arc<dyn InferenceBackend> {
        Arc::new(ProcessBackend::new(segarena_process::Config::default()))
    }

    fn submission(&self, name: &str, script: &str) -> Submission {
        self.command(name, shell(script))
    }

    fn missing(&self, name: &str) -> Submission {
        self.command(name, vec!["/nowhere/predict".to_owned()])
    }
}

/// Submissions in an engine's containers, of an image with this machine's own shell.
struct Containers {
    connect: fn(ContainerOptions) -> Arc<dyn InferenceBackend>,
    folder: TempDir,
}

impl Containers {
    fn subject(connect: fn(ContainerOptions) -> Arc<dyn InferenceBackend>) -> Box<dyn Subject> {
        let folder = TempDir::new().unwrap();
        let archive = folder.path().join("shell.tar");
        // An image of its own: what one behaviour removes at its end is not another's.
        let number = std::process::id();
        let image = image::shell_image(&format!("segarena-conformance-{number}:latest")).file(
            "/number",
            0o644,
            number.to_string().as_bytes(),
        );
        std::fs::write(archive, image.to_tar().unwrap()).unwrap();
        Box::new(Self { connect, folder })
    }

    fn archive(&self) -> PathBuf {
        self.folder.path().join("shell.tar")
    }
}

impl Subject for Containers {
    fn backend(&self, memory: u64) -> Arc<dyn InferenceBackend> {
        (self.connect)(toml::from_str(&format!("memory = {memory}")).unwrap())
    }

    fn submission(&self, name: &str, script: &str) -> Submission {
        let source = SubmissionSource::Archive {
            path: self.archive(),
            argv: Some(shell(script)),
        };
        submission(name, source)
    }

    fn missing(&self, name: &str) -> Submission {
        let source = SubmissionSource::Image {
            reference: "segarena-no-such-image:latest".to_owned(),
            argv: None,
        };
        submission(name, source)
    }
}

/// Without systemd it can limit only time.
fn apptainer() -> Box<dyn Subject> {
    Containers::subject(|options| {
        Arc::new(ApptainerBackend::new(segarena_apptainer::Config {
            memory: options.memory,
            allow_unenforced: vec![Limit::Memory, Limit::Pids, Limit::Cpus],
            ..segarena_apptainer::Config::default()
        }))
    })
}

fn docker() -> Box<dyn Subject> {
    Containers::subject(|options| Arc::new(DockerBackend::connect(options).unwrap()))
}

fn podman() -> Box<dyn Subject> {
    Containers::subject(|options| Arc::new(PodmanBackend::connect(options)))
}

/// An ordinary user may limit only what the host has handed down.
fn podman_rootless() -> Box<dyn Subject> {
    Containers::subject(|mut options| {
        options.allow_unenforced = vec![Limit::Memory, Limit::Pids, Limit::Cpus];
        Arc::new(PodmanBackend::connect(options))
    })
}
