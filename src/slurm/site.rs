//! Which Slurm there is here, and the job that this process is in.

use std::process::Command;
use std::time::Duration;

use bytesize::ByteSize;
use segarena_core::backend::Cards;
use serde::Serialize;

use crate::printable::printable;

/// The Slurm whose `sbatch` is found here, as that calls itself; none without one.
pub(crate) fn version() -> Option<String> {
    let told = Command::new("sbatch").arg("--version").output().ok()?;
    let words = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    (told.status.success() && !words.is_empty()).then(|| printable(&words))
}

/// Slurm as it is seen from here.
#[derive(Debug)]
pub(crate) struct Site {
    /// What `sbatch` calls itself; none without one.
    pub(crate) version: Option<String>,
    /// The job that this process is in.
    pub(crate) job: Option<Job>,
}

impl Site {
    /// None where there is no Slurm.
    pub(crate) fn here() -> Option<Self> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let job = variable("SLURM_JOB_ID").map(|id| {
            let time = asked_for_time(&id).unwrap_or_default();
            let cards = Cards::here().machine().to_vec();
            Job::of(id, variable, &time, cards)
        });
        let version = version();
        (version.is_some() || job.is_some()).then_some(Self { version, job })
    }

    /// What there is to say of it.
    pub(crate) fn words(&self) -> String {
        let name = self.version.as_deref().unwrap_or("without sbatch");
        match &self.job {
            None => format!("slurm: {name}, outside any job: `segarena slurm` submits from here\n"),
            Some(job) => format!("slurm: {name}, {}\n", job.words()),
        }
    }
}

/// What Slurm says of a job's time, allowed and left, `LIMIT|LEFT`: no variable tells it.
fn asked_for_time(job: &str) -> Option<String> {
    let told = Command::new("squeue")
        .args(["--noheader", "--format=%l|%L", "--jobs", job])
        .output()
        .ok()?;
    told.status
        .success()
        .then(|| String::from_utf8_lossy(&told.stdout).into_owned())
}

/// A job and what it may use, as its variables and Slurm tell. What is not told or not limited is
/// none.
#[derive(Debug, PartialEq, Serialize)]
pub(crate) struct Job {
    id: String,
    /// The number of the task in its array, and the array's job.
    task: Option<String>,
    array: Option<String>,
    node: Option<String>,
    partition: Option<String>,
    processors: Option<u64>,
    memory_bytes: Option<u64>,
    time_limit_seconds: Option<u64>,
    /// Until the time limit.
    seconds_left: Option<u64>,
    graphics_cards: Vec<String>,
}

impl Job {
    fn of(
        id: String,
        variable: impl Fn(&str) -> Option<String>,
        time: &str,
        graphics_cards: Vec<String>,
    ) -> Self {
        let number = |name: &str| variable(name)?.parse::<u64>().ok();
        let processors = number("SLURM_CPUS_ON_NODE");
        let of_each = || number("SLURM_MEM_PER_CPU").and_then(|each| each.checked_mul(processors?));
        let mebibytes = number("SLURM_MEM_PER_NODE").or_else(of_each);
        let (limit, left) = time.trim().split_once('|').unwrap_or_default();
        Self {
            id,
            task: variable("SLURM_ARRAY_TASK_ID"),
            array: variable("SLURM_ARRAY_JOB_ID"),
            node: variable("SLURMD_NODENAME"),
            partition: variable("SLURM_JOB_PARTITION"),
            processors,
            // 0 is all memory of the node.
            memory_bytes: mebibytes
                .filter(|&mebibytes| mebibytes > 0)
                .and_then(|mebibytes| mebibytes.checked_mul(1 << 20)),
            time_limit_seconds: seconds(limit),
            seconds_left: seconds(left),
            graphics_cards,
        }
    }

    fn words(&self) -> String {
        let mut words = format!("inside job {}", self.id);
        if let (Some(task), Some(array)) = (&self.task, &self.array) {
            words.push_str(&format!(" (task {task} of array {array})"));
        }
        words.extend(self.node.iter().map(|node| format!(" on {node}")));
        let partition = self.partition.iter();
        words.extend(partition.map(|partition| format!(", partition {partition}")));
        let processors = match self.processors {
            Some(count) => count.to_string(),
            None => "an unknown number of".to_owned(),
        };
        let memory = match self.memory_bytes {
            None => "no limit of memory that Slurm tells".to_owned(),
            Some(bytes) => format!("{} of memory", ByteSize(bytes)),
        };
        let duration = |seconds| humantime::format_duration(Duration::from_secs(seconds));
        let time = match (self.time_limit_seconds, self.seconds_left) {
            (None, _) => "no limit of time that Slurm tells".to_owned(),
            (Some(limit), None) => format!("{} of time", duration(limit)),
            (Some(limit), Some(left)) => {
                format!("{} of time ({} left)", duration(limit), duration(left))
            }
        };
        let cards = match &self.graphics_cards[..] {
            [] => "no graphics card".to_owned(),
            ids => format!("graphics cards {}", ids.join(" ")),
        };
        printable(&format!(
            "{words}\n  {processors} processors, {memory}, {time}, {cards}"
        ))
    }
}

/// A time as Slurm writes it, `[[DAYS-]HOURS:]MINUTES:SECONDS`; none for words such as `UNLIMITED`.
fn seconds(time: &str) -> Option<u64> {
    let (days, rest) = time.split_once('-').unwrap_or(("0", time));
    let mut units = rest.rsplit(':').zip([1, 60, 60 * 60]);
    let of_day = units.try_fold(0, |sum: u64, (number, unit)| {
        sum.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)
    })?;
    let days: u64 = days.parse().ok()?;
    days.checked_mul(24 * 60 * 60)?.checked_add(of_day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)], time: &str) -> Job {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Job::of("7".to_owned(), variable, time, Vec::new())
    }

    #[test]
    fn a_job_is_told_with_what_it_may_use() {
        let limited = job(
            &[
                ("SLURMD_NODENAME", "n1"),
                ("SLURM_CPUS_ON_NODE", "4"),
                ("SLURM_MEM_PER_CPU", "512"),
            ],
            "1-02:00:00|9:05\n",
        );
        assert_eq!(
            limited.words(),
            "inside job 7 on n1\n  4 processors, 2.0 GiB of memory, 1day 2h of time (9m 5s left), \
             no graphics card"
        );
        let told = serde_json::to_value(&limited).unwrap();
        assert_eq!(told["memory_bytes"], 2_u64 << 30);
        assert_eq!(told["time_limit_seconds"], 26 * 60 * 60);
        let unlimited = job(&[("SLURM_MEM_PER_NODE", "0")], "UNLIMITED|UNLIMITED").words();
        assert!(unlimited.contains("no limit of memory"), "{unlimited}");
        assert!(unlimited.contains("no limit of time"), "{unlimited}");
    }
}
