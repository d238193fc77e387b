//! Reading whole members of a file that is one's own: what a submission in Rust, a report or a
//! test needs, and the evaluation itself does not.

use std::path::Path;

use ndarray::{Array2, Array3, ShapeBuilder};

use super::archive::{Archive, MemberReader};
use super::dtype::Dtype;
use super::element::{Element, read_elements, with_element};
use super::error::{NpzError, NpzErrorKind};
use super::folder::open_own;
use super::header::{ArrayHeader, Elements};
use super::image::read_objects;
use super::layout::voxel;
use super::pickle::ObjectArray;

/// As many elements as a small array has.
const SMALL: usize = 1 << 16;

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
        let archive = archive.map_err(|kind| NpzError::new(path, kind))?;
        Ok(Self {
            path: path.to_owned(),
            archive,
        })
    }

    /// Whether the array with this key holds Python objects.
    pub fn has_objects(&self, key: &str) -> bool {
        let array = self.array(key);
        array.is_ok_and(|(_, header)| header.elements == Elements::Objects)
    }

    /// Whether there is a member with this key.
    pub fn has(&self, key: &str) -> bool {
        matches!(self.archive.find(key), Ok(Some(_)))
    }

    /// The element type of the array with this key.
    ///
    /// # Errors
    /// If there is none of this key, or it does not hold numbers.
    pub fn dtype(&self, key: &str) -> Result<Dtype, NpzError> {
        let read = || -> Result<Dtype, NpzErrorKind> {
            let (reader, header) = self.array(key)?;
            Ok(header.numeric(&reader, "numbers")?.0)
        };
        read().map_err(|kind| NpzError::new(&self.path, kind))
    }

    /// A 3-D array of any numeric type, as floats in C order.
    ///
    /// # Errors
    /// If there is none of this key, or it is something else.
    pub fn volume(&self, key: &str) -> Result<Array3<f32>, NpzError> {
        self.read_volume(key, |value: f64| value as f32)
    }

    /// A 3-D array of any numeric type, each value cast to a byte, in C order.
    ///
    /// # Errors
    /// If there is none of this key, or it is something else.
    pub fn byte_volume(&self, key: &str) -> Result<Array3<u8>, NpzError> {
        self.read_volume(key, |value: f64| value as u8)
    }

    /// The slice `z` of a 3-D array of any numeric type, and the array's shape. Memory is that of
    /// the slice; what lies behind it in the file is not read.
    ///
    /// # Errors
    /// If there is none of this key, it is something else, or has no such slice.
    pub fn slice(&self, key: &str, z: usize) -> Result<(Array2<f64>, [usize; 3]), NpzError> {
        let read = || -> Result<(Array2<f64>, [usize; 3]), NpzErrorKind> {
            let (mut reader, header) = self.array(key)?;
            let shape = header.three_axes(key)?;
            let (dtype, count) = header.numeric(&reader, "numbers")?;
            let [depth, height, width] = shape;
            if z >= depth {
                return Err(NpzErrorKind::unreadable(
                    key,
                    format!("it has no slice {z}"),
                ));
            }
            let mut values = Array2::zeros((height, width));
            // In C order the slice is a stretch of the file, and the rest can stay there.
            let (first, end) = match header.fortran {
                true => (0, count),
                false => (z * height * width, (z + 1) * height * width),
            };
            let mut set = |index: usize, value: f64| {
                let [at, y, x] = voxel(index, shape, header.fortran);
                if at == z {
                    values[[y, x]] = value;
                }
            };
            with_element!(
                dtype.kind,
                each(&mut reader, first..end, dtype.big_endian, &mut set)
            )?;
            Ok((values, shape))
        };
        read().map_err(|kind| NpzError::new(&self.path, kind))
    }

    /// A small array of any numeric type and shape, as floats in the file's order.
    ///
    /// # Errors
    /// If there is none of this key, it holds something else, or it is not small.
    pub fn numbers(&self, key: &str) -> Result<Vec<f64>, NpzError> {
        let read = || -> Result<Vec<f64>, NpzErrorKind> {
            let (mut reader, header) = self.array(key)?;
            let (dtype, count) = header.numeric(&reader, "numbers")?;
            if count > SMALL {
                return Err(NpzErrorKind::header(key, "it must be a small array"));
            }
            let mut values = Vec::with_capacity(count);
            let mut take = |_: usize, value: f64| values.push(value);
            with_element!(
                dtype.kind,
                each(&mut reader, 0..count, dtype.big_endian, &mut take)
            )?;
            reader.finish()?;
            Ok(values)
        };
        read().map_err(|kind| NpzError::new(&self.path, kind))
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
                _ => Err(NpzErrorKind::header(
                    key,
                    "it must be an array of Python objects",
                )),
            }
        };
        read().map_err(|kind| NpzError::new(&self.path, kind))
    }

    /// An array of strings, with its shape and the strings in C order.
    ///
    /// # Errors
    /// If there is none of this key, or it is something else.
    pub fn strings(&self, key: &str) -> Result<(Vec<usize>, Vec<String>), NpzError> {
        let read = || {
            let (mut reader, header) = self.array(key)?;
            let not_strings = || NpzErrorKind::header(key, "it must be an array of strings");
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
        read().map_err(|kind| NpzError::new(&self.path, kind))
    }

    /// An array's header, and a reader that stands behind it.
    fn array(&self, key: &str) -> Result<(MemberReader, ArrayHeader), NpzErrorKind> {
        let member = self.archive.require(key, "what is asked for")?;
        let mut reader = self.archive.reader(member)?;
        let header = ArrayHeader::read(&mut reader)?;
        Ok((reader, header))
    }

    fn read_volume<T: Copy>(
        &self,
        key: &str,
        cast: impl Fn(f64) -> T,
    ) -> Result<Array3<T>, NpzError> {
        let read = || -> Result<Array3<T>, NpzErrorKind> {
            let (mut reader, header) = self.array(key)?;
            let shape = header.three_axes(key)?;
            let (dtype, count) = header.numeric(&reader, "numbers")?;
            let mut values = Vec::with_capacity(count);
            let mut take = |_: usize, value: f64| values.push(cast(value));
            with_element!(
                dtype.kind,
                each(&mut reader, 0..count, dtype.big_endian, &mut take)
            )?;
            reader.finish()?;
            let array = if header.fortran {
                Array3::from_shape_vec(shape.f(), values)
                    .map(|array| array.as_standard_layout().into_owned())
            } else {
                Array3::from_shape_vec(shape, values)
            };
            array.map_err(|_| NpzErrorKind::unreadable(key, "it does not fill its shape"))
        };
        read().map_err(|kind| NpzError::new(&self.path, kind))
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

/// Reads up to the end of a range of elements and takes those in it.
fn each<T: Element>(
    reader: &mut MemberReader,
    wanted: std::ops::Range<usize>,
    big_endian: bool,
    take: &mut impl FnMut(usize, f64),
) -> Result<(), NpzErrorKind> {
    read_elements::<T>(reader, wanted.end, big_endian, |before, values| {
        let skipped = wanted.start.saturating_sub(before);
        let taken = values.iter().enumerate().skip(skipped);
        taken.for_each(|(index, value)| take(before + index, value.float()));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npz::write_volume;

    #[test]
    fn a_slice_is_that_of_the_whole_volume_in_either_order() {
        let folder = tempfile::tempdir().unwrap();
        // Larger than a piece, so that slices begin in the middle of one.
        let volume = Array3::from_shape_fn((5, 150, 170), |(z, y, x)| (z * 50 + y + x) as u8);
        let fortran = Array3::from_shape_vec(
            ndarray::ShapeBuilder::f(volume.raw_dim()),
            volume.view().reversed_axes().iter().copied().collect(),
        );
        for (name, volume) in [("c", volume.clone()), ("f", fortran.unwrap())] {
            let path = folder.path().join(format!("{name}.npz"));
            write_volume(&path, "imgs", volume.view()).unwrap();
            let members = NpzMembers::open(&path).unwrap();
            for z in [0, 3, 4] {
                let (slice, shape) = members.slice("imgs", z).unwrap();
                assert_eq!(shape, [5, 150, 170]);
                assert_eq!(
                    slice,
                    volume.index_axis(ndarray::Axis(0), z).mapv(f64::from)
                );
            }
            let error = members.slice("imgs", 5).unwrap_err().to_string();
            assert!(error.contains("no slice 5"), "{error}");
        }
    }
}
