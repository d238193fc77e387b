//! Ground truths: any integer labels, brought into one-byte keys.

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array3;

use segarena_kernels::{LabelKeys, LabelVolume, Spacing};

use super::archive::{Archive, MemberReader};
use super::dtype::{Dtype, Kind};
use super::element::{Element, read_elements, with_element};
use super::error::{Flaw, NpzError};
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

    /// The voxels with the spacing of the case's image, and the labels' keys.
    pub fn into_volume(self, spacing: Spacing) -> (LabelVolume, LabelKeys) {
        (LabelVolume::new(self.voxels, spacing), self.keys)
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
        .map_err(|flaw| NpzError::new(path, flaw))
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
        .map_err(|flaw| NpzError::new(path, flaw))
}

fn decode(archive: &Archive, key: &str) -> Result<GroundTruth, Flaw> {
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
        .ok_or_else(|| Flaw::unreadable(key, "it does not fill its shape"))?;
    Ok(GroundTruth { voxels, keys })
}

fn read_labels<T: Element>(
    reader: &mut MemberReader,
    big_endian: bool,
    numbering: &mut Numbering<'_>,
) -> Result<(), Flaw> {
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
    key: &'a str,
    shape: [usize; 3],
    fortran: bool,
    numbers: Vec<u8>,
    /// `labels[n]` has number `n`; number 0 is the background.
    labels: Vec<i64>,
    known: HashMap<i64, u8>,
    last: (i64, u8),
}

impl<'a> Numbering<'a> {
    fn new(key: &'a str, shape: [usize; 3], fortran: bool, count: usize) -> Result<Self, Flaw> {
        let mut numbers = Vec::new();
        numbers.try_reserve_exact(count).map_err(|_| Flaw::Memory {
            key: key.to_owned(),
            bytes: count as u64,
        })?;
        numbers.resize(count, 0);
        let known = HashMap::from([(0, 0)]);
        Ok(Self {
            key,
            shape,
            fortran,
            numbers,
            labels: vec![0],
            known,
            last: (0, 0),
        })
    }

    /// A byte array: the values are numbers already.
    fn take_bytes(&mut self, reader: &mut MemberReader, truth: bool) -> Result<(), Flaw> {
        reader.fill(&mut self.numbers)?;
        if truth {
            self.numbers
                .iter_mut()
                .for_each(|byte| *byte = u8::from(*byte != 0));
        }
        self.labels = (0..=255).collect();
        Ok(())
    }

    fn take<T: Element>(&mut self, index: usize, value: T) -> Result<(), Flaw> {
        let Some(label) = value.integer() else {
            return Err(Flaw::Value {
                key: self.key.to_owned(),
                value: value.show(),
                at: voxel(index, self.shape, self.fortran).to_vec(),
                wanted: "labels must be whole numbers that fit 64 bits",
            });
        };
        if label != self.last.0 {
            self.last = (label, self.number(label)?);
        }
        self.numbers[index] = self.last.1;
        Ok(())
    }

    fn number(&mut self, label: i64) -> Result<u8, Flaw> {
        if let Some(&number) = self.known.get(&label) {
            return Ok(number);
        }
        let number = u8::try_from(self.labels.len()).map_err(|_| Flaw::TooManyLabels {
            key: self.key.to_owned(),
            most: LabelKeys::MOST,
        })?;
        self.labels.push(label);
        self.known.insert(label, number);
        Ok(number)
    }

    /// Turns numbers into keys.
    fn into_keys(mut self) -> Result<(Vec<u8>, LabelKeys), Flaw> {
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
        let keys = LabelKeys::new(labels).ok_or_else(|| Flaw::NoLabel {
            key: self.key.to_owned(),
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
