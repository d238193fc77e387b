//! The voxels of a NIfTI file: as numbers, or as labels.

use std::collections::HashMap;

use ndarray::Array3;
use segarena_kernels::LabelKeys;

use super::error::NiftiErrorKind;
use super::header::{NiftiHeader, Scaling};
use crate::npz::GroundTruth;
use crate::npz::element::{Element, with_element};

/// So far from a whole number a label may be that is a float or scaled.
const NEARLY_WHOLE: f64 = 1e-3;

/// A NIfTI file in memory: its header, and the voxels as they are stored.
#[derive(Debug, Clone)]
pub struct NiftiVolume {
    header: NiftiHeader,
    bytes: Vec<u8>,
}

impl NiftiVolume {
    pub(super) fn new(header: NiftiHeader, bytes: Vec<u8>) -> Self {
        Self { header, bytes }
    }

    /// The header.
    pub fn header(&self) -> &NiftiHeader {
        &self.header
    }

    /// The voxels as they are stored, in the order of an array (z, y, x) in C order.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Hands over the value of every voxel, scaled as the header says, in the order of an array
    /// (z, y, x) in C order. Memory is nothing; the voxels are decoded on the way.
    pub fn each_value(&self, mut take: impl FnMut(f64)) {
        let dtype = self.header.dtype;
        with_element!(dtype.kind, each_scaled(self, &mut take));
    }

    /// The voxels as labels. Those that are floats or scaled may be a thousandth off a whole
    /// number.
    ///
    /// # Errors
    /// When a voxel is no whole number, there is no label, or there are more than
    /// [`LabelKeys::MOST`].
    pub fn labels(&self) -> Result<GroundTruth, NiftiErrorKind> {
        let mut numbering = Numbering::new(self.header.geometry.shape);
        let scaling = self.header.scaling;
        with_element!(
            self.header.dtype.kind,
            number_all(self, scaling, &mut numbering)
        )?;
        numbering.into_truth()
    }

    /// The stored numbers.
    fn stored<T: Element>(&self) -> impl Iterator<Item = T> + '_ {
        let big_endian = self.header.dtype.big_endian;
        self.bytes.chunks_exact(T::SIZE).map(move |bytes| {
            if big_endian {
                T::from_be(bytes)
            } else {
                T::from_le(bytes)
            }
        })
    }
}

fn each_scaled<T: Element>(volume: &NiftiVolume, take: &mut impl FnMut(f64)) {
    match volume.header.scaling {
        None => volume.stored::<T>().for_each(|stored| take(stored.float())),
        Some(Scaling { slope, inter }) => volume
            .stored::<T>()
            .for_each(|stored| take(stored.float() * slope + inter)),
    }
}

fn number_all<T: Element>(
    volume: &NiftiVolume,
    scaling: Option<Scaling>,
    numbering: &mut Numbering,
) -> Result<(), NiftiErrorKind> {
    volume.stored::<T>().try_for_each(|stored| {
        let value = scaling.map_or(stored.float(), |s| stored.float() * s.slope + s.inter);
        // Integers of 64 bits are more than a float can tell apart.
        let exact = stored.integer().filter(|_| scaling.is_none());
        match exact.or_else(|| nearly_whole(value)) {
            Some(label) => numbering.push(label),
            None => Err(numbering.not_a_label(value)),
        }
    })
}

fn nearly_whole(value: f64) -> Option<i64> {
    let whole = value.round();
    let is_label = (value - whole).abs() <= NEARLY_WHOLE && whole.abs() < 9.0e18;
    is_label.then_some(whole as i64)
}

/// Labels numbered as they turn up, a byte for each voxel; which label is which key is known at
/// the end.
struct Numbering {
    shape: [usize; 3],
    numbers: Vec<u8>,
    /// `labels[n]` has number `n`; number 0 is the background.
    labels: Vec<i64>,
    known: HashMap<i64, u8>,
    last: (i64, u8),
}

impl Numbering {
    fn new(shape: [usize; 3]) -> Self {
        Self {
            shape,
            numbers: Vec::with_capacity(shape.iter().product()),
            labels: vec![0],
            known: HashMap::from([(0, 0)]),
            last: (0, 0),
        }
    }

    fn push(&mut self, label: i64) -> Result<(), NiftiErrorKind> {
        if label != self.last.0 {
            self.last = (label, self.number(label)?);
        }
        self.numbers.push(self.last.1);
        Ok(())
    }

    fn number(&mut self, label: i64) -> Result<u8, NiftiErrorKind> {
        if let Some(&number) = self.known.get(&label) {
            return Ok(number);
        }
        let number =
            u8::try_from(self.labels.len()).map_err(|_| NiftiErrorKind::TooManyLabels {
                most: LabelKeys::MOST,
            })?;
        self.labels.push(label);
        self.known.insert(label, number);
        Ok(number)
    }

    /// The error of the voxel that would have been next.
    fn not_a_label(&self, value: f64) -> NiftiErrorKind {
        let [_, height, width] = self.shape;
        let index = self.numbers.len();
        NiftiErrorKind::NotALabel {
            value,
            at: [
                index / width / height,
                index / width % height,
                index % width,
            ],
        }
    }

