//! Result files, read by numpy.

use ndarray::Array3;
use segarena_core::npz::{ResultWriter, read_saved_segs};
use serde_json::{Value, json};

use super::environments::environments;

pub(crate) fn results_are_read_by_every_numpy() {
    let shape = [2, 3, 4];
    let volume = |seed: u8| {
        Array3::from_shape_fn(shape, |(z, y, x)| {
            seed.wrapping_mul((12 * z + 4 * y + x) as u8)
        })
    };
    for environment in environments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.npz");
        let mut writer = ResultWriter::create(&path, shape, 3).unwrap();
        for seed in 1..=3 {
            writer.push(volume(seed).view()).unwrap();
        }
        writer.finish(volume(3).view()).unwrap();

        let found: Value =
            serde_json::from_str(&environment.run("inputs.py", folder.path())).unwrap();

        let case = &found["case.npz"];
        assert_eq!(case["all_segs"]["dtype"], "|u1");
        assert_eq!(case["all_segs"]["shape"], json!([3, 2, 3, 4]));
        assert_eq!(case["segs"]["shape"], json!([2, 3, 4]));
        assert_eq!(case["all_segs"]["items"][2], case["segs"]["items"]);
        assert_eq!(case["segs"]["items"][1][2][3], 69);
        let saved: Vec<_> = read_saved_segs(&path)
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(saved, [volume(1), volume(2), volume(3)]);
    }
}
