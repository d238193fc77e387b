//! What is finished stays finished: neither a refusal nor a part of a run changes what is there.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use segarena_core::hash::hash_file;

use crate::scenario::kills::{start, wait_for};
use crate::scenario::{PROGRAM, ProgramOutput, Scenario, segarena};

/// Three cases, evaluated.
fn finished() -> Scenario {
    let scenario = three_cases().stand_in("s");
    scenario.evaluate().ends_with(3);
    scenario
}

/// Three cases, of which one makes the stand-in fail.
fn three_cases() -> Scenario {
    Scenario::new()
        .case("crash_at_click_2")
        .case("micro_tiny_objects")
        .case("phantom_perfect")
}

/// Every file below a folder with the hash of its content.
fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                found.insert(path.clone(), "folder".to_owned());
                waiting.push(path);
            } else {
                found.insert(path.clone(), hash_file(&path).unwrap());
            }
        }
    }
    found
}

#[track_caller]
fn evaluate(scenario: &Scenario, words: &[&str]) -> ProgramOutput {
    segarena(
        scenario.path(),
        &[&["evaluate", "-c", "config.toml"], words].concat(),
    )
}

/// Fails unless the run is refused, in these words, and has changed no byte.
#[track_caller]
fn refused(scenario: &Scenario, arguments: &[&str], words: &[&str]) {
    let before = tree(&scenario.path().join("out"));
    evaluate(scenario, arguments).ends_with(1).says(words);
    assert_eq!(tree(&scenario.path().join("out")), before, "{arguments:?}");
}

fn replace_in_config(scenario: &Scenario, from: &str, to: &str) {
    let config = scenario.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains(from), "no `{from}` in {text}");
    fs::write(config, text.replace(from, to)).unwrap();
}

#[test]
fn a_refusal_changes_no_byte() {
    let scenario = finished();
    refused(
        &scenario,
        &["--clicks", "2"],
        &["clicks was 5, now it is 2"],
    );
    refused(
        &scenario,
        &["--clicks", "2", "--first", "1"],
        &["clicks was 5"],
    );
    // The other cases would stay.
    let anew = ["--restart", "--case", "phantom_perfect", "--clicks", "2"];
    refused(&scenario, &anew, &["clicks was 5"]);
    segarena(scenario.path(), &["rescore", "out"]).ends_with(0);
    replace_in_config(&scenario, "name = \"s\"", "name = \"other\"");
    refused(
        &scenario,
        &["--clicks", "2"],
        &["the results of submission `s`", "clicks was 5, now it is 2"],
    );
}

#[test]
fn a_refusal_of_the_second_submission_changes_no_byte_either() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .stand_in("a")
        .script("b", "stand_in");
    scenario.evaluate().ends_with(0);
    replace_in_config(&scenario, "nstand_in\"", "nstand_in # edited\"");
    refused(&scenario, &[], &["b.journal", "the submission was"]);
}

#[test]
fn whatever_can_change_a_number_is_in_the_fingerprint() {
    let scenario = three_cases()
        .table("[protocol]\nclick_policy = \"random\"\nclick_seed = 1")
        .stand_in("s");
    scenario.evaluate().ends_with(3);
    let changes = [
        ("click_seed = 1", "click_seed = 2", "random(seed=1)"),
        (
            "click_seed = 1",
            "click_seed = 1\nnsd_tolerance_mm = 1.0",
            "nsd_tolerance_mm was 2.0",
        ),
        (
            "click_seed = 1",
            "click_seed = 1\nover_time = \"zero\"",
            "over_time was \"warn\"",
        ),
        (
            "click_seed = 1",
            "click_seed = 1\nfailed_prediction = \"zeros\"",
            "failed_prediction was",
        ),
        (
            "env = { ",
            "env = { MODE = \"fast\", ",
            "the submission was",
        ),
    ];
    for (from, to, words) in changes {
        replace_in_config(&scenario, from, to);
        refused(&scenario, &[], &[words]);
        replace_in_config(&scenario, to, from);
    }
    evaluate(&scenario, &[])
        .ends_with(3)
        .says(&["3 cases already done"]);
}

