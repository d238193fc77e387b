//! An interaction's own work (one comparison, every label's click, DSC and NSD) on volumes that are
//! not smooth, beside the public libraries on the same ones, the worst first; and the same with the
//! prediction read from its file and written to the next interaction's.
//!
//! `cargo bench --bench rough`, with `SEGARENA_PEERS=/path/to/python` for a Python that has the
//! libraries and `SEGARENA_PARITY` for the parity set, whose brain is the real anatomy. Both sides
//! have one thread and are measured by the time it had of the processor, so that what else the
//! machine does counts for little. `SEGARENA_BENCH_SHAPE` is the noise's volume.

mod clock;
mod peers;
mod phantom;

use std::ffi::OsStr;
use std::hint::black_box;
use std::path::PathBuf;

use ndarray::{Array3, ArrayView3};
use peak_alloc::PeakAlloc;
use segarena_core::clicks::{ChallengePolicy, ClickPolicy};
use segarena_core::npz::{Folder, read_ground_truth, read_prediction, write_volume};
use segarena_core::score::score;
use segarena_core::volume::{Comparison, LabelVolume, Spacing};

use peers::{Measured, Peers};
use phantom::noise::{self, Chance};

/// Counts what our side allocates.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A ground truth and a prediction.
type Pair = (Array3<u8>, Array3<u8>);

/// Volumes, and what they are.
struct Rough {
    name: String,
    make: Box<dyn Fn() -> Pair>,
}

fn main() {
    // One thread on both sides: this one, whose time is measured.
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .use_current_thread()
        .build_global()
        .expect("the first pool");
    let mut peers = Peers::start([8; 3]);
    let mut rows = Vec::new();
    for Rough { name, make } in all() {
        let stage = Stage::new(make());
        let ours = measure(|| stage.interaction(stage.prediction.view()));
        println!("{name}: {ours}");
        let theirs = stage.ask(&mut peers, "interaction");
        let ours_with_files = measure(|| stage.round());
        let theirs_with_files = stage.ask(&mut peers, "round");
        rows.push((name.clone(), ours, theirs));
        rows.push((
            format!("{name}; with its files"),
            ours_with_files,
            theirs_with_files,
        ));
    }
    let ratio =
        |ours: Measured, theirs: Measured| theirs.time.as_secs_f64() / ours.time.as_secs_f64();
    rows.sort_by(|a, b| {
        let of =
            |row: &(String, Measured, Option<Measured>)| row.2.map_or(0.0, |it| ratio(row.1, it));
        of(a).total_cmp(&of(b))
    });
    println!("\n| volume | segarena | memory | the libraries | memory | ratio |");
    println!("| --- | ---: | ---: | ---: | ---: | ---: |");
    for (name, ours, theirs) in rows {
        match theirs {
            Some(theirs) => {
                println!(
                    "| {name} | {ours} | {theirs} | {:.0}× |",
                    ratio(ours, theirs)
                );
            }
            None => println!("| {name} | {ours} | | | |"),
        }
    }
}

/// Every rough volume.
fn all() -> Vec<Rough> {
    let shape = match std::env::var_os("SEGARENA_BENCH_SHAPE") {
        Some(_) => phantom::shape(),
        None => [64, 192, 192],
    };
    let mut all = Vec::new();
    let mut add = |name: String, make: Box<dyn Fn() -> Pair>| all.push(Rough { name, make });
    for percent in [1, 10, 50] {
        let name = format!("a body, {percent} % of the prediction noise");
        add(name, Box::new(move || noise::body(shape, percent)));
    }
    add(
        "vessels one voxel wide".to_owned(),
        Box::new(move || vessels(shape)),
    );
    if let Some(parity) = std::env::var_os("SEGARENA_PARITY") {
        let file = PathBuf::from(parity).join("gts/mri_brain_tissue.npz");
        let brain = move || {
            let truth = read_ground_truth(&file, "gts").expect("the parity set's brain");
            let spacing = Spacing::new([1.0; 3]).expect("positive");
            truth.into_volume(spacing).voxels().to_owned()
        };
        let tissue = brain.clone();
        add(
            "brain MRI, its tissues, moved by two voxels".to_owned(),
            Box::new(move || with_prediction_moved(tissue())),
        );
        add(
            "brain MRI, 100 regions of the cortex, moved by two voxels".to_owned(),
            Box::new(move || with_prediction_moved(regions(&brain()))),
        );
    }
    all
}

