//! `report.html`: one page that opens from disk and can be sent to somebody, and its figures and
//! tables as files for a paper.

mod board;
mod charts;
mod data;
mod effort;
mod export;
mod failures;
mod figures;
mod marks;
mod ongoing;
mod outline;
mod page;
mod picture;
mod slices;
mod table;
mod tables;
mod text;
mod views;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use askama::Template;
use rayon::prelude::*;
use segarena_core::case::CaseFiles;
use segarena_core::record::CaseRecord;
use segarena_core::results::write_whole;
use segarena_core::run::{PastRun, PastSubmission};

use crate::ranking::Settings;
use board::{Board, Significance};
use figures::{Figure, figures};
use page::{CaseView, Page};
use slices::Slice;
use table::Table;
use views::Team;

pub(crate) use ongoing::{is_going_on, last_change};

/// Everything that the page shows and that can be exported.
struct Contents<'a> {
    run: &'a PastRun,
    board: Board<'a>,
    tested: Vec<Significance>,
    tables: Vec<Table>,
    figures: Vec<Figure>,
}

impl<'a> Contents<'a> {
    fn of(run: &'a PastRun, settings: &'a Settings) -> Self {
        let board = Board::of(run, settings);
        let tested = board.significance();
        let tables = vec![
            board.table(),
            board.schemes(),
            board.stability(),
            board.significance_table(&tested),
            tables::curves(&board),
            effort::table(&board),
            tables::labels(&board),
            tables::instances(&board),
            tables::times(&board),
        ];
        Self {
            figures: figures(&board, &tested),
            run,
            board,
            tested,
            tables,
        }
    }

    fn table(&self, id: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }
}

/// Writes the report of a past run into its folder and says where it is.
pub(crate) fn write(output: &Path, settings: &Settings) -> Result<PathBuf> {
    let run = PastRun::read_without_words(output)?;
    write_page(&Contents::of(&run, settings), None)
}

/// The same, with every figure and table as files in a folder, to which the page links.
pub(crate) fn write_with_export(
    output: &Path,
    settings: &Settings,
    folder: &Path,
) -> Result<PathBuf> {
    let run = PastRun::read_without_words(output)?;
    let contents = Contents::of(&run, settings);
    export::write(&contents, folder)?;
    write_page(&contents, Some(folder))
}

fn write_page(contents: &Contents<'_>, exported: Option<&Path>) -> Result<PathBuf> {
    let output = &contents.run.output;
    let views = views(contents.run, contents.board.with_cases());
    let links = exported.map(|folder| export::Links::from(output, folder));
    let page = Page::of(contents, views, links.as_ref());
    let path = output.join("report.html");
    let html = page.render().context("cannot fill in the report")?;
    write_whole(&path, html.as_bytes())?;
    Ok(path)
}

/// Where a case of a past run was, as far as the record tells.
pub(crate) fn case_files(run: &PastRun, case: &str) -> CaseFiles {
    let images = Path::new(&run.record.images);
    let image = images.join(case);
    let truth = run.record.ground_truth.as_ref();
    CaseFiles {
        name: case.to_owned(),
        ground_truth: truth.map_or_else(|| image.clone(), |folder| Path::new(folder).join(case)),
        image,
    }
}

/// The most cases with pictures in one report, which bounds its size.
const PICTURES: usize = 24;
/// Of each submission, the worst ones …
const WORST: usize = 4;
/// … and so many spread over the rest.
const SAMPLE: usize = 2;

fn views(run: &PastRun, teams: &[Team<'_>]) -> Vec<CaseView> {
    let share = (PICTURES / teams.len().max(1)).clamp(1, WORST + SAMPLE);
    let chosen = teams.iter().flat_map(|team| {
        let cases = chosen_cases(team.past, share).into_iter();
        cases.map(move |(record, place)| (team.past, record, place))
    });
    let chosen: Vec<_> = chosen.take(PICTURES).collect();
    let looked_at = chosen.into_par_iter().map(|(team, record, place)| {
        let looked = Slice::of(team, record, &case_files(run, &record.case));
        let (slice, problem) = match looked {
            Ok(slice) => (Some(slice), String::new()),
            Err(error) => (None, format!("No picture: {error:#}")),
        };
        CaseView {
            submission: team.name.clone(),
            case: record.case.clone(),
            place,
            slice,
            problem,
        }
    });
    looked_at.collect()
}

/// The worst cases by their main score and a sample of the others, each with its place from the top.
fn chosen_cases(team: &PastSubmission, count: usize) -> Vec<(&CaseRecord, String)> {
    let mut cases: Vec<&CaseRecord> = team.cases.iter().collect();
    let score = |case: &CaseRecord| case.main_score().map_or(0.0, |(_, score)| score);
    cases.sort_by(|a, b| score(a).total_cmp(&score(b)));
    let indexes = worst_and_sample(cases.len(), count).into_iter();
    let all = cases.len();
    indexes
        .map(|index| (cases[index], format!("place {} of {all}", all - index)))
        .collect()
}

/// `count` of the places `0..all`: the first ones, and some spread over the rest.
fn worst_and_sample(all: usize, count: usize) -> Vec<usize> {
    let worst = count.min(WORST).min(all);
    let rest = all - worst;
    let sample = (count - worst).min(rest);
    let spread = (1..=sample).map(|number| worst + (2 * number - 1) * rest / (2 * sample));
    (0..worst).chain(spread).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_are_chosen_and_a_sample_of_the_others() {
        assert_eq!(worst_and_sample(0, 6), [0; 0]);
        assert_eq!(worst_and_sample(3, 6), [0, 1, 2]);
        assert_eq!(worst_and_sample(6, 6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(worst_and_sample(100, 6), [0, 1, 2, 3, 28, 76]);
        assert_eq!(worst_and_sample(100, 1), [0]);
    }
}
