//! `--events FILE`: what happens, as lines of JSON for other programs.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::time::{Instant, SystemTime};

use anyhow::Context;
use segarena_core::event::{Event, Observer};
use serde::Serialize;

use crate::listener::{EventSender, Listener};

/// The version of the form of a line. `segarena evaluate --help` describes it.
const SCHEMA: u32 = 1;

/// Writes each event as a line.
pub(crate) struct EventLog {
    name: String,
    /// None after a write that failed.
    out: Option<Box<dyn Write + Send>>,
    person: EventSender,
}

#[derive(Serialize)]
struct Entry<'a> {
    schema: u32,
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

/// Whether the events go to standard output, where nothing else may then be written.
pub(crate) fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

impl EventLog {
    /// Opens the file, to add to it; `-` is standard output. `person` hears of a write that fails.
    ///
    /// # Errors
    /// When it can't be opened.
    pub(crate) fn open(path: &Path, person: EventSender) -> anyhow::Result<Self> {
        if is_stdout(path) {
            let out = Box::new(std::io::stdout());
            return Ok(Self::to("standard output", out, person));
        }
        let mut options = OpenOptions::new();
        let file = options.create(true).append(true).open(path);
        let file = file.with_context(|| {
            format!(
                "--events: cannot write to {} (check the path)",
                path.display()
            )
        })?;
        let name = path.display().to_string();
        Ok(Self::to(&name, Box::new(file), person))
    }

    fn to(name: &str, out: Box<dyn Write + Send>, person: EventSender) -> Self {
        Self {
            name: name.to_owned(),
            out: Some(out),
            person,
        }
    }

    fn write(&mut self, event: &Event, happened: Instant) -> std::io::Result<()> {
        let Some(out) = &mut self.out else {
            return Ok(());
        };
        let at = SystemTime::now()
            .checked_sub(happened.elapsed())
            .unwrap_or(SystemTime::UNIX_EPOCH);
        let entry = Entry {
            schema: SCHEMA,
            at: humantime::format_rfc3339_millis(at).to_string(),
            event,
        };
        let mut line = serde_json::to_vec(&entry)?;
        line.push(b'\n');
        // In one piece, so that a reader never sees half a line for long.
        out.write_all(&line)?;
        out.flush()
    }
}

impl Listener for EventLog {
    fn receive(&mut self, event: &Event, now: Instant) {
        if let Err(error) = self.write(event, now) {
            // The results are what counts: they go on without the events.
            self.out = None;
            self.person.notice(&Event::Caution {
                backend: "--events".to_owned(),
                text: format!(
                    "{} takes no more events, the run goes on without: {error}",
                    self.name
                ),
            });
        }
    }
}
