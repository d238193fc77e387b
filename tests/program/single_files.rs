//! `segarena score` and `segarena click`: one file at a time.

use std::path::Path;

use crate::golden::golden;
use crate::scenario::{ProgramOutput, Scenario, fixtures, segarena};
use serde_json::{Value, json};

fn file(kind: &str, case: &str) -> String {
    fixtures()
        .join(format!("parity/{kind}/{case}.npz"))
        .to_str()
        .unwrap()
        .to_owned()
}

fn parsed(ran: ProgramOutput) -> Value {
    serde_json::from_str(&ran.ends_with(0).stdout).unwrap()
}

/// A folder with the predictions of a run over this case.
fn evaluated(case: &str) -> Scenario {
    let scenario = Scenario::new().case(case).stand_in("s");
    scenario.evaluate();
    scenario
}

#[test]
fn a_saved_prediction_scores_what_the_run_said() {
    let case = "ct_organs_border";
    let scenario = evaluated(case);
    let prediction = scenario.result(&format!("s/{case}.npz"));
    let scores = parsed(segarena(
        scenario.path(),
        &[
            "score",
            "--ground-truth",
            &file("gts", case),
            "--prediction",
            prediction.to_str().unwrap(),
            "--image",
            &file("imgs", case),
            "--json",
        ],
    ));
    let official = &golden()["ct_organs_border.npz"]["metrics"];
    for (ours, theirs) in [("dsc", "DSC_Final"), ("nsd", "NSD_Final")] {
        let (ours, theirs) = (
            scores[ours].as_f64().unwrap(),
            official[theirs].as_f64().unwrap(),
        );
        assert!((ours - theirs).abs() < 1e-9, "{ours} is not {theirs}");
    }
    let labels: Vec<&Value> = scores["labels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|label| &label["label"])
        .collect();
    assert_eq!(json!(labels), json!([1, 2, 3, 4, 5, 6]));
}

#[test]
fn scores_are_printed_as_a_table_too() {
    let case = "phantom_perfect";
    let scenario = evaluated(case);
    let prediction = scenario.result(&format!("s/{case}.npz"));
    let ran = segarena(
        scenario.path(),
        &[
            "score",
            "-g",
            &file("gts", case),
            "-p",
            prediction.to_str().unwrap(),
            "-i",
            &file("imgs", case),
        ],
    );
    assert!(ran.ends_with(0).stdout.contains("mean  1.00000  1.00000"));
}

#[test]
fn the_first_click_on_nothing_is_the_official_one() {
    // Without boxes the first click is placed on an empty prediction.
    let clicks = parsed(segarena(
        Path::new("."),
        &[
            "click",
            "--ground-truth",
            &file("gts", "angio_no_box"),
            "--json",
        ],
    ));
    let official = &golden()["angio_no_box.npz"]["clicks"][0]["fg"][0];
    assert_eq!(clicks, json!([{"label": 1, "kind": "fg", "at": official}]));
}

#[test]
fn a_perfect_label_gets_no_click() {
    let case = "phantom_perfect";
    let scenario = evaluated(case);
    let prediction = scenario.result(&format!("s/{case}.npz"));
    let arguments = [
        "click",
        "-g",
        &file("gts", case),
        "-p",
        prediction.to_str().unwrap(),
        "--json",
    ];
    let clicks = parsed(segarena(scenario.path(), &arguments));
    assert_eq!(clicks, json!([{"label": 1, "kind": null, "at": null}]));
}

#[test]
fn the_random_policy_clicks_on_the_error_and_follows_its_seed() {
    let click = |seed: &str| {
        let truth = file("gts", "ct_organs_border");
        let arguments = [
            "click", "-g", &truth, "--policy", "random", "--seed", seed, "--json",
        ];
        parsed(segarena(Path::new("."), &arguments))
    };
    assert_eq!(click("1"), click("1"));
    assert_ne!(click("1"), click("2"));
    assert!(
        click("1")
            .as_array()
            .unwrap()
            .iter()
            .all(|click| click["kind"] == "fg")
    );
}

#[test]
fn the_random_policy_can_run_a_whole_evaluation() {
    let scenario = Scenario::new()
        .case("micro_tiny_objects")
        .table("[protocol]\nclick_policy = \"random\"\nclick_seed = 7\nclicks = 2")
        .stand_in("s");
    scenario.evaluate().ends_with(0);
    let columns: Vec<String> = scenario.table_rows("s")[0].keys().cloned().collect();
    assert!(columns.contains(&"DSC_3".to_owned()) && !columns.contains(&"DSC_4".to_owned()));
}

#[test]
fn every_simulated_user_can_run_a_whole_evaluation_and_is_named_in_its_record() {
    for (options, id) in [
        ("click_policy = \"ritm\"", "ritm"),
        ("click_policy = \"sam2-center\"", "sam2-center"),
        (
            "click_policy = \"jittered\"\nclick_sigma_mm = 3.5",
            "jittered(sigma_mm=3.5,seed=42)",
        ),
    ] {
        let scenario = Scenario::new()
            .case("micro_tiny_objects")
            .table(&format!("[protocol]\nclicks = 2\n{options}"))
            .stand_in("s");
        scenario.evaluate().ends_with(0);
        let track = &scenario.run_record()["track"];
        let expected = format!("cvpr25-interactive@1(clicks=2,policy={id})");
        assert_eq!(track, &expected);
    }
}

#[test]
fn what_is_wrong_with_a_file_is_said() {
    let here = Path::new(".");
    segarena(here, &["click", "-g", "nowhere.npz"])
        .ends_with(1)
        .says(&["nowhere.npz"]);
    segarena(
        here,
        &[
            "click",
            "-g",
            &file("gts", "phantom_perfect"),
            "--policy",
            "x",
        ],
    )
    .ends_with(1)
    .says(&["challenge, jittered, random, ritm, sam2-center"]);
    let (truth, image) = (
        file("gts", "phantom_perfect"),
        file("imgs", "phantom_perfect"),
    );
    let other = file("gts", "micro_tiny_objects");
    segarena(here, &["score", "-g", &truth, "-i", &image, "-p", &other])
        .ends_with(1)
        .says(&["micro_tiny_objects.npz", "segs"]);
}
