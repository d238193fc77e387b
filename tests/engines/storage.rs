//! Rootless Podman on a node of a cluster: the home folder is a file server's, the folder for what
//! runs is another machine's, and what the run sets up in their place is gone with it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use segarena_harness::Requirement;

use super::*;

/// A file system in user space, which shows a folder at another place: it counts as a file server.
pub static BINDFS: Requirement = Requirement::new("bindfs", || {
    match Command::new("bindfs").arg("--version").output() {
        Ok(_) => Ok(()),
        Err(_) => Err("there is no bindfs (tests/engines/setup.sh)".to_owned()),
    }
});

/// What such a user finds on a node.
struct Node {
    folder: tempfile::TempDir,
}

impl Node {
    fn new(engine: Engine) -> Self {
        let node = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::set_permissions(node.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for folder in [node.disk(), node.home(), node.temporary()] {
            fs::create_dir(folder).unwrap();
        }
        let owned = Command::new("chown")
            .arg(engine.user.unwrap())
            .args([node.disk(), node.home(), node.temporary()])
            .status();
        assert!(owned.unwrap().success());
        node
    }

    /// One whose home folder is a file server's.
    fn with_a_far_home(engine: Engine) -> Self {
        let node = Self::new(engine);
        let shown = Command::new("bindfs")
            .args([node.disk(), node.home()])
            .status();
        assert!(shown.unwrap().success());
        node
    }

    /// The file server's own disk.
    fn disk(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Longer than what Podman takes for its running state.
    fn temporary(&self) -> PathBuf {
        self.folder.path().join("local_scratch.of.job.12345678")
    }

    /// The command on this node, with this folder for what runs.
    fn command(&self, engine: Engine, scenario: &Scenario, runtime: Option<&Path>) -> Command {
        let prepared = scenario.command();
        engine.own(scenario);
        let mut command = engine.command_in(scenario.path(), "env");
        command
            .arg(format!("HOME={}", self.home().display()))
            .arg(format!("TMPDIR={}", self.temporary().display()))
            .args(runtime.map(|folder| format!("XDG_RUNTIME_DIR={}", folder.display())))
            .arg(scenario::PROGRAM)
            .args(prepared.get_args());
        command
    }

    fn evaluate(&self, engine: Engine, scenario: &Scenario, runtime: &str) -> ProgramOutput {
        let runtime = (!runtime.is_empty()).then_some(Path::new(runtime));
        let mut command = self.command(engine, scenario, runtime);
        ProgramOutput::of(command.output().unwrap())
    }

    /// What is there of a run, or runs: folders, processes.
    fn left(&self, engine: Engine) -> Vec<String> {
        let user = engine.command("id").arg("-u").output().unwrap();
        let user: u32 = String::from_utf8(user.stdout)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let temporary = self.temporary();
        let is_service = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_str().unwrap_or_default();
            let is_users = path
                .symlink_metadata()
                .is_ok_and(|found| found.uid() == user);
            name.starts_with("segarena-podman-") && is_users
        };
        let mut left: Vec<PathBuf> = entries(Path::new("/tmp"))
            .into_iter()
            .filter(is_service)
            .collect();
        // What is not this run's: which archives runs were loading, Podman's own settings and what
        // it has in the place of a runtime folder.
        let of_all = [
            "segarena-loads-",
            ".config",
            ".cache",
            "containers-user-",
            "podman-run-",
        ];
        let folders = [temporary, self.disk()];
        left.extend(
            folders
                .iter()
                .flat_map(|folder| entries(folder))
                .filter(|path| {
                    let name = path.file_name().unwrap().to_str().unwrap_or_default();
                    !of_all.iter().any(|known| name.starts_with(known))
                }),
        );
        let mut left: Vec<String> = left.iter().map(|path| path.display().to_string()).collect();
        left.extend(self.processes().into_iter().map(|(_, command)| command));
        left
    }

    /// The processes that were started on this node, by their environment: ids and commands. Those
    /// in a container have another.
    fn processes(&self) -> Vec<(i32, String)> {
        let temporary = self.temporary();
        let is_started_here = |process: &PathBuf| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(temporary.to_str().unwrap())
        };
        let all = entries(Path::new("/proc")).into_iter();
        let with_id = all.filter_map(|path| {
            let id = path.file_name()?.to_str()?.parse().ok()?;
            let command = fs::read(path.join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            is_started_here(&path).then_some((id, command))
        });
        with_id.collect()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.home()).output();
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

fn of_archive(engine: Engine, more: &str) -> Scenario {
    let scenario = small(engine, "").archive("team", "team.tar", more);
    let tar = image("node").to_tar().unwrap();
    fs::write(scenario.path().join("team.tar"), tar).unwrap();
    scenario
}

const OWN: &str = "for this run alone";

pub(crate) fn a_home_on_a_file_server_gets_no_images_and_the_run_has_its_own() {
    let engine = PODMAN_ROOTLESS;
    let _mine = engine.lock();
    let node = Node::with_a_far_home(engine);
    // Of the login node, and of somebody else.
    for runtime in ["/run/user/4711", "/run"] {
        node.evaluate(engine, &of_archive(engine, ""), runtime)
            .ends_with(0)
            .says(&[OWN, "is on a file server (fuse)"]);
        assert_eq!(node.left(engine), [""; 0], "{runtime}");
    }
}

pub(crate) fn an_image_that_only_the_home_on_a_file_server_has_is_missed_with_the_reason() {
    let engine = PODMAN_ROOTLESS;
    let _mine = engine.lock();
    let node = Node::with_a_far_home(engine);
    let scenario = small(engine, "").table("[[submission]]\nname = \"team\"\nimage = \"team:1\"");
    node.evaluate(engine, &scenario, "/run/user/4711")
        .ends_with(3)
        .says(&["has no image `team:1`", "give the `archive`", OWN]);
    assert_eq!(node.left(engine), [""; 0]);
}

pub(crate) fn a_killed_run_s_own_images_and_containers_are_removed_by_the_next_run() {
    let engine = PODMAN_ROOTLESS;
    let _mine = engine.lock();
    let node = Node::with_a_far_home(engine);
    let killed = of_archive(engine, &command("sleep 604711"));
    let mut run = node
        .command(engine, &killed, None)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let in_container = || -> bool {
        let pids = Command::new("pgrep").args(["-fx", "sleep 604711"]).output();
        !pids.unwrap().stdout.is_empty()
    };
    wait_until("a container", &in_container);
    run.kill().unwrap();
    run.wait().unwrap();
    // It would end by itself in a while.
    for (service, command) in node.processes() {
        if command.contains("system service") {
            kill_process(Pid::from_raw(service).unwrap(), Signal::KILL).unwrap();
        }
    }
    assert_ne!(node.left(engine), [""; 0]);
    node.evaluate(engine, &of_archive(engine, ""), "")
        .ends_with(0);
    assert_eq!(node.left(engine), [""; 0]);
    wait_until("end of the container", &|| !in_container());
}

pub(crate) fn a_runtime_folder_that_is_not_ours_is_done_without_where_podman_can() {
    let engine = PODMAN_ROOTLESS;
    let _mine = engine.lock();
    let mut command = engine.command("env");
    let scenario = of_archive(engine, "");
    let prepared = scenario.command();
    engine.own(&scenario);
    command
        .arg(format!("--chdir={}", scenario.path().display()))
        .arg("XDG_RUNTIME_DIR=/run")
        .arg(scenario::PROGRAM)
        .args(prepared.get_args());
    let ran = ProgramOutput::of(command.output().unwrap()).ends_with(0);
    assert!(!ran.stderr.contains(OWN), "{}", ran.stderr);
    assert_eq!(engine.left("node"), "");
    // Where it can't, as nothing may be written in the home folder, the run has its own.
    let node = Node::new(engine);
    let closed = Command::new("chown").arg("root").arg(node.home()).status();
    assert!(closed.unwrap().success());
    node.evaluate(engine, &of_archive(engine, ""), "/run")
        .ends_with(0)
        .says(&[
            OWN,
            "XDG_RUNTIME_DIR is /run, which belongs to another user",
        ]);
    assert_eq!(node.left(engine), [""; 0]);
}

#[track_caller]
fn wait_until(what: &str, is_so: &dyn Fn() -> bool) {
    for _ in 0..300 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("no {what}");
}
