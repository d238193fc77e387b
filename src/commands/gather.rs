//! `segarena gather`: the tables, the record and the report of a run in shards.

use std::collections::BTreeMap;
use std::fmt::Write;

use segarena_core::run::{self, Gathered, MissingCase};

use super::report::report_on;
use crate::args::GatherOptions;
use crate::exit::ExitStatus;
use crate::progress::first_few;
use crate::ranking::Settings;
use crate::stderr;
use crate::stdout;
use crate::summary::{self, Look};

pub(crate) fn gather(options: &GatherOptions) -> anyhow::Result<ExitStatus> {
    let Gathered {
        summary,
        missing,
        pairs,
    } = run::gather(&options.results)?;
    let ranking = Settings::kept(&options.results)?;
    stdout::print(&summary::text(
        &summary,
        &options.results,
        &ranking,
        Look::of_stdout(),
    ));
    let has_failure = summary.has_failure();
    // The report reads the cases again, so that two runs' worth of them would be in memory.
    drop(summary);
    report_on(&options.results, &ranking);
    if missing.is_empty() {
        return Ok(match has_failure {
            true => ExitStatus::SomeFailed,
            false => ExitStatus::Done,
        });
    }
    stderr::print(&missing_text(&missing, pairs));
    Ok(ExitStatus::SomeFailed)
}

/// What is missing, a paragraph for each reason.
fn missing_text(missing: &[MissingCase], pairs: usize) -> String {
    /// So many of a paragraph's cases are named.
    const NAMED: usize = 3;
    let mut text = format!(
        "missing: {} of {pairs} results; the shards that have them go on where they were\n",
        missing.len()
    );
    let mut paragraphs: BTreeMap<(&str, _, &str), Vec<&MissingCase>> = BTreeMap::new();
    for pair in missing {
        let key = (pair.submission.as_str(), pair.shard, pair.why.as_str());
        paragraphs.entry(key).or_default().push(pair);
    }
    for ((submission, shard, why), pairs) in paragraphs {
        let named = first_few(NAMED, pairs.iter().map(|pair| &pair.case));
        // Writing to a string can't fail.
        let _ = writeln!(text, "  {submission}, shard {shard}: {why}");
        let _ = writeln!(text, "    {named}");
        if let Some(log) = &pairs[0].log {
            let _ = writeln!(text, "    log: {}", log.display());
        }
    }
    text
}
