//! A child process that is kept warm: started once, asked on its standard input.

use std::collections::HashMap;
use std::io;

use async_trait::async_trait;
use procfs::process::Process;
use rustix::fd::AsFd;
use segarena_contract::{BackendError, LogStream};
use segarena_warm::{Listener, Running, SERVE, SERVE_VARIABLE, Stopped};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, ChildStdout};
use tokio::task::JoinHandle;

use crate::child::{ChildCommand, PIPE_GRACE, ProcessGroup, ending_of, new_group, wait_error};

/// Starts the command to be kept warm. What it prints goes to `listener`.
///
/// # Errors
/// When the program can't be started.
pub fn start_warm(
    command: &ChildCommand<'_>,
    listener: Listener,
) -> Result<WarmChild, BackendError> {
    let mut group = new_group(command, |command| {
        command
            .env(SERVE_VARIABLE, SERVE)
            .stdin(std::process::Stdio::piped());
    })?;
    let child = group.child_mut();
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let input = stdin.map(ChildStdin::from_std).transpose();
    let input = input.map_err(wait_error)?;
    let stdout = stdout.map(ChildStdout::from_std).transpose();
    let stderr = stderr.map(ChildStderr::from_std).transpose();
    let pipes = stdout.map_err(wait_error)?.zip(stderr.map_err(wait_error)?);
    let reader = tokio::spawn(async move {
        if let Some((stdout, stderr)) = pipes {
            read(stdout, stderr, listener).await;
        }
    });
    let exit = tokio::spawn(group.exit());
    Ok(WarmChild {
        group,
        input,
        reader,
        exit: Exit {
            waiting: exit,
            seen: None,
        },
    })
}

/// A child process that is kept warm. Dropped, it is killed with whatever it has started.
pub struct WarmChild {
    group: ProcessGroup,
    input: Option<ChildStdin>,
    reader: JoinHandle<()>,
    exit: Exit,
}

/// The end of the process, which is waited for once.
struct Exit {
    waiting: JoinHandle<Result<(), BackendError>>,
    seen: Option<Result<(), BackendError>>,
}

impl Exit {
    async fn wait(&mut self) {
        if self.seen.is_none() {
            let ended = (&mut self.waiting).await;
            self.seen =
                Some(ended.unwrap_or_else(|error| Err(wait_error(io::Error::other(error)))));
        }
    }
}

#[async_trait]
impl Running for WarmChild {
    async fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match &mut self.input {
            Some(input) => input.write_all(line).await,
            None => Err(io::Error::from(io::ErrorKind::BrokenPipe)),
        }
    }

    async fn close_input(&mut self) {
        self.input = None;
    }

    async fn ended(&mut self) {
        self.exit.wait().await;
    }

    fn peak_memory(&self) -> Option<u64> {
        largest_in_tree(self.group.id() as i32)
    }

    async fn stop(mut self) -> Result<Stopped, BackendError> {
        let ended = tokio::select! {
            biased;
            () = self.exit.wait() => true,
            () = std::future::ready(()) => false,
        };
        self.group.kill();
        self.exit.wait().await;
        if let Some(Err(error)) = self.exit.seen.take() {
            return Err(error);
        }
        let (status, peak_memory) = self.group.reap()?;
        if tokio::time::timeout(PIPE_GRACE, &mut self.reader)
            .await
            .is_err()
        {
            tracing::warn!("the submission's output is still held open; not waiting for it");
            self.reader.abort();
        }
        Ok(Stopped {
            by_itself: ended.then(|| ending_of(status)),
            peak_memory,
        })
    }
}

/// The most memory that a process or one of its descendants has held, in bytes: what was started is
/// often a shell, or a launcher, and the model its child.
fn largest_in_tree(root: i32) -> Option<u64> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for process in procfs::process::all_processes().ok()?.flatten() {
        if let Ok(stat) = process.stat() {
            children.entry(stat.ppid).or_default().push(stat.pid);
        }
    }
    let (mut waiting, mut largest) = (vec![root], None);
    while let Some(pid) = waiting.pop() {
        let status = Process::new(pid).and_then(|process| process.status());
        let kibibytes = status.ok().and_then(|status| status.vmhwm);
        largest = largest.max(kibibytes);
        // Taken away, so that none is met twice.
        waiting.extend(children.remove(&pid).unwrap_or_default());
    }
    largest.map(|kibibytes| kibibytes << 10)
}

/// Reads both pipes to their end. What came on standard error before an answer is taken before it,
/// so that the log of an interaction is whole when it is over.
async fn read(mut stdout: ChildStdout, mut stderr: ChildStderr, listener: Listener) {
    let (mut out, mut err) = (vec![0; PIECE], vec![0; PIECE]);
    let (mut stdout_ended, mut stderr_ended) = (false, false);
    while !(stdout_ended && stderr_ended) {
        tokio::select! {
            count = stderr.read(&mut err), if !stderr_ended => match count {
                Ok(0) | Err(_) => stderr_ended = true,
                Ok(count) => listener.take(LogStream::Stderr, &err[..count]),
            },
            count = stdout.read(&mut out), if !stdout_ended => {
                take_what_is_there(&stderr, &mut err, &listener);
                match count {
                    Ok(0) | Err(_) => {
                        stdout_ended = true;
                        listener.end_of_output();
                    }
                    Ok(count) => listener.take(LogStream::Stdout, &out[..count]),
                }
            }
        }
    }
}

const PIECE: usize = 64 << 10;
/// Whoever writes without end is not read without end.
const MOST_PIECES: usize = 16;

/// Takes what is in the pipe without waiting; it is one that does not block.
fn take_what_is_there(pipe: impl AsFd, piece: &mut [u8], listener: &Listener) {
    for _ in 0..MOST_PIECES {
        match rustix::io::read(&pipe, &mut *piece) {
            Ok(0) | Err(_) => return,
            Ok(count) => listener.take(LogStream::Stderr, &piece[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_childs_memory_counts_as_its_parents() {
        let held = std::hint::black_box(vec![1u8; 64 << 20]);
        let parent = std::os::unix::process::parent_id() as i32;
        assert!(largest_in_tree(parent).unwrap() >= held.len() as u64);
    }
}
