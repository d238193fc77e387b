//! Whenever the run is killed, it goes on where it was, and ends with the same files.
#![allow(clippy::unwrap_used)]

mod arena;
mod oracle;
mod undisturbed;

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arena::{Arena, Ran, golden};
use oracle::compare_with_golden;
use undisturbed::results;

/// A submission that takes a while at each interaction, so that a kill finds it anywhere, and
/// notes each one in `runs`.
fn slow() -> Arena {
    Arena::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .case("crash_at_click_2")
        .script("s", "echo $INPUTS >> runs; sleep 0.1; stand_in")
}

fn start(arena: &Arena) -> Child {
    arena
        .command()
        .stdout(Stdio::null())
        .stderr(fs::File::create(arena.path().join("said")).unwrap())
        .spawn()
        .unwrap()
}

/// A number that looks random, the same at each run of the tests.
fn lot(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

/// Starts the run again and again and kills it after a while below `longest`, until it has ended
/// by itself or been killed `most` times; returns how often it was killed.
fn kill_again_and_again(arena: &Arena, longest: u64, most: u64) -> u64 {
    for round in 0..most {
        let mut run = start(arena);
        let until = Instant::now() + Duration::from_millis(20 + lot(round) % longest);
        loop {
            if let Some(status) = run.try_wait().unwrap() {
                let said = fs::read_to_string(arena.path().join("said")).unwrap();
                assert_eq!(status.code(), Some(3), "{said}");
                return round;
            }
            if Instant::now() > until {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        run.kill().unwrap();
        run.wait().unwrap();
    }
    most
}

#[test]
fn a_run_killed_at_any_point_ends_with_the_files_of_an_undisturbed_one() {
    let arena = || {
        let script = "echo $INPUTS >> runs; sleep 0.05; stand_in";
        Arena::new().every_case().script("s", script)
    };
    let undisturbed = arena();
    undisturbed.evaluate().ends_with(3);
    let arena = arena();
    let kills = kill_again_and_again(&arena, 700, 40);
    arena.evaluate().ends_with(3);
    assert!(kills >= 2, "killed only {kills} times");
    assert_eq!(results(&arena), results(&undisturbed));
    compare_with_golden(&golden(), &arena.result("s"), "s");
    assert!(arena.left_behind().is_empty(), "{:?}", arena.left_behind());
}

/// The same on the whole set, with a full-size brain, where `SEGARENA_PARITY` says it is.
#[test]
fn a_run_of_the_whole_parity_set_killed_at_any_point_ends_with_the_official_results() {
    let Some(set) = oracle::parity_set() else {
        return;
    };
    let golden = serde_json::from_slice(&fs::read(set.join("golden.json")).unwrap()).unwrap();
    let arena = || {
        let mut arena = Arena::new().stand_in("s").arguments(&["--jobs", "2"]);
        for (kind, flag) in [("imgs", "--images"), ("gts", "--ground-truth")] {
            arena = arena.arguments(&[flag, set.join(kind).to_str().unwrap()]);
        }
        arena
    };
    let undisturbed = arena();
    undisturbed.evaluate().ends_with(3);
    let arena = arena();
    kill_again_and_again(&arena, 2000, 12);
    arena.evaluate().ends_with(3);
    assert_eq!(results(&arena), results(&undisturbed));
    compare_with_golden(&golden, &arena.result("s"), "s");
    assert!(arena.left_behind().is_empty(), "{:?}", arena.left_behind());
}

#[test]
fn a_submission_does_not_outlive_a_killed_run() {
    let script = "sleep 300 & echo $! > child; setsid sh -c 'echo $$ > stray; exec sleep 300' & \
                  echo $$ > pid; wait";
    let arena = Arena::new().case("phantom_perfect").script("s", script);
    let mut run = start(&arena);
    let processes = ["child", "stray", "pid"].map(|name| written(&arena.path().join(name)));
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
    let arena = Arena::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", script);
    let mut run = start(&arena);
    let processes = ["child", "pid"].map(|name| written(&arena.path().join(name)));
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
    arena.evaluate().ends_with(0);
    for pid in &processes {
        ends(pid);
    }
}

/// The process id that a submission writes into a file.
fn written(file: &Path) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no {file:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and no zombie: these have no command line.
fn is_alive(pid: &str) -> bool {
    fs::read(Path::new("/proc").join(pid).join("cmdline")).is_ok_and(|line| !line.is_empty())
}

#[track_caller]
fn ends(pid: &str) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "process {pid} is still there"
        );
        std::thread::sleep(Duration::from_millis(10));
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
    let arena = slow().arguments(&["--jobs", "1"]);
    let mut run = start(&arena);
    // The first case in order is `crash_at_click_2`.
    let first = arena.result("s/crash_at_click_2.json");
    let began = Instant::now();
    while !first.exists() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    arena.evaluate().ends_with(3).says(&["1 case already done"]);
    let runs = fs::read_to_string(arena.path().join("runs")).unwrap();
    assert_eq!(
        runs.lines()
            .filter(|line| line.contains("crash_at_click_2"))
            .count(),
        6
    );

    let before = runs.lines().count();
    arena
        .evaluate()
        .ends_with(3)
        .says(&["3 cases already done"]);
    let runs = fs::read_to_string(arena.path().join("runs")).unwrap();
    assert_eq!(runs.lines().count(), before, "a finished run ran again");
}

#[test]
fn another_configuration_is_refused_with_what_differs() {
    let arena = Arena::new().case("phantom_perfect").stand_in("s");
    arena.evaluate().ends_with(0);
    let refused = |arena: Arena, texts: &[&str]| {
        arena
            .evaluate()
            .ends_with(1)
            .says(&["--restart"])
            .says(texts);
        arena
    };
    let arena = refused(
        arena.arguments(&["--clicks", "2"]),
        &["clicks was 5, now it is 2"],
    );
    // The same files, in spite of the refusal.
    assert_eq!(arena.table_rows("s").len(), 1);
    arena.arguments(&["--restart"]).evaluate().ends_with(0);
}

#[test]
fn changed_case_files_are_refused() {
    let arena = Arena::new().case("phantom_perfect").stand_in("s");
    arena.evaluate().ends_with(0);
    let arena = arena.case_as("micro_tiny_objects", "phantom_perfect");
    arena
        .evaluate()
        .ends_with(1)
        .says(&["files of case phantom_perfect.npz have changed"]);
}

#[test]
fn a_changed_program_is_refused() {
    let arena = Arena::new()
        .case("phantom_perfect")
        .submission("s", &["sh", "model.sh"]);
    changed_program(arena);
    // The same when the script is itself the program.
    let arena = Arena::new()
        .case("phantom_perfect")
        .submission("s", &["./model.sh"]);
    changed_program(arena);
}

fn changed_program(arena: Arena) {
    use std::os::unix::fs::PermissionsExt;
    let model = arena.path().join("model.sh");
    let program = arena::stand_in();
    let line = format!("#!/bin/sh\nexec '{}'\n", program.display());
    fs::write(&model, &line).unwrap();
    fs::set_permissions(&model, fs::Permissions::from_mode(0o755)).unwrap();
    arena.evaluate().ends_with(0);
    fs::write(&model, format!("{line}# changed\n")).unwrap();
    arena
        .evaluate()
        .ends_with(1)
        .says(&["the submission was", "--restart"]);
}

#[test]
fn more_cases_can_be_added_to_a_finished_run() {
    let arena = Arena::new().case("phantom_perfect").stand_in("s");
    arena.evaluate().ends_with(0);
    let arena = arena.case("micro_tiny_objects");
    arena.evaluate().ends_with(0).says(&["1 case already done"]);
    assert_eq!(arena.table_rows("s").len(), 2);
}

#[test]
fn a_second_run_on_one_output_folder_is_refused() {
    let arena = Arena::new().case("phantom_perfect").script(
        "s",
        "test -e started || { touch started; sleep 60; }; stand_in",
    );
    let mut first = start(&arena);
    let began = Instant::now();
    while !arena.path().join("started").exists() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(5));
    }
    let owner = first.id().to_string();
    let refused: Ran = arena.evaluate();
    first.kill().unwrap();
    first.wait().unwrap();
    refused.ends_with(1).says(&["another run", &owner]);
    // The lock has died with its owner.
    arena.evaluate().ends_with(0);
}

