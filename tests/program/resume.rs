//! Whenever the run is killed, it goes on where it was, and ends with the same files.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::golden::{compare_with_golden, golden};
use crate::reproducible::results;
use crate::scenario::kills::{ends, is_alive, kill_again_and_again, start, written};
use crate::scenario::{ProgramOutput, Scenario};

/// A submission that takes a while at each interaction, so that a kill finds it anywhere, and
/// notes each one in `runs`.
fn slow() -> Scenario {
    Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .case("crash_at_click_2")
        .script("s", "echo $INPUTS >> runs; sleep 0.1; stand_in")
}

#[test]
fn a_run_killed_at_any_point_ends_with_the_files_of_an_undisturbed_one() {
    let scenario = || {
        let script = "echo $INPUTS >> runs; sleep 0.05; stand_in";
        Scenario::new().every_case().script("s", script)
    };
    let undisturbed = scenario();
    undisturbed.evaluate().ends_with(3);
    let scenario = scenario();
    let kills = kill_again_and_again(&scenario, 700, 40);
    scenario.evaluate().ends_with(3);
    assert!(kills >= 2, "killed only {kills} times");
    assert_eq!(results(&scenario), results(&undisturbed));
    compare_with_golden(&golden(), &scenario.result("s"), "s");
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
}

#[test]
fn a_submission_does_not_outlive_a_killed_run() {
    let script = "sleep 300 & echo $! > child; setsid sh -c 'echo $$ > stray; exec sleep 300' & \
                  echo $$ > pid; wait";
    let scenario = Scenario::new().case("phantom_perfect").script("s", script);
    let mut run = start(&scenario);
    let processes = ["child", "stray", "pid"].map(|name| written(&scenario.path().join(name)));
    assert!(processes.iter().all(|pid| is_alive(pid)));
    run.kill().unwrap();
    run.wait().unwrap();
    for pid in &processes {
        ends(pid);
    }
}

#[test]
fn what_a_killed_run_left_running_is_killed_by_the_next_one() {
    let script = "test -e pid && { stand_in; exit; }; sleep 300 & echo $! > child; \
                  echo $$ > pid; wait";
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", script);
    let mut run = start(&scenario);
    let processes = ["child", "pid"].map(|name| written(&scenario.path().join(name)));
    // Whoever would end the submission with the run is killed first.
    let watchdog = children_of(run.id())
        .into_iter()
        .find(|pid| *pid != processes[1])
        .unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(watchdog.parse().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    run.kill().unwrap();
    run.wait().unwrap();
    assert!(processes.iter().all(|pid| is_alive(pid)));
    scenario.evaluate().ends_with(0);
    for pid in &processes {
        ends(pid);
    }
}

fn children_of(parent: u32) -> Vec<String> {
    let parent = format!("\nPPid:\t{parent}\n");
    let processes = fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter(|entry| {
            fs::read_to_string(entry.path().join("status")).is_ok_and(|s| s.contains(&parent))
        })
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn no_finished_case_runs_again() {
    let scenario = slow().arguments(&["--jobs", "1"]);
    let mut run = start(&scenario);
    // The first case in order is `crash_at_click_2`.
    let first = scenario.result("s/crash_at_click_2.json");
    let began = Instant::now();
    while !first.exists() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["1 case already done"]);
    let runs = fs::read_to_string(scenario.path().join("runs")).unwrap();
    assert_eq!(
        runs.lines()
            .filter(|line| line.contains("crash_at_click_2"))
            .count(),
        6
    );

    let before = runs.lines().count();
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["3 cases already done"]);
    let runs = fs::read_to_string(scenario.path().join("runs")).unwrap();
    assert_eq!(runs.lines().count(), before, "a finished run ran again");
}

#[test]
fn another_configuration_is_refused_with_what_differs() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario.evaluate().ends_with(0);
    let refused = |scenario: Scenario, texts: &[&str]| {
        scenario
            .evaluate()
            .ends_with(1)
            .says(&["--restart"])
            .says(texts);
        scenario
    };
    let scenario = refused(
        scenario.arguments(&["--clicks", "2"]),
        &["clicks was 5, now it is 2"],
    );
    // The same files, in spite of the refusal.
    assert_eq!(scenario.table_rows("s").len(), 1);
    scenario.arguments(&["--restart"]).evaluate().ends_with(0);
}

#[test]
fn changed_case_files_are_refused() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario.evaluate().ends_with(0);
    let scenario = scenario.case_as("micro_tiny_objects", "phantom_perfect");
    scenario
        .evaluate()
        .ends_with(1)
        .says(&["files of case phantom_perfect.npz have changed"]);
}

#[test]
fn a_changed_program_is_refused() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .submission("s", &["sh", "model.sh"]);
    changed_program(scenario);
    // The same when the script is itself the program.
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .submission("s", &["./model.sh"]);
    changed_program(scenario);
}

fn changed_program(scenario: Scenario) {
    use std::os::unix::fs::PermissionsExt;
    let model = scenario.path().join("model.sh");
    let program = crate::scenario::stand_in();
    let line = format!("#!/bin/sh\nexec '{}'\n", program.display());
    fs::write(&model, &line).unwrap();
    fs::set_permissions(&model, fs::Permissions::from_mode(0o755)).unwrap();
    scenario.evaluate().ends_with(0);
    fs::write(&model, format!("{line}# changed\n")).unwrap();
    scenario
        .evaluate()
        .ends_with(1)
        .says(&["the submission was", "--restart"]);
}

