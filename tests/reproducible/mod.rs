//! Results without what a clock or the machine decides, to hold a disturbed run against an undisturbed one.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::scenario::Scenario;

/// Every result by its path, without what a clock, the machine or chance decides.
pub fn results(scenario: &Scenario) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![scenario.path().join("out")];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
                continue;
            }
            let name = path
                .strip_prefix(scenario.path())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            let bytes = fs::read(&path).unwrap();
            // The report is made of the other files; that is tested with it.
            if name.contains(".segarena") || name.ends_with(".html") {
                continue;
            } else if name.ends_with("run.json") {
                found.insert(name, without_dates(&bytes));
            } else if name.ends_with(".json") && !name.ends_with("ranking.json") {
                found.insert(name, without_times(&bytes));
            } else if name.ends_with(".csv") {
                found.insert(name, without_time_columns(&path));
            } else {
                found.insert(name, bytes);
            }
        }
    }
    found
}

fn without_dates(json: &[u8]) -> Vec<u8> {
    let mut record: Value = serde_json::from_slice(json).unwrap();
    let object = record.as_object_mut().unwrap();
    // Where the data set is differs as well: each scenario has a folder of its own.
    for key in ["run_id", "started", "finished", "images", "ground_truth"] {
        assert!(object.remove(key).is_some());
    }
    // The folder that the command runs in is the scenario's own.
    for submission in object["submissions"].as_array_mut().unwrap() {
        submission.as_object_mut().unwrap().remove("fingerprint");
    }
    record.to_string().into_bytes()
}

fn without_times(json: &[u8]) -> Vec<u8> {
    let mut record: Value = serde_json::from_slice(json).unwrap();
    let object = record.as_object_mut().unwrap();
    object.remove("total_seconds");
    // The folder that the command runs in is the scenario's own.
    object.remove("fingerprint");
    for interaction in object["interactions"].as_array_mut().unwrap() {
        let interaction = interaction.as_object_mut().unwrap();
        for key in [
            "seconds",
            "load_seconds",
            "phases",
            "peak_memory",
            "machine",
        ] {
            interaction.remove(key);
        }
    }
    record.to_string().into_bytes()
}

fn without_time_columns(path: &Path) -> Vec<u8> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    let columns = reader.headers().unwrap().clone();
    let kept = |row: &csv::StringRecord| -> String {
        let pairs = columns
            .iter()
            .zip(row)
            .filter(|(column, _)| !column.contains("RunningTime"));
        pairs.map(|(_, cell)| format!("{cell},")).collect()
    };
    let rows: Vec<String> = reader.records().map(|row| kept(&row.unwrap())).collect();
    rows.join("\n").into_bytes()
}
