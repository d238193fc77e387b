//! `segarena demo`: a small data set and the built-in baseline, with nothing else needed.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use segarena_core::npz::{write_image, write_volume};
use segarena_core::prompt::BoundingBox;

use super::evaluate::{carry_out, status_of};
use crate::args::{DemoOptions, EvaluateOptions};
use crate::exit::ExitStatus;
use crate::phantom::{Phantom, phantoms};
use crate::plan::Plan;
use crate::registry::Registry;
use crate::summary;

pub(crate) fn demo(registry: &Registry, options: &DemoOptions) -> anyhow::Result<ExitStatus> {
    let folder = &options.output;
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for phantom in phantoms() {
        write_case(folder, &phantom)?;
    }
    let config = folder.join("demo.toml");
    let text = config_text().context("cannot tell where this program is")?;
    std::fs::write(&config, text).with_context(|| format!("cannot write {}", config.display()))?;

    println!("A data set of phantoms is in {}.", folder.display());
    println!(
        "Now this runs: segarena evaluate --config {}\n",
        config.display()
    );
    // The demo is there to be seen, each time it is asked for.
    let options = EvaluateOptions {
        config: Some(config),
        restart: true,
        ..EvaluateOptions::default()
    };
    let plan = Plan::new(registry, &options)?;
    let output = plan.evaluation.output.clone();
    let result = carry_out(plan, false)?;
    print!("{}", summary::text(&result, &output));
    Ok(status_of(&result))
}

fn write_case(folder: &Path, phantom: &Phantom) -> anyhow::Result<()> {
    let name = format!("{}.npz", phantom.name);
    let (images, labels) = (folder.join("imgs"), folder.join("gts"));
    for folder in [&images, &labels] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let boxes = phantom
        .with_boxes
        .then(|| BoundingBox::member(&boxes_of(phantom)));
    write_image(
        &images.join(&name),
        phantom.image.view(),
        phantom.spacing,
        boxes.as_ref(),
    )?;
    write_volume(&labels.join(&name), "gts", phantom.labels.view())?;
    Ok(())
}

/// A box for each label in ascending order.
fn boxes_of(phantom: &Phantom) -> Vec<BoundingBox> {
    let highest = phantom.labels.iter().copied().max().unwrap_or(0);
    (1..=highest)
        .filter_map(|label| BoundingBox::around(phantom.labels.view(), label))
        .collect()
}

/// The configuration of the demo, a file that a newcomer can go on from.
fn config_text() -> std::io::Result<String> {
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
         [backend]\n\
         kind = \"process\"\n\
         env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n\
         \n\
         [[submission]]\n\
         name = \"baseline\"\n\
         {command}"
    ))
}
