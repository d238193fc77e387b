//! The mark that every process of an interaction carries in its environment: whose it is, and
//! whether that run is still alive.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procfs::process::Process;

use crate::identity::ProcessIdentity;

/// The environment variable with the mark.
pub(crate) const MARK_VARIABLE: &str = "SEGARENA_INTERACTION";

/// One interaction of one segarena process: `NUMBER.IDENTITY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    number: u64,
    owner: ProcessIdentity,
}

impl Mark {
    /// A mark that no interaction had before.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            owner: ProcessIdentity::own(),
        }
    }

    /// The mark that a process carries, if it carries one and we may see it.
    pub(crate) fn of(process: &Process) -> Option<Self> {
        let environment = environment_of(process)?;
        Self::parse(environment.get(OsStr::new(MARK_VARIABLE))?.to_str()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (number, owner) = text.split_once('.')?;
        Some(Self {
            number: number.parse().ok()?,
            owner: ProcessIdentity::parse(owner)?,
        })
    }

    /// Whether the segarena that gave the mark has certainly ended.
    pub(crate) fn is_of_a_killed_run(&self) -> bool {
        self.owner.is_gone()
    }
}

/// More looks than a process needs to get from one program to the next.
const LOOKS: usize = 20;

/// The environment of a process; while it goes from one program to the next it has none to show.
fn environment_of(process: &Process) -> Option<HashMap<OsString, OsString>> {
    for _ in 0..LOOKS {
        let environment = process.environ().ok()?;
        if !environment.is_empty() {
            return Some(environment);
        }
        if !is_between_programs(process) {
            break;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    // It may have got there between the two questions.
    process.environ().ok()
}

/// Whether a process has memory, but no arguments yet.
fn is_between_programs(process: &Process) -> bool {
    process.cmdline().is_ok_and(|words| words.is_empty())
        && process
            .stat()
            .is_ok_and(|stat| stat.vsize > 0 && !matches!(stat.state, 'Z' | 'X'))
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.number, self.owner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_whose_it_is() {
        let mark = Mark::new();
        assert_eq!(Mark::parse(&mark.to_string()), Some(mark.clone()));
        assert_ne!(Mark::new(), mark);
        assert!(!mark.is_of_a_killed_run());
        for other in ["", "1", "1.2.3", "a.2.3.4.b.h"] {
            assert_eq!(Mark::parse(other), None, "{other}");
        }
    }
}
