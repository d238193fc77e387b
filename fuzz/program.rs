//! What the fuzz targets of the program's own input do: configurations, and archives of images. A
//! test of `segarena` does the same with the seeds.
#![allow(dead_code)] // each target uses one of these

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use segarena::{Registry, check_configuration};
use segarena_container::archive::{Archive, Compression};
use segarena_container::options::ContainerOptions;
use tempfile::TempDir;
use tokio_stream::StreamExt;

/// More of an unpacked archive is not looked at.
const UNPACKED: usize = 16 << 20;

/// A configuration, beside a data set and a submission that it may name.
pub fn config(data: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(data_set).path();
    let file = folder.join("config.toml");
    fs::write(&file, data).expect("a file");
    if let Err(error) = check_configuration(&Registry::built_in(), &file) {
        let said = error.to_string();
        assert!(!said.trim().is_empty());
    }
}

fn data_set() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for place in ["imgs", "gts", "teams/team"] {
        fs::create_dir_all(folder.path().join(place)).expect("a folder");
    }
    for file in ["imgs/a.npz", "imgs/b.npz", "gts/a.npz", "gts/b.npz"] {
        fs::write(folder.path().join(file), "").expect("a file");
    }
    for file in ["team.tar.gz", "teams/a.tar", "teams/team/predict.sh"] {
        fs::write(folder.path().join(file), "").expect("a file");
    }
    folder
}

/// A file that is taken for an image's archive: known by its first bytes, and unpacked piece by
/// piece until it ends, breaks, or is large enough.
pub fn archive(data: &[u8]) {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| tempfile::tempdir().expect("a folder"));
    let file = folder.path().join("team.tar.gz");
    fs::write(&file, data).expect("a file");
    unpack(&file, data);
}

fn unpack(file: &Path, data: &[u8]) {
    let known = Compression::of(data);
    let most = ContainerOptions::default().archive_size;
    let archive = match Archive::open(file, most) {
        Ok(archive) => archive,
        Err(_) => return,
    };
    let known = known.expect("what was opened is of a known form");
    assert_eq!(archive.size(), data.len() as u64);
    let damage = archive.damage();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let (unpacked, broke) = runtime.block_on(async {
        let mut stream = archive.into_stream(Default::default());
        let mut unpacked = 0;
        while unpacked < UNPACKED {
            match stream.next().await {
                Some(Ok(piece)) => unpacked += piece.len(),
                Some(Err(_)) => return (unpacked, true),
                None => break,
            }
        }
        (unpacked, false)
    });
    if known == Compression::None {
        assert_eq!(unpacked, data.len());
    }
    assert!(!broke || damage.found().is_some(), "what broke is told");
}
