//! Keeping what a submission prints: all of it in a file, the end of it in memory.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use super::LogTails;

/// Which of a submission's two streams a piece of output came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Receives a submission's output while it runs, from whichever thread reads it.
///
/// The file gets both streams as they come, up to [`Self::FILE_BOUND`] bytes; the tails keep the
/// last [`Self::TAIL_BOUND`] bytes of each. Memory and disk stay bounded whatever is printed.
#[derive(Debug)]
pub struct LogCapture(Mutex<Capture>);

#[derive(Debug)]
struct Capture {
    file: File,
    written: u64,
    stdout: Tail,
    stderr: Tail,
}

impl LogCapture {
    /// The most bytes that go into one log file.
    pub const FILE_BOUND: u64 = 64 << 20;
    /// The most bytes of each stream that are kept for the record.
    pub const TAIL_BOUND: usize = 4096;

    /// Creates the log file, truncating an older one.
    ///
    /// # Errors
    /// Those of creating the file.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::create(path)?;
        Ok(Self(Mutex::new(Capture {
            file,
            written: 0,
            stdout: Tail::default(),
            stderr: Tail::default(),
        })))
    }

    /// Takes a piece of output.
    ///
    /// # Errors
    /// Those of writing the log file; the tail has the piece nevertheless.
    pub fn take(&self, stream: LogStream, bytes: &[u8]) -> io::Result<()> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(stream, bytes)
    }

    /// The tails so far, as text.
    pub fn tails(&self) -> LogTails {
        let capture = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        LogTails {
            stdout: capture.stdout.text(),
            stderr: capture.stderr.text(),
        }
    }

    /// Ends the log and returns the tails as text.
    pub fn finish(self) -> LogTails {
        let capture = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        LogTails {
            stdout: capture.stdout.text(),
            stderr: capture.stderr.text(),
        }
    }
}

impl Capture {
    fn take(&mut self, stream: LogStream, bytes: &[u8]) -> io::Result<()> {
        match stream {
            LogStream::Stdout => self.stdout.push(bytes),
            LogStream::Stderr => self.stderr.push(bytes),
        }
        let room = LogCapture::FILE_BOUND.saturating_sub(self.written);
        if room == 0 {
            return Ok(());
        }
        let kept = &bytes[..bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX))];
        self.file.write_all(kept)?;
        self.written += kept.len() as u64;
        if self.written == LogCapture::FILE_BOUND {
            let bound = LogCapture::FILE_BOUND >> 20;
            writeln!(
                self.file,
                "\n[segarena: the rest of this log, beyond {bound} MiB, was dropped]"
            )?;
        }
        Ok(())
    }
}

/// The last bytes of a stream.
#[derive(Debug, Default)]
struct Tail {
    bytes: Vec<u8>,
    cut: bool,
}

impl Tail {
    fn push(&mut self, bytes: &[u8]) {
        let bound = LogCapture::TAIL_BOUND;
        let news = &bytes[bytes.len().saturating_sub(bound)..];
        self.cut |= self.bytes.len() + bytes.len() > bound;
        let kept = self.bytes.len().min(bound - news.len());
        self.bytes.drain(..self.bytes.len() - kept);
        self.bytes.extend_from_slice(news);
    }

    /// As text, from the first whole line where the beginning was cut off.
    fn text(&self) -> String {
        let newline = self.bytes.iter().position(|&byte| byte == b'\n');
        let start = match newline {
            Some(at) if self.cut && at + 1 < self.bytes.len() => at + 1,
            _ => 0,
        };
        String::from_utf8_lossy(&self.bytes[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capture() -> (tempfile::TempDir, std::path::PathBuf, LogCapture) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.log");
        let capture = LogCapture::create(&path).unwrap();
        (folder, path, capture)
    }

    #[test]
    fn both_streams_are_in_the_file_and_each_in_its_tail() {
        let (_folder, path, capture) = capture();
        capture.take(LogStream::Stdout, b"one\n").unwrap();
        capture.take(LogStream::Stderr, b"two\n").unwrap();
        let tails = capture.finish();
        assert_eq!(
            (tails.stdout.as_str(), tails.stderr.as_str()),
            ("one\n", "two\n")
        );
        assert_eq!(std::fs::read_to_string(path).unwrap(), "one\ntwo\n");
    }

    #[test]
    fn a_long_stream_keeps_its_last_whole_lines() {
        let (_folder, _path, capture) = capture();
        for line in 0..10_000 {
            capture
                .take(LogStream::Stdout, format!("line {line}\n").as_bytes())
                .unwrap();
        }
        let tail = capture.finish().stdout;
        assert!(tail.len() <= LogCapture::TAIL_BOUND);
        assert!(
            tail.starts_with("line 9") && tail.ends_with("line 9999\n"),
            "{tail}"
        );
    }

    #[test]
    fn a_flood_is_bounded_on_disk() {
        let (_folder, path, capture) = capture();
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..70 {
            capture.take(LogStream::Stdout, &piece).unwrap();
        }
        drop(capture);
        let size = std::fs::metadata(path).unwrap().len();
        assert!(size < LogCapture::FILE_BOUND + 200, "{size}");
    }
}
