//! Standard output, which may be a pipe that nobody reads any more.

use std::fmt::Display;
use std::io::Write;

use crate::printable::printable;

/// Prints the text. A reader who has gone away has seen enough: that is no failure, and what
/// else goes wrong there can't be told there.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Prints words, of which some may be a stranger's, and ends the line.
pub(crate) fn line(words: impl Display) {
    print(&format!("{}\n", printable(&words.to_string())));
}
