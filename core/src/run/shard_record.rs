//! What a shard says of itself, `OUT/.segarena/shards/I-of-N/shard.json`: whose it is, what it was
//! to do and how it ended. Nobody but the shard writes it.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::now;
use super::record::RunRecord;
use super::shard::Shard;
use crate::results::read_whole;
use segarena_formats::temporary::host_name;

/// The record of one shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ShardRecord {
    /// The version of this record's form, [`ShardRecord::SCHEMA`].
    pub schema: u32,
    /// Which shard of how many.
    pub shard: Shard,
    /// Who runs it, or ran it last.
    pub owner: ShardOwner,
    /// When that began, RFC 3339, UTC.
    pub started: String,
    /// When it ended; none where it goes on, or was killed.
    pub ended: Option<String>,
    /// How it came out.
    #[serde(flatten)]
    pub state: ShardState,
    /// Where it wrote its messages, if that is a file.
    pub log: Option<PathBuf>,
    /// What all shards together are to do; none where it did not come to that.
    pub task: Option<Task>,
    /// The run of this shard, with its own submissions and cases alone.
    pub run: Option<RunRecord>,
}

/// How a shard came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ShardState {
    /// It began and has not said that it ended.
    Running,
    /// It was told to stop and can be gone on with.
    Interrupted,
    /// Something other than a submission failed.
    Failed {
        /// What was said of it.
        error: String,
    },
    /// It came to its end.
    Done,
}

/// What all shards of a run are to do together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Every submission's name, in order.
    pub submissions: Vec<String>,
    /// The file with every case, beside the shards.
    pub checked: String,
    /// What determines the numbers, but for submission and cases, which are left out.
    pub fingerprint: Fingerprint,
}

/// A process, told from every other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardOwner {
    /// The machine.
    pub host: String,
    /// Its boot, which tells its processes from those before.
    boot: String,
    /// The process.
    pub pid: u32,
    /// When it began, as the kernel counts since the boot.
    ticks: u64,
    /// The scheduler's job, where there is one: a job is in one place at a time.
    pub job: Option<String>,
}

/// What is known of whether an owner is still at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    /// It runs on this machine.
    Alive,
    /// It has ended.
    Ended,
    /// It was another machine's, which can't be seen from here.
    Unknown,
}

impl ShardOwner {
    /// This process.
    pub(super) fn myself() -> Self {
        let pid = std::process::id();
        Self {
            host: host_name(),
            boot: boot(),
            pid,
            ticks: ticks(pid).unwrap_or(0),
            job: job(),
        }
    }

    pub(super) fn life(&self) -> Life {
        self.life_seen_by(&Self::myself())
    }

    fn life_seen_by(&self, other: &Self) -> Life {
        if self.host == other.host {
            let runs = self.boot == other.boot && ticks(self.pid) == Some(self.ticks);
            return if runs { Life::Alive } else { Life::Ended };
        }
        // A job that was queued again has left the machine where it was.
        match &self.job {
            Some(job) if other.job.as_ref() == Some(job) => Life::Ended,
            _ => Life::Unknown,
        }
    }
}

fn boot() -> String {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    id.unwrap_or_default().trim().to_owned()
}

/// When a process began: the 22nd field of its `stat`, counted behind the name in parentheses.
fn ticks(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace();
    let state = fields.next()?;
    if state == "Z" || state == "X" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn job() -> Option<String> {
    let job = std::env::var("SLURM_JOB_ID").ok()?;
    // The same process for a step inside the job and for what runs beside it.
    let step = std::env::var("SLURM_PROCID").unwrap_or_default();
    Some(format!("{job}.{step}"))
}

impl ShardRecord {
    /// The version of the form of `shard.json`.
    pub const SCHEMA: u32 = 1;

    /// The record of a shard that this process begins.
    pub(super) fn begin(shard: Shard) -> Self {
        Self {
            schema: Self::SCHEMA,
            shard,
            owner: ShardOwner::myself(),
            started: now(),
            ended: None,
            state: ShardState::Running,
            log: standard_error(),
            task: None,
            run: None,
        }
    }

    /// Reads the record at `path`; none where there is none, or none that is whole and ours.
    pub(super) fn read(path: &Path) -> io::Result<Option<Self>> {
        match read_whole(path) {
            Ok(text) => Ok(serde_json::from_slice(&text)
                .ok()
                .filter(|record: &Self| record.schema == Self::SCHEMA)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The file that standard error goes to, where it is one.
fn standard_error() -> Option<PathBuf> {
    let path = std::fs::read_link("/proc/self/fd/2").ok()?;
    path.is_file().then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner(host: &str, job: Option<&str>) -> ShardOwner {
        ShardOwner {
            host: host.to_owned(),
            job: job.map(str::to_owned),
            ..ShardOwner::myself()
        }
    }

    #[test]
    fn an_owner_is_known_to_live_or_to_have_ended_only_where_that_can_be_seen() {
        let (here, there) = (owner("n1", None), owner("n2", None));
        assert_eq!(here.life_seen_by(&owner("n1", None)), Life::Alive);
        assert_eq!(here.life_seen_by(&there), Life::Unknown);
        let gone = ShardOwner {
            ticks: here.ticks + 1,
            ..here.clone()
        };
        assert_eq!(gone.life_seen_by(&here), Life::Ended);
        let rebooted = ShardOwner {
            boot: "another".to_owned(),
            ..here.clone()
        };
        assert_eq!(rebooted.life_seen_by(&here), Life::Ended);
    }

    #[test]
    fn a_job_that_was_queued_again_has_left_the_machine_where_it_was() {
        let before = owner("n1", Some("7.0"));
        assert_eq!(before.life_seen_by(&owner("n2", Some("7.0"))), Life::Ended);
        assert_eq!(
            before.life_seen_by(&owner("n2", Some("8.0"))),
            Life::Unknown
        );
    }
}
