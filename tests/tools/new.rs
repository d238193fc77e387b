//! `segarena new`: what it writes works as it is, cold and warm.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};

use segarena_core::npz::NpzMembers;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::python::python_with_numpy;
use crate::scenario::{PROGRAM, ProgramOutput, Scenario, check};

/// A folder with a new submission, `my-model`, and a `python3` that has numpy.
struct New(TempDir);

impl New {
    fn write() -> Self {
        let new = Self(tempfile::tempdir().unwrap());
        let bin = new.0.path().join("bin");
        fs::create_dir(&bin).unwrap();
        let python = python_with_numpy();
        let script = format!("#!/bin/sh\nexec '{}' \"$@\"\n", python.display());
        fs::write(bin.join("python3"), script).unwrap();
        fs::set_permissions(bin.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
        new.segarena(&["new", "my-model"]).ends_with(0);
        new
    }

    fn folder(&self) -> PathBuf {
        self.0.path().join("my-model")
    }

    fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let bin = self.0.path().join("bin");
        let mut command = Command::new(program);
        command
            .current_dir(self.0.path())
            .env("PATH", format!("{}:{path}", bin.display()));
        command
    }

    fn segarena(&self, arguments: &[&str]) -> ProgramOutput {
        let mut command = self.command(PROGRAM);
        ProgramOutput::of(command.args(arguments).output().unwrap())
    }
}

pub(crate) fn a_new_submission_is_valid_and_runs_as_it_is_written() {
    let new = New::write();
    let checks = new.segarena(&["validate", "--json", "my-model"]);
    let checks = checks.ends_with(0).checks();
    let verdict = |name: &str| check(&checks, name)["verdict"].clone();
    // Perfect after the box, so that no class has a click; and an image without boxes.
    for name in ["box", "click 1", "click 2", "no box, click 1", "segs"] {
        assert_eq!(verdict(name), "ok", "{checks:?}");
    }
    let seen = check(&checks, "click 1")["seen"].as_str().unwrap();
    assert!(seen.contains("DSC 1.00"), "{seen}");

    // The data set of the fixtures, whose cases are with and without boxes, of one class and more.
    let set = Scenario::new().every_case();
    let [images, truths] = ["imgs", "gts"].map(|name| set.path().join(name));
    let [images, truths] = [&images, &truths].map(|path| path.to_str().unwrap());
    new.segarena(&[
        "evaluate",
        "-c",
        "my-model/segarena.toml",
        "--images",
        images,
        "--ground-truth",
        truths,
    ])
    .ends_with(0);
    let results = new.folder().join("results");
    assert!(results.join("report.html").is_file());
    // Clicks help: without any, the last score would be the first.
    let table = fs::read_to_string(results.join("my-model/my-model_metrics.csv")).unwrap();
    assert!(table.lines().count() > 3, "{table}");
}

pub(crate) fn a_new_submission_stays_as_it_is_when_it_is_there_already() {
    let new = New::write();
    fs::write(new.folder().join("predict.py"), "mine").unwrap();
    new.segarena(&["new", "my-model"])
        .ends_with(1)
        .says(&["predict.py", "nothing was written"]);
    assert_eq!(fs::read(new.folder().join("predict.py")).unwrap(), b"mine");
}

