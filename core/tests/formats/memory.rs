//! Bombs: files that would take gigabytes if they were believed. Each is read by a process of its
//! own, whose address space is limited and whose peak is measured.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Command;

use flate2::{Compress, Compression, FlushCompress};
use segarena_core::npz::{Folder, Image, read_prediction};
use segarena_core::volume::LabelKeys;

use super::craft::{End, Entry, array, npy, zip, zip_ending};

const NAME: &str = "case.npz";
const SMALL: [usize; 3] = [8, 64, 64];
/// A CT of usual size.
const LARGE: [usize; 3] = [300, 512, 512];
const GIGABYTE: u64 = 1 << 30;

/// What a reading process answered.
struct Answer {
    outcome: String,
    peak_kib: u64,
}

/// Reads `NAME` in `folder` as a prediction of this shape, or as an image, in a process that may
/// address `limit_mib`.
fn read_in_process(folder: &Path, what: &str, shape: [usize; 3], limit_mib: u64) -> Answer {
    let output = Command::new("sh")
        .args(["-c", "ulimit -v $0 && exec \"$@\""])
        .arg((limit_mib * 1024).to_string())
        .arg(std::env::current_exe().unwrap())
        .args([
            "memory::the_reading_process",
            "--exact",
            "--ignored",
            "--nocapture",
        ])
        .args(["--test-threads", "1"])
        .env("SEGARENA_READ", folder)
        .env("SEGARENA_READ_AS", what)
        .env(
            "SEGARENA_SHAPE",
            shape.map(|axis| axis.to_string()).join(" "),
        )
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = |start: &str| {
        let found = text
            .lines()
            .find_map(|line| line.split_once(start).map(|(_, rest)| rest));
        found
            .unwrap_or_else(|| panic!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
            .to_owned()
    };
    Answer {
        outcome: line("outcome: "),
        peak_kib: line("peak: ").parse().unwrap(),
    }
}

#[test]
#[ignore = "the process that the other tests start"]
fn the_reading_process() {
    let Some(folder) = std::env::var_os("SEGARENA_READ") else {
        return;
    };
    let shape = std::env::var("SEGARENA_SHAPE").unwrap();
    let shape: Vec<usize> = shape.split(' ').map(|axis| axis.parse().unwrap()).collect();
    let shape = [shape[0], shape[1], shape[2]];
    let folder = Path::new(&folder);
    let outcome = if std::env::var("SEGARENA_READ_AS").unwrap() == "image" {
        Image::open(&folder.join(NAME))
            .map(|_| ())
            .map_err(|error| error.to_string())
    } else {
        let keys = LabelKeys::new(vec![1, 2]).unwrap();
        read_prediction(
            &Folder::open(folder).unwrap(),
            OsStr::new(NAME),
            shape,
            &keys,
        )
        .map(|_| ())
        .map_err(|error| error.to_string())
    };
    println!(
        "\noutcome: {}",
        outcome.map_or_else(|reason| reason, |()| "read".to_owned())
    );
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    println!("\npeak: {}", peak.trim().trim_end_matches(" kB"));
}

/// A deflate stream of `start` and then so many zeros.
fn deflated_zeros(start: &[u8], zeros: u64) -> Vec<u8> {
    const CHUNK: usize = 4 << 20;
    let flushed = |bytes: &[u8]| {
        let mut out = Vec::with_capacity(bytes.len() + 1024);
        let mut deflate = Compress::new(Compression::best(), false);
        deflate
            .compress_vec(bytes, &mut out, FlushCompress::Full)
            .unwrap();
        out
    };
    let mut stream = flushed(start);
    let chunk = flushed(&vec![0; CHUNK]);
    for _ in 0..zeros / CHUNK as u64 {
        stream.extend(&chunk);
    }
    stream.extend(flushed(&vec![0; (zeros % CHUNK as u64) as usize]));
    stream.extend(b"\x01\x00\x00\xff\xff");
    stream
}

/// A folder whose prediction is this archive.
fn outputs(bytes: &[u8]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(NAME), bytes).unwrap();
    folder
}

/// Reads the prediction in this folder in a process of its own, which refuses it in these words
/// and needs less than so many MiB.
#[track_caller]
fn assert_refused(folder: &Path, shape: [usize; 3], words: &str, mebibytes: u64) {
    let answer = read_in_process(folder, "prediction", shape, 512);
    assert!(answer.outcome.contains(words), "{}", answer.outcome);
    let peak = answer.peak_kib;
    assert!(peak < mebibytes * 1024, "{peak} KiB");
}

fn bomb(descriptor: &str, shape: [usize; 3], zeros: u64, claim: Option<u64>) -> Vec<u8> {
    let start = array(descriptor, &shape, &[]);
    let data = deflated_zeros(&start, zeros);
    let mut entry = Entry::stored("segs.npy", b"");
    entry.method = 8;
    entry.deflated = data.len() as u64;
    entry.inflated = claim.unwrap_or(start.len() as u64 + zeros);
    entry.data = data;
    zip(&[entry])
}

fn voxels(shape: [usize; 3]) -> u64 {
    shape.iter().product::<usize>() as u64
}

#[test]
fn ten_gigabytes_that_say_so_are_refused_before_they_are_inflated() {
    let folder = outputs(&bomb("|u1", SMALL, 10 * GIGABYTE, None));
    assert_refused(folder.path(), SMALL, "no uint8 array of shape", 32);
}

