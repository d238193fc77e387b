//! The report's charts, as SVG that takes its ink from the page: dark on light, light on dark.
//! Submissions are told apart by their number as well as by colour.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::statistics::mean;

/// A submission in a chart.
pub(super) struct Named {
    /// Its place on the leaderboard, from 0.
    pub(super) index: usize,
    pub(super) name: String,
}

/// A submission's curve.
pub(super) struct Curve {
    named: Named,
    /// Interaction and mean.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// The means of what there is at each interaction.
    pub(super) fn of(named: Named, at_interactions: &[Vec<f64>]) -> Self {
        let numbered = (1..).map(f64::from).zip(at_interactions);
        let given = numbered.filter(|(_, values)| !values.is_empty());
        Self {
            named,
            points: given.map(|(step, values)| (step, mean(values))).collect(),
        }
    }

    /// The means at each interaction, none where there is nothing.
    pub(super) fn of_means(named: Named, means: impl Iterator<Item = Option<f64>>) -> Self {
        let numbered = (1..).map(f64::from).zip(means);
        Self {
            named,
            points: numbered
                .filter_map(|(step, mean)| Some((step, mean?)))
                .collect(),
        }
    }
}

/// What is on the axis of a chart of bars.
#[derive(Clone, Copy)]
pub(super) enum Bars {
    /// A score, from 0 to 1.
    Score,
    /// A part of a limit, which may be gone beyond.
    Share,
}

/// Told apart by those who see fewer colours (Okabe and Ito).
const COLOURS: [(&str, RGBColor); 6] = [
    ("#0072b2", RGBColor(0, 114, 178)),
    ("#d55e00", RGBColor(213, 94, 0)),
    ("#009e73", RGBColor(0, 158, 115)),
    ("#cc79a7", RGBColor(204, 121, 167)),
    ("#e69f00", RGBColor(230, 159, 0)),
    ("#56b4e9", RGBColor(86, 180, 233)),
];

/// Where the colours begin again, the points have another shape, and every second time the lines
/// are dashed.
const SHAPES: [(&str, Shape); 6] = [
    ("●", Shape::Dot),
    ("▲", Shape::Triangle),
    ("■", Shape::Square),
    ("○", Shape::Ring),
    ("✕", Shape::Cross),
    ("□", Shape::Frame),
];

#[derive(Debug, Clone, Copy)]
enum Shape {
    Dot,
    Triangle,
    Square,
    Ring,
    Cross,
    Frame,
}

fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()].1
}

fn shape(index: usize) -> (&'static str, Shape) {
    SHAPES[index / COLOURS.len() % SHAPES.len()]
}

fn is_dashed(index: usize) -> bool {
    index / COLOURS.len() % 2 == 1
}

/// The colour of the submission at this place, as CSS writes it.
pub(super) fn css(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()].0
}

/// The shape of its points, as a letter.
pub(super) fn mark(index: usize) -> &'static str {
    shape(index).0
}

const WIDTH: u32 = 480;
/// In plotters' measure, which is a quarter more than the letters have in the end.
const LETTERS: u32 = 15;
const GRID: RGBAColor = RGBAColor(128, 128, 128, 0.3);

type Drawn = Result<(), Box<dyn std::error::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// A score against the interactions, a curve for each submission with its number at the end.
pub(super) fn curves(title: &str, curves: &[Curve]) -> Option<String> {
    let last = last_step(curves.iter().flat_map(|curve| &curve.points))?;
    draw(title, 290, |area| {
        let mut chart = over_interactions(area, title, last)?;
        // The best are drawn last, above the others.
        for curve in curves.iter().rev() {
            line(&mut chart, &curve.points, curve.named.index)?;
        }
        for (label, at) in end_labels(curves) {
            let place = chart.backend_coord(&(last, at));
            let style = letters(HPos::Left, VPos::Center);
            area.draw(&Text::new(label, (place.0 + 7, place.1), style))?;
        }
        Ok(())
    })
}

