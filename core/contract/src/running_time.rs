//! The time that a submission had: not that in which nothing ran, because this process was stopped
//! (SIGSTOP, a frozen cgroup, a paused virtual machine) and the submission with it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How often it is looked whether time passes.
const STEP: Duration = Duration::from_secs(1);

/// A step that takes so much longer was none: the machine stood still. A busy machine wakes a
/// process later than asked for, but not by that much.
const STANDSTILL: Duration = Duration::from_secs(3);

/// A clock that stands still with the machine.
#[derive(Debug, Default)]
pub struct RunningTime {
    stood_still_ms: AtomicU64,
}

impl RunningTime {
    /// Starts at nothing.
    pub fn start() -> Self {
        Self::default()
    }

    /// Waits until so much time has passed on it.
    pub async fn reaches(&self, limit: Duration) {
        let mut left = limit;
        while !left.is_zero() {
            let step = left.min(STEP);
            let began = Instant::now();
            tokio::time::sleep(step).await;
            left = left.saturating_sub(self.charged(step, began.elapsed()));
        }
    }

    /// What a step counts for that took so long.
    fn charged(&self, step: Duration, took: Duration) -> Duration {
        let late = took.saturating_sub(step);
        if late < STANDSTILL {
            return took;
        }
        self.stood_still_ms
            .fetch_add(late.as_millis() as u64, Ordering::Relaxed);
        tracing::warn!(?late, "nothing ran for a while; it is not charged");
        step
    }

    /// For how long nothing ran.
    pub fn stood_still(&self) -> Duration {
        Duration::from_millis(self.stood_still_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standstill_is_not_charged_and_a_busy_machine_is() {
        let clock = RunningTime::start();
        let seconds = Duration::from_secs;
        assert_eq!(clock.charged(seconds(1), seconds(2)), seconds(2));
        assert_eq!(clock.stood_still(), Duration::ZERO);
        assert_eq!(clock.charged(seconds(1), seconds(3600)), seconds(1));
        assert_eq!(clock.stood_still(), seconds(3599));
    }

    #[tokio::test(start_paused = true)]
    async fn a_limit_is_reached_after_its_time_and_later_where_the_machine_stood_still() {
        let limit = Duration::from_secs(10);
        let clock = RunningTime::start();
        let began = Instant::now();
        clock.reaches(limit).await;
        assert_eq!(began.elapsed(), limit);

        let clock = RunningTime::start();
        let began = Instant::now();
        let hour = Duration::from_secs(3600);
        let (mut reached, mut stopped) = (std::pin::pin!(clock.reaches(limit)), false);
        loop {
            tokio::select! {
                biased;
                () = tokio::time::sleep(Duration::from_millis(1500)), if !stopped => {
                    stopped = true;
                    tokio::time::advance(hour).await;
                }
                () = &mut reached => break,
            }
        }
        assert_eq!(clock.stood_still().as_secs(), hour.as_secs() - 1);
        assert!(began.elapsed() >= hour + limit - Duration::from_secs(2));
    }
}
