//! Whenever the run is killed, it goes on where it was, and ends with the same files.
#![allow(clippy::unwrap_used)]

mod arena;
mod undisturbed;

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use arena::{Arena, Ran};
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
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// A number that looks random, the same at each run of the tests.
fn lot(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

#[test]
fn a_run_killed_at_any_point_ends_with_the_files_of_an_undisturbed_one() {
    let undisturbed = slow();
    undisturbed.evaluate().ends_with(3);
    let expected = results(&undisturbed);

    let arena = slow();
    let mut kills = 0;
    for round in 0..40 {
        let mut run = start(&arena);
        let until = Instant::now() + Duration::from_millis(20 + lot(round) % 700);
        let ended = loop {
            match run.try_wait().unwrap() {
                Some(status) => break Some(status),
                None if Instant::now() > until => break None,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        match ended {
            Some(status) => {
                assert_eq!(status.code(), Some(3));
                break;
            }
            None => {
                run.kill().unwrap();
                run.wait().unwrap();
                kills += 1;
            }
        }
    }
    arena.evaluate().ends_with(3);
    assert!(kills >= 2, "killed only {kills} times");
    assert_eq!(results(&arena), expected);
    assert!(arena.left_behind().is_empty(), "{:?}", arena.left_behind());
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
    let model = arena.path().join("model.sh");
    let program = arena::stand_in();
    fs::write(&model, format!("exec '{}'", program.display())).unwrap();
    arena.evaluate().ends_with(0);
    fs::write(&model, format!("# changed\nexec '{}'", program.display())).unwrap();
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
    let arena = Arena::new()
        .case("phantom_perfect")
        .script("s", "touch started; sleep 20; stand_in");
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
