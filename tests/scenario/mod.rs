//! A fresh folder with a data set, submissions and a configuration, to run the program in.
//!
//! A test reads as a sentence: `Scenario::new().case("micro_tiny_objects").stand_in("s").evaluate()`.
#![allow(dead_code, clippy::unwrap_used)] // each test file uses a part of it

pub mod kills;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use segarena_core::npz::{NpzFile, NpzMembers};
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_segarena");

/// A folder of this project's tests.
pub fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The stand-in submission in Rust, which cargo builds beside the tests.
pub fn stand_in() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.parent().unwrap().parent().unwrap();
    let program = profile.join("examples/stand_in");
    assert!(
        program.is_file(),
        "{} is not there: `cargo test` builds it, `cargo build --example stand_in` does when only \
         some tests are built",
        program.display()
    );
    program
}

/// What a run of the program gave.
pub struct ProgramOutput {
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl ProgramOutput {
    pub fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The checks that `validate --json` prints.
    #[track_caller]
    pub fn checks(&self) -> Vec<Value> {
        let report: Value = serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr));
        report["checks"].as_array().unwrap().clone()
    }

    /// Fails unless the program ended with this status.
    #[track_caller]
    pub fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, status, "\n{}\n{}", self.stdout, self.stderr);
        self
    }

    /// Fails unless standard error has each of these texts.
    #[track_caller]
    pub fn says(self, texts: &[&str]) -> Self {
        holds(&self.stderr, texts);
        self
    }

    /// Fails unless standard output has each of these texts.
    #[track_caller]
    pub fn prints(self, texts: &[&str]) -> Self {
        holds(&self.stdout, texts);
        self
    }
}

/// A check of `validate --json`.
#[track_caller]
pub fn check<'a>(checks: &'a [Value], name: &str) -> &'a Value {
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check `{name}` in {checks:#?}"))
}

#[track_caller]
fn holds(said: &str, texts: &[&str]) {
    for text in texts {
        assert!(said.contains(text), "no `{text}` in:\n{said}");
    }
}

/// Writes an image file that holds its own ground truth.
pub fn merge(image: &Path, truth: &Path, to: &Path) {
    let [image, truth] = [image, truth].map(|path| NpzMembers::open(path).unwrap());
    let mut file = NpzFile::create(to).unwrap();
    let voxels = image.byte_volume("imgs").unwrap();
    file.array("imgs", &voxels).unwrap();
    let spacing = ndarray::arr1(&[2.0, 1.0, 1.0]);
    file.array("spacing", &spacing).unwrap();
    let boxes = image.objects("boxes").unwrap();
    file.objects("boxes", &boxes).unwrap();
    let labels = truth.byte_volume("gts").unwrap();
    file.array("gts", &labels).unwrap();
    file.finish().unwrap();
}

/// Runs the program with these arguments in this folder.
pub fn segarena(folder: &Path, arguments: &[&str]) -> ProgramOutput {
    ProgramOutput::of(
        Command::new(PROGRAM)
            .args(arguments)
            .current_dir(folder)
            .output()
            .unwrap(),
    )
}

/// A fresh folder: `imgs/`, `gts/`, `config.toml`.
pub struct Scenario {
    folder: TempDir,
    output: String,
    backend: String,
    tables: String,
    submissions: String,
    arguments: Vec<String>,
}

