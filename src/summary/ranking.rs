//! The submissions, best first, and their table.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use segarena_core::record::CaseRecord;
use segarena_core::run::SubmissionSummary;

use super::Look;
use crate::progress::printable;
use crate::scores::{SCORES, SECONDS, Score, common_cases, scores_of};
use crate::statistics::ranks;

/// A submission and its rank; none for one without a case, or where no case is common to all.
pub(super) type Ranked<'a> = (Option<usize>, &'a SubmissionSummary);

/// The submissions, best first, by the [rank](ranks) that the report gives them as well: over the
/// cases that all have.
pub(super) fn ranking(submissions: &[SubmissionSummary]) -> Vec<Ranked<'_>> {
    let records: Vec<&[CaseRecord]> = submissions.iter().map(|s| &s.records[..]).collect();
    let common = common_cases(&records);
    let (with_cases, without): (Vec<_>, Vec<_>) =
        submissions.iter().partition(|s| !s.records.is_empty());
    let scores: Vec<_> = with_cases
        .iter()
        .map(|submission| scores_of(&submission.records, &common))
        .collect();
    let mut ranked: Vec<Ranked<'_>> = ranks(&scores)
        .into_iter()
        .map(|rank| (!common.is_empty()).then_some(rank))
        .zip(with_cases)
        .collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.extend(without.into_iter().map(|submission| (None, submission)));
    ranked
}

pub(super) fn table(ranked: &[Ranked<'_>], look: Look) -> Table {
    let mut table = Table::new();
    // On a narrow terminal the headings stand on two lines.
    let is_narrow = look.width.is_some_and(|width| width < WIDE);
    let scores = SCORES.iter().map(|score| match is_narrow {
        true => score.name.replace(' ', "\n"),
        false => score.name.to_owned(),
    });
    let header: Vec<String> = ["rank", "submission", "cases"]
        .map(str::to_owned)
        .into_iter()
        .chain(scores)
        .chain(["seconds", "failed"].map(str::to_owned))
        .collect();
    let columns = header.len();
    let style = UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_header(header);
    if let Some(width) = look.width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    for (rank, submission) in ranked {
        let mut row = row(*rank, submission);
        row.resize(columns, String::new());
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if is_narrow { 1 } else { 2 }));
        if index != 1 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A terminal with so many columns takes the table on single lines.
const WIDE: u16 = 100;

fn row(rank: Option<usize>, submission: &SubmissionSummary) -> Vec<String> {
    let name = printable(&submission.name);
    let rank = rank.map_or("–".to_owned(), |rank| rank.to_string());
    if submission.records.is_empty() {
        return vec![rank, name, "none".to_owned()];
    }
    let mean = |score: &Score, digits: usize| {
        let values = submission.records.iter().map(score.of);
        let mean = values.sum::<f64>() / submission.records.len() as f64;
        format!("{mean:.digits$}")
    };
    let failed = submission.records.iter().filter(|r| r.has_failure());
    let mut row = vec![rank, name, submission.records.len().to_string()];
    row.extend(SCORES.iter().map(|score| mean(score, 4)));
    row.extend([mean(&SECONDS, 1), failed.count().to_string()]);
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::sample::{record, sound, submission};

    #[test]
    fn equals_share_the_better_rank() {
        let cases = |score| vec![record("1.npz", score, sound())];
        let submissions =
            [("a", 0.5), ("b", 0.7), ("c", 0.5)].map(|(n, s)| submission(n, cases(s)));
        let ranks = ranking(&submissions);
        let ranks: Vec<_> = ranks
            .iter()
            .map(|(rank, s)| (rank.unwrap(), &*s.name))
            .collect();
        assert_eq!(ranks, [(1, "b"), (2, "a"), (2, "c")]);
    }
}
