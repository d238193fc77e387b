//! `segarena demo`: a small data set and the built-in baseline, with nothing else needed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::evaluate::evaluate_plan;
use crate::args::{BuiltInTrack, DemoOptions, EvaluateOptions};
use crate::events;
use crate::exit::ExitStatus;
use crate::phantom::{phantoms, text_phantoms};
use crate::plan::Plan;
use crate::registry::Registry;
use crate::{stderr, stdout};

pub(crate) fn demo(registry: &Registry, options: &DemoOptions) -> anyhow::Result<ExitStatus> {
    let (phantoms, default) = match options.track {
        BuiltInTrack::Interactive => (phantoms(), "segarena-demo"),
        BuiltInTrack::Text => (text_phantoms(), "segarena-text-demo"),
    };
    let folder = options.output.as_deref().unwrap_or(Path::new(default));
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for phantom in phantoms {
        phantom.write(folder)?;
    }
    let config = folder.join("demo.toml");
    let text = config_text(options.track).context("cannot tell where this program is")?;
    std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;

    let words = format!(
        "A data set of phantoms is in {}.\nNow this runs: segarena evaluate --config {}\n\n",
        folder.display(),
        config.display()
    );
    if options
        .progress
        .events
        .as_deref()
        .is_some_and(events::is_stdout)
    {
        stderr::print(&words);
    } else {
        stdout::print(&words);
    }
    // The demo is there to be seen, each time it is asked for.
    let evaluate = EvaluateOptions {
        config: Some(config),
        restart: true,
        ..EvaluateOptions::default()
    };
    evaluate_plan(Plan::new(registry, &evaluate)?, &options.progress)
}

/// The configuration of the demo, a file that a newcomer can go on from.
fn config_text(track: BuiltInTrack) -> std::io::Result<String> {
    let program = std::env::current_exe()?;
    let program = program.to_string_lossy();
    let table = BTreeMap::from([("command", [&*program, "baseline"])]);
    let command = toml::to_string(&table).map_err(std::io::Error::other)?;
    Ok(format!(
        "# Made by `segarena demo`.\n\
         [cases]\n\
         images = \"imgs\"\n\
         ground_truth = \"gts\"\n\
         \n\
         [output]\n\
         dir = \"results\"\n\
         \n\
         [protocol]\n\
         track = \"{}\"\n\
         \n\
         [backend]\n\
         kind = \"process\"\n\
         env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n\
         \n\
         [[submission]]\n\
         name = \"baseline\"\n\
         {command}",
        track.name()
    ))
}
