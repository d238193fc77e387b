//! How often each code occurs.

/// How many elements have each code, in several counts side by side: two increments of one counter
/// would have to wait for each other.
pub(super) struct CodeCounts([[u64; 256]; COUNTS]);

const COUNTS: usize = 4;

/// Bit `i` of a byte in byte `i` of a word.
const SPREAD: [u64; 256] = {
    let mut spread = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut bit = 0;
        while bit < 8 {
            spread[byte] |= (byte as u64 >> bit & 1) << (8 * bit);
            bit += 1;
        }
        byte += 1;
    }
    spread
};

impl CodeCounts {
    pub(super) fn new() -> Self {
        Self([[0; 256]; COUNTS])
    }

    /// Counts the elements chosen by bits of a word, the rows around them being these: of each its
    /// word before and the word itself. A code's bit `4·dz + 2·dy + dx` is the corner at that
    /// offset.
    pub(super) fn count(&mut self, rows: [(u64, u64); 4], chosen: u64) {
        let mut left = chosen;
        while left != 0 {
            // The byte of the next element, and the column before it: bit 2r is its voxel in row r.
            let first = left.trailing_zeros() & !7;
            let before = (0..4).fold(0, |column, row| {
                let (word_before, word) = rows[row];
                let bit = match first {
                    0 => word_before >> 63,
                    first => word >> (first - 1) & 1,
                };
                column | bit << (2 * row)
            });
            let column = |row: usize| SPREAD[usize::from((rows[row].1 >> first) as u8)];
            // A byte for each x: bit 2r is its voxel in row r.
            let columns = column(0) | column(1) << 2 | column(2) << 4 | column(3) << 6;
            let codes = columns << 8 | before | columns << 1;
            let chosen = (left >> first) as u8;
            left &= !(0xff << first);
            self.count_codes(codes, chosen);
        }
    }

    #[inline]
    fn count_codes(&mut self, codes: u64, mut chosen: u8) {
        if chosen == u8::MAX {
            for (at, code) in codes.to_le_bytes().into_iter().enumerate() {
                self.0[at % COUNTS][usize::from(code)] += 1;
            }
            return;
        }
        while chosen != 0 {
            let at = chosen.trailing_zeros() as usize;
            chosen &= chosen - 1;
            self.0[at % COUNTS][usize::from((codes >> (8 * at)) as u8)] += 1;
        }
    }

    pub(super) fn of(&self, code: u8) -> u64 {
        self.0.iter().map(|counts| counts[usize::from(code)]).sum()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_code_is_counted_as_if_alone(
            rows: [(u64, u64); 4],
            chosen in prop_oneof![any::<u64>(), Just(u64::MAX)],
        ) {
            let mut counts = CodeCounts::new();
            counts.count(rows, chosen);
            let mut expected = [0; 256];
            for x in (0..64).filter(|x| chosen >> x & 1 == 1) {
                let code = (0..4).fold(0, |code, row| {
                    let (before, here) = rows[row];
                    let corners = (u128::from(here) << 64 | u128::from(before)) >> (63 + x) & 3;
                    code | (corners as usize) << (2 * row)
                });
                expected[code] += 1;
            }
            for code in 0..=255 {
                prop_assert_eq!(counts.of(code), expected[usize::from(code)]);
            }
        }
    }
}
