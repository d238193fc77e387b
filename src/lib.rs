//! The command line of segarena, for its own `main` and for that of a program with further
//! backends or click policies:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use segarena::{Registry, run};
//!
//! fn main() -> ExitCode {
//!     let mut registry = Registry::built_in();
//!     registry.add_backend("mine", |section| {
//!         let _options: segarena::NoOptions = section.read()?;
//!         todo!("build an InferenceBackend from the options")
//!     });
//!     run(registry, std::env::args_os())
//! }
//! ```
#![warn(missing_docs)]

mod args;
mod baseline;
mod commands;
mod config;
mod exit;
mod phantom;
mod plan;
mod progress;
mod registry;
mod submissions;
mod summary;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use config::ConfigError;
pub use exit::ExitStatus;
pub use registry::{BackendSection, NoOptions, PolicyOptions, Registry};

use args::{Arguments, Command};

/// Runs the command line with these backends and policies. `arguments` begins with the program.
pub fn run(registry: Registry, arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(args::official_spellings(arguments)) {
        Ok(arguments) => arguments,
        Err(usage) => {
            // Nobody to tell if even this can't be printed. Help and version end well.
            let _ = usage.print();
            let status = if usage.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Done
            };
            return status.into();
        }
    };
    let result = match arguments.command {
        Command::Evaluate(options) => commands::evaluate(&registry, &options),
        Command::Demo(options) => commands::demo(&registry, &options),
        Command::Score(options) => commands::score(&options),
        Command::Click(options) => commands::click(&registry, &options),
        Command::Baseline => baseline::run(),
    };
    let status = result.unwrap_or_else(|error| {
        eprintln!("{}", exit::explain(&error));
        ExitStatus::of_error(&error)
    });
    status.into()
}
