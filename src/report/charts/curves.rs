//! Scores against the interactions.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, VPos};

use super::canvas::{Area, Chart, Drawn, GRID, LETTERS, draw, heading, letters};
use super::ink::{Shape, colour, is_dashed, shape};
use super::{Named, quantiles};
use crate::statistics::mean;

/// A submission's curve.
pub(in crate::report) struct Curve {
    named: Named,
    /// Interaction and mean.
    points: Vec<(f64, f64)>,
}

impl Curve {
    /// The means of what there is at each interaction.
    pub(in crate::report) fn of(named: Named, at_interactions: &[Vec<f64>]) -> Self {
        let numbered = (1..).map(f64::from).zip(at_interactions);
        let given = numbered.filter(|(_, values)| !values.is_empty());
        Self {
            named,
            points: given.map(|(step, values)| (step, mean(values))).collect(),
        }
    }

    /// The means at each interaction, none where there is nothing.
    pub(in crate::report) fn of_means(
        named: Named,
        means: impl Iterator<Item = Option<f64>>,
    ) -> Self {
        let numbered = (1..).map(f64::from).zip(means);
        Self {
            named,
            points: numbered
                .filter_map(|(step, mean)| Some((step, mean?)))
                .collect(),
        }
    }
}

/// A score against the interactions, a curve for each submission with its number at the end.
pub(in crate::report) fn curves(title: &str, curves: &[Curve]) -> Option<String> {
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
pub(in crate::report) fn spread(title: &str, scores: &[Vec<Vec<f64>>; 2]) -> Option<String> {
    let curves = [0, 1].map(|index| Curve::of(Named::new(index, ""), &scores[index]));
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

#[cfg(test)]
mod tests {
    use super::super::{css, mark};
    use super::*;

    #[test]
    fn a_curve_is_drawn_in_the_pages_ink_and_leaves_out_what_was_not_given() {
        let curve = Curve::of(Named::new(0, "a"), &[vec![], vec![0.4, 0.6], vec![0.9]]);
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
    fn submissions_beyond_the_colours_have_another_shape_and_line() {
        let marks: std::collections::BTreeSet<_> =
            (0..36).map(|index| (css(index), mark(index))).collect();
        assert_eq!(marks.len(), 36);
        let curve = |index| Curve::of(Named::new(index, "a"), &[vec![0.4], vec![0.9]]);
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
    fn curves_that_end_together_share_a_label() {
        let curve = |index, end| Curve {
            named: Named::new(index, ""),
            points: vec![(1.0, end)],
        };
        let ends = [curve(0, 0.9), curve(1, 0.5), curve(2, 0.88)];
        assert_eq!(
            end_labels(&ends),
            [("1, 3".to_owned(), 0.9), ("2".to_owned(), 0.5)]
        );
    }
}
