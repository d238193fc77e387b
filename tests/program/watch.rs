//! The report of a run that is under way.

use std::fs;
use std::process::{Command, Stdio};

use crate::scenario::kills::{start, wait_for};
use crate::scenario::{PROGRAM, Scenario};

#[test]
fn a_watched_page_follows_the_run_and_ends_with_it() {
    let scenario = Scenario::new()
        .case_as("micro_tiny_objects", "a")
        .case_as("micro_tiny_objects", "b");
    let go = scenario.path().join("go");
    // On the second case it waits until it may go on.
    let held = format!(
        "while [ -e \"$INPUTS/b.npz\" ] && [ ! -e '{}' ]; do sleep 0.05; done\nstand_in",
        go.display()
    );
    let scenario = scenario.script("held", &held);
    let mut run = start(&scenario);
    wait_for(&scenario.result("held/a.json"));
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
