//! A run that is still going on: what runs now, what failed so far, and when it may end.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use segarena_core::run::{PastRun, running_shards};

use crate::progress::{count, first_few};

/// So many of what runs are named.
const NAMED: usize = 8;

/// This moment, as records write moments.
pub(super) fn now() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()
}

/// What there is to say of a run whose record has no end.
pub(super) fn words(run: &PastRun) -> String {
    let done: usize = run.submissions.iter().map(|team| team.cases.len()).sum();
    let able = run.submissions.iter().filter(|team| team.error.is_none());
    let all = able.count() * run.record.cases.len();
    let cases = run.submissions.iter().flat_map(|team| &team.cases);
    let failed = cases.clone().filter(|case| case.has_failure()).count();
    let mut words = format!(
        "The run is not over: this is what was done so far, {done} of {}, {failed} of them with \
         a failure.",
        count(all, "case")
    );
    let shards = running_shards(&run.output);
    if !shards.is_empty() {
        let shards = shards
            .iter()
            .map(|(shard, host)| format!("{shard} on {host}"));
        words.push_str(&format!(
            " Shards that run now: {}.",
            first_few(NAMED, shards)
        ));
        return words;
    }
    if !holds_lock(&run.output) {
        words.push_str(
            " No run is writing to its folder on this machine now: it was stopped, or goes on \
             elsewhere.",
        );
        return words;
    }
    let names = running(run);
    if !names.is_empty() {
        words.push_str(&format!(
            " Running now: {}.",
            first_few(NAMED, names.iter())
        ));
    }
    let seconds: f64 = cases.map(|case| case.total_seconds).sum();
    let left = all.saturating_sub(done);
    if done > 0 && left > 0 {
        let left = seconds / done as f64 * left as f64 / run.record.jobs.max(1) as f64;
        // A year stands for whatever is longer.
        let left = Duration::from_secs_f64(left.clamp(0.0, 365.0 * 86_400.0));
        let end = humantime::format_rfc3339_seconds(SystemTime::now() + left);
        words.push_str(&format!(" At the pace so far it may end at {end}."));
    }
    words
}

/// The cases that have a working folder: those that run.
fn running(run: &PastRun) -> Vec<String> {
    let work = run.output.join(".segarena/work");
    let mut names = Vec::new();
    for submission in &run.record.submissions {
        let cases = std::fs::read_dir(work.join(&submission.name));
        for case in cases.into_iter().flatten().flatten() {
            let case = case.file_name().to_string_lossy().into_owned();
            names.push(format!("{case} of {}", submission.name));
        }
    }
    names.sort();
    names
}

/// Whether a run of this machine holds the output folder's lock, which is looked for and not tried,
/// so that a run that is just beginning is not refused; or a shard says that it goes on.
pub(crate) fn is_going_on(output: &Path) -> bool {
    holds_lock(output) || !running_shards(output).is_empty()
}

fn holds_lock(output: &Path) -> bool {
    let Ok(lock) = std::fs::metadata(output.join(".segarena/lock")) else {
        return false;
    };
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let inode = format!(":{}", lock.ino());
    locks.lines().any(|line| {
        let mut fields = line.split_whitespace();
        let is_file_lock = fields.any(|field| field == "FLOCK");
        is_file_lock && fields.any(|field| field.ends_with(&inode))
    })
}

/// When anything that a report shows was last written.
pub(crate) fn last_change(output: &Path) -> Option<SystemTime> {
    let of_file = |path: &Path| path.metadata().and_then(|found| found.modified()).ok();
    let folders = std::fs::read_dir(output).into_iter().flatten().flatten();
    let folders = folders.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    // A folder changes when a record appears in it, whole, under its name.
    let folders = folders.filter(|entry| entry.file_name() != ".segarena");
    folders
        .filter_map(|entry| of_file(&entry.path()))
        .chain(of_file(&output.join("run.json")))
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_held_is_seen_and_one_that_is_left_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_going_on(folder.path()));
        std::fs::create_dir(folder.path().join(".segarena")).unwrap();
        let lock = std::fs::File::create(folder.path().join(".segarena/lock")).unwrap();
        assert!(!is_going_on(folder.path()));
        lock.lock().unwrap();
        assert!(is_going_on(folder.path()));
        lock.unlock().unwrap();
        assert!(!is_going_on(folder.path()));
    }

    #[test]
    fn a_new_record_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_change(folder.path()), None);
        std::fs::create_dir(folder.path().join("team")).unwrap();
        let first = last_change(folder.path());
        std::thread::sleep(Duration::from_millis(20));
        std::fs::write(folder.path().join("team/1.json"), "{}").unwrap();
        assert!(last_change(folder.path()) > first);
    }
}
