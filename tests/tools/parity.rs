//! The numbers are the official ones, with the official script's own model, and on the whole set.

use crate::golden::{compare_with_golden, golden, golden_of, parity_set};
use crate::python::python_with_numpy;
use crate::reproducible::results;
use crate::scenario::kills::kill_again_and_again;
use crate::scenario::{Scenario, fixtures};

pub(crate) fn the_python_model_scores_what_the_official_script_says() {
    let python = python_with_numpy();
    let model = fixtures().join("model/predict.py");
    let scenario = Scenario::new().every_case().submission(
        "model",
        &[python.to_str().unwrap(), model.to_str().unwrap()],
    );
    scenario.evaluate().ends_with(3);
    compare_with_golden(&golden(), &scenario.result("model"), "model");
}

/// The whole set, with a full-size brain, where `SEGARENA_PARITY` says it is.
pub(crate) fn the_whole_parity_set_scores_what_the_official_script_says() {
    let set = parity_set();
    let python = python_with_numpy();
    let model = set.join("model/predict.py");
    let mut scenario = Scenario::new().submission(
        "model",
        &[python.to_str().unwrap(), model.to_str().unwrap()],
    );
    let golden = golden_of(&set);
    for (kind, flag) in [("imgs", "--images"), ("gts", "--ground-truth")] {
        scenario = scenario.arguments(&[flag, set.join(kind).to_str().unwrap()]);
    }
    scenario.evaluate().ends_with(3);
    compare_with_golden(&golden, &scenario.result("model"), "model");
}

/// The same on the whole set, with a full-size brain, where `SEGARENA_PARITY` says it is.
pub(crate) fn a_run_of_the_whole_parity_set_killed_at_any_point_ends_with_the_official_results() {
    let set = parity_set();
    let golden = golden_of(&set);
    let scenario = || {
        let mut scenario = Scenario::new().stand_in("s").arguments(&["--jobs", "2"]);
        for (kind, flag) in [("imgs", "--images"), ("gts", "--ground-truth")] {
            scenario = scenario.arguments(&[flag, set.join(kind).to_str().unwrap()]);
        }
        scenario
    };
    let undisturbed = scenario();
    undisturbed.evaluate().ends_with(3);
    let scenario = scenario();
    kill_again_and_again(&scenario, 2000, 12);
    scenario.evaluate().ends_with(3);
    assert_eq!(results(&scenario), results(&undisturbed));
    compare_with_golden(&golden, &scenario.result("s"), "s");
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
}