#[test]
fn the_same_content_is_the_same_run_however_it_is_reached() {
    let scenario = three_cases().submission("s", &["sh", "model.sh"]);
    let program = crate::scenario::stand_in();
    let model = scenario.path().join("model.sh");
    fs::write(&model, format!("exec '{}'\n", program.display())).unwrap();
    scenario.evaluate().ends_with(3);
    let folder = scenario.path();
    let elsewhere = tempfile::tempdir().unwrap();
    let absolute = folder.join("config.toml");
    let by_link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(folder, &by_link).unwrap();
    let linked = by_link.join("config.toml");
    // As a data set that is mounted somewhere else.
    let images = elsewhere.path().join("images");
    fs::create_dir(&images).unwrap();
    for entry in fs::read_dir(folder.join("imgs")).unwrap().flatten() {
        fs::copy(entry.path(), images.join(entry.file_name())).unwrap();
    }
    let (absolute, linked) = (absolute.to_str().unwrap(), linked.to_str().unwrap());
    for (from, config, more) in [
        (folder, "./config.toml", &[][..]),
        (folder, absolute, &[]),
        (elsewhere.path(), absolute, &[]),
        (elsewhere.path(), linked, &[]),
        (
            folder,
            "config.toml",
            &["--images", images.to_str().unwrap()],
        ),
    ] {
        segarena(from, &[&["evaluate", "-c", config], more].concat())
            .ends_with(3)
            .says(&["3 cases already done"]);
    }
    // All of it in another place.
    let moved = elsewhere.path().join("moved");
    let copied = Command::new("cp").arg("-r").args([folder, &moved]).status();
    assert!(copied.unwrap().success());
    segarena(&moved, &["evaluate", "-c", "config.toml"])
        .ends_with(3)
        .says(&["3 cases already done"]);
}

#[test]
fn a_part_of_a_finished_run_leaves_the_rest_in_table_summary_and_report() {
    let scenario = finished();
    let table = scenario.result("s/s_metrics.csv");
    let whole = fs::read(&table).unwrap();
    for part in [&["--case", "micro_tiny_objects"][..], &["--first", "1"]] {
        let ran = evaluate(&scenario, part).ends_with(3);
        ran.says(&["1 case already done"])
            .prints(&["s                3"]);
        assert_eq!(fs::read(&table).unwrap(), whole, "{part:?}");
        assert_eq!(scenario.run_record()["cases"].as_array().unwrap().len(), 3);
        assert_eq!(scenario.run_record()["submissions"][0]["state"], "done");
        segarena(scenario.path(), &["rescore", "out"])
            .ends_with(0)
            .prints(&["the same table, 3 cases"]);
        let page = fs::read_to_string(scenario.result("report.html")).unwrap();
        for case in ["crash_at_click_2", "micro_tiny_objects", "phantom_perfect"] {
            assert!(page.contains(case), "{case} is not in the report");
        }
    }
}

#[test]
fn a_case_begun_anew_is_the_only_one_that_runs() {
    let script = "echo $INPUTS >> runs; stand_in";
    let scenario = three_cases().script("s", script);
    scenario.evaluate().ends_with(3);
    let runs = scenario.path().join("runs");
    let before = tree(&scenario.path().join("out/s"));
    fs::remove_file(&runs).unwrap();
    evaluate(&scenario, &["--restart", "--case", "phantom_perfect"]).ends_with(3);
    let ran = fs::read_to_string(&runs).unwrap();
    assert_eq!(ran.lines().count(), 6);
    assert!(
        ran.lines().all(|line| line.contains("phantom_perfect")),
        "{ran}"
    );
    assert_eq!(scenario.table_rows("s").len(), 3);
    for (file, hash) in tree(&scenario.path().join("out/s")) {
        let is_anew = file.to_string_lossy().contains("phantom_perfect")
            || file.to_string_lossy().contains("metrics.csv");
        assert!(is_anew || before[&file] == hash, "{file:?} has changed");
    }
    segarena(scenario.path(), &["rescore", "out"]).ends_with(0);
    // What was begun anew is finished now, and the rest is as well.
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["3 cases already done"]);
}

#[test]
fn a_case_whose_files_have_changed_can_be_begun_anew_alone() {
    let scenario = finished().case_as("micro_tiny_objects", "phantom_perfect");
    refused(
        &scenario,
        &[],
        &["the files of case phantom_perfect.npz have changed"],
    );
    evaluate(&scenario, &["--restart", "--case", "phantom_perfect"]).ends_with(3);
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["3 cases already done"]);
    segarena(scenario.path(), &["rescore", "out"]).ends_with(0);
}

