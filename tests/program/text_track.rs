//! The text-prompt track: the numbers are the official ones.

use std::fs;
use std::path::Path;

use segarena_core::npz::pickle::{ObjectArray, Value as Python};
use segarena_core::npz::{NpzFile, NpzMembers};
use serde_json::Value;

use crate::golden::{compare_text_with_golden, golden_of, text_set};
use crate::scenario::{Scenario, segarena};

/// The eight cases, the stand-in and the track.
fn scenario() -> Scenario {
    Scenario::new()
        .every_case_of(&text_set())
        .stand_in("s")
        .arguments(&["--track", "cvpr25-text"])
}

#[test]
fn the_stand_in_scores_what_the_official_script_says() {
    let scenario = scenario();
    scenario.evaluate().ends_with(3);
    compare_text_with_golden(&scenario.result("s"), "s");
    assert_eq!(scenario.run_record()["track"], "cvpr25-text@1");
    segarena(scenario.path(), &["rescore", "out"]).ends_with(0);
}

#[test]
fn what_was_counted_of_instances_can_be_followed() {
    let scenario = scenario().arguments(&["--case", "lesions_binary_prediction"]);
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
fn what_was_counted_of_labels_can_be_followed() {
    let case = "ct_organs_some_prompted";
    let scenario = scenario().arguments(&["--case", case]);
    scenario.evaluate().ends_with(0);
    let record = scenario.record("s", case);
    let interaction = &record["interactions"][0];
    let counted = interaction["counted"].as_array().unwrap();
    let labels = interaction["labels"].as_array().unwrap();
    // The labels that have a prompt, of those that the truth has.
    assert_eq!(counted.len(), 4);
    assert_eq!(labels.len(), counted.len());
    let mut dsc = Vec::new();
    for (counted, label) in counted.iter().zip(labels) {
        assert_eq!(counted["label"], label["label"]);
        let voxels = |name: &str| counted[name].as_u64().unwrap() as f64;
        let all = voxels("truth_voxels") + voxels("prediction_voxels");
        dsc.push(2.0 * voxels("both") / all);
        let area = |name: &str| counted["surface"][name].as_f64().unwrap();
        let near = area("truth_near") + area("prediction_near");
        let nsd = near / (area("truth") + area("prediction"));
        for (ours, name) in [(dsc[dsc.len() - 1], "dsc"), (nsd, "nsd")] {
            assert!(
                (ours - label[name].as_f64().unwrap()).abs() < 1e-12,
                "{label} {name}"
            );
        }
    }
    let mean = dsc.iter().sum::<f64>() / dsc.len() as f64;
    assert!((mean - interaction["scores"]["DSC"].as_f64().unwrap()).abs() < 1e-12);
    // What was asked for stands beside it.
    let texts = interaction["texts"].as_array().unwrap();
    let asked: Vec<_> = texts
        .iter()
        .map(|text| text["label"].as_i64().unwrap())
        .collect();
    assert_eq!(asked, [1, 2, 5, 9, 7], "in the order of the dictionary");
    assert!(texts[0]["texts"][0].as_str().unwrap().contains("intensity"));
}

#[test]
fn verbose_prints_the_prompts_and_what_was_matched() {
    let scenario = scenario().arguments(&["--case", "nuclei_predicted_as_instances", "-v"]);
    scenario.evaluate().ends_with(0).says(&[
        "1:\"",
        "intensity",
        "F1 0.5854 DSC_TP 0.8287",
        "TP 24 FP",
        "=",
        "(0.",
    ]);
}

/// Writes the case `x` with these prompts.
fn with_prompts(folder: &Path, prompts: Option<Python>) {
    let set = text_set();
    let case = "mri_brain_tissue.npz";
    let image = NpzMembers::open(&set.join("imgs").join(case)).unwrap();
    let mut file = NpzFile::create(&folder.join("imgs/x.npz")).unwrap();
    let voxels = image.byte_volume("imgs").unwrap();
    file.array("imgs", &voxels).unwrap();
    file.array("spacing", &ndarray::arr1(&[2.0, 1.0, 1.0]))
        .unwrap();
    if let Some(prompts) = prompts {
        let array = ObjectArray::new(Vec::new(), vec![prompts]).unwrap();
        file.objects("text_prompts", &array).unwrap();
    }
    file.finish().unwrap();
    fs::copy(set.join("gts").join(case), folder.join("gts/x.npz")).unwrap();
}

fn dictionary(entries: &[(&str, Python)]) -> Option<Python> {
    let entries = entries
        .iter()
        .map(|(key, value)| (Python::from(*key), value.clone()));
    Some(Python::Dict(entries.collect()))
}

#[test]
fn malformed_prompts_are_an_error_of_the_data_set_before_anything_runs() {
    let text = || Python::from("of intensity 100");
    let kind = |kind: i64| ("instance_label", Python::Int(kind));
    let pair = || Python::Tuple(vec![text(), Python::Int(1)]);
    for (prompts, words) in [
        (None, "is missing"),
        (Some(text()), "must be an array of one dictionary"),
        (Some(Python::None), "must be an array of one dictionary"),
        (dictionary(&[("1", text())]), "has no `instance_label`"),
        (dictionary(&[("1", text()), kind(2)]), "neither 0 nor 1"),
        (dictionary(&[("1", text()), kind(-1)]), "neither 0 nor 1"),
        (
            dictionary(&[("1", text()), ("instance_label", Python::from("1"))]),
            "neither 0 nor 1",
        ),
        (dictionary(&[("liver", text()), kind(0)]), "the key `liver`"),
        (dictionary(&[("1", Python::Int(7)), kind(0)]), "for label 1"),
        (dictionary(&[("1", pair()), kind(0)]), "for label 1"),
        // Numbers that no track reads spoil the whole member.
        (
            dictionary(&[("1", Python::Float(0.5)), kind(0)]),
            "must be an array of one dictionary",
        ),
    ] {
        let scenario = Scenario::new()
            .script("s", "touch ran")
            .arguments(&["--track", "cvpr25-text"]);
        with_prompts(scenario.path(), prompts);
        scenario
            .evaluate()
            .ends_with(1)
            .says(&["imgs/x.npz", "`text_prompts`", words]);
        assert!(!scenario.path().join("ran").exists(), "{words}");
    }
}

#[test]
fn a_prompt_of_several_texts_is_given_as_a_list() {
    let scenario = Scenario::new()
        .script("s", "cp \"$INPUTS/x.npz\" given.npz; exit 1")
        .arguments(&["--track", "cvpr25-text", "-v"]);
    let texts = Python::List(vec![Python::from("grey matter"), Python::from("cortex")]);
    let prompts = dictionary(&[("1", texts), ("instance_label", Python::Int(0))]);
    with_prompts(scenario.path(), prompts.clone());
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["1:\"grey matter\" or 1 more"]);
    let given = NpzMembers::open(&scenario.path().join("given.npz")).unwrap();
    let given = given.objects("text_prompts").unwrap();
    assert_eq!(given.items(), [prompts.unwrap()]);
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
        .every_case_of(&text_set())
        .script(
            "s",
            "for case in \"$INPUTS\"/*.npz; do echo no archive > \"$OUTPUTS/${case##*/}\"; done",
        )
        .arguments(&["--track", "cvpr25-text"]);
    scenario.evaluate().ends_with(3);
    let rows = scenario.table_rows("s");
    assert_eq!(rows.len(), 8);
    let golden = golden_of(&text_set());
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

/// The scores that `score` prints for a saved prediction.
fn scored(scenario: &Scenario, case: &str, more: &[&str]) -> Value {
    let prediction = format!("out/s/{case}.npz");
    let truth = format!("gts/{case}.npz");
    let line = ["score", "--json", "-g", &truth, "-p", &prediction];
    let ran = segarena(scenario.path(), &[&line[..], more].concat());
    serde_json::from_str(&ran.ends_with(0).stdout).unwrap()
}

#[test]
fn score_goes_by_the_prompts_of_the_image_or_counts_instances() {
    let scenario = scenario();
    scenario.evaluate();
    let golden = golden_of(&text_set());
    let same = |scores: &Value, case: &str| {
        for (name, official) in golden[format!("{case}.npz")]["exact"].as_object().unwrap() {
            match official.as_f64() {
                Some(official) => {
                    let ours = scores[name].as_f64().unwrap();
                    assert!((ours - official).abs() < 1e-9, "{case} {name}: {ours}");
                }
                None => assert!(scores[name].is_null(), "{case} {name}"),
            }
        }
    };
    for case in ["ct_organs_some_prompted", "lesions_over_255_components"] {
        let image = format!("imgs/{case}.npz");
        let scores = scored(&scenario, case, &["--track", "cvpr25-text", "-i", &image]);
        same(&scores, case);
    }
    let scores = scored(&scenario, "lesions_binary_prediction", &["--instances"]);
    same(&scores, "lesions_binary_prediction");
    assert_eq!(scores["instances"]["true_positives"], 25);
    // As a table.
    let line = [
        "score",
        "--instances",
        "-g",
        "gts/lesions_binary_prediction.npz",
        "-p",
        "out/s/lesions_binary_prediction.npz",
    ];
    segarena(scenario.path(), &line).ends_with(0).prints(&[
        "truth  prediction",
        "25 matched",
        "F1      0.27778",
    ]);
}

#[test]
fn the_report_tells_matched_missed_and_false_instances_and_draws_no_curves() {
    let scenario = scenario();
    scenario.evaluate();
    let page = fs::read_to_string(scenario.result("report.html")).unwrap();
    for words in [
        "one prompt in words",
        "<h2 id=\"h-instances\">",
        "class=\"truth matched\"",
        "class=\"truth missed\"",
        "class=\"prediction matched\"",
        "class=\"prediction false\"",
        "DSC TP",
        "; instances:",
    ] {
        assert!(page.contains(words), "no `{words}`");
    }
    assert!(!page.contains("after each interaction"));
    let export = ["report", "out", "--export", "paper"];
    segarena(scenario.path(), &export).ends_with(0);
    let summary = fs::read(scenario.path().join("paper/summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    assert_eq!(
        summary["ranked_by"],
        serde_json::json!(["dsc", "nsd", "f1", "dsc_tp"])
    );
    let instances = &summary["tables"]["instances"][0];
    assert_eq!(
        (&instances["Cases"], &instances["In the truth"]),
        (&4.0.into(), &129.0.into())
    );
}

#[test]
fn runs_are_compared_by_the_scores_that_their_cases_have() {
    let scenario = scenario();
    scenario.evaluate();
    let other = Scenario::new()
        .every_case_of(&text_set())
        .script("s", "exit 1")
        .arguments(&["--track", "cvpr25-text"]);
    other.evaluate().ends_with(3);
    let other = other.result("");
    let ran = segarena(
        scenario.path(),
        &["compare", "out", other.to_str().unwrap(), "--json"],
    );
    let compared: Value = serde_json::from_str(&ran.ends_with(0).stdout).unwrap();
    let text = compared.to_string();
    for words in ["\"F1\"", "\"DSC TP\"", "nuclei_predicted_as_instances.npz"] {
        assert!(text.contains(words), "no {words} in {compared:#}");
    }
}
