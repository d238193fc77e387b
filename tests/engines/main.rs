//! Submissions on real engines: the official numbers, endings, limits, and nothing left behind.
//!
//! Where an engine is not there its tests say that they are skipped, unless `SEGARENA_REQUIRE`
//! names it; `tests/engines/setup.sh` installs what is missing on Debian.

#![allow(clippy::unwrap_used)]

#[path = "../arena/mod.rs"]
mod arena;
mod crashes;
mod endings;
#[path = "../engine/mod.rs"]
mod engine;
#[path = "../image/mod.rs"]
mod image;
mod leftovers;
mod limits;
mod messages;
#[path = "../oracle/mod.rs"]
mod oracle;
mod scores;
mod sockets;

use std::process::{Child, Command};
use std::sync::PoisonError;

use arena::{Arena, Ran, golden};
use engine::{DOCKER, Engine, PODMAN, PODMAN_ROOTLESS};
use image::{image, shell_image, write_gzipped};
use oracle::compare_with_golden;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// One test for every engine.
macro_rules! on_every_engine {
    ($($file:ident::$test:ident)*) => {
        $(mod $test {
            #[test]
            fn on_docker() { super::run(super::engine::DOCKER, super::$file::$test); }
            #[test]
            fn on_podman() { super::run(super::engine::PODMAN, super::$file::$test); }
            #[test]
            fn on_docker_as_an_ordinary_user() { super::run(super::engine::DOCKER_GROUP, super::$file::$test); }
            #[test]
            fn on_podman_5() { super::run(super::engine::PODMAN_5, super::$file::$test); }
            #[test]
            fn on_rootless_podman() { super::run(super::engine::PODMAN_ROOTLESS, super::$file::$test); }
        })*
    };
}

on_every_engine! {
    scores::an_archive_scores_what_the_official_script_says_and_leaves_nothing
    scores::state_lasts_for_a_case_and_no_longer
    scores::a_container_sees_its_two_folders_and_no_ground_truth
    endings::endings_are_told_apart
    endings::an_image_without_the_script_says_what_is_missing
    leftovers::a_killed_run_is_swept_by_the_next_one
    leftovers::a_run_killed_while_it_loads_leaves_nothing_after_the_next_one
    leftovers::an_interrupted_run_leaves_nothing_with_the_engine
    leftovers::an_image_that_was_there_before_stays
    leftovers::an_image_that_is_to_be_kept_stays
    leftovers::every_image_of_an_archive_goes_with_the_run
    leftovers::two_runs_of_one_archive_leave_each_other_alone
    leftovers::a_volume_that_the_image_declares_goes_with_its_container
    limits::the_doctor_proves_each_limit_or_says_that_it_cannot_be_had
    limits::a_limit_that_cannot_hold_stops_the_run_unless_it_is_allowed_to
    limits::strict_isolation_takes_away_capabilities_and_the_root
    limits::graphics_cards_that_cannot_be_had_stop_the_run
    messages::an_archive_that_cannot_be_run_says_why
    messages::an_engine_that_is_not_there_is_told_with_what_to_do
}

fn run(engine: Engine, test: fn(Engine)) {
    let _mine = engine.turn.lock().unwrap_or_else(PoisonError::into_inner);
    if engine.answers() {
        test(engine);
    }
}

/// An arena with one small case, a box and a click.
fn small(engine: Engine, more: &str) -> Arena {
    engine
        .arena(more)
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
}

/// The lines of a submission's table that make it run this script.
fn command(script: &str) -> String {
    let argv = Value::from(vec!["/bin/sh", "-c", script]);
    format!("command = {argv}\nenv = {{ CASE = \"{{case}}\" }}")
}

/// Waits for an evaluation that was let run, and checks its exit status.
#[track_caller]
fn ends_with(running: &mut Child, status: i32, arena: &Arena) {
    let ended = running.wait().unwrap();
    let said = std::fs::read_to_string(arena.path().join("said")).unwrap();
    assert_eq!(ended.code(), Some(status), "{said}");
}

/// Runs a script as a submission with these further lines of `[backend]`, and gives what it
/// printed at its first interaction.
#[track_caller]
fn printed_by(script: &str, engine: Engine, more: &str, name: &str) -> String {
    let arena = small(engine, more).archive("team", "team.tar", &command(script));
    let tar = image(name).to_tar().unwrap();
    std::fs::write(arena.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&arena).ends_with(0);
    let log = arena.result("team/logs/micro_tiny_objects.1.log");
    std::fs::read_to_string(log).unwrap()
}
