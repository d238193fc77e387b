//! Standard output, which may be a pipe that nobody reads any more.

use std::io::Write;

/// Prints the text. A reader who has gone away has seen enough: that is no failure, and what
/// else goes wrong there can't be told there.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
