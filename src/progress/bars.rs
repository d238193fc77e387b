//! What happens during a run, on a terminal: where it is, what each case is at, how well it goes.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use console::Style;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use segarena_core::event::{Event, MeanMeasure};

use super::messages::{Line, Weight, about, bytes, count, lines, wrapped};
use super::tally::Tally;
use super::worker::Worker;
use crate::listener::Listener;
use crate::printable::printable;

/// How often the seconds on the screen move.
pub(crate) const PERIOD: Duration = Duration::from_millis(250);

/// Bars at the bottom of a terminal; what a person wants to read afterwards stays above them.
pub(crate) struct Bars {
    all: MultiProgress,
    width: Option<u16>,
    above: Above,
    tally: Tally,
    interactions: usize,
    /// The one long thing under way that is no case: checking the data set, loading an image.
    errand: Option<ProgressBar>,
    /// The submission's cases.
    overall: Option<ProgressBar>,
    /// Its scores so far.
    means: Option<ProgressBar>,
    workers: Vec<Worker>,
    /// Cases of which a failure was told already.
    told: HashSet<String>,
}

/// What is printed above the bars, to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Above {
    /// Each click and score.
    Everything,
    /// What a person wants to read afterwards.
    News,
    /// Nothing: somebody else tells it.
    Nothing,
}

impl Bars {
    /// Bars on a terminal of so many columns.
    pub(crate) fn new(all: MultiProgress, width: Option<u16>, above: Above) -> Self {
        Self {
            all,
            width,
            above,
            tally: Tally::default(),
            interactions: 0,
            errand: None,
            overall: None,
            means: None,
            workers: Vec::new(),
            told: HashSet::new(),
        }
    }

    /// Prints what is to stay above the bars.
    fn print(&mut self, event: &Event) {
        for line in lines(event) {
            if self.is_shown(event, &line) {
                let text = wrapped(&printable(&line.text), self.width);
                // A terminal that is gone must not end a run that takes days.
                let _ = self
                    .all
                    .println(paint(line.weight).apply_to(text).to_string());
            }
        }
    }

    fn is_shown(&mut self, event: &Event, line: &Line) -> bool {
        match (line.weight, event) {
            _ if self.above != Above::News => self.above == Above::Everything,
            // The bars show it.
            (Weight::Detail | Weight::Step, _) => false,
            // A submission that always fails does so many times over.
            (
                Weight::Failure,
                Event::InteractionFinished {
                    submission, case, ..
                },
            ) => self.told.insert(format!("{submission}/{case}")),
            _ => true,
        }
    }

    /// The errand's bar, with a new one where there is none.
    fn errand(&mut self, template: &str, length: Option<u64>) -> &ProgressBar {
        let all = &self.all;
        let bar = self.errand.get_or_insert_with(|| {
            all.insert(0, ProgressBar::no_length().with_style(style(template)))
        });
        bar.set_length(length.unwrap_or(0));
        bar
    }

    fn end_errand(&mut self) {
        if let Some(bar) = self.errand.take() {
            self.all.remove(&bar);
        }
    }

    fn begin_submission(&mut self, name: &str, now: Instant) {
        self.end_errand();
        let bar = self.all.add(ProgressBar::new(self.tally.cases as u64));
        bar.set_style(style(OVERALL));
        let place = match self.tally.submissions {
            0 | 1 => String::new(),
            all => format!(" ({} of {all})", self.tally.position),
        };
        let name = short(name);
        bar.set_prefix(format!("{name}{place}"));
        self.overall = Some(bar);
        let means = self
            .all
            .add(ProgressBar::no_length().with_style(style(PLAIN)));
        self.means = Some(means);
        self.show_standing(now);
    }

    fn show_standing(&self, now: Instant) {
        if let Some(bar) = &self.overall {
            bar.set_position(self.tally.finished as u64);
            let left = self.tally.left(now);
            bar.set_message(left.map_or(String::new(), |left| format!(", {} left", about(left))));
        }
        if let Some(bar) = &self.means {
            let text = self.tally.means().map_or_else(
                || "no case done yet".to_owned(),
                |means| {
                    let cases = count(self.tally.finished, "case");
                    format!("mean {} over {cases}", in_words(means, ", "))
                },
            );
            let failed = match self.tally.failed {
                0 => String::new(),
                failed => format!(", {failed} with failures"),
            };
            bar.set_message(format!("  {text}{failed}"));
        }
    }

