//! Submissions on real engines: the official numbers, endings, limits, and nothing left behind.
//!
//! Where an engine is not there its tests are ignored, unless `SEGARENA_REQUIRE` names it;
//! `tests/engines/setup.sh` installs what is missing on Debian.

#![allow(clippy::unwrap_used)]

mod apptainer;
mod archives;
mod crashes;
mod endings;
#[path = "../engine/mod.rs"]
mod engine;
mod folders;
#[path = "../golden/mod.rs"]
mod golden;
#[path = "../image/mod.rs"]
mod image;
mod leftovers;
mod limits;
mod messages;
mod new;
#[path = "../reproducible/mod.rs"]
mod reproducible;
#[path = "../scenario/mod.rs"]
mod scenario;
mod scores;
mod shards;
mod sockets;
mod storage;
mod taking_over;
mod unstartable;
mod validate;
mod warm;

use std::process::{Child, Command, ExitCode};

use engine::{
    APPTAINER, DOCKER, DOCKER_GROUP, Engine, PLAIN_USER, PODMAN, PODMAN_5, PODMAN_ROOTLESS,
};
use golden::{
    PARITY_SET, compare_text_with_golden, compare_with_golden, golden, golden_of, parity_set,
    text_set,
};
use image::{image, shell_image, write_gzipped};
use rustix::process::{Pid, Signal, kill_process};
use scenario::{ProgramOutput, Scenario};
use segarena_harness::{Tests, tests};
use serde_json::Value;

/// A test that runs on each engine.
macro_rules! on_every_engine {
    ($($module:ident::$test:ident,)*) => {
        [$((concat!(stringify!($module), "::", stringify!($test)), $module::$test as fn(Engine))),*]
    };
}

