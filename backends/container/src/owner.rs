//! Whose a container is: so that what a killed run left can be told from what a living one needs.

use procfs::process::Process;

/// The label with the run's id.
pub const RUN_LABEL: &str = "org.segarena.run";
/// The label with the owner, [`Owner::to_label`].
pub const OWNER_LABEL: &str = "org.segarena.owner";

/// A process of some machine, told apart from every other that had or will have its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    host: String,
    boot: String,
    pid: i32,
    started: u64,
}

impl Owner {
    /// This process.
    pub fn myself() -> Self {
        let started = Process::myself().and_then(|process| process.stat());
        Self {
            host: host(),
            boot: boot(),
            pid: std::process::id() as i32,
            started: started.map_or(0, |stat| stat.starttime),
        }
    }

    /// As a label's value; only letters, digits, dots and dashes, so that it fits a tag as well.
    pub fn to_label(&self) -> String {
        format!("{}.{}.{}.{}", self.pid, self.started, self.boot, self.host)
    }

    /// From a label's value.
    pub fn from_label(label: &str) -> Option<Self> {
        let mut parts = label.splitn(4, '.');
        Some(Self {
            pid: parts.next()?.parse().ok()?,
            started: parts.next()?.parse().ok()?,
            boot: parts.next()?.to_owned(),
            host: parts.next()?.to_owned(),
        })
    }

    /// Whether the owner is known to be gone. One on another machine is never known to be.
    pub fn is_dead(&self) -> bool {
        if self.host != host() {
            return false;
        }
        let lives = Process::new(self.pid)
            .and_then(|process| process.stat())
            .is_ok_and(|stat| stat.starttime == self.started && stat.state != 'Z');
        self.boot != boot() || !lives
    }
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
        let myself = Owner::myself();
        assert!(!myself.is_dead());
        assert_eq!(Owner::from_label(&myself.to_label()), Some(myself));
    }

    #[test]
    fn a_process_that_ended_is_dead_and_one_elsewhere_is_not_known_to_be() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let ended = Owner {
            pid: child.id() as i32,
            started: 1,
            ..Owner::myself()
        };
        child.wait().unwrap();
        assert!(ended.is_dead());
        assert!(
            !Owner {
                host: "elsewhere".to_owned(),
                ..ended
            }
            .is_dead()
        );
        assert!(
            Owner {
                boot: "another".to_owned(),
                ..Owner::myself()
            }
            .is_dead()
        );
    }
}
