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
// Whoever reads may go away: `stdout` and `stderr` take that for no failure.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

mod args;
mod baseline;
mod commands;
mod config;
mod doctor;
mod environment;
mod events;
mod exit;
mod import;
mod init;
mod jobs;
mod lifetime;
mod listener;
mod log;
mod machines;
mod new;
mod open_files;
mod phantom;
mod plan;
mod printable;
mod progress;
mod ranking;
mod registry;
mod replay;
mod report;
mod setting;
mod slurm;
mod statistics;
mod stderr;
mod stdout;
mod submissions;
mod summary;
mod validate;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

pub use config::ConfigError;
pub use exit::ExitStatus;
pub use registry::{BackendSection, NoOptions, Registry};
pub use segarena_core::clicks::PolicyOptions;

use args::{Arguments, Command};

/// Checks a configuration as `segarena evaluate --config FILE` does before it reads a case or asks
/// an engine: every key and type, every name, number and path.
///
/// # Errors
/// What `evaluate` would say: what is wrong, in which line, and what to do.
pub fn check_configuration(registry: &Registry, file: &Path) -> anyhow::Result<()> {
    let options = args::EvaluateOptions {
        config: Some(file.to_owned()),
        ..Default::default()
    };
    plan::Plan::new(registry, &options).map(drop)
}

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
    log::listen(arguments.log);
    if let Command::Probe { attempt } = &arguments.command {
        return ExitCode::from(doctor::probe::attempt(attempt));
    }
    let result = open_files::refuse_too_few().and_then(|()| command(&registry, arguments.command));
    let status = result.unwrap_or_else(|error| {
        stderr::line(exit::explain(&error));
        ExitStatus::of_error(&error)
    });
    status.into()
}

fn command(registry: &Registry, command: Command) -> anyhow::Result<ExitStatus> {
    match command {
        Command::Evaluate(options) => commands::evaluate(registry, &options),
        Command::Demo(options) => commands::demo(registry, &options),
        Command::Validate(options) => commands::validate(registry, &options),
        Command::New(options) => commands::new(&options),
        Command::Init(options) => commands::init(registry, &options),
        Command::Completions(options) => commands::completions(&options),
        Command::Man(options) => commands::man(&options),
        Command::Score(options) => commands::score(&options),
        Command::Click(options) => commands::click(registry, &options),
        Command::Slurm(options) => commands::slurm(registry, &options),
        Command::Gather(options) => commands::gather(&options),
        Command::Replay(options) => commands::replay(&options),
        Command::Import(options) => commands::import(&options),
        Command::Export(options) => commands::export(&options),
        Command::Report(options) => commands::report(&options),
        Command::Compare(options) => commands::compare(&options),
        Command::Rescore(options) => commands::rescore(&options),
        Command::Doctor(options) => commands::doctor(registry, &options),
        Command::Baseline => baseline::run(),
        Command::Probe { .. } => Ok(ExitStatus::Done),
    }
}
