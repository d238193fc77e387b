//! Predictions: what a submission wrote, brought into bytes under limits known beforehand.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use segarena_kernels::{LabelKeys, Prediction};

use super::archive::Archive;
use super::dtype::Dtype;
use super::element::{Element, read_elements, with_element};
use super::error::{NpzErrorKind, PredictionError};
use super::folder::{Folder, open_own};
use super::header::ArrayHeader;
use super::layout::{in_c_order, voxel};

/// The key of the array a submission writes.
const SEGS: &str = "segs";
const WANTED: &str = "booleans, integers or floats (bool, int8…64, uint8…64, float16…64)";
const PURPOSE: &str = "a prediction is the array `segs`, of the ground truth's shape";
const CASTABLE: &str =
    "labels must be finite numbers that fit 32 bits, or the cast to uint8 has no meaning";

/// Reads the prediction `name` that a submission left in `folder`.
///
/// Nothing in the file is trusted. It is opened without following links and only if it is a
/// regular file; its array must have the ground truth's `shape`, so that its size is known before
/// a byte of it is inflated; nothing in it is unpickled. Memory stays at one byte per voxel (three
/// where the readings differ) and a fixed buffer, whatever the file says.
///
/// # Errors
/// [`PredictionError::Missing`] if there is nothing of that name; otherwise
/// [`PredictionError::Bad`] with the reason.
pub fn read_prediction(
    folder: &Folder,
    name: &OsStr,
    shape: [usize; 3],
    keys: &LabelKeys,
) -> Result<Prediction, PredictionError> {
    read_prediction_reusing(folder, name, shape, keys, &mut SpareVolume::default())
}

/// [`read_prediction`] into the memory of an earlier one: fresh memory costs more time than
/// inflating into it does.
///
/// # Errors
/// As [`read_prediction`].
pub fn read_prediction_reusing(
    folder: &Folder,
    name: &OsStr,
    shape: [usize; 3],
    keys: &LabelKeys,
    spare: &mut SpareVolume,
) -> Result<Prediction, PredictionError> {
    let file = folder.open_regular(name)?;
    Ok(decode(&Archive::open(file)?, shape, keys, spare)?)
}

/// The memory of a prediction that is not needed any more, for the next one.
#[derive(Debug, Default)]
pub struct SpareVolume(Vec<u8>);

impl SpareVolume {
    /// Keeps the memory of a prediction, unless somebody else still holds it.
    pub fn keep(&mut self, prediction: Prediction) {
        let Prediction {
            cast,
            scored,
            clicked,
            ..
        } = prediction;
        drop((scored, clicked));
        if let Some(array) = Arc::into_inner(cast) {
            self.0 = array.into_raw_vec_and_offset().0;
        }
    }

    /// So many bytes of any value, to be written over.
    fn take(&mut self, count: usize) -> Result<Vec<u8>, NpzErrorKind> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.len() == count {
            Ok(bytes)
        } else {
            zeros(count)
        }
    }
}

/// Reads a prediction that is the user's own file: links are followed, all else is as careful.
///
/// # Errors
/// As [`read_prediction`].
pub fn read_prediction_file(
    path: &Path,
    shape: [usize; 3],
    keys: &LabelKeys,
) -> Result<Prediction, PredictionError> {
    let archive = Archive::open(open_own(path)?)?;
    Ok(decode(&archive, shape, keys, &mut SpareVolume::default())?)
}

/// Reads a prediction from the bytes of an `.npz`.
///
/// # Errors
/// As [`read_prediction`], but never [`PredictionError::Missing`].
pub fn read_prediction_bytes(
    bytes: Vec<u8>,
    shape: [usize; 3],
    keys: &LabelKeys,
) -> Result<Prediction, PredictionError> {
    let archive = Archive::from_bytes(bytes)?;
    Ok(decode(&archive, shape, keys, &mut SpareVolume::default())?)
}

/// The prediction of values that are in memory, in C order, as [`read_prediction`] reads them from
/// a file.
///
/// # Errors
/// If a float can't be cast to uint8, or there are not as many values as the shape says.
pub fn prediction_of<T: Element>(
    values: &[T],
    shape: [usize; 3],
    keys: &LabelKeys,
) -> Result<Prediction, PredictionError> {
    let mut readings = Readings::new(keys, shape, false, zeros(values.len())?);
    readings.take(0, values)?;
    Ok(readings.into_prediction()?)
}

fn decode(
    archive: &Archive,
    shape: [usize; 3],
    keys: &LabelKeys,
    spare: &mut SpareVolume,
) -> Result<Prediction, NpzErrorKind> {
    let mut reader = archive.reader(archive.require(SEGS, PURPOSE)?)?;
    let header = ArrayHeader::read(&mut reader)?;
    if header.shape != shape {
        return Err(NpzErrorKind::Shape {
            key: SEGS.to_owned(),
            found: header.shape,
            wanted: format!("be the ground truth's, {}", super::error::tuple(&shape)),
        });
    }
    let (dtype, count) = header.numeric(&reader, WANTED)?;
    let mut readings = Readings::new(keys, shape, header.fortran, spare.take(count)?);
    if dtype == Dtype::U8 {
        reader.fill(&mut readings.cast)?;
    } else {
        let (kind, big_endian) = (dtype.kind, dtype.big_endian);
        with_element!(kind, read_values(&mut reader, big_endian, &mut readings))?;
    }
    reader.finish()?;
    readings.into_prediction()
}

