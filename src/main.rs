//! The `segarena` program: the built-in backends and policies, and the command line.

use std::process::ExitCode;

use segarena::{Registry, run};

fn main() -> ExitCode {
    run(Registry::built_in(), std::env::args_os())
}
