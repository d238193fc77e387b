//! One pass over the rows of two volumes: how often each pair of keys meets, and where.

use super::VoxelBox;
use super::comparison::LabelOverlap;
use super::rows::{RowSet, equal_length};

/// A stretch of a row in which truth and prediction hold one key each, and not the same.
#[derive(Debug, Clone, Copy)]
pub(super) struct Difference {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) truth: u8,
    pub(super) prediction: u8,
}

/// The differences in a piece, in C order.
#[derive(Debug, Clone, Default)]
pub(super) struct Differences {
    all: Vec<Difference>,
    /// For each row how many there are before it.
    before: Vec<u32>,
}

impl Differences {
    /// Those of one of the piece's rows.
    pub(super) fn of_row(&self, row: usize) -> &[Difference] {
        let start = self.before[row] as usize;
        let end = self.before.get(row + 1);
        &self.all[start..end.map_or(self.all.len(), |&end| end as usize)]
    }
}

/// Some rows of two volumes, one after the other.
pub(super) struct Piece<'v> {
    pub(super) truth: &'v [u8],
    pub(super) prediction: &'v [u8],
    /// Voxels in a row.
    pub(super) width: usize,
    /// Rows in a slice.
    pub(super) height: usize,
    /// The number, `z * height + y`, of the first.
    pub(super) first_row: usize,
}

/// What a pass over some rows finds.
pub(super) struct Pass {
    pub(super) labels: Vec<LabelOverlap>,
    /// For each key the piece's rows that have it in either.
    pub(super) rows: Vec<RowSet>,
    /// For each key the piece's rows that have it in exactly one somewhere.
    pub(super) error_rows: Vec<RowSet>,
    /// Absent if there were too many.
    pub(super) differences: Option<Differences>,
    most_differences: usize,
}

/// How a pair of keys, one in the truth, one in the prediction, has met in one row.
#[derive(Clone, Copy, Default)]
struct Meeting {
    /// The number of the row, from 1; 0 if they never met.
    row: u32,
    count: u32,
    first: u32,
    last: u32,
}

/// How pairs of keys meet, a row at a time.
pub(super) struct Meetings {
    /// From 1.
    row: u32,
    of_pair: Box<[Meeting; 1 << 16]>,
    /// The pairs that have met in this row.
    met: Vec<u16>,
}

impl Meetings {
    pub(super) fn new() -> Self {
        let of_pair = vec![Meeting::default(); 1 << 16].try_into();
        Self {
            row: 0,
            of_pair: of_pair.unwrap_or_else(|_| unreachable!("that many were made")),
            met: Vec::new(),
        }
    }

    fn begin_row(&mut self, number: usize) {
        self.row = number as u32 + 1;
        self.met.clear();
    }

    /// Two keys meet `count` times from `first` on.
    #[inline]
    fn meet(&mut self, truth: u8, prediction: u8, first: u32, count: u32) {
        let pair = u16::from(truth) << 8 | u16::from(prediction);
        let meeting = &mut self.of_pair[usize::from(pair)];
        if meeting.row != self.row {
            *meeting = Meeting {
                row: self.row,
                count: 0,
                first,
                last: 0,
            };
            self.met.push(pair);
        }
        meeting.count += count;
        meeting.last = first + count - 1;
    }

    /// The keys that have met in this row, the truth's first, and how.
    fn of_row(&self) -> impl Iterator<Item = ([u8; 2], Meeting)> + '_ {
        let pairs = self.met.iter();
        pairs.map(|&pair| (pair.to_be_bytes(), self.of_pair[usize::from(pair)]))
    }
}

impl Pass {
    /// Passes over the rows of a piece, noting so many differences at most.
    pub(super) fn over(
        piece: &Piece<'_>,
        meetings: &mut Meetings,
        most_differences: usize,
    ) -> Self {
        let mut pass = Self {
            labels: vec![LabelOverlap::default(); 256],
            rows: vec![RowSet::default(); 256],
            error_rows: vec![RowSet::default(); 256],
            differences: Some(Differences::default()),
            most_differences,
        };
        let truths = piece.truth.chunks_exact(piece.width);
        let rows = truths.zip(piece.prediction.chunks_exact(piece.width));
        let row_count = rows.len();
        for (row, (truth, prediction)) in rows.enumerate() {
            let number = piece.first_row + row;
            meetings.begin_row(number);
            if let Some(differences) = &mut pass.differences {
                differences.before.push(differences.all.len() as u32);
            }
            pass.meet_row(truth, prediction, meetings);
            let at = [number / piece.height, number % piece.height];
            for meeting in meetings.of_row() {
                pass.count_meeting(meeting, row, at, row_count);
            }
        }
        pass
    }

    /// Stretch by stretch, neither truth nor prediction changing in one.
    fn meet_row(&mut self, truth: &[u8], prediction: &[u8], row: &mut Meetings) {
        let mut x = 0;
        while x < truth.len() {
            let (t, p) = (truth[x], prediction[x]);
            let length = equal_length(&truth[x..], &prediction[x..]);
            let (start, end) = (x as u32, (x + length) as u32);
            row.meet(t, p, start, length as u32);
            self.note_difference(start, end, [t, p]);
            x += length;
        }
    }

    fn note_difference(&mut self, start: u32, end: u32, [truth, prediction]: [u8; 2]) {
        if truth == prediction {
            return;
        }
        let Some(differences) = &mut self.differences else {
            return;
        };
        if differences.all.len() < self.most_differences {
            differences.all.push(Difference {
                start,
                end,
                truth,
                prediction,
            });
        } else {
            self.differences = None;
        }
    }

    /// Counts how two keys met in the piece's row `row`, which is the one at `z`, `y`.
    fn count_meeting(
        &mut self,
        (keys, meeting): ([u8; 2], Meeting),
        row: usize,
        [z, y]: [usize; 2],
        row_count: usize,
    ) {
        let [t, p] = keys.map(usize::from);
        let count = u64::from(meeting.count);
        let stretch = Some(VoxelBox {
            low: [z, y, meeting.first as usize],
            high: [z, y, meeting.last as usize],
        });
        self.labels[t].truth += count;
        self.labels[p].prediction += count;
        self.rows[t].insert(row, row_count);
        grow(&mut self.labels[t].either, stretch);
        if t == p {
            self.labels[t].both += count;
            return;
        }
        self.rows[p].insert(row, row_count);
        grow(&mut self.labels[p].either, stretch);
        for key in [t, p] {
            self.error_rows[key].insert(row, row_count);
            grow(&mut self.labels[key].error, stretch);
        }
    }
}

/// Grows a box by another; no box is an empty one.
pub(super) fn grow(bounds: &mut Option<VoxelBox>, by: Option<VoxelBox>) {
    *bounds = match (*bounds, by) {
        (Some(bounds), Some(by)) => Some(bounds.with(by.low).with(by.high)),
        (bounds, by) => bounds.or(by),
    };
}
