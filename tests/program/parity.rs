//! The numbers are the official ones: every click, every prediction, every metric.

use crate::golden::{compare_with_golden, golden};
use crate::scenario::Scenario;

#[test]
fn the_stand_in_scores_what_the_official_script_says() {
    let scenario = Scenario::new().every_case().stand_in("stand_in");
    scenario.evaluate().ends_with(3);
    compare_with_golden(&golden(), &scenario.result("stand_in"), "stand_in");
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
}

#[test]
fn cases_side_by_side_give_the_same_files_in_the_same_order() {
    let one = Scenario::new().every_case().stand_in("s");
    let four = Scenario::new()
        .every_case()
        .stand_in("s")
        .arguments(&["--jobs", "4"]);
    one.evaluate().ends_with(3);
    four.evaluate().ends_with(3);
    compare_with_golden(&golden(), &four.result("s"), "s");
    let names = |scenario: &Scenario| -> Vec<String> {
        scenario
            .table_rows("s")
            .iter()
            .map(|row| row["CaseName"].clone())
            .collect()
    };
    assert_eq!(names(&one), names(&four));
}
