//! Elements of numeric arrays, decoded piece by piece from a member.

use half::f16;

use super::archive::MemberReader;
use super::error::NpzErrorKind;

/// Elements are decoded in pieces of this many bytes.
const PIECE: usize = 256 * 1024;

/// One element of a numeric array: an integer or a float, and what the protocol's casts make of it.
pub trait Element: Copy + Default + 'static {
    /// Bytes per element.
    const SIZE: usize;

    /// From little-endian bytes, `SIZE` of them.
    fn from_le(bytes: &[u8]) -> Self;

    /// From big-endian bytes, `SIZE` of them.
    fn from_be(bytes: &[u8]) -> Self;

    /// numpy's `astype(uint8)`: integers wrap; floats are truncated to a 32-bit integer, which
    /// wraps. Only meaningful where [`Self::can_be_cast`].
    fn low_byte(self) -> u8;

    /// Whether `astype(uint8)` is defined: the value is finite and fits a 32-bit integer, or is
    /// an integer.
    fn can_be_cast(self) -> bool;

    /// Whether the value is exactly this byte.
    fn is_byte(self, byte: u8) -> bool;

    /// The integer it is, if it is one and fits.
    fn integer(self) -> Option<i64>;

    /// Its value as a float.
    fn float(self) -> f64;

    /// For messages.
    fn show(self) -> String;
}

macro_rules! integer_element {
    ($($type:ty),*) => {$(
        impl Element for $type {
            const SIZE: usize = size_of::<$type>();
            fn from_le(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0, <$type>::from_le_bytes)
            }
            fn from_be(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0, <$type>::from_be_bytes)
            }
            fn low_byte(self) -> u8 {
                self as u8
            }
            fn can_be_cast(self) -> bool {
                true
            }
            fn is_byte(self, byte: u8) -> bool {
                <$type>::try_from(byte) == Ok(self)
            }
            fn integer(self) -> Option<i64> {
                i64::try_from(self).ok()
            }
            fn float(self) -> f64 {
                self as f64
            }
            fn show(self) -> String {
                self.to_string()
            }
        }
    )*};
}

integer_element!(u8, u16, u32, u64, i8, i16, i32, i64);

macro_rules! float_element {
    ($($type:ty),*) => {$(
        impl Element for $type {
            const SIZE: usize = size_of::<$type>();
            fn from_le(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0.0, <$type>::from_le_bytes)
            }
            fn from_be(bytes: &[u8]) -> Self {
                bytes.try_into().map_or(0.0, <$type>::from_be_bytes)
            }
            fn low_byte(self) -> u8 {
                self as i32 as u8
            }
            fn can_be_cast(self) -> bool {
                self.abs() < 2_147_483_648.0
            }
            fn is_byte(self, byte: u8) -> bool {
                self == <$type>::from(byte)
            }
            fn integer(self) -> Option<i64> {
                let fits = self.fract() == 0.0 && self.abs() < 9.0e18;
                fits.then_some(self as i64)
            }
            fn float(self) -> f64 {
                f64::from(self)
            }
            fn show(self) -> String {
                self.to_string()
            }
        }
    )*};
}

float_element!(f32, f64);

impl Element for f16 {
    const SIZE: usize = 2;
    fn from_le(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(f16::ZERO, f16::from_le_bytes)
    }
    fn from_be(bytes: &[u8]) -> Self {
        bytes.try_into().map_or(f16::ZERO, f16::from_be_bytes)
    }
    fn low_byte(self) -> u8 {
        self.to_f32().low_byte()
    }
    fn can_be_cast(self) -> bool {
        self.is_finite()
    }
    fn is_byte(self, byte: u8) -> bool {
        self.to_f32().is_byte(byte)
    }
    fn integer(self) -> Option<i64> {
        self.to_f32().integer()
    }
    fn float(self) -> f64 {
        self.to_f64()
    }
    fn show(self) -> String {
        self.to_string()
    }
}

/// A numpy `bool`: any non-zero byte is true.
#[derive(Clone, Copy, Default)]
pub(crate) struct NumpyBool(u8);

impl Element for NumpyBool {
    const SIZE: usize = 1;
    fn from_le(bytes: &[u8]) -> Self {
        Self(u8::from(bytes.first().is_some_and(|&byte| byte != 0)))
    }
    fn from_be(bytes: &[u8]) -> Self {
        Self::from_le(bytes)
    }
    fn low_byte(self) -> u8 {
        self.0
    }
    fn can_be_cast(self) -> bool {
        true
    }
    fn is_byte(self, byte: u8) -> bool {
        self.0 == byte
    }
    fn integer(self) -> Option<i64> {
        Some(i64::from(self.0))
    }
    fn float(self) -> f64 {
        f64::from(self.0)
    }
    fn show(self) -> String {
        if self.0 == 0 {
            "False".to_owned()
        } else {
            "True".to_owned()
        }
    }
}

/// Reads `count` elements and hands them over in pieces, each with the number of elements before
/// it. Never holds more than a piece.
pub(crate) fn read_elements<T: Element>(
    reader: &mut MemberReader,
    count: usize,
    big_endian: bool,
    mut take: impl FnMut(usize, &[T]) -> Result<(), NpzErrorKind>,
) -> Result<(), NpzErrorKind> {
    let per_piece = (PIECE / T::SIZE).min(count.max(1));
    let mut bytes = vec![0; per_piece * T::SIZE];
    let mut elements = vec![T::default(); per_piece];
    let mut before = 0;
    while before < count {
        let now = per_piece.min(count - before);
        let (bytes, elements) = (&mut bytes[..now * T::SIZE], &mut elements[..now]);
        reader.fill(bytes)?;
        let pairs = elements.iter_mut().zip(bytes.chunks_exact(T::SIZE));
        if big_endian {
            pairs.for_each(|(element, bytes)| *element = T::from_be(bytes));
        } else {
            pairs.for_each(|(element, bytes)| *element = T::from_le(bytes));
        }
        take(before, elements)?;
        before += now;
    }
    Ok(())
}

/// Calls a generic function with the element type that a [`super::dtype::Kind`] stands for.
macro_rules! with_element {
    ($kind:expr, $function:ident ( $($argument:expr),* $(,)? )) => {{
        use $crate::npz::Kind;
        use $crate::npz::element::NumpyBool;
        match $kind {
            Kind::Bool => $function::<NumpyBool>($($argument),*),
            Kind::Int(1) => $function::<i8>($($argument),*),
            Kind::Int(2) => $function::<i16>($($argument),*),
            Kind::Int(4) => $function::<i32>($($argument),*),
            Kind::Int(_) => $function::<i64>($($argument),*),
            Kind::Uint(1) => $function::<u8>($($argument),*),
            Kind::Uint(2) => $function::<u16>($($argument),*),
            Kind::Uint(4) => $function::<u32>($($argument),*),
            Kind::Uint(_) => $function::<u64>($($argument),*),
            Kind::Float(2) => $function::<half::f16>($($argument),*),
            Kind::Float(4) => $function::<f32>($($argument),*),
            Kind::Float(_) => $function::<f64>($($argument),*),
        }
    }};
}
pub(crate) use with_element;
