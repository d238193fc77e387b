//! An engine that goes away in the middle and comes back costs time, no score, and leaves nothing.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::*;

/// The first try runs until it is killed, and leaves a mark all the while; a second one fails if
/// there are still new ones.
const NEVER_TWO: &str = "cd $OUTPUTS; test -e begun || { touch begun; while :; do echo >> mark; \
     sleep 0.1; done; }; n=$(wc -c < mark); sleep 1; test $n = $(wc -c < mark) || exit 9; stand_in";

/// The engine goes away while a submission runs: the interaction is tried again on a new service,
/// and the container of the first try is gone at the end.
pub(crate) fn a_service_of_ours_that_dies_is_started_again() {
    let engine = PODMAN;
    let _mine = engine.lock();
    let name = format!("restarted_{}", engine.name);
    let scenario = small(engine, "").archive("team", "team.tar", &command(NEVER_TWO));
    let tar = image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    let mut running = engine.spawn(&scenario);
    let mark = "work/team/micro_tiny_objects/outputs/mark";
    while !scenario.result(".segarena").join(mark).exists() {
        assert!(running.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    let killed = Command::new("pkill")
        .args(["-KILL", "-P", &running.id().to_string(), "podman"])
        .status();
    assert!(killed.unwrap().success());
    ends_with(&mut running, 0, &scenario);
    let record = scenario.record("team", "micro_tiny_objects");
    for interaction in record["interactions"].as_array().unwrap() {
        assert_eq!(interaction["outcome"], "ok", "{record}");
    }
    assert_eq!(engine.left(&name), "");
}

/// A Docker of the test's own, which can be killed without harm to anybody.
struct OwnDocker {
    folder: tempfile::TempDir,
    process: Child,
}

impl OwnDocker {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::daemon(folder.path());
        Self { folder, process }
    }

    fn daemon(folder: &Path) -> Child {
        let at = |name: &str| folder.join(name).display().to_string();
        // The machine's own settings are for its own engine.
        std::fs::write(at("settings.json"), "{}").unwrap();
        let process = Command::new("dockerd")
            .args(["--config-file", &at("settings.json")])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args([
                "--pidfile",
                &at("pid"),
                "--host",
                &format!("unix://{}", at("d.sock")),
            ])
            .args(["--bridge=none", "--iptables=false", "--ip-forward=false"])
            .args(["--storage-driver=vfs"])
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap())
            .spawn()
            .unwrap();
        Self::wait_for(folder, process)
    }

    fn wait_for(folder: &Path, mut process: Child) -> Child {
        for _ in 0..600 {
            if process.try_wait().unwrap().is_some() {
                break;
            }
            if !Self::ask_at(folder, &["version", "--format", "{{.Server.Version}}"]).is_empty() {
                return process;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("{}", std::fs::read_to_string(folder.join("log")).unwrap());
    }

    fn ask_at(folder: &Path, words: &[&str]) -> String {
        let host = format!("unix://{}", folder.join("d.sock").display());
        let output = Command::new("docker")
            .args(["-H", &host])
            .args(words)
            .output();
        String::from_utf8_lossy(&output.unwrap().stdout)
            .trim()
            .to_owned()
    }

    fn ask(&self, words: &[&str]) -> String {
        Self::ask_at(self.folder.path(), words)
    }

    /// Kills it as a crash would, and starts it again.
    fn crash_and_start(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        let _ = std::fs::remove_file(self.folder.path().join("pid"));
        // Its containerd goes with it; a new one is started only where no trace of it is left.
        let trace = self.folder.path().join("exec/containerd/containerd.pid");
        let pid: i32 = std::fs::read_to_string(&trace)
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
        while std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|it| !it.is_empty())
        {
            std::thread::sleep(Duration::from_millis(50));
        }
        std::fs::remove_file(trace).unwrap();
        self.process = Self::daemon(self.folder.path());
    }

    /// Has it end as a service is ended, its containers with it, and starts it again.
    fn stop_and_start(&mut self) {
        self.stop();
        self.process = Self::daemon(self.folder.path());
    }

    /// It ends its containers and its containerd when it is asked to end.
    fn stop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.process.id() as i32) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let _ = self.process.wait();
    }
}

impl Drop for OwnDocker {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(crate) fn a_docker_that_crashes_and_comes_back_costs_time_and_leaves_nothing() {
    comes_back(NEVER_TWO, OwnDocker::crash_and_start);
}

/// Its containers are killed with it, which is not their doing.
pub(crate) fn a_docker_that_is_stopped_and_comes_back_costs_time_and_leaves_nothing() {
    let ends_when_told = format!("trap 'exit 143' TERM; {NEVER_TWO}");
    comes_back(&ends_when_told, OwnDocker::stop_and_start);
}

fn comes_back(script: &str, go_and_come: fn(&mut OwnDocker)) {
    let _mine = DOCKER.lock();
    let mut docker = OwnDocker::start();
    let socket = docker.folder.path().join("d.sock");
    let scenario = small(DOCKER, &format!("socket = {:?}", socket.to_str().unwrap()));
    let scenario = scenario.archive("team", "team.tar", &command(script));
    let tar = image("crashed").to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    let mut running = DOCKER.spawn(&scenario);
    let mark = "work/team/micro_tiny_objects/outputs/mark";
    // A Docker that is killed before it has noted that the container runs forgets it.
    while !scenario.result(".segarena").join(mark).exists() || docker.ask(&["ps", "-q"]).is_empty()
    {
        assert!(running.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    go_and_come(&mut docker);
    ends_with(&mut running, 0, &scenario);
    let record = scenario.record("team", "micro_tiny_objects");
    assert_eq!(record["interactions"][0]["outcome"], "ok", "{record}");
    assert_eq!(docker.ask(&["ps", "-aq"]), "");
    assert_eq!(docker.ask(&["images", "-q"]), "");
}
