//! `segarena evaluate`: the whole protocol on every submission and case.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use segarena_core::event::{Event, Observer};
use segarena_core::run::{Prepared, RunSummary, Shard};
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::report::report_on;
use crate::args::{EvaluateOptions, ProgressOptions};
use crate::events;
use crate::exit::ExitStatus;
use crate::plan::Plan;
use crate::progress::{Listeners, count};
use crate::ranking::Settings;
use crate::registry::Registry;
use crate::stderr;
use crate::summary::{self, Look};
use crate::{report, stdout};

pub(crate) fn evaluate(
    registry: &Registry,
    options: &EvaluateOptions,
) -> anyhow::Result<ExitStatus> {
    let plan = Plan::new(registry, options)?;
    if options.prepare {
        return prepare(plan, &options.progress);
    }
    let plan = plan.on_this_machine()?;
    match options.shard {
        Some(shard) => evaluate_shard(plan, shard, &options.progress),
        None => evaluate_plan(plan, &options.progress),
    }
}

/// Runs one share of the plan. The table and the report are `gather`'s.
fn evaluate_shard(
    plan: Plan,
    shard: Shard,
    options: &ProgressOptions,
) -> anyhow::Result<ExitStatus> {
    let output = plan.evaluation.output.clone();
    let ranking = plan.ranking.clone();
    start_threads(plan.threads)?;
    let progress = Listeners::begin(options)?;
    let result = in_runtime(&plan, progress.observer(), ExitStatus::GoOnLater).and_then(
        |(runtime, cancel)| {
            let run = plan
                .evaluation
                .run_shard(shard, progress.observer(), cancel);
            Ok(runtime.block_on(run)?)
        },
    );
    progress.end();
    let result = result?;
    ranking.keep(&output)?;
    if result.interrupted {
        stderr::line("interrupted: the same command goes on where this shard was");
        return Ok(ExitStatus::GoOnLater);
    }
    stdout::print(&format!(
        "shard {shard} is done; segarena gather {} puts all of them together\n",
        output.display()
    ));
    Ok(match result.has_failure() {
        true => ExitStatus::SomeFailed,
        false => ExitStatus::Done,
    })
}

/// So many of them, and the verb.
fn are(number: usize, what: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number, what))
}

/// Checks the data set and keeps what was found for the shards to come, as well as what images
/// they can share.
fn prepare(plan: Plan, options: &ProgressOptions) -> anyhow::Result<ExitStatus> {
    start_threads(plan.threads)?;
    let progress = Listeners::begin(options)?;
    let result =
        in_runtime(&plan, progress.observer(), ExitStatus::Failed).and_then(|(runtime, cancel)| {
            let prepared = plan.evaluation.prepare(progress.observer(), cancel);
            Ok(runtime.block_on(prepared)?)
        });
    progress.end();
    let Prepared { cases, images } = result?;
    plan.ranking.keep(&plan.evaluation.output)?;
    let mut words = format!("{} in order", are(cases, "case"));
    if images > 0 {
        words.push_str(&format!(", {} ready for every shard", are(images, "image")));
    }
    stdout::line(words);
    Ok(ExitStatus::Done)
}

/// Runs the plan, tells on standard error what happens, and prints what came of it.
pub(crate) fn evaluate_plan(plan: Plan, options: &ProgressOptions) -> anyhow::Result<ExitStatus> {
    let output = plan.evaluation.output.clone();
    start_threads(plan.threads)?;
    let progress = Listeners::begin(options)?;
    let ranking = plan.ranking.clone();
    let observer: Arc<dyn Observer> = Arc::new(KeepRanking {
        ranking: ranking.clone(),
        output: output.clone(),
        rest: progress.observer(),
    });
    let result = in_runtime(&plan, Arc::clone(&observer), ExitStatus::Failed).and_then(
        |(runtime, cancel)| {
            let run = plan.evaluation.run(observer, cancel);
            Ok(runtime.block_on(run)?)
        },
    );
    progress.end();
    let result = result?;
    print_end(&result, &output, &ranking, options);
    Ok(status_of(&result))
}

