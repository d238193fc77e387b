//! The control group that this process is in: under Slurm, and on other clusters, the job's own.
//!
//! Its memory limit holds for whatever runs in the job, and its count of kills tells memory that
//! ran out from any other death.

use std::path::{Path, PathBuf};

use procfs::process::Process;

/// This process's control group, as far as it tells of memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobGroup {
    /// The file with the limit in bytes.
    limit: PathBuf,
    /// The file that has a line `oom_kill N`.
    events: PathBuf,
}

impl JobGroup {
    /// The group of this process; `None` where it is in none, or the kernel counts no memory.
    pub(crate) fn own() -> Option<Self> {
        let groups = Process::myself()
            .and_then(|process| process.cgroups())
            .ok()?;
        groups.into_iter().find_map(|group| {
            let path = group.pathname.trim_start_matches('/').to_owned();
            if group.controllers.iter().any(|name| name == "memory") {
                Self::in_folder(
                    &Path::new("/sys/fs/cgroup/memory").join(path),
                    "memory.limit_in_bytes",
                    "memory.oom_control",
                )
            } else if group.controllers.is_empty() {
                Self::in_folder(
                    &Path::new("/sys/fs/cgroup").join(path),
                    "memory.max",
                    "memory.events",
                )
            } else {
                None
            }
        })
    }

    fn in_folder(folder: &Path, limit: &str, events: &str) -> Option<Self> {
        let group = Self {
            limit: folder.join(limit),
            events: folder.join(events),
        };
        group.events.exists().then_some(group)
    }

    /// The limit in bytes, where there is one. Of nested groups the tightest counts, and Slurm
    /// sets the job's, so the groups above are looked at as well.
    pub(crate) fn limit(&self) -> Option<u64> {
        let name = self.limit.file_name()?;
        let folders = self.limit.ancestors().skip(1);
        let limits = folders.take_while(|folder| folder.starts_with("/sys/fs/cgroup/"));
        limits
            .filter_map(|folder| read_limit(&folder.join(name)))
            .min()
    }

    /// How many processes the kernel has killed in it for want of memory.
    pub(crate) fn kills(&self) -> u64 {
        let text = std::fs::read_to_string(&self.events).unwrap_or_default();
        kills(&text)
    }
}

fn read_limit(file: &Path) -> Option<u64> {
    // `max`, or a number near the largest, is no limit.
    let limit: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < 1 << 60).then_some(limit)
}

fn kills(events: &str) -> u64 {
    let line = events
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill "));
    line.and_then(|count| count.trim().parse().ok())
        .unwrap_or(0)
}

/// Whether this process is part of a Slurm job.
pub(crate) fn is_slurm() -> bool {
    std::env::var_os("SLURM_JOB_ID").is_some()
}

/// Whether these are the words in which Slurm tells of memory that ran out.
pub(crate) fn slurm_says_out_of_memory(text: &str) -> bool {
    text.lines().any(|line| {
        line.contains("slurmstepd: error: Detected")
            && line.contains("oom")
            && line.contains("kill")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kills_are_counted_by_both_versions_of_control_groups() {
        assert_eq!(
            kills("low 0\nhigh 0\nmax 5\noom 2\noom_kill 3\noom_group_kill 0\n"),
            3
        );
        assert_eq!(kills("oom_kill_disable 0\nunder_oom 0\noom_kill 7\n"), 7);
        assert_eq!(kills(""), 0);
    }

    #[test]
    fn a_limit_that_is_none_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("limit");
        for (text, limit) in [
            ("max\n", None),
            ("9223372036854771712\n", None),
            ("1073741824\n", Some(1 << 30)),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_limit(&file), limit);
        }
    }

    #[test]
    fn slurms_words_are_known() {
        let said = "slurmstepd: error: Detected 1 oom_kill event in StepId=7.batch. Some of the \
                    step tasks have been OOM Killed.";
        assert!(slurm_says_out_of_memory(said));
        assert!(!slurm_says_out_of_memory("Killed"));
    }
}
