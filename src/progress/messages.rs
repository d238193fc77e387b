//! Events in the words of a line.

use std::time::Duration;

use segarena_core::dialogue::TextPrompt;
use segarena_core::event::Event;
use segarena_core::record::{CaseRecord, ClickRecord, InteractionRecord};

/// A line to print, and how much it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) weight: Weight,
    pub(crate) text: String,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Weight {
    /// For those who want to see everything.
    Detail,
    /// Shown by bars as well.
    Step,
    /// What a person wants to read afterwards.
    News,
    /// A submission failed at an interaction.
    Failure,
    /// Told even to those who asked for quiet.
    Alarm,
}

/// The lines for an event.
pub(crate) fn lines(event: &Event) -> Vec<Line> {
    let line = |weight, text: String| vec![Line { weight, text }];
    match event {
        Event::CaseChecked { done, total, .. } if done % CHECKED == 0 && done < total => {
            line(Weight::Step, format!("{done} of {total} cases checked"))
        }
        Event::Caution { backend, text } => line(Weight::Alarm, format!("{backend}: {text}")),
        Event::RunStarted {
            submissions, cases, ..
        } => {
            let submissions = count(submissions.len(), "submission");
            let cases = count(cases.len(), "case");
            line(Weight::Step, format!("{submissions} × {cases}"))
        }
        Event::SubmissionPreparing { submission } => {
            line(Weight::Step, format!("{submission}: preparing"))
        }
        Event::SubmissionStarted {
            submission,
            finished_before,
            ..
        } if *finished_before > 0 => {
            let cases = count(*finished_before, "case");
            let text = format!("{submission}: {cases} already done by an earlier run");
            line(Weight::News, text)
        }
        Event::Note { subject, text } => line(Weight::News, format!("{subject}: {text}")),
        Event::InteractionFinished {
            submission,
            case,
            record,
        } => {
            let mut lines = Vec::new();
            if record.outcome.is_failure() {
                lines.extend(line(Weight::Failure, failure(submission, case, record)));
            }
            lines.extend(line(Weight::Detail, interaction(submission, case, record)));
            lines
        }
        Event::CaseFinished { submission, record } => line(Weight::Step, case(submission, record)),
        Event::EngineRetry {
            error,
            after_seconds,
            ..
        } => line(
            Weight::Alarm,
            format!("the engine failed, trying again in {after_seconds} s: {error}"),
        ),
        Event::SubmissionFailed { submission, error } => line(
            Weight::Alarm,
            format!("{submission}: cannot be run: {error}"),
        ),
        Event::Stopping => line(
            Weight::Alarm,
            "stopping: killing what runs and writing what is done (once more: at once)".to_owned(),
        ),
        _ => Vec::new(),
    }
}

/// After so many cases checked there is a line.
const CHECKED: usize = 50;

