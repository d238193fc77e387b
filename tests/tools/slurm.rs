//! A real cluster of two nodes, as `tests/slurm/setup.sh` makes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use segarena_harness::Requirement;
use serde_json::Value;

use crate::golden::{PARITY_SET, compare_with_golden, golden, golden_of, parity_set};
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

/// Two processors for each task, so that two fit on a node.
fn scenario(script: &str) -> Scenario {
    let table = "[slurm]\ntasks = 6\nat_once = 4\nlines = [\"--time=10\", \"--cpus-per-task=2\"]\n\
                 before = [\"true\"]";
    let scenario = match PARITY_SET.is_there() {
        true => Scenario::new().every_case_of(&parity_set()),
        false => Scenario::new().every_case(),
    };
    let scenario = scenario.table(table).script("s", script);
    scenario.command();
    scenario
}

/// A running task: its id, its number and the node that it is on.
struct Task {
    id: String,
    number: String,
    node: String,
}

fn running(array: &str) -> Vec<Task> {
    let lines = says(
        "squeue",
        &["--noheader", "--array", "--format=%i %K %N", "--states=R"],
    );
    let words = lines
        .lines()
        .map(|line| line.split_whitespace().map(str::to_owned));
    let tasks = words.filter_map(|mut words| {
        Some(Task {
            id: words.next()?,
            number: words.next()?,
            node: words.next()?,
        })
    });
    tasks.filter(|task| task.id.starts_with(array)).collect()
}

/// The process that does a shard, by what it says of itself; none where it has not begun.
fn process_of(scenario: &Scenario, task: &Task) -> Option<Pid> {
    let path = format!(".segarena/shards/{}-of-6/shard.json", task.number);
    let text = fs::read(scenario.result(&path)).ok()?;
    let record: Value = serde_json::from_slice(&text).ok()?;
    Pid::from_raw(record["owner"]["pid"].as_i64()? as i32)
}

/// How often the submission was started on each case that is finished.
fn starts_of_finished(scenario: &Scenario) -> BTreeMap<String, usize> {
    let is_note = |path: &PathBuf| {
        path.file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with("runs-")
    };
    let entries = fs::read_dir(scenario.path())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let notes: String = entries
        .filter(is_note)
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let records = fs::read_dir(scenario.result("s")).unwrap();
    let records = records.map(|entry| entry.unwrap().path());
    let records = records.filter(|path| path.extension().is_some_and(|end| end == "json"));
    let stems = records.map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned());
    stems
        .map(|stem| {
            let starts = notes
                .lines()
                .filter(|line| line.contains(&format!("/{stem}/")));
            (stem.clone(), starts.count())
        })
        .collect()
}

pub fn an_evaluation_disturbed_in_every_way_ends_with_the_files_of_an_undisturbed_one() {
    let _cluster = CLUSTER.lock().unwrap_or_else(|error| error.into_inner());
    let undisturbed = scenario("stand_in");
    undisturbed.evaluate().ends_with(3);
    let folder = "echo $INPUTS >> runs-$$; test -e go || sleep 2; stand_in";
    let scenario = scenario(folder);
    let submitted = submit(&scenario).ends_with(0);
    let array = format!("{}_", array_of(&submitted));
    let tasks = wait(&scenario, "four tasks that have begun", || {
        let tasks = running(&array);
        let begun = tasks
            .iter()
            .filter(|task| process_of(&scenario, task).is_some());
        (begun.count() >= 4).then_some(tasks)
    });
    let on = |node: &str| -> Vec<&Task> {
        let tasks = tasks.iter().filter(|task| task.node == node);
        tasks.collect()
    };
    let ([first, second, ..], [third, fourth, ..]) = (&on("n1")[..], &on("n2")[..]) else {
        panic!("two tasks on each node: {}", says("squeue", &["--all"]));
    };
    // One task is queued again, one told to stop, one killed, and a node lost with the fourth.
    says("scontrol", &["requeue", &first.id]);
    says("scancel", &["--batch", "--signal=TERM", &second.id]);
    kill_process(process_of(&scenario, third).unwrap(), Signal::KILL).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    assert!(running(&array).iter().any(|task| task.id == fourth.id));
    says(
        "scontrol",
        &["update", "nodename=n2", "state=down", "reason=test"],
    );
    std::thread::sleep(Duration::from_secs(1));
    says("scontrol", &["update", "nodename=n2", "state=resume"]);
    fs::write(scenario.path().join("go"), "").unwrap();
    all_end(&scenario);
    for reason in ["told to stop", "killed on"] {
        let said = gathered(&scenario);
        assert!(said.contains(reason), "{reason}: {said}");
    }

    // Only what is missing is submitted, and nothing that is finished runs again.
    let before = starts_of_finished(&scenario);
    assert!(!before.is_empty());
    let again = submit(&scenario)
        .ends_with(0)
        .prints(&["shards   job", "2 of 6"]);
    assert!(!again.stdout.contains("6 of 6"), "{}", again.stdout);
    all_end(&scenario);
    submit(&scenario)
        .ends_with(0)
        .prints(&["nothing is missing"]);
    let after = starts_of_finished(&scenario);
    for (case, starts) in before {
        assert_eq!(after.get(&case), Some(&starts), "{case} ran again");
    }

    let golden = match PARITY_SET.is_there() {
        true => golden_of(&parity_set()),
        false => golden(),
    };
    compare_with_golden(&golden, &scenario.result("s"), "s");
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
