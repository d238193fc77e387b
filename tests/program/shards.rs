//! A run in shards, by a plain loop of processes, is the run that one machine does.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::golden::{compare_with_golden, golden};
use crate::reproducible::results;
use crate::scenario::{PROGRAM, ProgramOutput, Scenario, segarena};

const SHARDS: usize = 6;

fn shard(scenario: &Scenario, share: &str) -> Command {
    // Other shards may read it at this moment.
    let config = scenario.path().join("config.toml");
    if !config.exists() {
        scenario.command();
    }
    let mut command = Command::new(PROGRAM);
    command.args(["evaluate", "--config", "config.toml", "--shard", share]);
    command.current_dir(scenario.path());
    command
}

fn start(scenario: &Scenario, share: &str) -> Child {
    let said = scenario
        .path()
        .join(format!("said-{}", share.replace('/', "-of-")));
    let mut command = shard(scenario, share);
    command
        .stdout(Stdio::null())
        .stderr(fs::File::create(said).unwrap());
    command.spawn().unwrap()
}

fn run(scenario: &Scenario, share: &str) -> ProgramOutput {
    ProgramOutput::of(shard(scenario, share).output().unwrap())
}

fn gather(scenario: &Scenario) -> ProgramOutput {
    segarena(scenario.path(), &["gather", "out"])
}

/// Waits until `found` gives something.
#[track_caller]
fn wait<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How often the submission ran on a case, by the notes that it makes.
fn runs(scenario: &Scenario, case: &str) -> usize {
    let notes = fs::read_to_string(scenario.path().join("runs")).unwrap_or_default();
    notes.lines().filter(|line| line.contains(case)).count()
}

/// Two submissions on every case; each notes every start in `runs`.
fn noting() -> Scenario {
    let script = "echo $INPUTS >> runs; stand_in";
    Scenario::new()
        .every_case()
        .script("a", script)
        .script("b", script)
}

#[test]
fn shards_at_once_give_the_files_of_an_undisturbed_run_and_the_official_numbers() {
    let whole = noting();
    whole.evaluate().ends_with(3);
    let scenario = noting();
    let shards: Vec<Child> = (0..SHARDS)
        .map(|index| start(&scenario, &format!("{index}/{SHARDS}")))
        .collect();
    for mut shard in shards {
        let status = shard.wait().unwrap().code();
        assert!(matches!(status, Some(0 | 3)), "{status:?}");
    }
    gather(&scenario).ends_with(3).prints(&["report:"]);
    assert_eq!(results(&scenario), results(&whole));
    for submission in ["a", "b"] {
        compare_with_golden(&golden(), &scenario.result(submission), submission);
    }
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
    assert_eq!(
        fs::read_to_string(scenario.path().join("runs"))
            .unwrap()
            .lines()
            .count(),
        fs::read_to_string(whole.path().join("runs"))
            .unwrap()
            .lines()
            .count(),
        "each pair runs once"
    );
}

#[test]
fn what_is_missing_is_told_with_its_reason_until_it_is_there() {
    let scenario = noting();
    gather(&scenario)
        .ends_with(1)
        .says(&["no shard was ever begun in out"]);
    let submission = run(&scenario, "0/4");
    assert!(
        submission.stdout.contains("segarena gather"),
        "{}",
        submission.stdout
    );
    gather(&scenario).ends_with(3).says(&[
        "missing:",
        "shard 1/4: never started",
        "shard 3/4: never started",
    ]);
    for share in ["1/4", "2/4", "3/4"] {
        run(&scenario, share);
    }
    let gathered = gather(&scenario).ends_with(3);
    assert!(!gathered.stderr.contains("missing"), "{}", gathered.stderr);
    let before = runs(&scenario, "");
    // Other shares of the same pairs find all of them finished.
    for share in ["0/2", "1/2"] {
        run(&scenario, share);
    }
    scenario.evaluate().ends_with(3).says(&["already done"]);
    assert_eq!(runs(&scenario, ""), before);
}

