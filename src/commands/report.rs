//! `segarena report`: the page of a run, made anew, once or whenever something is new.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use segarena_core::run::{self, PastRun};

use crate::args::ReportOptions;
use crate::config::LoadedConfig;
use crate::exit::ExitStatus;
use crate::ranking::Settings;
use crate::stderr;
use crate::stdout;
use crate::{plan, report};

pub(crate) fn report(options: &ReportOptions) -> anyhow::Result<ExitStatus> {
    gather_shards(&options.results)?;
    let settings = settings(options)?;
    stdout::line(write(options, &settings)?.display());
    if options.watch {
        watch(options, &settings)?;
    }
    Ok(ExitStatus::Done)
}

fn settings(options: &ReportOptions) -> anyhow::Result<Settings> {
    match &options.config {
        Some(file) => {
            let run = PastRun::read(&options.results)?;
            let track = run.record.track().with_context(|| {
                format!(
                    "this version of segarena does not know the track {}, so that no [ranking] can \
                     be read for it",
                    run.record.track
                )
            })?;
            Ok(plan::ranking(&LoadedConfig::load(file)?, &*track)?)
        }
        None => Settings::kept(&options.results),
    }
}

fn write(options: &ReportOptions, settings: &Settings) -> anyhow::Result<PathBuf> {
    match &options.export {
        Some(folder) => report::write_with_export(&options.results, settings, folder),
        None => report::write(&options.results, settings),
    }
}

/// What a run in shards has finished by now is in its record after it was gathered.
fn gather_shards(results: &Path) -> anyhow::Result<()> {
    if run::has_shards(results) {
        run::gather(results)?;
    }
    Ok(())
}

/// How often it is looked whether anything is new.
const PERIOD: Duration = Duration::from_secs(2);

/// Makes the report again after each change, and once more when the run is over.
fn watch(options: &ReportOptions, settings: &Settings) -> anyhow::Result<()> {
    let mut seen = report::last_change(&options.results);
    let mut is_going_on = true;
    while is_going_on {
        is_going_on = report::is_going_on(&options.results);
        let change = report::last_change(&options.results);
        if change != seen || !is_going_on {
            gather_shards(&options.results)?;
            write(options, settings)?;
            // Looked up afterwards, as an export into the output folder is a change too. What ends
            // meanwhile is on the page with the next change, at the latest when the run is over.
            seen = report::last_change(&options.results);
        }
        if is_going_on {
            std::thread::sleep(PERIOD);
        }
    }
    Ok(())
}

/// The report at the end of an evaluation, whose results are safe whether it can be made or not.
pub(crate) fn report_on(output: &Path, settings: &Settings) {
    match report::write(output, settings) {
        Ok(path) => stdout::print(&format!("report: {}\n", path.display())),
        Err(error) => stderr::line(format_args!("there is no report: {error:#}")),
    }
}
