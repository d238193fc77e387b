//! How far a run is, how well the submission does so far, and how long it will take.

use std::time::{Duration, Instant};

use segarena_core::event::{Event, MeanMeasure};
use segarena_core::record::CaseRecord;

/// What can be said of a run from its events so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// How many submissions there are.
    pub(crate) submissions: usize,
    /// Which of them it is, from 1.
    pub(crate) position: usize,
    /// How many cases there are.
    pub(crate) cases: usize,
    /// How many of them the submission has finished, with those of an earlier run.
    pub(crate) finished: usize,
    /// How many of those had a failure, as far as this run saw them.
    pub(crate) failed: usize,
    /// The means of the submission's measures so far.
    means: Vec<MeanMeasure>,
    /// Cases that this run finished, of all submissions.
    done: usize,
    /// How long earlier submissions took for their cases.
    spent: Duration,
    started: Option<Instant>,
    last: Option<Instant>,
}

impl Tally {
    pub(crate) fn receive(&mut self, event: &Event, now: Instant) {
        match event {
            Event::RunStarted {
                submissions, cases, ..
            } => (self.submissions, self.cases) = (submissions.len(), cases.len()),
            Event::SubmissionPreparing { .. } => {
                self.position += 1;
                (self.finished, self.failed) = (0, 0);
                self.means.clear();
                if let Some(started) = self.started.take() {
                    self.spent += self.last.unwrap_or(now).duration_since(started);
                }
            }
            Event::SubmissionStarted {
                finished_before,
                means_before,
                ..
            } => {
                self.finished = *finished_before;
                self.means.clone_from(means_before);
                (self.started, self.last) = (Some(now), Some(now));
            }
            Event::CaseFinished { record, .. } => self.finish(record, now),
            _ => {}
        }
    }

    fn finish(&mut self, record: &CaseRecord, now: Instant) {
        self.finished += 1;
        self.done += 1;
        self.failed += usize::from(record.has_failure());
        MeanMeasure::add(&mut self.means, record);
        self.last = Some(now);
    }

    /// The mean final measures of the submission's finished cases, each over the cases that define
    /// it; none before there is one.
    pub(crate) fn means(&self) -> Option<&[MeanMeasure]> {
        (!self.means.is_empty()).then_some(&self.means[..])
    }

    /// How long the cases that are left will take, if they take as long as those done.
    pub(crate) fn left(&self, now: Instant) -> Option<Duration> {
        let (started, last) = (self.started?, self.last?);
        if self.done == 0 {
            return None;
        }
        let per_case = (self.spent + last.duration_since(started)).div_f64(self.done as f64);
        let later = self.submissions.saturating_sub(self.position) * self.cases;
        let waiting = self.cases.saturating_sub(self.finished) + later;
        let left = per_case.mul_f64(waiting as f64);
        Some(left.saturating_sub(now.duration_since(last)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::sample::{case, run_started, started};

    fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn the_time_left_follows_from_the_cases_done() {
        let begin = Instant::now();
        let mut tally = Tally::default();
        tally.receive(&run_started(2, 4), begin);
        let preparing = Event::SubmissionPreparing {
            submission: "a".into(),
        };
        tally.receive(&preparing, begin);
        // Loading is not the cases' time.
        let begin = begin + seconds(1000);
        tally.receive(&started("a", 0, 0.0), begin);
        assert_eq!(tally.left(begin), None);
        tally.receive(&case("a", "1.npz", 0.5), begin + seconds(10));
        tally.receive(&case("a", "2.npz", 0.7), begin + seconds(20));
        // Two of this submission's and four of the next one's, ten seconds each.
        assert_eq!(tally.left(begin + seconds(20)), Some(seconds(60)));
        assert_eq!(tally.left(begin + seconds(24)), Some(seconds(56)));
        let means = tally.means().unwrap().iter();
        let means: Vec<_> = means.map(|mean| (mean.name, mean.mean)).collect();
        assert_eq!(means, [("DSC", 0.6), ("NSD", 0.6)]);
    }

    #[test]
    fn the_mean_goes_on_from_an_earlier_runs() {
        let mut tally = Tally::default();
        let now = Instant::now();
        tally.receive(&run_started(1, 4), now);
        tally.receive(&started("a", 3, 0.8), now);
        tally.receive(&case("a", "4.npz", 0.4), now);
        let dsc = tally.means().unwrap()[0].mean;
        assert!((dsc - 0.7).abs() < 1e-12, "{dsc}");
    }
}
