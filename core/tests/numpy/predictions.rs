//! Predictions of every type and layout that numpy writes.

use std::ffi::OsStr;
use std::fs;

use ndarray::Array3;
use segarena_core::npz::{Folder, read_prediction};
use segarena_core::volume::LabelKeys;

use super::environments::{environments, written_cases};

const SHAPE: [usize; 3] = [3, 4, 5];

pub(crate) fn predictions_written_by_numpy_are_read_as_numpy_casts_and_compares_them() {
    for environment in environments() {
        let folder = tempfile::tempdir().unwrap();
        environment.run("predictions.py", folder.path());
        let handle = Folder::open(folder.path()).unwrap();
        let cases = written_cases(folder.path());
        assert!(cases.len() > 500, "{} cases", cases.len());
        for (name, labels) in cases {
            let keys = LabelKeys::new(labels).unwrap();
            let expected = |reading: &str| {
                let bytes = fs::read(folder.path().join(format!("{name}.{reading}"))).unwrap();
                Array3::from_shape_vec(SHAPE, bytes).unwrap()
            };
            let what = format!("numpy {}: {name}", environment.version);

            let read = read_prediction(&handle, OsStr::new(&format!("{name}.npz")), SHAPE, &keys)
                .unwrap_or_else(|error| panic!("{what}: {error}"));

            assert_eq!(*read.cast, expected("cast"), "{what}");
            assert!(
                same_labels(&read.scored, &expected("scored"), &keys),
                "{what}: scored"
            );
            assert!(
                same_labels(&read.clicked, &expected("clicked"), &keys),
                "{what}: clicked"
            );
            assert_eq!(
                read.remarks.is_empty(),
                expects_no_remark(&name),
                "{what}: {:?}",
                read.remarks
            );
        }
    }
}

/// Whether both arrays have every label at the same voxels; bytes that are no key may differ.
fn same_labels(ours: &Array3<u8>, theirs: &Array3<u8>, keys: &LabelKeys) -> bool {
    let known: Vec<u8> = keys.iter().map(|(_, key)| key).collect();
    let key = |byte: &u8| known.contains(byte).then_some(*byte);
    ours.iter().map(key).eq(theirs.iter().map(key))
}

/// Plain values, and odd ones of a type that holds none, deserve no remark.
fn expects_no_remark(name: &str) -> bool {
    name.contains("-plain-") || name.starts_with("b1") || name.starts_with("u1")
}
