//! What the benchmarks share: their volumes, and how criterion measures.
#![allow(dead_code)] // each benchmark uses a part of it

pub mod noise;

use std::f64::consts::FRAC_PI_2;
use std::path::Path;
use std::time::Duration;

use criterion::Criterion;
use ndarray::Array3;

/// The volume's shape: `SEGARENA_BENCH_SHAPE`, or that of a CT.
pub fn shape() -> [usize; 3] {
    let text = std::env::var("SEGARENA_BENCH_SHAPE").unwrap_or_default();
    let sizes: Vec<usize> = text
        .split(',')
        .filter_map(|size| size.trim().parse().ok())
        .collect();
    sizes.try_into().unwrap_or([300, 512, 512])
}

/// A body-sized ellipsoid, and a prediction whose border wobbles.
pub fn ellipsoid(shape: [usize; 3]) -> (Array3<u8>, Array3<u8>) {
    organs(shape, 1, 1.0)
}

/// The ellipsoid cut into so many labels, blocks that together fill it. The prediction's borders
/// wobble, by so much of the usual.
pub fn organs(shape: [usize; 3], labels: usize, off: f64) -> (Array3<u8>, Array3<u8>) {
    // Blocks along y and x, as nearly square as they come.
    let columns = (1..=labels)
        .filter(|columns| labels.is_multiple_of(*columns))
        .min_by_key(|&columns| columns.abs_diff(labels / columns))
        .unwrap_or(1);
    let rows = labels / columns;
    let block = |at: f64, size: usize, count: usize| {
        let share = at.max(0.0) * count as f64 / size as f64;
        (share as usize).min(count - 1)
    };
    let organ = |y: f64, x: f64| {
        (block(y, shape[1], rows) * columns + block(x, shape[2], columns)) as u8 + 1
    };
    let part = [0, 1, 2].map(|axis| {
        let size = shape[axis] as f64;
        let offset = |at: usize| ((at as f64 - size / 2.0) / (size * 0.42)).powi(2);
        (0..shape[axis]).map(offset).collect::<Vec<_>>()
    });
    let waves = [(0, 9.0, 0.0), (1, 13.0, FRAC_PI_2), (2, 11.0, 0.0)].map(
        |(axis, length, phase): (usize, f64, f64)| {
            let wave = |at: usize| (at as f64 / length + phase).sin();
            (0..shape[axis]).map(wave).collect::<Vec<_>>()
        },
    );
    let radius = |z: usize, y: usize, x: usize| part[0][z] + part[1][y] + part[2][x];
    let truth = Array3::from_shape_fn(shape, |(z, y, x)| match radius(z, y, x) <= 1.0 {
        true => organ(y as f64, x as f64),
        false => 0,
    });
    let prediction = Array3::from_shape_fn(shape, |(z, y, x)| {
        let wobble = off * waves[0][z] * waves[1][y] * waves[2][x];
        match radius(z, y, x) <= 1.0 + 0.12 * wobble {
            true => organ(y as f64 + 6.0 * wobble, x as f64 - 6.0 * wobble),
            false => 0,
        }
    });
    (truth, prediction)
}

/// Measures each function ten times or for a while, and leaves its estimates in this folder.
pub fn criterion(estimates: &Path) -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .output_directory(estimates)
        .configure_from_args()
}

/// The median time that criterion estimated; none if the function was not measured.
pub fn median(estimates: &Path, name: &str) -> Option<Duration> {
    let file = estimates.join(name).join("new/estimates.json");
    let estimates: serde_json::Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    let nanoseconds = estimates["median"]["point_estimate"].as_f64()?;
    Some(Duration::from_secs_f64(nanoseconds / 1e9))
}
