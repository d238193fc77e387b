//! Ground truths: any integer labels, brought into one-byte keys.

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array3;

use segarena_kernels::{LabelKeys, LabelVolume, Spacing};

use super::archive::{Archive, MemberReader};
use super::dtype::{Dtype, Kind};
use super::element::{Element, read_elements, with_element};
use super::error::{NpzError, NpzErrorKind};
use super::folder::open_own;
use super::header::ArrayHeader;
use super::layout::{in_c_order, voxel};

const PURPOSE: &str = "a ground truth is a 3-D array of integer labels, 0 being background";
const WANTED: &str = "integer labels (bool, int8…64, uint8…64, or floats that are all whole)";

/// A ground truth: the key of every voxel, and which label each key is.
#[derive(Debug, Clone, PartialEq)]
pub struct GroundTruth {
    /// The keys, shape (z, y, x), C order; 0 is background.
    pub voxels: Array3<u8>,
    /// The labels there are, and their keys.
    pub keys: LabelKeys,
}

impl GroundTruth {
    /// The shape (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        let (z, y, x) = self.voxels.dim();
        [z, y, x]
    }

    /// The voxels and their labels, with the spacing of the case's image.
    pub fn into_volume(self, spacing: Spacing) -> LabelVolume {
        LabelVolume::with_keys(self.voxels, self.keys, spacing)
    }
}

/// Reads the ground truth `key` (the protocol's is `gts`) of the file at `path`.
///
/// Any integer or boolean type serves, and floats if every one is a whole number; C or Fortran
/// order; either byte order. Memory is one byte per voxel.
///
/// # Errors
/// If the file is no `.npz` or has no such array, the array is not 3-D, holds no label, or more
/// labels than [`LabelKeys::MOST`].
pub fn read_ground_truth(path: &Path, key: &str) -> Result<GroundTruth, NpzError> {
    open_own(path)
        .and_then(Archive::open)
        .and_then(|archive| decode(&archive, key))
        .map_err(|kind| NpzError::new(path, kind))
}

/// Reads a ground truth from the bytes of an `.npz`; `path` is what messages call it.
///
/// # Errors
/// As [`read_ground_truth`].
pub fn read_ground_truth_bytes(
    path: &Path,
    bytes: Vec<u8>,
    key: &str,
) -> Result<GroundTruth, NpzError> {
    Archive::from_bytes(bytes)
        .and_then(|archive| decode(&archive, key))
        .map_err(|kind| NpzError::new(path, kind))
}

/// Reads the ground truth `key` of the file at `path` with its values cast to uint8, as numpy's
/// `astype` casts integers: they wrap. There may be no label at all.
///
/// # Errors
/// As [`read_ground_truth`], but for the number of labels.
pub fn read_byte_ground_truth(path: &Path, key: &str) -> Result<GroundTruth, NpzError> {
    open_own(path)
        .and_then(Archive::open)
        .and_then(|archive| decode_bytes(&archive, key))
        .map_err(|kind| NpzError::new(path, kind))
}

/// The ground truth of values that are in memory, in C order, as [`read_ground_truth`] reads them
/// from a file; messages call them `key`.
///
/// # Errors
/// As [`read_ground_truth`], and if there are not as many values as the shape says.
pub fn ground_truth_of<T: Element>(
    values: &[T],
    shape: [usize; 3],
    key: &str,
) -> Result<GroundTruth, NpzErrorKind> {
    let mut numbering = Numbering::new(key, shape, false, values.len())?;
    for (index, &value) in values.iter().enumerate() {
        numbering.take(index, value)?;
    }
    let (bytes, keys) = numbering.into_keys()?;
    let voxels = in_c_order(bytes, shape, false)
        .ok_or_else(|| NpzErrorKind::unreadable(key, "it does not fill its shape"))?;
    Ok(GroundTruth { voxels, keys })
}

