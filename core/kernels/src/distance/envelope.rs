//! One line of a distance transform: the lower envelope of parabolas.

use super::square::Square;

/// The lower envelope of parabolas `height + (x - at)²` over a stretch of a line, and the memory
/// it is made in.
///
/// (Meijster, Roerdink and Hesselink, "A general algorithm for computing distance transforms in
/// linear time", 2000; Felzenszwalb and Huttenlocher, "Distance transforms of sampled functions",
/// 2012.) Less `x²`, which all have in common, the parabolas are straight lines, so that the
/// envelope is the hull of these, and no crossing has to be computed.
#[derive(Default)]
pub(super) struct Envelope {
    arcs: Vec<Arc>,
}

/// A parabola that may be the lowest somewhere.
#[derive(Clone, Copy)]
struct Arc {
    at: i64,
    /// Its height at 0: `height + at²`.
    rise: i64,
}

impl Arc {
    fn new(at: i64, height: i64) -> Self {
        let rise = height + at * at;
        Self { at, rise }
    }

    /// Its height at `x`, less `x²`.
    fn at(self, x: i64) -> i64 {
        self.rise - 2 * self.at * x
    }
}

impl Envelope {
    /// Replaces each height by the envelope there. Background, of height 0, divides the line:
    /// nothing beyond it is nearer, so each stretch between is done alone. `before` and `after`
    /// say whether there is background beyond the ends.
    pub(super) fn lower_line<S: Square>(&mut self, line: &mut [S], before: bool, after: bool) {
        let length = line.len();
        let mut end = 0;
        loop {
            let Some(skipped) = line[end..].iter().position(|&value| value != S::ZERO) else {
                return;
            };
            let start = end + skipped;
            end = line[start..]
                .iter()
                .position(|&value| value == S::ZERO)
                .map_or(length, |length| start + length);
            self.lower(
                &mut line[start..end],
                before || start > 0,
                after || end < length,
            );
        }
    }

    /// The same for a stretch without background.
    fn lower<S: Square>(&mut self, stretch: &mut [S], before: bool, after: bool) {
        if let [only] = stretch {
            if before || after {
                // No height is less than 1, which is what the neighbour makes it.
                *only = S::ONE;
            }
            return;
        }
        self.arcs.clear();
        if before {
            self.add(Arc::new(-1, 0));
        }
        for (at, &height) in (0..).zip(stretch.iter()) {
            if height != S::FAR {
                self.add(Arc::new(at, height.to_i64()));
            }
        }
        if after {
            self.add(Arc::new(stretch.len() as i64, 0));
        }
        self.write(stretch);
    }

    /// Adds a parabola to the right of all others, and takes away those that it leaves nowhere the
    /// lowest.
    fn add(&mut self, new: Arc) {
        while let [.., previous, top] = self.arcs[..] {
            // The new one crosses the previous one before the top one does.
            let is_hidden = (new.rise - previous.rise) * (top.at - previous.at)
                <= (top.rise - previous.rise) * (new.at - previous.at);
            if !is_hidden {
                break;
            }
            self.arcs.pop();
        }
        self.arcs.push(new);
    }

    fn write<S: Square>(&self, stretch: &mut [S]) {
        let Some((&(mut lowest), mut later)) = self.arcs.split_first() else {
            return;
        };
        for (x, value) in (0..).zip(stretch) {
            while let [next, rest @ ..] = later
                && next.at(x) <= lowest.at(x)
            {
                (lowest, later) = (*next, rest);
            }
            *value = S::from_i64(lowest.at(x) + x * x);
        }
    }
}
