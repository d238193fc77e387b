//! The text-prompt track: the numbers are the official ones.

use segarena_core::npz::read_saved_segs;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::golden::golden_of;
use crate::scenario::{Scenario, fixtures, segarena};

fn scenario() -> Scenario {
    Scenario::new()
        .every_case_of(&fixtures().join("text-parity"))
        .stand_in("s")
}

#[track_caller]
fn same(ours: &Value, official: &Value, what: &str) {
    match (ours.as_f64(), official.as_f64()) {
        (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-9, "{what}: {a} is not {b}"),
        _ => assert_eq!(ours, official, "{what}"),
    }
}

#[test]
fn the_stand_in_scores_what_the_official_script_says() {
    let scenario = scenario().arguments(&["--track", "cvpr25-text"]);
    scenario.evaluate().ends_with(3);
    let golden = golden_of(&fixtures().join("text-parity"));
    let rows = scenario.table_rows("s");
    assert_eq!(rows.len(), golden.as_object().unwrap().len());
    for row in rows {
        let case = row["CaseName"].as_str();
        let official = &golden[case];
        let record = scenario.record("s", case.strip_suffix(".npz").unwrap());
        assert_eq!(record["labels"], official["labels"], "{case}");
        let interaction = &record["interactions"][0];
        assert_eq!(interaction["prompt"], "text", "{case}");
        if official["table"].is_null() {
            // The script gives up here; the case keeps its row, with zeros where its kind has any.
            assert_eq!((row["DSC"].as_str(), row["NSD"].as_str()), ("0.0", "0.0"));
            assert_eq!((row["F1"].as_str(), row["DSC_TP"].as_str()), ("", ""));
            assert_eq!(interaction["outcome"], "exit");
            continue;
        }
        for (name, expected) in official["table"].as_object().unwrap() {
            let ours = row[name].parse::<f64>().map_or(Value::Null, Value::from);
            same(&ours, expected, &format!("{case} {name}"));
        }
        for (name, expected) in official["exact"].as_object().unwrap() {
            let ours = &interaction["scores"][name];
            same(ours, expected, &format!("{case} {name}"));
        }
        let mut saved = read_saved_segs(&scenario.result("s").join(case)).unwrap();
        let bytes: Vec<u8> = saved.next().unwrap().unwrap().iter().copied().collect();
        let hash = hex::encode(Sha256::digest(&bytes));
        assert_eq!(hash, official["segs_sha256"], "{case}");
    }
    let run = scenario.run_record();
    assert_eq!(run["track"], "cvpr25-text@1");
    let output = scenario.result("s");
    let output = output.parent().unwrap().to_str().unwrap();
    segarena(scenario.path(), &["rescore", output]).ends_with(0);
}

#[test]
fn what_was_counted_of_instances_can_be_followed() {
    let scenario = scenario().arguments(&[
        "--track",
        "cvpr25-text",
        "--case",
        "lesions_binary_prediction",
    ]);
    scenario.evaluate().ends_with(0);
    let record = scenario.record("s", "lesions_binary_prediction");
    let counted = &record["interactions"][0]["instances"];
    let number = |name: &str| counted[name].as_u64().unwrap();
    let pairs = counted["pairs"].as_array().unwrap();
    assert_eq!(number("true_positives"), pairs.len() as u64);
    assert_eq!(
        number("false_negatives"),
        number("truth_instances") - number("true_positives")
    );
    let dice: f64 = pairs.iter().map(|pair| pair["dsc"].as_f64().unwrap()).sum();
    let mean = counted["dsc_tp"].as_f64().unwrap();
    assert!((dice / pairs.len() as f64 - mean).abs() < 1e-12);
}

#[test]
fn an_image_without_text_prompts_is_named_before_anything_runs() {
    Scenario::new()
        .case("micro_tiny_objects")
        .stand_in("s")
        .arguments(&["--track", "cvpr25-text"])
        .evaluate()
        .ends_with(1)
        .says(&["text_prompts", "micro_tiny_objects"]);
}

#[test]
fn an_unusable_prediction_costs_its_case_the_scores_of_its_kind_and_no_other_case() {
    let scenario = Scenario::new()
        .every_case_of(&fixtures().join("text-parity"))
        .script(
            "s",
            "for case in \"$INPUTS\"/*.npz; do echo no archive > \"$OUTPUTS/${case##*/}\"; done",
        )
        .arguments(&["--track", "cvpr25-text"]);
    scenario.evaluate().ends_with(3);
    let rows = scenario.table_rows("s");
    assert_eq!(rows.len(), 8);
    let golden = golden_of(&fixtures().join("text-parity"));
    for row in rows {
        let case = row["CaseName"].as_str();
        let is_instances = golden[case]["instance_label"] == 1;
        let expected = if is_instances {
            ["", "", "0.0", "0.0"]
        } else {
            ["0.0", "0.0", "", ""]
        };
        let found = ["DSC", "NSD", "F1", "DSC_TP"].map(|name| row[name].as_str());
        assert_eq!(found, expected, "{case}");
        let record = scenario.record("s", case.strip_suffix(".npz").unwrap());
        assert_eq!(record["interactions"][0]["outcome"], "bad_output", "{case}");
    }
}
