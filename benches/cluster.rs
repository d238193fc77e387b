//! Fifty submissions on a thousand cases as they are on a cluster: what it takes to plan and submit
//! them, to begin a shard that has nothing left to do, and to gather all of them. No containers,
//! and an `sbatch` that only prints a number.
//!
//! `cargo bench --bench cluster`; `SEGARENA_BENCH_CASES` and `SEGARENA_BENCH_SUBMISSIONS` are other
//! numbers.

mod phantom;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use segarena_core::npz::{NpzFile, write_image, write_volume};
use segarena_core::prompt::{BoundingBox, boxes_member};
use wait4::Wait4;

/// So many lines a submission prints at each interaction, of which records keep the end.
const LINES: usize = 40;

fn main() {
    // `cargo test --all-targets` runs benchmarks as well, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return println!("only tried: `cargo bench --bench cluster` measures");
    }
    let number = |name: &str, usual: usize| {
        let given = std::env::var(name).ok();
        given.map_or(usual, |text| text.parse().expect("a number"))
    };
    let cases = number("SEGARENA_BENCH_CASES", 1000);
    let submissions = number("SEGARENA_BENCH_SUBMISSIONS", 50);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    make(folder, cases, submissions);
    println!("\n{submissions} submissions, {cases} cases\n");
    println!("| step | time | processor time | peak memory |");
    println!("| --- | ---: | ---: | ---: |");
    let evaluate = ["evaluate", "--config", "config.toml"];
    let shard = |number: usize| format!("{number}/{submissions}");
    step(
        folder,
        "check the data set, once",
        &[&evaluate[..], &["--prepare"]].concat(),
    );
    let slurm = ["slurm", "--config", "config.toml"];
    step(folder, "plan and submit, nothing done yet", &slurm);
    // One submission's work is done, and is that of the others as well: their command is the same.
    let first = shard(0);
    let first = [&evaluate[..], &["--shard", &first, "--jobs", "2"]].concat();
    step(folder, "the first submission, for real", &first);
    for submission in 1..submissions {
        copy(folder, submission);
    }
    let mut slowest = Took::default();
    for number in 1..submissions {
        let share = shard(number);
        let took = run(folder, &[&evaluate[..], &["--shard", &share]].concat());
        slowest.seconds = slowest.seconds.max(took.seconds);
        slowest.processor_seconds = slowest.processor_seconds.max(took.processor_seconds);
        slowest.peak_bytes = slowest.peak_bytes.max(took.peak_bytes);
    }
    row("a shard with nothing left to do, the slowest", &slowest);
    step(folder, "plan and submit, all done", &slurm);
    step(folder, "gather, with the report", &["gather", "out"]);
}

/// What a command took.
#[derive(Default)]
struct Took {
    seconds: f64,
    /// Of all its threads.
    processor_seconds: f64,
    peak_bytes: u64,
}

fn step(folder: &Path, name: &str, arguments: &[&str]) {
    row(name, &run(folder, arguments));
}

fn row(name: &str, took: &Took) {
    let megabytes = took.peak_bytes as f64 / 1e6;
    println!(
        "| {name} | {:.2} s | {:.2} s | {megabytes:.0} MB |",
        took.seconds, took.processor_seconds
    );
}

fn run(folder: &Path, arguments: &[&str]) -> Took {
    let path = std::env::var("PATH").unwrap_or_default();
    let start = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_segarena"))
        .args(arguments)
        .env("PATH", format!("{}:{path}", folder.join("bin").display()))
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("said")).expect("space"))
        .spawn()
        .expect("the program");
    let ended = program.wait4().expect("it ends");
    let seconds = start.elapsed().as_secs_f64();
    let said = fs::read_to_string(folder.join("said")).unwrap_or_default();
    assert!(ended.status.success(), "{arguments:?}: {said}");
    Took {
        seconds,
        processor_seconds: (ended.rusage.utime + ended.rusage.stime).as_secs_f64(),
        peak_bytes: ended.rusage.maxrss,
    }
}

/// Small cases of unlike sizes with one to three labels, predictions for them, a configuration and
/// the scheduler's program.
fn make(folder: &Path, cases: usize, submissions: usize) {
    for name in ["imgs", "gts", "predictions", "bin"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    for case in 0..cases {
        let labels = 1 + case % 3;
        let shape = [8 + case * 7 % 24, 24, 24];
        let (truth, prediction) = phantom::organs(shape, labels, 1.0);
        let boxes: Vec<BoundingBox> = (1..=labels)
            .filter_map(|label| BoundingBox::around(truth.view(), label as u8))
            .collect();
        let name = format!("ct_{case:04}.npz");
        let spacing = [2.0, 1.0, 1.0];
        let image = truth.mapv(|label| label * 60);
        let path = |kind: &str| folder.join(kind).join(&name);
        let boxes = boxes_member(&boxes);
        write_image(&path("imgs"), image.view(), spacing, Some(&boxes)).expect("space");
        write_volume(&path("gts"), "gts", truth.view()).expect("space");
        let mut file = NpzFile::create(&path("predictions")).expect("space");
        file.array("segs", &prediction).expect("space");
        file.finish().expect("space");
    }
    let line = "loading weights of the model, layer by layer";
    let script = format!(
        "for i in $(seq {LINES}); do echo '{line}'; done; \
         for case in \"$INPUTS\"/*; do cp \"predictions/${{case##*/}}\" \"$OUTPUTS\"; done"
    );
    let mut config = format!(
        "[cases]\nimages = \"imgs\"\nground_truth = \"gts\"\n[output]\ndir = \"out\"\n\
         [backend]\nkind = \"process\"\n[slurm]\ntasks = {submissions}\n"
    );
    for submission in 0..submissions {
        config.push_str(&format!(
            "[[submission]]\nname = \"s{submission:02}\"\ncommand = {:?}\n",
            ["sh", "-c", &script]
        ));
    }
    fs::write(folder.join("config.toml"), config).expect("space");
    let sbatch = folder.join("bin/sbatch");
    fs::write(&sbatch, "#!/bin/sh\necho 7\n").expect("space");
    fs::set_permissions(&sbatch, fs::Permissions::from_mode(0o755)).expect("its permissions");
}

/// Gives a submission the results of the first.
fn copy(folder: &Path, submission: usize) {
    let to = folder.join(format!("out/s{submission:02}"));
    fs::create_dir_all(&to).expect("a folder");
    for entry in fs::read_dir(folder.join("out/s00")).expect("results") {
        let entry = entry.expect("results");
        if entry.file_type().expect("a kind").is_file() {
            fs::hard_link(entry.path(), to.join(entry.file_name())).expect("a link");
        }
    }
}
