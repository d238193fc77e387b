//! The squared distances in a mask's box, made axis by axis.

use super::envelope::Envelope;
use super::square::Square;
use crate::{RunMask, VoxelBox};

/// Lines are taken out of the volume so many at a time: as many as one cache line holds, so that
/// none is fetched twice.
const LINES: usize = 16;
/// What lies between them then.
const GAP: usize = 16;

/// On which axes background follows beyond the box's low and high faces.
#[derive(Debug, Clone, Copy)]
pub(super) struct Faces {
    pub(super) before: [bool; 3],
    pub(super) after: [bool; 3],
}

impl Faces {
    fn along(self, axis: usize) -> [bool; 2] {
        [self.before[axis], self.after[axis]]
    }
}

/// Which voxels have to be right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Every one.
    All,
    /// Those with the greatest distance; others may have too great a value, but never as great as
    /// the greatest.
    Greatest,
}

/// Squared distances of a mask's voxels, in the shape of its box and in C order; 0 outside the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field<S> {
    size: [usize; 3],
    values: Vec<S>,
}

impl<S: Square> Field<S> {
    pub(super) fn measure(mask: &RunMask, bounds: VoxelBox, faces: Faces, wanted: Wanted) -> Self {
        let mut field = Self::along_rows(mask, bounds, faces);
        let [depth, height, width] = field.size;
        let mut columns = Columns::new(field.size);
        let mut nearly = Greatest::default();
        let slices = field.values.chunks_exact_mut(height * width);
        for (z, slice) in slices.enumerate() {
            let greatest = columns.lower(slice, width, faces.along(1), None);
            nearly.note(z, greatest);
        }
        // What is behind `best` cannot win any more. Where the two axes so far go deepest, all
        // three may well do: begin there.
        let mut best = (wanted == Wanted::Greatest).then_some(S::ZERO);
        let first = match wanted {
            Wanted::All => 0,
            Wanted::Greatest => field.deepest_row(nearly.index),
        };
        for y in (first..height).chain(0..first) {
            let rows = (0..depth).map(|z| (z * height + y) * width);
            let greatest =
                columns.lower_scattered(&mut field.values, rows, width, faces.along(0), best);
            best = best.map(|best| best.max(greatest));
        }
        field
    }

    /// Squared distances along x alone.
    fn along_rows(mask: &RunMask, bounds: VoxelBox, faces: Faces) -> Self {
        let size = bounds.size();
        let [depth, height, width] = size;
        let mut values = vec![S::ZERO; depth * height * width];
        for &run in mask.runs() {
            let (z, y) = mask.row_of(run);
            let row = ((z - bounds.low[0]) * height + y - bounds.low[1]) * width;
            let (start, end) = (run.start as usize, run.end as usize);
            let before = faces.before[2] || start > bounds.low[2];
            let after = faces.after[2] || end <= bounds.high[2];
            let run = &mut values[row + start - bounds.low[2]..row + end - bounds.low[2]];
            let length = run.len() as i64;
            for (at, value) in (0..).zip(run) {
                let (left, right): (i64, i64) = (at + 1, length - at);
                let nearest = match (before, after) {
                    (true, true) => left.min(right),
                    (true, false) => left,
                    (false, true) => right,
                    (false, false) => {
                        *value = S::FAR;
                        continue;
                    }
                };
                *value = S::from_i64(nearest * nearest);
            }
        }
        Self { size, values }
    }

    /// The row of slice `z` with its greatest value.
    fn deepest_row(&self, z: usize) -> usize {
        let [_, height, width] = self.size;
        let slice = &self.values[z * height * width..][..height * width];
        let deepest = slice.iter().enumerate().max_by_key(|&(_, &value)| value);
        deepest.map_or(0, |(index, _)| index / width)
    }

    /// The value at `[z, y, x]` of the box.
    pub(super) fn at(&self, [z, y, x]: [usize; 3]) -> S {
        self.values[(z * self.size[1] + y) * self.size[2] + x]
    }

