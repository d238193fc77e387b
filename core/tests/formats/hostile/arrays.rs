//! Arrays that are no labels of the case's shape.

use std::fs;

use super::super::craft::{Entry, npy, segs, zip};
use super::{NAME, SHAPE, npz_of, outputs, read, reason, reason_for, refused};

#[test]
fn wrong_shapes_and_numbers_of_axes_are_refused() {
    for (shape, shown) in [
        (&[2, 3, 5][..], "(2, 3, 5)"),
        (&[4, 3, 2], "(4, 3, 2)"),
        (&[24], "(24,)"),
        (&[1, 2, 3, 4], "(1, 2, 3, 4)"),
        (&[], "()"),
        (&[0, 3, 4], "(0, 3, 4)"),
    ] {
        let elements = vec![0; shape.iter().product()];
        refused!(
            reason_for(&segs("|u1", shape, &elements)),
            shown,
            "(2, 3, 4)"
        );
    }
}

#[test]
fn shapes_beyond_all_numbers_are_refused() {
    for shape in [
        "(18446744073709551615, 18446744073709551615, 2)",
        "(99999999999999999999999999999999, 1, 1)",
        "(-2, 3, 4)",
        "(2.0, 3, 4)",
        "('2', 3, 4)",
        "(True, 3, 4)",
        "[2, 3, 4]",
        "24",
        "()",
    ] {
        let header = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}");
        let reason = reason_for(&npz_of(&header, &[0; 24]));
        assert!(reason.contains("shape"), "{shape}: {reason}");
    }
}

#[test]
fn not_a_number_infinite_and_huge_floats_are_refused_with_their_voxel() {
    for (value, shown) in [
        (f32::NAN, "NaN"),
        (f32::INFINITY, "inf"),
        (f32::NEG_INFINITY, "-inf"),
        (2_147_483_648.0, "2147483600"),
        (-3e30, "-3000000000000000000000000000000"),
    ] {
        let mut voxels = [1.0f32; 24];
        voxels[17] = value;
        let bytes: Vec<u8> = voxels
            .iter()
            .flat_map(|voxel| voxel.to_le_bytes())
            .collect();
        refused!(
            reason_for(&segs("<f4", &SHAPE, &bytes)),
            shown,
            "at [1, 1, 1]",
            "finite"
        );
        let doubles: Vec<u8> = voxels
            .iter()
            .flat_map(|&voxel| f64::from(voxel).to_be_bytes())
            .collect();
        refused!(reason_for(&segs(">f8", &SHAPE, &doubles)), "at [1, 1, 1]");
    }
    let mut halves = [0u8; 48];
    halves[3] = 0x7c;
    refused!(
        reason_for(&segs("<f2", &SHAPE, &halves)),
        "inf",
        "at [0, 0, 1]"
    );
    let fortran = "{'descr': '<f2', 'fortran_order': True, 'shape': (2, 3, 4)}";
    refused!(reason_for(&npz_of(fortran, &halves)), "inf", "at [1, 0, 0]");
}

#[test]
fn negative_and_large_integers_wrap_with_a_remark() {
    let mut voxels = [0i64; 24];
    voxels[5] = -1;
    voxels[6] = i64::MAX;
    voxels[7] = 257;
    let bytes: Vec<u8> = voxels
        .iter()
        .flat_map(|voxel| voxel.to_le_bytes())
        .collect();
    let folder = outputs();
    fs::write(folder.path().join(NAME), segs("<i8", &SHAPE, &bytes)).unwrap();
    let read = read(&folder).unwrap();
    assert_eq!(read.cast.as_slice().unwrap()[5..8], [255, 255, 1]);
    assert!(
        read.scored.iter().all(|&key| key != 1),
        "257 is not label 1"
    );
    assert_eq!(read.clicked.as_slice().unwrap()[7], 1);
    refused!(
        read.remarks.join(" "),
        "3 values outside 0…255",
        "-1 at [0, 1, 1]"
    );
}

#[test]
fn object_arrays_are_refused_and_never_unpickled() {
    let folder = outputs();
    let trace = folder.path().join("executed");
    let mut pickle = b"\x80\x03cos\nsystem\nX".to_vec();
    let command = format!("touch {}", trace.display());
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    fs::write(folder.path().join(NAME), segs("|O", &SHAPE, &pickle)).unwrap();
    refused!(
        reason(&folder),
        "`segs` holds pickled Python objects",
        "must hold booleans"
    );
    assert!(!trace.exists());
}

