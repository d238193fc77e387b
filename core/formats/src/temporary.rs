//! Names for files that are not whole yet. They tell whose they are, so that who sweeps after a
//! run that died leaves alone what another machine writes to the same shared folder.

use std::path::Path;
use std::sync::OnceLock;

/// The beginning of every temporary name.
const PREFIX: &str = ".segarena-";

/// The beginning of this process's temporary names: `.segarena-HOST-PID-`.
pub fn temporary_prefix() -> &'static str {
    static OWN: OnceLock<String> = OnceLock::new();
    OWN.get_or_init(|| format!("{PREFIX}{}-{}-", host_name(), std::process::id()))
}

/// The name of this machine.
pub fn host_name() -> String {
    let system = rustix::system::uname();
    system.nodename().to_string_lossy().into_owned()
}

/// Whether a name is a temporary one, whoever's.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(PREFIX)
}

/// Whether a temporary name is that of a process of this machine that has ended. Names of other
/// machines, of which nothing can be known, are not, and those that tell no owner are.
pub fn is_abandoned(name: &str) -> bool {
    is_abandoned_on(name, &host_name())
}

fn is_abandoned_on(name: &str, this_host: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return false;
    };
    // Names of hosts may have hyphens.
    let mut parts = rest.rsplitn(3, '-');
    let (_, pid, host) = (parts.next(), parts.next(), parts.next());
    let pid = pid.and_then(|pid| pid.parse::<u32>().ok());
    match (host, pid) {
        (Some(host), Some(pid)) => {
            host == this_host && !Path::new("/proc").join(pid.to_string()).exists()
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_dead_process_of_this_machine_left_is_abandoned() {
        let mine = format!("{}x.part", temporary_prefix());
        assert!(is_temporary(&mine) && !is_abandoned(&mine));
        for (name, expected) in [
            (".segarena-node-1-4294967295-aB3", true),
            (".segarena-node-2-4294967295-aB3", false),
            (".segarena-aB3.part", true),
            ("case.npz", false),
        ] {
            assert_eq!(is_abandoned_on(name, "node-1"), expected, "{name}");
        }
    }
}
