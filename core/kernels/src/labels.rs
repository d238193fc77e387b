//! Label volumes: voxels that each carry one label, and the size of a voxel.

use std::sync::Arc;

use ndarray::{Array3, ArrayView3};

/// A voxel's index, `[z, y, x]`.
pub type Voxel = [usize; 3];

/// The size of a voxel in millimetres along axes 0, 1 and 2 of its volume.
///
/// Always three positive finite numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spacing([f64; 3]);

/// Why three numbers are no [`Spacing`].
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("spacing must be three positive finite numbers (mm), but axis {axis} has {value}")]
pub struct SpacingError {
    /// The first axis that is wrong.
    pub axis: usize,
    /// Its value.
    pub value: f64,
}

impl Spacing {
    /// Checks that every axis is positive and finite.
    ///
    /// # Errors
    /// Names the first axis that is not.
    pub fn new(mm: [f64; 3]) -> Result<Self, SpacingError> {
        match mm.iter().position(|&v| !(v.is_finite() && v > 0.0)) {
            Some(axis) => Err(SpacingError {
                axis,
                value: mm[axis],
            }),
            None => Ok(Self(mm)),
        }
    }

    /// Millimetres along axes 0, 1, 2.
    pub fn mm(self) -> [f64; 3] {
        self.0
    }
}

/// A volume in which every voxel carries one label, with its labels and its spacing.
///
/// Voxels hold *keys*, one byte each, 0 being background; its [`LabelKeys`] say which label a key
/// stands for. The voxels are always in standard (C) layout.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelVolume {
    voxels: Array3<u8>,
    keys: Arc<LabelKeys>,
    spacing: Spacing,
}

impl LabelVolume {
    /// Takes `voxels` whose values are their own labels: those that occur.
    pub fn new(voxels: Array3<u8>, spacing: Spacing) -> Self {
        let keys = LabelKeys::of_own_keys(voxels.iter().copied());
        Self::with_keys(voxels, keys, spacing)
    }

    /// Takes `voxels` and what their keys stand for, bringing them into C order if they are in
    /// another.
    pub fn with_keys(voxels: Array3<u8>, keys: LabelKeys, spacing: Spacing) -> Self {
        let voxels = if voxels.is_standard_layout() {
            voxels
        } else {
            voxels.as_standard_layout().into_owned()
        };
        let keys = Arc::new(keys);
        Self {
            voxels,
            keys,
            spacing,
        }
    }

    /// The keys, shape (z, y, x), C order.
    pub fn voxels(&self) -> ArrayView3<'_, u8> {
        self.voxels.view()
    }

    /// What the keys stand for.
    pub fn keys(&self) -> &Arc<LabelKeys> {
        &self.keys
    }

    /// The size of a voxel.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// The shape (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        LabelView::from(self).shape()
    }
}

/// A label volume whose voxels belong to somebody else, a numpy array for one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelView<'a> {
    voxels: ArrayView3<'a, u8>,
    keys: &'a LabelKeys,
    spacing: Spacing,
}

impl<'a> LabelView<'a> {
    /// These voxels, shape (z, y, x), what their keys stand for, and a voxel's size. `None` if they
    /// are not in C order.
    pub fn new(voxels: ArrayView3<'a, u8>, keys: &'a LabelKeys, spacing: Spacing) -> Option<Self> {
        voxels.is_standard_layout().then_some(Self {
            voxels,
            keys,
            spacing,
        })
    }

    /// What the keys stand for.
    pub fn keys(self) -> &'a LabelKeys {
        self.keys
    }

    /// The keys, shape (z, y, x), C order.
    pub fn voxels(self) -> ArrayView3<'a, u8> {
        self.voxels
    }

    /// The size of a voxel.
    pub fn spacing(self) -> Spacing {
        self.spacing
    }

    /// The shape (z, y, x).
    pub fn shape(self) -> [usize; 3] {
        let (z, y, x) = self.voxels.dim();
        [z, y, x]
    }
}

impl<'a> From<&'a LabelVolume> for LabelView<'a> {
    fn from(volume: &'a LabelVolume) -> Self {
        Self {
            voxels: volume.voxels(),
            keys: &volume.keys,
            spacing: volume.spacing(),
        }
    }
}

