//! A disk that fails costs time, never results.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::reproducible::results;
use crate::scenario::Scenario;
use segarena_harness::Requirement;

/// The C compiler is the one that Rust links with.
pub static C_COMPILER: Requirement = Requirement::new("cc", || {
    let answers = Command::new("cc").arg("--version").output();
    match answers.is_ok_and(|output| output.status.success()) {
        true => Ok(()),
        false => Err("no C compiler called `cc`".to_owned()),
    }
});

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// Compiles the library that makes writes fail.
fn fault_library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/fail_io.c");
    let library = folder.join("fail_io.so");
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&library, &source])
        .args(["-ldl"])
        .status()
        .unwrap();
    assert!(compiled.success());
    library
}

/// The submission is not meant: it runs without the library.
fn scenario() -> Scenario {
    Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .table("[protocol]\nclicks = 2\n[run]\njobs = 2")
        .script("s", "unset LD_PRELOAD; stand_in")
}

/// A fault: what kind of call fails, on files with what in their path, with which error.
struct Fault<'a> {
    kind: &'a str,
    folder: &'a str,
    at: usize,
    errno: i32,
}

/// Whether the run was stopped by the fault, which must then have cost nothing: the same command
/// goes on to the files of an undisturbed run. Where it was not stopped, it did not matter.
fn stops(library: &Path, fault: &Fault<'_>, expected: &Results) -> bool {
    let Fault {
        kind,
        folder,
        at,
        errno,
    } = fault;
    let scenario = scenario();
    let disturbed = scenario
        .command()
        .env("LD_PRELOAD", library)
        .env("FAULT_FOLDER", folder)
        .env("FAULT_KIND", kind)
        .env("FAULT_AT", at.to_string())
        .env("FAULT_ERRNO", errno.to_string())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&disturbed.stderr);
    let what = format!("{kind} {at} in {folder}, error {errno}");
    assert!(!said.contains("panicked"), "{what}: {said}");
    match disturbed.status.code() {
        // The submission is never held responsible for it.
        Some(0) => {
            assert_eq!(results(&scenario), *expected, "{what}");
            false
        }
        Some(1) => {
            assert!(said.contains("error:"), "{what}: {said}");
            scenario.evaluate().ends_with(0);
            assert_eq!(results(&scenario), *expected, "{what}");
            true
        }
        other => panic!("{what}: ended with {other:?}: {said}"),
    }
}

type Results = std::collections::BTreeMap<String, Vec<u8>>;

fn undisturbed() -> Results {
    let scenario = scenario();
    scenario.evaluate().ends_with(0);
    results(&scenario)
}

pub(crate) fn a_disk_that_fails_at_any_write_stops_the_run_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let library = fault_library(folder.path());
    let expected = undisturbed();
    let errors = [ENOSPC, EIO].into_iter().cycle();
    let kinds = ["write", "short", "once"].into_iter().cycle();
    let mut stopped = 0;
    for (number, (errno, kind)) in errors.zip(kinds).take(30).enumerate() {
        let fault = Fault {
            kind,
            folder: "/out/",
            at: 1 + number * number / 6,
            errno,
        };
        stopped += usize::from(stops(&library, &fault, &expected));
    }
    assert!(stopped >= 10, "only {stopped} runs were stopped");
}

pub(crate) fn a_disk_that_cannot_be_read_is_never_held_against_the_submission() {
    let folder = tempfile::tempdir().unwrap();
    let library = fault_library(folder.path());
    let expected = undisturbed();
    for place in ["/imgs/", "/gts/", "/outputs/"] {
        let mut stopped = 0;
        for at in [1, 2, 3, 5, 8, 13] {
            let fault = Fault {
                kind: "read",
                folder: place,
                at,
                errno: EIO,
            };
            stopped += usize::from(stops(&library, &fault, &expected));
        }
        assert!(stopped >= 2, "only {stopped} runs were stopped at {place}");
    }
}
