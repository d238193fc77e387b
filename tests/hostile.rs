//! Whatever a submission does costs itself its score, and nobody else anything.
//!
//! What a prediction can hold that it should not (bombs, pickles, odd types …) is tried in
//! `core/tests/formats/hostile`; here is what a running submission can do around it.
#![allow(clippy::unwrap_used)]

mod arena;

use std::fs;
use std::path::Path;
use std::process::Stdio;

use arena::{Arena, fixtures};
use segarena_core::npz::{NpzMembers, read_ground_truth};
use serde_json::Value;
use wait4::Wait4;

/// Evaluates one case with an evil submission and one with a sound one after it; the evil one's
/// record is returned when the sound one's is in order.
#[track_caller]
fn misbehaves(script: &str) -> Value {
    misbehaves_in(script, "")
}

#[track_caller]
fn misbehaves_in(script: &str, protocol: &str) -> Value {
    let case = "phantom_perfect";
    let arena = Arena::new()
        .case(case)
        .table(&format!("[protocol]\nclicks = 1\n{protocol}"))
        .script("evil", script)
        .stand_in("sound");
    let ran = arena.evaluate().ends_with(3);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let sound = arena.record("sound", case);
    assert_eq!(sound["interactions"][1]["dsc"], 1.0, "{sound}");
    assert_eq!(arena.table_rows("evil").len(), 1);
    assert!(arena.left_behind().is_empty(), "{:?}", arena.left_behind());
    arena.record("evil", case)
}

#[track_caller]
fn outcome_is(record: &Value, index: usize, outcome: &str, reason: &str) {
    let interaction = &record["interactions"][index - 1];
    assert_eq!(interaction["outcome"], outcome, "{interaction}");
    let said = interaction["reason"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "no `{reason}` in: {said}");
}

#[test]
fn a_link_to_the_ground_truth_is_not_followed() {
    let truth = fixtures().join("parity/gts/phantom_perfect.npz");
    let record = misbehaves(&format!(
        "ln -sf '{}' \"$OUTPUTS/phantom_perfect.npz\"",
        truth.display()
    ));
    outcome_is(&record, 1, "bad_output", "link");
    assert_eq!(record["interactions"][1]["dsc"], 0.0);
}

#[test]
fn a_fifo_does_not_hang_the_evaluator() {
    let record = misbehaves(
        "rm -f \"$OUTPUTS/phantom_perfect.npz\"; mkfifo \"$OUTPUTS/phantom_perfect.npz\"",
    );
    outcome_is(&record, 1, "bad_output", "FIFO");
}

#[test]
fn a_folder_in_the_predictions_place_is_refused() {
    let record = misbehaves("mkdir -p \"$OUTPUTS/phantom_perfect.npz/x\"");
    outcome_is(&record, 1, "bad_output", "folder");
}

#[test]
fn a_link_to_a_device_is_refused() {
    let record = misbehaves("ln -sf /dev/zero \"$OUTPUTS/phantom_perfect.npz\"");
    outcome_is(&record, 1, "bad_output", "link");
}

#[test]
fn removed_folders_are_there_again_at_the_next_interaction() {
    let record = misbehaves("rm -rf \"$INPUTS\" \"$OUTPUTS\"");
    outcome_is(&record, 1, "no_output", "");
    outcome_is(&record, 2, "no_output", "");
}

#[test]
fn folders_replaced_by_links_elsewhere_are_put_right() {
    let record = misbehaves(
        "mkdir -p elsewhere; d=$(dirname \"$INPUTS\"); rm -rf \"$INPUTS\" \"$OUTPUTS\"; \
         ln -s \"$PWD/elsewhere\" \"$d/inputs\"; ln -s \"$PWD/elsewhere\" \"$d/outputs\"",
    );
    outcome_is(&record, 2, "no_output", "");
}

#[test]
fn unreadable_folders_are_opened_again() {
    let record = misbehaves("stand_in; chmod 000 \"$INPUTS\" \"$OUTPUTS\"; exit 9");
    outcome_is(&record, 1, "exit", "");
    // What it wrote before it failed counts.
    assert_eq!(record["interactions"][0]["dsc"], 1.0);
}

#[test]
fn a_model_input_replaced_by_something_else_is_written_all_the_same() {
    for instead in [
        "mkdir -p \"$f/x/y\"",
        "ln -s /etc/passwd \"$f\"",
        "mkfifo \"$f\"",
    ] {
        let record = misbehaves(&format!(
            "test -s \"$INPUTS/phantom_perfect.npz\" || exit 5; stand_in || exit 6; \
             f=\"$INPUTS/phantom_perfect.npz\"; rm -rf \"$f\"; {instead}; \
             test -e \"$OUTPUTS/second\" && exit 7; touch \"$OUTPUTS/second\"; exit 8"
        ));
        let codes = |index: usize| record["interactions"][index]["exit_code"].as_i64().unwrap();
        assert_eq!((codes(0), codes(1)), (8, 7), "{instead}");
    }
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("root"));
}

#[test]
fn many_files_in_a_work_folder_are_removed_with_it() {
    let script =
        "cd \"$OUTPUTS\" && mkdir -p many && cd many && seq 1 20000 | xargs touch && exit 4";
    outcome_is(&misbehaves(script), 1, "exit", "");
}

