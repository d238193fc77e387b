//! What the results are held against.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use segarena_core::npz::read_saved_segs;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// A Python that has numpy: `SEGARENA_PYTHON`, one that `tests/python-env.sh` made, or the
/// system's. Where there is none, the test says that it is skipped, unless `SEGARENA_REQUIRE`
/// names python.
pub fn python_with_numpy() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/numpy-2/bin/python");
    let named = std::env::var_os("SEGARENA_PYTHON").map(PathBuf::from);
    let candidates = named.into_iter().chain([made, PathBuf::from("python3")]);
    let has_numpy = |python: &PathBuf| {
        Command::new(python)
            .args(["-c", "import numpy"])
            .output()
            .is_ok_and(|o| o.status.success())
    };
    let found = candidates.into_iter().find(has_numpy);
    if found.is_none() {
        skip(
            "python",
            "no Python with numpy (tests/python-env.sh makes one)",
        );
    }
    found
}

/// The folder with the whole parity set, where `SEGARENA_PARITY` names one.
pub fn parity_set() -> Option<PathBuf> {
    let found = std::env::var_os("SEGARENA_PARITY").map(PathBuf::from);
    if found.is_none() {
        skip(
            "parity",
            "SEGARENA_PARITY does not name the folder of the whole parity set",
        );
    }
    found.map(|folder| folder.canonicalize().unwrap())
}

/// Says that a test is skipped; fails where `SEGARENA_REQUIRE` demands what is missing.
pub fn skip(what: &str, why: &str) {
    let required = std::env::var("SEGARENA_REQUIRE").unwrap_or_default();
    assert!(
        !required.split(',').any(|name| name == what),
        "{what} is required: {why}"
    );
    println!("SKIPPED: {why}");
}

/// Holds a submission's results against the official ones.
pub fn compare_with_golden(golden: &Value, results: &Path, submission: &str) {
    let table = results.join(format!("{submission}_metrics.csv"));
    let rows: Vec<HashMap<String, String>> = csv::Reader::from_path(table)
        .unwrap()
        .deserialize()
        .map(|row| row.unwrap())
        .collect();
    let golden = golden.as_object().unwrap();
    assert_eq!(rows.len(), golden.len());
    for row in rows {
        let case = &row["CaseName"];
        let official = &golden[case];
        compare_metrics(case, official, &row);
        compare_clicks(case, official, results);
        compare_predictions(case, official, results);
    }
}

fn compare_metrics(case: &str, official: &Value, row: &HashMap<String, String>) {
    for (name, expected) in official["metrics"].as_object().unwrap() {
        let (ours, expected): (f64, f64) = (row[name].parse().unwrap(), expected.as_f64().unwrap());
        assert!(
            (ours - expected).abs() <= 1e-9,
            "{case} {name}: {ours} is not {expected}"
        );
    }
}

/// Brings the record's clicks into the form of the official record.
fn compare_clicks(case: &str, official: &Value, results: &Path) {
    let stem = case.strip_suffix(".npz").unwrap();
    let record: Value =
        serde_json::from_slice(&std::fs::read(results.join(format!("{stem}.json"))).unwrap())
            .unwrap();
    assert_eq!(record["labels"], official["labels"], "{case}");
    assert_eq!(record["has_boxes"], official["has_boxes"], "{case}");
    let labels = record["labels"].as_array().unwrap().len();
    for label in 0..labels {
        let (mut order, mut fg, mut bg) = (Vec::new(), Vec::new(), Vec::new());
        for interaction in record["interactions"].as_array().unwrap().iter().skip(1) {
            let click = &interaction["clicks"][label];
            order.push(click["kind"].clone());
            match click["kind"].as_str() {
                Some("fg") => fg.push(click["at"].clone()),
                Some(_) => bg.push(click["at"].clone()),
                None => {}
            }
        }
        assert_eq!(
            json!(order),
            official["clicks_order"][label],
            "{case}, label {label}"
        );
        assert_eq!(
            json!({"fg": fg, "bg": bg}),
            official["clicks"][label],
            "{case}, label {label}"
        );
    }
}

fn compare_predictions(case: &str, official: &Value, results: &Path) {
    let mut hashes = Vec::new();
    for prediction in read_saved_segs(&results.join(case)).unwrap() {
        let bytes: Vec<u8> = prediction.unwrap().iter().copied().collect();
        let hash = Sha256::digest(&bytes);
        hashes.push(
            hash.iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>(),
        );
    }
    assert_eq!(json!(hashes), official["all_segs_sha256"], "{case}");
}
