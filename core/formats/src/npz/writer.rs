//! Writing `.npz` archives as numpy writes them.

use std::io::{self, Read, Seek, SeekFrom, Write};

use ndarray::{ArrayView, Dimension};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::dtype::{Dtype, Kind};
use super::error::NpzErrorKind;
use super::header::header_bytes;
use super::pickle::{self, ObjectArray};

/// zlib's fastest level. Label volumes compress to a few per cent at any level, and a submission's
/// reading time counts against it: numpy inflates what this level wrote in half the time that its
/// own level takes. It reads stored bytes twice as fast again, some 50 ms for a CT, but these are
/// sixty times as many, at every interaction.
const LEVEL: i64 = 1;
/// Members from here on get zip64 records.
const LARGE: u64 = u32::MAX as u64 - (1 << 20);

/// An element type that arrays are written in.
pub trait Writable: Copy {
    /// numpy's name for it.
    const DTYPE: Dtype;

    /// Appends the element's little-endian bytes.
    fn append(self, bytes: &mut Vec<u8>);

    /// The elements as their bytes, where they are bytes.
    fn as_bytes(_elements: &[Self]) -> Option<&[u8]> {
        None
    }
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
    u16: Kind::Uint(2), u32: Kind::Uint(4), u64: Kind::Uint(8),
    i8: Kind::Int(1), i16: Kind::Int(2), i32: Kind::Int(4), i64: Kind::Int(8),
    half::f16: Kind::Float(2), f32: Kind::Float(4), f64: Kind::Float(8),
}

impl Writable for u8 {
    const DTYPE: Dtype = Dtype::U8;
    fn append(self, bytes: &mut Vec<u8>) {
        bytes.push(self);
    }
    fn as_bytes(elements: &[Self]) -> Option<&[u8]> {
        Some(elements)
    }
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
    zip: ZipWriter<Abandoned<W>>,
}

impl<W: Write + Seek> NpzWriter<W> {
    /// Starts an archive at the beginning of `target`.
    pub fn new(target: W) -> Self {
        Self {
            zip: ZipWriter::new(Abandoned {
                target,
                failed: false,
            }),
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
    ) -> Result<(), NpzErrorKind> {
        let size = (array.len() as u64).saturating_mul(T::DTYPE.size() as u64);
        self.start(key, &T::DTYPE.descriptor(), array.shape(), size)?;
        if let Some(bytes) = array.to_slice().and_then(T::as_bytes) {
            return self.write(bytes);
        }
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

    /// Adds an array of Python objects, pickled so that numpy 1.24 to 2.x read it.
    ///
    /// # Errors
    /// If the objects are nested too deeply or writing fails.
    pub fn objects(&mut self, key: &str, array: &ObjectArray) -> Result<(), NpzErrorKind> {
        let bytes = pickle::write_array(array).map_err(|error| NpzErrorKind::Unwritable {
            key: key.to_owned(),
            reason: error.to_string(),
        })?;
        self.start(key, "|O", array.shape(), bytes.len() as u64)?;
        self.write(&bytes)
    }

    /// Adds an array of two-character strings (numpy's `<U2`) given in C order.
    pub fn two_letters(
        &mut self,
        key: &str,
        shape: &[usize],
        strings: &[&str],
    ) -> Result<(), NpzErrorKind> {
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
    pub(crate) fn copy<R: Read>(
        &mut self,
        member: zip::read::ZipFile<'_, R>,
    ) -> Result<(), NpzErrorKind> {
        self.zip.raw_copy_file(member).map_err(failed)
    }

    /// Starts an array; its elements follow by [`Self::write`].
    pub(crate) fn start(
        &mut self,
        key: &str,
        descriptor: &str,
        shape: &[usize],
        size: u64,
    ) -> Result<(), NpzErrorKind> {
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
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), NpzErrorKind> {
        self.zip
            .write_all(bytes)
            .map_err(NpzErrorKind::io("writing failed"))
    }

    /// Writes the archive's directory and returns what was written to.
    ///
    /// # Errors
    /// If writing fails.
    pub fn finish(self) -> Result<W, NpzErrorKind> {
        Ok(self.zip.finish().map_err(failed)?.target)
    }
}

/// A file that takes nothing more after the first failure.
///
/// A `ZipWriter` that is dropped tries to finish its archive all the same. On a disk that failed
/// for a moment only, it would then find less in the file than it wrote, and panics over it.
struct Abandoned<W> {
    target: W,
    failed: bool,
}

impl<W> Abandoned<W> {
    fn attempt<T>(&mut self, act: impl FnOnce(&mut W) -> io::Result<T>) -> io::Result<T> {
        if self.failed {
            return Err(io::Error::other("an earlier write failed"));
        }
        let result = act(&mut self.target);
        let again = io::ErrorKind::Interrupted;
        self.failed = result.as_ref().is_err_and(|error| error.kind() != again);
        result
    }
}

impl<W: Write> Write for Abandoned<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.attempt(|target| target.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.attempt(W::flush)
    }
}

impl<W: Seek> Seek for Abandoned<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.attempt(|target| target.seek(to))
    }
}

fn failed(error: zip::result::ZipError) -> NpzErrorKind {
    match error {
        zip::result::ZipError::Io(source) => NpzErrorKind::Io {
            doing: "writing failed",
            source,
        },
        other => NpzErrorKind::Unwritable {
            key: "the archive".to_owned(),
            reason: other.to_string(),
        },
    }
}