/// The labels of a ground truth and the one-byte keys its voxels hold in memory.
///
/// A label that fits a byte is its own key whenever all of them do (the usual case). Where some
/// label does not (a `uint16` ground truth with a label 300, say), keys are the labels' ranks,
/// 1, 2, …, so that kernels only ever see bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelKeys {
    labels: Vec<i64>,
    own_keys: bool,
}

impl LabelKeys {
    /// As many labels as one case can have.
    pub const MOST: usize = 255;

    /// Keys for these labels: non-zero, ascending, distinct.
    ///
    /// `None` if there is no label, more than [`Self::MOST`] of them, or they are not ascending
    /// and non-zero.
    pub fn new(labels: Vec<i64>) -> Option<Self> {
        let ascending = labels.windows(2).all(|pair| pair[0] < pair[1]);
        if labels.is_empty() || labels.len() > Self::MOST || labels.contains(&0) || !ascending {
            return None;
        }
        let own_keys = labels.iter().all(|label| (1..=255).contains(label));
        Some(Self { labels, own_keys })
    }

    /// Keys for labels that fit a byte, each its own; there may be none. 0 is no label.
    pub fn of_own_keys(labels: impl IntoIterator<Item = u8>) -> Self {
        let labels: std::collections::BTreeSet<i64> = labels
            .into_iter()
            .map(i64::from)
            .filter(|&label| label != 0)
            .collect();
        Self {
            labels: labels.into_iter().collect(),
            own_keys: true,
        }
    }

    /// The labels, ascending.
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// How many labels (the challenge's "classes") there are; 0 only for [`Self::of_own_keys`].
    pub fn count(&self) -> usize {
        self.labels.len()
    }

    /// `true` when every label is its own key, so that bytes need no translation.
    pub fn are_labels(&self) -> bool {
        self.own_keys
    }

    /// The key of a value: 0 for anything that is not a label.
    pub fn key_of(&self, value: i64) -> u8 {
        match self.labels.binary_search(&value) {
            Ok(_) if self.own_keys => value as u8,
            Ok(rank) => (rank + 1) as u8,
            Err(_) => 0,
        }
    }

    /// The key of each byte value: 0 for a byte that is no label.
    pub fn of_bytes(&self) -> [u8; 256] {
        std::array::from_fn(|byte| self.key_of(byte as i64))
    }

    /// Every label with its key, labels ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u8)> + '_ {
        self.labels.iter().enumerate().map(|(rank, &label)| {
            (
                label,
                if self.own_keys {
                    label as u8
                } else {
                    (rank + 1) as u8
                },
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spacing_must_be_positive_and_finite_on_every_axis() {
        assert!(Spacing::new([1.0, 0.5, 2.0]).is_ok());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let error = Spacing::new([1.0, bad, 1.0]).unwrap_err();
            assert_eq!(error.axis, 1);
        }
    }

    #[test]
    fn labels_that_fit_a_byte_are_their_own_keys() {
        let keys = LabelKeys::new(vec![3, 7, 255]).unwrap();
        assert_eq!(
            keys.iter().collect::<Vec<_>>(),
            [(3, 3), (7, 7), (255, 255)]
        );
        assert_eq!((keys.key_of(7), keys.key_of(8), keys.key_of(-3)), (7, 0, 0));
    }

    #[test]
    fn labels_beyond_a_byte_are_numbered_by_rank() {
        let keys = LabelKeys::new(vec![-1, 2, 300]).unwrap();
        assert_eq!(keys.iter().collect::<Vec<_>>(), [(-1, 1), (2, 2), (300, 3)]);
        assert_eq!(
            (keys.key_of(300), keys.key_of(44), keys.key_of(0)),
            (3, 0, 0)
        );
    }

    #[test]
    fn no_label_or_disordered_labels_make_no_keys() {
        for bad in [vec![], vec![0, 1], vec![2, 1], vec![1, 1]] {
            assert_eq!(LabelKeys::new(bad), None);
        }
    }
}
