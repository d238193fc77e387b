//! The challenge's bounding box: a rectangle in one slice, and the slices that the object spans.

use ndarray::ArrayView3;
use serde::{Deserialize, Serialize};

/// One label's bounding box. All bounds are inclusive voxel indices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundingBox {
    /// The first slice with the object.
    pub z_min: usize,
    /// The last slice with the object.
    pub z_max: usize,
    /// The slice that the rectangle is in.
    pub z_mid: usize,
    /// The rectangle's smallest x.
    pub z_mid_x_min: usize,
    /// Its smallest y.
    pub z_mid_y_min: usize,
    /// Its largest x.
    pub z_mid_x_max: usize,
    /// Its largest y.
    pub z_mid_y_max: usize,
}

impl BoundingBox {
    /// The box of a label: the rectangle is in the middle one of the slices that have the label.
    /// `None` where there is no such label.
    pub fn around(labels: ArrayView3<'_, u8>, label: u8) -> Option<Self> {
        let has_label = |slice: &usize| {
            labels
                .index_axis(ndarray::Axis(0), *slice)
                .iter()
                .any(|&v| v == label)
        };
        let slices: Vec<usize> = (0..labels.dim().0).filter(has_label).collect();
        let z_mid = *slices.get(slices.len() / 2)?;
        let slice = labels.index_axis(ndarray::Axis(0), z_mid);
        let found = || {
            slice
                .indexed_iter()
                .filter(|&(_, &value)| value == label)
                .map(|(at, _)| at)
        };
        Some(Self {
            z_min: *slices.first()?,
            z_max: *slices.last()?,
            z_mid,
            z_mid_x_min: found().map(|(_, x)| x).min()?,
            z_mid_y_min: found().map(|(y, _)| y).min()?,
            z_mid_x_max: found().map(|(_, x)| x).max()?,
            z_mid_y_max: found().map(|(y, _)| y).max()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_spans_the_slices_of_its_label_and_bounds_it_in_the_middle_one() {
        let mut labels = ndarray::Array3::<u8>::zeros((6, 5, 5));
        for z in 1..=3 {
            labels[[z, 2, 1]] = 4;
            labels[[z, 3, z]] = 4;
        }
        let bounds = BoundingBox::around(labels.view(), 4).unwrap();
        assert_eq!((bounds.z_min, bounds.z_mid, bounds.z_max), (1, 2, 3));
        assert_eq!((bounds.z_mid_y_min, bounds.z_mid_y_max), (2, 3));
        assert_eq!((bounds.z_mid_x_min, bounds.z_mid_x_max), (1, 2));
        assert_eq!(BoundingBox::around(labels.view(), 5), None);
    }
}
