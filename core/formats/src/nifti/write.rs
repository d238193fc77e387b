//! Writing a label volume beside its image.

use std::io::{BufWriter, IntoInnerError, Write};
use std::path::Path;

use flate2::{Compression, GzBuilder};
use ndarray::ArrayView3;

use super::error::{NiftiError, NiftiErrorKind};
use super::header::Geometry;
use crate::whole_file::WholeFile;

/// The longest axis that version 1 can say.
const LONGEST_AXIS: usize = i16::MAX as usize;
/// `NIFTI_XFORM_ALIGNED_ANAT`: the position is that of another file, the image.
const ALIGNED: i16 = 2;
/// Sizes are millimetres.
const MILLIMETRES: u8 = 2;
const UINT8: i16 = 2;

/// Writes a volume of bytes as a compressed NIfTI-1 file, whole or not at all; equal volumes give
/// equal bytes. An axis of more than 32 767 voxels makes it NIfTI-2.
///
/// The position is written as sform and, where it can be said by a quaternion, as qform; a geometry
/// without one gives a file without one.
///
/// # Errors
/// When the volume has another shape than the geometry, or writing fails; there is then no file of
/// this name, or the one there was.
pub fn write_nifti(
    path: &Path,
    voxels: ArrayView3<'_, u8>,
    geometry: &Geometry,
) -> Result<(), NiftiError> {
    write(path, voxels, geometry).map_err(|kind| NiftiError::new(path, kind))
}

fn write(
    path: &Path,
    voxels: ArrayView3<'_, u8>,
    geometry: &Geometry,
) -> Result<(), NiftiErrorKind> {
    let failed = || NiftiErrorKind::io("it cannot be written");
    if voxels.shape() != geometry.shape {
        let (z, y, x) = voxels.dim();
        return Err(NiftiErrorKind::Unwritable { shape: [z, y, x] });
    }
    let header = header_bytes(geometry)?;
    let file = BufWriter::new(WholeFile::create(path).map_err(failed())?);
    // No time in it, so that equal volumes give equal bytes.
    let mut gzip = GzBuilder::new().write(file, Compression::fast());
    gzip.write_all(&header).map_err(failed())?;
    match voxels.as_slice() {
        Some(bytes) => gzip.write_all(bytes).map_err(failed())?,
        None => {
            for slice in voxels.outer_iter() {
                let bytes: Vec<u8> = slice.iter().copied().collect();
                gzip.write_all(&bytes).map_err(failed())?;
            }
        }
    }
    let buffered = gzip.finish().map_err(failed())?;
    buffered
        .into_inner()
        .map_err(IntoInnerError::into_error)
        .and_then(WholeFile::finish)
        .map_err(failed())
}

/// The header of a volume of bytes, and the four bytes after it that say that no extension follows.
pub(super) fn header_bytes(geometry: &Geometry) -> Result<Vec<u8>, NiftiErrorKind> {
    let [z, y, x] = geometry.shape;
    let fits = |longest: usize| {
        geometry
            .shape
            .iter()
            .all(|&axis| (1..=longest).contains(&axis))
    };
    if fits(LONGEST_AXIS) {
        Ok(version_1(geometry, [x as i16, y as i16, z as i16]))
    } else if fits(i64::MAX as usize) {
        Ok(version_2(geometry, [x as i64, y as i64, z as i64]))
    } else {
        Err(NiftiErrorKind::Unwritable {
            shape: geometry.shape,
        })
    }
}

/// Numbers put at their offsets.
struct Header(Vec<u8>);

impl Header {
    fn put<const N: usize>(&mut self, at: usize, bytes: [u8; N]) {
        self.0[at..at + N].copy_from_slice(&bytes);
    }

    fn put_all<const N: usize>(&mut self, at: usize, all: impl IntoIterator<Item = [u8; N]>) {
        for (index, bytes) in all.into_iter().enumerate() {
            self.put(at + N * index, bytes);
        }
    }
}

/// What both versions say of the position: `pixdim[0..4]`, quaternion, its offset, the codes.
struct Position {
    pixdim: [f64; 4],
    quaternion: [f64; 3],
    offset: [f64; 3],
    qform_code: i16,
    sform_code: i16,
    rows: [[f64; 4]; 3],
}

impl Position {
    fn of(geometry: &Geometry) -> Self {
        let [z, y, x] = geometry.spacing;
        let Some(affine) = geometry.affine else {
            return Self {
                pixdim: [1.0, x, y, z],
                quaternion: [0.0; 3],
                offset: [0.0; 3],
                qform_code: 0,
                sform_code: 0,
                rows: [[0.0; 4]; 3],
            };
        };
        let [dx, dy, dz] = affine.steps();
        let quaternion = affine.quaternion();
        let (parts, handedness) = quaternion.unwrap_or(([0.0; 3], 1.0));
        Self {
            // The steps, as a quaternion has no other place for them.
            pixdim: [handedness, dx, dy, dz],
            quaternion: parts,
            offset: affine.rows().map(|row| row[3]),
            qform_code: if quaternion.is_some() { ALIGNED } else { 0 },
            sform_code: ALIGNED,
            rows: affine.rows(),
        }
    }
}