/// The numbers at the curves' ends, apart from each other; where many end together they share a
/// place, the first few by number.
fn end_labels(curves: &[Curve]) -> Vec<(String, f64)> {
    const APART: f64 = 0.065;
    let mut ends: Vec<(usize, f64)> = curves
        .iter()
        .filter_map(|curve| Some((curve.named.index + 1, curve.points.last()?.1)))
        .collect();
    ends.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut labels: Vec<(Vec<usize>, f64)> = Vec::new();
    for (number, at) in ends {
        match labels.last_mut() {
            Some((numbers, above)) if *above - at < APART => numbers.push(number),
            _ => labels.push((vec![number], at)),
        }
    }
    let words = labels.into_iter().map(|(mut numbers, at)| {
        numbers.sort_unstable();
        let shown: Vec<String> = numbers.iter().take(3).map(usize::to_string).collect();
        let more = if numbers.len() > 3 { "…" } else { "" };
        (shown.join(", ") + more, at)
    });
    words.collect()
}

/// DSC and NSD of one submission: the means, and the middle half of its cases as a band.
pub(super) fn spread(title: &str, scores: &[Vec<Vec<f64>>; 2]) -> Option<String> {
    let named = |index| Named {
        index,
        name: String::new(),
    };
    let curves = [0, 1].map(|index| Curve::of(named(index), &scores[index]));
    let last = last_step(curves.iter().flat_map(|curve| &curve.points))?;
    draw(title, 250, |area| {
        let mut chart = over_interactions(area, title, last)?;
        for (index, steps) in scores.iter().enumerate() {
            let quartiles = (1..).map(f64::from).zip(steps);
            let quartiles = quartiles.filter(|(_, values)| values.len() > 1);
            let (upper, lower): (Vec<_>, Vec<_>) = quartiles
                .map(|(step, values)| {
                    let [_, first, _, third, _] = quantiles(values);
                    ((step, third), (step, first))
                })
                .unzip();
            let around: Vec<_> = upper.into_iter().chain(lower.into_iter().rev()).collect();
            if !around.is_empty() {
                let band = Polygon::new(around, colour(index).mix(0.18).filled());
                chart.draw_series([band])?;
            }
        }
        let ends = curves
            .each_ref()
            .map(|curve| curve.points.last().map_or(0.0, |end| end.1));
        for (curve, name) in curves.iter().zip(["DSC", "NSD"]) {
            line(&mut chart, &curve.points, curve.named.index)?;
            let Some(&(step, at)) = curve.points.last() else {
                continue;
            };
            // Above and below, as the two lie close to each other more often than not.
            let [dsc, nsd] = ends;
            let is_above = (name == "DSC") == (dsc >= nsd);
            let place = chart.backend_coord(&(step, at));
            let (side, aside) = if is_above {
                (VPos::Bottom, -1)
            } else {
                (VPos::Top, 1)
            };
            area.draw(&Text::new(
                name,
                (place.0 + 7, place.1 + aside),
                letters(HPos::Left, side),
            ))?;
        }
        Ok(())
    })
}

fn last_step<'a>(points: impl Iterator<Item = &'a (f64, f64)>) -> Option<f64> {
    points.map(|point| point.0).max_by(f64::total_cmp)
}

fn over_interactions<'a, 'b>(
    area: &'a Area<'b>,
    title: &str,
    last: f64,
) -> Result<Chart<'a, 'b>, Box<dyn std::error::Error>> {
    heading(area, title)?;
    let mut chart = ChartBuilder::on(area)
        .margin(6)
        .margin_top(30)
        .margin_right(48)
        .x_label_area_size(40)
        .y_label_area_size(38)
        .build_cartesian_2d(0.8..last + 0.1, 0.0..1.0)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .x_labels(last as usize + 1)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_labels(6)
        .y_label_formatter(&|y| format!("{y:.1}"))
        .x_desc("interaction")
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", LETTERS))
        .axis_desc_style(("sans-serif", LETTERS))
        .draw()?;
    Ok(chart)
}

