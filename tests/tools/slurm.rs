//! A real cluster of two nodes, as `tests/slurm/setup.sh` makes it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use segarena_harness::Requirement;

use crate::golden::{compare_with_golden, golden};
use crate::reproducible::results;
use crate::scenario::{PROGRAM, ProgramOutput, Scenario};

/// Where the cluster's configuration is.
fn cluster() -> PathBuf {
    let folder = std::env::var_os("SEGARENA_TEST_SLURM");
    let folder = folder.unwrap_or_else(|| "/var/lib/segarena-test-slurm".into());
    Path::new(&folder).join("slurm.conf")
}

/// A cluster with two nodes that take jobs.
pub static SLURM: Requirement = Requirement::new("slurm", || {
    let nodes = slurm("sinfo")
        .args(["--noheader", "--Node", "--format=%N"])
        .output();
    match nodes {
        Ok(nodes) if String::from_utf8_lossy(&nodes.stdout).lines().count() >= 2 => Ok(()),
        _ => Err("no cluster of two nodes (tests/slurm/setup.sh makes one)".to_owned()),
    }
});

/// The cluster is one, and what a test does to a node concerns all.
static CLUSTER: Mutex<()> = Mutex::new(());

fn slurm(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("SLURM_CONF", cluster());
    command
}

fn says(program: &str, arguments: &[&str]) -> String {
    let ran = slurm(program).args(arguments).output().unwrap();
    String::from_utf8_lossy(&ran.stdout).into_owned()
}

/// Adds `[slurm]` and submits; returns the array's id.
fn submit(scenario: &Scenario) -> ProgramOutput {
    let mut command = slurm(PROGRAM);
    command.args(["slurm", "--config", "config.toml"]);
    ProgramOutput::of(command.current_dir(scenario.path()).output().unwrap())
}

fn array_of(submitted: &ProgramOutput) -> String {
    let line = submitted
        .stdout
        .lines()
        .find(|line| line.starts_with("shards"))
        .unwrap();
    let id = line
        .split_once("job ")
        .unwrap()
        .1
        .split(':')
        .next()
        .unwrap();
    id.to_owned()
}

#[track_caller]
fn wait<T>(scenario: &Scenario, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        if began.elapsed() > Duration::from_secs(180) {
            let logs = Command::new("tail")
                .arg("-n5")
                .args(logs(scenario))
                .output()
                .unwrap();
            panic!(
                "no {what}\n{}\n{}",
                says("squeue", &["--all"]),
                String::from_utf8_lossy(&logs.stdout)
            );
        }
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn logs(scenario: &Scenario) -> Vec<PathBuf> {
    let entries = fs::read_dir(scenario.result("slurm")).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .collect()
}

/// Waits until no job of this cluster waits or runs.
#[track_caller]
fn all_end(scenario: &Scenario) {
    wait(scenario, "end", || {
        says("squeue", &["--noheader"])
            .trim()
            .is_empty()
            .then_some(())
    });
}

/// What the gather job printed, all starts of it.
fn gathered(scenario: &Scenario) -> String {
    let logs = logs(scenario);
    let logs = logs
        .iter()
        .filter(|path| path.to_str().unwrap().contains("gather-"));
    logs.map(|path| fs::read_to_string(path).unwrap()).collect()
}

fn scenario(script: &str) -> Scenario {
    let table = "[slurm]\ntasks = 6\nat_once = 3\nlines = [\"--time=10\"]\nbefore = [\"true\"]";
    let scenario = Scenario::new()
        .every_case()
        .table(table)
        .script("s", script);
    scenario.command();
    scenario
}

pub fn an_evaluation_disturbed_in_every_way_ends_with_the_files_of_an_undisturbed_one() {
    let _cluster = CLUSTER.lock().unwrap_or_else(|error| error.into_inner());
    let undisturbed = scenario("stand_in");
    undisturbed.evaluate().ends_with(3);
    let folder = "echo $INPUTS >> runs-$$; test -e go || sleep 3; stand_in";
    let scenario = scenario(folder);
    let submitted = submit(&scenario).ends_with(0);
    let array = array_of(&submitted);
    let running = || {
        let lines = says(
            "squeue",
            &["--noheader", "--array", "--format=%i %N %t", "--states=R"],
        );
        lines
            .lines()
            .filter(|line| line.starts_with(&format!("{array}_")))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let tasks = wait(&scenario, "three tasks", || {
        let tasks = running();
        (tasks.len() >= 3).then_some(tasks)
    });
    let ids: Vec<&str> = tasks
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    // One task is queued again, one told to stop, and a node is lost with what it runs.
    says("scontrol", &["requeue", ids[0]]);
    says("scancel", &["--batch", "--signal=TERM", ids[1]]);
    std::thread::sleep(Duration::from_secs(1));
    says(
        "scontrol",
        &["update", "nodename=n2", "state=down", "reason=test"],
    );
    std::thread::sleep(Duration::from_secs(1));
    says("scontrol", &["update", "nodename=n2", "state=resume"]);
    fs::write(scenario.path().join("go"), "").unwrap();
    all_end(&scenario);
    assert!(
        gathered(&scenario).contains("told to stop"),
        "{}",
        gathered(&scenario)
    );

    // Only what is missing is submitted.
    let again = submit(&scenario).ends_with(0).prints(&["shards   job"]);
    assert!(!again.stdout.contains("6 of 6"), "{}", again.stdout);
    all_end(&scenario);
    submit(&scenario)
        .ends_with(0)
        .prints(&["nothing is missing"]);

    compare_with_golden(&golden(), &scenario.result("s"), "s");
    let mut found = results(&scenario);
    found.retain(|name, _| !name.contains("/slurm/"));
    let mut expected = results(&undisturbed);
    // The command is another one: it waits.
    for results in [&mut found, &mut expected] {
        results.retain(|name, _| !name.ends_with("run.json"));
    }
    assert_eq!(found, expected);
}

pub fn a_data_set_that_is_not_in_order_stops_all_before_a_shard_begins() {
    let _cluster = CLUSTER.lock().unwrap_or_else(|error| error.into_inner());
    let scenario = scenario("stand_in");
    let broken = scenario.path().join("gts/phantom_perfect.npz");
    fs::write(&broken, "no archive").unwrap();
    submit(&scenario).ends_with(0);
    all_end(&scenario);
    assert!(!scenario.result(".segarena/shards").exists());
    assert!(
        gathered(&scenario).contains("no shard was ever begun"),
        "{}",
        gathered(&scenario)
    );
}
