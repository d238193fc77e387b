//! Fields with a row for each submission: ranks, tests, cases.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::Named;
use super::canvas::{Area, Drawn, GRID, WIDTH, draw, heading, label, letters};
use super::ink::colour;

/// For each submission, how often it has each rank when the cases are drawn again: the larger the
/// blob, the more often (the blob plot of Wiesenfarth et al., *Methods and open-source toolkit for
/// analyzing and visualizing challenge results*, Scientific Reports 11:2369, 2021).
pub(in crate::report) fn blobs(
    title: &str,
    names: &[Named],
    share: impl Fn(usize, usize) -> f64,
) -> Option<String> {
    let grid = Grid::of(names, names.len())?;
    draw(title, grid.height(), |area| {
        heading(area, title)?;
        grid.names(area, names)?;
        grid.headings(area, 1..=names.len())?;
        grid.below(area, "rank")?;
        for (row, named) in names.iter().enumerate() {
            for rank in 0..names.len() {
                let share = share(row, rank + 1);
                let radius = grid.largest() * share.sqrt();
                if radius >= 0.5 {
                    let blob = colour(named.index).mix(0.85).filled();
                    let [x, y] = grid.middle(row, rank);
                    area.draw(&Circle::new((x, y), radius.round() as i32, blob))?;
                }
            }
        }
        Ok(())
    })
}

/// What a test says of a submission beside another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Verdict {
    Better,
    Worse,
    Undecided,
}

/// With more submissions a map shows only who is better.
const ROOM_FOR_RINGS: usize = 20;

/// Which submissions (rows) are significantly better than which (columns, by their numbers).
pub(in crate::report) fn significance(
    title: &str,
    names: &[Named],
    verdict: impl Fn(usize, usize) -> Verdict,
) -> Option<String> {
    let grid = Grid::of(names, names.len())?;
    draw(title, grid.height(), |area| {
        heading(area, title)?;
        grid.names(area, names)?;
        grid.headings(area, names.iter().map(|named| named.index + 1))?;
        // What is filled says it all where there is no room for more.
        let is_small = names.len() <= ROOM_FOR_RINGS;
        grid.below(
            area,
            match is_small {
                true => "filled: the row is better than the column; ring: worse",
                false => "filled: the row is better than the column",
            },
        )?;
        for row in 0..names.len() {
            for column in (0..names.len()).filter(|column| *column != row) {
                let [x, y] = grid.middle(row, column);
                let half = (grid.largest() * 0.8).max(1.5) as i32;
                let corners = [(x - half, y - half), (x + half, y + half)];
                let ink = colour(0);
                match verdict(row, column) {
                    Verdict::Better => area.draw(&Rectangle::new(corners, ink.filled()))?,
                    Verdict::Worse | Verdict::Undecided if !is_small => {}
                    Verdict::Worse => area.draw(&Circle::new((x, y), half, ink.mix(0.6)))?,
                    Verdict::Undecided => {
                        let dash = [(x - half / 3, y), (x + half / 3, y)];
                        area.draw(&PathElement::new(dash.to_vec(), GRID))?;
                    }
                }
            }
        }
        Ok(())
    })
}

/// The score of every submission (rows) in every case (columns), from dark (0) to bright (1);
/// nothing where a submission lacks the case.
pub(in crate::report) fn heatmap(
    title: &str,
    names: &[Named],
    cells: &[Vec<Option<f64>>],
) -> Option<String> {
    let cases = cells.first().map_or(0, Vec::len);
    let grid = Grid::of(names, cases)?;
    draw(title, grid.height(), |area| {
        heading(area, title)?;
        grid.names(area, names)?;
        grid.below(
            area,
            "cases, in the order of the case table's groups and names",
        )?;
        for (row, values) in cells.iter().enumerate() {
            // Neighbours of one shade are one rectangle.
            let shades: Vec<Option<u8>> = values
                .iter()
                .map(|value| value.map(|value| (value.clamp(0.0, 1.0) * 63.0).round() as u8))
                .collect();
            let mut from = 0;
            for run in shades.chunk_by(|a, b| a == b) {
                let to = from + run.len();
                if let Some(shade) = run[0] {
                    let corners = grid.span(row, from..to);
                    area.draw(&Rectangle::new(
                        corners,
                        viridis(f64::from(shade) / 63.0).filled(),
                    ))?;
                }
                from = to;
            }
        }
        Ok(())
    })
}

/// Dark blue over green to yellow, as many see brightness only (van der Walt and Smith, *viridis*,
/// 2015), by eight of its colours.
fn viridis(share: f64) -> RGBColor {
    const STOPS: [[u8; 3]; 8] = [
        [68, 1, 84],
        [70, 50, 126],
        [54, 92, 141],
        [39, 127, 142],
        [31, 161, 135],
        [74, 193, 109],
        [160, 218, 57],
        [253, 231, 37],
    ];
    let at = share.clamp(0.0, 1.0) * (STOPS.len() - 1) as f64;
    let below = (at.floor() as usize).min(STOPS.len() - 2);
    let part = at - below as f64;
    let [r, g, b] = [0, 1, 2].map(|channel| {
        let [low, high] = [STOPS[below], STOPS[below + 1]].map(|stop| f64::from(stop[channel]));
        (low + part * (high - low)).round() as u8
    });
    RGBColor(r, g, b)
}

