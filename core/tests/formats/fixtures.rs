//! Files that numpy wrote, kept in `tests/fixtures`, so that these tests need no Python.

use std::path::{Path, PathBuf};

use ndarray::Array3;
use segarena_core::npz::pickle::Value;
use segarena_core::npz::{Image, Prediction, read_ground_truth, read_prediction_file};
use segarena_core::volume::LabelKeys;

const SHAPE: [usize; 3] = [3, 4, 5];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(format!("{name}.npz"))
}

/// What the fixtures' labels are.
fn labels() -> Array3<u8> {
    Array3::from_shape_fn(SHAPE, |(z, y, x)| ((z + 2 * y + 3 * x) % 4) as u8)
}

fn prediction(name: &str) -> Prediction {
    let keys = LabelKeys::new(vec![1, 2, 3]).unwrap();
    read_prediction_file(&fixture(name), SHAPE, &keys).unwrap()
}

#[test]
fn images_of_numpy_1_and_2_are_read_alike() {
    for numpy in ["numpy1", "numpy2"] {
        let image = Image::open(&fixture(&format!("{numpy}-image"))).unwrap();
        assert_eq!(image.shape(), SHAPE);
        assert_eq!(image.spacing().mm(), [2.5, 0.5, 0.75]);
        assert_eq!(image.dtype().to_string(), "uint8");
        assert!(image.has_ground_truth());
        let boxes = image.boxes().unwrap().items();
        assert_eq!(boxes.len(), 2);
        for (k, one) in boxes.iter().enumerate() {
            let k = k as i64;
            let expected = [("z_min", k), ("z_max", k + 300), ("z_mid", k + 1)];
            let expected = expected.map(|(key, value)| (Value::from(key), Value::from(value)));
            assert_eq!(one, &Value::Dict(expected.into()));
        }
    }
}

#[test]
fn ground_truths_of_numpy_1_and_2_are_read_alike() {
    for numpy in ["numpy1", "numpy2"] {
        let truth = read_ground_truth(&fixture(&format!("{numpy}-image")), "gts").unwrap();
        assert_eq!(truth.keys.labels(), [1, 2, 3]);
        assert_eq!((truth.shape(), &truth.voxels), (SHAPE, &labels()));
    }
}

#[test]
fn predictions_of_numpy_1_and_2_are_read_alike() {
    for numpy in ["numpy1", "numpy2"] {
        for how in ["int64", "float32-fortran", "float64-big-endian"] {
            let read = prediction(&format!("{numpy}-{how}"));
            assert_eq!(*read.cast, labels(), "{numpy}-{how}");
            assert_eq!(read.scored, read.cast);
            assert!(read.remarks.is_empty());
        }
        let read = prediction(&format!("{numpy}-bool"));
        assert_eq!(*read.cast, labels().mapv(|label| u8::from(label == 1)));
    }
}

#[test]
fn halves_are_no_label_when_scored_and_their_whole_part_when_cast() {
    for numpy in ["numpy1", "numpy2"] {
        let read = prediction(&format!("{numpy}-float16"));
        assert_eq!(*read.cast, labels().mapv(|label| label / 2));
        assert_eq!(*read.scored, labels().mapv(|label| u8::from(label == 2)));
        assert_eq!(read.clicked, read.cast);
        assert!(
            read.remarks[0].contains("28 values that are no whole numbers"),
            "{:?}",
            read.remarks
        );
        assert!(
            read.remarks[0].contains("the first 1.5 at [0, 0, 1]"),
            "{:?}",
            read.remarks
        );
    }
}

#[test]
fn readings_that_are_the_same_share_their_memory() {
    let read = prediction("numpy2-int64");
    assert!(std::sync::Arc::ptr_eq(&read.cast, &read.scored));
    assert!(std::sync::Arc::ptr_eq(&read.cast, &read.clicked));
    let read = prediction("numpy2-float16");
    assert!(std::sync::Arc::ptr_eq(&read.cast, &read.clicked));
    assert!(!std::sync::Arc::ptr_eq(&read.cast, &read.scored));
}