#[test]
fn more_cases_can_be_added_to_a_finished_run() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario.evaluate().ends_with(0);
    let scenario = scenario.case("micro_tiny_objects");
    scenario
        .evaluate()
        .ends_with(0)
        .says(&["1 case already done"]);
    assert_eq!(scenario.table_rows("s").len(), 2);
}

#[test]
fn a_second_run_on_one_output_folder_is_refused() {
    let scenario = Scenario::new().case("phantom_perfect").script(
        "s",
        "test -e started || { touch started; sleep 60; }; stand_in",
    );
    let mut first = start(&scenario);
    let began = Instant::now();
    while !scenario.path().join("started").exists() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let owner = first.id().to_string();
    let refused: ProgramOutput = scenario.evaluate();
    first.kill().unwrap();
    first.wait().unwrap();
    refused.ends_with(1).says(&["another run", &owner]);
    // The lock has died with its owner.
    scenario.evaluate().ends_with(0);
}

#[test]
fn a_journal_cut_short_by_a_crash_loses_its_last_line_only() {
    let scenario = slow();
    scenario.evaluate().ends_with(3);
    let expected = results(&scenario);
    let journal = scenario.path().join("out/.segarena/s.journal");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 40]).unwrap();
    // The crash that cut the line came before the record, which is written after it.
    fs::remove_file(scenario.result("s/phantom_perfect.json")).unwrap();
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["2 cases already done"]);
    assert_eq!(results(&scenario), expected);
}

#[test]
fn a_finished_case_whose_predictions_are_damaged_or_gone_runs_again() {
    let scenario = slow();
    scenario.evaluate().ends_with(3);
    let expected = results(&scenario);
    let predictions = scenario.result("s/phantom_perfect.npz");
    for damage in ["shorter", "gone"] {
        match damage {
            "gone" => fs::remove_file(&predictions).unwrap(),
            _ => fs::write(&predictions, &fs::read(&predictions).unwrap()[..100]).unwrap(),
        }
        scenario
            .evaluate()
            .ends_with(3)
            .says(&["2 cases already done"]);
        assert_eq!(results(&scenario), expected, "{damage}");
    }
}

#[test]
fn a_record_of_the_run_that_was_cut_short_is_written_anew() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario.evaluate().ends_with(0);
    let expected = results(&scenario);
    let record = scenario.result("run.json");
    fs::write(&record, &fs::read(&record).unwrap()[..200]).unwrap();
    scenario
        .evaluate()
        .ends_with(0)
        .says(&["1 case already done"]);
    assert_eq!(results(&scenario), expected);
}

#[test]
fn changed_variables_of_a_submission_are_refused() {
    let scenario = |value: &str| {
        let name = format!("env = {{ MODEL = \"{value}\"");
        move |scenario: &Scenario| {
            scenario.command();
            let config = scenario.path().join("config.toml");
            let text = fs::read_to_string(&config).unwrap();
            fs::write(&config, text.replace("env = { ", &format!("{name}, "))).unwrap();
            crate::scenario::segarena(scenario.path(), &["evaluate", "-c", "config.toml"])
        }
    };
    let folder = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario("large")(&folder).ends_with(0);
    scenario("large")(&folder)
        .ends_with(0)
        .says(&["1 case already done"]);
    scenario("small")(&folder)
        .ends_with(1)
        .says(&["the submission was", "--restart"]);
}

#[test]
fn runs_that_share_a_work_dir_never_meet_and_a_killed_one_leaves_nothing_in_it() {
    let shared = tempfile::tempdir().unwrap();
    let scenario = |script: &str| {
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .output(&format!("work_dir = {:?}", shared.path()))
            .table("[protocol]\nclicks = 1")
            .script("s", script);
        scenario.command();
        scenario
    };
    let evaluate = |scenario: &Scenario| {
        let mut command = std::process::Command::new(crate::scenario::PROGRAM);
        command.args(["evaluate", "-c", "config.toml"]);
        command.current_dir(scenario.path());
        command.stderr(Stdio::null()).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let killed = scenario("test -e pid || { echo $$ > pid; sleep 300; }; stand_in");
    let mut first = evaluate(&killed);
    written(&killed.path().join("pid"));
    let other = scenario("stand_in");
    assert!(evaluate(&other).wait().unwrap().success());
    assert_eq!(shared.path().read_dir().unwrap().count(), 1);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(evaluate(&killed).wait().unwrap().success());
    assert_eq!(shared.path().read_dir().unwrap().count(), 0);
    assert_eq!(results(&killed), results(&other));
}

#[test]
fn a_journal_of_another_form_is_refused_with_its_line() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario.evaluate().ends_with(0);
    let journal = scenario.path().join("out/.segarena/s.journal");
    fs::write(&journal, "{\"entry\":\"from the future\"}\n").unwrap();
    scenario
        .evaluate()
        .ends_with(1)
        .says(&["s.journal", "line 1", "--restart"]);
}
