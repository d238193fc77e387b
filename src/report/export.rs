//! Figures and tables as files, for a paper and for machines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use rayon::prelude::*;
use segarena_core::results::{create_folder, write_json, write_whole};
use serde_json::{Value, json};
use svg2pdf::usvg;

use super::table::{Cell, Holds, Table};
use super::{Contents, charts, tables};

/// The table that the R package challengeR reads.
const LONG_TABLE: &str = "challengeR.csv";
const SUMMARY: &str = "summary.json";

/// Writes everything into a folder, which is made where it is not there. Files of other names that
/// are in it stay.
///
/// # Errors
/// When a file can't be written, or a figure can't be drawn.
pub(super) fn write(contents: &Contents<'_>, folder: &Path) -> Result<()> {
    create_folder(folder)?;
    let cases = tables::cases(&contents.board);
    for table in contents.tables.iter().chain([&cases]) {
        write_whole(&folder.join(format!("{}.csv", table.id)), &table.csv()?)?;
        write_whole(
            &folder.join(format!("{}.tex", table.id)),
            table.latex().as_bytes(),
        )?;
    }
    let options = options();
    contents.figures.par_iter().try_for_each(|figure| {
        let svg = charts::on_its_own(&figure.svg);
        let (svg, pdf) = outlined(&svg, &options)
            .with_context(|| format!("cannot draw the figure {}", figure.id))?;
        write_whole(&folder.join(format!("{}.svg", figure.id)), svg.as_bytes())?;
        write_whole(&folder.join(format!("{}.pdf", figure.id)), &pdf)?;
        Ok::<(), anyhow::Error>(())
    })?;
    write_whole(&folder.join(LONG_TABLE), &long_table(contents)?)?;
    write_json(&folder.join(SUMMARY), &summary(contents))?;
    Ok(())
}

/// A figure as SVG and as PDF with its letters as outlines or in an embedded font, so that it looks
/// the same everywhere.
fn outlined(svg: &str, options: &usvg::Options<'_>) -> Result<(String, Vec<u8>)> {
    let tree = usvg::Tree::from_str(svg, options)?;
    let page = svg2pdf::PageOptions { dpi: 96.0 };
    let pdf = svg2pdf::to_pdf(&tree, svg2pdf::ConversionOptions::default(), page)
        .map_err(|error| anyhow!("{error}"))?;
    let svg = tree.to_string(&usvg::WriteOptions::default());
    Ok((svg, pdf))
}

/// With the font that comes with the program: what the machine has does not matter.
fn options() -> usvg::Options<'static> {
    let mut fonts = usvg::fontdb::Database::new();
    fonts.load_font_data(dejavu::sans::regular().to_vec());
    fonts.load_font_data(dejavu::sans::bold().to_vec());
    fonts.set_sans_serif_family("DejaVu Sans");
    usvg::Options {
        font_family: "DejaVu Sans".to_owned(),
        fontdb: Arc::new(fonts),
        ..usvg::Options::default()
    }
}

/// A line for each column that counts, case and submission, with a missing case as the worst:
/// `task` (the column), `case`, `algorithm`, `value`, and the case's `group`, for
/// `challengeR::as.challenge(data, by = "task", algorithm = "algorithm", case = "case", value =
/// "value", smallBetter = FALSE)`. Values of columns where lower is better have their sign turned.
fn long_table(contents: &Contents<'_>) -> Result<Vec<u8>> {
    let (field, teams) = (&contents.board.field, contents.board.with_cases());
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["task", "case", "algorithm", "value", "group"])?;
    for counted in &field.columns {
        for (case, merits) in counted.merits.iter().enumerate() {
            for (team, merit) in teams.iter().zip(merits) {
                // What R reads as missing.
                let merit = match merit.is_finite() {
                    true => merit.to_string(),
                    false => "NA".to_owned(),
                };
                writer.write_record([
                    &counted.column.id,
                    &field.cases[case],
                    &team.name,
                    &merit,
                    &field.groups[case],
                ])?;
            }
        }
    }
    Ok(writer.into_inner()?)
}

