//! What the page's script draws the heatmap and the table of cases from: every number once, packed.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use segarena_core::record::{CaseRecord, Outcome};
use serde::Serialize;

use super::board::Board;
use super::page::CaseView;
use super::tables::{measures, most_interactions, outcome};
use super::text;
use super::views::Team;
use crate::ranking::Column;

/// The data as the script reads them. Numbers of cases are in the order submission by submission,
/// each with all cases; 0 stands for a missing one, and values are one more than they are.
#[derive(Serialize)]
pub(super) struct PageData {
    submissions: Vec<String>,
    /// The groups' names, and the number of the group of each case.
    groups: Vec<String>,
    cases: Vec<(String, usize)>,
    columns: Vec<PackedColumn>,
    /// The texts that outcomes are the numbers of, and these.
    outcomes: Vec<String>,
    outcome: String,
    /// Scores after each interaction, in 250ths.
    interactions: usize,
    scores: Vec<(&'static str, String)>,
    /// Where there is a picture: submission, case, and the picture's number.
    pictures: Vec<[usize; 3]>,
}

/// A column of the table: whole numbers of 4 bytes, little-endian, to be divided.
#[derive(Serialize)]
struct PackedColumn {
    name: String,
    digits: usize,
    /// How many bytes a number takes.
    bytes: usize,
    values: String,
}

/// The cases in the order of their groups and names: the group and the case's file name.
pub(super) fn cases(board: &Board<'_>) -> Vec<(String, String)> {
    let all = board.with_cases().iter().flat_map(|team| &team.past.cases);
    let cases: BTreeSet<(String, String)> = all
        .map(|case| {
            let group = board.settings.groups.of(&case.case).to_owned();
            (group, case.case.clone())
        })
        .collect();
    cases.into_iter().collect()
}

/// A submission's records by their cases' names.
pub(super) fn by_name<'a>(team: &Team<'a>) -> BTreeMap<&'a str, &'a CaseRecord> {
    let cases = team.past.cases.iter();
    cases.map(|case| (case.case.as_str(), case)).collect()
}

impl PageData {
    pub(super) fn of(board: &Board<'_>, views: &[CaseView]) -> Self {
        let cases = cases(board);
        let teams = board.with_cases();
        let records: Vec<Option<&CaseRecord>> = teams
            .iter()
            .flat_map(|team| {
                let by_name = by_name(team);
                let records = cases
                    .iter()
                    .map(move |(_, case)| by_name.get(case.as_str()).copied());
                records.collect::<Vec<_>>()
            })
            .collect();
        let columns = board.columns.iter().map(|column| (column, 4));
        let seconds = Column::seconds();
        let columns = columns.chain([(&seconds, 1)]).map(|(column, digits)| {
            let values = records.iter().map(|record| column.of((*record)?));
            let name = match column.is_seconds() {
                true => "Seconds".to_owned(),
                false => column.name.clone(),
            };
            PackedColumn::of(name, digits, values)
        });
        let mut outcomes: Vec<String> = Vec::new();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        let outcome = records.iter().map(|record| {
            let Some(record) = record else { return 0 };
            let words = text::line(&outcome(record));
            let place = *places.entry(words).or_insert_with_key(|words| {
                outcomes.push(words.clone());
                outcomes.len()
            });
            place as u64
        });
        let outcome = packed(outcome.collect(), 2);
        let most = most_interactions(board);
        let scores = measures(board).into_iter().map(|name| {
            let steps = records.iter().flat_map(|record| {
                (0..most).map(move |index| {
                    let interaction = (*record)?.interactions.get(index)?;
                    let given = interaction.outcome != Outcome::Skipped;
                    interaction.measure(name).filter(|_| given)
                })
            });
            let shades = steps.map(|value| {
                value.map_or(0, |value| {
                    1 + (value.clamp(0.0, 1.0) * 250.0).round() as u64
                })
            });
            (name, packed(shades.collect(), 1))
        });
        let groups: BTreeSet<&str> = cases.iter().map(|(group, _)| group.as_str()).collect();
        let groups: Vec<&str> = groups.into_iter().collect();
        let picture = |(number, view): (usize, &CaseView)| {
            let team = teams
                .iter()
                .position(|team| team.past.name == view.submission)?;
            let case = cases.iter().position(|(_, case)| *case == view.case)?;
            Some([team, case, number])
        };
        Self {
            submissions: teams.iter().map(|team| team.name.clone()).collect(),
            columns: columns.collect(),
            outcome,
            outcomes,
            interactions: most,
            scores: scores.collect(),
            pictures: views.iter().enumerate().filter_map(picture).collect(),
            cases: cases
                .iter()
                .map(|(group, case)| {
                    let group = groups.binary_search(&group.as_str()).unwrap_or(0);
                    (text::line(case), group)
                })
                .collect(),
            groups: groups.into_iter().map(text::line).collect(),
        }
    }

    /// As JSON that can stand in a script element.
    pub(super) fn json(&self) -> String {
        let json = serde_json::to_string(self).unwrap_or_else(|_| "null".to_owned());
        json.replace('<', "\\u003c")
    }
}

impl PackedColumn {
    fn of(name: String, digits: usize, values: impl Iterator<Item = Option<f64>>) -> Self {
        // By way of the text, so that the page rounds as the tables do.
        let whole = |value: f64| {
            let text = format!("{:.digits$}", value.max(0.0));
            let whole: u64 = text.replace('.', "").parse().unwrap_or(0);
            whole + 1
        };
        let values: Vec<u64> = values
            .map(|value| value.filter(|value| value.is_finite()).map_or(0, whole))
            .collect();
        let most = values.iter().copied().max().unwrap_or(0);
        let bytes = if most < 1 << 16 { 2 } else { 4 };
        Self {
            name,
            digits,
            bytes,
            values: packed(values, bytes),
        }
    }
}

/// The numbers one after the other, the lowest byte first; those that don't fit are the highest.
fn packed(values: Vec<u64>, bytes: usize) -> String {
    let most = (1_u64 << (8 * bytes)) - 1;
    let all = values.into_iter().map(|value| value.min(most));
    let all: Vec<u8> = all
        .flat_map(|value| value.to_le_bytes().into_iter().take(bytes))
        .collect();
    BASE64.encode(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_packed_as_the_tables_round_them() {
        let values = [Some(0.12345), None, Some(4.0), Some(f64::NAN)];
        let column = PackedColumn::of("x".to_owned(), 4, values.into_iter());
        let bytes = BASE64.decode(column.values).unwrap();
        let numbers: Vec<u16> = bytes
            .chunks(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
            .collect();
        let first: u16 = format!("{:.4}", 0.12345).replace("0.", "").parse().unwrap();
        assert_eq!((column.bytes, numbers), (2, vec![first + 1, 0, 40_001, 0]));
        let long = PackedColumn::of("s".to_owned(), 1, [Some(1e5)].into_iter());
        assert_eq!(
            (long.bytes, packed(vec![300], 1)),
            (4, BASE64.encode([255]))
        );
    }
}
