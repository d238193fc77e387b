//! How far, in voxels, a tolerance in millimetres reaches.

use crate::Spacing;

/// A row within the tolerance, as its offset from the row one stands in, and how far to both
/// sides it is within.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RowReach {
    pub(super) z: isize,
    pub(super) y: isize,
    /// The largest offset along x that is within the tolerance.
    pub(super) x: u32,
}

/// The offsets within a tolerance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reach(Vec<RowReach>);

impl Reach {
    /// All offsets of at most `tolerance_mm`, inclusive, between places of a volume of this shape.
    ///
    /// Distances are computed in double precision as the protocol's reference computes them: each
    /// offset times its spacing, the squares summed along z, y, x, and the root of that.
    pub(super) fn new(spacing: Spacing, tolerance_mm: f64, shape: [usize; 3]) -> Self {
        let [sz, sy, sx] = spacing.mm();
        let square = |offset: usize, spacing: f64| {
            let length = offset as f64 * spacing;
            length * length
        };
        let within =
            |z, y, x| (square(z, sz) + square(y, sy) + square(x, sx)).sqrt() <= tolerance_mm;
        let mut rows = Vec::new();
        for z in (0..shape[0]).take_while(|&z| within(z, 0, 0)) {
            for y in (0..shape[1]).take_while(|&y| within(z, y, 0)) {
                let x = (1..shape[2]).take_while(|&x| within(z, y, x)).count() as u32;
                let (z, y) = (z as isize, y as isize);
                rows.push(RowReach { z, y, x });
                if z > 0 {
                    rows.push(RowReach { z: -z, y, x });
                }
                if y > 0 {
                    rows.push(RowReach { z, y: -y, x });
                }
                if z > 0 && y > 0 {
                    rows.push(RowReach { z: -z, y: -y, x });
                }
            }
        }
        // The nearest rows first: most elements have a neighbour there.
        rows.sort_by(|a, b| {
            let distance = |row: &RowReach| {
                square(row.z.unsigned_abs(), sz) + square(row.y.unsigned_abs(), sy)
            };
            distance(a).total_cmp(&distance(b))
        });
        Self(rows)
    }

    pub(super) fn rows(&self) -> &[RowReach] {
        &self.0
    }

    /// Whether any place is within the tolerance.
    pub(super) fn is_somewhere(&self) -> bool {
        !self.0.is_empty()
    }

    /// How many slices away the farthest is.
    pub(super) fn slices(&self) -> usize {
        let slices = self.0.iter().map(|row| row.z.unsigned_abs());
        slices.max().unwrap_or(0)
    }
}
