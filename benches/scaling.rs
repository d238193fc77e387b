//! How an interaction's own work (one comparison, every label's click, every label's DSC and NSD)
//! grows with labels and with voxels.
//!
//! `cargo bench --bench scaling`; `SEGARENA_BENCH_SHAPE` is the volume of the labels' table, and
//! `SEGARENA_BENCH_MEGAVOXELS=16,64` other sizes than 16, 64, 256 and 1024 million voxels.

mod phantom;

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use peak_alloc::PeakAlloc;
use segarena_core::clicks::{ChallengePolicy, ClickPolicy};
use segarena_core::score::score;
use segarena_core::volume::{Comparison, LabelVolume, Spacing};

/// Counts what is allocated.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("the first pool");
    let estimates = tempfile::tempdir().expect("a temporary folder");
    let mut criterion =
        phantom::criterion(estimates.path()).measurement_time(Duration::from_secs(4));
    let mut measure = |name: &str, shape: [usize; 3], labels: usize, strays: bool| {
        let bytes = step(&mut criterion, name, shape, labels, strays);
        let time = phantom::median(estimates.path(), name)?;
        let voxels = shape.iter().product::<usize>() as f64;
        Some(format!(
            "{:.0} ms | {:.2} ns | {:.0} MB",
            time.as_secs_f64() * 1e3,
            time.as_secs_f64() * 1e9 / voxels,
            bytes as f64 / 1e6
        ))
    };
    let shape = phantom::shape();
    let mut lines = vec![format!(
        "\n| labels, {} × {} × {} voxels | an interaction's own work | for each voxel | memory |",
        shape[0], shape[1], shape[2]
    )];
    lines.push("| ---: | ---: | ---: | ---: |".to_owned());
    for labels in [1, 2, 10, 30, 100] {
        let row = measure(&format!("{labels} labels"), shape, labels, false);
        lines.extend(row.map(|row| format!("| {labels} | {row} |")));
    }
    let row = measure("100 labels with strays", shape, 100, true);
    lines.extend(row.map(|row| format!("| 100, each with strays in two corners | {row} |")));
    lines.push(
        "\n| million voxels, two labels | an interaction's own work | for each voxel | memory |\n\
         | ---: | ---: | ---: | ---: |"
            .to_owned(),
    );
    for size in sizes() {
        // Twice as wide as deep, in plane a square.
        let side = (size as f64 * 1e6 * 2.0).cbrt().round() as usize;
        let row = measure(
            &format!("{size} million voxels"),
            [side / 2, side, side],
            2,
            false,
        );
        lines.extend(row.map(|row| format!("| {size} | {row} |")));
    }
    criterion.final_summary();
    println!("{}", lines.join("\n"));
}

fn sizes() -> Vec<usize> {
    let text = std::env::var("SEGARENA_BENCH_MEGAVOXELS").unwrap_or("16,64,256,1024".to_owned());
    text.split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect()
}

/// Measures the work on one volume; returns the most memory beside the volumes themselves.
fn step(
    criterion: &mut Criterion,
    name: &str,
    shape: [usize; 3],
    labels: usize,
    strays: bool,
) -> usize {
    let (truth, mut prediction) = phantom::organs(shape, labels, 1.0);
    if strays {
        // Every label's error and either's box are the whole volume then.
        let [z, y, x] = shape.map(|size| size - 1);
        for label in 1..=labels {
            prediction[[0, label, 0]] = label as u8;
            prediction[[z, y - label, x]] = label as u8;
        }
    }
    let spacing = Spacing::new([1.5, 0.8, 0.8]).expect("positive");
    let truth = LabelVolume::new(truth, spacing);
    let work = || {
        let comparison = Comparison::new(&truth, prediction.view());
        for (_, key) in truth.keys().iter() {
            black_box(ChallengePolicy.place(&comparison, key));
        }
        black_box(score(&comparison, 2.0));
    };
    criterion.bench_function(name, |bencher| bencher.iter(&work));
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    work();
    MEMORY.peak_usage().saturating_sub(before)
}
