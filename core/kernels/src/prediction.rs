//! A prediction, as volumes.

use std::sync::Arc;

use ndarray::Array3;

use crate::LabelKeys;

/// A prediction in the three readings that the protocol needs, all of the ground truth's shape
/// and in C order.
///
/// Where two readings are the same array they share it. A voxel that carries no label may hold
/// any byte that is no label's key, not only 0, in [`Self::scored`] and [`Self::clicked`].
#[derive(Debug, Clone)]
pub struct Prediction {
    /// `segs` as numpy's `astype(uint8)` casts it: what is saved and given to the submission as
    /// `prev_pred`.
    pub cast: Arc<Array3<u8>>,
    /// The keys of the values as they were written: a float 1.0 is label 1, 0.7 is none. Scores
    /// compare these.
    pub scored: Arc<Array3<u8>>,
    /// The keys of the cast values: what clicks are placed on.
    pub clicked: Arc<Array3<u8>>,
    /// What is odd about the values but not forbidden, in words.
    pub remarks: Vec<String>,
}

impl Prediction {
    /// A prediction given as its cast values.
    pub fn from_cast(cast: Array3<u8>, keys: &LabelKeys) -> Self {
        let cast = if cast.is_standard_layout() {
            cast
        } else {
            cast.as_standard_layout().into_owned()
        };
        let cast = Arc::new(cast);
        let clicked = if keys.are_labels() {
            Arc::clone(&cast)
        } else {
            let table = keys.of_bytes();
            Arc::new(cast.mapv(|byte| table[usize::from(byte)]))
        };
        Self {
            scored: Arc::clone(&clicked),
            cast,
            clicked,
            remarks: Vec::new(),
        }
    }

    /// The prediction of a submission that never wrote one: all zeros.
    pub fn zeros(shape: [usize; 3]) -> Self {
        let cast = Arc::new(Array3::zeros(shape));
        let (scored, clicked) = (Arc::clone(&cast), Arc::clone(&cast));
        Self {
            cast,
            scored,
            clicked,
            remarks: Vec::new(),
        }
    }
}
