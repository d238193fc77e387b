//! Rows of a volume as slices, and how far along them nothing changes, eight voxels at a time.

use ndarray::ArrayView3;

/// The row at `z`, `y` of a volume in C order.
///
/// # Panics
/// If the volume is in another order.
pub(super) fn row_of(voxels: ArrayView3<'_, u8>, z: usize, y: usize) -> &[u8] {
    let (_, height, width) = voxels.dim();
    let all = voxels.to_slice().expect("volumes are in C order");
    &all[(z * height + y) * width..][..width]
}

/// How many voxels at the beginning of two rows of one length have the first one's values. At
/// least 1 unless the rows are empty.
pub(super) fn equal_length(a: &[u8], b: &[u8]) -> usize {
    let (Some(&first_a), Some(&first_b)) = (a.first(), b.first()) else {
        return 0;
    };
    let (all_a, all_b) = ([first_a; 8], [first_b; 8]);
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let words = a_words.iter().zip(b_words);
    let whole = words
        .take_while(|&(a, b)| *a == all_a && *b == all_b)
        .count()
        * 8;
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole
        + rest
            .take_while(|&(&a, &b)| a == first_a && b == first_b)
            .count()
}

/// How many voxels at the beginning of two rows of one length are the same in both.
pub(super) fn agreeing_length(a: &[u8], b: &[u8]) -> usize {
    let (a_words, b_words) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
    let words = a_words.iter().zip(b_words);
    let whole = words.take_while(|(a, b)| a == b).count() * 8;
    let rest = a[whole..].iter().zip(&b[whole..]);
    whole + rest.take_while(|(a, b)| a == b).count()
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
                let agreeing = pairs.iter().take_while(|(a, b)| a == b).count();
                assert_eq!(equal_length(&a, &b), equal);
                assert_eq!(agreeing_length(&a, &b), agreeing);
            }
        }
    }
}
