//! A Python that has numpy.

use std::path::{Path, PathBuf};
use std::process::Command;

use segarena_harness::Requirement;

pub static PYTHON: Requirement = Requirement::new("python", || match find() {
    Some(_) => Ok(()),
    None => Err("no Python with numpy (tests/tools/python-env.sh makes one)".to_owned()),
});

/// What the tests of the text track hold assignments against.
pub static SCIPY: Requirement = Requirement::new("python", || {
    match find().is_some_and(|python| imports(&python, "scipy")) {
        true => Ok(()),
        false => Err("no Python with scipy (tests/tools/python-env.sh makes one)".to_owned()),
    }
});

/// `SEGARENA_PYTHON`, one that `tests/tools/python-env.sh` made, or the system's.
pub fn python_with_numpy() -> PathBuf {
    find().expect("a test that needs it runs only where it is")
}

fn find() -> Option<PathBuf> {
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/python/numpy-2/bin/python");
    let named = std::env::var_os("SEGARENA_PYTHON").map(PathBuf::from);
    let mut candidates = named.into_iter().chain([made, PathBuf::from("python3")]);
    candidates.find(|python| imports(python, "numpy"))
}

fn imports(python: &Path, module: &str) -> bool {
    Command::new(python)
        .args(["-c", &format!("import {module}")])
        .output()
        .is_ok_and(|output| output.status.success())
}
