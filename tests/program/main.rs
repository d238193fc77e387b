//! The program end to end, on nothing but what Rust needs: no engine, no Python, no browser.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod cards;
mod demo;
mod dialogue;
mod documents;
mod engine_failures;
mod failures;
mod finished;
mod fuzz_seeds;
#[path = "../golden/mod.rs"]
mod golden;
mod idle;
mod init;
mod kept;
mod nifti;
mod parity;
mod past_runs;
mod replay;
#[path = "../reproducible/mod.rs"]
mod reproducible;
mod resume;
#[path = "../scenario/mod.rs"]
mod scenario;
mod shards;
mod single_files;
mod slurm;
#[path = "../../examples/stand_in/segment.rs"]
mod stand_in;
mod telling;
mod text_track;
mod validate;
mod warm;
mod watch;
mod words;
