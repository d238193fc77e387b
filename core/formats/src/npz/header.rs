//! The header of a `.npy` array: its element type, order and shape.
//!
//! The format is numpy's NEP 1. The dictionary is parsed by `ndarray-npy`; what comes from outside
//! is first held to a length and a nesting that a parser can take.

use ndarray_npy::npy::header::{Header, Layout, ReadHeaderError};
use py_literal::Value as Literal;

use super::archive::{MemberReader, printable};
use super::dtype::Dtype;
use super::error::{NpzErrorKind, tuple};

/// numpy itself refuses longer ones.
const LONGEST: usize = 10_000;
/// Brackets inside brackets: a structured type has a few, an attack on the parser has many.
const DEEPEST: usize = 6;
/// More axes than numpy has ever allowed.
const MOST_AXES: usize = 64;

/// What an array's elements are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Elements {
    /// Numbers.
    Numeric(Dtype),
    /// Pickled Python objects.
    Objects,
    /// Anything else, in words: strings, structures, complex numbers.
    Other(String),
}

impl Elements {
    fn of(descriptor: &Literal) -> Self {
        let Literal::String(text) = descriptor else {
            return Self::Other("a structured type".to_owned());
        };
        if let Some(dtype) = Dtype::parse(text) {
            return Self::Numeric(dtype);
        }
        let shown = printable(text);
        match text.trim_start_matches(['<', '>', '|', '=']).chars().next() {
            Some('O') => Self::Objects,
            Some('U' | 'S' | 'a') => Self::Other(format!("strings (dtype {shown})")),
            Some('V') => Self::Other(format!("raw bytes (dtype {shown})")),
            Some('c') => Self::Other(format!("complex numbers (dtype {shown})")),
            _ => Self::Other(format!("dtype {shown}")),
        }
    }

    /// In words, for messages.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Numeric(dtype) => dtype.to_string(),
            Self::Objects => "pickled Python objects".to_owned(),
            Self::Other(what) => what.clone(),
        }
    }
}

/// A parsed and checked header.
#[derive(Debug, Clone)]
pub(crate) struct ArrayHeader {
    pub(crate) elements: Elements,
    pub(crate) fortran: bool,
    pub(crate) shape: Vec<usize>,
}

impl ArrayHeader {
    /// Reads the header at the start of a member.
    pub(crate) fn read(reader: &mut MemberReader) -> Result<Self, NpzErrorKind> {
        let key = reader.key().to_owned();
        let fail = |reason: &str| NpzErrorKind::header(&key, reason);
        let mut start = [0; 10];
        if reader.left() < start.len() as u64 {
            return Err(fail("it is too short to be a .npy array"));
        }
        reader.fill(&mut start)?;
        if !start.starts_with(b"\x93NUMPY") {
            return Err(fail("it does not begin as a .npy array does"));
        }
        let mut bytes = start.to_vec();
        let length = match start[6] {
            1 => usize::from(u16::from_le_bytes([start[8], start[9]])),
            2 | 3 => {
                let mut rest = [0; 2];
                reader.fill(&mut rest)?;
                bytes.extend_from_slice(&rest);
                let length = u32::from_le_bytes([start[8], start[9], rest[0], rest[1]]);
                usize::try_from(length).unwrap_or(usize::MAX)
            }
            other => return Err(fail(&format!("version {other} of .npy is unknown"))),
        };
        if length > LONGEST {
            return Err(fail(&format!(
                "its header claims {length} bytes; numpy reads up to {LONGEST}"
            )));
        }
        let dictionary = bytes.len();
        bytes.resize(dictionary + length, 0);
        reader.fill(&mut bytes[dictionary..])?;
        if !is_shallow(&bytes[dictionary..]) {
            return Err(fail("its header is too deeply nested"));
        }
        let header = Header::from_reader(&mut bytes.as_slice()).map_err(|error| {
            let reason = match error {
                ReadHeaderError::Io(error) => error.to_string(),
                ReadHeaderError::Parse(error) => first_line(&error.to_string()),
            };
            fail(&format!("its header does not parse: {reason}"))
        })?;
        if header.shape.len() > MOST_AXES {
            return Err(fail("it has more axes than numpy allows"));
        }
        Ok(Self {
            elements: Elements::of(&header.type_descriptor),
            fortran: header.layout.is_fortran(),
            shape: header.shape,
        })
    }

    /// The number of elements, if it can be counted.
    pub(crate) fn count(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis))
    }

    /// The numeric element type and the number of elements, when the rest of the member is
    /// exactly that array.
    pub(crate) fn numeric(
        &self,
        reader: &MemberReader,
        wanted: &'static str,
    ) -> Result<(Dtype, usize), NpzErrorKind> {
        let key = reader.key();
        let Elements::Numeric(dtype) = self.elements else {
            let (key, found) = (key.to_owned(), self.elements.describe());
            return Err(NpzErrorKind::ElementType { key, found, wanted });
        };
        let bytes = self
            .count()
            .and_then(|count| count.checked_mul(dtype.size()));
        match (self.count(), bytes) {
            (Some(count), Some(bytes)) if bytes as u64 == reader.left() => Ok((dtype, count)),
            _ => Err(NpzErrorKind::unreadable(
                key,
                format!(
                    "it holds {} bytes of elements, which is no {dtype} array of shape {}",
                    reader.left(),
                    tuple(&self.shape)
                ),
            )),
        }
    }

    /// The shape, if it has three axes.
    pub(crate) fn three_axes(&self, key: &str) -> Result<[usize; 3], NpzErrorKind> {
        <[usize; 3]>::try_from(self.shape.as_slice()).map_err(|_| NpzErrorKind::Shape {
            key: key.to_owned(),
            found: self.shape.clone(),
            wanted: "have three axes, (z, y, x)".to_owned(),
        })
    }
}

/// The bytes of a header with this descriptor.
pub(crate) fn header_bytes(
    key: &str,
    descriptor: &str,
    fortran: bool,
    shape: &[usize],
) -> Result<Vec<u8>, NpzErrorKind> {
    let header = Header {
        type_descriptor: Literal::String(descriptor.to_owned()),
        layout: if fortran {
            Layout::Fortran
        } else {
            Layout::Standard
        },
        shape: shape.to_vec(),
    };
    header.to_bytes().map_err(|error| NpzErrorKind::Unwritable {
        key: key.to_owned(),
        reason: error.to_string(),
    })
}

/// Whether brackets nest no deeper than any header's do. The literal parser backtracks, so that
/// deep nesting costs it exponential time.
fn is_shallow(dictionary: &[u8]) -> bool {
    let mut depth = 0usize;
    let mut braces = 0;
    for byte in dictionary {
        match byte {
            b'{' => {
                braces += 1;
                depth += 1;
            }
            b'(' | b'[' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEEPEST || braces > 1 {
            return false;
        }
    }
    true
}

fn first_line(message: &str) -> String {
    printable(
        message
            .lines()
            .map(str::trim)
            .find(|line| !line.is_empty())
            .unwrap_or("?"),
    )
}
