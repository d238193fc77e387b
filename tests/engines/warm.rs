//! A submission that is kept warm on an engine: the official numbers, from fewer starts.

use std::fs;

use segarena_harness::Requirement;

use super::*;

/// Those that are always tried: each lifetime, and each kind of engine, once or twice.
pub(crate) const ALWAYS: [&str; 4] = [
    "warm::kept_for_a_case_it_scores_what_the_official_script_says::on_docker",
    "warm::kept_for_a_run_it_scores_what_the_official_script_says::on_podman-rootless",
    "warm::kept_for_a_case_it_scores_what_the_official_script_says::on_apptainer",
    "warm::kept_for_a_run_it_scores_what_the_official_script_says::on_apptainer",
];

/// That there is time for the others as well.
pub(crate) static EVERYWHERE: Requirement =
    Requirement::new("warm-everywhere", || match std::env::var_os(VARIABLE) {
        Some(_) => Ok(()),
        None => Err(format!("takes some minutes more: {VARIABLE}=1 tries it")),
    });

const VARIABLE: &str = "SEGARENA_WARM_EVERYWHERE";

/// Says of each start that it is one.
const COUNTED: &str = "echo started; exec stand_in";

pub(crate) fn kept_for_a_case_it_scores_what_the_official_script_says(engine: Engine) {
    official_results_while_kept_for("case", engine);
}

pub(crate) fn kept_for_a_run_it_scores_what_the_official_script_says(engine: Engine) {
    official_results_while_kept_for("run", engine);
}

fn official_results_while_kept_for(lifetime: &str, engine: Engine) {
    let name = format!("warm_{lifetime}_{}", engine.name);
    let (golden, scenario) = official_cases(engine);
    let scenario = scenario.arguments(&["--lifetime", lifetime]).archive(
        "team",
        "team.tar",
        &command(COUNTED),
    );
    let tar = image(&name).to_tar().unwrap();
    fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(3);
    results_are_official_and_starts_few(&golden, lifetime, &scenario);
    // Apptainer's image stays, with names of its own in it.
    if engine.kind == APPTAINER.kind {
        assert!(!scenario.result(".segarena/work").exists());
    } else {
        assert_eq!(engine.left(&name), "");
        nothing_is_left_behind(&scenario);
    }
}

pub(crate) fn a_plain_process_kept_warm_scores_what_the_official_script_says_of_the_whole_set() {
    let golden = golden_of(&parity_set());
    for lifetime in ["case", "run"] {
        let scenario = Scenario::new()
            .every_case_of(&parity_set())
            .arguments(&["--lifetime", lifetime])
            .script("team", "echo started; stand_in");
        scenario.evaluate().ends_with(3);
        results_are_official_and_starts_few(&golden, lifetime, &scenario);
        nothing_is_left_behind(&scenario);
    }
}

fn results_are_official_and_starts_few(golden: &Value, lifetime: &str, scenario: &Scenario) {
    compare_with_golden(golden, &scenario.result("team"), "team");
    starts_once_and_once_more_after_each_failure(lifetime, scenario);
}

fn nothing_is_left_behind(scenario: &Scenario) {
    let left_behind = scenario.left_behind();
    assert!(left_behind.is_empty(), "{left_behind:?}");
}

/// What the submission said of its starts, interaction by interaction, and what the record did.
fn starts_once_and_once_more_after_each_failure(lifetime: &str, scenario: &Scenario) {
    let mut starts_again = true;
    for case in scenario.run_record()["cases"].as_array().unwrap() {
        let case = case["name"].as_str().unwrap().trim_end_matches(".npz");
        starts_again |= lifetime == "case";
        let record = scenario.record("team", case);
        for interaction in record["interactions"].as_array().unwrap() {
            if interaction["outcome"] == "skipped" {
                continue;
            }
            let index = &interaction["index"];
            let log = scenario.result(&format!("team/logs/{case}.{index}.log"));
            let log = fs::read_to_string(log).unwrap();
            let starts = log.lines().filter(|line| *line == "started").count();
            assert_eq!(starts, usize::from(starts_again), "{case} {index}: {log}");
            let loaded = !interaction["load_seconds"].is_null();
            assert_eq!(loaded, starts_again, "{case} {index}: {interaction}");
            starts_again = interaction["outcome"] != "ok";
        }
    }
}
