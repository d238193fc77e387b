//! The work of the fuzz targets `config` and `archive`, done on their seeds: `fuzz/` itself is a
//! workspace of its own.

#[path = "../../fuzz/program.rs"]
mod program;

#[path = "../../fuzz/seeds.rs"]
mod seeds;

use std::path::Path;

fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    seeds::run(&folder.join(name), 20, target);
}

#[test]
fn the_seeds_of_configurations_are_harmless() {
    run("config", program::config);
}

#[test]
fn the_seeds_of_archives_are_harmless() {
    run("archive", program::archive);
}
