//! `segarena evaluate`: the whole protocol on every submission and case.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use segarena_core::event::{Event, Observer};
use segarena_core::run::RunSummary;
use tokio_util::sync::CancellationToken;

use super::report::report_on;
use crate::args::{EvaluateOptions, TellingOptions};
use crate::events;
use crate::exit::ExitStatus;
use crate::plan::Plan;
use crate::progress::Telling;
use crate::registry::Registry;
use crate::summary::{self, Look};
use crate::{report, stdout};

pub(crate) fn evaluate(
    registry: &Registry,
    options: &EvaluateOptions,
) -> anyhow::Result<ExitStatus> {
    let plan = Plan::new(registry, options)?;
    evaluate_plan(plan, &options.telling)
}

/// Runs the plan, tells on standard error what happens, and prints what came of it.
pub(crate) fn evaluate_plan(plan: Plan, options: &TellingOptions) -> anyhow::Result<ExitStatus> {
    let output = plan.evaluation.output.clone();
    if let Some(threads) = plan.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start the threads for scoring")?;
    }
    let telling = Telling::begin(options)?;
    let result = carry_out(plan, telling.observer());
    telling.end();
    let result = result?;
    print_end(&result, &output, options);
    Ok(status_of(&result))
}

/// The ranking, what failed, and where everything is.
fn print_end(result: &RunSummary, output: &Path, options: &TellingOptions) {
    if !options.events.as_deref().is_some_and(events::is_stdout) {
        stdout::print(&summary::text(result, output, Look::of_stdout()));
        report_on(output);
        return;
    }
    eprint!("{}", summary::text(result, output, Look::of_stderr()));
    match report::write(output) {
        Ok(path) => eprintln!("report: {}", path.display()),
        Err(error) => eprintln!("there is no report: {error:#}"),
    }
}

fn carry_out(plan: Plan, observer: Arc<dyn Observer>) -> anyhow::Result<RunSummary> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(plan.evaluation.jobs + 2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        tokio::spawn(stop_on_signal(cancel.clone(), Arc::clone(&observer)));
        Ok(plan.evaluation.run(observer, cancel).await?)
    })
}

/// The first Ctrl-C (or SIGTERM) stops the run in order, the second at once.
pub(crate) async fn stop_on_signal(cancel: CancellationToken, observer: Arc<dyn Observer>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    let mut next = async || {
        tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} }
    };
    next().await;
    observer.notice(&Event::Stopping);
    cancel.cancel();
    next().await;
    std::process::exit(ExitStatus::Failed.code().into());
}

fn status_of(summary: &RunSummary) -> ExitStatus {
    if summary.interrupted {
        eprintln!("interrupted: the same command goes on where this run was");
        return ExitStatus::Failed;
    }
    if summary.has_failure() {
        ExitStatus::SomeFailed
    } else {
        ExitStatus::Done
    }
}
