//! `segarena completions` and `segarena man`: what shells and `man` want to know.

use std::path::Path;

use anyhow::Context;
use clap::CommandFactory;

use crate::args::{Arguments, CompletionsOptions, ManOptions};
use crate::config::ConfigError;
use crate::exit::ExitStatus;
use crate::stdout;

pub(crate) fn completions(options: &CompletionsOptions) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(options.shell, &mut command, "segarena", &mut script);
    stdout::print(&String::from_utf8_lossy(&script));
    Ok(ExitStatus::Done)
}

pub(crate) fn man(options: &ManOptions) -> anyhow::Result<ExitStatus> {
    let command = Arguments::command();
    if let Some(folder) = &options.output {
        return write_pages(command, folder);
    }
    let page = match &options.command {
        None => page(command)?,
        Some(name) => page(subcommand(command, name)?)?,
    };
    stdout::print(&String::from_utf8_lossy(&page));
    Ok(ExitStatus::Done)
}

fn write_pages(command: clap::Command, folder: &Path) -> anyhow::Result<ExitStatus> {
    let failed = || format!("cannot write the pages into {}", folder.display());
    std::fs::create_dir_all(folder).with_context(failed)?;
    clap_mangen::generate_to(command, folder).with_context(failed)?;
    Ok(ExitStatus::Done)
}

fn page(command: clap::Command) -> std::io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page)?;
    Ok(page)
}

/// The command of this name, called as `segarena NAME` is.
fn subcommand(mut command: clap::Command, name: &str) -> anyhow::Result<clap::Command> {
    command.build();
    let found = command.find_subcommand(name).cloned();
    found.ok_or_else(|| {
        let message = format!("there is no command `{name}`; see segarena --help");
        ConfigError::Usage { message }.into()
    })
}
