//! The work on one label of the worst volume, half of its prediction noise: what each kernel takes,
//! and how much of it more threads save.
//!
//! `cargo bench --bench threads`, with `SEGARENA_PEERS=/path/to/python` for a Python that has the
//! libraries; `SEGARENA_BENCH_SHAPE` is the volume. Times are medians of five, by the clock on the
//! wall, but for the row beside cc3d, which is by the processor's on both sides.

mod clock;
mod peers;
mod phantom;

use std::hint::black_box;
use std::time::Duration;

use ndarray::{Array3, ArrayView3};
use peak_alloc::PeakAlloc;
use rayon::ThreadPool;
use segarena_core::clicks::{ChallengePolicy, ClickPolicy};
use segarena_core::npz::write_volume;
use segarena_core::score::score;
use segarena_core::volume::{Comparison, LabelVolume, Spacing, largest_component, surface_overlap};

use clock::{of_the_thread, wall};
use peers::{Measured, Peers};

/// Counts what is allocated.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() {
    let shape = phantom::shape();
    let (truth, prediction) = phantom::noise::body(shape, 50);
    let elements = surface_elements(truth.view()) + surface_elements(prediction.view());
    let errors = truth
        .iter()
        .zip(&prediction)
        .filter(|(truth, prediction)| truth != prediction)
        .count();
    let [depth, height, width] = shape;
    println!(
        "{depth} × {height} × {width} voxels, {:.1} million surface elements, {:.1} million \
         error voxels\n",
        elements as f64 / 1e6,
        errors as f64 / 1e6
    );
    let spacing = Spacing::new([1.5, 0.8, 0.8]).expect("positive");
    let work = Work {
        truth: LabelVolume::new(truth, spacing),
        prediction,
    };
    println!("| threads | comparison | click | score | an interaction | memory |");
    println!("| ---: | ---: | ---: | ---: | ---: | ---: |");
    for threads in [1, 2, 4, 8] {
        pool(threads).install(|| work.row(threads));
    }
    pool(1).install(|| work.beside_the_libraries(elements));
}

fn pool(threads: usize) -> ThreadPool {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().expect("a few threads")
}

/// The neighbourhoods of 2 × 2 × 2 voxels, outside is background, that a surface goes through.
fn surface_elements(volume: ArrayView3<'_, u8>) -> usize {
    let (depth, height, width) = volume.dim();
    let mut padded = Array3::zeros((depth + 2, height + 2, width + 2));
    padded
        .slice_mut(ndarray::s![1..=depth, 1..=height, 1..=width])
        .assign(&volume);
    let neighbourhoods = padded.windows((2, 2, 2));
    let parted = |window: ArrayView3<'_, u8>| {
        let filled = window.iter().filter(|&&voxel| voxel > 0).count();
        (1..8).contains(&filled)
    };
    neighbourhoods.into_iter().filter(|it| parted(*it)).count()
}

struct Work {
    truth: LabelVolume,
    prediction: Array3<u8>,
}

impl Work {
    fn compare(&self) -> Comparison<'_> {
        Comparison::new(&self.truth, self.prediction.view())
    }

    fn row(&self, threads: usize) {
        let comparison = self.compare();
        let compare = median(wall, || drop(black_box(self.compare())));
        let click = median(wall, || {
            black_box(ChallengePolicy.place(&comparison, 1));
        });
        let scored = median(wall, || drop(black_box(score(&comparison, 2.0))));
        drop(comparison);
        let whole = median(wall, || {
            let comparison = self.compare();
            black_box(ChallengePolicy.place(&comparison, 1));
            black_box(score(&comparison, 2.0));
        });
        println!(
            "| {threads} | {} | {} | {} | {} | {:.0} MB |",
            milliseconds(compare.time),
            milliseconds(click.time),
            milliseconds(scored.time),
            milliseconds(whole.time),
            whole.bytes as f64 / 1e6
        );
    }

    fn beside_the_libraries(&self, elements: usize) {
        let comparison = self.compare();
        let surfaces = median(of_the_thread, || {
            black_box(surface_overlap(&comparison, 1, 2.0));
        });
        println!(
            "\nNSD, one thread: {:.2} ns for each surface element",
            surfaces.time.as_secs_f64() * 1e9 / elements as f64
        );
        let component = median(of_the_thread, || {
            black_box(largest_component(comparison.error_mask(1)));
        });
        println!("the error's largest component, one thread: {component}");
        let Some(mut peers) = Peers::start([8; 3]) else {
            return;
        };
        let folder = tempfile::tempdir().expect("a temporary folder");
        let volumes = [
            ("truth", self.truth.voxels()),
            ("prediction", self.prediction.view()),
        ];
        for (name, voxels) in volumes {
            let file = folder.path().join(format!("{name}.npz"));
            write_volume(&file, name, voxels).expect("space on the disk");
        }
        let theirs = peers.ask(&format!("component {}", folder.path().display()));
        println!(
            "cc3d's components of it: {theirs}; {:.1} times as long",
            theirs.time.as_secs_f64() / component.time.as_secs_f64()
        );
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.0} ms", time.as_secs_f64() * 1e3)
}

fn median(clock: fn() -> Duration, work: impl Fn()) -> Measured {
    clock::median_of_five(&MEMORY, clock, work)
}
