//! The checks as a person reads them.

use console::Style;

use super::{Check, Examination, Verdict};
use crate::printable::printable;
use crate::progress::{count, wrapped};
use crate::summary::Look;

/// The examination, a line or more for each check, and the sum of it.
pub(crate) fn text(examination: &Examination, look: Look) -> String {
    let Examination {
        submission,
        backend,
        checks,
        ..
    } = examination;
    let mut text = format!("{} on {backend}\n\n", printable(submission));
    let names = checks.iter().map(|check| check.name.chars().count());
    let widest = names.max().unwrap_or(0);
    let mut last_log = "";
    for check in checks {
        let is_new = check.log.is_empty() || check.log != last_log;
        text.push_str(&lines(check, is_new, widest, look));
        if !check.log.is_empty() {
            last_log = &check.log;
        }
    }
    let number = |verdict| checks.iter().filter(|c| c.verdict == verdict).count();
    let warnings = count(number(Verdict::Warning), "warning");
    let sum = format!(
        "\n{} ok, {warnings}, {} failed\n",
        number(Verdict::Ok),
        number(Verdict::Failed)
    );
    text.push_str(&sum);
    if let Some(folder) = &examination.folder {
        let folder = folder.display();
        text.push_str(&format!("inputs, outputs, logs and results: {folder}\n"));
    }
    text
}

fn lines(check: &Check, is_new: bool, widest: usize, look: Look) -> String {
    let style = Style::new().force_styling(look.colours);
    let (word, style) = match check.verdict {
        Verdict::Ok => ("ok", style.green()),
        Verdict::Warning => ("warning", style.yellow()),
        Verdict::Failed => ("FAILED", style.red().bold()),
    };
    let word = style.apply_to(format!("{word:<7}"));
    let margin = 7 + 2 + widest + 2;
    let body = look
        .width
        .map(|width| width.saturating_sub(margin as u16).max(30));
    let seen = paragraph(&check.seen, margin, body);
    let mut text = format!("{word}  {:<widest$}  {}\n", check.name, seen.trim_start());
    if let Some(advice) = &check.advice {
        text.push_str(&paragraph(&format!("→ {advice}"), margin, body));
        text.push('\n');
    }
    let log: Vec<&str> = match is_new {
        true => check.log.lines().collect(),
        false => vec!["the same words as before"],
    };
    for line in &log[log.len().saturating_sub(LOG_LINES)..] {
        text.push_str(&format!(
            "{:margin$}| {}\n",
            "",
            printable(&console::strip_ansi_codes(line))
        ));
    }
    text
}

/// So much of what a submission printed is shown.
const LOG_LINES: usize = 20;

/// The text in lines of this width behind a margin.
fn paragraph(text: &str, margin: usize, width: Option<u16>) -> String {
    let wrapped = wrapped(&printable(text), width);
    let lines = wrapped.lines().map(|line| format!("{:margin$}{line}", ""));
    lines.collect::<Vec<_>>().join("\n")
}
