//! The engines of this machine, as the tests use them.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use segarena_harness::Requirement;

use crate::scenario::{self, ProgramOutput, Scenario};

/// An engine as the tests use it.
#[derive(Clone, Copy)]
pub struct Engine {
    pub name: &'static str,
    /// That it answers.
    pub requirement: &'static Requirement,
    /// The name of its lock; what answers on the same engine has the same.
    lock: &'static str,
    /// Its kind of backend.
    pub kind: &'static str,
    /// What goes before a command that is to run where the engine is.
    pub entrance: &'static [&'static str],
    /// The ordinary user that segarena runs as, if it isn't root.
    pub user: Option<&'static str>,
    /// Whether the engine's own root is that user, who may not limit everything everywhere.
    pub rootless: bool,
}

static DOCKER_ANSWERS: Requirement = Requirement::new("docker", || DOCKER.answers());
static DOCKER_GROUP_ANSWERS: Requirement =
    Requirement::new("docker-group", || DOCKER_GROUP.answers());
static PODMAN_ANSWERS: Requirement = Requirement::new("podman", || PODMAN.answers());
static PODMAN_5_ANSWERS: Requirement = Requirement::new("podman5", || PODMAN_5.answers());
static PODMAN_ROOTLESS_ANSWERS: Requirement =
    Requirement::new("podman-rootless", || PODMAN_ROOTLESS.answers());
static APPTAINER_ANSWERS: Requirement = Requirement::new("apptainer", || APPTAINER.answers());

pub const DOCKER: Engine = Engine {
    name: "docker",
    requirement: &DOCKER_ANSWERS,
    lock: "docker",
    kind: "docker",
    entrance: &[],
    user: None,
    rootless: false,
};
/// An ordinary user who may use Docker: what a container's root writes is not the user's.
pub const DOCKER_GROUP: Engine = Engine {
    name: "docker-group",
    requirement: &DOCKER_GROUP_ANSWERS,
    entrance: &[
        "setpriv",
        "--reuid=segarena-test",
        "--regid=segarena-test",
        "--groups=docker",
        "env",
        "HOME=/home/segarena-test",
    ],
    user: Some("segarena-test"),
    ..DOCKER
};
pub const PODMAN: Engine = Engine {
    name: "podman",
    requirement: &PODMAN_ANSWERS,
    lock: "podman",
    kind: "podman",
    entrance: &[],
    user: None,
    rootless: false,
};
/// The Podman of the next Debian, in a tree of its own.
pub const PODMAN_5: Engine = Engine {
    name: "podman5",
    requirement: &PODMAN_5_ANSWERS,
    lock: "podman5",
    entrance: &[
        "chroot",
        "/opt/segarena-test-trixie",
        "env",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ],
    ..PODMAN
};
/// An ordinary user: with a session of systemd where it keeps one for that user (`tests/vm`), else
/// without, as on the nodes of a cluster.
pub const PODMAN_ROOTLESS: Engine = Engine {
    name: "podman-rootless",
    requirement: &PODMAN_ROOTLESS_ANSWERS,
    lock: "podman-rootless",
    entrance: &[concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/engines/as-user.sh"
    )],
    user: Some("segarena-test"),
    rootless: true,
    ..PODMAN
};

/// Plain processes of an ordinary user, in the hands of root.
pub const PLAIN_USER: Engine = Engine {
    name: "process",
    requirement: &ROOT,
    lock: "process",
    kind: "process",
    entrance: &[
        "setpriv",
        "--reuid=segarena-test",
        "--regid=segarena-test",
        "--clear-groups",
        "env",
        "HOME=/home/segarena-test",
    ],
    user: Some("segarena-test"),
    rootless: false,
};

static ROOT: Requirement = Requirement::new("root", may_do_what_root_may);

/// Why these tests may not mount, freeze files and be somebody else.
fn may_do_what_root_may() -> Result<(), String> {
    let try_all = "set -e; f=$(mktemp -d); mount -t tmpfs tmpfs $f; umount $f; touch $f/x; \
                   chattr +i $f/x; chattr -i $f/x; rm -r $f; setpriv --reuid=segarena-test true";
    let tried = Command::new("sh").args(["-c", try_all]).output();
    match tried {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "needs a root that may mount, use chattr and be the user segarena-test \
             (tests/engines/setup.sh): {}",
            String::from_utf8_lossy(&output.stderr)
                .lines()
                .next()
                .unwrap_or_default()
        )),
        Err(error) => Err(error.to_string()),
    }
}

/// Apptainer of Debian sid, in a tree of its own, as an ordinary user who may not open /dev/fuse.
pub const APPTAINER: Engine = Engine {
    name: "apptainer",
    requirement: &APPTAINER_ANSWERS,
    lock: "apptainer",
    kind: "apptainer",
    entrance: &[
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/enter-sid.sh"),
        "setpriv",
        "--reuid=segarena-test",
        "--regid=segarena-test",
        "--init-groups",
        "env",
        "--unset=XDG_RUNTIME_DIR",
        "HOME=/home/segarena-test",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ],
    user: Some("segarena-test"),
    rootless: true,
};