fn decode_bytes(archive: &Archive, key: &str) -> Result<GroundTruth, NpzErrorKind> {
    let mut reader = archive.reader(archive.require(key, PURPOSE)?)?;
    let header = ArrayHeader::read(&mut reader)?;
    let shape = header.three_axes(key)?;
    let (dtype, count) = header.numeric(&reader, WANTED)?;
    let mut bytes = zeros(key, count)?;
    if dtype == Dtype::U8 || dtype.kind == Kind::Bool {
        reader.fill(&mut bytes)?;
        if dtype.kind == Kind::Bool {
            bytes
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
    } else {
        let place = Place {
            key,
            shape,
            fortran: header.fortran,
        };
        with_element!(
            dtype.kind,
            read_wrapped(&mut reader, dtype.big_endian, place, &mut bytes)
        )?;
    }
    reader.finish()?;
    let mut seen = [false; 256];
    bytes
        .iter()
        .for_each(|&byte| seen[usize::from(byte)] = true);
    let labels = (1..=255u8).filter(|&label| seen[usize::from(label)]);
    let keys = LabelKeys::of_own_keys(labels);
    let voxels = in_c_order(bytes, shape, header.fortran)
        .ok_or_else(|| NpzErrorKind::unreadable(key, "it does not fill its shape"))?;
    Ok(GroundTruth { voxels, keys })
}

/// Where a value stands, for messages.
#[derive(Clone, Copy)]
struct Place<'a> {
    key: &'a str,
    shape: [usize; 3],
    fortran: bool,
}

impl Place<'_> {
    fn no_label<T: Element>(self, index: usize, value: T) -> NpzErrorKind {
        NpzErrorKind::Value {
            key: self.key.to_owned(),
            value: value.show(),
            at: voxel(index, self.shape, self.fortran).to_vec(),
            wanted: "labels must be whole numbers that fit 64 bits",
        }
    }
}

fn read_wrapped<T: Element>(
    reader: &mut MemberReader,
    big_endian: bool,
    place: Place<'_>,
    bytes: &mut [u8],
) -> Result<(), NpzErrorKind> {
    let count = bytes.len();
    read_elements::<T>(reader, count, big_endian, |before, values| {
        for (at, &value) in values.iter().enumerate() {
            let label = value.integer();
            let label = label.ok_or_else(|| place.no_label(before + at, value))?;
            bytes[before + at] = label as u8;
        }
        Ok(())
    })
}

fn zeros(key: &str, count: usize) -> Result<Vec<u8>, NpzErrorKind> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(count)
        .map_err(|_| NpzErrorKind::Memory {
            key: key.to_owned(),
            bytes: count as u64,
        })?;
    bytes.resize(count, 0);
    Ok(bytes)
}

fn decode(archive: &Archive, key: &str) -> Result<GroundTruth, NpzErrorKind> {
    let mut reader = archive.reader(archive.require(key, PURPOSE)?)?;
    let header = ArrayHeader::read(&mut reader)?;
    let shape = header.three_axes(key)?;
    let (dtype, count) = header.numeric(&reader, WANTED)?;
    let mut numbering = Numbering::new(key, shape, header.fortran, count)?;
    if dtype == Dtype::U8 || dtype.kind == Kind::Bool {
        numbering.take_bytes(&mut reader, dtype.kind == Kind::Bool)?;
    } else {
        let (kind, big_endian) = (dtype.kind, dtype.big_endian);
        with_element!(kind, read_labels(&mut reader, big_endian, &mut numbering))?;
    }
    reader.finish()?;
    let (bytes, keys) = numbering.into_keys()?;
    let voxels = in_c_order(bytes, shape, header.fortran)
        .ok_or_else(|| NpzErrorKind::unreadable(key, "it does not fill its shape"))?;
    Ok(GroundTruth { voxels, keys })
}

fn read_labels<T: Element>(
    reader: &mut MemberReader,
    big_endian: bool,
    numbering: &mut Numbering<'_>,
) -> Result<(), NpzErrorKind> {
    let count = numbering.numbers.len();
    read_elements::<T>(reader, count, big_endian, |before, values| {
        values
            .iter()
            .enumerate()
            .try_for_each(|(at, &value)| numbering.take(before + at, value))
    })
}

/// Labels numbered as they turn up, so that one pass and one byte per voxel are enough; the keys
/// follow when all labels are known.
struct Numbering<'a> {
    place: Place<'a>,
    numbers: Vec<u8>,
    /// `labels[n]` has number `n`; number 0 is the background.
    labels: Vec<i64>,
    known: HashMap<i64, u8>,
    last: (i64, u8),
}

impl<'a> Numbering<'a> {
    fn new(
        key: &'a str,
        shape: [usize; 3],
        fortran: bool,
        count: usize,
    ) -> Result<Self, NpzErrorKind> {
        let numbers = zeros(key, count)?;
        let known = HashMap::from([(0, 0)]);
        Ok(Self {
            place: Place {
                key,
                shape,
                fortran,
            },
            numbers,
            labels: vec![0],
            known,
            last: (0, 0),
        })
    }

