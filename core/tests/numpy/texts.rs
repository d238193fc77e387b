//! Text prompts that one numpy pickled, taken by the track and read by every other.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array3;
use segarena_core::case::{Case, CaseFiles};
use segarena_core::clicks::ChallengePolicy;
use segarena_core::dialogue::tracks::{TextTrack, TrackOptions};
use segarena_core::npz::{Folder, write_volume};
use segarena_core::prompt::write_input;
use segarena_core::protocol::Protocol;
use serde_json::Value;

use super::environments::environments;

/// The case of an image, with a truth of one label.
fn case(image: &Path, track: &TextTrack) -> Case {
    let truth = image.with_extension("truth.npz");
    let voxels = Array3::from_shape_fn((6, 7, 8), |(z, _, _)| u8::from(z > 2));
    write_volume(&truth, "gts", voxels.view()).unwrap();
    let files = CaseFiles {
        name: image.file_name().unwrap().to_str().unwrap().to_owned(),
        image: image.to_owned(),
        ground_truth: truth,
    };
    Case::load_for(&files, track).unwrap()
}

pub(crate) fn text_prompts_of_every_numpy_are_read_by_every_numpy() {
    let environments = environments();
    let track = TextTrack::new(TrackOptions {
        protocol: Protocol::default(),
        policy: Arc::new(ChallengePolicy),
    });
    for writer in &environments {
        let images = tempfile::tempdir().unwrap();
        writer.run("texts.py", images.path());
        let inputs = tempfile::tempdir().unwrap();
        let folder = Folder::open(inputs.path()).unwrap();
        let names = fs::read_to_string(images.path().join("images.txt")).unwrap();
        for name in names.lines() {
            let image = images.path().join(format!("{name}.npz"));
            let case = case(&image, &track);
            let mut dialogue = case
                .dialogue(&track)
                .unwrap_or_else(|error| panic!("numpy {}: {error}", writer.version));
            let prompt = dialogue.next().unwrap();
            write_input(&folder, OsStr::new(&case.name), &case.image, &prompt).unwrap();
        }
        for reader in &environments {
            let found: Value =
                serde_json::from_str(&reader.run("read_texts.py", inputs.path())).unwrap();
            assert_eq!(found.as_object().unwrap().len(), names.lines().count());
            for name in names.lines() {
                let expected = fs::read(images.path().join(format!("{name}.json"))).unwrap();
                let mut expected: Value = serde_json::from_slice(&expected).unwrap();
                let mut found = found[format!("{name}.npz")].clone();
                // True is 1, in Python too.
                for prompts in [&mut expected, &mut found] {
                    let kind = &mut prompts["instance_label"];
                    *kind = Value::from(kind.as_i64().unwrap_or(i64::from(*kind == true)));
                }
                let what = format!("numpy {} to {}: {name}", writer.version, reader.version);
                assert_eq!(found, expected, "{what}");
            }
        }
    }
}
