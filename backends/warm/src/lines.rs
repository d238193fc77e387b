//! Standard output, cut into lines that may be answers and into the rest, which is log.
//!
//! An answer begins with `{` after blanks and is shorter than [`LONGEST_ANSWER`]. Whatever can be
//! none is log at once, so that a progress bar shows while it moves, and a flood is never held.

/// The longest line that is looked at, in bytes.
const LONGEST_ANSWER: usize = 16 << 10;

/// A line as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// The beginning of a line that may still become an answer.
    held: Vec<u8>,
    /// Whether the rest of the line is log, as its beginning was.
    is_log: bool,
}

impl Lines {
    /// Takes bytes as they come. Each whole line that may be an answer is shown to `answer`, which
    /// says whether it was one; everything else goes to `log`, in order.
    pub(crate) fn take(
        &mut self,
        mut bytes: &[u8],
        mut answer: impl FnMut(&[u8]) -> bool,
        mut log: impl FnMut(&[u8]),
    ) {
        while !bytes.is_empty() {
            let end = bytes.iter().position(|&byte| byte == b'\n');
            let (piece, rest) = bytes.split_at(end.map_or(bytes.len(), |at| at + 1));
            bytes = rest;
            if self.is_log {
                log(piece);
            } else {
                self.held
                    .extend_from_slice(&piece[..piece.len().min(LONGEST_ANSWER + 1)]);
                let more = &piece[piece.len().min(LONGEST_ANSWER + 1)..];
                let is_answer =
                    end.is_some() && more.is_empty() && self.may_be_answer() && answer(&self.held);
                if is_answer {
                    self.held.clear();
                } else if end.is_some() || !self.may_be_answer() {
                    log(&self.held);
                    log(more);
                    self.held.clear();
                    self.is_log = true;
                }
            }
            if end.is_some() {
                self.is_log = false;
            }
        }
    }

    /// What was held in case it became an answer, once nothing more comes.
    pub(crate) fn finish(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }

    fn may_be_answer(&self) -> bool {
        let first = self.held.iter().find(|byte| !byte.is_ascii_whitespace());
        self.held.len() <= LONGEST_ANSWER && first.is_none_or(|&byte| byte == b'{')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answers and the log in this output, which comes in pieces of this size.
    fn cut(output: &[u8], size: usize) -> (Vec<Vec<u8>>, Vec<u8>) {
        let (mut lines, mut answers, mut log) = (Lines::default(), Vec::new(), Vec::new());
        for piece in output.chunks(size) {
            let is_answer = |line: &[u8]| {
                let is = line.ends_with(b"}\n");
                if is {
                    answers.push(line.to_owned());
                }
                is
            };
            lines.take(piece, is_answer, |bytes| log.extend_from_slice(bytes));
        }
        log.extend(lines.finish());
        (answers, log)
    }

    #[test]
    fn every_byte_is_an_answer_or_log_however_it_comes() {
        let output = b"loading 1%\rloading 2%\n{\"a\"}\n\n {b\n{c} d\n \xff\x00\n  {d}\n{e";
        for size in 1..output.len() {
            let (answers, log) = cut(output, size);
            assert_eq!(answers, [&b"{\"a\"}\n"[..], b"  {d}\n"], "{size}");
            let log = String::from_utf8_lossy(&log).into_owned();
            assert_eq!(log, "loading 1%\rloading 2%\n\n {b\n{c} d\n \u{fffd}\0\n{e");
        }
    }

    #[test]
    fn a_flood_without_a_line_break_is_log_and_is_not_held() {
        for first in [b'x', b'{', b' '] {
            let (mut lines, mut logged) = (Lines::default(), 0);
            let piece = vec![first; 1 << 16];
            for _ in 0..100 {
                lines.take(&piece, |_| true, |bytes| logged += bytes.len());
                assert!(lines.held.is_empty());
            }
            assert_eq!(logged, 100 << 16);
            // The next line is a new one.
            let mut found = false;
            lines.take(
                b"\n{}\n",
                |_| {
                    found = true;
                    true
                },
                |_| {},
            );
            assert!(found);
        }
    }
}
