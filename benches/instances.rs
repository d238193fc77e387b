//! Times the scoring of instances beside functions that do it as the official text-track script
//! does, on one volume, and prints the table of `benches/README.md`.
//!
//! `cargo bench --bench instances`, with `SEGARENA_BENCH_SHAPE=300,512,512` for another size and
//! `SEGARENA_PEERS=/path/to/python` for a Python that has numpy, scipy and cc3d; without one, only
//! our side is measured.

mod peers;
mod phantom;

use std::hint::black_box;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use ndarray::{Array3, ArrayView3};
use peak_alloc::PeakAlloc;
use segarena_core::npz::write_volume;
use segarena_core::volume::{InstanceScores, score_instances, split_single_mask};

use peers::Measured;

/// Counts what our side allocates.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Instances of the truth.
const INSTANCES: usize = 200;

fn main() {
    // One thread on both sides.
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("the first pool");
    let shape = phantom::shape();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (truth, prediction) = balls(shape);
    let mask = prediction.mapv(|value| value.min(1));
    let truth_file = folder.path().join("truth.npz");
    write_volume(&truth_file, "gts", truth.view()).expect("space on the disk");
    let estimates = tempfile::tempdir().expect("a temporary folder");
    let mut criterion =
        phantom::criterion(estimates.path()).measurement_time(Duration::from_secs(2));
    let [depth, height, width] = shape;
    let mut lines = Vec::new();
    for (name, prediction) in [("told apart", &prediction), ("a single mask", &mask)] {
        let scored = || score(truth.view(), prediction.view());
        criterion.bench_function(name, |bencher| bencher.iter(|| black_box(scored())));
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        let scores = scored();
        let bytes = MEMORY.peak_usage().saturating_sub(before) as u64;
        let Some(time) = phantom::median(estimates.path(), name) else {
            continue;
        };
        let ours = Measured { time, bytes };
        let file = folder.path().join("prediction.npz");
        write_volume(&file, "segs", prediction.view()).expect("space on the disk");
        let Some((theirs, same)) = peer(&truth_file, &file) else {
            lines.push(format!("| {name} | {ours} | | | |"));
            continue;
        };
        assert_eq!(same, [scores.f1, scores.dsc_tp], "both sides score alike");
        let ratio = theirs.time.as_secs_f64() / ours.time.as_secs_f64();
        lines.push(format!("| {name} | {ours} | {theirs} | {ratio:.0}× |"));
    }
    criterion.final_summary();
    println!("\n{depth} × {height} × {width} voxels, {INSTANCES} instances, one thread\n");
    println!("| the prediction is | segarena | memory | the script's way | its memory | ratio |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    println!("{}", lines.join("\n"));
}

fn score(truth: ArrayView3<'_, u8>, prediction: ArrayView3<'_, u8>) -> InstanceScores {
    let split = split_single_mask(prediction);
    let instances = split.as_ref().map_or(prediction, |split| split.view());
    score_instances(truth, instances)
}

/// Balls on a grid, each a value of its own. Of the predicted ones every seventh is missing, and the
/// others are moved, every fifth by so much that it matches none.
fn balls(shape: [usize; 3]) -> (Array3<u8>, Array3<u8>) {
    // 5 × 5 × 8 cells.
    let cells = [5, 5, 8];
    let cell = |axis: usize| shape[axis] / cells[axis];
    let radius = (0..3).map(cell).min().unwrap_or(0) as f64 * 0.4;
    let [mut truth, mut prediction] = [Array3::zeros(shape), Array3::zeros(shape)];
    for instance in 0..INSTANCES {
        let place = [instance / 40, instance / 8 % 5, instance % 8];
        let centre = [0, 1, 2].map(|axis| (place[axis] as f64 + 0.5) * cell(axis) as f64);
        let value = instance as u8 + 1;
        fill(&mut truth, centre, radius, value);
        if instance % 7 == 0 {
            continue;
        }
        let moved = if instance % 5 == 0 { 0.55 } else { 0.1 };
        let centre = [centre[0], centre[1], centre[2] + moved * radius];
        fill(&mut prediction, centre, radius, value);
    }
    (truth, prediction)
}

fn fill(volume: &mut Array3<u8>, centre: [f64; 3], radius: f64, value: u8) {
    let shape = volume.dim();
    let shape = [shape.0, shape.1, shape.2];
    let [z, y, x] = [0, 1, 2].map(|axis| {
        let low = (centre[axis] - radius).max(0.0) as usize;
        low..((centre[axis] + radius) as usize + 1).min(shape[axis])
    });
    for z in z {
        for y in y.clone() {
            for x in x.clone() {
                let far = [z, y, x].into_iter().zip(centre);
                let far: f64 = far.map(|(at, centre)| (at as f64 - centre).powi(2)).sum();
                if far <= radius * radius {
                    volume[[z, y, x]] = value;
                }
            }
        }
    }
}

/// What the same scores take the script's way, and F1 and DSC_TP; none if `SEGARENA_PEERS` names no
/// Python.
///
/// # Panics
/// If that Python does not start or lacks the libraries.
fn peer(truth: &Path, prediction: &Path) -> Option<(Measured, [f64; 2])> {
    let python = std::env::var_os("SEGARENA_PEERS")?;
    let output = Command::new(python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instances.py"))
        .args([truth, prediction])
        .output()
        .expect("SEGARENA_PEERS names a Python");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let answer = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = answer
        .trim()
        .split('\t')
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [milliseconds, bytes, f1, dsc_tp] = numbers[..] else {
        panic!("four numbers, not {answer}");
    };
    let measured = Measured {
        time: Duration::from_secs_f64(milliseconds / 1e3),
        bytes: bytes as u64,
    };
    Some((measured, [f1, dsc_tp]))
}