/// The ranking, what failed, and where everything is.
fn print_end(result: &RunSummary, output: &Path, ranking: &Settings, options: &ProgressOptions) {
    if !options.events.as_deref().is_some_and(events::is_stdout) {
        stdout::print(&summary::text(result, output, ranking, Look::of_stdout()));
        report_on(output, ranking);
        return;
    }
    stderr::print(&summary::text(result, output, ranking, Look::of_stderr()));
    match report::write(output, ranking) {
        Ok(path) => stderr::line(format_args!("report: {}", path.display())),
        Err(error) => stderr::line(format_args!("there is no report: {error:#}")),
    }
}

/// Keeps the settings of the ranking in the output folder as soon as the run has it for itself,
/// so that reports can be made while it goes on.
struct KeepRanking {
    ranking: Settings,
    output: PathBuf,
    rest: Arc<dyn Observer>,
}

impl Observer for KeepRanking {
    fn notice(&self, event: &Event) {
        let is_begun = matches!(
            event,
            Event::SubmissionStarted { .. } | Event::SubmissionFailed { .. }
        );
        if is_begun && let Err(error) = self.ranking.keep(&self.output) {
            stderr::line(format_args!(
                "warning: {error}; reports made later will rank by the defaults"
            ));
        }
        self.rest.notice(event);
    }
}

fn start_threads(threads: Option<usize>) -> anyhow::Result<()> {
    // None is asked for by 0. They are started here in any case, as a machine that has none left
    // can be told of here.
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .build_global()
        .context("cannot start the threads for scoring (are `ulimit -u` or `-v` very small?)")
}

/// What a run runs in, and what stops it at a signal; a second signal ends the program at once,
/// with this status.
fn in_runtime(
    plan: &Plan,
    observer: Arc<dyn Observer>,
    at_once: ExitStatus,
) -> anyhow::Result<(Runtime, CancellationToken)> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(plan.evaluation.jobs + 2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    {
        let _runtime = runtime.enter();
        // A handler in the place of the signal's death makes of a file that is too large an error
        // with words, and does not pass on to a submission.
        let too_large = rustix::process::Signal::XFSZ.as_raw();
        let _listening = signal(SignalKind::from_raw(too_large))
            .context("cannot listen to signals (is `ulimit -n` very small?)")?;
    }
    let cancel = CancellationToken::new();
    runtime.spawn(stop_on_signal(cancel.clone(), observer, at_once));
    Ok((runtime, cancel))
}

/// The first Ctrl-C (or SIGTERM, or SIGHUP when a terminal or an ssh goes away) stops the run in
/// order, the second at once.
pub(crate) async fn stop_on_signal(
    cancel: CancellationToken,
    observer: Arc<dyn Observer>,
    at_once: ExitStatus,
) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    // Who started this by `nohup` wants it to go on without a terminal.
    let mut hang_up = match ignores_hang_up() {
        true => None,
        false => signal(SignalKind::hangup()).ok(),
    };
    let mut hung_up = async || match &mut hang_up {
        Some(hang_up) => hang_up.recv().await,
        None => std::future::pending().await,
    };
    let mut next = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hung_up() => {}
        }
    };
    next().await;
    observer.notice(&Event::Stopping);
    cancel.cancel();
    next().await;
    std::process::exit(at_once.code().into());
}

/// Whether this process was told to ignore SIGHUP, the first of the signals.
fn ignores_hang_up() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask & 1 != 0)
}

fn status_of(summary: &RunSummary) -> ExitStatus {
    if summary.interrupted {
        stderr::line("interrupted: the same command goes on where this run was");
        return ExitStatus::Failed;
    }
    if summary.has_failure() {
        ExitStatus::SomeFailed
    } else {
        ExitStatus::Done
    }
}