fn read_values<T: Element>(
    reader: &mut super::archive::MemberReader,
    big_endian: bool,
    readings: &mut Readings<'_>,
) -> Result<(), NpzErrorKind> {
    let count = readings.cast.len();
    read_elements::<T>(reader, count, big_endian, |before, values| {
        readings.take(before, values)
    })
}

/// The readings while they are made, in the file's order.
struct Readings<'a> {
    keys: &'a LabelKeys,
    table: [u8; 256],
    shape: [usize; 3],
    fortran: bool,
    cast: Vec<u8>,
    /// The keys of the raw values, from the moment they are not those of the cast ones.
    scored: Option<Vec<u8>>,
    out_of_range: Oddity,
    fractional: Oddity,
}

impl<'a> Readings<'a> {
    fn new(keys: &'a LabelKeys, shape: [usize; 3], fortran: bool, cast: Vec<u8>) -> Self {
        Self {
            keys,
            table: keys.of_bytes(),
            shape,
            fortran,
            cast,
            scored: None,
            out_of_range: Oddity::default(),
            fractional: Oddity::default(),
        }
    }

    fn take<T: Element>(&mut self, before: usize, values: &[T]) -> Result<(), NpzErrorKind> {
        let cast = &mut self.cast[before..before + values.len()];
        let mut all_bytes = true;
        for (byte, &value) in cast.iter_mut().zip(values) {
            *byte = value.low_byte();
            all_bytes &= value.is_byte(*byte);
        }
        if all_bytes {
            if let Some(scored) = &mut self.scored {
                let cast = &self.cast[before..before + values.len()];
                for (key, &byte) in scored[before..].iter_mut().zip(cast) {
                    *key = self.table[usize::from(byte)];
                }
            }
            return Ok(());
        }
        values
            .iter()
            .enumerate()
            .try_for_each(|(at, &value)| self.take_one(before + at, value))
    }

    /// One value of a piece that holds more than bytes.
    fn take_one<T: Element>(&mut self, index: usize, value: T) -> Result<(), NpzErrorKind> {
        let byte = value.low_byte();
        let mut key = self.table[usize::from(byte)];
        if !value.is_byte(byte) {
            if !value.can_be_cast() {
                return Err(NpzErrorKind::Value {
                    key: SEGS.to_owned(),
                    value: value.show(),
                    at: voxel(index, self.shape, self.fortran).to_vec(),
                    wanted: CASTABLE,
                });
            }
            let integer = value.integer();
            let oddity = match integer {
                None if (0.0..256.0).contains(&value.float()) => &mut self.fractional,
                _ => &mut self.out_of_range,
            };
            oddity.note(index, value);
            key = integer.map_or(0, |integer| self.keys.key_of(integer));
        }
        if self.scored.is_none() && key != self.table[usize::from(byte)] {
            let mut scored = zeros(self.cast.len())?;
            for (key, &byte) in scored[..index].iter_mut().zip(&self.cast) {
                *key = self.table[usize::from(byte)];
            }
            self.scored = Some(scored);
        }
        if let Some(scored) = &mut self.scored {
            scored[index] = key;
        }
        Ok(())
    }

    fn into_prediction(self) -> Result<Prediction, NpzErrorKind> {
        let (shape, fortran) = (self.shape, self.fortran);
        let arrange = |bytes| {
            in_c_order(bytes, shape, fortran)
                .ok_or_else(|| NpzErrorKind::unreadable(SEGS, "it does not fill its shape"))
        };
        let mut remarks = Vec::new();
        remarks.extend(self.out_of_range.remark(
            "outside 0…255",
            "they are cast to uint8 as numpy does, and labels are compared as written",
            |index| voxel(index, shape, fortran),
        ));
        remarks.extend(self.fractional.remark(
            "that are no whole numbers",
            "a score counts them as no label, a click as their whole part",
            |index| voxel(index, shape, fortran),
        ));
        let mut prediction = Prediction::from_cast(arrange(self.cast)?, self.keys);
        if let Some(scored) = self.scored {
            prediction.scored = Arc::new(arrange(scored)?);
        }
        prediction.remarks = remarks;
        Ok(prediction)
    }
}

/// Values that are allowed but odd: how many, and the first.
#[derive(Default)]
struct Oddity {
    count: usize,
    first: Option<(usize, String)>,
}

impl Oddity {
    fn note<T: Element>(&mut self, index: usize, value: T) {
        self.count += 1;
        if self.first.is_none() {
            self.first = Some((index, value.show()));
        }
    }

    fn remark(
        &self,
        what: &str,
        consequence: &str,
        voxel: impl Fn(usize) -> [usize; 3],
    ) -> Option<String> {
        let (index, value) = self.first.as_ref()?;
        let [z, y, x] = voxel(*index);
        Some(format!(
            "`{SEGS}` has {} values {what}, the first {value} at [{z}, {y}, {x}]: {consequence}",
            self.count
        ))
    }
}

/// Zeros, or the error that there is no memory for them.
fn zeros(count: usize) -> Result<Vec<u8>, NpzErrorKind> {
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(count)
        .map_err(|_| NpzErrorKind::Memory {
            key: SEGS.to_owned(),
            bytes: count as u64,
        })?;
    bytes.resize(count, 0);
    Ok(bytes)
}