/// The text in lines of so many columns, broken between words; what goes on is indented by two
/// more than where it began.
pub(crate) fn wrapped(text: &str, width: Option<u16>) -> String {
    let Some(width) = width else {
        return text.to_owned();
    };
    let lines = text.lines().map(|line| {
        let margin = line.len() - line.trim_start().len();
        let indent = " ".repeat(margin + 2);
        let options = textwrap::Options::new(usize::from(width))
            .subsequent_indent(&indent)
            .word_separator(textwrap::WordSeparator::AsciiSpace)
            .word_splitter(textwrap::WordSplitter::NoHyphenation)
            // A path that is to be copied stays in one piece.
            .break_words(false);
        textwrap::fill(line, options)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// `1 case`, `2 cases`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// The first so many of some names, and how many more there are: `a, b and 3 more`.
pub(crate) fn first_few(most: usize, names: impl ExactSizeIterator<Item: AsRef<str>>) -> String {
    let more = names.len().saturating_sub(most);
    let mut words = String::new();
    for (number, name) in names.take(most).enumerate() {
        words.push_str(if number > 0 { ", " } else { "" });
        words.push_str(name.as_ref());
    }
    match more {
        0 => words,
        more => format!("{words} and {more} more"),
    }
}

/// A length of time as a person says it: `50 s`, `12 min`, `3 h 20 min`.
pub(crate) fn about(time: Duration) -> String {
    let minutes = (time.as_secs() + 30) / 60;
    match (time.as_secs(), minutes) {
        (seconds @ 0..60, _) => format!("{seconds} s"),
        (_, 0..60) => format!("{minutes} min"),
        _ => format!("{} h {} min", minutes / 60, minutes % 60),
    }
}

/// `3.1 of 8.4 GB`.
pub(crate) fn bytes(done: u64, total: Option<u64>) -> String {
    let whole = total.unwrap_or(done);
    let (unit, name) = match whole {
        1_000_000_000.. => (1e9, "GB"),
        1_000_000.. => (1e6, "MB"),
        _ => (1e3, "kB"),
    };
    let done = done as f64 / unit;
    match total {
        Some(total) => format!("{done:.1} of {:.1} {name}", total as f64 / unit),
        None => format!("{done:.1} {name}"),
    }
}

fn failure(submission: &str, case: &str, record: &InteractionRecord) -> String {
    let log = record
        .log
        .as_ref()
        .map_or(String::new(), |log| format!(" (log: {submission}/{log})"));
    format!(
        "{submission}: {case}, interaction {}: {}{log}",
        record.index,
        record.outcome.describe()
    )
}

fn interaction(submission: &str, case: &str, record: &InteractionRecord) -> String {
    let clicks = record.clicks.iter().map(click);
    let prompts: Vec<String> = clicks.chain(record.texts.iter().map(text)).collect();
    let prompts = if prompts.is_empty() {
        String::new()
    } else {
        format!("  {}", prompts.join(" "))
    };
    format!(
        "{submission}: {case}, interaction {}: {} in {:.2} s{prompts}{}",
        record.index,
        measures(record),
        record.seconds,
        matched(record)
    )
}

/// The measures that the case defines, by name.
fn measures(record: &InteractionRecord) -> String {
    let scores = record.scores();
    let defined = scores.measures.iter().filter_map(|&(name, value)| {
        let value = value?;
        Some(format!("{name} {value:.4}"))
    });
    defined.collect::<Vec<_>>().join(" ")
}

/// How many instances were matched, missed and false, and which were matched with which.
fn matched(record: &InteractionRecord) -> String {
    let Some(counted) = &record.instances else {
        return String::new();
    };
    let pairs = counted.pairs.iter().map(|pair| {
        let (truth, prediction, iou) = (pair.truth, pair.prediction, pair.iou);
        format!(" {truth}={prediction}({iou:.2})")
    });
    format!(
        "  TP {} FP {} FN {}{}",
        counted.true_positives,
        counted.false_positives,
        counted.false_negatives,
        pairs.collect::<String>()
    )
}

/// A label's words, the first of those that mean the same.
fn text(prompt: &TextPrompt) -> String {
    const LONGEST: usize = 60;
    let first = prompt.texts.first().map_or("", String::as_str);
    let mut words: String = first.chars().take(LONGEST).collect();
    if words.len() < first.len() {
        words.push('…');
    }
    match prompt.texts.len() {
        0 | 1 => format!("{}:{words:?}", prompt.label),
        many => format!("{}:{words:?} or {} more", prompt.label, many - 1),
    }
}

fn click(record: &ClickRecord) -> String {
    match (record.kind, record.at) {
        (Some(kind), Some(at)) => format!("{}:{}{at:?}", record.label, kind.name()),
        _ => format!("{}:none", record.label),
    }
}

fn case(submission: &str, record: &CaseRecord) -> String {
    let over = if record.over_time {
        format!(", over its limit of {:.0} s", record.seconds_allowed)
    } else {
        String::new()
    };
    format!(
        "{submission}: {} done: {} after {}, {:.1} s{over}",
        record.case,
        record.interactions.last().map(measures).unwrap_or_default(),
        count(record.interactions.len(), "interaction"),
        record.total_seconds,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::printable::printable;

    #[test]
    fn times_and_sizes_read_as_a_person_says_them() {
        let times = [0, 59, 60, 95, 3600, 12_000].map(|s| about(Duration::from_secs(s)));
        assert_eq!(
            times,
            ["0 s", "59 s", "1 min", "2 min", "1 h 0 min", "3 h 20 min"]
        );
        assert_eq!(bytes(3_100_000_000, Some(8_400_000_000)), "3.1 of 8.4 GB");
        assert_eq!(bytes(120_000, None), "120.0 kB");
    }

    #[test]
    fn long_lines_are_broken_between_words_and_paths_stay_whole() {
        let text = "a: the first word\n  log: a/very/long/path/that/is/to/be/copied";
        assert_eq!(
            wrapped(text, Some(12)),
            "a: the first\n  word\n  log:\n    a/very/long/path/that/is/to/be/copied"
        );
        assert_eq!(wrapped(text, None), text);
    }

    #[test]
    fn what_a_terminal_would_obey_is_replaced() {
        assert_eq!(
            printable("\u{1b}[2Jgone\u{7}\nnext\r"),
            "\u{fffd}[2Jgone\u{fffd}\nnext\u{fffd}"
        );
    }
}