#[test]
fn folders_nested_deep_are_removed_with_their_work_folder() {
    let script = "cd \"$OUTPUTS\"; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit 3; i=$((i+1)); done; exit 4";
    outcome_is(&misbehaves(script), 1, "exit", "");
}

#[test]
fn a_submission_that_ignores_sigterm_is_killed_in_time() {
    let script = "trap '' TERM INT HUP; while :; do sleep 1; done";
    let record = misbehaves_in(script, "interaction_timeout_seconds = 0.4");
    outcome_is(&record, 1, "timed_out", "");
    assert!(record["interactions"][0]["seconds"].as_f64().unwrap() < 20.0);
}

#[test]
fn a_prediction_written_to_while_it_is_read_never_breaks_the_run() {
    // The writer leaves the group; it is killed at the interaction's end, with or without having
    // spoilt the file by then.
    let script = "stand_in; f=\"$OUTPUTS/phantom_perfect.npz\"; \
                  (setsid sh -c \"while :; do head -c 64 /dev/urandom >> '$f'; done\" &) ; sleep 0.05; exit 2";
    outcome_is(&misbehaves(script), 1, "exit", "");
}

#[test]
fn a_double_fork_does_not_outlive_its_interaction() {
    let marker = format!("segarena-stray-{}", std::process::id());
    let script = format!(
        "(setsid sh -c '(exec -a {marker} sleep 300 || sleep 300) & echo $! > pid' &) ; sleep 0.3; exit 2"
    );
    let arena = Arena::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", &script);
    arena.evaluate().ends_with(3);
    let pid = fs::read_to_string(arena.path().join("pid")).unwrap();
    let status = Path::new("/proc").join(pid.trim()).join("cmdline");
    assert!(
        fs::read(status).unwrap_or_default().is_empty(),
        "process {pid} is still there"
    );
}

#[test]
fn ten_gigabytes_of_output_are_neither_kept_nor_held_in_memory() {
    let arena = Arena::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", "head -c 10G /dev/zero; echo the end >&2; stand_in");
    let mut command = arena.command();
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let used = run.wait4().unwrap();
    assert_eq!(used.status.code(), Some(0));
    assert!(
        used.rusage.maxrss < 300 << 20,
        "{} bytes",
        used.rusage.maxrss
    );
    let record = arena.record("s", "phantom_perfect");
    assert_eq!(record["interactions"][0]["stderr_tail"], "the end\n");
    let log = fs::metadata(arena.result("s/logs/phantom_perfect.1.log")).unwrap();
    assert!(log.len() < 65 << 20, "{} bytes of log", log.len());
}

#[test]
fn the_ground_truth_is_in_nothing_that_a_submission_is_given() {
    // The labels are inside the image file, where the official script lets them through.
    let folder = tempfile::tempdir().unwrap();
    let images = folder.path().join("imgs");
    fs::create_dir(&images).unwrap();
    let truth = fixtures().join("parity/gts/ct_organs_border.npz");
    let source = fixtures().join("parity/imgs/ct_organs_border.npz");
    merge(&source, &truth, &images.join("ct_organs_border.npz"));
    let script = "mkdir -p seen; n=$(ls seen | wc -l); env > seen/$n.env; cp \"$INPUTS\"/*.npz seen/$n.npz; \
                  find \"$INPUTS/..\" | sort > seen/$n.files; stand_in";
    let arena = Arena::new()
        .script("s", script)
        .arguments(&["--images", images.to_str().unwrap()]);
    arena.command();
    let config = arena.path().join("config.toml");
    let text = fs::read_to_string(&config)
        .unwrap()
        .replace("ground_truth = \"gts\"\n", "");
    fs::write(&config, text).unwrap();
    let images = images.to_str().unwrap();
    arena::segarena(
        arena.path(),
        &["evaluate", "-c", "config.toml", "-i", images],
    )
    .ends_with(0);

    let labels = read_ground_truth(&truth, "gts").unwrap().voxels;
    let mut inputs = 0;
    for entry in fs::read_dir(arena.path().join("seen")).unwrap() {
        let path = entry.unwrap().path();
        let kind = path.extension().unwrap().to_str().unwrap().to_owned();
        if kind == "npz" {
            inputs += 1;
            let input = NpzMembers::open(&path).unwrap();
            assert!(!input.has("gts"), "{}", path.display());
            for key in ["imgs", "prev_pred"]
                .into_iter()
                .filter(|key| input.has(key))
            {
                assert_ne!(
                    input.byte_volume(key).unwrap(),
                    labels,
                    "{key} of {}",
                    path.display()
                );
            }
        } else {
            let text = fs::read_to_string(&path).unwrap();
            assert!(!text.contains("gts"), "{}: {text}", path.display());
        }
    }
    assert_eq!(inputs, 6);
}

/// Writes an image file that holds its own ground truth.
fn merge(image: &Path, truth: &Path, to: &Path) {
    let mut file = segarena_core::npz::NpzFile::create(to).unwrap();
    let source = NpzMembers::open(image).unwrap();
    file.array("imgs", &source.byte_volume("imgs").unwrap())
        .unwrap();
    file.array("spacing", &ndarray::arr1(&[2.0, 1.0, 1.0]))
        .unwrap();
    file.objects("boxes", &source.objects("boxes").unwrap())
        .unwrap();
    file.array(
        "gts",
        &NpzMembers::open(truth).unwrap().byte_volume("gts").unwrap(),
    )
    .unwrap();
    file.finish().unwrap();
}
