//! What is said at the end of a run: the ranking, what failed and why, what took too long, and
//! where everything is.

mod ranking;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use console::{Style, Term};
use segarena_core::record::{CaseRecord, InteractionRecord};
use segarena_core::run::{RunSummary, SubmissionSummary};

use crate::machines::Machines;
use crate::printable::printable;
use crate::progress::{count, wrapped};
use crate::ranking::Settings;
use ranking::{Ranked, Ranking, table};

/// What the text is for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look {
    /// The columns of a terminal; none: as wide as it takes.
    pub(crate) width: Option<u16>,
    pub(crate) colours: bool,
}

impl Look {
    pub(crate) fn of_stdout() -> Self {
        Self::of(&Term::stdout(), console::colors_enabled())
    }

    pub(crate) fn of_stderr() -> Self {
        Self::of(&Term::stderr(), console::colors_enabled_stderr())
    }

    fn of(term: &Term, colours: bool) -> Self {
        let width = term.size_checked().map(|(_, columns)| columns);
        Self { width, colours }
    }

    fn style(self) -> Style {
        Style::new().force_styling(self.colours)
    }
}

/// The whole of it.
pub(crate) fn text(summary: &RunSummary, output: &Path, settings: &Settings, look: Look) -> String {
    let Ranking { ranked, remarks } = Ranking::of(summary, settings);
    let mut words = String::new();
    for remark in remarks {
        let _ = writeln!(words, "{remark}");
    }
    failures(&ranked, output, look, &mut words);
    warnings(&ranked, look, &mut words);
    unlike_machines(&ranked, look, &mut words);
    places(&ranked, output, &mut words);
    let mut text = String::new();
    for line in table(&ranked, look).lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push_str(&wrapped(words.trim_end(), look.width));
    text.push('\n');
    text
}

/// A reason to fail: how often, in how many cases, and where it was seen first.
#[derive(Default)]
struct Reason<'a> {
    interactions: usize,
    cases: usize,
    last_case: &'a str,
    first: Option<(&'a CaseRecord, &'a InteractionRecord)>,
}

