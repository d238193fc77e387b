//! `segarena evaluate`: the whole protocol on every submission and case.

use std::sync::Arc;

use anyhow::Context;
use segarena_core::event::Observer;
use segarena_core::run::RunSummary;
use tokio_util::sync::CancellationToken;

use crate::args::EvaluateOptions;
use crate::exit::ExitStatus;
use crate::plan::Plan;
use crate::progress::Lines;
use crate::registry::Registry;
use crate::summary;

pub(crate) fn evaluate(
    registry: &Registry,
    options: &EvaluateOptions,
) -> anyhow::Result<ExitStatus> {
    let plan = Plan::new(registry, options)?;
    let output = plan.evaluation.output.clone();
    let result = carry_out(plan, options.verbose)?;
    print!("{}", summary::text(&result, &output));
    Ok(status_of(&result))
}

/// Runs the plan, telling on standard error what happens.
pub(crate) fn carry_out(plan: Plan, verbose: bool) -> anyhow::Result<RunSummary> {
    if let Some(threads) = plan.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .context("cannot start the threads for scoring")?;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(plan.evaluation.jobs + 2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let observer: Arc<dyn Observer> = Arc::new(Lines::new(std::io::stderr(), verbose));
    runtime.block_on(async {
        let cancel = CancellationToken::new();
        tokio::spawn(stop_on_signal(cancel.clone()));
        Ok(plan.evaluation.run(observer, cancel).await?)
    })
}

/// The first Ctrl-C (or SIGTERM) stops the run in order, the second at once.
async fn stop_on_signal(cancel: CancellationToken) {
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
    eprintln!("stopping: killing what runs and writing what is done (once more: at once)");
    cancel.cancel();
    next().await;
    std::process::exit(ExitStatus::Failed.code().into());
}

pub(crate) fn status_of(summary: &RunSummary) -> ExitStatus {
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
