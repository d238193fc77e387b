//! The report of a run that is under way.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::scenario::kills::{start, wait_for};
use crate::scenario::{PROGRAM, Scenario, segarena};

/// A submission that does the case `a`, leaves a file `began` when it is at `b`, and does that when
/// the file is there.
fn held() -> (Scenario, PathBuf) {
    let scenario = Scenario::new()
        .case_as("micro_tiny_objects", "a")
        .case_as("micro_tiny_objects", "b");
    let go = scenario.path().join("go");
    let script = format!(
        "if [ -e \"$INPUTS/b.npz\" ]; then\n\
         touch '{}'\n\
         while [ ! -e '{}' ]; do sleep 0.05; done\n\
         fi\nstand_in",
        scenario.path().join("began").display(),
        go.display()
    );
    (scenario.script("held", &script), go)
}

#[test]
fn a_watched_page_follows_the_run_and_ends_with_it() {
    let (scenario, go) = held();
    let mut run = start(&scenario);
    wait_for(&scenario.path().join("began"));
    let watch = Command::new(PROGRAM)
        .args(["report", "out", "--watch"])
        .current_dir(scenario.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let page = scenario.result("report.html");
    wait_for(&page);
    let under_way = fs::read_to_string(&page).unwrap();
    for text in [
        "The run is not over",
        "1 of 2 cases",
        "Running now: b of held",
        "may end at",
    ] {
        assert!(under_way.contains(text), "no `{text}`");
    }
    fs::write(go, "").unwrap();
    let watched = watch.wait_with_output().unwrap();
    assert!(watched.status.success(), "{watched:?}");
    assert!(run.wait().unwrap().success());
    let over = fs::read_to_string(&page).unwrap();
    assert!(!over.contains("The run is not over"));
}

#[test]
fn a_report_of_shards_under_way_shows_what_is_finished_and_who_goes_on() {
    let (scenario, go) = held();
    let scenario = scenario.arguments(&["--shard", "0/1"]);
    let mut shard = start(&scenario);
    wait_for(&scenario.path().join("began"));
    segarena(scenario.path(), &["report", "out"]).ends_with(0);
    let page = scenario.result("report.html");
    let under_way = fs::read_to_string(&page).unwrap();
    for text in [
        "The run is not over",
        "1 of 2 cases",
        "Shards that run now: 0/1 on",
    ] {
        assert!(under_way.contains(text), "no `{text}`");
    }
    fs::write(go, "").unwrap();
    assert!(shard.wait().unwrap().success());
    segarena(scenario.path(), &["report", "out"]).ends_with(0);
    let over = fs::read_to_string(&page).unwrap();
    assert!(!over.contains("The run is not over"));
}
