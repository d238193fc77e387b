//! The most memory that a container used, as the kernel counted it.
//!
//! The count is gone with the container's control group, so it is read again and again while the
//! container runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use procfs::process::Process;

/// Watches a container's peak of memory; stops when dropped.
#[derive(Debug)]
pub struct PeakWatch {
    peak: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

const INTERVAL: Duration = Duration::from_millis(100);

impl PeakWatch {
    /// Watches the control group of the process with this number, a container's first.
    pub fn start(pid: i32) -> Self {
        let peak = Arc::new(AtomicU64::new(0));
        let seen = Arc::clone(&peak);
        let task = tokio::spawn(async move {
            let Some(file) = peak_file(pid) else { return };
            while let Ok(text) = std::fs::read_to_string(&file) {
                seen.fetch_max(text.trim().parse().unwrap_or(0), Ordering::Relaxed);
                tokio::time::sleep(INTERVAL).await;
            }
        });
        Self { peak, task }
    }

    /// The highest count seen, in bytes; `None` where there was none to see.
    pub fn peak(&self) -> Option<u64> {
        Some(self.peak.load(Ordering::Relaxed)).filter(|&peak| peak > 0)
    }
}

impl Drop for PeakWatch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The kernel's file with the peak, for control groups of version 1 and 2.
fn peak_file(pid: i32) -> Option<PathBuf> {
    let groups = Process::new(pid)
        .and_then(|process| process.cgroups())
        .ok()?;
    groups.into_iter().find_map(|group| {
        let path = group.pathname.trim_start_matches('/').to_owned();
        // The root group's count is the machine's.
        if path.is_empty() {
            return None;
        }
        let unified = group.controllers.is_empty();
        let file = if unified {
            PathBuf::from("/sys/fs/cgroup")
                .join(path)
                .join("memory.peak")
        } else if group
            .controllers
            .iter()
            .any(|controller| controller == "memory")
        {
            PathBuf::from("/sys/fs/cgroup/memory")
                .join(path)
                .join("memory.max_usage_in_bytes")
        } else {
            return None;
        };
        file.exists().then_some(file)
    })
}
