//! A submission that fails costs itself its score and nothing else: the reason is recorded, the
//! run goes on, and the exit status says so.

use std::time::{Duration, Instant};

use crate::scenario::Scenario;
use serde_json::Value;

/// The outcomes of a case's interactions in order.
fn outcomes(record: &Value) -> Vec<&str> {
    let interactions = record["interactions"].as_array().unwrap();
    interactions
        .iter()
        .map(|i| i["outcome"].as_str().unwrap())
        .collect()
}

fn dsc(record: &Value, index: usize) -> f64 {
    record["interactions"][index - 1]["dsc"].as_f64().unwrap()
}

/// Runs the stand-in, except at interaction `at`, where it runs `instead`.
fn script_at(at: usize, instead: &str) -> String {
    format!(
        "n=$(cat \"$OUTPUTS/count\" 2>/dev/null || echo 0); n=$((n+1)); echo $n > \"$OUTPUTS/count\"\n\
         if [ $n = {at} ]; then {instead}; else stand_in; fi"
    )
}

#[test]
fn a_crash_is_recorded_with_its_status_and_log_and_scored_with_the_last_prediction() {
    let script = script_at(3, "echo out; echo 'Traceback: boom' >&2; exit 7");
    let scenario = Scenario::new()
        .case("crash_at_click_2")
        .script("s", &script);
    // The stand-in itself crashes at the second click, which is interaction 3.
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["crash_at_click_2.npz", "exit status 7", "logs/"]);
    let record = scenario.record("s", "crash_at_click_2");
    assert_eq!(outcomes(&record), ["ok", "ok", "exit", "ok", "ok", "ok"]);
    let failed = &record["interactions"][2];
    assert_eq!(failed["exit_code"], 7);
    assert_eq!(failed["log_tail"], "Traceback: boom\n");
    assert_eq!(failed["stdout_tail"], "out\n");
    assert_eq!(failed["dsc"], record["interactions"][1]["dsc"]);
    let log = scenario.result("s").join(failed["log"].as_str().unwrap());
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 2);
}

#[test]
fn with_zeros_a_failed_interaction_scores_nothing() {
    let scenario = Scenario::new()
        .case("crash_at_click_2")
        .table("[protocol]\nfailed_prediction = \"zeros\"")
        .stand_in("s");
    scenario.evaluate().ends_with(3);
    let record = scenario.record("s", "crash_at_click_2");
    assert_eq!(outcomes(&record)[2], "exit");
    assert!(dsc(&record, 2) > 0.5 && dsc(&record, 3) == 0.0, "{record}");
}

#[test]
fn a_hung_submission_is_killed_with_its_children() {
    let script = "(sleep 300 & echo $! > pid; trap '' TERM; wait)";
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\ninteraction_timeout_seconds = 0.5\nclicks = 1")
        .script("s", script);
    let began = Instant::now();
    scenario.evaluate().ends_with(3).says(&["time limit"]);
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(
        outcomes(&scenario.record("s", "phantom_perfect")),
        ["timed_out", "timed_out"]
    );
    let pid = std::fs::read_to_string(scenario.path().join("pid")).unwrap();
    let alive = std::path::Path::new("/proc")
        .join(pid.trim())
        .join("cmdline");
    let command = std::fs::read(alive).unwrap_or_default();
    assert!(
        !command.starts_with(b"sleep"),
        "the child {pid} is still there"
    );
}

#[test]
fn a_child_that_leaves_the_process_group_does_not_outlive_the_interaction() {
    for escape in ["setsid sh -c", "env -i setsid sh -c"] {
        let script = format!("{escape} 'echo $$ > pid; sleep 300' & sleep 0.3; stand_in");
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .table("[protocol]\nclicks = 0")
            .script("s", &script);
        scenario.evaluate().ends_with(0);
        let pid = std::fs::read_to_string(scenario.path().join("pid")).unwrap();
        let status = std::path::Path::new("/proc")
            .join(pid.trim())
            .join("status");
        let state = std::fs::read_to_string(status).unwrap_or_default();
        assert!(
            !state.contains("sleeping"),
            "{escape}: process {pid} is still there"
        );
    }
}

#[test]
fn a_submission_that_writes_nothing_keeps_its_row_with_zeros() {
    let scenario = Scenario::new().case("phantom_perfect").script("s", "true");
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["wrote no prediction"]);
    let record = scenario.record("s", "phantom_perfect");
    assert!(
        outcomes(&record)
            .iter()
            .all(|&outcome| outcome == "no_output")
    );
    let rows = scenario.table_rows("s");
    assert_eq!(rows[0]["CaseName"], "phantom_perfect.npz");
    assert_eq!(
        (rows[0]["DSC_Final"].as_str(), rows[0]["NSD_AUC"].as_str()),
        ("0.0", "0.0")
    );
}

#[test]
fn a_prediction_that_cannot_be_read_is_bad_output_and_the_others_go_on() {
    let script = script_at(2, "echo junk > \"$OUTPUTS/phantom_perfect.npz\"");
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .script("broken", &script)
        .stand_in("sound");
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["unusable prediction"]);
    let record = scenario.record("broken", "phantom_perfect");
    assert_eq!(
        outcomes(&record),
        ["ok", "bad_output", "ok", "ok", "ok", "ok"]
    );
    assert!(
        !record["interactions"][1]["reason"]
            .as_str()
            .unwrap()
            .is_empty()
    );
    assert_eq!(dsc(&record, 2), 1.0, "the last prediction is carried");
    let sound = scenario.record("sound", "phantom_perfect");
    assert!(outcomes(&sound).iter().all(|&outcome| outcome == "ok"));
}

