//! One process, told apart from every other that had or will have its number: so that what a
//! killed run left can be told from what a living one needs.

use std::fmt;
use std::sync::OnceLock;

use procfs::process::Process;

/// A process of some machine: `PID.START.NAMESPACE.BOOT.HOST`.
///
/// A process id alone may mean another process by now, or one in another PID namespace (a
/// segarena inside a container), or on another machine with the same file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessIdentity {
    pid: i32,
    /// In ticks since the machine was booted.
    started: u64,
    /// The number of the PID namespace, 0 where it can't be told.
    namespace: u64,
    boot: String,
    host: String,
}

impl ProcessIdentity {
    /// This process.
    pub fn own() -> Self {
        static OWN: OnceLock<ProcessIdentity> = OnceLock::new();
        let identify = || {
            let pid = std::process::id() as i32;
            Self {
                pid,
                started: start_of(pid).unwrap_or(0),
                namespace: namespace(),
                boot: boot(),
                host: host(),
            }
        };
        OWN.get_or_init(identify).clone()
    }

    /// From its text; `None` for what is no identity.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(5, '.');
        let identity = Self {
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            namespace: parts.next()?.parse().ok()?,
            boot: parts.next()?.to_owned(),
            host: parts.next()?.to_owned(),
        };
        (!identity.host.contains('.')).then_some(identity)
    }

    /// Whether the process has certainly ended: it would be seen from here, and is not. One on
    /// another machine or in another PID namespace is never known to have.
    pub fn is_gone(&self) -> bool {
        let own = Self::own();
        if self.host != own.host {
            return false;
        }
        if self.boot != own.boot {
            return true;
        }
        let would_be_seen = self.namespace == own.namespace && own.namespace != 0;
        would_be_seen && self.started != 0 && start_of(self.pid) != Some(self.started)
    }
}

/// Only letters, digits, dots and dashes, so that it fits a label, a tag and a file's name.
impl fmt::Display for ProcessIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            pid,
            started,
            namespace,
            boot,
            host,
        } = self;
        write!(f, "{pid}.{started}.{namespace}.{boot}.{host}")
    }
}

/// When a process began; `None` if there is none of this number, or only its zombie.
fn start_of(pid: i32) -> Option<u64> {
    let stat = Process::new(pid).ok()?.stat().ok()?;
    (stat.state != 'Z').then_some(stat.starttime)
}

/// The number of our PID namespace, 0 where it can't be told.
fn namespace() -> u64 {
    let link = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let digits = link
        .to_str()
        .and_then(|text| text.strip_prefix("pid:[")?.strip_suffix(']'));
    digits
        .and_then(|digits| digits.parse().ok())
        .unwrap_or_default()
}

fn host() -> String {
    let name = rustix::system::uname();
    let name = name.nodename().to_string_lossy().to_lowercase();
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

/// The first part of the kernel's boot id.
fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.split('-').next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_alive_and_survives_being_written_down() {
        let own = ProcessIdentity::own();
        assert!(!own.is_gone());
        assert_eq!(ProcessIdentity::parse(&own.to_string()), Some(own));
        for other in ["", "1", "1.2.3", "a.2.3.b.h", "99999999999.1.1.b.h"] {
            assert_eq!(ProcessIdentity::parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_process_that_ended_is_gone_and_one_elsewhere_is_not_known_to_be() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = ProcessIdentity {
            pid: child.id() as i32,
            started: 1,
            ..ProcessIdentity::own()
        };
        child.wait().unwrap();
        assert!(ended.is_gone());
        let on_another_machine = ProcessIdentity {
            host: "elsewhere".to_owned(),
            ..ended.clone()
        };
        assert!(!on_another_machine.is_gone());
        // The same number in another namespace is somebody that can't be seen from here.
        let in_another_namespace = ProcessIdentity {
            namespace: ended.namespace + 1,
            ..ended
        };
        assert!(!in_another_namespace.is_gone());
        let before_the_last_boot = ProcessIdentity {
            boot: "another".to_owned(),
            ..ProcessIdentity::own()
        };
        assert!(before_the_last_boot.is_gone());
    }

    #[test]
    fn a_number_that_means_another_process_by_now_is_gone() {
        let own = ProcessIdentity::own();
        let earlier = ProcessIdentity {
            started: own.started - 1,
            ..own
        };
        assert!(earlier.is_gone());
    }

    #[test]
    fn a_zombie_is_gone() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id() as i32;
        let stat = || Process::new(pid).unwrap().stat().unwrap();
        let started = stat().starttime;
        while stat().state != 'Z' {
            std::thread::yield_now();
        }
        let zombie = ProcessIdentity {
            pid,
            started,
            ..ProcessIdentity::own()
        };
        assert!(zombie.is_gone());
        child.wait().unwrap();
    }
}
