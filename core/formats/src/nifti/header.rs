//! The header, both versions of it, checked: after this, every number in it can be relied on.
//!
//! The fields' offsets are those of `nifti1.h` and `nifti2.h` (<https://nifti.nimh.nih.gov>).

use super::affine::Affine;
use super::error::NiftiErrorKind;
use crate::npz::{Dtype, Kind};

/// As many bytes as the shorter of the two headers has, that of version 1.
pub(super) const SHORTEST: usize = 348;
/// As many as that of version 2 has.
const LONGEST: usize = 540;

/// Which version of the format a file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// NIfTI-1: a header of 348 bytes.
    One,
    /// NIfTI-2: a header of 540 bytes, for axes of more than 32 767 voxels.
    Two,
}

impl Version {
    fn length(self) -> usize {
        match self {
            Self::One => SHORTEST,
            Self::Two => LONGEST,
        }
    }
}

/// What stored numbers stand for: `slope · stored + inter`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaling {
    /// `scl_slope`; never 0.
    pub slope: f64,
    /// `scl_inter`.
    pub inter: f64,
}

/// Where a volume lies and how large its voxels are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// The shape (z, y, x).
    pub shape: [usize; 3],
    /// The size of a voxel along (z, y, x), in millimetres, each positive.
    pub spacing: [f64; 3],
    /// The position, where there is one.
    pub affine: Option<Affine>,
}

/// A NIfTI file's header.
#[derive(Debug, Clone, PartialEq)]
pub struct NiftiHeader {
    /// The version of the format.
    pub version: Version,
    /// The type of the stored numbers.
    pub dtype: Dtype,
    /// What they stand for, where that is something else.
    pub scaling: Option<Scaling>,
    /// Grid and position. The affine is the header's sform, without one its qform, without either
    /// there is none: the format then says nothing of where the patient is.
    pub geometry: Geometry,
    /// Where the voxels begin in the file.
    pub offset: u64,
    /// What is odd about the header and was dealt with, in words.
    pub remarks: Vec<String>,
}

impl NiftiHeader {
    /// Reads the beginning of a file: as many bytes as the header has, or more.
    ///
    /// Millimetres are made of the units that `xyzt_units` names; without one, or with an unknown
    /// one, sizes are millimetres, as all readers take them.
    ///
    /// # Errors
    /// When the bytes are no header of a single-file NIfTI, voxels are not numbers, axes beyond
    /// the third are longer than 1, or a field that is needed makes no sense.
    pub fn parse(bytes: &[u8]) -> Result<Self, NiftiErrorKind> {
        let (version, big_endian) = kind(bytes)?;
        let mut field = Fields {
            bytes: [0; LONGEST],
            big_endian,
        };
        let length = version.length();
        let Some(header) = bytes.get(..length) else {
            return Err(NiftiErrorKind::Truncated {
                announced: length as u64,
                found: format!("are {}", bytes.len()),
            });
        };
        field.bytes[..length].copy_from_slice(header);
        match version {
            Version::One => check_magic(&field.bytes[344..348], b"n+1\0", b"ni1\0")?,
            Version::Two => check_magic(&field.bytes[4..8], b"n+2\0", b"ni2\0")?,
        }
        let raw = match version {
            Version::One => field.version_1(),
            Version::Two => field.version_2(),
        };
        raw.check(version, big_endian)
    }

    /// How long the header is that begins with these bytes; that of version 1 where they are none.
    pub(super) fn length(bytes: &[u8]) -> usize {
        kind(bytes).map_or(SHORTEST, |(version, _)| version.length())
    }

    /// How many voxels there are.
    pub fn voxels(&self) -> usize {
        self.geometry.shape.iter().product()
    }

    /// How many bytes the voxels take in the file.
    pub(super) fn size(&self) -> u64 {
        self.voxels() as u64 * self.dtype.size() as u64
    }
}

/// Tells version and byte order by the header's first field, its own length.
fn kind(bytes: &[u8]) -> Result<(Version, bool), NiftiErrorKind> {
    let not_nifti = |reason: &str| NiftiErrorKind::NotNifti {
        reason: reason.to_owned(),
    };
    let first: [u8; 4] = bytes
        .get(..4)
        .and_then(|first| first.try_into().ok())
        .ok_or_else(|| not_nifti("it is empty, or nearly so"))?;
    match (i32::from_le_bytes(first), i32::from_be_bytes(first)) {
        (348, _) => Ok((Version::One, false)),
        (_, 348) => Ok((Version::One, true)),
        (540, _) => Ok((Version::Two, false)),
        (_, 540) => Ok((Version::Two, true)),
        _ => Err(not_nifti(
            "it does not begin with the length of a NIfTI header, 348 or 540",
        )),
    }
}