    fn end_submission(&mut self) {
        let bars = [self.overall.take(), self.means.take()];
        for bar in bars.into_iter().flatten() {
            self.all.remove(&bar);
        }
        for worker in self.workers.drain(..) {
            self.all.remove(&worker.bar);
        }
    }

    fn begin_case(&mut self, case: &str, now: Instant) {
        let bar = self
            .all
            .add(ProgressBar::no_length().with_style(style(PLAIN)));
        self.workers.push(Worker {
            case: case.to_owned(),
            bar,
            step: "reading".to_owned(),
            since: now,
        });
        self.show_workers(now);
    }

    fn step(&mut self, case: &str, step: String, now: Instant) {
        if let Some(worker) = self.workers.iter_mut().find(|worker| worker.case == case) {
            (worker.step, worker.since) = (step, now);
            worker.show(now, self.width);
        }
    }

    fn show_workers(&self, now: Instant) {
        for worker in &self.workers {
            worker.show(now, self.width);
        }
    }

    fn end_case(&mut self, case: &str, now: Instant) {
        if let Some(index) = self.workers.iter().position(|worker| worker.case == case) {
            self.all.remove(&self.workers.remove(index).bar);
        }
        self.show_standing(now);
    }

    fn interaction(&self, index: usize, what: &str) -> String {
        format!("interaction {index} of {}: {what}", self.interactions)
    }
}

impl Listener for Bars {
    fn receive(&mut self, event: &Event, now: Instant) {
        self.tally.receive(event, now);
        self.print(event);
        match event {
            Event::CaseChecked { done, total, .. } => {
                let bar = self.errand(CHECKING, Some(*total as u64));
                bar.set_position(*done as u64);
            }
            Event::RunStarted { interactions, .. } => {
                self.end_errand();
                self.interactions = *interactions;
            }
            Event::SubmissionPreparing { submission } => {
                self.end_submission();
                let bar = self.errand(PLAIN, None);
                bar.set_message(format!("{}: preparing", short(submission)));
            }
            Event::PreparationProgress {
                submission,
                what,
                done,
                total,
            } => {
                let bar = self.errand(LOADING, *total);
                bar.set_style(style(LOADING));
                bar.set_prefix(format!("{}: {}", short(submission), printable(what)));
                let all_read = *total == Some(*done);
                let then = if all_read { ", unpacking" } else { "" };
                bar.set_message(format!("{}{then}", bytes(*done, *total)));
                bar.set_position(*done);
            }
            Event::SubmissionStarted { submission, .. } => self.begin_submission(submission, now),
            Event::CaseStarted { case, .. } => self.begin_case(case, now),
            Event::InteractionRunning { case, index, .. } => {
                self.step(case, self.interaction(*index, "running"), now);
            }
            Event::InteractionScoring { case, index, .. } => {
                self.step(case, self.interaction(*index, "scoring"), now);
            }
            Event::InteractionFinished { case, record, .. } => {
                let step = if record.index < self.interactions {
                    self.interaction(record.index + 1, "placing clicks")
                } else {
                    "writing".to_owned()
                };
                self.step(case, step, now);
            }
            Event::CaseFinished { record, .. } => self.end_case(&record.case, now),
            Event::SubmissionFinished { submission } => {
                if let Some(means) = self.tally.means()
                    && self.above != Above::Nothing
                {
                    let cases = count(self.tally.finished, "case");
                    let means = in_words(means, " ");
                    let text = format!("{submission}: {cases} done: {means}");
                    let _ = self.all.println(printable(&text));
                }
                self.end_submission();
            }
            Event::SubmissionFailed { .. } => self.end_errand(),
            _ => {}
        }
    }

    fn wait(&mut self, now: Instant) {
        self.show_standing(now);
        self.show_workers(now);
    }

    fn end(&mut self) {
        self.end_errand();
        self.end_submission();
        let _ = self.all.clear();
    }
}

const CHECKING: &str = "checking the data set {wide_bar:.cyan/dim} {pos} of {len} cases";
const LOADING: &str = "{prefix} {wide_bar:.cyan/dim} {msg}";
const OVERALL: &str = "{prefix} {wide_bar:.cyan/dim} {pos} of {len} cases{msg}";
const PLAIN: &str = "{msg}";
const LONGEST_NAME: usize = 24;

/// A submission's name as far as there is room for it.
fn short(name: &str) -> String {
    console::truncate_str(&printable(name), LONGEST_NAME, "…").into_owned()
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("━━─")
}

