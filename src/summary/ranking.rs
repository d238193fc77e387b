//! The submissions, best first, and their table.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table};
use segarena_core::record::CaseRecord;
use segarena_core::run::{RunSummary, SubmissionSummary};

use super::Look;
use crate::printable::printable;
use crate::progress::count;
use crate::ranking::{Column, Entrant, Field, Missing, Settings, scores_of};
use crate::statistics::mean;

/// A submission and its rank; none for one without a case, or where there is nothing to rank by.
pub(super) type Ranked<'a> = (Option<usize>, &'a SubmissionSummary);

/// The submissions, best first, by the rank that the report gives them as well.
pub(super) struct Ranking<'a> {
    pub(super) ranked: Vec<Ranked<'a>>,
    /// What there is to say of the ranks, a line each.
    pub(super) remarks: Vec<String>,
}

impl<'a> Ranking<'a> {
    pub(super) fn of(summary: &'a RunSummary, settings: &Settings) -> Self {
        let submissions = &summary.submissions;
        let (with_cases, without): (Vec<_>, Vec<_>) =
            submissions.iter().partition(|s| !s.records.is_empty());
        let entrants: Vec<Entrant<'_>> = with_cases
            .iter()
            .map(|submission| Entrant {
                name: &submission.name,
                records: &submission.records,
            })
            .collect();
        let missing = match summary.interrupted {
            true => Missing::AreLeftOut,
            false => Missing::AreWorst,
        };
        let cases = records(submissions).map(|record| record.case.as_str());
        let field = Field::new(&entrants, cases, missing, settings);
        let places = field.places(settings.scheme, &field.all());
        let mut remarks = Vec::new();
        remarks.extend(missing_cases(&entrants, &field, missing));
        remarks.extend(other_scheme(&entrants, &field, settings, &places));
        let rank = |place| (!field.is_empty()).then_some(place);
        let mut ranked: Vec<Ranked<'_>> = places.into_iter().map(rank).zip(with_cases).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.extend(without.into_iter().map(|submission| (None, submission)));
        Self { ranked, remarks }
    }
}

fn records(submissions: &[SubmissionSummary]) -> impl Iterator<Item = &CaseRecord> + Clone {
    submissions
        .iter()
        .flat_map(|submission| &submission.records)
}

/// Which cases are missing, and what that costs.
fn missing_cases(entrants: &[Entrant<'_>], field: &Field, missing: Missing) -> Option<String> {
    let least = entrants.iter().map(|entrant| entrant.records.len()).min()?;
    if missing == Missing::AreLeftOut || least >= field.cases.len() {
        return None;
    }
    let lacking = entrants.iter().filter_map(|entrant| {
        let lacks = field.cases.len() - entrant.records.len();
        (lacks > 0).then(|| format!("{} lacks {}", printable(entrant.name), count(lacks, "case")))
    });
    let lacking: Vec<String> = lacking.collect();
    Some(format!(
        "missing cases count as the worst in the ranks: {}",
        lacking.join(", ")
    ))
}

/// The order by the scheme that does not decide, where it is another.
fn other_scheme(
    entrants: &[Entrant<'_>],
    field: &Field,
    settings: &Settings,
    places: &[usize],
) -> Option<String> {
    let scheme = settings.scheme.other();
    let others = field.places(scheme, &field.all());
    if others == places {
        return None;
    }
    let mut order: Vec<(usize, &str)> = others
        .into_iter()
        .zip(entrants.iter().map(|entrant| entrant.name))
        .collect();
    order.sort_by_key(|(place, _)| *place);
    let order: Vec<String> = order
        .into_iter()
        .map(|(place, name)| format!("{place} {}", printable(name)))
        .collect();
    Some(format!(
        "by {} the order is another: {}",
        scheme.name(),
        order.join(", ")
    ))
}

pub(super) fn table(ranked: &[Ranked<'_>], look: Look) -> Table {
    let mut table = Table::new();
    // On a narrow terminal the headings stand on two lines.
    let is_narrow = look.width.is_some_and(|width| width < WIDE);
    let columns = scores_of(
        ranked
            .iter()
            .flat_map(|(_, submission)| &submission.records),
    );
    let scores = columns.iter().map(|score| match is_narrow {
        true => score.name.replace(' ', "\n"),
        false => score.name.clone(),
    });
    let header: Vec<String> = ["rank", "submission", "cases"]
        .map(str::to_owned)
        .into_iter()
        .chain(scores)
        .chain(["seconds", "failed"].map(str::to_owned))
        .collect();
    let width = header.len();
    let style = UTF8_HORIZONTAL_ONLY.row_separator(LineStyle::none());
    table.load_style(style).set_header(header);
    if let Some(width) = look.width {
        table
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(width);
    }
    for (rank, submission) in ranked {
        let mut row = row(*rank, submission, &columns);
        row.resize(width, String::new());
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

fn row(rank: Option<usize>, submission: &SubmissionSummary, columns: &[Column]) -> Vec<String> {
    let name = printable(&submission.name);
    let rank = rank.map_or("–".to_owned(), |rank| rank.to_string());
    if submission.records.is_empty() {
        return vec![rank, name, "none".to_owned()];
    }
    let figure = |column: &Column, digits: usize| {
        let values: Vec<f64> = submission
            .records
            .iter()
            .filter_map(|record| column.of(record))
            .collect();
        match values.is_empty() {
            true => "–".to_owned(),
            false => format!("{:.digits$}", mean(&values)),
        }
    };
    let failed = submission.records.iter().filter(|r| r.has_failure());
    let mut row = vec![rank, name, submission.records.len().to_string()];
    row.extend(columns.iter().map(|column| figure(column, 4)));
    row.extend([figure(&Column::seconds(), 1), failed.count().to_string()]);
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::sample::{record, sound, submission};

    #[test]
    fn where_the_schemes_disagree_both_orders_are_told() {
        let cases = |scores: [f64; 3]| {
            let scores = scores.iter().enumerate();
            let cases = scores.map(|(case, score)| record(&format!("{case}.npz"), *score, sound()));
            cases.collect()
        };
        let mut summary = RunSummary {
            submissions: vec![
                submission("steady", cases([0.6, 0.6, 0.1])),
                submission("lucky", cases([0.5, 0.5, 0.9])),
            ],
            interrupted: false,
        };
        let told = Ranking::of(&summary, &Settings::default());
        assert_eq!(
            (told.ranked[0].0, &*told.ranked[0].1.name),
            (Some(1), "lucky")
        );
        let order = "by rank-then-mean the order is another: 1 steady, 2 lucky";
        assert_eq!(told.remarks, [order]);
        summary.submissions[1].records.pop();
        let told = Ranking::of(&summary, &Settings::default());
        let missing = "missing cases count as the worst in the ranks: lucky lacks 1 case";
        assert_eq!(told.remarks, [missing]);
    }
}
