//! The squared distances in a mask's box, made axis by axis.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{self, AtomicU64};

use rayon::prelude::*;

use super::envelope::Envelope;
use super::square::Square;
use crate::bits;
use crate::{Mask, Voxel, VoxelBox};

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

/// Squared distances of a mask's voxels, in the shape of its box and in C order; 0 outside the mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field<S> {
    size: [usize; 3],
    values: Vec<S>,
}

impl<S: Square> Field<S> {
    /// Measures every voxel.
    pub(super) fn measure(mask: &Mask, bounds: VoxelBox, faces: Faces) -> Self {
        let mut field = Self::along_rows_and_columns(mask, bounds, faces);
        let [depth, height, width] = field.size;
        let mut columns = Columns::new(field.size);
        for y in 0..height {
            let rows = (0..depth).map(|z| (z * height + y) * width);
            columns.lower_scattered(&mut field.values, rows, width, faces.along(0));
        }
        field
    }

    /// The greatest distance, which is at least `least`, and the voxels that have it.
    pub(super) fn deepest(mask: &Mask, bounds: VoxelBox, faces: Faces, least: S) -> Deepest<S> {
        let field = Self::along_rows_and_columns(mask, bounds, faces);
        let [depth, height, width] = field.size;
        // What is behind the best so far cannot win any more. Where the two axes so far go deepest,
        // all three may well do: begin there.
        let first = field.deepest_row();
        let best = Best::new(least.max(S::ONE));
        let lowered = |columns: &mut Columns<S>, y: usize| {
            let rows = (0..depth).map(|z| (z * height + y) * width);
            let mut plane = std::mem::take(&mut columns.gathered);
            plane.clear();
            for row in rows {
                plane.extend_from_slice(&field.values[row..row + width]);
            }
            let greatest = columns.lower(&mut plane, width, faces.along(0), Some(best.get()));
            let mut deepest = Deepest::new(greatest);
            if greatest >= best.raise(greatest) {
                deepest.voxels = places_of(&plane, greatest)
                    .map(|at| [at / width, y, at % width])
                    .collect();
            }
            columns.gathered = plane;
            deepest
        };
        let mut columns = Columns::new(field.size);
        let deepest = lowered(&mut columns, first);
        let others = (0..height).into_par_iter().filter(|&y| y != first);
        let mut deepest = others
            .map_init(|| Columns::new(field.size), lowered)
            .reduce(|| Deepest::new(S::ZERO), Deepest::or)
            .or(deepest);
        deepest.voxels.sort_unstable();
        deepest
    }

    /// Squared distances along x and y alone.
    fn along_rows_and_columns(mask: &Mask, bounds: VoxelBox, faces: Faces) -> Self {
        let mut field = Self::along_rows(mask, bounds, faces);
        let [_, height, width] = field.size;
        let size = field.size;
        let slices = field.values.par_chunks_exact_mut(height * width);
        slices.for_each_init(
            || Columns::new(size),
            |columns, slice| {
                columns.lower(slice, width, faces.along(1), None);
            },
        );
        field
    }

    /// Squared distances along x alone.
    fn along_rows(mask: &Mask, bounds: VoxelBox, faces: Faces) -> Self {
        let size = bounds.size();
        let [depth, height, width] = size;
        let mut values = vec![S::ZERO; depth * height * width];
        let slices = values.par_chunks_exact_mut(height * width).enumerate();
        slices.for_each(|(slice, values)| {
            let first = (bounds.low[0] + slice) * mask.shape()[1];
            let rows = mask.rows_between(first, first + mask.shape()[1]);
            for index in rows {
                let y = mask.row_numbers()[index] as usize - first - bounds.low[1];
                let row = &mut values[y * width..][..width];
                for run in bits::runs(mask.words_of(index)) {
                    let from_low = |at: usize| 64 * mask.words().start + at - bounds.low[2];
                    measure_run(row, from_low(run.start)..from_low(run.end), faces);
                }
            }
        });
        Self { size, values }
    }

