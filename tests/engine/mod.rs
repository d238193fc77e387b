//! The engines of this machine, as the tests use them.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use crate::arena::{self, Arena, Ran};
use crate::oracle::skip;

/// An engine as the tests use it.
#[derive(Clone, Copy)]
pub struct Engine {
    /// Held by the test that uses it: what another leaves meanwhile is not this one's.
    pub turn: &'static Mutex<()>,
    /// What `SEGARENA_REQUIRE` calls it.
    pub name: &'static str,
    /// Its kind of backend.
    pub kind: &'static str,
    /// What goes before a command that is to run where the engine is.
    pub entrance: &'static [&'static str],
    /// The ordinary user that segarena runs as, if it isn't root.
    pub user: Option<&'static str>,
    /// Whether the engine's own root is that user, who may not limit everything everywhere.
    pub rootless: bool,
}

static DOCKER_TURN: Mutex<()> = Mutex::new(());
static PODMAN_TURN: Mutex<()> = Mutex::new(());
static PODMAN_5_TURN: Mutex<()> = Mutex::new(());
static APPTAINER_TURN: Mutex<()> = Mutex::new(());
static PODMAN_ROOTLESS_TURN: Mutex<()> = Mutex::new(());

pub const DOCKER: Engine = Engine {
    turn: &DOCKER_TURN,
    name: "docker",
    kind: "docker",
    entrance: &[],
    user: None,
    rootless: false,
};
/// An ordinary user who may use Docker: what a container's root writes is not the user's.
pub const DOCKER_GROUP: Engine = Engine {
    name: "docker-group",
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
    turn: &PODMAN_TURN,
    name: "podman",
    kind: "podman",
    entrance: &[],
    user: None,
    rootless: false,
};
/// The Podman of the next Debian, in a tree of its own.
pub const PODMAN_5: Engine = Engine {
    turn: &PODMAN_5_TURN,
    name: "podman5",
    entrance: &[
        "chroot",
        "/opt/segarena-test-trixie",
        "env",
        "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
    ],
    ..PODMAN
};
/// An ordinary user without systemd, as on the nodes of a cluster.
pub const PODMAN_ROOTLESS: Engine = Engine {
    turn: &PODMAN_ROOTLESS_TURN,
    name: "podman-rootless",
    entrance: &[
        "setpriv",
        "--reuid=segarena-test",
        "--regid=segarena-test",
        "--init-groups",
        "env",
        "--unset=XDG_RUNTIME_DIR",
        "HOME=/home/segarena-test",
    ],
    user: Some("segarena-test"),
    rootless: true,
    ..PODMAN
};

/// Apptainer of Debian sid, in a tree of its own, as an ordinary user who may not open /dev/fuse.
pub const APPTAINER: Engine = Engine {
    turn: &APPTAINER_TURN,
    name: "apptainer",
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
        // The checkout may be closed to the engine's user.
        if self.kind == "podman" && std::fs::copy(settings, &everybodys).is_ok() {
            command.env("CONTAINERS_CONF", everybodys);
        }
        command
    }

    /// Whether the engine answers; otherwise says that the test is skipped.
    pub fn answers(&self) -> bool {
        let question = if self.kind == "apptainer" {
            "version"
        } else {
            "info"
        };
        let answers = self
            .command(self.kind)
            .arg(question)
            .output()
            .is_ok_and(|output| output.status.success());
        if !answers {
            skip(
                self.name,
                &format!("{} does not answer (tests/engines/setup.sh)", self.name),
            );
        }
        answers
    }

    pub fn ask(&self, arguments: &[&str]) -> String {
        let output = self.command(self.kind).args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// An arena with this backend; rootless Podman can't limit everything on every kernel.
    pub fn arena(&self, more: &str) -> Arena {
        let unenforced = if self.rootless {
            "allow_unenforced = [\"memory\", \"pids\", \"cpus\"]"
        } else {
            ""
        };
        Arena::new().backend(&format!("kind = {:?}\n{unenforced}\n{more}", self.kind))
    }

    /// Gives the arena to the engine's user.
    pub fn own(&self, arena: &Arena) {
        if let Some(user) = self.user {
            let mut chown = Command::new("chown");
            let given = chown.args(["-R", user]).arg(arena.path()).status();
            assert!(given.unwrap().success());
        }
    }

    pub fn evaluate(&self, arena: &Arena) -> Ran {
        let prepared = arena.command();
        let mut command = self.command_in(arena.path(), arena::PROGRAM);
        command.args(prepared.get_args());
        self.own(arena);
        Ran::of(command.output().unwrap())
    }

    /// Starts an evaluation and lets it run; what it says goes into the arena's file `said`.
    pub fn spawn(&self, arena: &Arena) -> Child {
        let prepared = arena.command();
        let said = std::fs::File::create(arena.path().join("said")).unwrap();
        self.own(arena);
        self.command_in(arena.path(), arena::PROGRAM)
            .args(prepared.get_args())
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
