//! The Python environments that `tests/python-env.sh` makes.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The versions of numpy that participants use, old to new.
const VERSIONS: [&str; 3] = ["1.24", "1.26", "2"];

/// A Python with one numpy.
pub struct Environment {
    pub version: &'static str,
    python: PathBuf,
}

impl Environment {
    /// Runs a script of this folder with an argument; its standard output.
    pub fn run(&self, script: &str, argument: &Path) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/numpy")
            .join(script);
        let output = Command::new(&self.python)
            .arg("-I")
            .arg(script)
            .arg(argument)
            .output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", self.python.display()));
        assert!(
            output.status.success(),
            "numpy {}: {}",
            self.version,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The cases that a script wrote into this folder, each with its labels.
pub fn written_cases(folder: &Path) -> Vec<(String, Vec<i64>)> {
    let text = fs::read_to_string(folder.join("cases.txt")).unwrap();
    let case = |line: &str| {
        let (name, labels) = line.split_once(' ').unwrap();
        let labels = labels.split(' ').map(|label| label.parse().unwrap());
        (name.to_owned(), labels.collect())
    };
    text.lines().map(case).collect()
}

/// All environments. Where one is missing: none, and a word of what is skipped, or a failure if
/// `SEGARENA_REQUIRE` asks for `python`.
pub fn environments(skipped: &str) -> Vec<Environment> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python");
    let folder = std::env::var_os("SEGARENA_PYTHON_ENVS").map_or(default, PathBuf::from);
    let python = |version: &str| folder.join(format!("numpy-{version}/bin/python"));
    let missing: Vec<_> = VERSIONS
        .into_iter()
        .filter(|v| !python(v).exists())
        .collect();
    if missing.is_empty() {
        return VERSIONS
            .map(|version| Environment {
                version,
                python: python(version),
            })
            .into();
    }
    let message = format!(
        "no Python with numpy {} in {}; tests/python-env.sh makes it",
        missing.join(", "),
        folder.display()
    );
    let required = std::env::var("SEGARENA_REQUIRE").unwrap_or_default();
    assert!(
        !required.split([',', ' ']).any(|word| word == "python"),
        "{message}"
    );
    // Not eprintln: the test harness would keep that to itself.
    let _ = writeln!(std::io::stderr(), "SKIPPED {skipped}: {message}");
    Vec::new()
}