/// A field with a row for each submission.
struct Grid {
    rows: usize,
    columns: usize,
    row_height: f64,
    column_width: f64,
}

impl Grid {
    const LEFT: f64 = 130.0;
    const TOP: f64 = 54.0;

    fn of(names: &[Named], columns: usize) -> Option<Self> {
        let widest = (f64::from(WIDTH) - Self::LEFT - 12.0) / columns.max(1) as f64;
        (!names.is_empty() && columns > 0).then(|| Self {
            rows: names.len(),
            columns,
            row_height: if names.len() > 20 { 18.0 } else { 26.0 },
            column_width: widest.min(44.0),
        })
    }

    fn height(&self) -> u32 {
        (Self::TOP + self.row_height * self.rows as f64 + 30.0) as u32
    }

    /// The radius that just fits a cell.
    fn largest(&self) -> f64 {
        (self.row_height.min(self.column_width) / 2.0 - 1.0).max(1.0)
    }

    fn middle(&self, row: usize, column: usize) -> [i32; 2] {
        let x = Self::LEFT + (column as f64 + 0.5) * self.column_width;
        let y = Self::TOP + (row as f64 + 0.5) * self.row_height;
        [x.round() as i32, y.round() as i32]
    }

    fn span(&self, row: usize, columns: std::ops::Range<usize>) -> [(i32, i32); 2] {
        let x = |column: usize| (Self::LEFT + column as f64 * self.column_width).round() as i32;
        let y = |row: usize| (Self::TOP + row as f64 * self.row_height).round() as i32;
        [(x(columns.start), y(row)), (x(columns.end), y(row + 1) - 1)]
    }

    /// Where columns are narrow, only some have a heading.
    fn has_room_for(&self, column: usize) -> bool {
        let every = (22.0 / self.column_width).ceil().max(1.0) as usize;
        column == 0 || (column + 1).is_multiple_of(every.max(if every > 1 { 5 } else { 1 }))
    }

    fn names(&self, area: &Area<'_>, names: &[Named]) -> Drawn {
        for (row, named) in names.iter().enumerate() {
            let [_, y] = self.middle(row, 0);
            let style = letters(HPos::Right, VPos::Center);
            area.draw(&Text::new(label(named), (Self::LEFT as i32 - 8, y), style))?;
        }
        Ok(())
    }

    /// The columns' numbers, as many as there is room for.
    fn headings(&self, area: &Area<'_>, numbers: impl Iterator<Item = usize>) -> Drawn {
        for (column, number) in numbers.enumerate() {
            if self.has_room_for(column) {
                let [x, _] = self.middle(0, column);
                let at = (x, Self::TOP as i32 - 4);
                let style = letters(HPos::Center, VPos::Bottom);
                area.draw(&Text::new(number.to_string(), at, style))?;
            }
        }
        Ok(())
    }

    fn below(&self, area: &Area<'_>, words: &str) -> Drawn {
        let y = Self::TOP + self.row_height * self.rows as f64 + 6.0;
        let x = Self::LEFT + self.column_width * self.columns as f64 / 2.0;
        // Words that are wider than the field begin at the letters' left end.
        let room = f64::from(WIDTH) - Self::LEFT;
        let (x, side) = match words.len() as f64 * 7.0 < 2.0 * (x - Self::LEFT).min(room / 2.0) {
            true => (x, HPos::Center),
            false => (8.0, HPos::Left),
        };
        let at = (x as i32, y as i32);
        area.draw(&Text::new(words.to_owned(), at, letters(side, VPos::Top)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_as_large_as_its_rank_is_frequent_and_none_is_never() {
        let names = [Named::new(0, "a"), Named::new(1, "b")];
        let svg = blobs("ranks", &names, |row, rank| match (row, rank) {
            (0, 1) => 0.9,
            (0, _) => 0.1,
            (_, 2) => 1.0,
            _ => 0.0,
        });
        let svg = svg.unwrap();
        assert_eq!(svg.matches("<circle").count(), 3, "{svg}");
        assert!(blobs("ranks", &[], |_, _| 1.0).is_none());
    }

    #[test]
    fn a_significance_map_fills_what_is_better() {
        let names = [Named::new(0, "a"), Named::new(1, "b"), Named::new(2, "c")];
        let svg = significance("DSC", &names, |row, column| match (row, column) {
            (0, _) => Verdict::Better,
            (_, 0) => Verdict::Worse,
            _ => Verdict::Undecided,
        });
        let svg = svg.unwrap();
        assert_eq!(
            (svg.matches("<rect").count(), svg.matches("<circle").count()),
            (2, 2)
        );
    }

    #[test]
    fn a_heatmap_draws_neighbours_of_one_shade_at_once_and_gaps_not_at_all() {
        let names = [Named::new(0, "a")];
        let cells = [vec![Some(0.5), Some(0.5), None, Some(1.0)]];
        let svg = heatmap("DSC", &names, &cells).unwrap();
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert_eq!(viridis(1.0), RGBColor(253, 231, 37));
        assert!(heatmap("DSC", &names, &[vec![]]).is_none());
    }
}
