//! The area that a chart is drawn on, its letters, and the text that comes of it.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::Named;

pub(super) const WIDTH: u32 = 480;
/// In plotters' measure, which is a quarter more than the letters have in the end.
pub(super) const LETTERS: u32 = 15;
pub(super) const GRID: RGBAColor = RGBAColor(128, 128, 128, 0.3);

pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a, 'b> =
    ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// The number and as much of the name as there is room for.
pub(super) fn label(named: &Named) -> String {
    const ROOM: usize = 13;
    let mut name: String = named.name.chars().take(ROOM).collect();
    if named.name.chars().count() > ROOM {
        name.pop();
        name.push('…');
    }
    format!("{} {name}", named.index + 1)
}

pub(super) fn letters(across: HPos, along: VPos) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", LETTERS)).pos(Pos::new(across, along))
}

pub(super) fn heading(area: &Area<'_>, title: &str) -> Drawn {
    let style = TextStyle::from(("sans-serif", LETTERS + 2, FontStyle::Bold));
    area.draw(&Text::new(title.to_owned(), (8, 6), style))?;
    Ok(())
}

/// Draws on an empty area; none when it can't be drawn, which leaves the page without that chart.
pub(super) fn draw(
    title: &str,
    height: u32,
    paint: impl FnOnce(&Area<'_>) -> Drawn,
) -> Option<String> {
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
pub(in crate::report) fn on_its_own(svg: &str) -> String {
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
