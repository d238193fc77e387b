//! While a submission is timed, nothing of ours competes with it.

use crate::scenario::Scenario;

/// Processor time of the submission's parent, in hundredths of a second as Linux counts them, at
/// the beginning and the end of half a second.
const WATCHFUL: &str = r#"
ticks() { awk '{ print $14 + $15 }' "/proc/$PPID/stat"; }
before=$(ticks)
sleep 0.5
echo "ticks: $(($(ticks) - before))"
stand_in
"#;

#[test]
fn nothing_is_computed_while_a_submission_runs() {
    let scenario = Scenario::new()
        .case("micro_tiny_objects")
        .script("watchful", WATCHFUL);
    scenario.evaluate().ends_with(0);
    let record = scenario.record("watchful", "micro_tiny_objects");
    let interactions = record["interactions"].as_array().unwrap();
    assert_eq!(interactions.len(), 6);
    for interaction in interactions {
        let said = interaction["stdout_tail"].as_str().unwrap();
        let ticks = said.trim().strip_prefix("ticks: ").unwrap();
        // A wink is left for watching over the child.
        assert!(ticks.parse::<u32>().unwrap() <= 5, "{interaction}");
    }
}
