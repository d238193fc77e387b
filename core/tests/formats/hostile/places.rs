//! Things that are no file of the submission's, and files that do not keep still.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, symlink};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ndarray::Array3;
use rustix::fs::{FileType, Mode};
use segarena_core::npz::{Folder, PredictionError, read_prediction};

use super::super::craft::{Entry, array, segs, zip};
use super::{NAME, SHAPE, keys, outputs, read, reason, refused};

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
