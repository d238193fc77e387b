//! What is told while a run is under way and at its end, and what shells and `man` are told.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::scenario::{PROGRAM, ProgramOutput, Scenario, segarena};
use serde_json::Value;

fn events(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect()
}

fn one_click() -> Scenario {
    Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 1")
        .stand_in("s")
}

#[test]
fn events_are_lines_of_json_in_the_order_of_what_happens() {
    let scenario = one_click().arguments(&["--events", "events.jsonl"]);
    scenario.evaluate().ends_with(0);
    let text = fs::read_to_string(scenario.path().join("events.jsonl")).unwrap();
    let told = events(&text);
    let expected = [
        "case_checked",
        "caution",
        "run_started",
        "submission_preparing",
        "submission_started",
        "case_started",
        "interaction_running",
        "interaction_scoring",
        "interaction_finished",
        "interaction_running",
        "interaction_scoring",
        "interaction_finished",
        "case_finished",
        "submission_finished",
        "run_finished",
    ];
    assert_eq!(names(&told), expected);
    assert!(told.iter().all(|event| event["schema"] == 1));
    assert!(
        told.iter()
            .all(|event| event["at"].as_str().unwrap().ends_with('Z'))
    );
    assert_eq!(told[4]["dsc_before"].to_string(), "0.0");
    let finished = told
        .iter()
        .find(|event| event["event"] == "case_finished")
        .unwrap();
    assert_eq!(finished["record"], scenario.record("s", "phantom_perfect"));
    // The next run adds to the file.
    scenario.evaluate().ends_with(0);
    let again = fs::read_to_string(scenario.path().join("events.jsonl")).unwrap();
    assert!(again.starts_with(&text) && again.len() > text.len());
}

#[test]
fn every_event_is_in_the_help() {
    let help = segarena(Path::new("."), &["evaluate", "--help"])
        .ends_with(0)
        .stdout;
    let scenario = one_click().arguments(&["--events", "-"]);
    for name in names(&events(&scenario.evaluate().ends_with(0).stdout)) {
        assert!(help.contains(&format!("  {name}")), "{name}");
    }
}

#[test]
fn events_on_standard_output_are_alone_there() {
    let scenario = one_click().arguments(&["--events", "-"]);
    let ran = scenario
        .evaluate()
        .ends_with(0)
        .says(&["DSC final", "report:"]);
    assert_eq!(names(&events(&ran.stdout)).last(), Some(&"run_finished"));
}

#[test]
fn a_file_that_takes_no_more_events_does_not_end_the_run() {
    let scenario = one_click().arguments(&["--events", "/dev/full"]);
    let ran = scenario
        .evaluate()
        .ends_with(0)
        .says(&["takes no more events"]);
    assert!(ran.stdout.contains("DSC final"));
    assert_eq!(ran.stderr.matches("takes no more events").count(), 1);
}

#[test]
fn a_file_for_events_that_cannot_be_opened_is_said_before_anything_runs() {
    let scenario = one_click().arguments(&["--events", "nowhere/events.jsonl"]);
    scenario
        .evaluate()
        .ends_with(1)
        .says(&["nowhere/events.jsonl"]);
    assert!(!scenario.result("run.json").exists());
}

#[test]
fn quiet_keeps_to_what_must_be_heard_and_the_ranking() {
    let scenario = one_click()
        .script("failing", "exit 1")
        .arguments(&["--quiet"]);
    let ran = scenario.evaluate().ends_with(3);
    assert_eq!(ran.stderr.lines().count(), 1, "{}", ran.stderr);
    assert!(ran.stderr.contains("does not contain a submission"));
    for told in [
        "rank",
        "exit status 1: 2 interactions",
        "out/failing/logs/phantom_perfect.1.log",
    ] {
        assert!(ran.stdout.contains(told), "no `{told}` in:\n{}", ran.stdout);
    }
}

#[test]
fn no_colour_is_written_where_there_is_no_terminal() {
    let scenario = one_click().script("failing", "exit 1");
    let ran = scenario.evaluate().ends_with(3);
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stderr.contains('\u{1b}'));
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let scenario = one_click();
    let lines: [&[&str]; 3] = [&["completions", "bash"], &["man"], &["man", "evaluate"]];
    let commands = lines.map(|arguments| {
        let mut command = Command::new(PROGRAM);
        command.args(arguments);
        command
    });
    for mut command in commands.into_iter().chain([scenario.command()]) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command.stdout(Stdio::from(writer)).output().unwrap();
        ProgramOutput::of(output).ends_with(0);
    }
}

#[test]
fn what_happens_inside_is_told_to_whoever_asks() {
    let child_in_another_group = "setsid sh -c 'sleep 300' & sleep 0.2; stand_in";
    let evaluated = |arguments: &[&str], variable: &str| {
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .table("[protocol]\nclicks = 0")
            .script("s", child_in_another_group)
            .arguments(arguments);
        let output = scenario.command().env("RUST_LOG", variable).output();
        ProgramOutput::of(output.unwrap()).ends_with(0).stderr
    };
    let told = "killed processes that the submission left behind";
    assert!(evaluated(&["--log", "warn"], "").contains(told));
    assert!(evaluated(&[], "segarena_child=warn").contains(told));
    assert!(!evaluated(&[], "").contains(told));
    // Not ours to understand.
    assert!(!evaluated(&[], "warn[in{span]").contains(told));
    segarena(Path::new("."), &["demo", "--log", "warn=loud"]).ends_with(2);
}

#[test]
fn shells_and_man_know_every_command() {
    let folder = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = segarena(folder.path(), &["completions", shell])
            .ends_with(0)
            .stdout;
        assert!(script.contains("validate"), "{shell}");
    }
    segarena(folder.path(), &["man", "-o", "pages"]).ends_with(0);
    for page in [
        "segarena",
        "segarena-evaluate",
        "segarena-validate",
        "segarena-init",
    ] {
        let text = fs::read_to_string(folder.path().join(format!("pages/{page}.1"))).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
    segarena(folder.path(), &["man", "nothing"])
        .ends_with(2)
        .says(&["no command `nothing`"]);
}
