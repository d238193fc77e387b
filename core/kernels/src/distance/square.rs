//! The integers that squared distances are held in.

/// An integer that holds squared distances.
pub(super) trait Square: Copy + Ord + Default + Send + Sync {
    /// Background.
    const ZERO: Self;
    /// Next to background.
    const ONE: Self;
    /// No background anywhere.
    const FAR: Self;

    fn from_i64(value: i64) -> Self;

    fn to_i64(self) -> i64;

    /// The value in any of these types, ordered as they are.
    fn to_raw(self) -> u64;

    fn from_raw(raw: u64) -> Self;

    /// As the public interface has it: [`Self::FAR`] is `u64::MAX`.
    fn to_u64(self) -> u64;
}

/// For boxes whose diagonal, squared, is less than 2³²: all but absurdly long ones.
impl Square for u32 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const FAR: Self = u32::MAX;

    fn from_i64(value: i64) -> Self {
        value as u32
    }

    fn to_i64(self) -> i64 {
        i64::from(self)
    }

    fn to_raw(self) -> u64 {
        u64::from(self)
    }

    fn from_raw(raw: u64) -> Self {
        raw as u32
    }

    fn to_u64(self) -> u64 {
        if self == Self::FAR {
            u64::MAX
        } else {
            u64::from(self)
        }
    }
}

/// For everything else.
impl Square for u64 {
    const ZERO: Self = 0;
    const ONE: Self = 1;
    const FAR: Self = u64::MAX;

    fn from_i64(value: i64) -> Self {
        value as u64
    }

    fn to_i64(self) -> i64 {
        self as i64
    }

    fn to_raw(self) -> u64 {
        self
    }

    fn from_raw(raw: u64) -> Self {
        raw
    }

    fn to_u64(self) -> u64 {
        self
    }
}
