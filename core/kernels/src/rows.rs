//! Rows of a volume: as slices, and as a set of their numbers.

use ndarray::ArrayView3;

/// The row at `z`, `y` of a volume in C order.
///
/// # Panics
/// If the volume is in another order.
pub(crate) fn row_of(voxels: ArrayView3<'_, u8>, z: usize, y: usize) -> &[u8] {
    let (_, height, _) = voxels.dim();
    numbered_row(voxels, z * height + y)
}

/// The row with this number in C order, `z * height + y`.
///
/// # Panics
/// If the volume is in another order.
pub(crate) fn numbered_row(voxels: ArrayView3<'_, u8>, row: usize) -> &[u8] {
    let (_, _, width) = voxels.dim();
    let all = voxels.to_slice().expect("volumes are in C order");
    &all[row * width..][..width]
}

/// How many voxels at the beginning of two rows of one length have the first one's values. At
/// least 1 unless the rows are empty.
#[inline]
pub(crate) fn equal_length(a: &[u8], b: &[u8]) -> usize {
    let (Some(&first_a), Some(&first_b)) = (a.first(), b.first()) else {
        return 0;
    };
    let [all_a, all_b] = [first_a, first_b].map(|first| u64::from_ne_bytes([first; 8]));
    let other = |(a, b): (&[u8; 8], &[u8; 8])| {
        (u64::from_le_bytes(*a) ^ all_a) | (u64::from_le_bytes(*b) ^ all_b)
    };
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let mut words = a_words.iter().zip(b_words).map(other);
    // The first byte that differs is where the first bit does.
    if let Some(at) = words.position(|other| other != 0) {
        let word = other((&a_words[at], &b_words[at]));
        return 8 * at + word.trailing_zeros() as usize / 8;
    }
    let whole = a_words.len() * 8;
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole
        + rest
            .take_while(|&(&a, &b)| a == first_a && b == first_b)
            .count()
}

/// A set of rows by their numbers in C order, `z * height + y`; a bit each, and no memory at all
/// while it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct RowSet {
    bits: Vec<u64>,
}

impl RowSet {
    /// Adds a row of a volume that has `of` rows.
    pub(crate) fn insert(&mut self, row: usize, of: usize) {
        if self.bits.is_empty() {
            self.bits.resize(of.div_ceil(64), 0);
        }
        self.bits[row / 64] |= 1 << (row % 64);
    }

    /// Adds the rows of another set, which counts them from `first` of the `of` here.
    pub(crate) fn extend(&mut self, other: &Self, first: usize, of: usize) {
        if other.bits.is_empty() {
            return;
        }
        if self.bits.is_empty() {
            self.bits.resize(of.div_ceil(64), 0);
        }
        for (word, &bits) in (first / 64..).zip(&other.bits) {
            self.bits[word] |= bits << (first % 64);
            // What does not fit is shifted in two steps, 64 at once being undefined.
            let beyond = bits >> 1 >> (63 - first % 64);
            if beyond != 0 {
                self.bits[word + 1] |= beyond;
            }
        }
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        let bits = self.bits.get(row / 64);
        bits.is_some_and(|bits| bits >> (row % 64) & 1 == 1)
    }

    /// The rows' numbers, ascending.
    pub(crate) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        let words = self.bits.iter().enumerate();
        words.flat_map(|(word, &bits)| crate::bits::places(bits).map(move |bit| word * 64 + bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_voxel_by_voxel() {
        let mut state = 1u32;
        let mut throw = |one_in: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            u8::from((state >> 16).is_multiple_of(one_in))
        };
        for length in 0..40 {
            for _ in 0..20 {
                let a: Vec<u8> = (0..length).map(|_| throw(30)).collect();
                let b: Vec<u8> = (0..length).map(|_| throw(30)).collect();
                let pairs: Vec<_> = a.iter().zip(&b).collect();
                let equal = pairs.iter().take_while(|&&pair| pair == pairs[0]).count();
                assert_eq!(equal_length(&a, &b), equal);
            }
        }
    }
}
