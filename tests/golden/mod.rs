//! The official results, which ours are held against.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use segarena_core::npz::read_saved_segs;
use segarena_harness::Requirement;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::scenario::fixtures;

/// Where `SEGARENA_PARITY` says that the whole parity set is.
pub static PARITY_SET: Requirement =
    Requirement::new("parity", || match std::env::var_os(SEGARENA_PARITY) {
        Some(_) => Ok(()),
        None => Err(format!(
            "{SEGARENA_PARITY} does not name the folder of the whole parity set"
        )),
    });

const SEGARENA_PARITY: &str = "SEGARENA_PARITY";

/// The folder with the whole parity set.
pub fn parity_set() -> PathBuf {
    let folder = std::env::var_os(SEGARENA_PARITY);
    let folder = PathBuf::from(folder.expect("a test that needs it runs only where it is"));
    folder.canonicalize().unwrap()
}

/// The official results of the fixtures' cases.
pub fn golden() -> Value {
    golden_of(&fixtures().join("parity"))
}

/// The official results of a set's cases.
pub fn golden_of(set: &Path) -> Value {
    let text = std::fs::read_to_string(set.join("golden.json")).unwrap();
    serde_json::from_str(&text).unwrap()
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
        hashes.push(hex::encode(Sha256::digest(&bytes)));
    }
    assert_eq!(json!(hashes), official["all_segs_sha256"], "{case}");
}

/// The set of the text track, which the fixtures hold whole.
pub fn text_set() -> PathBuf {
    fixtures().join("text-parity")
}

/// Holds a submission's results on the text track against the official ones: the table as the
/// official script rounds it, the record in full, the predictions.
pub fn compare_text_with_golden(results: &Path, submission: &str) {
    let golden = golden_of(&text_set());
    let table = results.join(format!("{submission}_metrics.csv"));
    let rows: Vec<HashMap<String, String>> = csv::Reader::from_path(table)
        .unwrap()
        .deserialize()
        .map(|row| row.unwrap())
        .collect();
    assert_eq!(rows.len(), golden.as_object().unwrap().len());
    for row in rows {
        let case = row["CaseName"].as_str();
        let official = &golden[case];
        let record = results.join(case).with_extension("json");
        let record: Value = serde_json::from_slice(&std::fs::read(record).unwrap()).unwrap();
        assert_eq!(record["labels"], official["labels"], "{case}");
        let interaction = &record["interactions"][0];
        assert_eq!(interaction["prompt"], "text", "{case}");
        if official["table"].is_null() {
            // The script gives up here; the case keeps its row, with zeros where its kind has any.
            let columns = ["DSC", "NSD", "F1", "DSC_TP"].map(|name| row[name].as_str());
            assert_eq!(columns, ["0.0", "0.0", "", ""]);
            assert_eq!(interaction["outcome"], "exit");
            continue;
        }
        for (name, expected) in official["table"].as_object().unwrap() {
            let ours = row[name].parse::<f64>().map_or(Value::Null, Value::from);
            is_same(&ours, expected, &format!("{case} {name}"));
        }
        for (name, expected) in official["exact"].as_object().unwrap() {
            let ours = &interaction["scores"][name];
            is_same(ours, expected, &format!("{case} {name}"));
        }
        let mut saved = read_saved_segs(&results.join(case)).unwrap();
        let bytes: Vec<u8> = saved.next().unwrap().unwrap().iter().copied().collect();
        let hash = hex::encode(Sha256::digest(&bytes));
        assert_eq!(hash, official["segs_sha256"], "{case}");
    }
}

#[track_caller]
fn is_same(ours: &Value, official: &Value, what: &str) {
    match (ours.as_f64(), official.as_f64()) {
        (Some(a), Some(b)) => assert!((a - b).abs() <= 1e-9, "{what}: {a} is not {b}"),
        _ => assert_eq!(ours, official, "{what}"),
    }
}
