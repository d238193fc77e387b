//! SHA-256 of files.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::case::CaseFiles;

/// The SHA-256 of a case's files, in hexadecimal.
///
/// # Errors
/// Those of reading them.
pub fn hash_case(files: &CaseFiles) -> io::Result<String> {
    let mut hash = Sha256::new();
    add_file(&mut hash, &files.image)?;
    if files.ground_truth != files.image {
        add_file(&mut hash, &files.ground_truth)?;
    }
    Ok(hex::encode(hash.finalize()))
}

/// The SHA-256 of a file, in hexadecimal, as `sha256sum` prints it.
///
/// # Errors
/// Those of reading it.
pub fn hash_file(path: &Path) -> io::Result<String> {
    let mut hash = Sha256::new();
    add_content(&mut hash, &mut File::open(path)?)?;
    Ok(hex::encode(hash.finalize()))
}

fn add_file(hash: &mut Sha256, path: &Path) -> io::Result<()> {
    let mut file = File::open(path)?;
    hash.update(file.metadata()?.len().to_le_bytes());
    add_content(hash, &mut file)
}

fn add_content(hash: &mut Sha256, file: &mut File) -> io::Result<()> {
    let mut piece = vec![0; 256 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            count => hash.update(&piece[..count]),
        }
    }
}
