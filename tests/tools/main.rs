//! What needs a tool that a machine may lack: Python, a browser, a C compiler, the parity set.
#![allow(clippy::unwrap_used)]

mod assignment;
mod browser;
mod faults;
#[path = "../golden/mod.rs"]
mod golden;
mod labels;
mod new;
mod nifti;
mod parity;
mod python;
mod report;
#[path = "../reproducible/mod.rs"]
mod reproducible;
#[path = "../scenario/mod.rs"]
mod scenario;
mod shared_folder;
mod slurm;

use std::process::ExitCode;

use browser::BROWSER;
use faults::C_COMPILER;
use golden::PARITY_SET;
use nifti::NIFTI;
use python::{PYTHON, SCIPY};
use segarena_harness::{Tests, tests};
use shared_folder::HOSTS;
use slurm::SLURM;

fn main() -> ExitCode {
    Tests::default()
        .with(
            &[&PYTHON],
            tests![
                parity::the_python_model_scores_what_the_official_script_says,
                labels::labels_that_are_no_whole_numbers_are_warned_about,
                new::a_new_submission_is_valid_and_runs_as_it_is_written,
                new::a_new_submission_to_the_text_track_is_valid_and_scores_as_its_readme_says,
                new::a_new_submission_stays_as_it_is_when_it_is_there_already,
                new::a_new_submission_answers_warm_what_it_answers_cold,
                new::a_new_submission_passes_over_files_that_are_no_cases,
            ],
        )
        .with(
            &[&SCIPY],
            tests![assignment::assignments_cost_what_scipys_cost],
        )
        .with(
            &[&PARITY_SET, &PYTHON],
            tests![parity::the_whole_parity_set_scores_what_the_official_script_says],
        )
        .with(
            &[&PARITY_SET],
            tests![
                parity::a_run_of_the_whole_parity_set_killed_at_any_point_ends_with_the_official_results,
            ],
        )
        .with(
            &[&BROWSER],
            tests![
                report::tables_sort_and_filter_and_cases_step_with_mouse_and_keyboard,
                report::the_page_fits_a_phone_and_a_desk_in_light_dark_and_on_paper,
                report::the_heatmap_is_walked_by_keys_and_opens_pictures,
                report::tables_and_curves_are_over_the_cases_that_are_chosen,
                report::four_submissions_print_on_few_pages_with_their_headings,
                report::one_submission_has_its_own_page,
                report::a_killed_run_has_a_page_that_says_so,
                report::fifty_submissions_of_a_hundred_cases_stay_usable,
            ],
        )
        .with(
            &[&NIFTI],
            tests![
                nifti::files_of_every_type_are_imported_and_exported_as_nibabel_and_simpleitk_read_them,
                nifti::real_images_are_imported_and_exported_as_nibabel_and_simpleitk_read_them,
            ],
        )
        .with(
            &[&C_COMPILER],
            tests![
                faults::a_disk_that_fails_at_any_write_stops_the_run_and_the_next_one_goes_on,
                faults::a_disk_that_cannot_be_read_is_never_held_against_the_submission,
            ],
        )
        .with(
            &[&HOSTS],
            tests![
                shared_folder::shards_on_hosts_that_see_each_other_late_neither_lock_nor_touch_what_is_another_s,
                shared_folder::a_word_of_a_shard_that_is_replaced_while_it_is_read_is_read_again,
            ],
        )
        .with(
            &[&SLURM],
            tests![
                slurm::an_evaluation_disturbed_in_every_way_ends_with_the_files_of_an_undisturbed_one,
                slurm::a_data_set_that_is_not_in_order_stops_all_before_a_shard_begins,
            ],
        )
        .run()
}
