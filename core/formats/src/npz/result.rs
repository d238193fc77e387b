//! `OUT/TEAM/CASE.npz`: every interaction's prediction, as one file that is whole or not there.

use std::io::{BufWriter, IntoInnerError};
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, ArrayView3};

use super::archive::{Archive, MemberReader};
use super::dtype::Dtype;
use super::error::{NpzError, NpzErrorKind};
use super::folder::open_own;
use super::header::{ArrayHeader, Elements};
use super::writer::NpzWriter;
use crate::whole_file::WholeFile;

const ALL_SEGS: &str = "all_segs";
const SEGS: &str = "segs";

/// Writes the predictions of one case as they come: `all_segs`, shape (interactions, z, y, x), and
/// at the end `segs`, the last of them. Both uint8.
///
/// The file has a temporary name until [`Self::finish`]; a writer that is dropped before leaves
/// nothing. Memory is a buffer.
pub struct ResultWriter {
    path: PathBuf,
    shape: [usize; 3],
    interactions: usize,
    pushed: usize,
    npz: NpzWriter<BufWriter<WholeFile>>,
}

impl ResultWriter {
    /// Starts the file that will be at `path`, for so many interactions of a case of this shape.
    ///
    /// # Errors
    /// If the file cannot be created beside `path`.
    pub fn create(path: &Path, shape: [usize; 3], interactions: usize) -> Result<Self, NpzError> {
        let fail = |kind| NpzError::new(path, kind);
        let file = WholeFile::create(path)
            .map_err(NpzErrorKind::io("it cannot be created"))
            .map_err(fail)?;
        let mut npz = NpzWriter::new(BufWriter::with_capacity(256 * 1024, file));
        let [depth, height, width] = shape;
        let all = [interactions, depth, height, width];
        let size = all
            .iter()
            .fold(1, |product: u64, &axis| product.saturating_mul(axis as u64));
        npz.start(ALL_SEGS, &Dtype::U8.descriptor(), &all, size)
            .map_err(fail)?;
        Ok(Self {
            path: path.to_owned(),
            shape,
            interactions,
            pushed: 0,
            npz,
        })
    }

    /// Adds the prediction of the next interaction.
    ///
    /// # Errors
    /// If it has another shape, there are more than were announced, or writing fails.
    pub fn push(&mut self, prediction: ArrayView3<'_, u8>) -> Result<(), NpzError> {
        self.try_push(prediction)
            .map_err(|kind| NpzError::new(&self.path, kind))
    }

    fn try_push(&mut self, prediction: ArrayView3<'_, u8>) -> Result<(), NpzErrorKind> {
        if self.pushed == self.interactions {
            return Err(unwritable(
                ALL_SEGS,
                format!("only {} were announced", self.interactions),
            ));
        }
        self.check(ALL_SEGS, prediction)?;
        self.pushed += 1;
        match prediction.as_slice() {
            Some(bytes) => self.npz.write(bytes),
            None => prediction
                .outer_iter()
                .try_for_each(|slice| self.npz.write(&slice.iter().copied().collect::<Vec<_>>())),
        }
    }

    /// Adds `segs` and puts the file in place, on the disk to stay.
    ///
    /// # Errors
    /// If fewer predictions were pushed than announced, `last` has another shape, or writing
    /// fails. Nothing is left behind then.
    pub fn finish(mut self, last: ArrayView3<'_, u8>) -> Result<(), NpzError> {
        let path = std::mem::take(&mut self.path);
        self.try_finish(last)
            .map_err(|kind| NpzError::new(&path, kind))
    }

    fn try_finish(mut self, last: ArrayView3<'_, u8>) -> Result<(), NpzErrorKind> {
        if self.pushed != self.interactions {
            let reason = format!("{} of {} predictions came", self.pushed, self.interactions);
            return Err(unwritable(ALL_SEGS, reason));
        }
        self.check(SEGS, last)?;
        self.npz.array(SEGS, last)?;
        self.npz
            .finish()?
            .into_inner()
            .map_err(IntoInnerError::into_error)
            .and_then(WholeFile::finish)
            .map_err(NpzErrorKind::io("it cannot be written"))
    }

    fn check(&self, key: &str, prediction: ArrayView3<'_, u8>) -> Result<(), NpzErrorKind> {
        if prediction.shape() == self.shape {
            return Ok(());
        }
        Err(NpzErrorKind::Shape {
            key: key.to_owned(),
            found: prediction.shape().to_vec(),
            wanted: format!("be the case's, {}", super::error::tuple(&self.shape)),
        })
    }
}

fn unwritable(key: &str, reason: String) -> NpzErrorKind {
    NpzErrorKind::Unwritable {
        key: key.to_owned(),
        reason,
    }
}

