//! A table, for the page, as CSV and as LaTeX.

use std::fmt::Write as _;

use crate::statistics::Interval;

/// A table with a title and a caption.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// Its name in files and on the page.
    pub(super) id: &'static str,
    pub(super) title: &'static str,
    pub(super) caption: String,
    pub(super) headings: Vec<Heading>,
    pub(super) rows: Vec<Row>,
}

/// What a column is called, and what it holds.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    pub(super) name: String,
    pub(super) holds: Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Numbers,
    /// Numbers, and how sure they are.
    Intervals,
}

/// A row, over the cases of a view.
#[derive(Debug, Clone)]
pub(super) struct Row {
    /// The view's number; none for a row that is over all cases and belongs to every view.
    pub(super) view: Option<usize>,
    /// The view's name, for files.
    pub(super) over: String,
    pub(super) cells: Vec<Cell>,
}

/// What stands in a row under a heading.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    pub(super) text: String,
    /// The number itself, where it is one.
    pub(super) value: Option<f64>,
    pub(super) interval: Option<Interval>,
    /// The interval in words, or another remark.
    pub(super) small: String,
    /// The number and the colour of the submission that this is the name of.
    pub(super) submission: Option<(usize, &'static str, &'static str)>,
}

impl Heading {
    pub(super) fn text(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            holds: Holds::Text,
        }
    }

    pub(super) fn numbers(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            holds: Holds::Numbers,
        }
    }

    pub(super) fn intervals(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            holds: Holds::Intervals,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        self.holds == Holds::Text
    }
}

impl Cell {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// A number with so many digits after the point; a dash for none.
    pub(super) fn number(value: Option<f64>, digits: usize) -> Self {
        Self {
            text: value.map_or("–".to_owned(), |value| format!("{value:.digits$}")),
            value,
            ..Self::default()
        }
    }

    pub(super) fn count(count: usize) -> Self {
        Self::number(Some(count as f64), 0)
    }

    /// A share of 1, as a percentage.
    pub(super) fn share(share: Option<f64>) -> Self {
        Self {
            text: share.map_or("–".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
            value: share,
            ..Self::default()
        }
    }

    pub(super) fn interval(interval: Interval, digits: [usize; 2]) -> Self {
        let Interval { value, low, high } = interval;
        let [digits, between] = digits;
        Self {
            text: format!("{value:.digits$}"),
            value: Some(value),
            interval: Some(interval),
            small: format!("{low:.between$}–{high:.between$}"),
            submission: None,
        }
    }

    pub(super) fn with_remark(mut self, remark: impl Into<String>) -> Self {
        self.small = remark.into();
        self
    }

    /// What a page sorts by.
    pub(super) fn key(&self) -> String {
        self.value.map_or(String::new(), |value| value.to_string())
    }
}

impl Table {
    /// Whether there are rows for more than one choice of cases.
    pub(super) fn has_views(&self) -> bool {
        self.rows.iter().any(|row| row.view != self.rows[0].view)
    }

    /// The table as CSV with all digits; an interval has three columns.
    ///
    /// # Errors
    /// None is known for writing to memory.
    pub(super) fn csv(&self) -> anyhow::Result<Vec<u8>> {
        let has_views = self.has_views();
        let mut writer = csv::Writer::from_writer(Vec::new());
        let mut line: Vec<String> = Vec::new();
        line.extend(has_views.then(|| "over".to_owned()));
        for heading in &self.headings {
            line.push(heading.name.clone());
            if heading.holds == Holds::Intervals {
                line.extend(["low", "high"].map(|end| format!("{} {end}", heading.name)));
            }
        }
        writer.write_record(&line)?;
        for row in &self.rows {
            line.clear();
            line.extend(has_views.then(|| row.over.clone()));
            for (heading, cell) in self.headings.iter().zip(&row.cells) {
                line.push(match heading.holds {
                    Holds::Text => cell.text.clone(),
                    _ => cell.key(),
                });
                if heading.holds == Holds::Intervals {
                    let ends = cell.interval.map(|interval| [interval.low, interval.high]);
                    let ends = ends.map(|ends| ends.map(|end| end.to_string()));
                    line.extend(ends.unwrap_or_default());
                }
            }
            writer.write_record(&line)?;
        }
        Ok(writer.into_inner()?)
    }