#[test]
fn a_bare_pickle_in_a_member_is_refused() {
    let pickled = zip(&[Entry::stored(
        "segs.npy",
        b"\x80\x03cos\nsystem\nX\x04\0\0\0true\x85R.",
    )]);
    refused!(reason_for(&pickled), "does not begin as a .npy array does");
    refused!(
        reason_for(b"\x80\x03cos\nsystem\nX\x04\0\0\0true\x85R."),
        "not a readable .npz"
    );
}

#[test]
fn strings_structures_and_other_types_are_refused() {
    for (descriptor, shown) in [
        ("<U1", "strings"),
        ("|S1", "strings"),
        ("|V1", "raw bytes"),
        ("<c8", "complex"),
        ("<M8[ns]", "dtype <M8[ns]"),
        ("<m8", "dtype <m8"),
        ("<f16", "dtype <f16"),
        ("<i3", "dtype <i3"),
        ("", "dtype "),
        ("nonsense\u{1b}", "dtype nonsense\\u{1b}"),
    ] {
        let header =
            format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': (2, 3, 4)}}");
        let mut bytes = npy(&header, &[0; 384]);
        if !descriptor.is_ascii() {
            bytes[6] = 3;
        }
        let reason = reason_for(&zip(&[Entry::deflated("segs.npy", &bytes)]));
        assert!(reason.contains(shown), "{descriptor}: {reason}");
    }
    let structured = "{'descr': [('a', '<i4'), ('b', '<f4', (2,))], 'fortran_order': False, \
                      'shape': (2, 3, 4)}";
    refused!(
        reason_for(&npz_of(structured, &[0; 288])),
        "structured type"
    );
    for odd in ["{'a': 1}", "3", "None", "('<i4',)"] {
        let header = format!("{{'descr': {odd}, 'fortran_order': False, 'shape': (2, 3, 4)}}");
        assert!(!reason_for(&npz_of(&header, &[0; 24])).is_empty());
    }
}

#[test]
fn absurd_header_lengths_are_refused_before_they_are_read() {
    for version in [2, 3] {
        let mut member = b"\x93NUMPY".to_vec();
        member.extend([version, 0, 0xff, 0xff, 0xff, 0xff]);
        member.extend([b' '; 100]);
        let reason = reason_for(&zip(&[Entry::stored("segs.npy", &member)]));
        refused!(reason, "claims 4294967295 bytes");
    }
    let mut member = b"\x93NUMPY\x01\x00\xff\xff".to_vec();
    member.extend([b' '; 70_000]);
    refused!(
        reason_for(&zip(&[Entry::stored("segs.npy", &member)])),
        "claims 65535 bytes"
    );
    let mut member = b"\x93NUMPY\x01\x00\x00\x20".to_vec();
    member.extend([b' '; 100]);
    refused!(
        reason_for(&zip(&[Entry::stored("segs.npy", &member)])),
        "ends before"
    );
}

#[test]
fn headers_that_attack_the_parser_are_refused_at_once() {
    for body in [
        "{".repeat(9000),
        "[".repeat(9000),
        "(".repeat(9000),
        "{'descr':".repeat(1000),
        format!("{{'shape': ({}1,)}}", "-".repeat(9000)),
        format!("{{'shape': ({}1,)}}", "1+".repeat(4000)),
        format!("{{'shape': ({}, 1, 1)}}", "9".repeat(9000)),
        format!("{{'shape': (1{}e9999j, 1, 1)}}", "0".repeat(5000)),
        format!("{{'shape': ({}.5 - 1, 1, 1)}}", "9".repeat(5000)),
        format!("{{'descr': '{}'}}", "\\".repeat(8001)),
        format!("{{'descr': {}}}", "\"".repeat(8001)),
        format!("{{'descr': '\\x{}'}}", "f".repeat(100)),
        "{'descr': '\\777\\ud800\\U00110000'}".to_owned(),
        format!("{{{}}}", "'a': 1, ".repeat(1000)),
        "\u{0}".repeat(9000),
    ] {
        let reason = reason_for(&npz_of(&body, &[]));
        assert!(
            reason.contains("header"),
            "{reason} for {:?}…",
            &body[..body.len().min(40)]
        );
        assert!(reason.len() < 400, "a long reason: {}", reason.len());
    }
}
