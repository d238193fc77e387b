//! A disk that fails costs time, never results.
#![allow(clippy::unwrap_used)]

mod arena;
mod undisturbed;

use std::path::{Path, PathBuf};
use std::process::Command;

use arena::Arena;
use undisturbed::results;

const ENOSPC: i32 = 28;
const EIO: i32 = 5;

/// Compiles the library that makes writes fail. The C compiler is the one that Rust links with.
fn fault_library(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/fail_io.c");
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

fn arena() -> Arena {
    Arena::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .table("[protocol]\nclicks = 2")
        .stand_in("s")
}

#[test]
fn a_disk_that_fails_at_any_write_stops_the_run_and_the_next_one_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let library = fault_library(folder.path());
    let undisturbed = arena();
    undisturbed.evaluate().ends_with(0);
    let expected = results(&undisturbed);

    let mut failures = 0;
    for (number, errno) in [ENOSPC, EIO].into_iter().cycle().take(24).enumerate() {
        let arena = arena();
        let at = 1 + number * number / 4;
        let disturbed = arena
            .command()
            .env("LD_PRELOAD", &library)
            .env("FAULT_FOLDER", arena.path().join("out"))
            .env("FAULT_AT", at.to_string())
            .env("FAULT_ERRNO", errno.to_string())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&disturbed.stderr);
        assert!(
            !said.contains("panicked"),
            "call {at}, error {errno}: {said}"
        );
        match disturbed.status.code() {
            // The calls that fail may come after all that matters, or in the submission only.
            Some(0 | 3) => {}
            Some(1) => {
                failures += 1;
                assert!(said.contains("error:") && said.contains("out"), "{said}");
                arena.evaluate().ends_with(0);
                assert_eq!(results(&arena), expected, "call {at}, error {errno}");
            }
            other => panic!("call {at}, error {errno}: ended with {other:?}: {said}"),
        }
    }
    assert!(failures >= 10, "only {failures} runs were stopped");
}