impl Scenario {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["imgs", "gts"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        Self {
            folder,
            output: "dir = \"out\"".to_owned(),
            backend: "kind = \"process\"".to_owned(),
            tables: String::new(),
            submissions: String::new(),
            arguments: Vec::new(),
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Adds a case of the fixtures.
    pub fn case(self, name: &str) -> Self {
        self.case_as(name, name)
    }

    /// Adds a case of the fixtures under another name.
    pub fn case_as(self, name: &str, other: &str) -> Self {
        for kind in ["imgs", "gts"] {
            let from = fixtures().join(format!("parity/{kind}/{name}.npz"));
            fs::copy(from, self.path().join(format!("{kind}/{other}.npz"))).unwrap();
        }
        self
    }

    /// Adds every case of the fixtures.
    pub fn every_case(self) -> Self {
        self.every_case_of(&fixtures().join("parity"))
    }

    /// Adds every case of another set of this form.
    pub fn every_case_of(self, set: &Path) -> Self {
        for kind in ["imgs", "gts"] {
            for entry in fs::read_dir(set.join(kind)).unwrap() {
                let entry = entry.unwrap();
                let bytes = fs::read(entry.path()).unwrap();
                fs::write(self.path().join(kind).join(entry.file_name()), bytes).unwrap();
            }
        }
        self
    }

    /// Adds a table to the configuration, `[protocol]` for one.
    pub fn table(mut self, text: &str) -> Self {
        self.tables.push_str(text);
        self.tables.push('\n');
        self
    }

    /// Adds a line of `[output]`.
    pub fn output(mut self, line: &str) -> Self {
        self.output.push('\n');
        self.output.push_str(line);
        self
    }

    /// Chooses another backend than the plain process: the lines of `[backend]` but `env`.
    pub fn backend(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.backend);
        self
    }

    /// Adds a submission that is an archive of the folder, with what else its table says.
    pub fn archive(mut self, name: &str, file: &str, more: &str) -> Self {
        self.submissions.push_str(&format!(
            "[[submission]]\nname = {name:?}\narchive = {file:?}\n{more}\n"
        ));
        self
    }

    /// Adds a submission with this command.
    pub fn submission(mut self, name: &str, command: &[&str]) -> Self {
        self.submissions.push_str(&format!(
            "[[submission]]\nname = {name:?}\ncommand = {command:?}\n"
        ));
        self
    }

    /// Adds the stand-in submission.
    pub fn stand_in(self, name: &str) -> Self {
        let program = stand_in();
        self.submission(name, &[program.to_str().unwrap()])
    }

    /// Adds a submission that is a shell script; `$INPUTS` and `$OUTPUTS` are its folders, and
    /// `stand_in` runs the stand-in.
    pub fn script(self, name: &str, script: &str) -> Self {
        let script = format!("stand_in() {{ '{}'; }}\n{script}", stand_in().display());
        self.submission(name, &["sh", "-c", &script])
    }

    /// Adds an argument of the command line.
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments
            .extend(arguments.iter().map(|&argument| argument.to_owned()));
        self
    }

    /// Writes the configuration and returns the command that evaluates it.
    pub fn command(&self) -> Command {
        let config = format!(
            "[cases]\nimages = \"imgs\"\nground_truth = \"gts\"\n[output]\n{}\n\
             [backend]\n{}\n\
             env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n{}\n{}",
            self.output, self.backend, self.tables, self.submissions
        );
        fs::write(self.path().join("config.toml"), config).unwrap();
        let mut command = Command::new(PROGRAM);
        command
            .args(["evaluate", "--config", "config.toml"])
            .args(&self.arguments);
        command.current_dir(self.path());
        command
    }

    /// Evaluates.
    pub fn evaluate(&self) -> ProgramOutput {
        ProgramOutput::of(self.command().output().unwrap())
    }

    /// A file of the results.
    pub fn result(&self, name: &str) -> PathBuf {
        self.path().join("out").join(name)
    }

    /// The record of a case.
    pub fn record(&self, submission: &str, case: &str) -> Value {
        let path = self.result(&format!("{submission}/{case}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        serde_json::from_str(&text).unwrap()
    }

    /// The record of the run.
    pub fn run_record(&self) -> Value {
        let text = fs::read_to_string(self.result("run.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// The rows of the table, each a map from column to text.
    pub fn table_rows(&self, submission: &str) -> Vec<std::collections::HashMap<String, String>> {
        let path = self.result(&format!("{submission}/{submission}_metrics.csv"));
        let mut reader = csv::Reader::from_path(path).unwrap();
        reader.deserialize().map(|row| row.unwrap()).collect()
    }

    /// Every file and folder below the results that is nobody's: temporary names, work folders.
    pub fn left_behind(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        let mut waiting = vec![self.path().join("out")];
        while let Some(folder) = waiting.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                let is_private = name == ".segarena";
                if name == "work" && path.read_dir().unwrap().count() > 0
                    || (name.starts_with('.') && !is_private)
                {
                    found.push(path.clone());
                }
                if path.is_dir() {
                    waiting.push(path);
                }
            }
        }
        found
    }
}