fn check_magic(found: &[u8], single: &[u8], pair: &[u8]) -> Result<(), NiftiErrorKind> {
    if found == single {
        return Ok(());
    }
    let reason = if found == pair {
        "it is the header (.hdr) of a pair, whose voxels are in another file (.img): save it as \
         one .nii file"
    } else {
        "it has no NIfTI magic, so that it may be ANALYZE 7.5: save it as .nii"
    };
    Err(NiftiErrorKind::NotNifti {
        reason: reason.to_owned(),
    })
}

/// The fields that matter, as they stand in the file, in the wider types of version 2.
struct Raw {
    dim: [i64; 8],
    datatype: i16,
    pixdim: [f64; 8],
    vox_offset: f64,
    slope: f64,
    inter: f64,
    units: i32,
    qform_code: i32,
    sform_code: i32,
    quaternion: [f64; 3],
    quaternion_offset: [f64; 3],
    rows: [[f64; 4]; 3],
}

struct Fields {
    /// As many as the longer header has, so that every offset is within.
    bytes: [u8; LONGEST],
    big_endian: bool,
}

macro_rules! field_reader {
    ($($name:ident: $type:ty),* $(,)?) => {$(
        fn $name(&self, at: usize) -> $type {
            let mut bytes = [0; size_of::<$type>()];
            bytes.copy_from_slice(&self.bytes[at..at + size_of::<$type>()]);
            if self.big_endian {
                <$type>::from_be_bytes(bytes)
            } else {
                <$type>::from_le_bytes(bytes)
            }
        }
    )*};
}

impl Fields {
    field_reader! { i16: i16, i32: i32, i64: i64, f32: f32, f64: f64 }

    fn single(&self, at: usize) -> f64 {
        f64::from(self.f32(at))
    }

    fn version_1(&self) -> Raw {
        let row = |at: usize| [0, 1, 2, 3].map(|column| self.single(at + 4 * column));
        Raw {
            dim: [0, 1, 2, 3, 4, 5, 6, 7].map(|axis| i64::from(self.i16(40 + 2 * axis))),
            datatype: self.i16(70),
            pixdim: [0, 1, 2, 3, 4, 5, 6, 7].map(|axis| self.single(76 + 4 * axis)),
            vox_offset: self.single(108),
            slope: self.single(112),
            inter: self.single(116),
            units: i32::from(self.bytes[123]),
            qform_code: i32::from(self.i16(252)),
            sform_code: i32::from(self.i16(254)),
            quaternion: [256, 260, 264].map(|at| self.single(at)),
            quaternion_offset: [268, 272, 276].map(|at| self.single(at)),
            rows: [280, 296, 312].map(row),
        }
    }

    fn version_2(&self) -> Raw {
        let row = |at: usize| [0, 1, 2, 3].map(|column| self.f64(at + 8 * column));
        Raw {
            dim: [0, 1, 2, 3, 4, 5, 6, 7].map(|axis| self.i64(16 + 8 * axis)),
            datatype: self.i16(12),
            pixdim: [0, 1, 2, 3, 4, 5, 6, 7].map(|axis| self.f64(104 + 8 * axis)),
            vox_offset: self.i64(168) as f64,
            slope: self.f64(176),
            inter: self.f64(184),
            units: self.i32(500),
            qform_code: self.i32(344),
            sform_code: self.i32(348),
            quaternion: [352, 360, 368].map(|at| self.f64(at)),
            quaternion_offset: [376, 384, 392].map(|at| self.f64(at)),
            rows: [400, 432, 464].map(row),
        }
    }
}

impl Raw {
    fn check(self, version: Version, big_endian: bool) -> Result<NiftiHeader, NiftiErrorKind> {
        let mut remarks = Vec::new();
        let shape = self.shape()?;
        let dtype = Dtype {
            kind: element(self.datatype)?,
            big_endian,
        };
        let voxels = shape.iter().try_fold(dtype.size() as u64, |bytes, &axis| {
            bytes.checked_mul(axis as u64)
        });
        if voxels.is_none_or(|bytes| bytes > isize::MAX as u64) {
            return Err(NiftiErrorKind::Memory { bytes: u64::MAX });
        }
        let affine = self.affine()?;
        let spacing = self.spacing(affine.as_ref(), &mut remarks)?;
        Ok(NiftiHeader {
            version,
            dtype,
            scaling: self.scaling()?,
            geometry: Geometry {
                shape,
                spacing,
                affine,
            },
            offset: self.offset(version)?,
            remarks,
        })
    }

