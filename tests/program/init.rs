//! `segarena init`: a configuration for what is in a folder, which runs as it stands.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::golden::text_set;
use crate::scenario::{PROGRAM, ProgramOutput, Scenario, stand_in};

/// Runs the program where no engine answers, whatever the machine has.
fn segarena(folder: &Path, arguments: &[&str]) -> ProgramOutput {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(folder)
        .env("DOCKER_HOST", "unix:///nowhere")
        .env("CONTAINER_HOST", "unix:///nowhere")
        .output();
    ProgramOutput::of(output.unwrap())
}

/// Cases in `imgs` and `gts`, and a program in `models/mine`.
fn with_a_program() -> Scenario {
    let scenario = Scenario::new().case("phantom_perfect");
    let folder = scenario.path().join("models/mine");
    fs::create_dir_all(&folder).unwrap();
    let script = format!("exec '{}'\n", stand_in().display());
    fs::write(folder.join("predict.sh"), script).unwrap();
    scenario
}

fn written(scenario: &Scenario) -> String {
    fs::read_to_string(scenario.path().join("segarena.toml")).unwrap()
}

#[test]
fn what_it_writes_is_evaluated_as_it_stands() {
    let scenario = with_a_program();
    let ran = segarena(scenario.path(), &["init"]).ends_with(0);
    for found in ["1 case in imgs", "1 submission in models", "segarena.toml"] {
        assert!(
            ran.stdout.contains(found),
            "no `{found}` in:\n{}",
            ran.stdout
        );
    }
    let line = ran
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("next: segarena "));
    let next: Vec<&str> = line.unwrap().split(' ').collect();
    segarena(scenario.path(), &next).ends_with(0);
    assert!(
        scenario
            .path()
            .join("results/mine/phantom_perfect.json")
            .is_file()
    );
}

#[test]
fn a_file_that_is_there_stays_unless_forced() {
    let scenario = with_a_program();
    fs::write(scenario.path().join("segarena.toml"), "# mine").unwrap();
    segarena(scenario.path(), &["init"])
        .ends_with(1)
        .says(&["is there already", "--force"]);
    assert_eq!(written(&scenario), "# mine");
    segarena(scenario.path(), &["init", "--force"]).ends_with(0);
    assert!(written(&scenario).contains("images = \"imgs\""));
}

#[test]
fn archives_are_for_an_engine_and_their_folder_is_found() {
    let scenario = with_a_program();
    fs::create_dir(scenario.path().join("archives")).unwrap();
    fs::write(scenario.path().join("archives/Team.tar.gz"), "").unwrap();
    segarena(scenario.path(), &["init"]).ends_with(0);
    let text = written(&scenario);
    for line in [
        "submissions = \"archives\"",
        "kind = \"docker\"",
        "#   Team.tar.gz",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
    // It goes as far as the engine that is not there.
    segarena(scenario.path(), &["evaluate", "-c", "segarena.toml"])
        .ends_with(1)
        .says(&["docker"]);
}

#[test]
fn every_option_that_it_leaves_out_is_one_that_evaluate_knows() {
    let scenario = with_a_program();
    segarena(scenario.path(), &["init"]).ends_with(0);
    let in_protocol = |line: &&str| line.starts_with("# ") && line.contains(" = ");
    let text = written(&scenario);
    let protocol = text
        .split("[protocol]")
        .nth(1)
        .unwrap()
        .split("\n\n")
        .next()
        .unwrap();
    let options: Vec<&str> = protocol.lines().filter(in_protocol).collect();
    assert!(options.len() > 5, "{text}");
    let all = text.replace(protocol, &protocol.replace("\n# ", "\n"));
    fs::write(scenario.path().join("segarena.toml"), all).unwrap();
    segarena(
        scenario.path(),
        &["evaluate", "-c", "segarena.toml", "--clicks", "1"],
    )
    .ends_with(0);
}

#[test]
fn a_folder_that_is_itself_a_submission_runs_as_it_stands() {
    let scenario = with_a_program();
    let model = scenario.path().join("models/mine/predict.sh");
    fs::rename(model, scenario.path().join("predict.sh")).unwrap();
    segarena(scenario.path(), &["init"]).ends_with(0);
    let next = ["evaluate", "-c", "segarena.toml", "--clicks", "1"];
    segarena(scenario.path(), &next).ends_with(0);
}

#[test]
fn an_empty_folder_gets_a_file_to_fill_in() {
    let folder = tempfile::tempdir().unwrap();
    let ran = segarena(folder.path(), &["init"]).ends_with(0);
    assert!(
        ran.stdout.contains("none found") && ran.stdout.contains("fill in"),
        "{}",
        ran.stdout
    );
    segarena(folder.path(), &["evaluate", "-c", "segarena.toml"])
        .ends_with(1)
        .says(&["no images"]);
}

#[test]
fn a_folder_that_is_not_there_is_said_so() {
    let folder = tempfile::tempdir().unwrap();
    segarena(folder.path(), &["init", "nowhere"])
        .ends_with(1)
        .says(&["nowhere"]);
}

#[test]
fn images_prompted_by_words_alone_choose_their_track() {
    let scenario = Scenario::new().every_case_of(&text_set());
    segarena(scenario.path(), &["init"]).ends_with(0);
    let text = fs::read_to_string(scenario.path().join("segarena.toml")).unwrap();
    assert!(text.contains("\ntrack = \"cvpr25-text\""), "{text}");
    let other = Scenario::new().case("micro_tiny_objects");
    segarena(other.path(), &["init"]).ends_with(0);
    let text = fs::read_to_string(other.path().join("segarena.toml")).unwrap();
    assert!(
        text.contains("\n# track = \"cvpr25-interactive\""),
        "{text}"
    );
}
