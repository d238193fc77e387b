//! What is told while a run is under way: bars on a terminal, lines elsewhere, and nothing but
//! what matters when asked to be quiet.

mod bars;
mod lines;
mod messages;
#[cfg(test)]
pub(crate) mod sample;
mod tally;
mod worker;

use std::io::IsTerminal;
use std::sync::Arc;

use console::Term;
use indicatif::{MultiProgress, ProgressDrawTarget};
use segarena_core::event::{Event, Observer};

use crate::args::ProgressOptions;
use crate::events::EventLog;
use crate::listener::Background;

use bars::{Above, Bars};
use lines::Lines;
pub(crate) use messages::{count, first_few, wrapped};

/// Everybody who hears of a run, each on a thread of its own.
pub(crate) struct Listeners {
    listeners: Arc<Vec<Background>>,
}

impl Listeners {
    /// Begins to listen as the options say.
    ///
    /// # Errors
    /// When the file for the events can't be opened.
    pub(crate) fn begin(options: &ProgressOptions) -> anyhow::Result<Self> {
        let person = person(options);
        let mut listeners = Vec::new();
        if let Some(path) = &options.events {
            let log = EventLog::open(path, person.event_sender())?;
            listeners.push(Background::listen("events", None, log));
        }
        listeners.push(person);
        Ok(Self {
            listeners: Arc::new(listeners),
        })
    }

    /// Shows on a terminal how far something is, and leaves nothing there.
    pub(crate) fn only_progress() -> Self {
        Self {
            listeners: Arc::new(on_terminal(Above::Nothing).into_iter().collect()),
        }
    }

    /// Hears of the run, never blocks it.
    pub(crate) fn observer(&self) -> Arc<dyn Observer> {
        Arc::new(ToAll(Arc::clone(&self.listeners)))
    }

    /// Waits until everybody has dealt with what they heard.
    pub(crate) fn end(self) {
        for listener in self.listeners.iter() {
            listener.end();
        }
    }
}

/// Tells a person on standard error.
fn person(options: &ProgressOptions) -> Background {
    let above = match options.verbose {
        true => Above::Everything,
        false => Above::News,
    };
    if options.quiet {
        return Background::listen("progress", None, Lines::quiet(std::io::stderr()));
    }
    on_terminal(above).unwrap_or_else(|| {
        let lines = Lines::new(std::io::stderr(), options.verbose);
        Background::listen("progress", None, lines)
    })
}

/// Bars, where standard error is a terminal that can have them.
fn on_terminal(above: Above) -> Option<Background> {
    let is_dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    if is_dumb || !std::io::stderr().is_terminal() {
        return None;
    }
    let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
    let columns = Term::stderr().size_checked().map(|(_, columns)| columns);
    let bars = Bars::new(all, columns, above);
    Some(Background::listen("progress", Some(bars::PERIOD), bars))
}

struct ToAll(Arc<Vec<Background>>);

impl Observer for ToAll {
    fn notice(&self, event: &Event) {
        for listener in self.0.iter() {
            listener.notice(event);
        }
    }
}