/// Random walks through the volume, and a prediction that misses a tenth of each and is moved by
/// one voxel.
fn vessels(shape: [usize; 3]) -> Pair {
    let mut truth = Array3::zeros(shape);
    let mut prediction = Array3::zeros(shape);
    let mut chance = Chance(2);
    for _ in 0..500 {
        let mut at = shape.map(|size| chance.below(size as u32) as usize);
        for _ in 0..400 {
            let axis = chance.below(3) as usize;
            let step = [shape[axis] - 1, 1][chance.below(2) as usize];
            at[axis] = (at[axis] + step) % shape[axis];
            truth[at] = 1;
            if chance.below(10) > 0 {
                let [z, y, x] = at;
                prediction[[z, y, (x + 1) % shape[2]]] = 1;
            }
        }
    }
    (truth, prediction)
}

/// A prediction that has everything two voxels off along the last two axes.
fn with_prediction_moved(truth: Array3<u8>) -> Pair {
    let (_, height, width) = truth.dim();
    let prediction = Array3::from_shape_fn(truth.dim(), |(z, y, x)| {
        truth[[z, (y + 2) % height, (x + 2) % width]]
    });
    (truth, prediction)
}

/// Whatever has a label, parted by which of 100 points is nearest.
fn regions(labels: &Array3<u8>) -> Array3<u8> {
    let mut chance = Chance(3);
    let filled: Vec<_> = labels
        .indexed_iter()
        .filter(|&(_, &label)| label > 0)
        .map(|((z, y, x), _)| [z, y, x])
        .collect();
    let points: Vec<_> = (0..100)
        .map(|_| filled[chance.below(filled.len() as u32) as usize])
        .collect();
    let mut regions = Array3::zeros(labels.dim());
    for at in filled {
        let distance = |point: &[usize; 3]| -> usize {
            [0, 1, 2]
                .iter()
                .map(|&axis| point[axis].abs_diff(at[axis]).pow(2))
                .sum()
        };
        let nearest = (1..).zip(&points).min_by_key(|(_, point)| distance(point));
        regions[at] = nearest.map_or(0, |(number, _)| number);
    }
    regions
}

/// What both sides work on.
struct Stage {
    truth: LabelVolume,
    prediction: Array3<u8>,
    /// Where both are as files.
    folder: tempfile::TempDir,
}

impl Stage {
    fn new((truth, prediction): Pair) -> Self {
        let spacing = Spacing::new([1.5, 0.8, 0.8]).expect("positive");
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, key, voxels) in [
            ("truth", "truth", &truth),
            ("prediction", "prediction", &prediction),
            ("case", "segs", &prediction),
        ] {
            let file = folder.path().join(format!("{name}.npz"));
            write_volume(&file, key, voxels.view()).expect("space on the disk");
        }
        Self {
            truth: LabelVolume::new(truth, spacing),
            prediction,
            folder,
        }
    }

    /// One comparison, every label's click, DSC and NSD.
    fn interaction(&self, prediction: ArrayView3<'_, u8>) {
        let comparison = Comparison::new(&self.truth, prediction);
        for (_, key) in self.truth.keys().iter() {
            black_box(ChallengePolicy.place(&comparison, key));
        }
        black_box(score(&comparison, 2.0));
    }

    /// The same with the prediction read from its file and written to the next interaction's.
    fn round(&self) {
        let folder = Folder::open(self.folder.path()).expect("the temporary folder");
        let shape = self.truth.shape();
        let read = read_prediction(&folder, OsStr::new("case.npz"), shape, self.truth.keys());
        let prediction = read.expect("a good prediction");
        self.interaction(prediction.scored.view());
        let written = self.folder.path().join("written.npz");
        write_volume(&written, "prev_pred", prediction.cast.view()).expect("space on the disk");
    }

    /// The libraries' side.
    fn ask(&self, peers: &mut Option<Peers>, what: &str) -> Option<Measured> {
        let question = format!("{what} {}", self.folder.path().display());
        peers.as_mut().map(|peers| peers.ask(&question))
    }
}

/// Our side.
fn measure(work: impl Fn()) -> Measured {
    clock::median_of_five(&MEMORY, clock::of_the_thread, work)
}
