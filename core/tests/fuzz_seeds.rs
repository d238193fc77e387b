//! The fuzz targets' work, done on their seeds: `fuzz/` itself needs a nightly compiler.

#![allow(clippy::unwrap_used)]

#[path = "../../fuzz/formats.rs"]
mod formats;

#[path = "../../fuzz/seeds.rs"]
mod seeds;

use std::path::Path;

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
    seeds::run(&folder.join(name), 10, target);
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

#[test]
fn the_seeds_of_nifti_files_are_harmless() {
    run("nifti", formats::nifti);
}
