//! What runs inside a container to try its limits: each attempt does what the limit forbids.

use std::fs;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use clap::Subcommand;

use super::cpu_use::CpuUse;

/// The exit status of an attempt that was stopped; 0 is one that went through.
pub(crate) const HELD: u8 = 42;

/// An attempt to do what a limit forbids.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Attempt {
    /// Does nothing, to show that something can be run.
    Nothing,
    /// Ignores the time limit.
    Time,
    /// Uses so many MiB of memory.
    Memory {
        /// How many.
        mebibytes: usize,
    },
    /// Runs so many threads at once.
    Pids {
        /// How many.
        threads: usize,
    },
    /// Keeps two cores busy and prints what it got, a [`CpuUse`] in JSON.
    Cpus,
    /// Puts so many MiB into shared memory.
    SharedMemory {
        /// How many.
        mebibytes: usize,
    },
    /// Calls this port at the host's addresses and at the gateways'.
    Network {
        /// The port.
        port: u16,
        /// The host's addresses.
        addresses: Vec<IpAddr>,
    },
    /// Reads this file of the host and writes beside it.
    Filesystem {
        /// The file.
        path: String,
    },
    /// Becomes root by its own setuid bit.
    Privileges,
}

/// Makes the attempt; gives the exit status.
pub(crate) fn attempt(attempt: &Attempt) -> u8 {
    let went_through = match attempt {
        Attempt::Nothing => true,
        Attempt::Time => loop {
            thread::sleep(Duration::from_secs(60));
        },
        Attempt::Memory { mebibytes } => use_memory(*mebibytes),
        Attempt::Pids { threads } => run_threads(*threads),
        Attempt::Cpus => keep_cores_busy(),
        Attempt::SharedMemory { mebibytes } => fill_shared_memory(*mebibytes),
        Attempt::Network { port, addresses } => call(*port, addresses),
        Attempt::Filesystem { path } => read_and_write(path),
        Attempt::Privileges => rustix::process::geteuid().is_root(),
    };
    if went_through { 0 } else { HELD }
}

fn use_memory(mebibytes: usize) -> bool {
    let mut taken = Vec::new();
    for number in 0..mebibytes {
        let mut block = Vec::<u8>::new();
        if block.try_reserve_exact(1 << 20).is_err() {
            return false;
        }
        // Pages of different content, so that none is shared.
        block.resize(1 << 20, number as u8 | 1);
        taken.push(block);
    }
    std::hint::black_box(&taken);
    true
}

fn run_threads(count: usize) -> bool {
    let wait = || thread::sleep(Duration::from_secs(2));
    (0..count)
        .map(|_| thread::Builder::new().stack_size(1 << 16).spawn(wait))
        .all(|started| started.is_ok())
}

fn keep_cores_busy() -> bool {
    let used = CpuUse::of(|| {
        let spin = || {
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(1) {
                std::hint::spin_loop();
            }
        };
        thread::scope(|scope| {
            scope.spawn(spin);
            scope.spawn(spin);
        });
    });
    let line = serde_json::to_string(&used).unwrap_or_default();
    writeln!(std::io::stdout(), "{line}").is_ok()
}

fn fill_shared_memory(mebibytes: usize) -> bool {
    let path = "/dev/shm/segarena-probe";
    let filled = fs::File::create(path).and_then(|mut file| {
        let block = vec![1; 1 << 20];
        (0..mebibytes).try_for_each(|_| file.write_all(&block))
    });
    let _ = fs::remove_file(path);
    filled.is_ok()
}

fn call(port: u16, addresses: &[IpAddr]) -> bool {
    let gateways = gateways(&fs::read_to_string("/proc/net/route").unwrap_or_default());
    addresses.iter().copied().chain(gateways).any(|address| {
        let address = SocketAddr::new(address, port);
        TcpStream::connect_timeout(&address, Duration::from_secs(2)).is_ok()
    })
}

/// The gateways of the kernel's routing table, whose third column is an address in hexadecimal,
/// least byte first.
fn gateways(table: &str) -> Vec<IpAddr> {
    table
        .lines()
        .filter_map(|line| line.split_whitespace().nth(2))
        .filter_map(|word| u32::from_str_radix(word, 16).ok())
        .filter(|&address| address != 0)
        .map(|address| Ipv4Addr::from(address.to_le_bytes()).into())
        .collect()
}

fn read_and_write(path: &str) -> bool {
    let seen = fs::read(path).is_ok();
    // In a container this may well succeed, in a file of its own; the host looks for its own.
    let _ = fs::write(format!("{path}.written"), b"from inside");
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateways_are_read_from_the_kernels_table() {
        let table = "Iface\tDestination\tGateway \tFlags\n\
                     eth0\t00000000\t010011AC\t0003\n\
                     eth0\t000011AC\t00000000\t0001\n";
        assert_eq!(gateways(table), [IpAddr::from([172, 17, 0, 1])]);
    }

    #[test]
    fn without_a_limit_the_attempts_go_through() {
        assert_eq!(attempt(&Attempt::Memory { mebibytes: 2 }), 0);
        assert_eq!(attempt(&Attempt::Pids { threads: 3 }), 0);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let network = Attempt::Network {
            port: listener.local_addr().unwrap().port(),
            addresses: vec![Ipv4Addr::LOCALHOST.into()],
        };
        assert_eq!(attempt(&network), 0);
        let folder = tempfile::tempdir().unwrap();
        let secret = folder.path().join("secret");
        fs::write(&secret, b"told").unwrap();
        let path = secret.to_string_lossy().into_owned();
        assert_eq!(attempt(&Attempt::Filesystem { path }), 0);
        assert!(folder.path().join("secret.written").exists());
    }
}