    /// The table as LaTeX, for `\input`: needs `booktabs` and `longtable`.
    pub(super) fn latex(&self) -> String {
        let has_views = self.has_views();
        let mut shape: String = if has_views { "l" } else { "" }.to_owned();
        shape.extend(self.headings.iter().map(|heading| match heading.is_text() {
            true => 'l',
            false => 'r',
        }));
        let over = has_views.then(|| "cases".to_owned());
        let names = self.headings.iter().map(|heading| escaped(&heading.name));
        let head: Vec<String> = over.into_iter().chain(names).collect();
        let mut latex = String::from("% needs \\usepackage{booktabs,longtable}\n");
        let _ = writeln!(latex, "\\begin{{longtable}}{{{shape}}}");
        let _ = writeln!(latex, "\\caption{{{}}}\\\\", escaped(&self.caption));
        let _ = writeln!(latex, "\\toprule\n{} \\\\", head.join(" & "));
        latex.push_str("\\midrule\n\\endhead\n");
        for row in &self.rows {
            let over = has_views.then(|| escaped(&row.over));
            let cells = row.cells.iter().map(|cell| match cell.small.as_str() {
                "" => escaped(&cell.text),
                small => format!(
                    "{} {{\\footnotesize ({})}}",
                    escaped(&cell.text),
                    escaped(small)
                ),
            });
            let cells: Vec<String> = over.into_iter().chain(cells).collect();
            let _ = writeln!(latex, "{} \\\\", cells.join(" & "));
        }
        latex.push_str("\\bottomrule\n\\end{longtable}\n");
        latex
    }
}

/// Text that LaTeX sets as it is.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for letter in text.chars() {
        match letter {
            '\\' => escaped.push_str("\\textbackslash{}"),
            '~' => escaped.push_str("\\textasciitilde{}"),
            '^' => escaped.push_str("\\textasciicircum{}"),
            '<' => escaped.push_str("\\textless{}"),
            '>' => escaped.push_str("\\textgreater{}"),
            '–' => escaped.push_str("--"),
            'τ' => escaped.push_str("$\\tau$"),
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => {
                escaped.push('\\');
                escaped.push(letter);
            }
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let row = |view: usize, over: &str, value| Row {
            view: Some(view),
            over: over.to_owned(),
            cells: vec![
                Cell::text("a_b & \"c\""),
                Cell::interval(
                    Interval {
                        value,
                        low: 0.25,
                        high: 0.75,
                    },
                    [4, 2],
                ),
                Cell::number(None, 1),
            ],
        };
        Table {
            id: "t",
            title: "T",
            caption: "100 % of <all>".to_owned(),
            headings: vec![
                Heading::text("Name"),
                Heading::intervals("DSC"),
                Heading::numbers("n"),
            ],
            rows: vec![row(0, "all cases", 1.0 / 3.0), row(1, "CT", 0.5)],
        }
    }

    #[test]
    fn csv_has_every_digit_and_the_ends_of_intervals() {
        let csv = String::from_utf8(table().csv().unwrap()).unwrap();
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines[0], "over,Name,DSC,DSC low,DSC high,n");
        let line = "all cases,\"a_b & \"\"c\"\"\",0.3333333333333333,0.25,0.75,";
        assert_eq!(lines[1], line);
    }

    #[test]
    fn latex_sets_every_letter_as_it_is() {
        let latex = table().latex();
        assert!(
            latex.contains("\\caption{100 \\% of \\textless{}all\\textgreater{}}"),
            "{latex}"
        );
        let line = "CT & a\\_b \\& \"c\" & 0.5000 {\\footnotesize (0.25--0.75)} & -- \\\\";
        assert!(latex.lines().any(|found| found == line), "{latex}");
        assert_eq!(
            escaped("~^\\"),
            "\\textasciitilde{}\\textasciicircum{}\\textbackslash{}"
        );
    }

    #[test]
    fn a_table_over_one_choice_of_cases_does_not_name_it() {
        let mut table = table();
        table.rows.pop();
        assert!(!table.has_views());
        assert!(table.csv().unwrap().starts_with(b"Name,DSC"));
    }
}
