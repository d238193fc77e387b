//! Masks as bits, and the surface elements that 64 neighbourhoods at once are.

/// One slice of a mask: a bit for each voxel, rows padded to whole words with at least one bit.
pub(super) struct BitSlice {
    words: usize,
    bits: Vec<u64>,
    /// Whether each row may have voxels of the mask; if not, its bits mean nothing.
    filled: Vec<bool>,
    /// A row without any.
    background: Vec<u64>,
}

impl BitSlice {
    /// A slice of `height` rows of `width` voxels without any voxel of the mask.
    pub(super) fn empty(height: usize, width: usize) -> Self {
        // The neighbourhood after the last voxel needs a place as well.
        let words = (width + 1).div_ceil(64);
        Self {
            words,
            bits: vec![0; words * height],
            filled: vec![false; height],
            background: vec![0; words],
        }
    }

    pub(super) fn clear(&mut self) {
        self.filled.fill(false);
    }

    /// Sets the bits of the voxels with this key, in those rows that there are.
    pub(super) fn fill<'r>(&mut self, key: u8, row: impl Fn(usize) -> Option<&'r [u8]>) {
        let rows = self.bits.chunks_exact_mut(self.words);
        for (y, (bits, filled)) in rows.zip(&mut self.filled).enumerate() {
            let voxels = row(y);
            *filled = voxels.is_some();
            let Some(voxels) = voxels else { continue };
            let pieces = voxels.chunks(64);
            bits[pieces.len()..].fill(0);
            for (word, piece) in bits.iter_mut().zip(pieces) {
                *word = bits_of(piece, key);
            }
        }
    }

    /// Whether row `y` or the one before it may have voxels of the mask.
    pub(super) fn is_filled_at(&self, y: usize) -> bool {
        let before = y.checked_sub(1).is_some_and(|before| self.filled[before]);
        before || self.filled.get(y) == Some(&true)
    }

    /// Row `y`, or the background after the last one.
    pub(super) fn row(&self, y: usize) -> &[u64] {
        match self.filled.get(y) {
            Some(true) => &self.bits[y * self.words..][..self.words],
            _ => &self.background,
        }
    }

    /// The row before `y`, or the background before the first one.
    pub(super) fn row_before(&self, y: usize) -> &[u64] {
        match y.checked_sub(1) {
            Some(before) => self.row(before),
            None => &self.background,
        }
    }
}

/// Bit `i` says whether byte `i` of up to 64 is `key`.
fn bits_of(piece: &[u8], key: u8) -> u64 {
    let (words, rest) = piece.as_chunks::<8>();
    let mut bits = 0;
    for (at, word) in words.iter().enumerate() {
        bits |= equal_bytes(u64::from_le_bytes(*word), key) << (8 * at);
    }
    for (at, &byte) in rest.iter().enumerate() {
        bits |= u64::from(byte == key) << (8 * words.len() + at);
    }
    bits
}

/// Bit `i` says whether byte `i` of the word is `key`.
fn equal_bytes(word: u64, key: u8) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let difference = word ^ (u64::from(key) * 0x0101_0101_0101_0101);
    // The highest bit of each byte is set where the byte is zero: adding carries into it unless
    // the seven below are all zero, and no byte carries into the next.
    let equal = !(((difference & LOW) + LOW) | difference | LOW);
    // Moves bit 8i+7 to bit 56+i: the products of all other pairs of bits end elsewhere.
    (equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

/// Adds the surface elements of one row of neighbourhoods: the x and the code of each 2×2×2 with
/// some of its corners in the mask. `rows` are the four rows of voxels around it, (z−1, y−1),
/// (z−1, y), (z, y−1), (z, y); a code's bit `4·dz + 2·dy + dx` is the corner at that offset.
pub(super) fn elements_of_row(rows: [&[u64]; 4], elements: &mut Vec<(u32, u8)>) {
    let mut before = [0u64; 4];
    for word in 0..rows[0].len() {
        let after = rows.map(|row| row[word]);
        // The neighbourhood at x has the voxels x−1 and x.
        let previous = [0, 1, 2, 3].map(|row| after[row] << 1 | before[row] >> 63);
        before = after;
        let any = after
            .iter()
            .chain(&previous)
            .fold(0, |all, bits| all | bits);
        let every = after
            .iter()
            .chain(&previous)
            .fold(u64::MAX, |all, bits| all & bits);
        let mut mixed = any & !every;
        while mixed != 0 {
            let bit = mixed.trailing_zeros();
            mixed &= mixed - 1;
            let code = (0..4).fold(0, |code, row| {
                let corners = (previous[row] >> bit & 1) | (after[row] >> bit & 1) << 1;
                code | (corners as u8) << (2 * row)
            });
            elements.push((word as u32 * 64 + bit, code));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_is_set_exactly_where_the_byte_is_the_key() {
        let bytes: Vec<u8> = (0..=255).chain([0, 1, 128, 255, 127, 129]).collect();
        for key in [0, 1, 127, 128, 129, 255] {
            for piece in bytes.chunks(64).chain(bytes.chunks(61)) {
                let expected = piece
                    .iter()
                    .enumerate()
                    .fold(0, |bits, (at, &byte)| bits | u64::from(byte == key) << at);
                assert_eq!(bits_of(piece, key), expected);
            }
        }
    }
}
