//! What keeping a submission warm spares: one that imports numpy and loads 200 MB of weights, as
//! `segarena new` writes it, started anew for each interaction and kept for a case or the run, by
//! turns.
//!
//! `cargo bench --bench warm`. `SEGARENA_PEERS` is a Python with numpy, by which it runs as a plain
//! process; on Docker it runs as an image on the base that `SEGARENA_BENCH_BASE` names.

mod phantom;

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use segarena_core::npz::{write_image, write_volume};
use segarena_core::prompt::{BoundingBox, boxes_member};
use serde_json::Value;

const ROUNDS: usize = 5;
const CASES: usize = 4;
const INTERACTIONS: usize = 6;
const SHAPE: [usize; 3] = [24, 96, 96];
const WEIGHTS: usize = 200_000_000;
const LIFETIMES: [&str; 3] = ["interaction", "case", "run"];
const PROGRAM: &str = env!("CARGO_BIN_EXE_segarena");
const IMAGE: &str = "segarena-bench-warm:latest";

fn main() {
    // `cargo test --all-targets` runs benchmarks as well, without this.
    if !std::env::args().any(|argument| argument == "--bench") {
        return println!("only tried: `cargo bench --bench warm` measures");
    }
    let folder = tempfile::tempdir().expect("a temporary folder");
    make_cases(folder.path());
    let model = folder.path().join("model");
    make_model(&model);
    println!("\n| on | kept for | interactions a minute | ratio | a start | an answer |");
    println!("| --- | --- | ---: | ---: | ---: | ---: |");
    match std::env::var("SEGARENA_PEERS") {
        Ok(python) => {
            let python = std::path::absolute(python).expect("a working folder");
            let submission = format!("command = [{python:?}, \"predict.py\"]\nworkdir = {model:?}");
            compare(folder.path(), "process", &submission);
        }
        Err(_) => eprintln!("SEGARENA_PEERS names no Python: plain processes are left out"),
    }
    if build_image(&model) {
        compare(folder.path(), "docker", &format!("image = {IMAGE:?}"));
        let removed = Command::new("docker").args(["rmi", IMAGE]).output();
        assert!(removed.expect("docker").status.success(), "{IMAGE} is left");
    }
}

fn make_cases(folder: &Path) {
    for name in ["imgs", "gts"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    let (truth, _) = phantom::organs(SHAPE, 2, 0.0);
    let image = truth.mapv(|label| 40 + label * 60);
    let boxes = [1, 2].map(|label| BoundingBox::around(truth.view(), label).expect("it is there"));
    let boxes = boxes_member(&boxes);
    for case in 0..CASES {
        let path = |kind: &str| folder.join(kind).join(format!("case_{case}.npz"));
        let spacing = [1.5, 0.8, 0.8];
        write_image(&path("imgs"), image.view(), spacing, Some(&boxes)).expect("space");
        write_volume(&path("gts"), "gts", truth.view()).expect("space");
    }
}

/// What `segarena new` writes, with weights to load.
fn make_model(model: &Path) {
    let written = Command::new(PROGRAM).arg("new").arg(model).output();
    assert!(written.expect("segarena").status.success());
    let edit = |file: &str, from: &str, to: &str| {
        let path = model.join(file);
        let text = fs::read_to_string(&path).expect("it was written");
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replace(from, to)).expect("space");
    };
    let begins = "def load():\n";
    let loads = "    global weights\n    weights = np.fromfile(Path(__file__).with_name(\"weights\"), np.float32)\n";
    edit("predict.py", begins, &format!("{begins}{loads}"));
    edit(
        "Dockerfile",
        "COPY predict.py",
        "COPY weights ./\nCOPY predict.py",
    );
    let mut number = 1u64;
    let mut weights = vec![0; WEIGHTS];
    for piece in weights.chunks_exact_mut(8) {
        number ^= number << 13;
        number ^= number >> 7;
        number ^= number << 17;
        // Not a number that a computer is slow with.
        piece.copy_from_slice(&(number & 0x3fff_ffff_3fff_ffff).to_le_bytes());
    }
    let mut file = fs::File::create(model.join("weights")).expect("space");
    file.write_all(&weights).expect("space");
}

/// Whether there is an image of it now.
fn build_image(model: &Path) -> bool {
    let mut build = Command::new("docker");
    build.args(["build", "--quiet", "--tag", IMAGE, "."]);
    if let Ok(base) = std::env::var("SEGARENA_BENCH_BASE") {
        // One that has all, numpy too.
        build.args(["--network", "none", "--build-arg", &format!("BASE={base}")]);
    }
    // The builder that every Docker has.
    build.env("DOCKER_BUILDKIT", "0").current_dir(model);
    match build.output() {
        Ok(built) if built.status.success() => true,
        Ok(built) => {
            let said = String::from_utf8_lossy(&built.stderr);
            eprintln!("no image was built, Docker is left out: {said}");
            false
        }
        Err(error) => {
            eprintln!("docker: {error}: left out");
            false
        }
    }
}

/// What was measured of one lifetime.
#[derive(Default)]
struct Measured {
    /// Of each round, the whole evaluation's seconds.
    walls: Vec<f64>,
    loads: Vec<f64>,
    answers: Vec<f64>,
}

fn compare(folder: &Path, kind: &str, submission: &str) {
    let config = format!(
        "[cases]\nimages = \"imgs\"\nground_truth = \"gts\"\n[output]\ndir = \"out-{kind}\"\n\
         [backend]\nkind = {kind:?}\n\
         [[submission]]\nname = \"model\"\n{submission}\n"
    );
    fs::write(folder.join("config.toml"), config).expect("space");
    let mut measured = LIFETIMES.map(|_| Measured::default());
    for _ in 0..ROUNDS {
        for (lifetime, measured) in LIFETIMES.iter().zip(&mut measured) {
            let begun = Instant::now();
            let ran = Command::new(PROGRAM)
                .args(["evaluate", "-c", "config.toml", "--restart"])
                .args(["--lifetime", lifetime])
                .current_dir(folder)
                .stdout(Stdio::null())
                .output()
                .expect("segarena");
            measured.walls.push(begun.elapsed().as_secs_f64());
            let said = String::from_utf8_lossy(&ran.stderr);
            assert!(ran.status.success(), "{said}");
            look(&folder.join(format!("out-{kind}/model")), measured);
        }
    }
    let minute =
        |measured: &Measured| (CASES * INTERACTIONS) as f64 * 60.0 / median(measured.walls.clone());
    let cold = minute(&measured[0]);
    for (lifetime, measured) in LIFETIMES.iter().zip(&measured) {
        println!(
            "| {kind} | {lifetime} | {:.0} | {:.1}× | {} | {:.0} ms |",
            minute(measured),
            minute(measured) / cold,
            match measured.loads.is_empty() {
                true => String::new(),
                false => format!("{:.0} ms", 1e3 * median(measured.loads.clone())),
            },
            1e3 * median(measured.answers.clone())
        );
    }
}

/// Takes the times of every interaction from the records.
fn look(results: &Path, measured: &mut Measured) {
    for case in 0..CASES {
        let text = fs::read(results.join(format!("case_{case}.json"))).expect("a record");
        let record: Value = serde_json::from_slice(&text).expect("a record");
        for one in record["interactions"].as_array().expect("interactions") {
            assert_eq!(one["outcome"], "ok", "{one}");
            measured.answers.extend(one["seconds"].as_f64());
            measured.loads.extend(one["load_seconds"].as_f64());
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