#[test]
fn a_shard_told_to_stop_ends_with_75_and_goes_on_from_its_finished_cases() {
    let script = "echo $INPUTS >> runs; test -e go || test $(wc -l < runs) -lt 8 || \
                  { touch hangs; sleep 300 & echo $! > child; wait; }; stand_in";
    let scenario = Scenario::new().every_case().script("s", script);
    let mut first = start(&scenario, "0/1");
    wait("hanging interaction", || {
        scenario.path().join("child").exists().then_some(())
    });
    let told = Instant::now();
    kill_process(Pid::from_child(&first), Signal::TERM).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(75));
    assert!(told.elapsed() < Duration::from_secs(20));
    let child = fs::read_to_string(scenario.path().join("child")).unwrap();
    let line = fs::read(format!("/proc/{}/cmdline", child.trim())).unwrap_or_default();
    assert!(line.is_empty(), "the submission outlives its shard");
    gather(&scenario).ends_with(3).says(&["told to stop on"]);

    let (finished, _) = finished_and_not(&scenario);
    assert!(!finished.is_empty());
    let before: Vec<usize> = finished.iter().map(|case| runs(&scenario, case)).collect();
    fs::write(scenario.path().join("go"), "").unwrap();
    run(&scenario, "0/1").ends_with(3).says(&["already done"]);
    let after: Vec<usize> = finished.iter().map(|case| runs(&scenario, case)).collect();
    assert_eq!(after, before, "a finished case ran again");
    gather(&scenario).ends_with(3);
    compare_with_golden(&golden(), &scenario.result("s"), "s");
}

/// The cases with a record, and those without.
fn finished_and_not(scenario: &Scenario) -> (Vec<String>, Vec<String>) {
    let golden = golden();
    let cases = golden.as_object().unwrap().keys();
    let stems = cases.map(|case| case.strip_suffix(".npz").unwrap().to_owned());
    stems.partition(|stem| scenario.result(&format!("s/{stem}.json")).exists())
}

#[test]
fn a_submission_that_the_scheduler_ends_with_its_shard_is_no_failed_submission() {
    // A scheduler signals every process of a job, and the submission may be the first to hear.
    let script = "test -e go || { echo $$ > pid; exec sleep 300; }; stand_in";
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", script);
    let mut first = start(&scenario, "0/1");
    let pid = wait("process", || {
        let text = fs::read_to_string(scenario.path().join("pid")).ok()?;
        Pid::from_raw(text.trim().parse().ok()?)
    });
    kill_process(pid, Signal::TERM).unwrap();
    std::thread::sleep(Duration::from_millis(200));
    kill_process(Pid::from_child(&first), Signal::TERM).unwrap();
    assert_eq!(first.wait().unwrap().code(), Some(75));
    fs::write(scenario.path().join("go"), "").unwrap();
    run(&scenario, "0/1").ends_with(0);
    let record = scenario.record("s", "phantom_perfect");
    assert_eq!(record["interactions"][0]["outcome"], "ok");
}

#[test]
fn a_killed_shard_is_known_to_be_dead_and_its_work_is_swept() {
    let script = "echo $INPUTS >> runs; test -e go || { touch hangs; sleep 300; }; stand_in";
    let scenario = Scenario::new().every_case().script("s", script);
    let mut first = start(&scenario, "0/2");
    wait("start", || {
        scenario.path().join("hangs").exists().then_some(())
    });
    // Two starts of one shard notice each other.
    run(&scenario, "0/2")
        .ends_with(1)
        .says(&["shard 0/2", &first.id().to_string()]);
    // And so does a run that would have the folder for itself.
    scenario.evaluate().ends_with(1).says(&["shard 0/2"]);
    gather(&scenario).ends_with(3).says(&["still running on"]);
    first.kill().unwrap();
    first.wait().unwrap();
    gather(&scenario)
        .ends_with(3)
        .says(&["killed on", "said-0-of-2"]);
    fs::write(scenario.path().join("go"), "").unwrap();
    for share in ["0/2", "1/2"] {
        run(&scenario, share);
    }
    gather(&scenario).ends_with(3);
    compare_with_golden(&golden(), &scenario.result("s"), "s");
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
    let shard = scenario.result(".segarena/shards/0-of-2");
    let left = fs::read_dir(shard)
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    let work: Vec<_> = left
        .filter(|name| name.to_str().unwrap().starts_with("work"))
        .collect();
    assert!(work.is_empty(), "{work:?}");
}