pub(crate) fn a_new_submission_answers_warm_what_it_answers_cold() {
    let new = New::write();
    let set = Scenario::new()
        .case("angio_no_box")
        .case("micro_tiny_objects");
    let set_path = |name: &str| set.path().join(name).to_str().unwrap().to_owned();
    let config = "my-model/segarena.toml";
    let [images, truths] = ["imgs", "gts"].map(set_path);
    let line = ["evaluate", "-c", config, "-i", &images, "-g", &truths];
    new.segarena(&line).ends_with(0);

    // Each interaction's folders again, asked of one process.
    let mut asked = Vec::new();
    for (case, first) in [("angio_no_box", 2), ("micro_tiny_objects", 1)] {
        for index in first..=6 {
            let folder = new.0.path().join(format!("{case}.{index}"));
            let index_word = index.to_string();
            let results = "my-model/results";
            let line = ["replay", results, "my-model", case, &index_word, "-o"];
            let line = [&line[..], &[folder.to_str().unwrap()]].concat();
            new.segarena(&line).ends_with(0);
            asked.push((case, index - first, folder));
        }
    }
    let mut serving = new
        .command("sh")
        .arg("predict.sh")
        .current_dir(new.folder())
        .env("SEGARENA_SERVE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut requests = serving.stdin.take().unwrap();
    let mut answers = BufReader::new(serving.stdout.take().unwrap());
    assert_eq!(answer(&mut answers), json!({"segarena": "ready"}));
    for (case, at, folder) in &asked {
        let file = format!("{case}.npz");
        let request = json!({
            "segarena": "infer", "case": file, "interaction": 1, "unknown": true,
            "inputs": folder.join("inputs"), "outputs": folder.join("outputs"),
        });
        writeln!(requests, "{request}").unwrap();
        assert_eq!(
            answer(&mut answers),
            json!({"segarena": "done"}),
            "{folder:?}"
        );
        let warm = NpzMembers::open(&folder.join("outputs").join(&file)).unwrap();
        let warm = warm.byte_volume("segs").unwrap();
        let saved = new.folder().join("results/my-model").join(&file);
        let mut saved = segarena_core::npz::read_saved_segs(&saved).unwrap();
        assert_eq!(warm, saved.nth(*at).unwrap().unwrap(), "{folder:?}");
    }
    // What can't be read is that interaction's failure alone.
    let nowhere = new.0.path().join("nowhere");
    for (folder, expected) in [(&nowhere, "failed"), (&asked[0].2, "done")] {
        let file = format!("{}.npz", asked[0].0);
        let (inputs, outputs) = (folder.join("inputs"), folder.join("outputs"));
        let request =
            json!({"segarena": "infer", "case": file, "inputs": inputs, "outputs": outputs});
        writeln!(requests, "{request}").unwrap();
        assert_eq!(answer(&mut answers)["segarena"], expected);
    }
    drop(requests);
    assert!(serving.wait().unwrap().success());
}

/// The next line that is not empty.
fn answer(answers: &mut BufReader<ChildStdout>) -> Value {
    loop {
        let mut line = String::new();
        assert_ne!(answers.read_line(&mut line).unwrap(), 0, "it ended");
        if !line.trim().is_empty() {
            return serde_json::from_str(&line).unwrap();
        }
    }
}

/// A file of the submission's own beside the case is no case.
pub(crate) fn a_new_submission_passes_over_files_that_are_no_cases() {
    let new = New::write();
    let set = Scenario::new().case("micro_tiny_objects");
    let [inputs, outputs] = ["inputs", "outputs"].map(|name| set.path().join(name));
    fs::create_dir(&inputs).unwrap();
    let copy = |from: &str, to: &str| {
        fs::copy(set.path().join(from), inputs.join(to)).unwrap();
    };
    copy("imgs/micro_tiny_objects.npz", "micro_tiny_objects.npz");
    // Labels are no image.
    copy("gts/micro_tiny_objects.npz", "boxes_micro_tiny_objects.npz");
    let ran = new
        .command("sh")
        .arg("predict.sh")
        .current_dir(new.folder())
        .env("INPUTS", &inputs)
        .env("OUTPUTS", &outputs)
        .status();
    assert!(ran.unwrap().success());
    assert_eq!(names(&outputs), ["micro_tiny_objects.npz"]);
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name());
    names.map(|name| name.into_string().unwrap()).collect()
}

pub(crate) fn a_new_submission_to_the_text_track_is_valid_and_scores_as_its_readme_says() {
    let new = New::write();
    let track = ["--track", "cvpr25-text"];
    new.segarena(&[&["new", "by-words"][..], &track].concat())
        .ends_with(0)
        .prints(&["validate by-words --track cvpr25-text"]);
    let line = [&["validate", "--json", "by-words"][..], &track].concat();
    let checks = new.segarena(&line).ends_with(0).checks();
    for name in [
        "text, semantic",
        "text, instances",
        "segs",
        "labels, semantic",
    ] {
        assert_eq!(check(&checks, name)["verdict"], "ok", "{checks:?}");
    }
    let set = crate::golden::text_set();
    let [images, truths] = ["imgs", "gts"].map(|name| set.join(name));
    let [images, truths] = [&images, &truths].map(|path| path.to_str().unwrap());
    let config = "by-words/segarena.toml";
    new.segarena(&["evaluate", "-c", config, "-i", images, "-g", truths])
        .ends_with(0);
    let table = new
        .0
        .path()
        .join("by-words/results/by-words/by-words_metrics.csv");
    let table = fs::read_to_string(table).unwrap();
    assert!(
        table.starts_with("CaseName,RunningTime,DSC,NSD,F1,DSC_TP"),
        "{table}"
    );
    assert_eq!(table.lines().count(), 9, "{table}");
}
