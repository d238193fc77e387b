//! The public libraries, in a Python process that lives as long as the benchmark.

#![allow(dead_code)] // each benchmark uses a part of it

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

/// What a kernel took.
#[derive(Clone, Copy)]
pub struct Measured {
    /// The median.
    pub time: Duration,
    /// The most memory it held at once, beside what it was given.
    pub bytes: u64,
}

impl fmt::Display for Measured {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (milliseconds, megabytes) = (self.time.as_secs_f64() * 1e3, self.bytes as f64 / 1e6);
        write!(formatter, "{milliseconds:.1} ms | {megabytes:.0} MB")
    }
}

/// The process: asked for a kernel by a line, it answers with a line.
pub struct Peers {
    process: Child,
    /// Absent at the end, when it is closed.
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// The prediction as numpy wrote it.
    pub file: PathBuf,
}

impl Peers {
    /// Starts the Python that `SEGARENA_PEERS` names; none if it names none.
    ///
    /// # Panics
    /// If that Python does not start or lacks the libraries.
    pub fn start(shape: [usize; 3]) -> Option<Self> {
        let python = std::env::var_os("SEGARENA_PEERS")?;
        let mut process = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers.py"))
            .args(shape.map(|size| size.to_string()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("SEGARENA_PEERS names a Python");
        let questions = process.stdin.take();
        let mut peers = Self {
            answers: BufReader::new(process.stdout.take().expect("a pipe")),
            process,
            questions,
            file: PathBuf::new(),
        };
        peers.file = peers.answer().into();
        Some(peers)
    }

    /// Has a kernel measured.
    pub fn ask(&mut self, kernel: &str) -> Measured {
        let questions = self.questions.as_mut().expect("open until the end");
        writeln!(questions, "{kernel}").expect("the peers listen");
        let answer = self.answer();
        let (milliseconds, bytes) = answer.split_once('\t').expect("a time and a size");
        let milliseconds: f64 = milliseconds.parse().expect("a number");
        Measured {
            time: Duration::from_secs_f64(milliseconds / 1e3),
            bytes: bytes.parse().expect("a number"),
        }
    }

    fn answer(&mut self) -> String {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("the peers answer");
        assert!(!line.is_empty(), "the peers have ended: see above");
        line.trim_end().to_owned()
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It ends, and takes its files away, when nobody asks any more.
        drop(self.questions.take());
        let _ = self.process.wait();
    }
}
