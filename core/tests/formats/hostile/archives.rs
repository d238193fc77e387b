//! Archives that are none, or that lie.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};

use ndarray::Array3;
use segarena_core::npz::PredictionError;

use super::super::craft::{End, Entry, segs, zip, zip_ending};
use super::{NAME, SHAPE, good, outputs, read, reason, reason_for, refused};

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
