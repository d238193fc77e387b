//! The fuzz targets' work, done on their seeds: `fuzz/` itself needs a nightly compiler.

#![allow(clippy::unwrap_used)]

#[path = "../../fuzz/formats.rs"]
mod formats;

use std::fs;
use std::path::Path;

/// Runs a target on every seed it has, and on every seed cut short.
fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/seeds")
        .join(name);
    let mut seeds = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        target(&seed);
        target(&seed[..seed.len() / 2]);
        seeds += 1;
    }
    assert!(seeds >= 10, "{name} has {seeds} seeds");
}

#[test]
fn the_seeds_of_predictions_are_harmless() {
    run("prediction", formats::prediction);
}

#[test]
fn the_seeds_of_arrays_are_harmless() {
    run("array", formats::array);
}

#[test]
fn the_seeds_of_images_are_harmless() {
    run("image", formats::image);
}

#[test]
fn the_seeds_of_pickles_are_harmless() {
    run("pickle", formats::pickle);
}