    fn into_truth(mut self) -> Result<GroundTruth, NiftiErrorKind> {
        let mut ascending = self.labels[1..].to_vec();
        ascending.sort_unstable();
        let keys = LabelKeys::new(ascending).ok_or(NiftiErrorKind::NoLabel)?;
        let key_of: Vec<u8> = self
            .labels
            .iter()
            .map(|&label| keys.key_of(label))
            .collect();
        for number in &mut self.numbers {
            *number = key_of[usize::from(*number)];
        }
        let voxels = Array3::from_shape_vec(self.shape, self.numbers);
        let voxels = voxels.map_err(|_| NiftiErrorKind::Unwritable { shape: self.shape })?;
        Ok(GroundTruth { voxels, keys })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::header::Geometry;
    use super::super::read_nifti_bytes;
    use super::super::write::header_bytes;
    use super::*;

    /// A volume of one row with these stored bytes.
    fn row(
        datatype: i16,
        voxels: Vec<u8>,
        size: usize,
        scaling: Option<(f32, f32)>,
    ) -> NiftiVolume {
        let geometry = Geometry {
            shape: [1, 1, voxels.len() / size],
            spacing: [1.0; 3],
            affine: None,
        };
        let mut bytes = header_bytes(&geometry).unwrap();
        bytes[70..72].copy_from_slice(&datatype.to_le_bytes());
        if let Some((slope, inter)) = scaling {
            bytes[112..116].copy_from_slice(&slope.to_le_bytes());
            bytes[116..120].copy_from_slice(&inter.to_le_bytes());
        }
        bytes.extend(voxels);
        read_nifti_bytes(Path::new("x.nii"), &bytes).unwrap()
    }

    fn values(volume: &NiftiVolume) -> Vec<f64> {
        let mut values = Vec::new();
        volume.each_value(|value| values.push(value));
        values
    }

    #[test]
    fn every_type_is_read_as_what_it_holds() {
        macro_rules! check {
            ($($code:literal $type:ty [$($value:expr),*]);* $(;)?) => {$(
                let stored: [$type; 3] = [$($value),*];
                let bytes = stored.iter().flat_map(|value| value.to_le_bytes()).collect();
                let volume = row($code, bytes, size_of::<$type>(), None);
                assert_eq!(values(&volume), stored.map(|value| value as f64));
            )*};
        }
        check! {
            2 u8 [0, 1, 255];
            256 i8 [-128, 0, 127];
            4 i16 [i16::MIN, -1, i16::MAX];
            512 u16 [0, 1, u16::MAX];
            8 i32 [i32::MIN, 7, i32::MAX];
            768 u32 [0, 7, u32::MAX];
            1024 i64 [i64::MIN, 7, i64::MAX];
            1280 u64 [0, 7, u64::MAX];
            16 f32 [-1.5, 0.0, 3.25];
            64 f64 [-1.5e300, 0.0, 3.25];
        }
    }

    #[test]
    fn values_are_scaled_in_double_precision() {
        let bytes = [16_777_217i32, -3]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let volume = row(8, bytes, 4, Some((0.5, -1024.0)));
        assert_eq!(values(&volume), [8_387_584.5, -1025.5]);
    }

    #[test]
    fn labels_of_any_type_are_brought_into_bytes() {
        let bytes = [0i16, 300, -1, 300]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let truth = row(4, bytes, 2, None).labels().unwrap();
        assert_eq!(truth.keys.labels(), [-1, 300]);
        assert_eq!(truth.voxels.into_raw_vec_and_offset().0, [0, 2, 1, 2]);

        let bytes = [0f32, 0.9995, 2.0, 7.0]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let truth = row(16, bytes, 4, None).labels().unwrap();
        assert_eq!(truth.keys.labels(), [1, 2, 7]);
        assert_eq!(truth.voxels.into_raw_vec_and_offset().0, [0, 1, 2, 7]);

        // 1/255, as a float rounds it.
        let truth = row(2, vec![0, 255], 1, Some((1.0 / 255.0, 0.0)))
            .labels()
            .unwrap();
        assert_eq!(truth.keys.labels(), [1]);
    }

    #[test]
    fn labels_beyond_what_a_float_can_tell_apart_stay_apart() {
        let bytes = [i64::MAX, i64::MAX - 1]
            .iter()
            .flat_map(|v| v.to_le_bytes())
            .collect();
        let truth = row(1024, bytes, 8, None).labels().unwrap();
        assert_eq!(truth.keys.labels(), [i64::MAX - 1, i64::MAX]);
    }

    #[test]
    fn what_is_no_label_is_named_with_its_voxel() {
        for (value, shown) in [(0.4f32, "is 0.4"), (f32::NAN, "is NaN"), (1e30, "is 1")] {
            let bytes = [0f32, value].iter().flat_map(|v| v.to_le_bytes()).collect();
            let error = row(16, bytes, 4, None).labels().unwrap_err().to_string();
            assert!(
                error.contains("[0, 0, 1]") && error.contains(shown),
                "{error}"
            );
        }
        let error = row(2, vec![0, 0], 1, None).labels().unwrap_err();
        assert!(matches!(error, NiftiErrorKind::NoLabel), "{error}");
        let many = (0..300i16).flat_map(i16::to_le_bytes).collect();
        let error = row(4, many, 2, None).labels().unwrap_err().to_string();
        assert!(error.contains("more than 255 labels"), "{error}");
    }
}