fn line(chart: &mut Chart<'_, '_>, points: &[(f64, f64)], index: usize) -> Drawn {
    let ink = colour(index);
    if is_dashed(index) {
        let style = ink.stroke_width(2);
        chart.draw_series(DashedLineSeries::new(points.to_vec(), 6, 4, style))?;
    } else {
        chart.draw_series(LineSeries::new(points.to_vec(), ink.stroke_width(2)))?;
    }
    let at = points.iter().copied();
    let thin = ink.stroke_width(2);
    match shape(index).1 {
        Shape::Dot => chart.draw_series(at.map(|at| Circle::new(at, 3, ink.filled())))?,
        Shape::Ring => chart.draw_series(at.map(|at| Circle::new(at, 4, thin)))?,
        Shape::Triangle => {
            chart.draw_series(at.map(|at| TriangleMarker::new(at, 5, ink.filled())))?
        }
        Shape::Cross => chart.draw_series(at.map(|at| Cross::new(at, 4, thin)))?,
        Shape::Square => {
            chart.draw_series(at.map(|at| {
                EmptyElement::at(at) + Rectangle::new([(-3, -3), (3, 3)], ink.filled())
            }))?
        }
        Shape::Frame => chart.draw_series(
            at.map(|at| EmptyElement::at(at) + Rectangle::new([(-4, -4), (4, 4)], thin)),
        )?,
    };
    Ok(())
}

/// More dots than this would make the page heavy, and no longer be told apart.
const MOST_DOTS: usize = 1500;

/// The distribution over the cases: for each submission a line from the lowest to the highest, a
/// box of the middle half with the median, and a dot for every case unless they are too many.
pub(super) fn bars(title: &str, rows: &[(Named, Vec<f64>)], axis: Bars) -> Option<String> {
    let values = rows.iter().flat_map(|(_, values)| values.iter().copied());
    let most = values.clone().max_by(f64::total_cmp)?;
    let has_dots = values.count() <= MOST_DOTS;
    let end = match axis {
        Bars::Score => 1.0,
        // A hair beyond, so that the limit is seen.
        Bars::Share => most.max(1.0) * 1.05,
    };
    let height = 76 + 30 * rows.len() as u32;
    draw(title, height, |area| {
        heading(area, title)?;
        let lowest = rows.len() as f64;
        let mut chart = ChartBuilder::on(area)
            .margin(6)
            .margin_top(30)
            .margin_right(20)
            .x_label_area_size(28)
            .y_label_area_size(124)
            .build_cartesian_2d(0.0..end, lowest..0.0)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(0)
            .x_labels(6)
            .x_label_formatter(&|x| match axis {
                Bars::Score => format!("{x:.1}"),
                Bars::Share => format!("{:.0} %", 100.0 * x),
            })
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID)
            .axis_style(GRID)
            .label_style(("sans-serif", LETTERS))
            .draw()?;
        if matches!(axis, Bars::Share) {
            let limit = vec![(1.0, 0.0), (1.0, lowest)];
            chart.draw_series([PathElement::new(
                limit,
                RGBColor(213, 40, 40).stroke_width(2),
            )])?;
        }
        for (row, (named, values)) in rows.iter().enumerate() {
            let middle = row as f64 + 0.5;
            if has_dots {
                let ink = colour(named.index).mix(0.7);
                chart.draw_series(values.iter().enumerate().map(|(case, &value)| {
                    // Spread out over a part of the row, always the same way.
                    let aside = (case as f64 * 0.618_034).fract() * 0.3 + 0.15;
                    Circle::new((value, middle + aside), 2, ink.filled())
                }))?;
            }
            if values.len() > 1 {
                quartiles(&mut chart, middle - 0.1, values, colour(named.index))?;
            }
            let place = chart.backend_coord(&(0.0, middle));
            let label = Text::new(
                label(named),
                (place.0 - 8, place.1),
                letters(HPos::Right, VPos::Center),
            );
            area.draw(&label)?;
        }
        Ok(())
    })
}

fn quartiles(chart: &mut Chart<'_, '_>, middle: f64, values: &[f64], ink: RGBColor) -> Drawn {
    let [low, first, median, third, high] = quantiles(values);
    let (top, bottom) = (middle - 0.2, middle + 0.2);
    let around = Rectangle::new([(first, top), (third, bottom)], ink.mix(0.25).filled());
    chart.draw_series([around])?;
    let lines = [
        vec![(low, middle), (first, middle)],
        vec![(third, middle), (high, middle)],
        vec![(median, top), (median, bottom)],
    ];
    chart.draw_series(lines.map(|line| PathElement::new(line, ink.stroke_width(2))))?;
    Ok(())
}

/// Lowest, quartiles and highest; values between two neighbours lie on the line between them.
fn quantiles(values: &[f64]) -> [f64; 5] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let at = share * (sorted.len() - 1) as f64;
        let below = sorted[at.floor() as usize];
        below + at.fract() * (sorted[at.ceil() as usize] - below)
    })
}

