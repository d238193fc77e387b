//! numpy's element types, as far as label volumes and spacings use them.

use std::fmt;

/// A numeric element type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One byte, zero or not.
    Bool,
    /// A signed integer of so many bytes: 1, 2, 4 or 8.
    Int(u8),
    /// An unsigned integer of so many bytes: 1, 2, 4 or 8.
    Uint(u8),
    /// An IEEE float of so many bytes: 2, 4 or 8.
    Float(u8),
}

/// A numeric element type with its byte order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dtype {
    /// The type.
    pub kind: Kind,
    /// Whether the most significant byte comes first.
    pub big_endian: bool,
}

impl Dtype {
    /// `uint8`.
    pub const U8: Self = Self {
        kind: Kind::Uint(1),
        big_endian: false,
    };

    /// The type that a descriptor such as `<f4` or `|u1` names, if it is one of ours.
    pub(super) fn parse(descriptor: &str) -> Option<Self> {
        let (order, name) = match descriptor.as_bytes().first()? {
            b'<' | b'>' | b'|' | b'=' => descriptor.split_at(1),
            _ => ("=", descriptor),
        };
        let kind = match name {
            "b1" | "?" => Kind::Bool,
            "i1" => Kind::Int(1),
            "i2" => Kind::Int(2),
            "i4" => Kind::Int(4),
            "i8" => Kind::Int(8),
            "u1" => Kind::Uint(1),
            "u2" => Kind::Uint(2),
            "u4" => Kind::Uint(4),
            "u8" => Kind::Uint(8),
            "f2" => Kind::Float(2),
            "f4" => Kind::Float(4),
            "f8" => Kind::Float(8),
            _ => return None,
        };
        let big_endian = order == ">" || (order == "=" && cfg!(target_endian = "big"));
        Some(Self { kind, big_endian })
    }

    /// Bytes per element.
    pub fn size(self) -> usize {
        match self.kind {
            Kind::Bool => 1,
            Kind::Int(size) | Kind::Uint(size) | Kind::Float(size) => usize::from(size),
        }
    }

    /// numpy's descriptor, `<f4`.
    pub(super) fn descriptor(self) -> String {
        let order = match (self.size(), self.big_endian) {
            (1, _) => '|',
            (_, true) => '>',
            (_, false) => '<',
        };
        let letter = match self.kind {
            Kind::Bool => 'b',
            Kind::Int(_) => 'i',
            Kind::Uint(_) => 'u',
            Kind::Float(_) => 'f',
        };
        format!("{order}{letter}{}", self.size())
    }
}

/// numpy's name for it: `uint8`, `float32`, `>i4`.
impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind {
            _ if self.big_endian && self.size() > 1 => return f.write_str(&self.descriptor()),
            Kind::Bool => "bool".to_owned(),
            Kind::Int(size) => format!("int{}", 8 * u32::from(size)),
            Kind::Uint(size) => format!("uint{}", 8 * u32::from(size)),
            Kind::Float(size) => format!("float{}", 8 * u32::from(size)),
        };
        f.write_str(&name)
    }
}
