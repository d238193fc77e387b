//! What the fuzz targets of the file formats do with their input. A test of `segarena-core` does
//! the same with the seeds.
#![allow(dead_code)] // each target uses one of these

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array3;
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::dialogue::Prompt;
use segarena_core::nifti::read_nifti_bytes;
use segarena_core::npz::pickle::{read_array, write_array};
use segarena_core::npz::{Folder, Image, read_ground_truth_bytes, read_prediction_bytes};
use segarena_core::prompt::{ClickHistory, write_input};
use segarena_core::volume::LabelKeys;

/// The shape of the case whose prediction is read; the seeds have it.
const SHAPE: [usize; 3] = [2, 3, 4];

/// A whole file in place of a prediction.
pub fn prediction(data: &[u8]) {
    for labels in [vec![1, 2, 3], vec![-1, 2, 300]] {
        let keys = LabelKeys::new(labels).expect("ascending labels");
        if let Ok(read) = read_prediction_bytes(data.to_vec(), SHAPE, &keys) {
            for reading in [&read.cast, &read.scored, &read.clicked] {
                assert_eq!(reading.shape(), SHAPE);
                assert!(reading.is_standard_layout());
            }
        }
    }
}

/// A `.npy` member, in an archive that is right: as a prediction and as a ground truth.
pub fn array(data: &[u8]) {
    prediction(&archive("segs.npy", data));
    let path = Path::new("gts.npz");
    if let Ok(truth) = read_ground_truth_bytes(path, archive("gts.npy", data), "gts") {
        let keys: Vec<u8> = truth.keys.iter().map(|(_, key)| key).collect();
        assert!(
            truth
                .voxels
                .iter()
                .all(|voxel| *voxel == 0 || keys.contains(voxel))
        );
        assert!(
            keys.iter()
                .all(|key| truth.voxels.iter().any(|voxel| voxel == key))
        );
    }
}

/// A whole image file; if it is one, model inputs are made of it, and are images without an
/// answer.
pub fn image(data: &[u8]) {
    let Ok(checked) = Image::from_bytes(Path::new("image.npz"), data.to_vec()) else {
        return;
    };
    let work = tempfile::tempdir().expect("a folder");
    let path = work.path().join("image.npz");
    fs::write(&path, data).expect("a file");
    let image = Image::open(&path).expect("what its bytes were");
    assert_eq!(image.shape(), checked.shape());

    let inputs = work.path().join("inputs");
    fs::create_dir(&inputs).expect("a folder");
    let folder = Folder::open(&inputs).expect("the folder");
    let name = OsStr::new("case.npz");
    if write_input(&folder, name, &image, &Prompt::boxes(1)).is_ok() {
        let input = Image::open(&inputs.join(name)).expect("an input is an image");
        assert!(!input.has_ground_truth());
        assert_eq!(input.box_count(), image.box_count());
    }
    if image.shape().iter().product::<usize>() > 1 << 20 {
        return;
    }
    let mut clicks = ClickHistory::new(2);
    clicks.push(&[
        None,
        Some(Click {
            kind: ClickKind::Fg,
            at: [0, 1, 2],
        }),
    ]);
    let previous = Array3::zeros(image.shape());
    if write_input(
        &folder,
        name,
        &image,
        &Prompt::clicks(2, &clicks, Arc::new(previous.clone())),
    )
    .is_ok()
    {
        let input = Image::open(&inputs.join(name)).expect("an input is an image");
        assert!(!input.has_ground_truth());
        assert_eq!(input.spacing(), image.spacing());
    }
}

/// A pickle; if it is an array of plain values, it survives being written and read again.
pub fn pickle(data: &[u8]) {
    if let Ok(array) = read_array(data) {
        let written = write_array(&array).expect("what was read can be written");
        let again = read_array(&written).expect("what was written can be read");
        // By their text: a NaN is not equal to itself.
        assert_eq!(format!("{again:?}"), format!("{array:?}"));
    }
}

/// A NIfTI file, compressed or not; if it is one, its voxels are as many as its shape says, and its
/// labels are whole.
pub fn nifti(data: &[u8]) {
    let Ok(volume) = read_nifti_bytes(Path::new("image.nii"), data) else {
        return;
    };
    let geometry = &volume.header().geometry;
    assert!(
        geometry
            .spacing
            .iter()
            .all(|size| size.is_finite() && *size > 0.0)
    );
    let mut values = 0;
    volume.each_value(|_| values += 1);
    assert_eq!(values, geometry.shape.iter().product::<usize>());
    if let Ok(truth) = volume.labels() {
        assert_eq!(truth.shape(), geometry.shape);
        let keys: Vec<u8> = truth.keys.iter().map(|(_, key)| key).collect();
        let is_known = |voxel: &u8| *voxel == 0 || keys.contains(voxel);
        assert!(truth.voxels.iter().all(is_known));
    }
}

/// An archive of one stored member.
fn archive(name: &str, content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(content);
    let length = (content.len() as u32).to_le_bytes();
    let mut common = vec![20, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    common.extend(crc.sum().to_le_bytes());
    common.extend(length);
    common.extend(length);
    common.extend((name.len() as u16).to_le_bytes());
    common.extend([0; 2]);
    let mut out = b"PK\x03\x04".to_vec();
    out.extend(&common);
    out.extend(name.as_bytes());
    out.extend(content);
    let directory = out.len() as u32;
    out.extend(b"PK\x01\x02\x14\x03");
    out.extend(&common);
    out.extend([0; 14]);
    out.extend(name.as_bytes());
    let size = out.len() as u32 - directory;
    out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    out.extend(size.to_le_bytes());
    out.extend(directory.to_le_bytes());
    out.extend([0; 2]);
    out
}