/// Opens the predictions saved in a result file, to be read one interaction at a time.
///
/// # Errors
/// If the file is no readable `.npz`, or its `all_segs` is not a 4-D uint8 array.
pub fn read_saved_segs(path: &Path) -> Result<SavedSegs, NpzError> {
    let open = || {
        let archive = Archive::open(open_own(path)?)?;
        let mut reader =
            archive.reader(archive.require(ALL_SEGS, "a result file holds every prediction")?)?;
        let header = ArrayHeader::read(&mut reader)?;
        header.numeric(&reader, "uint8")?;
        match (&header.elements, header.shape.as_slice(), header.fortran) {
            (Elements::Numeric(Dtype::U8), &[count, depth, height, width], false) => {
                Ok(SavedSegs {
                    path: path.to_owned(),
                    reader: Some(reader),
                    left: count,
                    shape: [depth, height, width],
                })
            }
            _ => Err(NpzErrorKind::header(
                ALL_SEGS,
                "it must be a uint8 array of shape (interactions, z, y, x) in C order",
            )),
        }
    };
    open().map_err(|kind| NpzError::new(path, kind))
}

/// The saved predictions of a case, in the order of the interactions.
pub struct SavedSegs {
    path: PathBuf,
    reader: Option<MemberReader>,
    left: usize,
    shape: [usize; 3],
}

impl SavedSegs {
    /// The shape of each, (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// How many are still to come.
    pub fn left(&self) -> usize {
        self.left
    }

    /// The slice `z` of the next prediction, which is then done with. Memory is that of a slice.
    ///
    /// # Errors
    /// If there is no further prediction, it has no such slice, or the file can't be read.
    pub fn next_slice(&mut self, z: usize) -> Result<Array2<u8>, NpzError> {
        let [depth, height, width] = self.shape;
        let mut slice = vec![0; height * width];
        let read = self.read_next(|reader| {
            let mut passing = vec![0; height * width];
            (0..depth)
                .try_for_each(|at| reader.fill(if at == z { &mut slice } else { &mut passing }))
        });
        let slice = read.and_then(|()| match z < depth {
            true => Array2::from_shape_vec((height, width), slice).map_err(|_| broken()),
            false => Err(NpzErrorKind::unreadable(
                ALL_SEGS,
                format!("it has no slice {z}"),
            )),
        });
        slice.map_err(|kind| NpzError::new(&self.path, kind))
    }

    fn read_one(&mut self) -> Result<Array3<u8>, NpzErrorKind> {
        let mut bytes = vec![0; self.shape.iter().product()];
        self.read_next(|reader| reader.fill(&mut bytes))?;
        Array3::from_shape_vec(self.shape, bytes).map_err(|_| broken())
    }

    /// Has the bytes of the next prediction read. After a failure there is no further one.
    fn read_next(
        &mut self,
        read: impl FnOnce(&mut MemberReader) -> Result<(), NpzErrorKind>,
    ) -> Result<(), NpzErrorKind> {
        let mut reader = self.reader.take().ok_or_else(broken)?;
        let left = std::mem::take(&mut self.left)
            .checked_sub(1)
            .ok_or_else(broken)?;
        read(&mut reader)?;
        if left == 0 {
            reader.finish()?;
        } else {
            self.reader = Some(reader);
        }
        self.left = left;
        Ok(())
    }
}

fn broken() -> NpzErrorKind {
    NpzErrorKind::unreadable(ALL_SEGS, "it could not be read before")
}

impl Iterator for SavedSegs {
    type Item = Result<Array3<u8>, NpzError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let read = self
            .read_one()
            .map_err(|kind| NpzError::new(&self.path, kind));
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_of_predictions_are_those_of_the_whole_ones() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.npz");
        let prediction = |n: usize| {
            Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (n * 60 + z * 20 + y * 5 + x) as u8)
        };
        let mut writer = ResultWriter::create(&path, [3, 4, 5], 3).unwrap();
        (0..3).for_each(|n| writer.push(prediction(n).view()).unwrap());
        writer.finish(prediction(2).view()).unwrap();

        let mut saved = read_saved_segs(&path).unwrap();
        let slice = |n, z| prediction(n).index_axis_move(ndarray::Axis(0), z);
        assert_eq!(saved.next_slice(1).unwrap(), slice(0, 1));
        assert_eq!(saved.next().unwrap().unwrap(), prediction(1));
        assert_eq!(saved.next_slice(2).unwrap(), slice(2, 2));
        assert_eq!(saved.left(), 0);
        assert!(saved.next_slice(0).is_err() && saved.next().is_none());
        let error = read_saved_segs(&path).unwrap().next_slice(3).unwrap_err();
        assert!(error.to_string().contains("no slice 3"), "{error}");
    }
}
