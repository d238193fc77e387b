//! Mistakes in a data set, and the message for each.

use std::fs;
use std::path::PathBuf;

use segarena_core::npz::pickle::{ObjectArray, Value};
use segarena_core::npz::{Image, Kind, NpzError, read_ground_truth};
use tempfile::TempDir;

use super::craft::{Entry, array, npy, zip};

/// A file in a folder of its own.
struct Made {
    _folder: TempDir,
    path: PathBuf,
}

fn made(bytes: &[u8]) -> Made {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.npz");
    fs::write(&path, bytes).unwrap();
    Made {
        _folder: folder,
        path,
    }
}

fn floats(values: &[f64]) -> Vec<u8> {
    values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect()
}

fn imgs() -> Entry {
    Entry::deflated("imgs.npy", &array("|u1", &[2, 3, 4], &[7; 24]))
}

fn spacing() -> Entry {
    Entry::deflated(
        "spacing.npy",
        &array("<f8", &[3], &floats(&[1.0, 2.0, 3.0])),
    )
}

fn image_error(bytes: &[u8]) -> String {
    let file = made(bytes);
    message(Image::open(&file.path).unwrap_err())
}

fn truth_error(bytes: &[u8]) -> String {
    let file = made(bytes);
    message(read_ground_truth(&file.path, "gts").unwrap_err())
}

/// The message, which names the file.
fn message(error: NpzError) -> String {
    let message = error.to_string();
    assert!(
        message.starts_with(&error.path().display().to_string()),
        "{message}"
    );
    assert!(message.contains("case.npz: "), "{message}");
    message
}

macro_rules! says {
    ($message:expr, $($part:expr),+) => {{
        let message = $message;
        $(assert!(message.contains($part), "{:?} is not in: {message}", $part);)+
    }};
}

#[test]
fn a_good_image_is_described() {
    let file = made(&zip(&[imgs(), spacing()]));
    let image = Image::open(&file.path).unwrap();
    assert_eq!(image.shape(), [2, 3, 4]);
    assert_eq!(image.dtype().kind, Kind::Uint(1));
    assert_eq!(image.spacing().mm(), [1.0, 2.0, 3.0]);
    assert_eq!((image.has_boxes(), image.box_count()), (false, 0));
    assert!(!image.has_ground_truth());
}

#[test]
fn a_spacing_of_any_numeric_type_serves() {
    for (descriptor, elements) in [
        (
            "<f4",
            [1.0f32, 2.0, 3.0]
                .iter()
                .flat_map(|v| v.to_le_bytes())
                .collect::<Vec<u8>>(),
        ),
        (
            ">f8",
            [1.0f64, 2.0, 3.0]
                .iter()
                .flat_map(|v| v.to_be_bytes())
                .collect(),
        ),
        (
            "<i8",
            [1i64, 2, 3].iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        ("|u1", vec![1, 2, 3]),
    ] {
        let spacing = Entry::stored("spacing.npy", &array(descriptor, &[3], &elements));
        let file = made(&zip(&[imgs(), spacing]));
        assert_eq!(
            Image::open(&file.path).unwrap().spacing().mm(),
            [1.0, 2.0, 3.0]
        );
    }
}

#[test]
fn a_file_that_is_not_there_or_no_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("case.npz");
    says!(
        message(Image::open(&path).unwrap_err()),
        "cannot be opened",
        "No such file"
    );
    fs::create_dir(&path).unwrap();
    says!(
        message(Image::open(&path).unwrap_err()),
        "a folder, not a regular file"
    );
}

#[test]
fn a_file_that_is_no_archive_is_said_to_be_none() {
    let whole = zip(&[imgs(), spacing()]);
    for bytes in [
        &b"these are not the voxels"[..],
        &whole[..whole.len() / 2],
        &whole[1..],
    ] {
        says!(
            image_error(bytes),
            "not a readable .npz",
            "is the file complete?"
        );
    }
    says!(image_error(b""), "not a readable .npz", "empty");
}

#[test]
fn missing_arrays_are_named_with_those_that_are_there() {
    says!(
        image_error(&zip(&[spacing()])),
        "`imgs` is missing",
        "has `spacing`",
        "3-D"
    );
    says!(
        image_error(&zip(&[imgs()])),
        "`spacing` is missing",
        "has `imgs`",
        "mm"
    );
    says!(
        truth_error(&zip(&[imgs()])),
        "`gts` is missing",
        "has `imgs`",
        "integer labels"
    );
    says!(
        truth_error(&zip(&[])),
        "`gts` is missing",
        "no member at all"
    );
}

#[test]
fn images_must_be_three_dimensional_numbers() {
    let image = |member: Vec<u8>| zip(&[Entry::deflated("imgs.npy", &member), spacing()]);
    says!(
        image_error(&image(array("|u1", &[3, 4], &[0; 12]))),
        "(3, 4)",
        "three axes"
    );
    says!(
        image_error(&image(array("|u1", &[12], &[0; 12]))),
        "(12,)",
        "three axes"
    );
    says!(
        image_error(&image(array("<c8", &[1, 1, 1], &[0; 8]))),
        "complex",
        "numbers"
    );
    says!(
        image_error(&image(array("<U3", &[1, 1, 1], &[0; 12]))),
        "strings (dtype <U3)"
    );
    says!(
        image_error(&image(array("|O", &[1, 1, 1], b"N."))),
        "pickled Python objects"
    );
    says!(
        image_error(&image(array("|u1", &[9, 9, 9], &[0; 12]))),
        "12 bytes",
        "(9, 9, 9)"
    );
    says!(
        image_error(&image(b"not an array at all".to_vec())),
        "does not begin as a .npy"
    );
    says!(image_error(&image(b"\x93NUMPY".to_vec())), "too short");
}

