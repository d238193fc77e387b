//! Writing `.npz` archives as numpy writes them.

use std::io::{Read, Seek, Write};

use ndarray::{ArrayView, Dimension};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::dtype::{Dtype, Kind};
use super::error::Flaw;
use super::header::header_bytes;
use super::pickle::{self, ObjectArray};

/// zlib's fastest level. Label volumes compress to a few per cent at any level.
const LEVEL: i64 = 1;
/// Members from here on get zip64 records.
const LARGE: u64 = u32::MAX as u64 - (1 << 20);

/// An element type that arrays are written in.
pub trait Writable: Copy {
    /// numpy's name for it.
    const DTYPE: Dtype;

    /// Appends the element's little-endian bytes.
    fn append(self, bytes: &mut Vec<u8>);
}

macro_rules! writable {
    ($($type:ty: $kind:expr),* $(,)?) => {$(
        impl Writable for $type {
            const DTYPE: Dtype = Dtype { kind: $kind, big_endian: false };
            fn append(self, bytes: &mut Vec<u8>) {
                bytes.extend(self.to_le_bytes());
            }
        }
    )*};
}

writable! {
    u8: Kind::Uint(1), u16: Kind::Uint(2), u32: Kind::Uint(4), u64: Kind::Uint(8),
    i8: Kind::Int(1), i16: Kind::Int(2), i32: Kind::Int(4), i64: Kind::Int(8),
    half::f16: Kind::Float(2), f32: Kind::Float(4), f64: Kind::Float(8),
}

impl Writable for bool {
    const DTYPE: Dtype = Dtype {
        kind: Kind::Bool,
        big_endian: false,
    };
    fn append(self, bytes: &mut Vec<u8>) {
        bytes.push(u8::from(self));
    }
}

/// Writes the members of an `.npz`, one after the other.
///
/// Members carry no time, so equal content gives equal bytes.
pub struct NpzWriter<W: Write + Seek> {
    zip: ZipWriter<W>,
}

impl<W: Write + Seek> NpzWriter<W> {
    /// Starts an archive at the beginning of `target`.
    pub fn new(target: W) -> Self {
        Self {
            zip: ZipWriter::new(target),
        }
    }

    /// Adds an array of numbers, deflated, in C order.
    ///
    /// # Errors
    /// If writing fails.
    pub fn array<T: Writable, D: Dimension>(
        &mut self,
        key: &str,
        array: ArrayView<'_, T, D>,
    ) -> Result<(), Flaw> {
        let size = (array.len() as u64).saturating_mul(T::DTYPE.size() as u64);
        self.start(key, &T::DTYPE.descriptor(), array.shape(), size)?;
        let mut bytes = Vec::with_capacity(64 * 1024 + 8);
        for &element in array.iter() {
            element.append(&mut bytes);
            if bytes.len() >= 64 * 1024 {
                self.write(&bytes)?;
                bytes.clear();
            }
        }
        self.write(&bytes)
    }

    /// Adds an array of bytes given in C order.
    pub(crate) fn bytes(&mut self, key: &str, shape: &[usize], bytes: &[u8]) -> Result<(), Flaw> {
        self.start(key, &Dtype::U8.descriptor(), shape, bytes.len() as u64)?;
        self.write(bytes)
    }

    /// Adds an array of Python objects, pickled so that numpy 1.24 to 2.x read it.
    ///
    /// # Errors
    /// If the objects are nested too deeply or writing fails.
    pub fn objects(&mut self, key: &str, array: &ObjectArray) -> Result<(), Flaw> {
        let bytes = pickle::write_array(array).map_err(|error| Flaw::Unwritable {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        self.start(key, "|O", array.shape(), bytes.len() as u64)?;
        self.write(&bytes)
    }

    /// Adds an array of two-character strings (numpy's `<U2`) given in C order.
    pub(crate) fn two_letters(
        &mut self,
        key: &str,
        shape: &[usize],
        strings: &[&str],
    ) -> Result<(), Flaw> {
        let mut bytes = Vec::with_capacity(strings.len() * 8);
        for string in strings {
            let mut letters = string.chars().map(u32::from).chain([0, 0]);
            for _ in 0..2 {
                bytes.extend(letters.next().unwrap_or(0).to_le_bytes());
            }
        }
        self.start(key, "<U2", shape, bytes.len() as u64)?;
        self.write(&bytes)
    }

    /// Adds another archive's member, compressed as it is.
    pub(crate) fn copy<R: Read>(&mut self, member: zip::read::ZipFile<'_, R>) -> Result<(), Flaw> {
        self.zip.raw_copy_file(member).map_err(failed)
    }

    /// Starts an array; its elements follow by [`Self::write`].
    pub(crate) fn start(
        &mut self,
        key: &str,
        descriptor: &str,
        shape: &[usize],
        size: u64,
    ) -> Result<(), Flaw> {
        let header = header_bytes(key, descriptor, false, shape)?;
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(LEVEL))
            .large_file(size >= LARGE);
        self.zip
            .start_file(format!("{key}.npy"), options)
            .map_err(failed)?;
        self.write(&header)
    }

    /// More bytes of the array last started.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Flaw> {
        self.zip
            .write_all(bytes)
            .map_err(Flaw::io("writing failed"))
    }

    /// Writes the archive's directory and returns what was written to.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(self) -> Result<W, Flaw> {
        self.zip.finish().map_err(failed)
    }
}

fn failed(error: zip::result::ZipError) -> Flaw {
    match error {
        zip::result::ZipError::Io(source) => Flaw::Io {
            doing: "writing failed",
            source,
        },
        other => Flaw::Unwritable {
            key: "the archive".to_owned(),
            reason: other.to_string(),
        },
    }
}
