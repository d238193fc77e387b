//! Counts the instructions of each kernel on small volumes, one smooth and one of noise, and fails
//! where one takes a tenth more than `instructions.txt` says. Counts repeat where times do not.
//!
//! `cargo bench -p segarena-kernels --bench instructions`; needs valgrind on Linux. With
//! `SEGARENA_KEEP_COUNTS=1` it writes the file anew: after a change that is meant, or with another
//! compiler.

use std::hint::black_box;
use std::path::Path;
use std::process::{Command, ExitCode};

use ndarray::Array3;
use segarena_kernels::{
    Blocks, Comparison, LabelVolume, Mask, Outside, Spacing, SquaredDistances, deepest_voxels,
    largest_component, surface_overlap,
};

const SHAPE: [usize; 3] = [40, 60, 150];
const KERNELS: [&str; 6] = [
    "compare",
    "component",
    "deepest",
    "blocks",
    "distances",
    "surfaces",
];
const VOLUMES: [&str; 2] = ["smooth", "noise"];
/// What the child is told to count beside: what making the volumes takes.
const NOTHING: &str = "nothing";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, kernel, volume] = &arguments[..]
        && VOLUMES.contains(&volume.as_str())
    {
        // One thread, that the counts repeat.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        pool.expect("a thread").install(|| run(kernel, volume));
        return ExitCode::SUCCESS;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions.txt");
    let counts = count_all();
    if std::env::var_os("SEGARENA_KEEP_COUNTS").is_some() {
        let lines = counts
            .iter()
            .map(|(name, count)| format!("{name} {count}\n"));
        std::fs::write(&file, lines.collect::<String>()).expect("a folder to write to");
        println!("kept in {}", file.display());
        return ExitCode::SUCCESS;
    }
    let text = std::fs::read_to_string(&file).expect("the counts kept");
    let kept = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().parse().ok()
    };
    let mut is_worse = false;
    for (name, count) in counts {
        let Some(kept) = kept(&name) else {
            println!("{name}: {count}, nothing kept to hold it against");
            is_worse = true;
            continue;
        };
        let ratio = count as f64 / kept as f64;
        println!("{name}: {count}, {ratio:.3} of {kept}");
        is_worse |= ratio > 1.1;
    }
    if is_worse {
        eprintln!(
            "a kernel takes over a tenth more instructions than {} says; if that is meant, run \
             this with SEGARENA_KEEP_COUNTS=1 and commit the file",
            file.display()
        );
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// Every kernel on every volume, less what making the volume takes.
fn count_all() -> Vec<(String, u64)> {
    let mut counts = Vec::new();
    for volume in VOLUMES {
        let beside = instructions(NOTHING, volume);
        for kernel in KERNELS {
            let count = instructions(kernel, volume).saturating_sub(beside);
            counts.push((format!("{kernel} {volume}"), count));
        }
    }
    counts
}

/// The instructions of this program running one kernel.
fn instructions(kernel: &str, volume: &str) -> u64 {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([kernel, volume])
        .output()
        .expect("valgrind: install it (apt-get install valgrind)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kernel} {volume} failed: {said}");
    let collected = said
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    let count = collected.and_then(|count| count.trim().parse().ok());
    count.unwrap_or_else(|| panic!("valgrind told no count: {said}"))
}

/// Runs a kernel on a volume, after what it needs has been made.
fn run(kernel: &str, volume: &str) {
    let (truth, prediction) = volumes(volume);
    let spacing = Spacing::new([1.5, 0.8, 0.8]).expect("positive");
    let truth = LabelVolume::new(truth, spacing);
    let comparison = Comparison::new(&truth, prediction.view());
    let error = comparison.error_mask(1);
    let component = largest_component(error.clone()).expect("an error");
    let blocks = Blocks {
        corner: [-5; 3],
        shape: SHAPE.map(|size| size / 2 + 5),
    };
    let whole = Mask::of_key(truth.voxels(), 1);
    match kernel {
        "compare" => drop(black_box(Comparison::new(&truth, prediction.view()))),
        "component" => drop(black_box(largest_component(comparison.error_mask(1)))),
        "deepest" => drop(black_box(deepest_voxels(&component, Outside::Background))),
        "blocks" => drop(black_box(blocks.voxels_in(&error, &blocks.of(&error)))),
        "distances" => drop(black_box(SquaredDistances::new(
            &whole,
            Outside::Background,
        ))),
        "surfaces" => {
            black_box(surface_overlap(&comparison, 1, 2.0));
        }
        _ => assert_eq!(kernel, NOTHING),
    }
}

/// A body, and a prediction whose border wobbles or that is noise.
fn volumes(volume: &str) -> (Array3<u8>, Array3<u8>) {
    let radius = |at: [usize; 3]| -> f64 {
        let parts = [0, 1, 2].map(|axis| {
            let size = SHAPE[axis] as f64;
            ((at[axis] as f64 - size / 2.0) / (size * 0.42)).powi(2)
        });
        parts.iter().sum()
    };
    let mut state = 1u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 31) as u8
    };
    let truth = Array3::from_shape_fn(SHAPE, |(z, y, x)| u8::from(radius([z, y, x]) <= 1.0));
    let prediction = Array3::from_shape_fn(SHAPE, |(z, y, x)| match volume {
        "noise" => noise(),
        _ => {
            let wobble = (z as f64 / 5.0).sin() * (y as f64 / 7.0).cos() * (x as f64 / 9.0).sin();
            u8::from(radius([z, y, x]) <= 1.0 + 0.2 * wobble)
        }
    });
    (truth, prediction)
}
