//! Ground truths of every type and layout that numpy writes.

use std::fs;

use ndarray::Array3;
use segarena_core::npz::read_ground_truth;

use super::environments::{environments, written_cases};

pub(crate) fn ground_truths_written_by_numpy_are_read_with_their_labels() {
    for environment in environments() {
        let folder = tempfile::tempdir().unwrap();
        environment.run("ground_truths.py", folder.path());
        let cases = written_cases(folder.path());
        assert!(cases.len() > 200, "{} cases", cases.len());
        for (name, labels) in cases {
            let ranks = fs::read(folder.path().join(format!("{name}.ranks"))).unwrap();
            let what = format!("numpy {}: {name}", environment.version);

            let truth = read_ground_truth(&folder.path().join(format!("{name}.npz")), "gts")
                .unwrap_or_else(|error| panic!("{what}: {error}"));

            assert_eq!(truth.keys.labels(), labels, "{what}");
            let keys: Vec<u8> = std::iter::once(0)
                .chain(truth.keys.iter().map(|(_, key)| key))
                .collect();
            let expected: Vec<u8> = ranks.iter().map(|&rank| keys[usize::from(rank)]).collect();
            assert_eq!(
                truth.voxels,
                Array3::from_shape_vec([7, 8, 9], expected).unwrap(),
                "{what}"
            );
        }
    }
}