#[test]
fn a_submission_evaluated_later_stands_beside_the_earlier_one() {
    let scenario = finished();
    replace_in_config(&scenario, "name = \"s\"", "name = \"later\"");
    evaluate(&scenario, &["--first", "1"]).ends_with(3);
    let record = scenario.run_record();
    assert_eq!(record["cases"].as_array().unwrap().len(), 3);
    let state = |index: usize| {
        let state = &record["submissions"][index];
        (
            state["name"].as_str().unwrap(),
            state["state"].as_str().unwrap(),
        )
    };
    assert_eq!((state(0), state(1)), (("later", "running"), ("s", "done")));
    assert_eq!(scenario.table_rows("s").len(), 3);
    segarena(scenario.path(), &["rescore", "out"]).ends_with(0);
}

#[test]
fn a_past_run_is_read_from_any_folder() {
    let scenario = finished();
    let elsewhere = tempfile::tempdir().unwrap();
    let out = scenario.path().join("out");
    let out = out.to_str().unwrap();
    segarena(elsewhere.path(), &["rescore", out])
        .ends_with(0)
        .prints(&["the same scores and the same table"]);
    segarena(elsewhere.path(), &["report", out]).ends_with(0);
    let page = fs::read_to_string(scenario.result("report.html")).unwrap();
    assert!(page.contains("<image "), "the cases have pictures");
}

#[test]
fn a_hang_up_stops_a_run_that_can_be_gone_on_with() {
    let script = "test -e started || { touch started; sleep 60; }; stand_in";
    let scenario = Scenario::new().case("phantom_perfect").script("s", script);
    // The tests may be under nohup themselves.
    let mut run = evaluate_under(&scenario, &["env", "--default-signal=HUP"]);
    wait_for(&scenario.path().join("started"));
    hang_up(&run);
    assert_eq!(run.wait().unwrap().code(), Some(1));
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
    scenario.evaluate().ends_with(0);
}

#[test]
fn a_run_under_nohup_goes_on_after_a_hang_up() {
    let script = "test -e hung || { touch started; while ! test -e hung; do sleep 0.05; done; }; \
                  stand_in";
    let scenario = Scenario::new().case("phantom_perfect").script("s", script);
    let mut run = evaluate_under(&scenario, &["nohup"]);
    wait_for(&scenario.path().join("started"));
    hang_up(&run);
    fs::write(scenario.path().join("hung"), "").unwrap();
    assert!(run.wait().unwrap().success());
}

