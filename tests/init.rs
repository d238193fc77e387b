//! `segarena init`: a configuration for what is in a folder, which runs as it stands.
#![allow(clippy::unwrap_used)]

mod arena;

use std::fs;
use std::path::Path;
use std::process::Command;

use arena::{Arena, PROGRAM, Ran, stand_in};

/// Runs the program where no engine answers, whatever the machine has.
fn segarena(folder: &Path, arguments: &[&str]) -> Ran {
    let output = Command::new(PROGRAM)
        .args(arguments)
        .current_dir(folder)
        .env("DOCKER_HOST", "unix:///nowhere")
        .env("CONTAINER_HOST", "unix:///nowhere")
        .output();
    Ran::of(output.unwrap())
}

/// Cases in `imgs` and `gts`, and a program in `models/mine`.
fn with_a_program() -> Arena {
    let arena = Arena::new().case("phantom_perfect");
    let folder = arena.path().join("models/mine");
    fs::create_dir_all(&folder).unwrap();
    let script = format!("exec '{}'\n", stand_in().display());
    fs::write(folder.join("predict.sh"), script).unwrap();
    arena
}

fn written(arena: &Arena) -> String {
    fs::read_to_string(arena.path().join("segarena.toml")).unwrap()
}

#[test]
fn what_it_writes_is_evaluated_as_it_stands() {
    let arena = with_a_program();
    let ran = segarena(arena.path(), &["init"]).ends_with(0);
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
    segarena(arena.path(), &next).ends_with(0);
    assert!(
        arena
            .path()
            .join("results/mine/phantom_perfect.json")
            .is_file()
    );
}

#[test]
fn a_file_that_is_there_stays_unless_forced() {
    let arena = with_a_program();
    fs::write(arena.path().join("segarena.toml"), "# mine").unwrap();
    segarena(arena.path(), &["init"])
        .ends_with(1)
        .says(&["is there already", "--force"]);
    assert_eq!(written(&arena), "# mine");
    segarena(arena.path(), &["init", "--force"]).ends_with(0);
    assert!(written(&arena).contains("images = \"imgs\""));
}

#[test]
fn archives_are_for_an_engine_and_their_folder_is_found() {
    let arena = with_a_program();
    fs::create_dir(arena.path().join("archives")).unwrap();
    fs::write(arena.path().join("archives/Team.tar.gz"), "").unwrap();
    segarena(arena.path(), &["init"]).ends_with(0);
    let text = written(&arena);
    for line in [
        "submissions = \"archives\"",
        "kind = \"docker\"",
        "#   Team.tar.gz",
    ] {
        assert!(text.contains(line), "no `{line}` in:\n{text}");
    }
    // It goes as far as the engine that is not there.
    segarena(arena.path(), &["evaluate", "-c", "segarena.toml"])
        .ends_with(1)
        .says(&["docker"]);
}

#[test]
fn every_option_that_it_leaves_out_is_one_that_evaluate_knows() {
    let arena = with_a_program();
    segarena(arena.path(), &["init"]).ends_with(0);
    let in_protocol = |line: &&str| line.starts_with("# ") && line.contains(" = ");
    let text = written(&arena);
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
    fs::write(arena.path().join("segarena.toml"), all).unwrap();
    segarena(
        arena.path(),
        &["evaluate", "-c", "segarena.toml", "--clicks", "1"],
    )
    .ends_with(0);
}

#[test]
fn a_folder_that_is_itself_a_submission_runs_as_it_stands() {
    let arena = with_a_program();
    let model = arena.path().join("models/mine/predict.sh");
    fs::rename(model, arena.path().join("predict.sh")).unwrap();
    segarena(arena.path(), &["init"]).ends_with(0);
    let next = ["evaluate", "-c", "segarena.toml", "--clicks", "1"];
    segarena(arena.path(), &next).ends_with(0);
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