#[test]
fn a_prediction_of_another_shape_costs_one_interaction_and_not_the_submission() {
    let other = crate::scenario::fixtures().join("parity/gts/micro_tiny_objects.npz");
    let script = format!("cp '{}' \"$OUTPUTS/phantom_perfect.npz\"", other.display());
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .script(
            "s",
            &format!("case $INPUTS in *phantom*) {script};; *) stand_in;; esac"),
        );
    scenario.evaluate().ends_with(3);
    assert_eq!(scenario.table_rows("s").len(), 2);
    assert_eq!(
        outcomes(&scenario.record("s", "phantom_perfect"))[0],
        "bad_output"
    );
    assert_eq!(
        outcomes(&scenario.record("s", "micro_tiny_objects"))[0],
        "ok"
    );
}

#[test]
fn a_case_over_its_time_limit_is_warned_of_or_zeroed() {
    for (over_time, expected) in [("warn", 1.0), ("zero", 0.0)] {
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .table(&format!(
                "[protocol]\nclicks = 1\nseconds_per_class = 0.01\nover_time = \"{over_time}\""
            ))
            .script("s", "sleep 0.05; stand_in");
        scenario.evaluate().ends_with(0).says(&["over its limit"]);
        let record = scenario.record("s", "phantom_perfect");
        assert_eq!(record["over_time"], true);
        assert_eq!((dsc(&record, 1), dsc(&record, 2)), (expected, expected));
        assert_eq!(scenario.table_rows("s")[0]["runtime_upperbound"], "0.01");
    }
}

#[test]
fn work_folders_are_gone_at_the_end_unless_they_are_wanted() {
    let scenario = Scenario::new().case("phantom_perfect").stand_in("s");
    scenario.evaluate().ends_with(0);
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .output("keep_work = true")
        .table("[protocol]\nclicks = 0")
        .script("s", "stand_in; echo state > \"$OUTPUTS/state.pt\"")
        .arguments(&["--output", "kept"]);
    scenario.command();
    crate::scenario::segarena(scenario.path(), &["evaluate", "-c", "config.toml"]).ends_with(0);
    let work = scenario.path().join("out/.segarena/work/s/phantom_perfect");
    assert!(work.join("outputs/state.pt").is_file());
    assert!(work.join("inputs/phantom_perfect.npz").is_file());
}

#[test]
fn what_a_submission_leaves_in_its_folders_lasts_as_long_as_its_case() {
    let script = "ls \"$OUTPUTS\" \"$INPUTS\" | sort | tr '\\n' ' '; echo x > \"$OUTPUTS/state.pt\"; \
                  echo x > \"$INPUTS/mask.npz.txt\"; stand_in";
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .table("[protocol]\nclicks = 1")
        .script("s", script);
    scenario.evaluate().ends_with(0);
    for case in ["phantom_perfect", "micro_tiny_objects"] {
        let record = scenario.record("s", case);
        let seen = |index: usize| {
            record["interactions"][index]["stdout_tail"]
                .as_str()
                .unwrap()
        };
        assert!(!seen(0).contains("state.pt"), "{}", seen(0));
        assert!(
            seen(1).contains("state.pt") && seen(1).contains("mask.npz.txt"),
            "{}",
            seen(1)
        );
    }
}

#[test]
fn a_submission_that_cannot_be_started_does_not_stop_the_others() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .submission("absent", &["no-such-program"])
        .stand_in("s");
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["absent", "no-such-program", "PATH"]);
    assert_eq!(scenario.table_rows("s").len(), 1);
}

#[test]
fn an_interrupted_run_kills_the_submission_and_says_how_to_go_on() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .script("s", "echo $$ > pid; sleep 300");
    let mut command = scenario.command();
    let mut running = command
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let pid_file = scenario.path().join("pid");
    let began = Instant::now();
    while std::fs::read_to_string(&pid_file)
        .unwrap_or_default()
        .is_empty()
    {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the submission never started"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
    let segarena = rustix::process::Pid::from_raw(running.id() as i32).unwrap();
    rustix::process::kill_process(segarena, rustix::process::Signal::INT).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    let mut said = String::new();
    std::io::Read::read_to_string(&mut running.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("the same command goes on"), "{said}");
    let pid = std::fs::read_to_string(pid_file).unwrap();
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists());
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
}

#[test]
fn a_run_interrupted_twice_ends_at_once_and_leaves_nothing_running() {
    use rustix::process::{Pid, Signal, kill_process};
    let script = "trap '' TERM INT; setsid sh -c 'echo $$ > stray; exec sleep 300' & \
                  sleep 300 & echo $! > child; echo $$ > pid; wait";
    let scenario = Scenario::new().case("phantom_perfect").script("s", script);
    let mut running = scenario
        .command()
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let read = |name: &str| std::fs::read_to_string(scenario.path().join(name)).unwrap_or_default();
    while ["stray", "child", "pid"]
        .iter()
        .any(|name| !read(name).ends_with('\n'))
    {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "it never started"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
    let segarena = Pid::from_raw(running.id() as i32).unwrap();
    // Two of one kind could arrive as one.
    kill_process(segarena, Signal::INT).unwrap();
    kill_process(segarena, Signal::TERM).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(1));
    for name in ["stray", "child", "pid"] {
        let process = std::path::Path::new("/proc").join(read(name).trim());
        let ended = Instant::now();
        while std::fs::read(process.join("cmdline")).is_ok_and(|line| !line.is_empty()) {
            assert!(
                ended.elapsed() < Duration::from_secs(20),
                "{name} is still there"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