/// Colours help to find what went wrong; console leaves them out where `NO_COLOR` is set.
fn paint(weight: Weight) -> Style {
    let style = Style::new().for_stderr();
    match weight {
        Weight::Failure => style.red(),
        Weight::Alarm => style.yellow(),
        Weight::Detail => style.dim(),
        Weight::Step | Weight::News => style,
    }
}

/// `DSC 0.7312, NSD 0.6904`.
fn in_words(means: &[MeanMeasure], between: &str) -> String {
    let words = means
        .iter()
        .map(|MeanMeasure { name, mean, .. }| format!("{name} {mean:.4}"));
    words.collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use indicatif::{InMemoryTerm, ProgressDrawTarget};

    use super::*;
    use crate::progress::sample;

    fn screen(columns: u16, seconds: u64, events: &[Event]) -> String {
        let terminal = InMemoryTerm::new(20, columns);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let all = MultiProgress::with_draw_target(target);
        let mut bars = Bars::new(all, Some(columns), Above::News);
        let begin = Instant::now();
        for event in events {
            bars.receive(event, begin);
        }
        bars.wait(begin + Duration::from_secs(seconds));
        terminal.contents()
    }

    #[test]
    fn loading_shows_how_much_of_how_much() {
        let events = sample::run_with_everything();
        insta::assert_snapshot!(screen(60, 0, &events[..4]), @"
        process: contains nothing
        team_0: loading image ━━━━━━━━━─────────────── 3.1 of 8.4 GB
        ");
    }

    #[test]
    fn cases_side_by_side_have_a_line_each() {
        let events = sample::run_with_everything();
        insta::assert_snapshot!(screen(80, 42, &events[..12]), @"
        process: contains nothing
        team_0: runs team:latest (0123456789ab)
        team_0: 1 case already done by an earlier run
        team_0: 1.npz, interaction 2: exit status 1 (log: team_0/logs/x.2.log)
        team_0 (1 of 2) ━━━━━━━━━━━━━━━━━━───────────────────────────────── 1 of 3 cases
          mean DSC 0.5000, NSD 0.5000 over 1 case
          1.npz  interaction 4 of 6: placing clicks, 42 s
          2.npz  interaction 6 of 6: scoring, 42 s
        ");
    }

    #[test]
    fn at_the_end_of_a_case_its_line_goes_and_the_standing_moves() {
        let events = sample::run_with_everything();
        insta::assert_snapshot!(screen(80, 42, &events[..13]), @"
        process: contains nothing
        team_0: runs team:latest (0123456789ab)
        team_0: 1 case already done by an earlier run
        team_0: 1.npz, interaction 2: exit status 1 (log: team_0/logs/x.2.log)
        team_0 (1 of 2) ━━━━━━━━━━━━━━━━━━━━━━━━━━━━───────────── 2 of 3 cases, 0 s left
          mean DSC 0.6250, NSD 0.6250 over 2 cases
          2.npz  interaction 6 of 6: scoring, 42 s
        ");
    }

    #[test]
    fn a_long_name_gives_way_to_what_happens() {
        let name = "CT_AbdomenAtlas_of_a_very_long_name_indeed_00000001.npz".to_owned();
        let mut events = sample::run_with_everything();
        events.truncate(6);
        events.push(Event::CaseStarted {
            submission: "team_0".into(),
            case: name.clone(),
        });
        events.push(Event::InteractionRunning {
            submission: "team_0".into(),
            case: name,
            index: 3,
        });
        let screen = screen(60, 7, &events);
        let last = screen.lines().last().unwrap();
        assert!(
            last.ends_with("…  interaction 3 of 6: running, 7 s"),
            "{screen}"
        );
    }

    #[test]
    fn after_the_run_only_what_is_worth_reading_stays() {
        let terminal = InMemoryTerm::new(20, 60);
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        let mut bars = Bars::new(
            MultiProgress::with_draw_target(target),
            Some(60),
            Above::News,
        );
        for event in sample::run_with_everything() {
            bars.receive(&event, Instant::now());
        }
        bars.end();
        insta::assert_snapshot!(terminal.contents(), @"
        process: contains nothing
        team_0: runs team:latest (0123456789ab)
        team_0: 1 case already done by an earlier run
        team_0: 1.npz, interaction 2: exit status 1 (log:
          team_0/logs/x.2.log)
        the engine failed, trying again in 1 s: docker: the
          connection was reset
        team_1: cannot be run: there is no image in team_1.tar
        stopping: killing what runs and writing what is done (once
          more: at once)
        ");
    }
}
