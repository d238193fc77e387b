//! Seeded choices, drawn the way numpy's legacy generator draws them.

use rand_mt::Mt;

/// Draws a number below `count` as `numpy.random.RandomState` does in `choice(count)`.
///
/// 32-bit outputs of the MT19937 generator, masked to the smallest `2^k - 1` that holds
/// `count - 1`, are drawn until one is at most `count - 1`. A choice among one draws nothing.
/// Beyond 2³² two outputs make one number, the first being the upper half.
///
/// # Panics
/// If `count` is 0.
pub(crate) fn choose(generator: &mut Mt, count: u64) -> u64 {
    assert!(count > 0, "a choice among nothing");
    let most = count - 1;
    if most == 0 {
        return 0;
    }
    let mask = u64::MAX >> most.leading_zeros();
    loop {
        let drawn = if u32::try_from(most).is_ok() {
            u64::from(generator.next_u32())
        } else {
            u64::from(generator.next_u32()) << 32 | u64::from(generator.next_u32())
        };
        if drawn & mask <= most {
            return drawn & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured: `numpy.random.RandomState(42).choice(count)`.
    const NUMPY_CHOICES: [(u64, u64); 14] = [
        (1, 0),
        (2, 0),
        (3, 2),
        (4, 2),
        (5, 3),
        (7, 6),
        (8, 6),
        (9, 6),
        (100, 51),
        (128, 102),
        (129, 102),
        (1000, 102),
        (65_537, 15_795),
        (1_000_000, 121_958),
    ];

    /// Measured: `numpy.random.RandomState(42).randint(0, count, dtype="int64")`.
    const NUMPY_WIDE_CHOICES: [(u64, u64); 4] = [
        (1 << 32, 1_608_637_542),
        ((1 << 32) + 1, 3_421_126_067),
        (1 << 33, 3_421_126_067),
        (1_000_000_000_000, 441_507_790_259),
    ];

    #[test]
    fn choices_are_numpys() {
        for (count, expected) in NUMPY_CHOICES.into_iter().chain(NUMPY_WIDE_CHOICES) {
            assert_eq!(choose(&mut Mt::new(42), count), expected, "of {count}");
        }
    }

    #[test]
    fn a_choice_among_one_draws_nothing() {
        let mut generator = Mt::new(42);
        choose(&mut generator, 1);
        assert_eq!(generator.next_u32(), Mt::new(42).next_u32());
    }
}
