//! Standard error, which may be a terminal that was closed or a pipe that nobody reads any more.

use std::fmt::Display;
use std::io::Write;

use crate::printable::printable;

/// Writes the text as it is, colours and all. That nobody hears it is no failure.
pub(crate) fn print(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// Writes words, of which some may be a stranger's, and ends the line.
pub(crate) fn line(words: impl Display) {
    print(&format!("{}\n", printable(&words.to_string())));
}