#[test]
fn a_journal_cut_short_by_a_crash_loses_its_last_line_only() {
    let arena = slow();
    arena.evaluate().ends_with(3);
    let expected = results(&arena);
    let journal = arena.path().join("out/.segarena/s.journal");
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, &bytes[..bytes.len() - 40]).unwrap();
    arena
        .evaluate()
        .ends_with(3)
        .says(&["2 cases already done"]);
    assert_eq!(results(&arena), expected);
}

#[test]
fn a_finished_case_whose_predictions_are_damaged_or_gone_runs_again() {
    let arena = slow();
    arena.evaluate().ends_with(3);
    let expected = results(&arena);
    let predictions = arena.result("s/phantom_perfect.npz");
    for damage in ["shorter", "gone"] {
        match damage {
            "gone" => fs::remove_file(&predictions).unwrap(),
            _ => fs::write(&predictions, &fs::read(&predictions).unwrap()[..100]).unwrap(),
        }
        arena
            .evaluate()
            .ends_with(3)
            .says(&["2 cases already done"]);
        assert_eq!(results(&arena), expected, "{damage}");
    }
}

#[test]
fn a_record_of_the_run_that_was_cut_short_is_written_anew() {
    let arena = Arena::new().case("phantom_perfect").stand_in("s");
    arena.evaluate().ends_with(0);
    let expected = results(&arena);
    let record = arena.result("run.json");
    fs::write(&record, &fs::read(&record).unwrap()[..200]).unwrap();
    arena.evaluate().ends_with(0).says(&["1 case already done"]);
    assert_eq!(results(&arena), expected);
}

