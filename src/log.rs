//! What the crates tell of their insides by `tracing`, on standard error for whoever asks.

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Listens with this filter, else with that of `RUST_LOG`, else not at all.
pub(crate) fn listen(asked_for: Option<Targets>) {
    // RUST_LOG may be meant for another program, in whose language it is something else.
    let everybodys = || std::env::var("RUST_LOG").ok()?.parse().ok();
    let Some(filter) = asked_for.or_else(everybodys) else {
        return;
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        // That nobody hears is no failure.
        .log_internal_errors(false);
    // A program that uses this one as a library may have a subscriber of its own, which stays.
    let _ = tracing_subscriber::registry()
        .with(lines)
        .with(filter)
        .try_init();
}
