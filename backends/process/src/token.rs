//! The mark that every process of an interaction carries in its environment: whose it is, and
//! whether that run is still alive.

use std::ffi::OsStr;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use procfs::process::Process;

/// The environment variable with the token.
pub(crate) const TOKEN_VARIABLE: &str = "SEGARENA_INTERACTION";

/// One interaction of one segarena process: `PID-START-NAMESPACE-NUMBER`.
///
/// A process id alone may mean another process by now, or one in another PID namespace (a
/// segarena inside a container); with its start time and the namespace it means one for good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pid: i32,
    start: u64,
    namespace: u64,
    number: u64,
}

impl Token {
    /// A token that no interaction had before.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let pid = std::process::id() as i32;
        Self {
            pid,
            start: start_of(pid).unwrap_or(0),
            namespace: own_namespace(),
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        }
    }

    /// The token that a process carries, if it carries one and we may see it.
    pub(crate) fn of(process: &Process) -> Option<Self> {
        let environment = process.environ().ok()?;
        Self::parse(environment.get(OsStr::new(TOKEN_VARIABLE))?.to_str()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let token = Self {
            pid: parts.next()?.parse().ok()?,
            start: parts.next()?.parse().ok()?,
            namespace: parts.next()?.parse().ok()?,
            number: parts.next()?.parse().ok()?,
        };
        parts.next().is_none().then_some(token)
    }

    /// Whether the segarena that gave the token is certainly gone: it would be seen from here, and
    /// is not.
    pub(crate) fn owner_is_gone(&self) -> bool {
        self.namespace == own_namespace()
            && self.namespace != 0
            && self.start != 0
            && start_of(self.pid) != Some(self.start)
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            start,
            namespace,
            number,
        } = self;
        write!(f, "{pid}-{start}-{namespace}-{number}")
    }
}

/// When a process began, in ticks since the machine did; `None` if there is no such process.
fn start_of(pid: i32) -> Option<u64> {
    Some(Process::new(pid).ok()?.stat().ok()?.starttime)
}

/// The number of our PID namespace, 0 where it can't be told.
fn own_namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = link
        .to_str()
        .and_then(|text| text.strip_prefix("pid:[")?.strip_suffix(']'));
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is() {
        let token = Token::new();
        assert_eq!(Token::parse(&token.to_string()), Some(token.clone()));
        assert_ne!(Token::new(), token);
        assert!(!token.owner_is_gone());
        for other in [
            "",
            "1",
            "1-2-3",
            "1-2-3-4-5",
            "a-2-3-4",
            "99999999999-1-1-1",
        ] {
            assert_eq!(Token::parse(other), None, "{other}");
        }
    }

    #[test]
    fn an_owner_is_gone_when_its_process_id_means_another_process() {
        let own = Token::new();
        let earlier = Token {
            start: own.start - 1,
            ..own.clone()
        };
        assert!(earlier.owner_is_gone());
        // In another namespace the same id is somebody that can't be seen from here.
        let elsewhere = Token {
            namespace: own.namespace + 1,
            ..earlier
        };
        assert!(!elsewhere.owner_is_gone());
    }
}
