//! The Python environments that `tests/tools/python-env.sh` makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use segarena_harness::Requirement;

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

/// That all environments are there.
pub static ENVIRONMENTS: Requirement = Requirement::new("python", || {
    let missing: Vec<_> = environments()
        .into_iter()
        .filter(|environment| !environment.python.exists())
        .map(|environment| environment.version)
        .collect();
    match missing.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "no Python with numpy {} in {}; tests/tools/python-env.sh makes it",
            missing.join(", "),
            folder().display()
        )),
    }
});

/// All environments.
pub fn environments() -> [Environment; 3] {
    VERSIONS.map(|version| Environment {
        version,
        python: folder().join(format!("numpy-{version}/bin/python")),
    })
}

fn folder() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/python");
    std::env::var_os("SEGARENA_PYTHON_ENVS").map_or(default, PathBuf::from)
}
