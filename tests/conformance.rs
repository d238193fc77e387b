//! Every backend against the one suite of the core, each behaviour in a process of its own that
//! belongs to the engine's user.
//!
//! Where an engine is not there its tests are ignored, unless `SEGARENA_REQUIRE` names it.
#![allow(clippy::unwrap_used)]

mod engine;
mod image;
mod scenario;

use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;

use engine::{APPTAINER, DOCKER, DOCKER_GROUP, Engine, PODMAN, PODMAN_5, PODMAN_ROOTLESS};
use segarena_apptainer::ApptainerBackend;
use segarena_conformance::{Behaviour, Subject, behaviours, warm_behaviours};
use segarena_container::options::ContainerOptions;
use segarena_core::backend::{InferenceBackend, Limit, Submission, SubmissionSource};
use segarena_docker::DockerBackend;
use segarena_harness::Tests;
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
        let all = [behaviours(), warm_behaviours()].concat();
        let behaviour = all.iter().find(|b| b.name == behaviour).unwrap();
        behaviour.show(&*subject());
        return ExitCode::SUCCESS;
    }
    // Behaviours wait for engines more than they compute.
    let mut tests = Tests::default().at_a_time(6);
    for (name, place, _) in backends() {
        for behaviour in behaviours().into_iter().chain(warm_behaviours()) {
            let test = format!("{}::on_{name}", behaviour.name);
            tests = match place {
                Place::Here => tests.with_one(test, &[], move || shown(name, place, behaviour)),
                Place::On(engine) => tests.with_one(test, &[engine.requirement], move || {
                    let _beside_others = engine.share();
                    shown(name, place, behaviour)
                }),
            };
        }
    }
    tests.run()
}

/// Shows a behaviour in a process of its own.
fn shown(name: &str, place: Place, behaviour: Behaviour) -> Result<(), String> {
    let program = std::env::current_exe().unwrap();
    let mut command = match place {
        Place::Here => Command::new(program),
        Place::On(engine) => engine.command(program.to_str().unwrap()),
    };
    command.env(SHOW, format!("{name} {}", behaviour.name));
    let output = command.output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
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
        let workdir = self.folder.path().to_owned().into();
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