/// The same where everybody may open /dev/fuse, so that a SIF file can be mounted.
pub const APPTAINER_WITH_FUSE: Engine = Engine {
    entrance: &[
        "env",
        "SEGARENA_TEST_FUSE=1",
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engines/enter-sid.sh"),
        "setpriv",
        "--reuid=segarena-test",
        "--regid=segarena-test",
        "--init-groups",
        "env",
        "--unset=XDG_RUNTIME_DIR",
        "HOME=/home/segarena-test",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ],
    ..APPTAINER
};

impl Engine {
    /// A command run where the engine is, by the engine's user.
    pub fn command(&self, program: &str) -> Command {
        let home = self.user.map(|user| format!("/home/{user}"));
        self.command_in(Path::new(home.as_deref().unwrap_or("/")), program)
    }

    /// A command run where the engine is, by the engine's user, in this folder.
    pub fn command_in(&self, folder: &Path, program: &str) -> Command {
        let folder = format!("--chdir={}", folder.display());
        let last = ["env", &folder, program];
        let mut words = self.entrance.iter().copied().chain(last);
        let mut command = Command::new(words.next().unwrap_or(program));
        command.args(words);
        let settings = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/engines/containers.conf");
        let everybodys = std::env::temp_dir().join("segarena-test-containers.conf");
        // The checkout may be closed to the engine's user. Where there is systemd, Podman's own
        // settings are right.
        let without_systemd = !Path::new("/run/systemd/system").exists();
        if self.kind == "podman" && without_systemd && std::fs::copy(settings, &everybodys).is_ok()
        {
            command.env("CONTAINERS_CONF", everybodys);
        }
        command
    }

    /// Why it doesn't answer.
    fn answers(&self) -> Result<(), String> {
        let question = match self.kind {
            "apptainer" => "version",
            _ => "info",
        };
        let answer = self.command(self.kind).arg(question).output();
        match answer.is_ok_and(|output| output.status.success()) {
            true => Ok(()),
            false => Err(format!(
                "{} does not answer (tests/engines/setup.sh)",
                self.name
            )),
        }
    }

    /// Waits until no other test, of this or another process, uses the engine, and keeps them out
    /// as long as the file is open: what another leaves meanwhile is not this one's.
    pub fn lock(&self) -> File {
        let file = self.lock_file();
        file.lock().unwrap();
        file
    }

    /// The same beside others who leave each other alone.
    pub fn share(&self) -> File {
        let file = self.lock_file();
        file.lock_shared().unwrap();
        file
    }

    fn lock_file(&self) -> File {
        let name = format!("segarena-test-{}.lock", self.lock);
        File::create(std::env::temp_dir().join(name)).unwrap()
    }

    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(self.kind).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// A scenario with this backend; rootless Podman can't limit everything on every kernel.
    pub fn scenario(&self, more: &str) -> Scenario {
        let unenforced = if self.rootless {
            "allow_unenforced = [\"memory\", \"pids\", \"cpus\"]"
        } else {
            ""
        };
        Scenario::new().backend(&format!("kind = {:?}\n{unenforced}\n{more}", self.kind))
    }

    /// Gives the scenario to the engine's user.
    pub fn own(&self, scenario: &Scenario) {
        if let Some(user) = self.user {
            let mut chown = Command::new("chown");
            let given = chown.args(["-R", user]).arg(scenario.path()).status();
            assert!(given.unwrap().success());
        }
    }

    /// The command that evaluates a scenario, which is given to the engine's user.
    pub fn evaluation(&self, scenario: &Scenario) -> Command {
        let prepared = scenario.command();
        self.own(scenario);
        let mut command = self.command_in(scenario.path(), scenario::PROGRAM);
        command.args(prepared.get_args());
        command
    }

    pub fn evaluate(&self, scenario: &Scenario) -> ProgramOutput {
        ProgramOutput::of(self.evaluation(scenario).output().unwrap())
    }

    /// Starts an evaluation and lets it run; what it says goes into the scenario's file `said`.
    pub fn spawn(&self, scenario: &Scenario) -> Child {
        let said = std::fs::File::create(scenario.path().join("said")).unwrap();
        self.evaluation(scenario)
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .unwrap()
    }

    /// Waits until a container of segarena's runs.
    #[track_caller]
    pub fn waits_for_a_container(&self) {
        let filters = ["label=org.segarena.owner", "status=running"];
        for _ in 0..300 {
            let ours = ["ps", "-q", "--filter", filters[0], "--filter", filters[1]];
            if !self.ask(&ours).is_empty() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the submission never ran");
    }

    /// What segarena left with the engine: containers, images of this name, volumes.
    pub fn left(&self, image: &str) -> String {
        let label = ["ps", "-aq", "--filter", "label=org.segarena.owner"];
        let images = self.ask(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let images: Vec<&str> = images.lines().filter(|name| name.contains(image)).collect();
        format!("{}{}", self.ask(&label), images.join(" "))
    }
}
