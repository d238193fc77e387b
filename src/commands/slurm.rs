//! `segarena slurm`: an evaluation on a Slurm cluster, as three jobs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use segarena_core::results::{create_folder, write_whole};

use crate::args::{EvaluateOptions, SlurmOptions};
use crate::config::{ConfigError, LoadedConfig};
use crate::exit::ExitStatus;
use crate::plan::Plan;
use crate::registry::Registry;
use crate::slurm::{JobId, Scripts, cancel, ranges, submit};
use crate::stdout;

pub(crate) fn slurm(registry: &Registry, options: &SlurmOptions) -> anyhow::Result<ExitStatus> {
    let scripts = scripts(registry, &options.config)?;
    scripts.check()?;
    if scripts.shards.is_empty() {
        stdout::print(&format!(
            "nothing is missing: segarena gather {} makes the tables and the report anew\n",
            scripts.output.display()
        ));
        return Ok(ExitStatus::Done);
    }
    let folder = scripts.folder();
    create_folder(&folder)?;
    let paths = ["prepare.sh", "shards.sh", "gather.sh"].map(|name| folder.join(name));
    let texts = [scripts.prepare(), scripts.shards(), scripts.gather()];
    for (path, text) in paths.iter().zip(&texts) {
        write_whole(path, text.as_bytes())?;
    }
    if options.dry_run {
        let [prepare, shards, gather] = paths.map(|path| path.display().to_string());
        stdout::print(&format!(
            "nothing was submitted; {} of {} shards have something to do. In this order:\n\
             sbatch {prepare}\n\
             sbatch --dependency=afterok:PREPARE --kill-on-invalid-dep=yes {shards}\n\
             sbatch --dependency=afterany:SHARDS {gather}\n",
            scripts.shards.len(),
            scripts.count
        ));
        return Ok(ExitStatus::Done);
    }
    let jobs = submit_all(&paths)?;
    stdout::print(&submitted(&scripts, &jobs));
    Ok(ExitStatus::Done)
}

/// Checks the configuration and finds out what is still to be done.
fn scripts(registry: &Registry, config: &Path) -> anyhow::Result<Scripts> {
    let options = EvaluateOptions {
        config: Some(config.to_owned()),
        ..EvaluateOptions::default()
    };
    let evaluation = Plan::new(registry, &options)?.evaluation;
    let loaded = LoadedConfig::load(config)?;
    let Some(table) = &loaded.file.slurm else {
        let message = format!(
            "{} has no [slurm]: say there with `tasks` how many shards to make, and with `lines` \
             what sbatch is to be told",
            config.display()
        );
        return Err(ConfigError::Missing { message }.into());
    };
    for line in &table.lines {
        if !line.get_ref().starts_with('-') || line.get_ref().contains('\n') {
            return Err(ConfigError::Value {
                place: loaded.place("slurm.lines", line),
                message: format!(
                    "`{}` is no option of sbatch, such as --partition=gpu",
                    line.get_ref().escape_debug()
                ),
            }
            .into());
        }
    }
    let pairs = evaluation.submissions.len() * evaluation.cases.len();
    let tasks = count(&loaded, "slurm.tasks", table.tasks.as_ref())?;
    let count_of_shards = tasks.unwrap_or(evaluation.submissions.len()).min(pairs);
    let unfinished = evaluation.unfinished_shards(count_of_shards);
    Ok(Scripts {
        program: std::env::current_exe().context("cannot find this program's own file")?,
        config: absolute(config)?,
        output: absolute(&evaluation.output)?,
        lines: table
            .lines
            .iter()
            .map(|line| line.get_ref().clone())
            .collect(),
        before: table.before.clone(),
        count: count_of_shards,
        shards: unfinished.unwrap_or_else(|| (0..count_of_shards).collect()),
        at_once: count(&loaded, "slurm.at_once", table.at_once.as_ref())?,
    })
}

fn count(
    config: &LoadedConfig,
    key: &str,
    given: Option<&toml::Spanned<usize>>,
) -> Result<Option<usize>, ConfigError> {
    match given {
        Some(count) if *count.get_ref() == 0 => Err(ConfigError::Value {
            place: config.place(key, count),
            message: "must be 1 or more".to_owned(),
        }),
        given => Ok(given.map(|count| *count.get_ref())),
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot tell where {} is", path.display()))
}

fn submit_all([prepare, shards, gather]: &[PathBuf; 3]) -> anyhow::Result<[JobId; 3]> {
    let prepare = submit(prepare, &[])?;
    let after = format!("--dependency=afterok:{prepare}");
    // Where the data set is not in order no shard has to wait for ever.
    let options = [after, "--kill-on-invalid-dep=yes".to_owned()];
    let shards = submit(shards, &options).inspect_err(|_| {
        cancel(std::slice::from_ref(&prepare));
    })?;
    let after = format!("--dependency=afterany:{shards}");
    let gather = submit(gather, &[after]).inspect_err(|_| {
        cancel(&[prepare.clone(), shards.clone()]);
    })?;
    Ok([prepare, shards, gather])
}

fn submitted(scripts: &Scripts, [prepare, shards, gather]: &[JobId; 3]) -> String {
    format!(
        "prepare  job {prepare}\n\
         shards   job {shards}: {} of {} ({})\n\
         gather   job {gather}, when all of them have ended\n\
         scripts and logs  {}\n\
         watch    squeue --jobs {prepare},{shards},{gather}\n\
         cancel   scancel {prepare} {shards} {gather}\n\
         results so far, at any time: segarena gather {}\n",
        scripts.shards.len(),
        scripts.count,
        ranges(&scripts.shards),
        scripts.folder().display(),
        scripts.output.display()
    )
}