fn main() -> ExitCode {
    let everywhere = on_every_engine![
        scores::an_archive_scores_what_the_official_script_says_and_leaves_nothing,
        scores::an_archive_on_the_text_track_scores_what_the_official_script_says,
        scores::state_lasts_for_a_case_and_no_longer,
        scores::a_container_sees_its_two_folders_and_no_ground_truth,
        endings::endings_are_told_apart,
        endings::an_image_without_the_script_says_what_is_missing,
        leftovers::a_killed_run_is_swept_by_the_next_one,
        leftovers::a_run_killed_while_it_loads_leaves_nothing_after_the_next_one,
        leftovers::an_interrupted_run_leaves_nothing_with_the_engine,
        leftovers::an_image_that_was_there_before_stays,
        leftovers::an_image_that_is_to_be_kept_stays,
        leftovers::every_image_of_an_archive_goes_with_the_run,
        leftovers::two_runs_of_one_archive_leave_each_other_alone,
        leftovers::a_volume_that_the_image_declares_goes_with_its_container,
        archives::a_name_that_stood_before_an_archive_came_stands_after_it,
        archives::an_image_that_the_user_builds_meanwhile_stays,
        archives::an_archive_that_holds_too_much_is_its_submissions_failure,
        archives::an_archive_that_takes_too_long_is_its_submissions_failure,
        limits::the_doctor_proves_each_limit_or_says_that_it_cannot_be_had,
        limits::a_limit_that_cannot_hold_stops_the_run_unless_it_is_allowed_to,
        limits::strict_isolation_takes_away_capabilities_and_the_root,
        limits::graphics_cards_that_cannot_be_had_stop_the_run,
        taking_over::files_are_taken_over_by_nothing_of_the_image_and_without_special_bits,
        unstartable::images_that_cannot_be_started_are_their_submissions_failure,
        messages::an_archive_that_cannot_be_run_says_why,
        messages::an_engine_that_is_not_there_is_told_with_what_to_do,
    ];
    let mut tests = Tests::default();
    for (name, test) in everywhere {
        for engine in [DOCKER, PODMAN, DOCKER_GROUP, PODMAN_5, PODMAN_ROOTLESS] {
            let name = format!("{name}::on_{}", engine.name);
            tests = tests.with_one(name, &[engine.requirement], move || {
                let _mine = engine.lock();
                test(engine);
                Ok(())
            });
        }
    }
    for engine in [
        DOCKER,
        DOCKER_GROUP,
        PODMAN,
        PODMAN_5,
        PODMAN_ROOTLESS,
        APPTAINER,
    ] {
        for (name, test) in on_every_engine![
            warm::kept_for_a_case_it_scores_what_the_official_script_says,
            warm::kept_for_a_run_it_scores_what_the_official_script_says,
        ] {
            let name = format!("{name}::on_{}", engine.name);
            let mut needs = vec![engine.requirement];
            if !warm::ALWAYS.iter().any(|always| *always == name) {
                needs.push(&warm::EVERYWHERE);
            }
            tests = tests.with_one(name, &needs, move || {
                let _mine = engine.lock();
                test(engine);
                Ok(())
            });
        }
    }
    for engine in [PODMAN, PODMAN_5, PODMAN_ROOTLESS] {
        let name = "folders::a_root_nested_deeper_than_podman_removes_costs_one_submission";
        let name = format!("{name}::on_{}", engine.name);
        tests = tests.with_one(name, &[engine.requirement], move || {
            let _mine = engine.lock();
            folders::a_root_nested_deeper_than_podman_removes_costs_one_submission(engine);
            Ok(())
        });
    }
    tests
        .with(
            &[APPTAINER.requirement],
            tests![
                apptainer::a_gzipped_archive_scores_what_the_official_script_says_from_a_sandbox,
                apptainer::a_gzipped_archive_scores_what_the_official_script_says_from_a_sif_where_one_can_be_mounted,
                apptainer::an_archive_on_the_text_track_scores_what_the_official_script_says,
                apptainer::a_container_sees_its_two_folders_and_nothing_of_the_host,
                apptainer::what_a_submission_writes_beside_its_outputs_is_its_own_and_goes,
                apptainer::endings_are_told_apart,
                apptainer::a_program_that_is_not_there_is_told_as_a_shell_would,
                apptainer::memory_that_runs_out_in_a_job_is_told_from_any_other_kill,
                apptainer::a_limit_that_cannot_hold_stops_the_run_unless_it_is_allowed_to,
                apptainer::the_doctor_proves_each_limit_or_says_that_it_cannot_be_had,
                apptainer::a_killed_run_leaves_no_process,
                apptainer::what_a_killed_run_left_in_tmp_is_swept_by_the_next_one,
                apptainer::a_run_killed_while_it_converts_leaves_nothing_after_the_next_one,
                apptainer::a_sif_file_and_a_sandbox_folder_are_images_by_their_paths,
                apptainer::what_is_wrong_with_an_image_is_told_with_what_to_do,
                apptainer::validate_tries_an_image_and_says_that_root_is_not_root,
                shards::shards_on_apptainer_run_the_images_that_were_converted_once_before,
            ],
        )
        .with(
            &[PLAIN_USER.requirement],
            tests![
                folders::folders_that_cannot_be_put_in_order_cost_one_interaction,
                folders::what_a_submission_of_roots_mounts_and_freezes_is_cleared_away_and_not_followed,
                folders::a_disk_that_a_submission_fills_is_emptied_before_anything_else_is_written,
                folders::a_disk_that_is_full_without_a_submission_stops_the_run,
            ],
        )
        .with(
            &[PLAIN_USER.requirement, DOCKER_GROUP.requirement],
            tests![folders::a_submission_kept_for_a_run_cannot_lock_the_next_case_out],
        )
        .with(
            &[DOCKER.requirement],
            tests![
                crashes::a_docker_that_crashes_and_comes_back_costs_time_and_leaves_nothing,
                crashes::a_docker_that_is_stopped_and_comes_back_costs_time_and_leaves_nothing,
                new::a_new_submission_builds_and_runs_as_an_image,
                validate::an_archive_is_loaded_described_run_and_removed,
                shards::shards_on_docker_give_what_plain_processes_do_and_leave_nothing,
            ],
        )
        .with(
            &[&PARITY_SET],
            tests![warm::a_plain_process_kept_warm_scores_what_the_official_script_says_of_the_whole_set],
        )
        .with(
            &[DOCKER.requirement, PODMAN_ROOTLESS.requirement],
            tests![messages::without_the_right_to_use_docker_the_group_is_named],
        )
        .with(
            &[PODMAN_ROOTLESS.requirement, &storage::BINDFS],
            tests![
                storage::a_home_on_a_file_server_gets_no_images_and_the_run_has_its_own,
                storage::an_image_that_only_the_home_on_a_file_server_has_is_missed_with_the_reason,
                storage::a_killed_run_s_own_images_and_containers_are_removed_by_the_next_run,
                storage::a_runtime_folder_that_is_not_ours_is_done_without_where_podman_can,
            ],
        )
        .with(
            &[PODMAN.requirement],
            tests![
                crashes::a_service_of_ours_that_dies_is_started_again,
                messages::an_archive_that_finds_no_room_is_told_from_a_bad_one,
                messages::a_full_disk_is_told_from_a_bad_archive,
                sockets::a_service_that_runs_already_is_used_and_left_running,
            ],
        )
        .run()
}

/// The official results and a scenario with their cases: the whole set where it is, else the part of
/// it that the fixtures hold.
fn official_cases(engine: Engine) -> (Value, Scenario) {
    if PARITY_SET.is_there() {
        let set = parity_set();
        (golden_of(&set), engine.scenario("").every_case_of(&set))
    } else {
        (golden(), engine.scenario("").every_case())
    }
}

/// A scenario with one small case, a box and a click.
fn small(engine: Engine, more: &str) -> Scenario {
    engine
        .scenario(more)
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
fn ends_with(running: &mut Child, status: i32, scenario: &Scenario) {
    let ended = running.wait().unwrap();
    let said = std::fs::read_to_string(scenario.path().join("said")).unwrap();
    assert_eq!(ended.code(), Some(status), "{said}");
}

/// Runs a script as a submission with these further lines of `[backend]`, and gives what it
/// printed at its first interaction.
#[track_caller]
fn printed_by(script: &str, engine: Engine, more: &str, name: &str) -> String {
    let scenario = small(engine, more).archive("team", "team.tar", &command(script));
    let tar = image(name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(0);
    let log = scenario.result("team/logs/micro_tiny_objects.1.log");
    std::fs::read_to_string(log).unwrap()
}
