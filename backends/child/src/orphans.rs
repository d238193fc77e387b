//! Finding the processes that left a submission's process group.
//!
//! A submission that forks twice or calls `setsid` escapes from its group. Two nets catch it.
//! This process is made a *subreaper*, so that an orphan becomes its child instead of init's; and
//! every submission carries a mark in its environment, which its descendants inherit.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use procfs::process::Process;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::mark::Mark;

/// More rounds of killing than a chain of forks survives; a bound all the same.
const ROUNDS: usize = 200;

/// One interaction under watch; dropped, it kills whatever the interaction left behind.
#[derive(Debug)]
pub(crate) struct OrphanScope {
    mark: Mark,
}

impl OrphanScope {
    /// Begins to watch one interaction.
    pub(crate) fn enter() -> Self {
        // Without a subreaper (an old kernel) orphans with the mark are still found.
        if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
            tracing::debug!(%error, "cannot become a subreaper");
        }
        let mut watch = watch();
        if watch.running == 0 {
            watch.known = children().map(|process| process.pid).collect();
        }
        watch.running += 1;
        Self { mark: Mark::new() }
    }

    /// The mark of the interaction's processes.
    pub(crate) fn mark(&self) -> &Mark {
        &self.mark
    }

    /// Names a process that is no orphan: the submission's own, or one that watches it.
    pub(crate) fn know(&self, pid: u32) {
        watch().known.insert(pid as i32);
    }

    /// Kills every orphan of this interaction, until none is found any more (an orphan may fork
    /// while it is being killed, so one look is not enough). Returns how many were killed.
    pub(crate) fn kill_orphans(&self) -> usize {
        kill_until_none(|| self.orphans())
    }

    fn orphans(&self) -> BTreeSet<i32> {
        let marked = all_processes()
            .filter(|process| Mark::of(process).is_some_and(|mark| mark == self.mark));
        let mut found: BTreeSet<i32> = marked.map(|process| process.pid).collect();
        let watch = watch();
        // An orphan that cleared its environment can be told from a neighbour's only while there
        // is no neighbour, and from a child that somebody else in this process started because
        // that one stays in our process group.
        if watch.running == 1 {
            let orphans = children().filter(|process| !watch.known.contains(&process.pid));
            found.extend(orphans.filter(left_our_group).map(|process| process.pid));
        }
        found
    }
}

/// Kills what runs of segarena left behind that were themselves killed. Returns how many there
/// were.
pub fn kill_orphans_of_killed_runs() -> usize {
    kill_until_none(|| {
        all_processes()
            .filter(|process| Mark::of(process).is_some_and(|mark| mark.is_of_a_killed_run()))
            .map(|process| process.pid)
            .collect()
    })
}

fn kill_until_none(find: impl Fn() -> BTreeSet<i32>) -> usize {
    let mut killed = BTreeSet::new();
    for round in 0..ROUNDS {
        let found = find();
        if found.is_empty() {
            break;
        }
        if round > 0 {
            std::thread::sleep(Duration::from_millis(5));
        }
        killed.extend(found.into_iter().filter(|&pid| kill_and_reap(pid)));
    }
    killed.len()
}

impl Drop for OrphanScope {
    fn drop(&mut self) {
        self.kill_orphans();
        watch().running -= 1;
    }
}

/// What this process knows of its children, whichever backend value runs them: orphans come to
/// the process, not to a backend.
#[derive(Debug)]
struct Watch {
    /// Interactions under way.
    running: usize,
    /// The children that existed when the first of them began, and the submissions themselves.
    known: BTreeSet<i32>,
}

static WATCH: Mutex<Watch> = Mutex::new(Watch {
    running: 0,
    known: BTreeSet::new(),
});

fn watch() -> MutexGuard<'static, Watch> {
    WATCH.lock().unwrap_or_else(PoisonError::into_inner)
}

fn all_processes() -> impl Iterator<Item = Process> {
    let own = std::process::id() as i32;
    let processes = procfs::process::all_processes()
        .into_iter()
        .flatten()
        .flatten();
    processes.filter(move |process| process.pid != own)
}

fn children() -> impl Iterator<Item = Process> {
    let own = std::process::id() as i32;
    all_processes().filter(move |process| process.stat().is_ok_and(|stat| stat.ppid == own))
}

fn left_our_group(process: &Process) -> bool {
    // Not getpgrp(): in a new PID namespace our group may be one that has no number there, which
    // reads as 0.
    let group = |process: &Process| process.stat().map(|stat| stat.pgrp);
    let own = Process::myself().and_then(|own| group(&own));
    own.is_ok_and(|own| group(process).is_ok_and(|group| group != own))
}

fn kill_and_reap(pid: i32) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    let killed = kill_process(pid, Signal::KILL).is_ok();
    // Reaps it if it is our child by now; one that is not is reaped by its own parent.
    let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    killed
}
