//! Rows of voxels as bits, 64 to a word: bit `i` of word `w` is the voxel at x = 64·w + i.

use std::ops::Range;

use wide::u8x16;

/// A row of bytes, one after the other in words of 64; asked beyond its end it has nothing.
#[derive(Clone, Copy)]
pub(crate) struct ByteRow<'a> {
    whole: &'a [[u8; 64]],
    rest: &'a [u8],
}

impl<'a> ByteRow<'a> {
    pub(crate) fn new(row: &'a [u8]) -> Self {
        let (whole, rest) = row.as_chunks();
        Self { whole, rest }
    }

    /// Word `word` of the bits that say where the row has this key.
    pub(crate) fn bits(self, word: usize, key: u8) -> u64 {
        if let Some(piece) = self.whole.get(word) {
            return bits_of(piece, key);
        }
        if word > self.whole.len() {
            return 0;
        }
        let (eights, last) = self.rest.as_chunks();
        let mut bits = 0;
        for (at, &eight) in eights.iter().enumerate() {
            bits |= u64::from(bits_of_eight(eight, key)) << (8 * at);
        }
        for (at, &byte) in last.iter().enumerate() {
            bits |= u64::from(byte == key) << (8 * eights.len() + at);
        }
        bits
    }
}

/// Bit `i` says whether byte `i` is `key`.
fn bits_of(piece: &[u8; 64], key: u8) -> u64 {
    let wanted = u8x16::splat(key);
    let mut bits = 0;
    for (at, &sixteen) in piece.as_chunks::<16>().0.iter().enumerate() {
        let equal = u8x16::new(sixteen).simd_eq(wanted).to_bitmask();
        bits |= u64::from(equal) << (16 * at);
    }
    bits
}

/// Bit `i` says whether byte `i` is `key`.
fn bits_of_eight(eight: [u8; 8], key: u8) -> u8 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    let difference = u64::from_le_bytes(eight) ^ (u64::from(key) * 0x0101_0101_0101_0101);
    // The highest bit of each byte is set where the byte is zero: adding carries into it unless
    // the seven below are all zero, and no byte carries into the next.
    let equal = !(((difference & LOW) + LOW) | difference | LOW);
    // Moves bit 8i+7 to bit 56+i: the products of all other pairs of bits end elsewhere.
    ((equal >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u8
}

/// The bits from `start` to before `end` of a word; `start` is below 64, `end` at most 64.
pub(crate) fn stretch(start: usize, end: usize) -> u64 {
    debug_assert!(start < 64 && end <= 64);
    let below_end = u64::MAX.checked_shr(64 - end as u32).unwrap_or(0);
    below_end & (u64::MAX << start)
}

/// Sets the bits of a stretch of a row.
pub(crate) fn set_stretch(words: &mut [u64], range: Range<usize>) {
    if range.is_empty() {
        return;
    }
    let (first, last) = (range.start / 64, (range.end - 1) / 64);
    for (word, bits) in words[first..=last].iter_mut().enumerate() {
        let start = if word == 0 { range.start % 64 } else { 0 };
        let end = if first + word == last {
            (range.end - 1) % 64 + 1
        } else {
            64
        };
        *bits |= stretch(start, end);
    }
}

/// How many bits of a stretch of a row are set.
pub(crate) fn count_in(words: &[u64], range: Range<usize>) -> u64 {
    if range.is_empty() {
        return 0;
    }
    let (first, last) = (range.start / 64, (range.end - 1) / 64);
    let mut count = 0;
    for (word, bits) in words[first..=last].iter().enumerate() {
        let start = if word == 0 { range.start % 64 } else { 0 };
        let end = if first + word == last {
            (range.end - 1) % 64 + 1
        } else {
            64
        };
        count += u64::from((bits & stretch(start, end)).count_ones());
    }
    count
}

/// The place of the first bit set at `from` or after.
pub(crate) fn first_set(words: &[u64], from: usize) -> Option<usize> {
    let mut word = from / 64;
    let mut bits = words.get(word)? & (u64::MAX << (from % 64));
    while bits == 0 {
        word += 1;
        bits = *words.get(word)?;
    }
    Some(word * 64 + bits.trailing_zeros() as usize)
}

/// The stretches of bits set in a row, each as long as it can be.
pub(crate) fn runs(words: &[u64]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let start = first_set(words, from)?;
        let mut word = start / 64;
        let mut unset = !words[word] & (u64::MAX << (start % 64));
        while unset == 0 {
            word += 1;
            // Beyond the last word nothing is set.
            unset = words.get(word).map_or(u64::MAX, |bits| !bits);
        }
        from = word * 64 + unset.trailing_zeros() as usize;
        Some(start..from)
    })
}

/// Where bits are set in a word, ascending.
pub(crate) fn places(mut bits: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let place = (bits != 0).then(|| bits.trailing_zeros() as usize)?;
        bits &= bits - 1;
        Some(place)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bit_is_set_exactly_where_the_byte_is_the_key() {
        let bytes: Vec<u8> = (0..=255).chain([0, 1, 128, 255, 127, 129]).collect();
        for length in [0, 1, 7, 8, 63, 64, 65, 100, 128, 262] {
            let row = ByteRow::new(&bytes[..length]);
            for key in [0, 1, 127, 128, 129, 255] {
                for x in 0..length + 200 {
                    let is_set = row.bits(x / 64, key) >> (x % 64) & 1 == 1;
                    let expected = bytes[..length].get(x) == Some(&key);
                    assert_eq!(is_set, expected, "{key} at {x}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn stretches_are_counted_found_and_set_as_bit_by_bit(
            words in proptest::collection::vec(
                prop_oneof![any::<u64>(), Just(0), Just(u64::MAX)], 1..5),
            a in 0..320usize,
            b in 0..320usize,
        ) {
            let bit = |words: &[u64], x: usize| words[x / 64] >> (x % 64) & 1 == 1;
            let size = words.len() * 64;
            let (start, end) = (a.min(b).min(size), a.max(b).min(size));
            let set: Vec<_> = (0..size).filter(|&x| bit(&words, x)).collect();
            prop_assert_eq!(
                count_in(&words, start..end),
                set.iter().filter(|&&x| x >= start && x < end).count() as u64
            );
            prop_assert_eq!(first_set(&words, start), set.iter().copied().find(|&x| x >= start));
            prop_assert_eq!(runs(&words).flatten().collect::<Vec<_>>(), set);
            prop_assert!(runs(&words).collect::<Vec<_>>().windows(2).all(|r| r[0].end < r[1].start));
            let mut more = words.clone();
            set_stretch(&mut more, start..end);
            for x in 0..size {
                prop_assert_eq!(bit(&more, x), bit(&words, x) || (start..end).contains(&x));
            }
        }
    }
}