    /// The row, counted within its slice, with the greatest value.
    fn deepest_row(&self) -> usize {
        let [_, height, width] = self.size;
        let rows = self.values.par_chunks_exact(width).enumerate();
        let greatest = rows.map(|(row, values)| (greatest_of(values), std::cmp::Reverse(row)));
        let deepest = greatest.max();
        deepest.map_or(0, |(_, row)| row.0 % height)
    }

    /// The value at `[z, y, x]` of the box.
    pub(super) fn at(&self, [z, y, x]: [usize; 3]) -> S {
        self.values[(z * self.size[1] + y) * self.size[2] + x]
    }

    /// The first voxel of the box in C order, among those wanted, with the greatest distance above
    /// 0, and that distance.
    pub(super) fn deepest_where(&self, is_wanted: impl Fn(Voxel) -> bool) -> Option<(Voxel, S)> {
        let [_, height, width] = self.size;
        let place = |index: usize| {
            [
                index / (height * width),
                index / width % height,
                index % width,
            ]
        };
        let mut deepest = None;
        let mut best = S::ZERO;
        for (index, &value) in self.values.iter().enumerate() {
            if value > best && is_wanted(place(index)) {
                best = value;
                deepest = Some((place(index), value));
            }
        }
        deepest
    }

    pub(super) fn greatest(&self) -> S {
        greatest_of(&self.values)
    }
}

/// Measures the voxels of a run along x alone.
fn measure_run<S: Square>(row: &mut [S], run: Range<usize>, faces: Faces) {
    let before = faces.before[2] || run.start > 0;
    let after = faces.after[2] || run.end < row.len();
    let length = run.len() as i64;
    for (at, value) in (0..).zip(&mut row[run]) {
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

fn greatest_of<S: Square>(values: &[S]) -> S {
    values.iter().copied().fold(S::ZERO, S::max)
}

fn places_of<S: Square>(values: &[S], wanted: S) -> impl Iterator<Item = usize> + '_ {
    let values = values.iter().enumerate();
    values.filter_map(move |(at, &value)| (value == wanted).then_some(at))
}

/// The greatest distance found and the voxels that have it, in C order, counted from the box's low
/// corner.
pub(super) struct Deepest<S> {
    pub(super) distance: S,
    pub(super) voxels: Vec<Voxel>,
}

impl<S: Square> Deepest<S> {
    fn new(distance: S) -> Self {
        Self {
            distance,
            voxels: Vec::new(),
        }
    }

    /// The deeper of both; both together if they are equally deep.
    fn or(mut self, other: Self) -> Self {
        match self.distance.cmp(&other.distance) {
            Ordering::Less => other,
            Ordering::Greater => self,
            Ordering::Equal => {
                self.voxels.extend(other.voxels);
                self
            }
        }
    }
}

/// The greatest distance that any thread has found so far.
struct Best(AtomicU64);

impl Best {
    fn new<S: Square>(least: S) -> Self {
        Self(AtomicU64::new(least.to_raw()))
    }

    fn get<S: Square>(&self) -> S {
        S::from_raw(self.0.load(atomic::Ordering::Relaxed))
    }

    /// Notes a distance and returns the greatest so far.
    fn raise<S: Square>(&self, distance: S) -> S {
        let raw = distance.to_raw();
        let before = self.0.fetch_max(raw, atomic::Ordering::Relaxed);
        S::from_raw(before.max(raw))
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
    ) {
        let mut plane = std::mem::take(&mut self.gathered);
        plane.clear();
        for row in rows.clone() {
            plane.extend_from_slice(&values[row..row + width]);
        }
        self.lower(&mut plane, width, ends, None);
        for (row, lowered) in rows.zip(plane.chunks_exact(width)) {
            values[row..row + width].copy_from_slice(lowered);
        }
        self.gathered = plane;
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
