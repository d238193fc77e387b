//! Handing scripts to `sbatch`.

use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

/// A job, as Slurm numbers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JobId(String);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Submits a script with these further options.
pub(crate) fn submit(script: &Path, options: &[String]) -> anyhow::Result<JobId> {
    let ran = Command::new("sbatch")
        .arg("--parsable")
        .args(options)
        .arg(script)
        .output()
        .context(
            "cannot run sbatch (is this a login node of a Slurm cluster? with --dry-run the scripts \
             are written and nothing is submitted)",
        )?;
    if !ran.status.success() {
        bail!(
            "sbatch refused {}: {}",
            script.display(),
            String::from_utf8_lossy(&ran.stderr).trim()
        );
    }
    job_id(&String::from_utf8_lossy(&ran.stdout))
        .with_context(|| format!("sbatch did not say which job {} is", script.display()))
}

/// Takes back what was submitted, as well as can be.
pub(crate) fn cancel(jobs: &[JobId]) {
    for job in jobs {
        let _ = Command::new("scancel").arg(&job.0).output();
    }
}

/// `JOB`, or `JOB;CLUSTER`, in the last line: a site's plugins may print more before it.
fn job_id(printed: &str) -> Option<JobId> {
    let line = printed.lines().rfind(|line| !line.trim().is_empty())?;
    let job = line.split(';').next()?.trim();
    let is_number = !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| JobId(job.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_known_by_what_sbatch_prints() {
        for (printed, job) in [
            ("12\n", Some("12")),
            ("12;cluster\n", Some("12")),
            ("Welcome!\n345\n\n", Some("345")),
            ("error\n", None),
            ("", None),
        ] {
            let found = job_id(printed).map(|job| job.to_string());
            assert_eq!(found.as_deref(), job, "{printed:?}");
        }
    }
}
