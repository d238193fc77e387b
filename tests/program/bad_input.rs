//! Whatever is wrong with the input is said before anything runs, with the place and the remedy.

use std::fs;
use std::path::Path;

use crate::scenario::{ProgramOutput, Scenario, segarena};
use ndarray::{Array3, array};
use segarena_core::npz::NpzFile;

/// A case and a submission that would leave a mark if it ran.
fn sound() -> Scenario {
    Scenario::new()
        .case("phantom_perfect")
        .script("s", "touch ran; stand_in")
}

#[track_caller]
fn refused(scenario: &Scenario, status: i32, texts: &[&str]) -> ProgramOutput {
    let ran = scenario.evaluate().ends_with(status).says(texts);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(
        !scenario.path().join("ran").exists(),
        "the submission ran all the same"
    );
    ran
}

/// A configuration that differs from a sound one in one line.
#[track_caller]
fn refused_config(from: &str, to: &str, texts: &[&str]) {
    let scenario = sound();
    scenario.command();
    let config = scenario.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    assert!(text.contains(from), "{from} is not in the configuration");
    fs::write(&config, text.replacen(from, to, 1)).unwrap();
    let ran = segarena(scenario.path(), &["evaluate", "--config", "config.toml"]).ends_with(1);
    let ran = ran.says(&["config.toml"]).says(texts);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    assert!(
        !scenario.path().join("ran").exists(),
        "the submission ran all the same"
    );
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_keys_there_are() {
    refused_config(
        "images =",
        "imgs =",
        &["line 2", "imgs", "`images`, `ground_truth`, `groups`"],
    );
    refused_config(
        "env =",
        "environment =",
        &[
            "line 8",
            "environment",
            "expected one of `kind`, `lifetime`, `env`",
        ],
    );
    refused_config("[output]", "[outputs]", &["outputs", "output"]);
    refused_config("command =", "cmd = 1\ncommand =", &["cmd"]);
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_line() {
    refused_config(
        "dir = \"out\"",
        "dir = 5",
        &["line 5", "dir = 5", "expected"],
    );
    refused_config(
        "[backend]",
        "[protocol]\nclicks = \"5\"\n[backend]",
        &["line 7", "clicks"],
    );
    refused_config(
        "[backend]",
        "[protocol]\nover_time = \"never\"\n[backend]",
        &["warn", "zero"],
    );
    refused_config(
        "[backend]",
        "[protocol]\nclicks = -1\n[backend]",
        &["line 7", "clicks"],
    );
}

#[test]
fn a_file_that_is_no_toml_is_named_with_the_line() {
    refused_config("[output]", "[output", &["line 4"]);
}

#[test]
fn numbers_that_make_no_sense_are_named_with_their_line() {
    for (key, value) in [
        ("nsd_tolerance_mm", "0.0"),
        ("nsd_tolerance_mm", "nan"),
        ("seconds_per_class", "-1.0"),
        ("interaction_timeout_seconds", "inf"),
    ] {
        let table = format!("[protocol]\n{key} = {value}\n[backend]");
        refused_config(
            "[backend]",
            &table,
            &["line 7", &format!("protocol.{key}"), "positive"],
        );
    }
    refused_config(
        "[backend]",
        "[run]\njobs = 0\n[backend]",
        &["line 7", "run.jobs", "1 or more"],
    );
}

#[test]
fn an_unknown_backend_or_policy_lists_those_there_are() {
    refused_config(
        "\"process\"",
        "\"kubernetes\"",
        &["line 7", "kubernetes", "there are", "process"],
    );
    refused_config(
        "[backend]",
        "[protocol]\nclick_policy = \"clever\"\n[backend]",
        &[
            "line 7",
            "protocol.click_policy",
            "clever",
            "challenge, jittered, random, ritm, sam2-center",
        ],
    );
    let scenario = sound().arguments(&["--backend", "slurm"]);
    refused(&scenario, 1, &["--backend", "slurm", "process"]);
}

#[test]
fn folders_that_are_not_there_are_named_with_their_line_or_flag() {
    refused_config(
        "\"imgs\"",
        "\"nowhere\"",
        &["line 2", "cases.images", "nowhere"],
    );
    refused_config(
        "\"gts\"",
        "\"nowhere\"",
        &["line 3", "cases.ground_truth", "nowhere"],
    );
    refused_config(
        "command",
        "workdir = \"nowhere\"\ncommand",
        &["submission.workdir", "nowhere"],
    );
    refused(
        &sound().arguments(&["--images", "nowhere"]),
        1,
        &["--images", "nowhere"],
    );
    refused(
        &sound().arguments(&["-g", "nowhere"]),
        1,
        &["--ground-truth", "nowhere"],
    );
    refused(
        &sound().arguments(&["-d", "nowhere"]),
        1,
        &["--submissions", "nowhere"],
    );
    refused(
        &sound().arguments(&["-o", "config.toml"]),
        1,
        &["--output", "is a file"],
    );
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let ran = segarena(folder.path(), &["evaluate", "-c", "nowhere.toml"]).ends_with(1);
    ran.says(&["nowhere.toml", "No such file"]);
}

#[test]
fn a_bare_evaluate_says_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    segarena(folder.path(), &["evaluate", "-b", "process"])
        .ends_with(1)
        .says(&["--images"]);
}

#[test]
fn a_wrong_flag_is_a_usage_error() {
    let folder = tempfile::tempdir().unwrap();
    segarena(folder.path(), &["evaluate", "--imagse", "x"])
        .ends_with(2)
        .says(&["--imagse"]);
    segarena(folder.path(), &["evaluate", "--first", "many"])
        .ends_with(2)
        .says(&["--first"]);
    segarena(folder.path(), &[]).ends_with(2);
}

#[test]
fn a_folder_without_cases_is_named() {
    let scenario = Scenario::new().script("s", "touch ran");
    refused(&scenario, 1, &["no case", "imgs", ".npz"]);
}

#[test]
fn a_case_asked_for_that_is_not_there_lists_those_there_are() {
    let scenario = sound().arguments(&["--case", "other"]);
    refused(&scenario, 1, &["other.npz", "phantom_perfect.npz"]);
    refused(
        &sound().arguments(&["--first", "0"]),
        1,
        &["--first", "1 or more"],
    );
}

#[test]
fn a_case_without_ground_truth_is_named() {
    let scenario = sound();
    fs::remove_file(scenario.path().join("gts/phantom_perfect.npz")).unwrap();
    refused(
        &scenario,
        1,
        &["phantom_perfect.npz", "no ground truth", "--case"],
    );
}

#[test]
fn a_ground_truth_of_another_shape_is_named_with_both_shapes() {
    let scenario = sound();
    let other = crate::scenario::fixtures().join("parity/gts/micro_tiny_objects.npz");
    fs::copy(other, scenario.path().join("gts/phantom_perfect.npz")).unwrap();
    refused(
        &scenario,
        1,
        &[
            "phantom_perfect.npz",
            "shape",
            "[24, 40, 40]",
            "[24, 32, 40]",
        ],
    );
}

#[test]
fn a_file_that_is_no_npz_or_is_cut_short_is_named() {
    for kind in ["imgs", "gts"] {
        let scenario = sound();
        let path = scenario.path().join(kind).join("phantom_perfect.npz");
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        refused(
            &scenario,
            1,
            &[&format!("{kind}/phantom_perfect.npz"), "phantom_perfect"],
        );
        fs::write(&path, "not a zip").unwrap();
        refused(&scenario, 1, &[&format!("{kind}/phantom_perfect.npz")]);
        fs::write(&path, "").unwrap();
        refused(&scenario, 1, &[&format!("{kind}/phantom_perfect.npz")]);
    }
}

fn image() -> Array3<u8> {
    Array3::zeros((4, 4, 4))
}

fn labels() -> Array3<u8> {
    let mut labels = image();
    labels[[1, 1, 1]] = 1;
    labels
}

/// A scenario with one case whose files have these members.
fn case_of(write_image: impl Fn(&mut NpzFile), write_truth: impl Fn(&mut NpzFile)) -> Scenario {
    let scenario = Scenario::new().script("s", "touch ran");
    let write = |path: &Path, members: &dyn Fn(&mut NpzFile)| {
        let mut file = NpzFile::create(path).unwrap();
        members(&mut file);
        file.finish().unwrap();
    };
    write(&scenario.path().join("imgs/x.npz"), &write_image);
    write(&scenario.path().join("gts/x.npz"), &write_truth);
    scenario
}

#[test]
fn a_missing_member_is_named_with_its_file() {
    let spacing = array![1.0, 1.0, 1.0];
    let scenario = case_of(
        |file| file.array("spacing", &spacing).unwrap(),
        |file| file.array("gts", &labels()).unwrap(),
    );
    refused(&scenario, 1, &["imgs/x.npz", "imgs", "x.npz"]);
    let scenario = case_of(
        |file| file.array("imgs", &image()).unwrap(),
        |file| file.array("gts", &labels()).unwrap(),
    );
    refused(&scenario, 1, &["imgs/x.npz", "spacing"]);
    let scenario = case_of(
        |file| {
            file.array("imgs", &image()).unwrap();
            file.array("spacing", &spacing).unwrap();
        },
        |file| file.array("labels", &labels()).unwrap(),
    );
    refused(&scenario, 1, &["gts/x.npz", "gts"]);
}

#[test]
fn a_spacing_that_is_not_three_positive_numbers_is_named() {
    for bad in [
        array![1.0, 1.0],
        array![1.0, 1.0, 1.0, 1.0],
        array![1.0, 0.0, 1.0],
        array![1.0, -2.0, 1.0],
        array![1.0, f64::NAN, 1.0],
        array![1.0, f64::INFINITY, 1.0],
    ] {
        let scenario = case_of(
            |file| {
                file.array("imgs", &image()).unwrap();
                file.array("spacing", &bad).unwrap();
            },
            |file| file.array("gts", &labels()).unwrap(),
        );
        refused(&scenario, 1, &["imgs/x.npz", "spacing"]);
    }
}

#[test]
fn a_ground_truth_without_a_label_is_named() {
    let scenario = case_of(
        |file| {
            file.array("imgs", &image()).unwrap();
            file.array("spacing", &array![1.0, 1.0, 1.0]).unwrap();
        },
        |file| file.array("gts", &image()).unwrap(),
    );
    refused(&scenario, 1, &["gts/x.npz", "label"]);
}

#[test]
fn two_submissions_of_one_name_are_refused() {
    let scenario = sound().script("s", "touch ran");
    refused(&scenario, 1, &["two submissions", "`s`", "line"]);
}

#[test]
fn a_submission_name_that_is_a_path_is_refused() {
    for name in ["../s", "a/b", "/etc", "", "."] {
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .script(name, "touch ran");
        refused(&scenario, 1, &["submission.name", "path"]);
    }
}

#[test]
fn a_submission_with_nothing_to_run_is_refused() {
    refused_config(
        "command =",
        "env = {}\n# command =",
        &["nothing to run", "command"],
    );
}

#[test]
fn the_example_configuration_loads_as_it_stands() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let ran = segarena(
        Path::new("/"),
        &["evaluate", "-c", example.to_str().unwrap()],
    )
    .ends_with(1);
    // Its folders are not there; everything before that is in order.
    ran.says(&["config.example.toml, line 5, cases.images", "data/imgs"]);
}