#[test]
fn changed_variables_of_a_submission_are_refused() {
    let arena = |value: &str| {
        let name = format!("env = {{ MODEL = \"{value}\"");
        move |arena: &Arena| {
            arena.command();
            let config = arena.path().join("config.toml");
            let text = fs::read_to_string(&config).unwrap();
            fs::write(&config, text.replace("env = { ", &format!("{name}, "))).unwrap();
            arena::segarena(arena.path(), &["evaluate", "-c", "config.toml"])
        }
    };
    let folder = Arena::new().case("phantom_perfect").stand_in("s");
    arena("large")(&folder).ends_with(0);
    arena("large")(&folder)
        .ends_with(0)
        .says(&["1 case already done"]);
    arena("small")(&folder)
        .ends_with(1)
        .says(&["the submission was", "--restart"]);
}

#[test]
fn runs_that_share_a_work_dir_never_meet_and_a_killed_one_leaves_nothing_in_it() {
    let shared = tempfile::tempdir().unwrap();
    let arena = |script: &str| {
        let arena = Arena::new()
            .case("phantom_perfect")
            .table("[protocol]\nclicks = 1")
            .script("s", script);
        arena.command();
        let config = arena.path().join("config.toml");
        let text = fs::read_to_string(&config).unwrap();
        let work = format!("dir = \"out\"\nwork_dir = {:?}", shared.path());
        fs::write(&config, text.replace("dir = \"out\"", &work)).unwrap();
        arena
    };
    let evaluate = |arena: &Arena| {
        let mut command = std::process::Command::new(arena::PROGRAM);
        command.args(["evaluate", "-c", "config.toml"]);
        command.current_dir(arena.path());
        command.stderr(Stdio::null()).stdout(Stdio::null());
        command.spawn().unwrap()
    };
    let killed = arena("test -e pid || { echo $$ > pid; sleep 300; }; stand_in");
    let mut first = evaluate(&killed);
    written(&killed.path().join("pid"));
    let other = arena("stand_in");
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
    let arena = Arena::new().case("phantom_perfect").stand_in("s");
    arena.evaluate().ends_with(0);
    let journal = arena.path().join("out/.segarena/s.journal");
    fs::write(&journal, "{\"entry\":\"from the future\"}\n").unwrap();
    arena
        .evaluate()
        .ends_with(1)
        .says(&["s.journal", "line 1", "--restart"]);
}