fn version_1(geometry: &Geometry, [x, y, z]: [i16; 3]) -> Vec<u8> {
    let mut header = Header(vec![0; 352]);
    let position = Position::of(geometry);
    let single = |number: f64| (number as f32).to_le_bytes();
    header.put(0, 348i32.to_le_bytes());
    header.put_all(40, [3, x, y, z, 1, 1, 1, 1].map(i16::to_le_bytes));
    header.put(70, UINT8.to_le_bytes());
    header.put(72, 8i16.to_le_bytes());
    header.put_all(76, position.pixdim.map(single));
    header.put(108, single(352.0));
    header.put(112, single(1.0));
    header.0[123] = MILLIMETRES;
    header.put(252, position.qform_code.to_le_bytes());
    header.put(254, position.sform_code.to_le_bytes());
    header.put_all(256, position.quaternion.map(single));
    header.put_all(268, position.offset.map(single));
    header.put_all(280, position.rows.into_iter().flatten().map(single));
    header.put(344, *b"n+1\0");
    header.0
}

fn version_2(geometry: &Geometry, [x, y, z]: [i64; 3]) -> Vec<u8> {
    let mut header = Header(vec![0; 544]);
    let position = Position::of(geometry);
    header.put(0, 540i32.to_le_bytes());
    header.put(4, *b"n+2\0\r\n\x1a\n");
    header.put(12, UINT8.to_le_bytes());
    header.put(14, 8i16.to_le_bytes());
    header.put_all(16, [3, x, y, z, 1, 1, 1, 1].map(i64::to_le_bytes));
    header.put_all(104, position.pixdim.map(f64::to_le_bytes));
    header.put(168, 544i64.to_le_bytes());
    header.put(176, 1f64.to_le_bytes());
    header.put(344, i32::from(position.qform_code).to_le_bytes());
    header.put(348, i32::from(position.sform_code).to_le_bytes());
    header.put_all(352, position.quaternion.map(f64::to_le_bytes));
    header.put_all(376, position.offset.map(f64::to_le_bytes));
    header.put_all(
        400,
        position.rows.into_iter().flatten().map(f64::to_le_bytes),
    );
    header.put(500, i32::from(MILLIMETRES).to_le_bytes());
    header.0
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::super::{Affine, Version, read_nifti};
    use super::*;

    fn written(voxels: &Array3<u8>, affine: Option<Affine>) -> super::super::NiftiVolume {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.nii.gz");
        let (z, y, x) = voxels.dim();
        let geometry = Geometry {
            shape: [z, y, x],
            spacing: [3.0, 2.0, 1.0],
            affine,
        };
        write_nifti(&path, voxels.view(), &geometry).unwrap();
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
        assert_eq!(names.len(), 1, "{names:?}");
        read_nifti(&path).unwrap()
    }

    #[test]
    fn what_is_written_is_read_again_with_its_position() {
        let voxels = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (z * 20 + y * 5 + x) as u8);
        let affine = Affine::new([
            [0.0, -2.0, 0.0, 10.5],
            [1.0, 0.0, 0.0, -3.25],
            [0.0, 0.0, 3.0, 7.0],
        ]);
        for affine in [affine, None] {
            let read = written(&voxels, affine);
            assert_eq!(read.header().geometry.affine, affine);
            assert_eq!(read.header().geometry.spacing, [3.0, 2.0, 1.0]);
            assert!(read.header().remarks.is_empty());
            assert_eq!(read.labels().unwrap().voxels, voxels);
        }
    }

    #[test]
    fn an_array_in_another_order_is_written_as_what_it_shows() {
        let voxels = Array3::from_shape_fn((3, 4, 5), |(z, y, x)| (z * 20 + y * 5 + x) as u8);
        let turned = voxels.clone().permuted_axes([2, 1, 0]);
        let read = written(&turned, None);
        assert_eq!(read.labels().unwrap().voxels, turned);
    }

    #[test]
    fn an_axis_longer_than_version_1_can_say_makes_it_version_2() {
        let mut voxels = Array3::zeros((1, 2, 40_000));
        voxels[[0, 1, 39_999]] = 9;
        let affine = Affine::new([
            [1.0, 0.0, 0.0, 0.5],
            [0.0, 2.0, 0.0, 0.25],
            [0.0, 0.0, 3.0, 0.125],
        ]);
        let read = written(&voxels, affine);
        assert_eq!(read.header().version, Version::Two);
        assert_eq!(read.header().geometry.affine, affine);
        assert_eq!(read.labels().unwrap().voxels, voxels);
    }

    #[test]
    fn a_folder_that_is_not_there_and_another_shape_are_errors() {
        let geometry = Geometry {
            shape: [1, 1, 1],
            spacing: [1.0; 3],
            affine: None,
        };
        let write = |path: &str, shape| {
            let voxels = Array3::zeros(shape);
            let result = write_nifti(Path::new(path), voxels.view(), &geometry);
            result.unwrap_err().to_string()
        };
        assert!(write("/nonexistent/x.nii.gz", (1, 1, 1)).contains("/nonexistent/x.nii.gz"));
        assert!(write("/nonexistent/x.nii.gz", (1, 1, 2)).contains("[1, 1, 2]"));
    }
}
