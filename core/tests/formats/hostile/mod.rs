//! What a submission may leave in place of a prediction, and what comes of it: a reason, at once,
//! and nothing else.

mod archives;
mod arrays;
mod places;

use std::ffi::OsStr;
use std::fs;
use std::sync::mpsc;
use std::time::Duration;

use segarena_core::npz::{Folder, Prediction, PredictionError, read_prediction};
use segarena_core::volume::LabelKeys;
use tempfile::TempDir;

use super::craft::{Entry, array, npy, zip};

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

/// Asserts that a reason says all of these.
macro_rules! refused {
    ($reason:expr, $($part:expr),+) => {{
        let reason = $reason;
        $(assert!(reason.contains($part), "{:?} is not in: {reason}", $part);)+
    }};
}

use refused;

fn good() -> Vec<u8> {
    array("|u1", &SHAPE, &[1; 24])
}

fn npz_of(dictionary: &str, elements: &[u8]) -> Vec<u8> {
    zip(&[Entry::deflated("segs.npy", &npy(dictionary, elements))])
}
