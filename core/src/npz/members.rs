//! Reading whole members of a file that is one's own: what a submission in Rust, a report or a
//! test needs, and the evaluation itself does not.

use std::path::Path;

use ndarray::Array3;

use super::archive::{Archive, MemberReader};
use super::element::{Element, read_elements, with_element};
use super::error::{Flaw, NpzError};
use super::folder::open_own;
use super::header::{ArrayHeader, Elements};
use super::image::read_objects;
use super::layout::voxel;
use super::pickle::ObjectArray;

/// An open `.npz` that is the user's own.
pub struct NpzMembers {
    path: std::path::PathBuf,
    archive: Archive,
}

impl NpzMembers {
    /// Opens the file.
    ///
    /// # Errors
    /// If it is no readable `.npz`.
    pub fn open(path: &Path) -> Result<Self, NpzError> {
        let archive = open_own(path).and_then(Archive::open);
        let archive = archive.map_err(|flaw| NpzError::new(path, flaw))?;
        Ok(Self {
            path: path.to_owned(),
            archive,
        })
    }

    /// Whether the array with this key holds Python objects.
    pub fn has_objects(&self, key: &str) -> bool {
        let read = || {
            let mut reader = self
                .archive
                .reader(self.archive.require(key, "what is asked for")?)?;
            ArrayHeader::read(&mut reader)
        };
        read().is_ok_and(|header| header.elements == Elements::Objects)
    }

    /// Whether there is a member with this key.
    pub fn has(&self, key: &str) -> bool {
        matches!(self.archive.find(key), Ok(Some(_)))
    }

    /// A 3-D array of any numeric type, as floats in C order.
    ///
    /// # Errors
    /// If there is none of this key, or it is something else.
    pub fn volume(&self, key: &str) -> Result<Array3<f32>, NpzError> {
        self.read_volume(key, 0.0, |value: f64| value as f32)
    }

    /// A 3-D array of any numeric type, each value cast to a byte, in C order.
    ///
    /// # Errors
    /// If there is none of this key, or it is something else.
    pub fn byte_volume(&self, key: &str) -> Result<Array3<u8>, NpzError> {
        self.read_volume(key, 0, |value: f64| value as u8)
    }

    /// An array of Python objects.
    ///
    /// # Errors
    /// If there is none of this key, or it holds more than plain values.
    pub fn objects(&self, key: &str) -> Result<ObjectArray, NpzError> {
        let read = || {
            let member = self.archive.require(key, "what is asked for")?;
            let header = ArrayHeader::read(&mut self.archive.reader(member)?)?;
            match header.elements {
                Elements::Objects => read_objects(&self.archive, member),
                _ => Err(Flaw::header(key, "it must be an array of Python objects")),
            }
        };
        read().map_err(|flaw| NpzError::new(&self.path, flaw))
    }

    /// An array of strings, with its shape and the strings in C order.
    ///
    /// # Errors
    /// If there is none of this key, or it is something else.
    pub fn strings(&self, key: &str) -> Result<(Vec<usize>, Vec<String>), NpzError> {
        let read = || {
            let mut reader = self
                .archive
                .reader(self.archive.require(key, "what is asked for")?)?;
            let header = ArrayHeader::read(&mut reader)?;
            let not_strings = || Flaw::header(key, "it must be an array of strings");
            let count = header.count().ok_or_else(not_strings)?;
            let mut bytes = vec![0; usize::try_from(reader.left()).map_err(|_| not_strings())?];
            reader.fill(&mut bytes)?;
            // numpy stores four bytes a letter, and pads with zeros.
            let size = bytes.len() / count.max(1);
            let is_text = matches!(&header.elements, Elements::Other(what) if what.contains("<U"));
            if !is_text || size == 0 || size % 4 != 0 {
                return Err(not_strings());
            }
            Ok((
                header.shape.clone(),
                bytes.chunks_exact(size).map(text).collect(),
            ))
        };
        read().map_err(|flaw| NpzError::new(&self.path, flaw))
    }

    fn read_volume<T: Copy>(
        &self,
        key: &str,
        empty: T,
        cast: impl Fn(f64) -> T,
    ) -> Result<Array3<T>, NpzError> {
        let read = || -> Result<Array3<T>, Flaw> {
            let mut reader = self
                .archive
                .reader(self.archive.require(key, "what is asked for")?)?;
            let header = ArrayHeader::read(&mut reader)?;
            let shape = header.three_axes(key)?;
            let (dtype, count) = header.numeric(&reader, "numbers")?;
            let mut values = Array3::from_elem(shape, empty);
            let mut set = |index: usize, value: f64| {
                values[voxel(index, shape, header.fortran)] = cast(value);
            };
            with_element!(
                dtype.kind,
                each(&mut reader, count, dtype.big_endian, &mut set)
            )?;
            reader.finish()?;
            Ok(values)
        };
        read().map_err(|flaw| NpzError::new(&self.path, flaw))
    }
}

fn text(bytes: &[u8]) -> String {
    let letters = bytes
        .chunks_exact(4)
        .map(|letter| letter.try_into().map_or(0, u32::from_le_bytes));
    letters
        .take_while(|&letter| letter != 0)
        .filter_map(char::from_u32)
        .collect()
}

fn each<T: Element>(
    reader: &mut MemberReader,
    count: usize,
    big_endian: bool,
    take: &mut impl FnMut(usize, f64),
) -> Result<(), Flaw> {
    read_elements::<T>(reader, count, big_endian, |before, values| {
        values
            .iter()
            .enumerate()
            .for_each(|(index, value)| take(before + index, value.float()));
        Ok(())
    })
}
