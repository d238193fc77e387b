//! Which Slurm there is here, and the job that this process is in.

use std::process::Command;

use bytesize::ByteSize;
use segarena_core::backend::Cards;

use crate::printable::printable;

/// The Slurm whose `sbatch` is found here, as that calls itself; none without one.
pub(crate) fn version() -> Option<String> {
    let told = Command::new("sbatch").arg("--version").output().ok()?;
    let words = String::from_utf8_lossy(&told.stdout).trim().to_owned();
    (told.status.success() && !words.is_empty()).then(|| printable(&words))
}

/// What there is to say of Slurm here; nothing where there is none.
pub(crate) fn describe() -> Option<String> {
    let version = version();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let job = variable("SLURM_JOB_ID").map(|id| Job::of(id, variable));
    let name = version.or_else(|| job.as_ref().map(|_| "without sbatch".to_owned()))?;
    Some(match job {
        None => format!("slurm: {name}, outside any job: `segarena slurm` submits from here\n"),
        Some(job) => format!("slurm: {name}, {}\n", job.words(&Cards::here())),
    })
}

/// A job and what it may use, as its variables tell.
#[derive(Debug, PartialEq)]
struct Job {
    id: String,
    /// The task and its array.
    task: Option<(String, String)>,
    node: Option<String>,
    partition: Option<String>,
    processors: Option<String>,
    /// In bytes.
    memory: Option<u64>,
}

impl Job {
    fn of(id: String, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mebibytes = |name: &str| variable(name)?.parse::<u64>().ok();
        let processors = variable("SLURM_CPUS_ON_NODE");
        let of_each = mebibytes("SLURM_MEM_PER_CPU").and_then(|each| {
            let count: u64 = processors.as_ref()?.parse().ok()?;
            each.checked_mul(count)
        });
        Self {
            id,
            task: variable("SLURM_ARRAY_TASK_ID").zip(variable("SLURM_ARRAY_JOB_ID")),
            node: variable("SLURMD_NODENAME"),
            partition: variable("SLURM_JOB_PARTITION"),
            memory: mebibytes("SLURM_MEM_PER_NODE")
                .or(of_each)
                .and_then(|mebibytes| mebibytes.checked_mul(1 << 20)),
            processors,
        }
    }

    fn words(&self, cards: &Cards) -> String {
        let mut words = format!("inside job {}", self.id);
        if let Some((task, array)) = &self.task {
            words.push_str(&format!(" (task {task} of array {array})"));
        }
        words.extend(self.node.iter().map(|node| format!(" on {node}")));
        let partition = self.partition.iter();
        words.extend(partition.map(|partition| format!(", partition {partition}")));
        let processors = self.processors.as_deref().unwrap_or("an unknown number of");
        // 0 is all memory of the node.
        let memory = match self.memory {
            Some(0) | None => "no limit of memory that Slurm tells".to_owned(),
            Some(bytes) => format!("{} of memory", ByteSize(bytes)),
        };
        let cards = match cards.machine() {
            [] => "no graphics card".to_owned(),
            ids => format!("graphics cards {}", ids.join(" ")),
        };
        printable(&format!(
            "{words}\n  {processors} processors, {memory}, {cards}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(variables: &[(&str, &str)]) -> String {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Job::of("7".to_owned(), variable).words(&Cards::default())
    }

    #[test]
    fn a_job_is_told_with_what_it_may_use() {
        let words = job(&[
            ("SLURMD_NODENAME", "n1"),
            ("SLURM_CPUS_ON_NODE", "4"),
            ("SLURM_MEM_PER_CPU", "512"),
        ]);
        let expected = "inside job 7 on n1\n  4 processors, 2.0 GiB of memory, no graphics card";
        assert_eq!(words, expected);
        let words = job(&[("SLURM_MEM_PER_NODE", "0")]);
        assert!(words.contains("no limit of memory"), "{words}");
    }
}
