//! What a submission may leave in place of a prediction, and what comes of it: a reason, at once,
//! and nothing else.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ndarray::Array3;
use rustix::fs::{FileType, Mode};
use segarena_core::npz::{Folder, Prediction, PredictionError, read_prediction};
use segarena_core::volume::LabelKeys;
use tempfile::TempDir;

use super::craft::{End, Entry, array, npy, segs, zip, zip_ending};

const SHAPE: [usize; 3] = [2, 3, 4];
const NAME: &str = "case.npz";

fn keys() -> LabelKeys {
    LabelKeys::new(vec![1, 2]).unwrap()
}

fn outputs() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Reads what is in the folder, on a thread of its own so that a hang is a failure.
fn read(folder: &TempDir) -> Result<Prediction, PredictionError> {
    let handle = Folder::open(folder.path()).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        sender.send(read_prediction(&handle, OsStr::new(NAME), SHAPE, &keys()))
    });
    receiver
        .recv_timeout(Duration::from_secs(60))
        .expect("reading hangs")
}

/// Why the prediction in the folder is refused.
fn reason(folder: &TempDir) -> String {
    match read(folder) {
        Err(PredictionError::Bad { reason }) => reason,
        other => panic!("not refused: {other:?}"),
    }
}

fn reason_for(bytes: &[u8]) -> String {
    let folder = outputs();
    fs::write(folder.path().join(NAME), bytes).unwrap();
    reason(&folder)
}

macro_rules! refused {
    ($reason:expr, $($part:expr),+) => {{
        let reason = $reason;
        $(assert!(reason.contains($part), "{:?} is not in: {reason}", $part);)+
    }};
}

fn good() -> Vec<u8> {
    array("|u1", &SHAPE, &[1; 24])
}

fn npz_of(dictionary: &str, elements: &[u8]) -> Vec<u8> {
    zip(&[Entry::deflated("segs.npy", &npy(dictionary, elements))])
}

#[test]
fn no_file_is_missing_and_not_bad() {
    assert!(matches!(read(&outputs()), Err(PredictionError::Missing)));
}

#[test]
fn an_outputs_folder_that_was_removed_holds_no_prediction() {
    let folder = outputs();
    let handle = Folder::open(folder.path()).unwrap();
    fs::remove_dir(folder.path()).unwrap();
    let read = read_prediction(&handle, OsStr::new(NAME), SHAPE, &keys());
    assert!(matches!(read, Err(PredictionError::Missing)));
}

#[test]
fn an_outputs_folder_replaced_by_a_link_is_not_followed() {
    let (folder, elsewhere) = (outputs(), outputs());
    let path = folder.path().join("outputs");
    fs::create_dir(&path).unwrap();
    let handle = Folder::open(&path).unwrap();
    fs::write(elsewhere.path().join(NAME), segs("|u1", &SHAPE, &[1; 24])).unwrap();
    fs::remove_dir(&path).unwrap();
    symlink(elsewhere.path(), &path).unwrap();
    let read = read_prediction(&handle, OsStr::new(NAME), SHAPE, &keys());
    assert!(matches!(read, Err(PredictionError::Missing)));
    assert!(Folder::open(&path).is_err());
}

#[test]
fn a_link_to_the_ground_truth_is_refused() {
    let (folder, truth) = (outputs(), outputs());
    let target = truth.path().join("gts.npz");
    fs::write(&target, segs("|u1", &SHAPE, &[1; 24])).unwrap();
    symlink(&target, folder.path().join(NAME)).unwrap();
    refused!(reason(&folder), "a symbolic link, not a regular file");
}

#[test]
fn a_link_that_leads_nowhere_is_refused_too() {
    let folder = outputs();
    symlink("/nowhere", folder.path().join(NAME)).unwrap();
    refused!(reason(&folder), "a symbolic link");
}

