//! A fuzz target's work, done on its seeds: for plain tests, which need no fuzzer.

use std::fs;
use std::path::Path;

/// Runs a target on every seed in its folder, and on every seed cut short; so many there must be.
pub fn run(folder: &Path, at_least: usize, target: fn(&[u8])) {
    let mut seeds = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let seed = fs::read(entry.unwrap().path()).unwrap();
        target(&seed);
        target(&seed[..seed.len() / 2]);
        seeds += 1;
    }
    assert!(seeds >= at_least, "{} has {seeds} seeds", folder.display());
}