#[test]
fn shards_of_another_configuration_are_refused_and_nothing_is_lost() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    run(&scenario, "0/1").ends_with(0);
    let mut other = shard(&scenario, "0/1");
    other.args(["--clicks", "2"]);
    ProgramOutput::of(other.output().unwrap())
        .ends_with(1)
        .says(&["phantom_perfect.json", "another configuration"]);
    assert_eq!(
        scenario.record("s", "phantom_perfect")["interactions"]
            .as_array()
            .unwrap()
            .len(),
        6
    );
}

#[test]
fn the_data_set_is_read_once_and_what_changes_is_read_again() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .stand_in("s");
    let mut prepare = scenario.command();
    prepare.arg("--prepare");
    ProgramOutput::of(prepare.output().unwrap())
        .ends_with(0)
        .prints(&["2 cases are in order"]);
    let checked = || {
        let names = fs::read_dir(scenario.result(".segarena")).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("checked-")).count()
    };
    assert_eq!(checked(), 1);
    // What changes is read again by whichever shard comes.
    let damaged = scenario.path().join("gts/phantom_perfect.npz");
    let text = fs::read(&damaged).unwrap();
    fs::write(&damaged, &text[..text.len() / 2]).unwrap();
    let refused: Vec<ProgramOutput> = ["0/2", "1/2"].map(|share| run(&scenario, share)).into();
    for ran in refused {
        ran.ends_with(1).says(&["phantom_perfect"]);
    }
    fs::write(&damaged, &text).unwrap();
    for share in ["0/2", "1/2"] {
        run(&scenario, share).ends_with(0);
    }
    // The file was written again, so it has other times; both shards found the same.
    assert_eq!(checked(), 2);
    gather(&scenario).ends_with(0);
}

#[test]
fn a_share_that_there_is_not_is_refused() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    run(&scenario, "2/2").ends_with(2).says(&["the last 1/2"]);
    run(&scenario, "x").ends_with(2).says(&["0/40"]);
    // More shares than pairs: some have nothing to do.
    for share in ["0/3", "1/3", "2/3"] {
        run(&scenario, share).ends_with(0);
    }
    gather(&scenario).ends_with(0);
}

#[test]
fn a_work_folder_follows_the_environment_of_the_shard_and_an_unset_variable_is_an_error() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .output("work_dir = \"${SEGARENA_TEST_SCRATCH}/work\"")
        .table("[protocol]\nclicks = 0")
        .script("s", "echo $INPUTS > seen; stand_in");
    run(&scenario, "0/1").ends_with(1).says(&[
        "line 6, output.work_dir",
        "`SEGARENA_TEST_SCRATCH` is not set",
    ]);
    assert!(!scenario.path().join("seen").exists());
    let scratch = tempfile::tempdir().unwrap();
    let mut set = shard(&scenario, "0/1");
    set.env("SEGARENA_TEST_SCRATCH", scratch.path());
    ProgramOutput::of(set.output().unwrap()).ends_with(0);
    let seen = fs::read_to_string(scenario.path().join("seen")).unwrap();
    let work = scratch.path().join("work");
    assert!(seen.starts_with(work.to_str().unwrap()), "{seen}");
    let left: Vec<_> = fs::read_dir(work).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_shard_that_another_machine_has_begun_is_told_of_and_gives_the_same_files() {
    let scenario = noting();
    run(&scenario, "0/1");
    let before = results(&scenario);
    let path = scenario.result(".segarena/shards/0-of-1/shard.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    record["owner"]["host"] = "another".into();
    record["state"] = "running".into();
    record["ended"] = Value::Null;
    let foreign = record.to_string();
    fs::write(&path, &foreign).unwrap();
    // What that machine may be writing at this moment stays.
    let part = scenario.result("a/.segarena-another-1-x.part");
    fs::write(&part, "half a file").unwrap();
    // One of its cases it has not finished.
    fs::remove_file(scenario.result("a/phantom_perfect.json")).unwrap();
    run(&scenario, "0/1")
        .ends_with(3)
        .says(&["it was begun on another at", "both write the same"]);
    assert_eq!(fs::read_to_string(&part).unwrap(), "half a file");
    fs::remove_file(&part).unwrap();
    assert_eq!(results(&scenario), before);
    // The other one's record is no longer there, so that it is gathered as this one's.
    gather(&scenario).ends_with(3);
}
