//! Files that real numpy writes, read here; files written here, read by real numpy.
#![allow(clippy::unwrap_used)]

mod environments;
mod ground_truths;
mod model_inputs;
mod predictions;
mod results;
mod texts;

use std::process::ExitCode;

use environments::ENVIRONMENTS;
use segarena_harness::{Tests, tests};

fn main() -> ExitCode {
    let tests = tests![
        ground_truths::ground_truths_written_by_numpy_are_read_with_their_labels,
        model_inputs::first_inputs_hold_the_image_but_not_the_ground_truth_for_every_numpy,
        model_inputs::click_inputs_hold_lists_and_letters_for_every_numpy,
        model_inputs::a_label_without_a_click_has_a_real_none_in_clicks_order,
        texts::text_prompts_of_every_numpy_are_read_by_every_numpy,
        predictions::predictions_written_by_numpy_are_read_as_numpy_casts_and_compares_them,
        results::results_are_read_by_every_numpy,
    ];
    Tests::default().with(&[&ENVIRONMENTS], tests).run()
}
