//! The numbers are the official ones: every click, every prediction, every metric.

mod arena;
mod oracle;

use arena::{Arena, fixtures, golden};
use oracle::compare_with_golden;

#[test]
fn the_stand_in_scores_what_the_official_script_says() {
    let arena = Arena::new().every_case().stand_in("stand_in");
    arena.evaluate().ends_with(3);
    compare_with_golden(&golden(), &arena.result("stand_in"), "stand_in");
    assert!(arena.left_behind().is_empty(), "{:?}", arena.left_behind());
}

#[test]
fn cases_side_by_side_give_the_same_files_in_the_same_order() {
    let one = Arena::new().every_case().stand_in("s");
    let four = Arena::new()
        .every_case()
        .stand_in("s")
        .arguments(&["--jobs", "4"]);
    one.evaluate().ends_with(3);
    four.evaluate().ends_with(3);
    compare_with_golden(&golden(), &four.result("s"), "s");
    let names = |arena: &Arena| -> Vec<String> {
        arena
            .table_rows("s")
            .iter()
            .map(|row| row["CaseName"].clone())
            .collect()
    };
    assert_eq!(names(&one), names(&four));
}

#[test]
fn the_python_model_scores_what_the_official_script_says() {
    let Some(python) = oracle::python_with_numpy() else {
        return;
    };
    let model = fixtures().join("model/predict.py");
    let arena = Arena::new().every_case().submission(
        "model",
        &[python.to_str().unwrap(), model.to_str().unwrap()],
    );
    arena.evaluate().ends_with(3);
    compare_with_golden(&golden(), &arena.result("model"), "model");
}

/// The whole set, with a full-size brain, where `SEGARENA_PARITY` says it is.
#[test]
fn the_whole_parity_set_scores_what_the_official_script_says() {
    let Some(set) = oracle::parity_set() else {
        return;
    };
    let Some(python) = oracle::python_with_numpy() else {
        return;
    };
    let model = set.join("model/predict.py");
    let mut arena = Arena::new().submission(
        "model",
        &[python.to_str().unwrap(), model.to_str().unwrap()],
    );
    let golden: serde_json::Value =
        serde_json::from_slice(&std::fs::read(set.join("golden.json")).unwrap()).unwrap();
    for (kind, flag) in [("imgs", "--images"), ("gts", "--ground-truth")] {
        arena = arena.arguments(&[flag, set.join(kind).to_str().unwrap()]);
    }
    arena.evaluate().ends_with(3);
    compare_with_golden(&golden, &arena.result("model"), "model");
}
