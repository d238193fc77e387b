//! Distributions over the cases.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Chart, Drawn, GRID, LETTERS, draw, heading, label, letters};
use super::ink::colour;
use super::{Named, quantiles};

/// What is on the axis of a chart of bars.
#[derive(Clone, Copy)]
pub(in crate::report) enum Bars {
    /// A score, from 0 to 1.
    Score,
    /// A part of a limit, which may be gone beyond.
    Share,
}

/// More dots than this would make the page heavy, and no longer be told apart.
const MOST_DOTS: usize = 1500;

/// The distribution over the cases: for each submission a line from the lowest to the highest, a
/// box of the middle half with the median, and a dot for every case unless they are too many.
pub(in crate::report) fn bars(
    title: &str,
    rows: &[(Named, Vec<f64>)],
    axis: Bars,
) -> Option<String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distribution_has_a_dot_for_every_case_unless_they_are_too_many() {
        let rows = [
            (Named::new(0, "a"), vec![0.2, 0.4, 0.9]),
            (Named::new(1, "b"), vec![0.3]),
        ];
        let svg = bars("NSD", &rows, Bars::Score).unwrap();
        assert_eq!(svg.matches("<circle").count(), 4);
        assert!(bars("NSD", &[(Named::new(0, "a"), vec![])], Bars::Score).is_none());
        let many = [(Named::new(0, "a"), vec![0.5; 5000])];
        let svg = bars("NSD", &many, Bars::Score).unwrap();
        assert_eq!(svg.matches("<circle").count(), 0);
    }
}