    /// (z, y, x), of as many axes as there are.
    fn shape(&self) -> Result<[usize; 3], NiftiErrorKind> {
        let axes = match self.dim[0] {
            axes @ 1..=7 => axes as usize,
            other => {
                return Err(NiftiErrorKind::field(
                    "dim[0]",
                    other,
                    "it must be 1 to 7 axes",
                ));
            }
        };
        for (axis, &length) in self.dim.iter().enumerate().skip(1).take(axes) {
            if length < 1 {
                let name = format!("dim[{axis}]");
                return Err(NiftiErrorKind::field(
                    &name,
                    length,
                    "an axis has at least one voxel",
                ));
            }
        }
        let used = &self.dim[1..=axes];
        if used.iter().skip(3).any(|&length| length != 1) {
            return Err(NiftiErrorKind::Axes {
                found: used.iter().map(|&length| length as u64).collect(),
            });
        }
        let length = |axis: usize| used.get(axis).map_or(1, |&length| length as usize);
        Ok([length(2), length(1), length(0)])
    }

    /// How many millimetres the header's unit of length is.
    fn unit(&self) -> f64 {
        match self.units & 0b111 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        }
    }

    /// A slope of 0 means that the numbers are what they are, and so does one that is none.
    fn scaling(&self) -> Result<Option<Scaling>, NiftiErrorKind> {
        let (slope, inter) = (self.slope, self.inter);
        if slope == 0.0 || !slope.is_finite() || (slope == 1.0 && inter == 0.0) {
            return Ok(None);
        }
        if !inter.is_finite() {
            let wanted = "beside a `scl_slope` that is a number, it must be one too";
            return Err(NiftiErrorKind::field("scl_inter", inter, wanted));
        }
        Ok(Some(Scaling { slope, inter }))
    }

    fn offset(&self, version: Version) -> Result<u64, NiftiErrorKind> {
        // Behind the header are four bytes that say whether extensions follow.
        let first = match version {
            Version::One => 352.0,
            Version::Two => 544.0,
        };
        match self.vox_offset {
            0.0 => Ok(first as u64),
            offset if offset >= first && offset <= 9.0e15 && offset.fract() == 0.0 => {
                Ok(offset as u64)
            }
            other => {
                let wanted = format!("the voxels of one file begin at a whole {first} or later");
                Err(NiftiErrorKind::field("vox_offset", other, &wanted))
            }
        }
    }

    fn affine(&self) -> Result<Option<Affine>, NiftiErrorKind> {
        let unit = self.unit();
        let affine = if self.sform_code > 0 {
            Affine::new(self.rows.map(|row| row.map(|number| number * unit)))
        } else if self.qform_code > 0 {
            Affine::from_quaternion(
                self.quaternion,
                [1, 2, 3].map(|axis| self.pixdim[axis].abs() * unit),
                self.pixdim[0],
                self.quaternion_offset.map(|number| number * unit),
            )
        } else {
            return Ok(None);
        };
        let field = if self.sform_code > 0 {
            "srow_x, srow_y, srow_z"
        } else {
            "quatern_b…z"
        };
        let wanted = "they must be finite numbers, as its code says that they are used";
        affine
            .map(Some)
            .ok_or_else(|| NiftiErrorKind::field(field, "not a number", wanted))
    }

    /// The size of a voxel along (z, y, x): `pixdim`, and the affine's steps where that has none.
    fn spacing(
        &self,
        affine: Option<&Affine>,
        remarks: &mut Vec<String>,
    ) -> Result<[f64; 3], NiftiErrorKind> {
        let is_size = |size: f64| size.is_finite() && size > 0.0;
        let steps = affine.map(Affine::steps);
        let mut spacing = [0.0; 3];
        for (axis, size) in spacing.iter_mut().enumerate() {
            let told = self.pixdim[axis + 1].abs() * self.unit();
            let step = steps.map(|steps| steps[axis]).filter(|&step| is_size(step));
            *size = match step {
                _ if is_size(told) => told,
                Some(step) => {
                    let name = ["x", "y", "z"][axis];
                    remarks.push(format!(
                        "its `pixdim` has {told} along {name}; the {step} mm of its affine is used"
                    ));
                    step
                }
                None => {
                    let name = format!("pixdim[{}]", axis + 1);
                    let wanted = "the size of a voxel must be a positive number";
                    return Err(NiftiErrorKind::field(&name, told, wanted));
                }
            };
            if let Some(step) = step
                && is_size(told)
                && (step / told - 1.0).abs() > 0.01
            {
                let name = ["x", "y", "z"][axis];
                remarks.push(format!(
                    "its `pixdim` says {told} mm along {name}, its affine {step} mm; `pixdim` is used"
                ));
            }
        }
        spacing.reverse();
        Ok(spacing)
    }
}

