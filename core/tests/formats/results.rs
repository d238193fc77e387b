//! Result files: whole or not there.

use std::fs;

use ndarray::{Array3, ShapeBuilder};
use segarena_core::npz::{ResultWriter, read_saved_segs};

const SHAPE: [usize; 3] = [2, 3, 4];

fn volume(byte: u8) -> Array3<u8> {
    Array3::from_elem(SHAPE, byte)
}

#[test]
fn a_dropped_writer_leaves_nothing_and_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.npz");
    fs::write(&path, "before").unwrap();
    let mut writer = ResultWriter::create(&path, SHAPE, 2).unwrap();
    writer.push(volume(1).view()).unwrap();
    drop(writer);
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn too_few_and_too_many_predictions_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.npz");
    let writer = ResultWriter::create(&path, SHAPE, 2).unwrap();
    let message = writer.finish(volume(0).view()).unwrap_err().to_string();
    assert!(message.contains("0 of 2 predictions"), "{message}");
    let mut writer = ResultWriter::create(&path, SHAPE, 1).unwrap();
    writer.push(volume(0).view()).unwrap();
    let message = writer.push(volume(0).view()).unwrap_err().to_string();
    assert!(message.contains("only 1"), "{message}");
    drop(writer);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_prediction_of_another_shape_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = ResultWriter::create(&folder.path().join("c.npz"), SHAPE, 1).unwrap();
    let message = writer
        .push(Array3::zeros([2, 3, 5]).view())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("(2, 3, 5)") && message.contains("(2, 3, 4)"),
        "{message}"
    );
}

#[test]
fn a_prediction_in_fortran_order_is_saved_in_c_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.npz");
    let bytes: Vec<u8> = (0..24).collect();
    let volume = Array3::from_shape_vec(SHAPE.f(), bytes).unwrap();
    let mut writer = ResultWriter::create(&path, SHAPE, 1).unwrap();
    writer.push(volume.view()).unwrap();
    writer.finish(volume.view()).unwrap();
    let mut saved = read_saved_segs(&path).unwrap();
    assert_eq!((saved.shape(), saved.left()), (SHAPE, 1));
    assert_eq!(saved.next().unwrap().unwrap(), volume);
    assert!(saved.next().is_none());
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let path = std::path::Path::new("/nowhere/team/case.npz");
    let message = ResultWriter::create(path, SHAPE, 1)
        .err()
        .unwrap()
        .to_string();
    assert!(message.contains("/nowhere/team/case.npz"), "{message}");
    assert!(message.contains("cannot be created"), "{message}");
}