/// The failures, grouped by reason, each with the first log to open.
fn failures(ranked: &[Ranked<'_>], output: &Path, look: Look, text: &mut String) {
    for (_, submission) in ranked {
        let name = printable(&submission.name);
        if let Some(error) = &submission.error {
            let words = look.style().red().apply_to("could not be run");
            let _ = writeln!(text, "{name}: {words}: {}", printable(error));
        }
        let mut reasons: BTreeMap<String, Reason<'_>> = BTreeMap::new();
        for record in &submission.records {
            let failed = record.interactions.iter();
            for interaction in failed.filter(|i| i.outcome.is_failure()) {
                let reason = reasons.entry(interaction.outcome.describe()).or_default();
                reason.interactions += 1;
                reason.cases += usize::from(reason.last_case != record.case);
                reason.last_case = &record.case;
                reason.first.get_or_insert((record, interaction));
            }
        }
        let mut reasons: Vec<_> = reasons.into_iter().collect();
        reasons.sort_by_key(|(_, reason)| std::cmp::Reverse(reason.interactions));
        if !reasons.is_empty() {
            let words = look.style().red().apply_to("failed");
            let _ = writeln!(text, "{name} {words}:");
        }
        for (words, reason) in reasons {
            describe(&words, &reason, submission, output, text);
        }
    }
}

fn describe(
    words: &str,
    reason: &Reason<'_>,
    submission: &SubmissionSummary,
    output: &Path,
    text: &mut String,
) {
    let Some((record, interaction)) = reason.first else {
        return;
    };
    let _ = writeln!(
        text,
        "  {}: {} of {}, first {} at interaction {}",
        printable(words),
        count(reason.interactions, "interaction"),
        count(reason.cases, "case"),
        printable(&record.case),
        interaction.index,
    );
    let said = interaction.log_tail.trim_end().lines().last();
    if let Some(said) = said.filter(|said| !said.trim().is_empty()) {
        let said = printable(&console::strip_ansi_codes(said.trim()));
        let said = console::truncate_str(&said, LONGEST_WORDS, "…");
        let _ = writeln!(text, "    it said: {said}");
    }
    if let Some(remark) = interaction.remarks.first() {
        let _ = writeln!(text, "    {}", printable(remark));
    }
    if let Some(log) = &interaction.log {
        let log = output.join(&submission.name).join(log);
        let _ = writeln!(text, "    log: {}", printable(&log.to_string_lossy()));
    }
}

/// What a submission said last is told up to so many letters.
const LONGEST_WORDS: usize = 200;

/// What took longer than it may, and what disturbed the running times.
fn warnings(ranked: &[Ranked<'_>], look: Look, text: &mut String) {
    let warning = look.style().yellow().apply_to("warning").to_string();
    for (_, submission) in ranked {
        let over = submission.records.iter().filter(|r| r.over_time);
        let excess = |record: &&CaseRecord| record.total_seconds / record.seconds_allowed;
        let Some(worst) = over.clone().max_by(|a, b| excess(a).total_cmp(&excess(b))) else {
            continue;
        };
        let consequence = if worst.zeroed {
            "their scores are 0"
        } else {
            "their scores stand; the challenge's final ranking makes them 0 (over_time = \"zero\")"
        };
        let _ = writeln!(
            text,
            "{warning}: {}: {} of {} over the time limit, the worst {} with {:.1} s of {:.0} s: \
             {consequence}",
            printable(&submission.name),
            over.count(),
            count(submission.records.len(), "case"),
            printable(&worst.case),
            worst.total_seconds,
            worst.seconds_allowed,
        );
    }
    let jobs = ranked.iter().flat_map(|(_, s)| &s.records).map(|r| r.jobs);
    if let Some(jobs) = jobs.max().filter(|&jobs| jobs > 1) {
        let _ = writeln!(
            text,
            "{warning}: running times are of cases side by side, up to {jobs} at once, which \
             disturbs them"
        );
    }
}

/// Says that mean running times are of unlike machines.
fn unlike_machines(ranked: &[Ranked<'_>], look: Look, text: &mut String) {
    let machines = Machines::of(ranked.iter().flat_map(|(_, s)| &s.records));
    if machines.differ() {
        let warning = look.style().yellow().apply_to("warning");
        let _ = writeln!(
            text,
            "{warning}: running times are of unlike machines, which the report shows apart: {}",
            machines.words()
        );
    }
}

fn places(ranked: &[Ranked<'_>], output: &Path, text: &mut String) {
    let _ = writeln!(text, "results: {}", output.display());
    let with_cases = ranked.iter().filter(|(_, s)| !s.records.is_empty());
    let names: Vec<&str> = with_cases.map(|(_, s)| s.name.as_str()).collect();
    let (folder, whose) = match names[..] {
        [] => return,
        [only] => (printable(only), ""),
        _ => ("NAME".to_owned(), ", for each NAME"),
    };
    let _ = writeln!(
        text,
        "  {folder}/{folder}_metrics.csv, CASE.json, CASE.npz, logs/CASE.INTERACTION.log{whose}"
    );
}

#[cfg(test)]
mod tests {
    use segarena_core::record::Outcome;

    use super::*;
    use crate::progress::sample::{record, sound, submission};

    fn failing(outcome: Outcome, said: &str) -> CaseRecord {
        let ok = Outcome::Ok { exit_code: 0 };
        let outcomes = vec![ok.clone(), ok, outcome.clone(), outcome.clone(), outcome];
        let mut record = record("2.npz", 0.25, outcomes);
        for interaction in &mut record.interactions {
            interaction.log_tail = said.into();
        }
        record
    }

    fn run() -> RunSummary {
        let exit = Outcome::Exit {
            exit_code: 1,
            signal: None,
        };
        let mut slow = record("2.npz", 0.5, sound());
        slow.interactions[0].seconds = 200.0;
        slow.apply_time_limit(90.0, segarena_core::protocol::OverTime::Warn);
        let broken = SubmissionSummary {
            error: Some("there is no image in d.tar (save it again)".into()),
            ..submission("d", Vec::new())
        };
        RunSummary {
            submissions: vec![
                submission(
                    "a_crashing_team",
                    vec![
                        record("1.npz", 0.75, sound()),
                        failing(exit, "Traceback:\n\u{1b}[31mValueError: boxes\u{1b}[0m\n"),
                    ],
                ),
                broken,
                submission("slow", vec![record("1.npz", 0.75, sound()), slow]),
                submission(
                    "hungry",
                    vec![
                        record("1.npz", 0.5, sound()),
                        failing(Outcome::OutOfMemory { exit_code: None }, ""),
                    ],
                ),
            ],
            interrupted: false,
        }
    }

    #[test]
    fn the_best_come_first_and_every_reason_to_fail_has_its_log() {
        let look = Look {
            width: None,
            colours: false,
        };
        insta::assert_snapshot!(text(&run(), Path::new("out"), &Settings::default(), look), @r#"
        ───────────────────────────────────────────────────────────────────────────────────────────────
        rank   submission        cases   DSC AUC   NSD AUC   DSC final   NSD final   seconds   failed
        ═══════════════════════════════════════════════════════════════════════════════════════════════
           1   slow                  2    2.5000    2.5000      0.6250      0.6250     108.2        0
           2   a_crashing_team       2    1.8750    1.8750      0.5000      0.5000       8.2        1
           3   hungry                2    1.3750    1.3750      0.3750      0.3750       8.2        1
           –   d                  none
        ───────────────────────────────────────────────────────────────────────────────────────────────
        a_crashing_team failed:
          exit status 1: 3 interactions of 1 case, first 2.npz at interaction 3
            it said: ValueError: boxes
            log: out/a_crashing_team/logs/2.3.log
        hungry failed:
          out of memory: 3 interactions of 1 case, first 2.npz at interaction 3
            log: out/hungry/logs/2.3.log
        d: could not be run: there is no image in d.tar (save it again)
        warning: slow: 1 of 2 cases over the time limit, the worst 2.npz with 207.5 s of 90 s: their scores stand; the challenge's final ranking makes them 0 (over_time = "zero")
        results: out
          NAME/NAME_metrics.csv, CASE.json, CASE.npz, logs/CASE.INTERACTION.log, for each NAME
        "#);
    }

    #[test]
    fn it_fits_a_terminal_of_eighty_columns() {
        let look = Look {
            width: Some(80),
            colours: false,
        };
        let text = text(&run(), Path::new("out"), &Settings::default(), look);
        let widest = text.lines().map(console::measure_text_width).max();
        assert!(widest <= Some(80), "{text}");
        insta::assert_snapshot!(text, @r#"
        ──────────────────────────────────────────────────────────────────────────────
        rank  submission       cases     DSC     NSD     DSC     NSD  seconds  failed
                                         AUC     AUC   final   final
        ══════════════════════════════════════════════════════════════════════════════
           1  slow                 2  2.5000  2.5000  0.6250  0.6250    108.2       0
           2  a_crashing_team      2  1.8750  1.8750  0.5000  0.5000      8.2       1
           3  hungry               2  1.3750  1.3750  0.3750  0.3750      8.2       1
           –  d                 none
        ──────────────────────────────────────────────────────────────────────────────
        a_crashing_team failed:
          exit status 1: 3 interactions of 1 case, first 2.npz at interaction 3
            it said: ValueError: boxes
            log: out/a_crashing_team/logs/2.3.log
        hungry failed:
          out of memory: 3 interactions of 1 case, first 2.npz at interaction 3
            log: out/hungry/logs/2.3.log
        d: could not be run: there is no image in d.tar (save it again)
        warning: slow: 1 of 2 cases over the time limit, the worst 2.npz with 207.5 s of
          90 s: their scores stand; the challenge's final ranking makes them 0
          (over_time = "zero")
        results: out
          NAME/NAME_metrics.csv, CASE.json, CASE.npz, logs/CASE.INTERACTION.log, for
            each NAME
        "#);
    }

    #[test]
    fn colours_are_only_there_when_wanted() {
        let coloured = |colours| {
            let look = Look {
                width: None,
                colours,
            };
            text(&run(), Path::new("out"), &Settings::default(), look).contains("\u{1b}[31m")
        };
        assert_eq!((coloured(true), coloured(false)), (true, false));
    }
}
