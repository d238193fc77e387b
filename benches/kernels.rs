//! Times the kernels beside the public libraries on one volume and prints the table of
//! `benches/README.md`.
//!
//! `cargo bench --bench kernels`, with `SEGARENA_BENCH_SHAPE=300,512,512` for another size and
//! `SEGARENA_PEERS=/path/to/python` for a Python that has the libraries; without one, only our side
//! is measured.

mod peers;
mod phantom;

use std::ffi::OsStr;
use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use ndarray::{Array3, ArrayView3};
use peak_alloc::PeakAlloc;
use segarena_core::clicks::{ChallengePolicy, ClickPolicy};
use segarena_core::npz::{Folder, SpareVolume, read_prediction_reusing, write_volume};
use segarena_core::volume::{
    Comparison, LabelVolume, Mask, Outside, Spacing, SquaredDistances, largest_component,
    surface_overlap,
};

use peers::{Measured, Peers};

/// Counts what our side allocates.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

fn main() {
    // One thread on both sides.
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build_global()
        .expect("the first pool");
    let shape = phantom::shape();
    let stage = Stage::new(shape);
    let mut bench = Bench::new(shape);
    stage.run(&mut bench);
    bench.criterion.final_summary();
    bench.print(shape);
}

/// What the kernels work on.
struct Stage {
    shape: [usize; 3],
    truth: LabelVolume,
    prediction: Array3<u8>,
    folder: tempfile::TempDir,
}

impl Stage {
    fn new(shape: [usize; 3]) -> Self {
        let (truth, prediction) = phantom::ellipsoid(shape);
        let spacing = Spacing::new([1.5, 0.8, 0.8]).expect("positive");
        Self {
            shape,
            truth: LabelVolume::new(truth, spacing),
            prediction,
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    fn run(&self, bench: &mut Bench) {
        let prediction = self.prediction.view();
        bench.row("overlap and error boxes of all labels", &["dice"], || {
            black_box(Comparison::new(&self.truth, prediction));
        });
        let comparison = Comparison::new(&self.truth, prediction);
        bench.row(
            "largest 26-connected component of the error",
            &["component"],
            || {
                black_box(largest_component(comparison.error_mask(1)));
            },
        );
        let whole = Mask::of_key(self.truth.voxels(), 1);
        bench.row("exact distance transform", &["edt", "scipy edt"], || {
            black_box(SquaredDistances::new(&whole, Outside::Background));
        });
        bench.row("the click", &["click"], || {
            black_box(ChallengePolicy.place(&comparison, 1));
        });
        bench.row("NSD at 2 mm", &["nsd"], || {
            black_box(surface_overlap(&comparison, 1, 2.0));
        });
        self.files(bench, prediction);
    }

    /// Reading as the session reads: into the memory of the prediction before.
    fn files(&self, bench: &mut Bench, prediction: ArrayView3<'_, u8>) {
        let name = OsStr::new("segs.npz");
        let file = self.folder.path().join(name);
        write_volume(&file, "segs", prediction).expect("space on the disk");
        let folder = Folder::open(self.folder.path()).expect("the temporary folder");
        let mut spare = SpareVolume::default();
        let mut read = |file: &OsStr| {
            let read =
                read_prediction_reusing(&folder, file, self.shape, self.truth.keys(), &mut spare);
            spare.keep(read.expect("a good prediction"));
        };
        bench.row("reading a prediction", &[], || read(name));
        // The same file that numpy reads.
        if let Some(written) = bench.peers.as_ref().map(|peers| peers.file.clone()) {
            let here = self.folder.path().join("numpy.npz");
            std::fs::copy(written, here).expect("space on the disk");
            bench.row("reading one that numpy compressed", &["read"], || {
                read(OsStr::new("numpy.npz"));
            });
        }
        let other = self.folder.path().join("written.npz");
        bench.row("writing a previous prediction", &["write"], || {
            write_volume(&other, "prev_pred", prediction).expect("space on the disk");
        });
    }
}

/// Measures rows and prints them.
struct Bench {
    criterion: Criterion,
    estimates: tempfile::TempDir,
    peers: Option<Peers>,
    rows: Vec<Row>,
}

/// A kernel of ours and the libraries' that do the same.
struct Row {
    name: String,
    /// Absent if the kernel was filtered out, or only tried.
    ours: Option<Measured>,
    theirs: Vec<(&'static str, Measured)>,
}

impl Bench {
    fn new(shape: [usize; 3]) -> Self {
        let estimates = tempfile::tempdir().expect("a temporary folder");
        Self {
            criterion: phantom::criterion(estimates.path())
                .measurement_time(Duration::from_secs(2)),
            estimates,
            peers: Peers::start(shape),
            rows: Vec::new(),
        }
    }

    /// Measures our kernel, then at once the libraries' that do the same.
    fn row(&mut self, name: &str, peers: &[&'static str], mut kernel: impl FnMut()) {
        self.criterion
            .bench_function(name, |bencher| bencher.iter(&mut kernel));
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        kernel();
        let bytes = MEMORY.peak_usage().saturating_sub(before) as u64;
        let time = phantom::median(self.estimates.path(), name);
        let ours = time.map(|time| Measured { time, bytes });
        let asked = |&peer: &&'static str| Some((peer, self.peers.as_mut()?.ask(peer)));
        let theirs = match ours {
            Some(_) => peers.iter().filter_map(asked).collect(),
            None => Vec::new(),
        };
        self.rows.push(Row {
            name: name.to_owned(),
            ours,
            theirs,
        });
    }

    fn print(&self, shape: [usize; 3]) {
        println!(
            "\n{} × {} × {} voxels, one thread\n",
            shape[0], shape[1], shape[2]
        );
        if self.peers.is_none() {
            println!("(our side only: SEGARENA_PEERS names no Python with the libraries)\n");
        }
        println!("| kernel | segarena | memory | beside | its time | its memory | ratio |");
        println!("| --- | ---: | ---: | --- | ---: | ---: | ---: |");
        for Row { name, ours, theirs } in &self.rows {
            let Some(ours) = ours else { continue };
            let start = format!("| {name} | {ours}");
            if theirs.is_empty() {
                println!("{start} | | | | |");
            }
            for (peer, theirs) in theirs {
                let ratio = theirs.time.as_secs_f64() / ours.time.as_secs_f64();
                println!("{start} | {peer} | {theirs} | {ratio:.1}× |");
            }
        }
    }
}
