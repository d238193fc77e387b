//! Nothing of a run is left with the engine, however the run ended.

use std::io::Read;
use std::time::Duration;

use super::*;

pub(crate) fn a_killed_run_is_swept_by_the_next_one(engine: Engine) {
    let name = format!("swept_{}", engine.name);
    let scenario = engine
        .scenario("")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("team", "team.tar", &command("sleep 600"));
    let tar = image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    let mut child = engine.spawn(&scenario);
    engine.waits_for_a_container();
    let services = services_of(&child);
    assert_eq!(services.is_empty(), engine.kind != "podman");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(engine.left("segarena-").contains("segarena-loaded"));
    let next = engine
        .scenario("")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("other", "other.tar", "");
    let other = image(&format!("next_{name}")).to_tar().unwrap();
    std::fs::write(next.path().join("other.tar"), other).unwrap();
    engine.evaluate(&next).ends_with(0);
    assert_eq!(engine.left("segarena-"), "");
    for service in services {
        assert!(ends(&service), "the service outlives the run");
    }
}

/// Podman's services that this run has started.
fn services_of(run: &Child) -> Vec<String> {
    let children = Command::new("pgrep")
        .args(["-P", &run.id().to_string(), "podman"])
        .output()
        .unwrap();
    let children = String::from_utf8(children.stdout).unwrap();
    children.lines().map(str::to_owned).collect()
}

/// Whether this process ends within half a minute.
fn ends(process: &str) -> bool {
    let status = format!("/proc/{process}/stat");
    (0..300).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        // What nobody waits for is a zombie here, and gone all the same.
        std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "))
    })
}

/// The engine may go on loading without us, and the next run knows whose the image is.
pub(crate) fn a_run_killed_while_it_loads_leaves_nothing_after_the_next_one(engine: Engine) {
    let name = format!("midway_{}", engine.name);
    let scenario = small(engine, "")
        .archive("team", "team.tar", "")
        .arguments(&["--restart"]);
    let mut weight = Vec::new();
    let noise = std::fs::File::open("/dev/urandom").unwrap();
    noise.take(100 << 20).read_to_end(&mut weight).unwrap();
    write(
        &scenario,
        "team.tar",
        &image(&name).file("/weight", 0o644, &weight),
    );
    for wait in [200, 500, 900] {
        let mut child = engine.spawn(&scenario);
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().unwrap();
        child.wait().unwrap();
        engine.evaluate(&scenario).ends_with(0);
        assert_eq!(engine.left(&name), "", "killed after {wait} ms");
        assert_eq!(engine.left("segarena-"), "", "killed after {wait} ms");
    }
}

pub(crate) fn an_interrupted_run_leaves_nothing_with_the_engine(engine: Engine) {
    let name = format!("interrupted_{}", engine.name);
    let scenario = engine.scenario("").case("micro_tiny_objects").archive(
        "team",
        "team.tar",
        &command("trap '' TERM; sleep 600 & wait"),
    );
    let tar = image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    for signal in [Signal::INT, Signal::TERM] {
        let mut running = engine.spawn(&scenario);
        engine.waits_for_a_container();
        // A shell in between (chroot, setpriv, env) has become the program by exec.
        let pid = Pid::from_raw(running.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
        ends_with(&mut running, 1, &scenario);
        assert_eq!(engine.left(&name), "");
        assert!(
            scenario.left_behind().is_empty(),
            "{:?}",
            scenario.left_behind()
        );
    }
}

pub(crate) fn an_image_that_was_there_before_stays(engine: Engine) {
    let name = format!("before_{}", engine.name);
    let scenario = small(engine, "").archive("team", "team.tar", "");
    write(&scenario, "team.tar", &image(&name));
    engine.own(&scenario);
    engine.ask(&[
        "load",
        "-i",
        scenario.path().join("team.tar").to_str().unwrap(),
    ]);
    engine.evaluate(&scenario).ends_with(0);
    assert!(engine.left("").contains(&name), "{}", engine.left(""));
    assert_eq!(engine.left("segarena-"), "");
    engine.ask(&["rmi", &name]);
}

pub(crate) fn an_image_that_is_to_be_kept_stays(engine: Engine) {
    let name = format!("kept_{}", engine.name);
    let scenario = small(engine, "keep_image = true").archive("team", "team.tar", "");
    write(&scenario, "team.tar", &image(&name));
    engine.evaluate(&scenario).ends_with(0);
    assert!(engine.left("").contains(&name), "{}", engine.left(""));
    assert_eq!(engine.left("segarena-"), "");
    engine.ask(&["rmi", &name]);
}

pub(crate) fn every_image_of_an_archive_goes_with_the_run(engine: Engine) {
    let name = format!("several_{}", engine.name);
    let scenario = small(engine, "").archive("team_v2", "team.tar", "");
    let several = image(&format!("{name}:first")).also_named(&format!("{name}:second"));
    write(&scenario, "team.tar", &several);
    engine.evaluate(&scenario).ends_with(0);
    let notes = scenario.run_record()["submissions"][0]["notes"].to_string();
    assert!(notes.contains("names 2 images"), "{notes}");
    assert_eq!(engine.left(&name), "");
    assert_eq!(engine.left("segarena-"), "");
}

/// The first to end takes the image's name away, and the other goes on all the same.
pub(crate) fn two_runs_of_one_archive_leave_each_other_alone(engine: Engine) {
    let name = format!("shared_{}", engine.name);
    let same = image(&name);
    let long = small(engine, "").archive("team", "team.tar", &command("sleep 3; stand_in"));
    write(&long, "team.tar", &same);
    let short = small(engine, "").archive("team", "team.tar", "");
    write(&short, "team.tar", &same);
    let mut running = engine.spawn(&long);
    engine.waits_for_a_container();
    engine.evaluate(&short).ends_with(0);
    ends_with(&mut running, 0, &long);
    assert_eq!(engine.left(&name), "");
    assert_eq!(engine.left("segarena-"), "");
}

pub(crate) fn a_volume_that_the_image_declares_goes_with_its_container(engine: Engine) {
    let name = format!("volume_{}", engine.name);
    let scenario =
        small(engine, "").archive("team", "team.tar", &command("touch /data/x; stand_in"));
    write(&scenario, "team.tar", &image(&name).volume("/data"));
    let volumes = engine.ask(&["volume", "ls", "-q"]);
    engine.evaluate(&scenario).ends_with(0);
    assert_eq!(engine.ask(&["volume", "ls", "-q"]), volumes);
}

fn write(scenario: &Scenario, file: &str, image: &segarena_container::image_archive::ImageArchive) {
    std::fs::write(scenario.path().join(file), image.to_tar().unwrap()).unwrap();
}