    /// A byte array: the values are numbers already.
    fn take_bytes(&mut self, reader: &mut MemberReader, truth: bool) -> Result<(), NpzErrorKind> {
        reader.fill(&mut self.numbers)?;
        if truth {
            self.numbers
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
        self.labels = (0..=255).collect();
        Ok(())
    }

    fn take<T: Element>(&mut self, index: usize, value: T) -> Result<(), NpzErrorKind> {
        let Some(label) = value.integer() else {
            return Err(self.place.no_label(index, value));
        };
        if label != self.last.0 {
            self.last = (label, self.number(label)?);
        }
        self.numbers[index] = self.last.1;
        Ok(())
    }

    fn number(&mut self, label: i64) -> Result<u8, NpzErrorKind> {
        if let Some(&number) = self.known.get(&label) {
            return Ok(number);
        }
        let number = u8::try_from(self.labels.len()).map_err(|_| NpzErrorKind::TooManyLabels {
            key: self.place.key.to_owned(),
            most: LabelKeys::MOST,
        })?;
        self.labels.push(label);
        self.known.insert(label, number);
        Ok(number)
    }

    /// Turns numbers into keys.
    fn into_keys(mut self) -> Result<(Vec<u8>, LabelKeys), NpzErrorKind> {
        let mut seen = [false; 256];
        self.numbers
            .iter()
            .for_each(|&number| seen[usize::from(number)] = true);
        let mut labels: Vec<i64> = self
            .labels
            .iter()
            .zip(seen)
            .filter(|&(&label, seen)| seen && label != 0)
            .map(|(&label, _)| label)
            .collect();
        labels.sort_unstable();
        let keys = LabelKeys::new(labels).ok_or_else(|| NpzErrorKind::NoLabel {
            key: self.place.key.to_owned(),
        })?;
        let mut key_of = [0; 256];
        for (number, &label) in self.labels.iter().enumerate() {
            key_of[number] = keys.key_of(label);
        }
        let same = key_of
            .iter()
            .enumerate()
            .all(|(number, &key)| !seen[number] || usize::from(key) == number);
        if !same {
            self.numbers
                .iter_mut()
                .for_each(|number| *number = key_of[usize::from(*number)]);
        }
        Ok((self.numbers, keys))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr3;

    use super::*;
    use crate::npz::{NpzWriter, Writable};

    fn written<T: Writable>(
        voxels: ndarray::ArrayView3<'_, T>,
    ) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let mut writer = NpzWriter::new(std::fs::File::create(&path).unwrap());
        writer.array("gts", voxels).unwrap();
        writer.finish().unwrap();
        (folder, path)
    }

    #[test]
    fn values_in_memory_are_read_as_those_of_a_file() {
        let values = arr3(&[[[0i32, 300, -2, 300]]]);
        let (_folder, path) = written(values.view());
        let read = read_ground_truth(&path, "gts").unwrap();
        let values = values.as_slice().unwrap();
        assert_eq!(ground_truth_of(values, [1, 1, 4], "gts").unwrap(), read);
        let short = ground_truth_of(values, [1, 1, 5], "gts").unwrap_err();
        assert!(short.to_string().contains("its shape"), "{short}");
    }

    #[test]
    fn values_cast_to_bytes_wrap() {
        let (_folder, path) = written(arr3(&[[[0i32, 257, 256, -1, 300]]]).view());
        let truth = read_byte_ground_truth(&path, "gts").unwrap();
        assert_eq!(truth.voxels, arr3(&[[[0, 1, 0, 255, 44]]]));
        assert_eq!(truth.keys.labels(), [1, 44, 255]);
        assert!(truth.keys.are_labels());
    }

    #[test]
    fn a_ground_truth_of_bytes_may_be_empty_or_have_more_labels_than_a_byte() {
        let (_folder, path) = written(arr3(&[[[0u8, 0]]]).view());
        let truth = read_byte_ground_truth(&path, "gts").unwrap();
        assert_eq!(truth.keys.count(), 0);
        let many = ndarray::Array3::from_shape_fn((1, 1, 600), |(_, _, x)| x as i32);
        let (_folder, path) = written(many.view());
        let truth = read_byte_ground_truth(&path, "gts").unwrap();
        assert_eq!(truth.keys.count(), 255);
        assert!(read_ground_truth(&path, "gts").is_err());
    }

    #[test]
    fn values_that_are_not_whole_are_named() {
        let (_folder, path) = written(arr3(&[[[0f32, 0.5]]]).view());
        let error = read_byte_ground_truth(&path, "gts")
            .unwrap_err()
            .to_string();
        assert!(error.contains("0.5") && error.contains("gts"), "{error}");
    }
}
