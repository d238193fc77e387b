//! What a whole evaluation takes of its own: the program on a CT of two classes, six interactions,
//! and a submission that only copies predictions made beforehand.
//!
//! `cargo bench --bench whole_run`; `SEGARENA_BENCH_SHAPE` is another size. Where
//! `SEGARENA_PARITY` names the parity set and `SEGARENA_PEERS` a Python with numpy, these cases
//! are evaluated as well.

mod phantom;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use ndarray::Array3;
use segarena_core::npz::{NpzFile, write_image, write_volume};
use segarena_core::prompt::{BoundingBox, boxes_member};
use wait4::Wait4;

const INTERACTIONS: usize = 6;
const THREADS: &str = "2";
/// Has this program make a case, in a process of its own: a process starts with the peak memory of
/// the one that starts it, so this one must stay small.
const MAKE: &str = "--make-case";

fn main() {
    let shape = phantom::shape();
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, make, folder, kind] = &arguments[..]
        && make == MAKE
    {
        return make_case(Path::new(folder), shape, kind);
    }
    // `cargo test --all-targets` runs benchmarks as well, without this.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return println!("only tried: `cargo bench --bench whole_run` measures");
    }
    println!(
        "\n{} × {} × {} voxels, two classes, {THREADS} threads\n",
        shape[0], shape[1], shape[2]
    );
    println!("| predictions | own time | for each interaction | peak memory |");
    println!("| --- | ---: | ---: | ---: |");
    for kind in ["uint8", "int64", "float32"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let made = Command::new(std::env::current_exe().expect("this program"))
            .args([MAKE.as_ref(), folder.path().as_os_str(), kind.as_ref()])
            .status();
        assert!(made.expect("this program").success(), "no case was made");
        let copy = format!(
            "n=$(($(cat \"$OUTPUTS/n\" 2>/dev/null) + 1)); echo $n > \"$OUTPUTS/n\"; \
             cp '{}'/predictions/$n.npz \"$OUTPUTS/case.npz\"",
            folder.path().display()
        );
        let command = ["sh", "-c", &copy];
        print_row(kind, &evaluate(folder.path(), folder.path(), &command));
    }
    parity();
}

/// A case with its image, its ground truth, its boxes and six predictions that get better.
fn make_case(folder: &Path, shape: [usize; 3], kind: &str) {
    for name in ["imgs", "gts", "predictions"] {
        fs::create_dir(folder.join(name)).expect("a folder");
    }
    let (truth, _) = phantom::organs(shape, 2, 0.0);
    let mut noise = 1u32;
    let image = truth.mapv(|label| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        label * 60 + (noise >> 28) as u8
    });
    let boxes = [1, 2].map(|label| BoundingBox::around(truth.view(), label).expect("it is there"));
    let spacing = [1.5, 0.8, 0.8];
    let boxes = boxes_member(&boxes);
    write_image(
        &folder.join("imgs/case.npz"),
        image.view(),
        spacing,
        Some(&boxes),
    )
    .expect("space");
    write_volume(&folder.join("gts/case.npz"), "gts", truth.view()).expect("space");
    for index in 1..=INTERACTIONS {
        let (_, prediction) = phantom::organs(shape, 2, 2.0 / index as f64);
        let path = folder.join(format!("predictions/{index}.npz"));
        write_prediction(&path, &prediction, kind);
    }
}

fn write_prediction(path: &Path, prediction: &Array3<u8>, kind: &str) {
    let mut file = NpzFile::create(path).expect("a folder");
    match kind {
        "int64" => file.array("segs", &prediction.mapv(i64::from)),
        "float32" => file.array("segs", &prediction.mapv(f32::from)),
        _ => file.array("segs", prediction),
    }
    .expect("space");
    file.finish().expect("space");
}

/// What a run of the program took.
struct Run {
    /// Its wall time less that of the submission.
    own_seconds: f64,
    interactions: usize,
    peak_bytes: u64,
}

/// Evaluates the cases of `data` with this submission; results go to `folder`.
fn evaluate(data: &Path, folder: &Path, command: &[&str]) -> Run {
    let config = format!(
        "[cases]\nimages = {:?}\nground_truth = {:?}\n[output]\ndir = \"out\"\n\
         [backend]\nkind = \"process\"\n\
         env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n\
         [[submission]]\nname = \"s\"\ncommand = {command:?}\n",
        data.join("imgs"),
        data.join("gts"),
    );
    fs::write(folder.join("config.toml"), config).expect("space");
    let start = Instant::now();
    let mut program = Command::new(env!("CARGO_BIN_EXE_segarena"))
        .args(["evaluate", "--config", "config.toml", "--threads", THREADS])
        .current_dir(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program");
    let ended = program.wait4().expect("it ends");
    let wall = start.elapsed().as_secs_f64();
    let mut run = Run {
        own_seconds: wall,
        interactions: 0,
        peak_bytes: ended.rusage.maxrss,
    };
    for entry in fs::read_dir(folder.join("out/s")).expect("results") {
        let path = entry.expect("results").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let record = fs::read(path).expect("a record");
            let record: serde_json::Value = serde_json::from_slice(&record).expect("a record");
            for interaction in record["interactions"].as_array().expect("interactions") {
                run.own_seconds -= interaction["seconds"].as_f64().expect("a time");
                run.interactions += 1;
            }
        }
    }
    run
}

fn print_row(name: &str, run: &Run) {
    println!(
        "| {name} | {:.2} s | {:.2} s | {:.0} MB |",
        run.own_seconds,
        run.own_seconds / run.interactions as f64,
        run.peak_bytes as f64 / 1e6
    );
}

fn parity() {
    let (Some(set), Some(python)) = (
        std::env::var_os("SEGARENA_PARITY"),
        std::env::var_os("SEGARENA_PEERS"),
    ) else {
        return;
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let model = Path::new(&set).join("model/predict.py");
    let command = [python.to_string_lossy(), model.to_string_lossy()];
    let command = [command[0].as_ref(), command[1].as_ref()];
    let run = evaluate(Path::new(&set), folder.path(), &command);
    print_row("the parity set's cases together", &run);
}
