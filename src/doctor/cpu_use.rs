//! What two busy threads got of the processors, and what that says of a limit.

use std::fs;
use std::time::Instant;

use procfs::{CurrentSI, KernelStats};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use super::Verdict;

/// How many processors the two threads are allowed.
pub(super) const ALLOWED: f64 = 0.5;
/// More than this is not what was allowed, even where the kernel hands out time in coarse pieces:
/// a slow machine was seen to give 0.86 under a limit that held.
const TOO_MUCH: f64 = 1.25;
/// At most this is within the limit.
const WITHIN: f64 = 0.75;
/// Processors that idle for so much of the time were there to be had.
const TO_SPARE: f64 = 0.2;

/// What a process used of the processors for a while, as the kernel counted it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct CpuUse {
    /// How long it ran, in seconds.
    seconds: f64,
    /// The processor time it used, in seconds.
    used: f64,
    /// In how many periods its control group was held back; `None` where that is not to be seen.
    throttled: Option<u64>,
    /// How long the machine's processors idled meanwhile, in seconds, all of them together.
    idle: Option<f64>,
}

impl CpuUse {
    /// What this process uses while it does this.
    pub(super) fn of(work: impl FnOnce()) -> Self {
        let (begun, used) = (Instant::now(), used_seconds());
        let (throttled, idle) = (throttled_periods(), idle_seconds());
        work();
        Self {
            seconds: begun.elapsed().as_secs_f64(),
            used: used_seconds() - used,
            throttled: throttled_periods()
                .zip(throttled)
                .map(|(now, before)| now - before),
            idle: idle_seconds().zip(idle).map(|(now, before)| now - before),
        }
    }

    /// Whether two busy threads were kept to [`ALLOWED`]. Time on the clock alone shows nothing: a
    /// machine with much to do gives little without any limit.
    pub(super) fn verdict(&self) -> (Verdict, String) {
        let got = self.used / self.seconds;
        let seen = format!("two busy threads, allowed {ALLOWED} of a processor, got {got:.2}");
        match (self.throttled, self.idle) {
            (Some(periods), _) if periods > 0 && got < TOO_MUCH => (
                Verdict::Holds,
                format!("{seen}; the kernel held them back in {periods} periods"),
            ),
            (Some(0), _) if got > WITHIN => (
                Verdict::Broken,
                format!("{seen}, and the kernel never held them back"),
            ),
            (None, _) if got > TOO_MUCH => (Verdict::Broken, seen),
            (None, Some(idle)) if got <= WITHIN && idle / self.seconds > TO_SPARE => {
                (Verdict::Holds, format!("{seen}, while processors idled"))
            }
            (Some(0), _) | (None, _) if got <= WITHIN => (
                Verdict::Unclear,
                format!(
                    "{seen}: the machine had no more to give, try again when it has less to do"
                ),
            ),
            _ => (
                Verdict::Unclear,
                format!("{seen}: too much for the limit, too little to say that there is none"),
            ),
        }
    }
}

fn used_seconds() -> f64 {
    let used = clock_gettime(ClockId::ProcessCPUTime);
    used.tv_sec as f64 + used.tv_nsec as f64 * 1e-9
}

fn idle_seconds() -> Option<f64> {
    let idle = KernelStats::current().ok()?.total.idle;
    Some(idle as f64 / procfs::ticks_per_second() as f64)
}

/// How often this control group has been held back: where a container sees its own group, under
/// version 2 of control groups and version 1.
fn throttled_periods() -> Option<u64> {
    let files = ["cpu.stat", "cpu/cpu.stat", "cpu,cpuacct/cpu.stat"];
    let files = files.map(|file| format!("/sys/fs/cgroup/{file}"));
    let texts = files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok());
    texts.filter_map(|text| counted(&text)).next()
}

fn counted(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("nr_throttled "))?;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_counts_decide_and_a_busy_machine_is_no_proof() {
        let second = |used, throttled, idle| CpuUse {
            seconds: 1.0,
            used,
            throttled,
            idle,
        };
        for (seen, expected) in [
            (second(0.5, Some(10), Some(1.0)), Verdict::Holds),
            // Coarse pieces on a slow machine.
            (second(0.86, Some(4), Some(0.0)), Verdict::Holds),
            // A loaded machine, where the limit was reached all the same.
            (second(0.45, Some(2), Some(0.0)), Verdict::Holds),
            (second(2.0, Some(0), Some(0.0)), Verdict::Broken),
            (second(0.9, Some(0), Some(0.0)), Verdict::Broken),
            // Less than was allowed, and nobody held it back.
            (second(0.2, Some(0), Some(0.0)), Verdict::Unclear),
            // Held back, but at another limit.
            (second(1.9, Some(5), Some(0.0)), Verdict::Unclear),
            (second(2.0, None, Some(0.0)), Verdict::Broken),
            (second(0.5, None, Some(1.4)), Verdict::Holds),
            (second(0.5, None, Some(0.0)), Verdict::Unclear),
            (second(0.9, None, Some(1.0)), Verdict::Unclear),
            (second(0.3, None, None), Verdict::Unclear),
        ] {
            assert_eq!(seen.verdict().0, expected, "{seen:?}");
        }
    }

    #[test]
    fn periods_are_counted_in_both_versions_of_control_groups() {
        let version_2 = "usage_usec 12\nnr_periods 10\nnr_throttled 7\nthrottled_usec 3\n";
        let version_1 = "nr_periods 10\nnr_throttled 3\nthrottled_time 5\n";
        assert_eq!(counted(version_2), Some(7));
        assert_eq!(counted(version_1), Some(3));
        assert_eq!(counted("usage_usec 12\n"), None);
    }

    #[test]
    fn work_is_counted_by_the_processor_time_that_it_takes() {
        let idle = CpuUse::of(|| std::thread::sleep(std::time::Duration::from_millis(30)));
        assert!(idle.seconds >= 0.03 && idle.used < idle.seconds, "{idle:?}");
    }
}
