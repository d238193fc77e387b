//! What tells submissions apart: colours, and shapes where the colours begin again.

use plotters::style::RGBColor;

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
pub(super) enum Shape {
    Dot,
    Triangle,
    Square,
    Ring,
    Cross,
    Frame,
}

pub(super) fn colour(index: usize) -> RGBColor {
    COLOURS[index % COLOURS.len()].1
}

pub(super) fn shape(index: usize) -> (&'static str, Shape) {
    SHAPES[index / COLOURS.len() % SHAPES.len()]
}

pub(super) fn is_dashed(index: usize) -> bool {
    index / COLOURS.len() % 2 == 1
}

/// The colour of the submission at this place, as CSS writes it.
pub(in crate::report) fn css(index: usize) -> &'static str {
    COLOURS[index % COLOURS.len()].0
}

/// The shape of its points, as a letter.
pub(in crate::report) fn mark(index: usize) -> &'static str {
    shape(index).0
}
