//! Writing an `.npz` file, whole or not at all.

use std::io::{BufWriter, IntoInnerError};
use std::path::{Path, PathBuf};

use ndarray::{ArrayBase, ArrayView3, Data, Dimension, arr1};

use super::error::{NpzError, NpzErrorKind};
use super::pickle::ObjectArray;
use super::writer::{NpzWriter, Writable};
use crate::whole_file::WholeFile;

/// An `.npz` file being written: members are added one by one, and the file appears under its
/// name when it is [finished](Self::finish).
pub struct NpzFile {
    path: PathBuf,
    writer: NpzWriter<BufWriter<WholeFile>>,
}

impl NpzFile {
    /// Begins a file.
    ///
    /// # Errors
    /// If its folder does not take it.
    pub fn create(path: &Path) -> Result<Self, NpzError> {
        let file = WholeFile::create(path).map_err(|source| io_error(path, source))?;
        Ok(Self {
            path: path.to_owned(),
            writer: NpzWriter::new(BufWriter::new(file)),
        })
    }

    /// Adds an array of numbers.
    ///
    /// # Errors
    /// If writing fails.
    pub fn array<S, D>(&mut self, key: &str, array: &ArrayBase<S, D>) -> Result<(), NpzError>
    where
        S: Data<Elem: Writable>,
        D: Dimension,
    {
        self.writer
            .array(key, array.view())
            .map_err(|kind| NpzError::new(&self.path, kind))
    }

    /// Adds an array of Python objects.
    ///
    /// # Errors
    /// If they are nested too deeply or writing fails.
    pub fn objects(&mut self, key: &str, array: &ObjectArray) -> Result<(), NpzError> {
        self.writer
            .objects(key, array)
            .map_err(|kind| NpzError::new(&self.path, kind))
    }

    /// Puts the file under its name.
    ///
    /// # Errors
    /// If writing fails; there is then no file of this name, or the one there was.
    pub fn finish(self) -> Result<(), NpzError> {
        let buffered = self
            .writer
            .finish()
            .map_err(|kind| NpzError::new(&self.path, kind))?;
        buffered
            .into_inner()
            .map_err(IntoInnerError::into_error)
            .and_then(WholeFile::finish)
            .map_err(|source| io_error(&self.path, source))
    }
}

fn io_error(path: &Path, source: std::io::Error) -> NpzError {
    NpzError::new(
        path,
        NpzErrorKind::Io {
            doing: "it cannot be written",
            source,
        },
    )
}

/// Writes an image file: `imgs`, `spacing` and, where there are any, `boxes`.
///
/// # Errors
/// If writing fails.
pub fn write_image(
    path: &Path,
    image: ArrayView3<'_, u8>,
    spacing: [f64; 3],
    boxes: Option<&ObjectArray>,
) -> Result<(), NpzError> {
    let mut file = NpzFile::create(path)?;
    file.array("imgs", &image)?;
    file.array("spacing", &arr1(&spacing))?;
    if let Some(boxes) = boxes {
        file.objects("boxes", boxes)?;
    }
    file.finish()
}

/// Writes a file with one volume: `gts` for a ground truth, `segs` for a prediction.
///
/// # Errors
/// If writing fails.
pub fn write_volume(path: &Path, key: &str, volume: ArrayView3<'_, u8>) -> Result<(), NpzError> {
    let mut file = NpzFile::create(path)?;
    file.array(key, &volume)?;
    file.finish()
}