#[test]
fn ten_gigabytes_that_claim_to_be_small_are_refused() {
    let start = array("|u1", &SMALL, &[]).len() as u64;
    let folder = outputs(&bomb(
        "|u1",
        SMALL,
        10 * GIGABYTE,
        Some(start + voxels(SMALL)),
    ));
    assert_refused(folder.path(), SMALL, "cannot inflate", 32);
}

#[test]
fn ten_gigabytes_behind_an_array_of_the_right_size_are_never_inflated() {
    let start = array("|u1", &LARGE, &[]).len() as u64;
    let folder = outputs(&bomb(
        "|u1",
        LARGE,
        10 * GIGABYTE,
        Some(start + voxels(LARGE)),
    ));
    assert_refused(folder.path(), LARGE, "longer than its array", 110);
}

#[test]
fn a_header_of_ten_gigabytes_is_refused() {
    let mut start = b"\x93NUMPY\x02\x00".to_vec();
    start.extend(u32::MAX.to_le_bytes());
    let data = deflated_zeros(&start, 10 * GIGABYTE);
    let mut entry = Entry::stored("segs.npy", b"");
    (entry.method, entry.deflated) = (8, data.len() as u64);
    (entry.inflated, entry.data) = (start.len() as u64 + 10 * GIGABYTE, data);
    let folder = outputs(&zip(&[entry]));
    assert_refused(folder.path(), SMALL, "claims 4294967295 bytes", 32);
}

#[test]
fn a_directory_that_claims_billions_of_members_allocates_nothing() {
    let entry = Entry::deflated(
        "segs.npy",
        &array("|u1", &SMALL, &vec![0; voxels(SMALL) as usize]),
    );
    for entries in [100_000_000, 1 << 40, u64::MAX] {
        let end = End {
            entries: Some(entries),
            size: Some(46 << 30),
            offset: None,
        };
        let folder = outputs(&zip_ending(std::slice::from_ref(&entry), end));
        assert_refused(folder.path(), SMALL, "more than 4096 members", 32);
    }
}

#[test]
fn a_directory_of_hundreds_of_megabytes_is_read_no_further_than_needed() {
    let folder = tempfile::tempdir().unwrap();
    let one = zip(&[Entry::stored("a", b"")]);
    let start = one
        .windows(4)
        .position(|window| window == b"PK\x01\x02")
        .unwrap();
    let end = one
        .windows(4)
        .position(|window| window == b"PK\x06\x06")
        .unwrap();
    let mut file = BufWriter::new(File::create(folder.path().join(NAME)).unwrap());
    file.write_all(&one[..start]).unwrap();
    let repeats = 300_000_000 / (end - start) as u64;
    for _ in 0..repeats {
        file.write_all(&one[start..end]).unwrap();
    }
    let mut rest = one[end..].to_vec();
    let size = repeats * (end - start) as u64;
    rest[40..48].copy_from_slice(&size.to_le_bytes());
    let record = start as u64 + size;
    let locator = rest
        .windows(4)
        .position(|window| window == b"PK\x06\x07")
        .unwrap();
    rest[locator + 8..locator + 16].copy_from_slice(&record.to_le_bytes());
    file.write_all(&rest).unwrap();
    file.flush().unwrap();
    assert_refused(folder.path(), SMALL, "more than 4096 members", 32);
}

#[test]
fn eight_bytes_per_voxel_cost_one_byte_per_voxel() {
    for fortran in [false, true] {
        let order = if fortran { "True" } else { "False" };
        let [depth, height, width] = LARGE;
        let header = format!(
            "{{'descr': '<f8', 'fortran_order': {order}, 'shape': ({depth}, {height}, {width})}}"
        );
        let start = npy(&header, &[]);
        let data = deflated_zeros(&start, 8 * voxels(LARGE));
        let mut crc = flate2::Crc::new();
        crc.update(&start);
        (0..voxels(LARGE) * 8 / 4096).for_each(|_| crc.update(&[0; 4096]));
        let mut entry = Entry::stored("segs.npy", b"");
        (entry.method, entry.deflated, entry.crc) = (8, data.len() as u64, crc.sum());
        (entry.inflated, entry.data) = (start.len() as u64 + 8 * voxels(LARGE), data);
        let folder = outputs(&zip(&[entry]));
        let answer = read_in_process(folder.path(), "prediction", LARGE, 512);
        assert_eq!(answer.outcome, "read");
        // Fortran order is turned into C order in a second array of bytes.
        let volumes = if fortran { 2 } else { 1 };
        let limit = volumes * voxels(LARGE) / 1024 + 32 * 1024;
        assert!(
            answer.peak_kib < limit,
            "{} KiB, fortran: {fortran}",
            answer.peak_kib
        );
    }
}

#[test]
fn the_voxels_of_an_image_are_not_inflated_to_check_it() {
    let mut imgs = Entry::stored("imgs.npy", b"");
    let start = array("<f8", &LARGE, &[]);
    let data = deflated_zeros(&start, 8 * voxels(LARGE));
    (imgs.method, imgs.deflated) = (8, data.len() as u64);
    (imgs.inflated, imgs.data) = (start.len() as u64 + 8 * voxels(LARGE), data);
    let ones: Vec<u8> = [1.0f64; 3]
        .iter()
        .flat_map(|one| one.to_le_bytes())
        .collect();
    let spacing = Entry::stored("spacing.npy", &array("<f8", &[3], &ones));
    let folder = outputs(&zip(&[imgs, spacing]));
    let answer = read_in_process(folder.path(), "image", LARGE, 512);
    assert_eq!(answer.outcome, "read");
    assert!(answer.peak_kib < 32 * 1024, "{} KiB", answer.peak_kib);
}
