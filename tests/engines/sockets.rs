//! Podman's service: one that runs already is used and left alone, wherever it is named.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use super::*;

/// A service of the engine's, on a socket of the scenario's.
struct Service {
    process: Child,
}

impl Service {
    fn start(engine: Engine, scenario: &Scenario, socket: &Path) -> Self {
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        engine.own(scenario);
        let process = engine
            .command("podman")
            .args(["system", "service", "--time=0"])
            .arg(format!("unix://{}", socket.display()))
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let service = Self { process };
        for _ in 0..300 {
            if std::os::unix::net::UnixStream::connect(socket).is_ok() {
                return service;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the service does not listen");
    }

    fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn evaluates_over(
    engine: Engine,
    scenario: Scenario,
    socket: &Path,
    variable: Option<(&str, &str)>,
) {
    let name = format!("socket_{}", engine.name);
    let scenario = scenario.archive("team", "team.tar", "");
    let tar = image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    let mut service = Service::start(engine, &scenario, socket);
    let mut evaluation = engine.evaluation(&scenario);
    ProgramOutput::of(evaluation.envs(variable).output().unwrap()).ends_with(0);
    assert!(service.is_running());
    assert_eq!(engine.left(&name), "");
}

fn in_every_place(engine: Engine) {
    let _mine = engine.lock();
    let folder = tempfile::tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(folder.path(), open).unwrap();
    // A socket's path has room for about a hundred bytes.
    let socket = folder.path().join("configured/p.sock");
    let address = format!("unix://{}", socket.display());
    evaluates_over(
        engine,
        small(engine, &format!("socket = {address:?}")),
        &socket,
        None,
    );
    let variable = ("CONTAINER_HOST", address.as_str());
    evaluates_over(engine, small(engine, ""), &socket, Some(variable));
    let runtime = folder.path().to_str().unwrap();
    let users = folder.path().join("podman/podman.sock");
    let variable = ("XDG_RUNTIME_DIR", runtime);
    evaluates_over(engine, small(engine, ""), &users, Some(variable));
}

pub(crate) fn a_service_that_runs_already_is_used_and_left_running() {
    in_every_place(PODMAN);
}