/// For each submission, how often it has each rank when the cases are drawn again: the larger the
/// blob, the more often (the blob plot of Wiesenfarth et al., *Methods and open-source toolkit for
/// analyzing and visualizing challenge results*, Scientific Reports 11:2369, 2021).
pub(super) fn blobs(
    title: &str,
    names: &[Named],
    share: impl Fn(usize, usize) -> f64,
) -> Option<String> {
    let grid = Grid::of(names, names.len())?;
    draw(title, grid.height(), |area| {
        heading(area, title)?;
        grid.names(area, names)?;
        for rank in 0..names.len() {
            if grid.has_room_for(rank) {
                grid.heading(area, rank, &(rank + 1).to_string())?;
            }
        }
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
pub(super) enum Verdict {
    Better,
    Worse,
    Undecided,
}

/// With more submissions a map shows only who is better.
const ROOM_FOR_RINGS: usize = 20;

/// Which submissions (rows) are significantly better than which (columns, by their numbers).
pub(super) fn significance(
    title: &str,
    names: &[Named],
    verdict: impl Fn(usize, usize) -> Verdict,
) -> Option<String> {
    let grid = Grid::of(names, names.len())?;
    draw(title, grid.height(), |area| {
        heading(area, title)?;
        grid.names(area, names)?;
        for (column, named) in names.iter().enumerate() {
            if grid.has_room_for(column) {
                grid.heading(area, column, &(named.index + 1).to_string())?;
            }
        }
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
pub(super) fn heatmap(title: &str, names: &[Named], cells: &[Vec<Option<f64>>]) -> Option<String> {
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

    fn heading(&self, area: &Area<'_>, column: usize, words: &str) -> Drawn {
        let [x, _] = self.middle(0, column);
        let style = letters(HPos::Center, VPos::Bottom);
        area.draw(&Text::new(
            words.to_owned(),
            (x, Self::TOP as i32 - 4),
            style,
        ))?;
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

/// The number and as much of the name as there is room for.
fn label(named: &Named) -> String {
    const ROOM: usize = 13;
    let mut name: String = named.name.chars().take(ROOM).collect();
    if named.name.chars().count() > ROOM {
        name.pop();
        name.push('…');
    }
    format!("{} {name}", named.index + 1)
}

fn letters(across: HPos, along: VPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", LETTERS)).pos(Pos::new(across, along))
}

fn heading(area: &Area<'_>, title: &str) -> Drawn {
    let style = TextStyle::from(("sans-serif", LETTERS + 2, FontStyle::Bold));
    area.draw(&Text::new(title.to_owned(), (8, 6), style))?;
    Ok(())
}

/// Draws on an empty area; none when it can't be drawn, which leaves the page without that chart.
fn draw(title: &str, height: u32, paint: impl FnOnce(&Area<'_>) -> Drawn) -> Option<String> {
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        paint(&area).ok()?;
        area.present().ok()?;
    }
    let opening = format!("<svg width=\"{WIDTH}\" height=\"{height}\" viewBox");
    let title = title
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;");
    let labelled = format!("<svg role=\"img\" aria-label=\"{title}\" viewBox");
    let svg = svg.replacen(&opening, &labelled, 1);
    Some(shortened(svg))
}

/// Says once for the whole chart what plotters says of every element. Black is what nobody chose a
/// colour for: the page's own ink.
fn shortened(mut svg: String) -> String {
    let size = format!(" font-size=\"{}\"", f64::from(LETTERS) / 1.24);
    for repeated in [
        " opacity=\"1\"",
        " stroke=\"none\" stroke-width=\"1\"",
        " stroke=\"none\"",
        " font-family=\"sans-serif\"",
        " fill=\"#000000\"",
        size.as_str(),
        "\n",
    ] {
        svg = svg.replace(repeated, "");
    }
    let common = format!("<svg font-family=\"sans-serif\" fill=\"currentColor\"{size} ");
    svg.replacen("<svg ", &common, 1)
}

/// A chart of the page as a file of its own: with a size, and in black.
pub(super) fn on_its_own(svg: &str) -> String {
    let svg = svg.replace("\"currentColor\"", "\"#000000\"");
    let size = svg
        .split_once("viewBox=\"")
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(size, _)| {
            size.split(' ')
                .skip(2)
                .map(str::to_owned)
                .collect::<Vec<_>>()
        });
    match size.as_deref() {
        Some([width, height]) => {
            let sized = format!("<svg width=\"{width}\" height=\"{height}\" ");
            svg.replacen("<svg ", &sized, 1)
        }
        _ => svg,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(index: usize, name: &str) -> Named {
        Named {
            index,
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_curve_is_drawn_in_the_pages_ink_and_leaves_out_what_was_not_given() {
        let curve = Curve::of(named(0, "a"), &[vec![], vec![0.4, 0.6], vec![0.9]]);
        assert_eq!(curve.points, [(2.0, 0.5), (3.0, 0.9)]);
        let svg = curves("DSC", &[curve]).unwrap();
        assert!(svg.contains("aria-label=\"DSC\""), "{svg}");
        assert!(svg.contains("currentColor") && !svg.contains("#000000"));
        // What is said of every letter is said once.
        for once in ["font-family", "font-size=\"12.09"] {
            assert_eq!(svg.matches(once).count(), 1, "{svg}");
        }
        assert_eq!(svg.matches("<circle").count(), 2);
        assert!(curves("DSC", &[]).is_none());
    }

    #[test]
    fn a_distribution_has_a_dot_for_every_case_unless_they_are_too_many() {
        let rows = [
            (named(0, "a"), vec![0.2, 0.4, 0.9]),
            (named(1, "b"), vec![0.3]),
        ];
        let svg = bars("NSD", &rows, Bars::Score).unwrap();
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(bars("NSD", &[(named(0, "a"), vec![])], Bars::Score).is_none());
        let many = [(named(0, "a"), vec![0.5; 5000])];
        let svg = bars("NSD", &many, Bars::Score).unwrap();
        assert_eq!(svg.matches("<circle").count(), 0);
    }

    #[test]
    fn submissions_beyond_the_colours_have_another_shape_and_line() {
        let marks: std::collections::BTreeSet<_> =
            (0..36).map(|index| (css(index), mark(index))).collect();
        assert_eq!(marks.len(), 36);
        let curve = |index| Curve::of(named(index, "a"), &[vec![0.4], vec![0.9]]);
        let plain = curves("DSC", &[curve(0)]).unwrap();
        let other = curves("DSC", &[curve(6)]).unwrap();
        assert_eq!(
            (
                plain.matches("<circle").count(),
                other.matches("<circle").count()
            ),
            (2, 0)
        );
    }

    #[test]
    fn a_blob_is_as_large_as_its_rank_is_frequent_and_none_is_never() {
        let names = [named(0, "a"), named(1, "b")];
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
        let names = [named(0, "a"), named(1, "b"), named(2, "c")];
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
        let names = [named(0, "a")];
        let cells = [vec![Some(0.5), Some(0.5), None, Some(1.0)]];
        let svg = heatmap("DSC", &names, &cells).unwrap();
        assert_eq!(svg.matches("<rect").count(), 2, "{svg}");
        assert_eq!(viridis(1.0), RGBColor(253, 231, 37));
        assert!(heatmap("DSC", &names, &[vec![]]).is_none());
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let name = "\"><script>alert(1)</script>";
        let bars = bars(name, &[(named(0, name), vec![0.5])], Bars::Share).unwrap();
        let spread = spread(name, &[vec![vec![0.5]], vec![vec![0.5]]]).unwrap();
        for svg in [bars, spread] {
            assert!(!svg.contains("<script"), "{svg}");
        }
    }

    #[test]
    fn curves_that_end_together_share_a_label() {
        let curve = |index, end| Curve {
            named: named(index, ""),
            points: vec![(1.0, end)],
        };
        let ends = [curve(0, 0.9), curve(1, 0.5), curve(2, 0.88)];
        assert_eq!(
            end_labels(&ends),
            [("1, 3".to_owned(), 0.9), ("2".to_owned(), 0.5)]
        );
    }

    #[test]
    fn quartiles_are_those_of_numpy() {
        // numpy.quantile([3, 1, 4, 1.5], [0, .25, .5, .75, 1])
        assert_eq!(
            quantiles(&[3.0, 1.0, 4.0, 1.5]),
            [1.0, 1.375, 2.25, 3.25, 4.0]
        );
    }
}