/// Starts a run by the words of a command that becomes it.
fn evaluate_under(scenario: &Scenario, words: &[&str]) -> Child {
    // Writes the configuration.
    let _ = scenario.command();
    Command::new(words[0])
        .args(&words[1..])
        .args([PROGRAM, "evaluate", "-c", "config.toml"])
        .current_dir(scenario.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

fn hang_up(run: &Child) {
    let pid = rustix::process::Pid::from_child(run);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
}

/// Runs a command with standard output and error in a pipe whose reader has gone.
fn into_nothing(folder: &Path, words: &[&str]) -> i32 {
    let mut command = Command::new(PROGRAM);
    command.args(words).current_dir(folder);
    for log in ["RUST_LOG", "NO_COLOR"] {
        command.env(log, "trace");
    }
    let closed = || {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        writer
    };
    command.stdout(closed()).stderr(closed()).process_group(0);
    command.status().unwrap().code().unwrap_or(-1)
}

#[test]
fn a_reader_who_goes_away_is_no_failure() {
    let scenario = finished();
    let lines = [
        ("evaluate -c config.toml", 3),
        ("evaluate -c config.toml --events -", 3),
        ("report out", 0),
        ("rescore out", 0),
        ("compare out out", 0),
        ("compare out out --json", 0),
        ("doctor --backend process", 0),
        ("doctor --backend process --json", 0),
        ("validate --backend process -- true", 3),
        (
            "score -g gts/phantom_perfect.npz -p gts/phantom_perfect.npz -i imgs/phantom_perfect.npz",
            1,
        ),
        ("click -g gts/phantom_perfect.npz", 0),
        ("gather out", 1),
        ("export out --nifti nifti", 0),
        ("init --force", 0),
        ("new fresh", 0),
        ("completions bash", 0),
        ("man", 0),
        ("evaluate -c nowhere.toml", 1),
        ("evaluate --nonsense", 2),
        ("--help", 0),
    ];
    for (line, status) in lines {
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(into_nothing(scenario.path(), &words), status, "{line}");
    }
}

/// The lines of the README between those that run the official script and those for Docker.
#[test]
fn the_readmes_lines_work_in_the_order_they_stand_in() {
    let scenario = three_cases();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(readme).unwrap();
    let from = readme.find("segarena init\n").unwrap();
    let block = &readme[from..from + readme[from..].find("```").unwrap()];
    let submission = scenario.path().join("submissions/team");
    fs::create_dir_all(&submission).unwrap();
    let program = crate::scenario::stand_in();
    fs::write(
        submission.join("predict.sh"),
        format!("exec '{}'\n", program.display()),
    )
    .unwrap();
    for line in block.lines() {
        let mut command = Command::new("sh");
        command.args(["-ec", line]).current_dir(scenario.path());
        let folder = Path::new(PROGRAM).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        command.env("PATH", format!("{}:{path}", folder.display()));
        // A machine without engines, whatever this one has.
        command.env("DOCKER_HOST", "unix:///nowhere");
        command.env("CONTAINER_HOST", "unix:///nowhere");
        let ran = ProgramOutput::of(command.output().unwrap());
        assert!(
            [0, 3].contains(&ran.status),
            "{line}\n{}\n{}",
            ran.stdout,
            ran.stderr
        );
    }
    assert_eq!(block.lines().count(), 3);
    let whole = fs::read_to_string(scenario.path().join("results/team/team_metrics.csv")).unwrap();
    assert_eq!(whole.lines().count(), 4, "{whole}");
}

/// Evaluates in a shell that has set a limit first.
fn limited(scenario: &Scenario, limit: &str) -> ProgramOutput {
    let _ = scenario.command();
    let line = format!("ulimit {limit} && exec '{PROGRAM}' evaluate -c config.toml");
    let output = Command::new("sh")
        .args(["-c", &line])
        .current_dir(scenario.path())
        .output();
    ProgramOutput::of(output.unwrap())
}

#[test]
fn a_limit_of_the_shell_that_is_too_small_is_told_in_words() {
    let scenario = || Scenario::new().case("phantom_perfect").stand_in("s");
    let files = scenario();
    for limit in ["-n 4", "-n 10", "-n 20"] {
        limited(&files, limit)
            .ends_with(1)
            .says(&["files may be open at once", "ulimit -n"]);
    }
    limited(&files, "-n 64").ends_with(0);
    limited(&scenario(), "-f 0")
        .ends_with(1)
        .says(&["File too large"]);
    limited(&scenario(), "-f 1")
        .ends_with(1)
        .says(&["File too large"]);
}

#[test]
fn a_standstill_of_the_machine_is_not_charged_to_the_submission() {
    let script = "echo $$ > pid; touch started; while ! test -e go; do sleep 0.05; done; stand_in";
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0\ninteraction_timeout_seconds = 5")
        .script("s", script);
    let run = start(&scenario);
    wait_for(&scenario.path().join("started"));
    let submission = fs::read_to_string(scenario.path().join("pid")).unwrap();
    let pid =
        |number: &str| rustix::process::Pid::from_raw(number.trim().parse().unwrap()).unwrap();
    let everything = [pid(&run.id().to_string()), pid(&submission)];
    let all = |signal| {
        for process in everything {
            rustix::process::kill_process(process, signal).unwrap();
        }
    };
    all(rustix::process::Signal::STOP);
    std::thread::sleep(std::time::Duration::from_secs(7));
    fs::write(scenario.path().join("go"), "").unwrap();
    all(rustix::process::Signal::CONT);
    assert_eq!(run.wait_with_output().unwrap().status.code(), Some(0));
    let seconds = &scenario.record("s", "phantom_perfect")["interactions"][0]["seconds"];
    assert!(seconds.as_f64().unwrap() < 5.0, "{seconds}");
}
