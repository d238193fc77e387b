//! `segarena report`: the page of a past run, made anew.

use std::path::Path;

use crate::args::ReportOptions;
use crate::exit::ExitStatus;
use crate::report;

pub(crate) fn report(options: &ReportOptions) -> anyhow::Result<ExitStatus> {
    println!("{}", report::write(&options.results)?.display());
    Ok(ExitStatus::Done)
}

/// The report at the end of an evaluation, whose results are safe whether it can be made or not.
pub(crate) fn report_on(output: &Path) {
    match report::write(output) {
        Ok(path) => crate::stdout::print(&format!("report: {}\n", path.display())),
        Err(error) => eprintln!("there is no report: {error:#}"),
    }
}