/// The type that a code of `datatype` names.
fn element(code: i16) -> Result<Kind, NiftiErrorKind> {
    let other = |found: &str| {
        Err(NiftiErrorKind::ElementType {
            found: found.to_owned(),
        })
    };
    match code {
        2 => Ok(Kind::Uint(1)),
        4 => Ok(Kind::Int(2)),
        8 => Ok(Kind::Int(4)),
        16 => Ok(Kind::Float(4)),
        64 => Ok(Kind::Float(8)),
        256 => Ok(Kind::Int(1)),
        512 => Ok(Kind::Uint(2)),
        768 => Ok(Kind::Uint(4)),
        1024 => Ok(Kind::Int(8)),
        1280 => Ok(Kind::Uint(8)),
        1 => other("single bits"),
        32 | 1792 | 2048 => other("complex numbers"),
        128 | 2304 => other("colours (RGB)"),
        1536 => other("128-bit floats"),
        code => other(&format!("of an unknown type (`datatype` is {code})")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::write::header_bytes;
    use super::*;

    fn geometry() -> Geometry {
        Geometry {
            shape: [2, 3, 4],
            spacing: [3.0, 0.5, 0.25],
            affine: Affine::new([
                [-0.25, 0.0, 0.0, 10.0],
                [0.0, 0.5, 0.0, 20.0],
                [0.0, 0.0, 3.0, 30.0],
            ]),
        }
    }

    /// A header of version 1 with some bytes changed.
    fn changed(changes: &[(usize, &[u8])]) -> Result<NiftiHeader, NiftiErrorKind> {
        let mut bytes = header_bytes(&geometry()).unwrap();
        for &(at, new) in changes {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        NiftiHeader::parse(&bytes)
    }

    #[track_caller]
    fn refused(changes: &[(usize, &[u8])], words: &str) {
        let error = changed(changes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    #[test]
    fn a_header_says_where_its_voxels_are() {
        let header = changed(&[]).unwrap();
        assert_eq!(header.version, Version::One);
        assert_eq!(header.dtype, Dtype::U8);
        assert_eq!(header.scaling, None);
        assert_eq!(header.geometry, geometry());
        assert_eq!((header.offset, header.size()), (352, 24));
        assert!(header.remarks.is_empty());
    }

    #[test]
    fn axes_beyond_the_third_may_have_one_voxel_and_no_more() {
        let four = |length: i16| changed(&[(40, &4i16.to_le_bytes()), (48, &length.to_le_bytes())]);
        assert_eq!(four(1).unwrap().geometry.shape, [2, 3, 4]);
        let error = four(5).unwrap_err().to_string();
        assert!(error.contains("4 × 3 × 2 × 5"), "{error}");
        let two = changed(&[(40, &2i16.to_le_bytes())]).unwrap();
        assert_eq!(two.geometry.shape, [1, 3, 4]);
    }

    #[test]
    fn axes_that_cannot_be_are_named() {
        refused(&[(40, &0i16.to_le_bytes())], "`dim[0]` is 0");
        refused(&[(40, &8i16.to_le_bytes())], "`dim[0]` is 8");
        refused(&[(44, &(-3i16).to_le_bytes())], "`dim[2]` is -3");
    }

    #[test]
    fn a_size_beyond_all_memory_is_refused_before_anything_is_set_aside() {
        let mut bytes = vec![0; 540];
        bytes[..4].copy_from_slice(&540i32.to_le_bytes());
        bytes[4..8].copy_from_slice(b"n+2\0");
        bytes[12..14].copy_from_slice(&64i16.to_le_bytes());
        for (axis, length) in [(0, 3), (1, i64::MAX), (2, 4), (3, i64::MAX)] {
            bytes[16 + 8 * axis..24 + 8 * axis].copy_from_slice(&i64::to_le_bytes(length));
        }
        let error = NiftiHeader::parse(&bytes).unwrap_err();
        assert!(matches!(error, NiftiErrorKind::Memory { .. }), "{error}");
    }

    #[test]
    fn offsets_inside_the_header_or_between_bytes_are_refused() {
        for offset in [1.0f32, 348.0, 352.5, -352.0, f32::NAN, f32::INFINITY, 1e30] {
            refused(&[(108, &offset.to_le_bytes())], "`vox_offset`");
        }
        assert_eq!(changed(&[(108, &0f32.to_le_bytes())]).unwrap().offset, 352);
        assert_eq!(
            changed(&[(108, &4096f32.to_le_bytes())]).unwrap().offset,
            4096
        );
    }

    #[test]
    fn a_slope_of_zero_or_none_leaves_numbers_as_they_are() {
        let scaled = |slope: f32, inter: f32| {
            changed(&[(112, &slope.to_le_bytes()), (116, &inter.to_le_bytes())])
        };
        assert_eq!(scaled(0.0, 7.0).unwrap().scaling, None);
        assert_eq!(scaled(f32::NAN, f32::NAN).unwrap().scaling, None);
        let two = Scaling {
            slope: 2.0,
            inter: -1024.0,
        };
        assert_eq!(scaled(2.0, -1024.0).unwrap().scaling, Some(two));
        refused(
            &[(112, &2f32.to_le_bytes()), (116, &f32::NAN.to_le_bytes())],
            "`scl_inter`",
        );
    }

    #[test]
    fn sizes_are_made_millimetres() {
        let micrometres = changed(&[(123, &[3])]).unwrap();
        let spacing = micrometres.geometry.spacing;
        for (found, wanted) in spacing.iter().zip([0.003, 0.0005, 0.00025]) {
            assert!((found / wanted - 1.0).abs() < 1e-9, "{spacing:?}");
        }
        let steps = micrometres.geometry.affine.unwrap().steps();
        assert!((steps[2] / 0.003 - 1.0).abs() < 1e-9, "{steps:?}");
    }

    #[test]
    fn a_voxel_without_size_has_that_of_the_affine_or_the_file_is_refused() {
        let zero = 0f32.to_le_bytes();
        let header = changed(&[(80, &zero)]).unwrap();
        assert_eq!(header.geometry.spacing, geometry().spacing);
        assert!(
            header.remarks[0].contains("along x"),
            "{:?}",
            header.remarks
        );
        refused(&[(80, &zero), (252, &[0; 4])], "`pixdim[1]`");
        refused(
            &[(80, &f32::NAN.to_le_bytes()), (252, &[0; 4])],
            "`pixdim[1]`",
        );
    }

    #[test]
    fn a_size_that_the_affine_contradicts_is_told() {
        let header = changed(&[(88, &5f32.to_le_bytes())]).unwrap();
        assert_eq!(header.geometry.spacing[0], 5.0);
        assert!(
            header.remarks[0].contains("affine 3 mm"),
            "{:?}",
            header.remarks
        );
    }

    #[test]
    fn the_quaternion_serves_where_there_are_no_rows_and_without_either_there_is_no_position() {
        let header = changed(&[(254, &[0, 0])]).unwrap();
        assert_eq!(header.geometry.affine, geometry().affine);
        let header = changed(&[(252, &[0, 0, 0, 0])]).unwrap();
        assert_eq!(header.geometry.affine, None);
        refused(&[(280, &f32::NAN.to_le_bytes())], "srow_x");
        refused(
            &[(254, &[0, 0]), (256, &f32::NAN.to_le_bytes())],
            "quatern_b",
        );
    }

    #[test]
    fn what_is_not_one_number_per_voxel_is_named() {
        let of = |code: i16| {
            changed(&[(70, &code.to_le_bytes())])
                .unwrap_err()
                .to_string()
        };
        assert!(of(128).contains("colours"));
        assert!(of(32).contains("complex"));
        assert!(of(999).contains("`datatype` is 999"));
    }

    #[test]
    fn what_is_no_single_nifti_file_is_told_what_it_is() {
        refused(&[(344, b"ni1\0")], ".img");
        refused(&[(344, b"\0\0\0\0")], "ANALYZE");
        refused(&[(0, &[1, 2, 3, 4])], "348 or 540");
        let short = NiftiHeader::parse(&348i32.to_le_bytes()).unwrap_err();
        assert!(short.to_string().contains("348 bytes"), "{short}");
        assert!(NiftiHeader::parse(&[]).is_err());
    }
}