    pub(super) fn greatest(&self) -> S {
        self.values.iter().copied().fold(S::ZERO, S::max)
    }

    /// The rows in C order, each with its z and y.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, usize, &[S])> {
        let [_, height, width] = self.size;
        let rows = self.values.chunks_exact(width).enumerate();
        rows.map(move |(index, row)| (index / height, index % height, row))
    }
}

/// The slice with the greatest value so far.
struct Greatest<S> {
    value: S,
    index: usize,
}

impl<S: Square> Default for Greatest<S> {
    fn default() -> Self {
        Self {
            value: S::ZERO,
            index: 0,
        }
    }
}

impl<S: Square> Greatest<S> {
    fn note(&mut self, index: usize, value: S) {
        if value > self.value {
            *self = Self { value, index };
        }
    }
}

/// Lowers the columns of planes, some at a time.
struct Columns<S> {
    envelope: Envelope,
    /// [`LINES`] columns, one after the other, with a gap between them: columns a power of two
    /// apart would share too few places of the cache.
    lines: Vec<S>,
    /// The plane, where its rows are far apart in the volume.
    gathered: Vec<S>,
}

impl<S: Square> Columns<S> {
    fn new([depth, height, width]: [usize; 3]) -> Self {
        Self {
            envelope: Envelope::default(),
            lines: vec![S::ZERO; LINES * (height.max(depth) + GAP)],
            gathered: Vec::with_capacity(depth * width),
        }
    }

    /// Lowers the columns of a plane whose rows, beginning at `rows`, are far apart, as
    /// [`Self::lower`].
    fn lower_scattered(
        &mut self,
        values: &mut [S],
        rows: impl Iterator<Item = usize> + Clone,
        width: usize,
        ends: [bool; 2],
        least: Option<S>,
    ) -> S {
        let mut plane = std::mem::take(&mut self.gathered);
        plane.clear();
        for row in rows.clone() {
            plane.extend_from_slice(&values[row..row + width]);
        }
        let greatest = self.lower(&mut plane, width, ends, least);
        for (row, lowered) in rows.zip(plane.chunks_exact(width)) {
            values[row..row + width].copy_from_slice(lowered);
        }
        self.gathered = plane;
        greatest
    }

    /// Lowers every column of a plane of rows of this width, and returns the greatest value there
    /// is then. `ends` says whether there is background before and after the columns. Columns
    /// without a value that is at least `least` are left alone.
    fn lower(&mut self, plane: &mut [S], width: usize, ends: [bool; 2], least: Option<S>) -> S {
        let length = plane.len() / width;
        let mut greatest = S::ZERO;
        for start in (0..width).step_by(LINES) {
            let end = width.min(start + LINES);
            let mut highest = [S::ZERO; LINES];
            for row in plane.chunks_exact(width) {
                for (highest, &value) in highest.iter_mut().zip(&row[start..end]) {
                    *highest = value.max(*highest);
                }
            }
            let least = least.map_or(S::ONE, |least| least.max(greatest).max(S::ONE));
            if highest.iter().all(|&value| value < least) {
                continue;
            }
            for (at, row) in plane.chunks_exact(width).enumerate() {
                for (line, &value) in row[start..end].iter().enumerate() {
                    self.lines[line * (length + GAP) + at] = value;
                }
            }
            let lines = self.lines.chunks_exact_mut(length + GAP);
            for (line, &highest) in lines.zip(&highest[..end - start]) {
                if highest >= least {
                    let line = &mut line[..length];
                    self.envelope.lower_line(line, ends[0], ends[1]);
                    greatest = line.iter().copied().fold(greatest, S::max);
                }
            }
            for (at, row) in plane.chunks_exact_mut(width).enumerate() {
                for (line, value) in row[start..end].iter_mut().enumerate() {
                    *value = self.lines[line * (length + GAP) + at];
                }
            }
        }
        greatest
    }
}
