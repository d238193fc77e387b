//! A submission that is kept warm gives what it gives cold, bit for bit, from fewer starts.

use std::fs;

use serde_json::Value;

use crate::reproducible::results;
use crate::scenario::kills::{ends, is_alive, kill_again_and_again, start, written};
use crate::scenario::{ProgramOutput, Scenario, segarena};

/// Every case of the fixtures, run with this lifetime.
fn every_case(lifetime: &str) -> Scenario {
    let scenario = Scenario::new().every_case().stand_in("s");
    let scenario = scenario.arguments(&["--lifetime", lifetime]);
    scenario.evaluate().ends_with(3);
    scenario
}

fn records(scenario: &Scenario) -> Vec<Value> {
    let cases = scenario.run_record()["cases"].clone();
    let names = cases.as_array().unwrap().iter();
    names
        .map(|case| {
            let name = case["name"].as_str().unwrap();
            scenario.record("s", name.strip_suffix(".npz").unwrap())
        })
        .collect()
}

#[test]
fn warm_gives_what_cold_gives_bit_for_bit() {
    let cold = every_case("interaction");
    for lifetime in ["case", "run"] {
        let warm = every_case(lifetime);
        for (warm_case, cold_case) in records(&warm).iter().zip(records(&cold)) {
            assert_eq!(
                warm_case["predictions_sha256"],
                cold_case["predictions_sha256"]
            );
            assert_eq!(warm_case["lifetime"], lifetime);
            let scores = |record: &Value| -> Vec<Value> {
                let interactions = record["interactions"].as_array().unwrap();
                let scores = |one: &Value| [one["labels"].clone(), one["clicks"].clone()];
                interactions.iter().flat_map(scores).collect()
            };
            assert_eq!(scores(warm_case), scores(&cold_case));
        }
        assert_eq!(warm.run_record()["lifetime"], lifetime);
        assert!(warm.left_behind().is_empty(), "{:?}", warm.left_behind());
    }
}

/// Once, and once more after each failure.
#[test]
fn a_submission_is_started_once_and_once_more_after_each_failure() {
    for lifetime in ["case", "run"] {
        let warm = every_case(lifetime);
        let mut starts_again = true;
        for record in records(&warm) {
            starts_again |= lifetime == "case";
            for interaction in record["interactions"].as_array().unwrap() {
                if interaction["outcome"] == "skipped" {
                    continue;
                }
                let started = !interaction["load_seconds"].is_null();
                assert_eq!(started, starts_again, "{interaction}");
                starts_again = interaction["outcome"] != "ok";
            }
        }
    }
}

#[test]
fn what_failed_is_told_in_the_submissions_words() {
    let scenario = Scenario::new()
        .case("crash_at_click_2")
        .stand_in("s")
        .arguments(&["--lifetime", "case"]);
    scenario.evaluate().ends_with(3);
    let record = scenario.record("s", "crash_at_click_2");
    let failed = &record["interactions"][2];
    assert_eq!(failed["outcome"], "failed");
    let reason = failed["reason"].as_str().unwrap();
    assert_eq!(reason, "deliberate failure on crash_at_click_2.npz");
}

#[test]
fn warm_results_are_not_mixed_with_cold_ones() {
    let scenario = Scenario::new()
        .case("micro_tiny_objects")
        .stand_in("coldteam");
    scenario.evaluate().ends_with(0);
    let scenario = scenario.arguments(&["--lifetime", "case"]);
    let refused = "the lifetime was interaction, now it is case";
    scenario.evaluate().ends_with(1).says(&[refused]);

    // Nor does another submission go beside them, where the two would be ranked together.
    let config = fs::read_to_string(scenario.path().join("config.toml")).unwrap();
    let config = config.replace("coldteam", "warmteam");
    let config = config.replace("\"process\"", "\"process\"\nlifetime = \"case\"");
    fs::write(scenario.path().join("warm.toml"), config).unwrap();
    segarena(scenario.path(), &["evaluate", "-c", "warm.toml"])
        .ends_with(1)
        .says(&["results of submission `coldteam`", refused]);
    segarena(
        scenario.path(),
        &["evaluate", "-c", "warm.toml", "-o", "warm"],
    )
    .ends_with(0);
    let page = fs::read_to_string(scenario.path().join("warm/report.html")).unwrap();
    assert!(page.contains("once for each case and kept warm"));
}

#[test]
fn a_warm_run_goes_on_where_it_was() {
    let cold = every_case("interaction");
    for lifetime in ["case", "run"] {
        let scenario = Scenario::new().every_case().stand_in("s");
        let scenario = scenario.arguments(&["--lifetime", lifetime]);
        let mut first = scenario.command();
        ProgramOutput::of(first.args(["--first", "2"]).output().unwrap());
        assert_eq!(records(&scenario).len(), 2);
        let finished = records(&scenario);
        scenario.evaluate().ends_with(3);
        let all = records(&scenario);
        assert_eq!(all[..2], finished);
        for (warm, cold) in all.iter().zip(records(&cold)) {
            assert_eq!(warm["predictions_sha256"], cold["predictions_sha256"]);
        }
    }
}

#[test]
fn a_lifetime_that_is_none_is_refused_with_those_there_are() {
    let scenario = Scenario::new().case("micro_tiny_objects").stand_in("s");
    let scenario = scenario.arguments(&["--lifetime", "forever"]);
    scenario
        .evaluate()
        .ends_with(2)
        .says(&["interaction, case, run"]);
}

#[test]
fn a_warm_run_killed_at_any_point_ends_with_the_files_of_an_undisturbed_one() {
    for lifetime in ["case", "run"] {
        let undisturbed = every_case(lifetime);
        let scenario = Scenario::new().every_case().stand_in("s");
        let scenario = scenario.arguments(&["--lifetime", lifetime]);
        let kills = kill_again_and_again(&scenario, 300, 12);
        scenario.evaluate().ends_with(3);
        assert!(kills >= 1, "killed only {kills} times");
        assert_eq!(results(&scenario), results(&undisturbed), "{lifetime}");
        assert!(scenario.left_behind().is_empty());
    }
}

#[test]
fn a_submission_that_is_kept_warm_does_not_outlive_a_killed_run() {
    let script = "echo '{\"segarena\": \"ready\"}'; read -r line; setsid sleep 300 & echo $! > stray; \
                  echo $$ > pid; read -r line; sleep 300";
    for lifetime in ["case", "run"] {
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .script("s", script)
            .arguments(&["--lifetime", lifetime]);
        let mut run = start(&scenario);
        let processes = ["stray", "pid"].map(|name| written(&scenario.path().join(name)));
        assert!(processes.iter().all(|pid| is_alive(pid)));
        run.kill().unwrap();
        run.wait().unwrap();
        for pid in &processes {
            ends(pid);
        }
    }
}