#[test]
fn a_fifo_is_refused_without_waiting_for_a_writer() {
    let folder = outputs();
    let handle = File::open(folder.path()).unwrap();
    rustix::fs::mknodat(&handle, NAME, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
    refused!(reason(&folder), "a FIFO");
}

#[test]
fn a_socket_is_refused() {
    let folder = outputs();
    let _socket = UnixListener::bind(folder.path().join(NAME)).unwrap();
    refused!(reason(&folder), "a socket");
}

#[test]
fn a_device_is_refused() {
    // Making one needs privileges; those that are there will do.
    let handle = Folder::open(std::path::Path::new("/dev")).unwrap();
    for device in ["null", "zero"] {
        match read_prediction(&handle, OsStr::new(device), SHAPE, &keys()) {
            Err(PredictionError::Bad { reason }) => refused!(reason, "a device"),
            other => panic!("{device}: {other:?}"),
        }
    }
}

#[test]
fn a_folder_in_its_place_is_refused() {
    let folder = outputs();
    fs::create_dir(folder.path().join(NAME)).unwrap();
    refused!(reason(&folder), "a folder");
}

#[test]
fn a_name_that_swaps_between_file_link_and_fifo_never_gets_followed_or_waited_for() {
    let (folder, truth) = (outputs(), outputs());
    let target = truth.path().join("secret.npz");
    fs::write(&target, segs("|u1", &SHAPE, &[2; 24])).unwrap();
    let path = folder.path().join(NAME);
    let stop = Arc::new(AtomicBool::new(false));
    let (stopped, swapped) = (Arc::clone(&stop), path.clone());
    let swapper = std::thread::spawn(move || {
        let honest = swapped.with_extension("honest");
        let link = swapped.with_extension("link");
        let fifo = swapped.with_extension("fifo");
        while !stopped.load(Ordering::Relaxed) {
            fs::write(&honest, segs("|u1", &SHAPE, &[1; 24])).unwrap();
            fs::rename(&honest, &swapped).unwrap();
            symlink(&target, &link).unwrap();
            fs::rename(&link, &swapped).unwrap();
            let mode = Mode::from_raw_mode(0o644);
            rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, mode, 0).unwrap();
            fs::rename(&fifo, &swapped).unwrap();
        }
    });
    let mut good = 0;
    for _ in 0..2000 {
        match read(&folder) {
            Ok(prediction) => {
                assert!(
                    prediction.cast.iter().all(|&byte| byte == 1),
                    "the link was followed"
                );
                good += 1;
            }
            Err(PredictionError::Bad { .. } | PredictionError::Missing) => {}
            Err(other) => panic!("{other}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    swapper.join().unwrap();
    assert!(good > 0, "the honest file was never there");
}

#[test]
fn a_prediction_changed_while_it_is_read_is_one_of_its_states_or_refused() {
    let folder = outputs();
    let path = folder.path().join(NAME);
    // Stored, so that a change reaches the voxels and only the CRC can tell.
    let state = |byte| {
        zip(&[Entry::stored(
            "segs.npy",
            &array("|u1", &SHAPE, &[byte; 24]),
        )])
    };
    let (ones, twos) = (state(1), state(2));
    fs::write(&path, &ones).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let changer = std::thread::spawn(move || {
        let file = File::options().write(true).open(&path).unwrap();
        let mut round = 0u64;
        while !stopped.load(Ordering::Relaxed) {
            for half in [&ones, &twos] {
                let (start, end) = half.split_at(half.len() / 2);
                file.write_all_at(start, 0).unwrap();
                file.write_all_at(end, start.len() as u64).unwrap();
            }
            round += 1;
            if round.is_multiple_of(50) {
                file.set_len(100).unwrap();
            }
        }
    });
    for _ in 0..2000 {
        match read(&folder) {
            Ok(read) => {
                let first = read.cast[[0, 0, 0]];
                assert!(
                    read.cast
                        .iter()
                        .all(|&byte| byte == first && (1..=2).contains(&byte))
                );
            }
            Err(PredictionError::Bad { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    changer.join().unwrap();
}

#[test]
fn many_other_files_beside_it_do_not_matter() {
    let folder = outputs();
    for number in 0..5000 {
        fs::write(folder.path().join(format!("{number}.npz")), "x").unwrap();
    }
    fs::write(folder.path().join(NAME), segs("|u1", &SHAPE, &[1; 24])).unwrap();
    assert_eq!(*read(&folder).unwrap().cast, Array3::from_elem(SHAPE, 1));
}

#[test]
fn empty_truncated_and_other_files_are_no_archives() {
    let whole = segs("|u1", &SHAPE, &[1; 24]);
    refused!(reason_for(b""), "not a readable .npz", "empty");
    refused!(
        reason_for(b"MZ this is something else"),
        "not a readable .npz"
    );
    for length in 1..whole.len() {
        refused!(reason_for(&whole[..length]), "not a readable .npz");
    }
}

#[test]
fn missing_segs_is_said_with_what_is_there() {
    let other = zip(&[
        Entry::deflated("seg.npy", &good()),
        Entry::deflated("x\n\x1b.npy", b""),
    ]);
    refused!(
        reason_for(&other),
        "`segs` is missing",
        "`seg`",
        "`x\\n\\u{1b}`"
    );
}

#[test]
fn a_member_named_segs_without_its_suffix_is_read_as_numpy_reads_it() {
    let folder = outputs();
    fs::write(
        folder.path().join(NAME),
        zip(&[Entry::deflated("segs", &good())]),
    )
    .unwrap();
    assert_eq!(*read(&folder).unwrap().cast, Array3::from_elem(SHAPE, 1));
}

#[test]
fn duplicate_members_are_refused() {
    for other in ["segs.npy", "segs"] {
        let twice = [
            Entry::deflated("segs.npy", &good()),
            Entry::deflated(other, &good()),
        ];
        refused!(reason_for(&zip(&twice)), "several members are named `segs`");
    }
}

#[test]
fn overlapping_members_are_refused() {
    let mut twin = Entry::stored("twin.npy", &good());
    twin.data.clear();
    twin.header_offset = Some(0);
    refused!(
        reason_for(&zip(&[Entry::stored("segs.npy", &good()), twin])),
        "overlap"
    );
}

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

#[test]
fn encrypted_members_and_other_compressions_are_refused() {
    let mut entry = Entry::stored("segs.npy", &good());
    entry.flags = 1;
    refused!(reason_for(&zip(&[entry])), "encrypted");
    for (method, shown) in [
        (12, "bzip2"),
        (14, "lzma"),
        (93, "zstd"),
        (9, "64"),
        (777, "777"),
    ] {
        let mut entry = Entry::stored("segs.npy", &good());
        entry.method = method;
        let reason = reason_for(&zip(&[entry])).to_lowercase();
        refused!(reason, "compression method", shown, "savez");
    }
}

#[test]
fn data_longer_or_shorter_than_the_array_is_refused() {
    let longer = [good(), vec![0; 100]].concat();
    refused!(
        reason_for(&zip(&[Entry::deflated("segs.npy", &longer)])),
        "124 bytes",
        "(2, 3, 4)"
    );
    let shorter = &good()[..good().len() - 1];
    refused!(
        reason_for(&zip(&[Entry::deflated("segs.npy", shorter)])),
        "23 bytes"
    );
}

#[test]
fn claims_that_differ_from_the_data_are_refused() {
    let mut longer = Entry::deflated("segs.npy", &[good(), vec![0; 5]].concat());
    longer.inflated -= 5;
    refused!(reason_for(&zip(&[longer])), "longer than its array");
    let mut shorter = Entry::deflated("segs.npy", &good()[..good().len() - 5]);
    shorter.inflated += 5;
    refused!(reason_for(&zip(&[shorter])), "ends before the array does");
    let mut wrong = Entry::deflated("segs.npy", &good());
    wrong.crc ^= 1;
    refused!(reason_for(&zip(&[wrong])), "CRC is wrong");
    let mut stored = Entry::stored("segs.npy", &good());
    stored.inflated += 1000;
    refused!(reason_for(&zip(&[stored])), "cannot inflate");
    let mut past = Entry::deflated("segs.npy", &good());
    past.deflated += 100_000;
    refused!(reason_for(&zip(&[past])), "past the end");
    let mut wrapped = Entry::deflated("segs.npy", &good());
    wrapped.deflated = u64::MAX;
    refused!(reason_for(&zip(&[wrapped])), "past the end");
    let mut elsewhere = Entry::deflated("segs.npy", &good());
    elsewhere.header_offset = Some(7);
    assert!(!reason_for(&zip(&[elsewhere])).is_empty());
}

#[test]
fn damaged_deflate_streams_are_refused() {
    let mut entry = Entry::deflated("segs.npy", &good());
    entry.data = vec![0xff; entry.data.len()];
    refused!(reason_for(&zip(&[entry])), "`segs` cannot be read");
}

#[test]
fn huge_directories_are_refused_after_a_few_members() {
    let many = vec![Entry::stored("a", b""); 5000];
    refused!(reason_for(&zip(&many)), "more than 4096 members");
    let end = End {
        entries: Some(1),
        ..End::default()
    };
    refused!(
        reason_for(&zip_ending(&many, end)),
        "more than 4096 members"
    );
}

#[test]
fn directories_that_lie_about_themselves_are_refused() {
    let entry = [Entry::deflated("segs.npy", &good())];
    for lie in [0, 1, 1000, 1 << 31, 1 << 40, u64::MAX] {
        for end in [
            End {
                size: Some(lie),
                ..End::default()
            },
            End {
                offset: Some(lie),
                ..End::default()
            },
            End {
                entries: Some(lie.max(2)),
                ..End::default()
            },
        ] {
            let folder = outputs();
            fs::write(folder.path().join(NAME), zip_ending(&entry, end)).unwrap();
            match read(&folder) {
                // A wrong size alone misleads nobody.
                Ok(read) => assert_eq!(*read.cast, Array3::from_elem(SHAPE, 1)),
                Err(PredictionError::Bad { .. }) => {}
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[test]
fn a_sparse_file_of_many_gigabytes_is_refused_at_once() {
    let folder = outputs();
    let mut file = File::create(folder.path().join(NAME)).unwrap();
    file.set_len(1 << 40).unwrap();
    refused!(reason(&folder), "not a readable .npz");
    let mut entry = Entry::stored("segs.npy", &good());
    (entry.inflated, entry.deflated) = (1 << 39, 1 << 39);
    let end = End {
        offset: Some((1 << 40) + entry.data.len() as u64 + 66),
        ..End::default()
    };
    file.seek(SeekFrom::End(0)).unwrap();
    entry.header_offset = Some(1 << 40);
    file.write_all(&zip_ending(&[entry], end)).unwrap();
    assert!(!reason(&folder).is_empty());
}
