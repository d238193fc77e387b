//! The outlines of labels on a slice, as an SVG path along the voxels' edges.

use std::fmt::Write as _;

use ndarray::{ArrayView2, s};

/// The most bytes of an outline. A prediction of nothing but noise has an edge at every voxel.
const LONGEST: usize = 12_000;

/// The closed outlines of every value but 0, each value by itself, ascending, as finely as their
/// length allows.
pub(super) fn outlines(slice: ArrayView2<'_, u16>) -> Vec<(u16, String)> {
    let mut step = 1;
    loop {
        let outlines = at_step(slice.slice(s![..;step, ..;step]), step);
        if length(&outlines) <= LONGEST {
            return outlines;
        }
        step *= 2;
    }
}

fn length(outlines: &[(u16, String)]) -> usize {
    outlines.iter().map(|(_, path)| path.len()).sum()
}

fn at_step(slice: ArrayView2<'_, u16>, step: usize) -> Vec<(u16, String)> {
    let mut values: Vec<u16> = slice.iter().copied().filter(|&value| value != 0).collect();
    values.sort_unstable();
    values.dedup();
    let mut outlines = Vec::new();
    for value in values {
        let mut path = String::new();
        Edges::around(slice, value).trace(step, &mut path);
        outlines.push((value, path));
        // What is too long anyway need not be finished.
        if length(&outlines) > LONGEST {
            break;
        }
    }
    outlines
}

/// The directions of an edge, clockwise: each is followed by the one to its right.
const DIRECTIONS: [(isize, isize); 4] = [(0, 1), (1, 0), (0, -1), (-1, 0)];

/// The edges around a value's voxels, with the value on their right.
struct Edges {
    /// For each corner of the voxel grid, which directions an edge leaves it in.
    leaving: Vec<u8>,
    width: usize,
}

impl Edges {
    fn around(slice: ArrayView2<'_, u16>, value: u16) -> Self {
        let (height, columns) = slice.dim();
        let width = columns + 1;
        let mut leaving = vec![0; (height + 1) * width];
        let is_inside = |y: usize, x: usize| slice.get([y, x]) == Some(&value);
        for ((y, x), _) in slice.indexed_iter().filter(|(_, found)| **found == value) {
            let sides = [
                (y == 0 || !is_inside(y - 1, x), (y, x), 0),
                (!is_inside(y, x + 1), (y, x + 1), 1),
                (!is_inside(y + 1, x), (y + 1, x + 1), 2),
                (x == 0 || !is_inside(y, x - 1), (y + 1, x), 3),
            ];
            for (is_edge, (y, x), direction) in sides {
                if is_edge {
                    leaving[y * width + x] |= 1 << direction;
                }
            }
        }
        Self { leaving, width }
    }

    /// Takes all edges, as closed lines.
    fn trace(mut self, step: usize, path: &mut String) {
        for start in 0..self.leaving.len() {
            while self.leaving[start] != 0 {
                let (y, x) = (start / self.width, start % self.width);
                let _ = write!(path, "M{} {}", x * step, y * step);
                self.line(start, step, path);
            }
        }
    }

    fn line(&mut self, start: usize, step: usize, path: &mut String) {
        let mut at = start;
        let mut direction = self.leaving[at].trailing_zeros() as usize;
        let mut length = 0_usize;
        loop {
            self.leaving[at] &= !(1 << direction);
            let (down, along) = DIRECTIONS[direction];
            at = at.wrapping_add_signed(down * self.width as isize + along);
            length += step;
            if at == start {
                // The last side is drawn by the closing.
                path.push('z');
                return;
            }
            // Where two lines meet at a corner, each turns right and stays by its own voxel.
            let next = [1, 0, 3].map(|turn| (direction + turn) % 4);
            let next = next
                .into_iter()
                .find(|next| self.leaving[at] >> next & 1 == 1);
            let Some(next) = next else { return };
            if next != direction {
                let (down, along) = DIRECTIONS[direction];
                let letter = if down == 0 { 'h' } else { 'v' };
                let sign = if down + along < 0 { "-" } else { "" };
                let _ = write!(path, "{letter}{sign}{length}");
                length = 0;
                direction = next;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, arr2};

    fn outline(slice: ArrayView2<'_, u16>) -> String {
        let paths = outlines(slice).into_iter().map(|(_, path)| path);
        paths.collect()
    }

    #[test]
    fn an_outline_runs_along_the_edges_of_voxels() {
        let one = arr2(&[[0, 0, 0], [0, 1, 0], [0, 0, 0]]);
        assert_eq!(outline(one.view()), "M1 1h1v1h-1z");
        assert_eq!(outline(arr2(&[[2, 2]]).view()), "M0 0h2v1h-2z");
        let two = outlines(arr2(&[[2, 1]]).view());
        let expected = [(1, "M1 0h1v1h-1z"), (2, "M0 0h1v1h-1z")];
        assert_eq!(two, expected.map(|(value, path)| (value, path.to_owned())));
        assert_eq!(outline(arr2(&[[0, 0]]).view()), "");
    }

    #[test]
    fn a_hole_and_a_meeting_of_corners_have_lines_of_their_own() {
        let ring = arr2(&[[1, 1, 1], [1, 0, 1], [1, 1, 1]]);
        assert_eq!(outline(ring.view()), "M0 0h3v3h-3zM1 1v1h1v-1z");
        let diagonal = arr2(&[[1, 0], [0, 1]]);
        assert_eq!(outline(diagonal.view()), "M0 0h1v1h-1zM1 1h1v1h-1z");
    }

    #[test]
    fn noise_is_drawn_coarsely_and_stays_short() {
        let noise = Array2::from_shape_fn((512, 512), |(y, x)| {
            ((y * 7919 + x * 104_729) % 5 == 0) as u16
        });
        let path = outline(noise.view());
        assert!(!path.is_empty() && path.len() <= LONGEST, "{}", path.len());
    }
}
