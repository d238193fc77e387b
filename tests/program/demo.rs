//! The first thing a newcomer runs needs nothing but the program.

use std::process::Command;

use crate::scenario::{PROGRAM, segarena};

#[test]
fn the_demo_runs_in_an_empty_environment_and_ends_with_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(PROGRAM)
        .args(["demo", "--output", "x"])
        .current_dir(folder.path())
        .env_clear()
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for expected in [
        "baseline",
        "DSC final",
        "x/results",
        "evaluate --config x/demo.toml",
    ] {
        assert!(said.contains(expected), "no `{expected}` in:\n{said}");
    }
    for file in [
        "baseline_metrics.csv",
        "organs.npz",
        "vessels.json",
        "logs/lesions.6.log",
    ] {
        assert!(
            folder
                .path()
                .join("x/results/baseline")
                .join(file)
                .is_file(),
            "{file}"
        );
    }
}

#[test]
fn the_baseline_gets_better_with_every_click() {
    let folder = tempfile::tempdir().unwrap();
    segarena(folder.path(), &["demo"]).ends_with(0);
    for case in ["organs", "vessels", "lesions"] {
        let path = folder
            .path()
            .join(format!("segarena-demo/results/baseline/{case}.json"));
        let record: serde_json::Value =
            serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        let dsc: Vec<f64> = record["interactions"]
            .as_array()
            .unwrap()
            .iter()
            .map(|interaction| interaction["dsc"].as_f64().unwrap())
            .collect();
        assert!(dsc[5] > dsc[1], "{case}: {dsc:?}");
        assert!(dsc[5] > 0.4, "{case}: {dsc:?}");
    }
}

#[test]
fn the_demos_configuration_runs_again_as_it_stands() {
    let folder = tempfile::tempdir().unwrap();
    segarena(folder.path(), &["demo"]).ends_with(0);
    let again = [
        "evaluate",
        "-c",
        "segarena-demo/demo.toml",
        "-o",
        "again",
        "--first",
        "1",
        "-v",
    ];
    segarena(folder.path(), &again)
        .ends_with(0)
        .says(&["interaction 6", "1:fg["]);
}

#[test]
fn the_demo_of_the_text_track_has_labels_and_instances() {
    let folder = tempfile::tempdir().unwrap();
    segarena(folder.path(), &["demo", "--track", "cvpr25-text"])
        .ends_with(0)
        .prints(&["F1", "DSC TP", "--config segarena-text-demo/demo.toml"]);
    let results = folder.path().join("segarena-text-demo/results/baseline");
    let score = |case: &str, name: &str| {
        let record = std::fs::read(results.join(case)).unwrap();
        let record: serde_json::Value = serde_json::from_slice(&record).unwrap();
        record["interactions"][0]["scores"][name].as_f64().unwrap()
    };
    assert!(score("organs.json", "DSC") > 0.8);
    assert!(score("nodules.json", "F1") > 0.7);
    let again = [
        "evaluate",
        "-c",
        "segarena-text-demo/demo.toml",
        "-o",
        "again",
    ];
    segarena(folder.path(), &again).ends_with(0);
}