/// All tables but that of the cases, and what was evaluated, as JSON.
fn summary(contents: &Contents<'_>) -> Value {
    let tables = contents
        .tables
        .iter()
        .map(|table| (table.id.to_owned(), as_json(table)));
    let record = &contents.run.record;
    let significance = contents.tested.iter().map(|tested| &tested.column.id);
    json!({
        "schema": 1,
        "segarena": env!("CARGO_PKG_VERSION"),
        "made": super::ongoing::now(),
        "run": {
            "run_id": record.run_id,
            "started": record.started,
            "finished": record.finished,
            "protocol": record.protocol,
            "click_policy": record.click_policy,
            "cases": record.cases,
        },
        "ranking": contents.board.settings,
        "ranked_by": significance.collect::<Vec<_>>(),
        "ranked_cases": contents.board.field.cases,
        "tables": tables.collect::<serde_json::Map<_, _>>(),
    })
}

/// The rows as objects: numbers as numbers, an interval as `{value, low, high}`.
fn as_json(table: &Table) -> Value {
    let rows = table.rows.iter().map(|row| {
        let cells = table.headings.iter().zip(&row.cells);
        let mut object: serde_json::Map<String, Value> = cells
            .map(|(heading, cell)| (heading.name.clone(), value(heading.holds, cell)))
            .collect();
        if table.has_views() {
            object.insert("over".to_owned(), json!(row.over));
        }
        Value::Object(object)
    });
    Value::Array(rows.collect())
}

fn value(holds: Holds, cell: &Cell) -> Value {
    match (holds, &cell.interval) {
        (Holds::Text, _) => json!(cell.text),
        (Holds::Intervals, Some(interval)) => json!({
            "value": interval.value,
            "low": interval.low,
            "high": interval.high,
        }),
        (Holds::Intervals, None) => json!({ "value": cell.value }),
        (Holds::Numbers, _) => json!(cell.value),
    }
}

/// The way from the page to the exported files.
pub(super) struct Links {
    folder: PathBuf,
}

impl Links {
    /// From a page in `output` to files in `folder`: relative where that is below it.
    pub(super) fn from(output: &Path, folder: &Path) -> Self {
        let whole = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (output, folder) = (whole(output), whole(folder));
        let below = folder.strip_prefix(&output).map(Path::to_owned);
        Self {
            folder: below.unwrap_or(folder),
        }
    }

    fn to(&self, kind: &'static str, file: &str) -> (&'static str, String) {
        let path = self.folder.join(file);
        let path = path.to_string_lossy();
        // What a URL would read otherwise.
        let mut url = String::new();
        for byte in path.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                    url.push(byte as char);
                }
                other => url.push_str(&format!("%{other:02X}")),
            }
        }
        let scheme = if path.starts_with('/') {
            "file://"
        } else {
            "./"
        };
        (kind, format!("{scheme}{url}"))
    }

    pub(super) fn of_table(&self, id: &str) -> Vec<(&'static str, String)> {
        vec![
            self.to("CSV", &format!("{id}.csv")),
            self.to("LaTeX", &format!("{id}.tex")),
        ]
    }

    pub(super) fn of_figure(&self, id: &str) -> Vec<(&'static str, String)> {
        vec![
            self.to("SVG", &format!("{id}.svg")),
            self.to("PDF", &format!("{id}.pdf")),
        ]
    }

    /// Those of the cases and of all that is said, for machines.
    pub(super) fn of_cases(&self) -> Vec<(&'static str, String)> {
        let mut links = self.of_table("cases");
        links.push(self.to("all tables as JSON", SUMMARY));
        links.push(self.to("long table for challengeR", LONG_TABLE));
        links
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_becomes_a_pdf_and_an_svg_without_a_font_of_the_machine() {
        let svg = "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"90\" height=\"40\">\
                   <text x=\"5\" y=\"20\" font-family=\"sans-serif\" font-size=\"12\">τ DSC</text>\
                   </svg>";
        let (svg, pdf) = outlined(svg, &options()).unwrap();
        assert!(
            !svg.contains("<text") && svg.matches("<path").count() >= 1,
            "{svg}"
        );
        assert!(pdf.starts_with(b"%PDF"));
        let has = |words: &[u8]| pdf.windows(words.len()).any(|found| found == words);
        assert!(
            has(b"/FontFile") || has(b"DejaVuSans"),
            "the letters are embedded"
        );
    }

    #[test]
    fn links_lead_from_the_page_to_the_files_whatever_their_names() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a b");
        std::fs::create_dir_all(out.join("paper#1")).unwrap();
        let links = Links::from(&out, &out.join("paper#1"));
        assert_eq!(links.of_table("x")[0].1, "./paper%231/x.csv");
        let other = Links::from(&out.join("paper#1"), &out);
        assert!(other.of_figure("y")[1].1.starts_with("file:///"));
        assert!(other.of_figure("y")[1].1.ends_with("/a%20b/y.pdf"));
    }
}
