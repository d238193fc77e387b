//! The line of a case under way.

use std::time::Instant;

use indicatif::ProgressBar;

use super::messages::about;
use crate::printable::printable;

/// A case under way.
pub(super) struct Worker {
    pub(super) case: String,
    pub(super) bar: ProgressBar,
    pub(super) step: String,
    pub(super) since: Instant,
}

impl Worker {
    pub(super) fn show(&self, now: Instant, width: Option<u16>) {
        let seconds = now.saturating_duration_since(self.since);
        let step = format!("{}, {}", self.step, about(seconds));
        // A long name gives way to what happens.
        let width = usize::from(width.unwrap_or(u16::MAX));
        let room = width.saturating_sub(step.len() + 5).max(SHORTEST_NAME);
        let case = printable(&self.case);
        let case = console::truncate_str(&case, room, "…");
        self.bar.set_message(format!("  {case}  {step}"));
    }
}

/// So much of a name stays in any case.
const SHORTEST_NAME: usize = 12;
