//! What happens during a run, as lines of text: for logs, pipes and files.

use std::io::Write;
use std::time::Instant;

use segarena_core::event::Event;

use super::messages::{Weight, lines};
use crate::listener::Listener;
use crate::printable::printable;

/// Writes a line for whatever a person wants to know: each case, each failure and, when verbose,
/// each interaction with its clicks.
pub(crate) struct Lines<W> {
    out: W,
    least: Weight,
}

impl<W: Write + Send + 'static> Lines<W> {
    pub(crate) fn new(out: W, verbose: bool) -> Self {
        let least = if verbose {
            Weight::Detail
        } else {
            Weight::Step
        };
        Self { out, least }
    }

    /// Only what must not go unheard.
    pub(crate) fn quiet(out: W) -> Self {
        let least = Weight::Alarm;
        Self { out, least }
    }
}

impl<W: Write + Send + 'static> Listener for Lines<W> {
    fn receive(&mut self, event: &Event, _: Instant) {
        for line in lines(event) {
            if line.weight >= self.least {
                // A closed terminal must not end a run that takes days.
                let _ = writeln!(self.out, "{}", printable(&line.text));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use segarena_core::record::Outcome;

    use super::*;
    use crate::progress::sample;

    fn said(least: Weight, events: &[Event]) -> String {
        let mut lines = Lines {
            out: Vec::new(),
            least,
        };
        for event in events {
            lines.receive(event, Instant::now());
        }
        String::from_utf8(lines.out).unwrap()
    }

    #[test]
    fn each_weight_has_its_lines() {
        let events = sample::run_with_everything();
        insta::assert_snapshot!(said(Weight::Detail, &events), @"
        process: contains nothing
        2 submissions × 3 cases
        team_0: preparing
        team_0: runs team:latest (0123456789ab)
        team_0: 1 case already done by an earlier run
        team_0: 1.npz, interaction 2: exit status 1 (log: team_0/logs/x.2.log)
        team_0: 1.npz, interaction 2: DSC 0.5000 NSD 0.5000 in 1.50 s
        team_0: 1.npz, interaction 3: DSC 0.7500 NSD 0.7500 in 1.50 s  1:fg[3, 4, 5] 2:none
        team_0: 1.npz done: DSC 0.7500 NSD 0.7500 after 6 interactions, 9.0 s
        the engine failed, trying again in 1 s: docker: the connection was reset
        team_1: cannot be run: there is no image in team_1.tar
        stopping: killing what runs and writing what is done (once more: at once)
        ");
        insta::assert_snapshot!(said(Weight::Step, &events), @"
        process: contains nothing
        2 submissions × 3 cases
        team_0: preparing
        team_0: runs team:latest (0123456789ab)
        team_0: 1 case already done by an earlier run
        team_0: 1.npz, interaction 2: exit status 1 (log: team_0/logs/x.2.log)
        team_0: 1.npz done: DSC 0.7500 NSD 0.7500 after 6 interactions, 9.0 s
        the engine failed, trying again in 1 s: docker: the connection was reset
        team_1: cannot be run: there is no image in team_1.tar
        stopping: killing what runs and writing what is done (once more: at once)
        ");
        insta::assert_snapshot!(said(Weight::Alarm, &events), @"
        process: contains nothing
        the engine failed, trying again in 1 s: docker: the connection was reset
        team_1: cannot be run: there is no image in team_1.tar
        stopping: killing what runs and writing what is done (once more: at once)
        ");
    }

    #[test]
    fn a_submissions_words_cannot_move_the_cursor() {
        let record = sample::interaction(
            1,
            0.0,
            Outcome::BadOutput {
                exit_code: 0,
                reason: "\u{1b}[2J\u{1b}]0;owned\u{7}".into(),
            },
        );
        let event = Event::InteractionFinished {
            submission: "a".into(),
            case: "x.npz".into(),
            record,
        };
        let said = said(Weight::Step, &[event]);
        assert!(!said.contains(['\u{1b}', '\u{7}']), "{said:?}");
    }
}