#[test]
fn a_spacing_must_be_three_positive_finite_numbers() {
    let image = |member: Vec<u8>| zip(&[imgs(), Entry::deflated("spacing.npy", &member)]);
    let of = |values: &[f64]| image_error(&image(array("<f8", &[values.len()], &floats(values))));
    says!(
        of(&[1.0, 1.0]),
        "`spacing` has shape (2,)",
        "(3,)",
        "millimetres"
    );
    for (values, shown) in [
        ([1.0, 0.0, 1.0], "axis 1 has 0"),
        ([-2.0, 1.0, 1.0], "axis 0 has -2"),
        ([1.0, 1.0, f64::NAN], "axis 2 has NaN"),
        ([1.0, f64::INFINITY, 1.0], "axis 1 has inf"),
    ] {
        says!(
            of(&values),
            "`spacing`",
            "three positive finite numbers",
            shown
        );
    }
    says!(
        image_error(&image(array("<U1", &[3], &[0; 12]))),
        "`spacing`",
        "strings"
    );
}

#[test]
fn boxes_must_be_plain_values() {
    let image = |member: Vec<u8>| zip(&[imgs(), spacing(), Entry::deflated("boxes.npy", &member)]);
    let evil = b"\x80\x03cos\nsystem\nX\x04\x00\x00\x00true\x85R.";
    says!(
        image_error(&image(array("|O", &[1], evil))),
        "`boxes` is pickled",
        "os.system"
    );
    says!(
        image_error(&image(array("<U1", &[1], &[0; 4]))),
        "`boxes`",
        "strings",
        "dictionary"
    );
}

#[test]
fn boxes_that_are_numbers_are_counted() {
    let boxes = Entry::stored("boxes.npy", &array("|u1", &[5, 6], &[0; 30]));
    let file = made(&zip(&[imgs(), spacing(), boxes]));
    assert_eq!(Image::open(&file.path).unwrap().box_count(), 5);
}

#[test]
fn boxes_are_decoded() {
    let values = ObjectArray::from_items(vec![Value::Dict(vec![("z_min".into(), 3.into())])]);
    let pickle = segarena_core::npz::pickle::write_array(&values).unwrap();
    let boxes = Entry::stored("boxes.npy", &array("|O", &[1], &pickle));
    let file = made(&zip(&[imgs(), spacing(), boxes]));
    let image = Image::open(&file.path).unwrap();
    assert_eq!(
        image.boxes().unwrap().items()[0].get("z_min"),
        Some(&Value::Int(3))
    );
}

#[test]
fn a_ground_truth_must_be_three_dimensional_whole_numbers_with_a_label() {
    let truth = |member: Vec<u8>| truth_error(&zip(&[Entry::deflated("gts.npy", &member)]));
    says!(
        truth(array("|u1", &[2, 3], &[1; 6])),
        "`gts` has shape (2, 3)",
        "three axes"
    );
    says!(
        truth(array("|u1", &[1, 2, 3], &[0; 6])),
        "no label",
        "nothing to score"
    );
    says!(
        truth(array("<f8", &[1, 1, 2], &floats(&[1.0, 0.5]))),
        "0.5 at [0, 0, 1]",
        "whole"
    );
    says!(
        truth(array("<f8", &[1, 1, 2], &floats(&[1.0, f64::NAN]))),
        "NaN at [0, 0, 1]"
    );
    says!(
        truth(array("<u8", &[1, 1, 1], &[0xff; 8])),
        "18446744073709551615 at [0, 0, 0]"
    );
    let many: Vec<u8> = (0..=256u16).flat_map(|label| label.to_le_bytes()).collect();
    says!(
        truth(array("<u2", &[1, 1, 257], &many)),
        "more than 255 labels"
    );
}

#[test]
fn every_byte_value_may_be_a_label() {
    let bytes: Vec<u8> = (0..=255).collect();
    let file = made(&zip(&[Entry::deflated(
        "gts.npy",
        &array("|u1", &[1, 16, 16], &bytes),
    )]));
    let truth = read_ground_truth(&file.path, "gts").unwrap();
    assert_eq!(truth.keys.count(), 255);
    assert_eq!(truth.voxels.into_raw_vec_and_offset().0, bytes);
}

#[test]
fn damaged_headers_say_what_is_wrong() {
    let image =
        |member: Vec<u8>| image_error(&zip(&[Entry::stored("imgs.npy", &member), spacing()]));
    says!(
        image(npy("{'descr': '|u1', 'shape': (1, 1, 1)}", &[0])),
        "missing key: fortran_order"
    );
    says!(
        image(npy(
            "{'descr': '|u1', 'fortran_order': 3, 'shape': ()}",
            &[0]
        )),
        "fortran_order"
    );
    says!(image(npy("[1, 2]", &[0])), "not a dict");
    says!(image(npy("{'descr': ", &[0])), "does not parse");
    says!(
        image(npy(
            "{'descr': '|u1', 'fortran_order': False, 'shape': (-1, 1, 1)}",
            &[0]
        )),
        "illegal value for key shape"
    );
    let mut version = npy("{}", &[]);
    version[6] = 9;
    says!(image(version), "version 9 of .npy is unknown");
}

#[test]
fn damaged_data_is_found_by_its_crc() {
    let mut entry = Entry::stored("gts.npy", &array("|u1", &[1, 2, 3], &[1; 6]));
    *entry.data.last_mut().unwrap() = 2;
    says!(
        truth_error(&zip(&[entry])),
        "`gts` cannot be read",
        "CRC is wrong"
    );
}
