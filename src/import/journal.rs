//! What was imported already: a line of JSON for each case, written when its files are in place.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use anyhow::Context;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is noted of a case, and what somebody may want to know of it later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Note {
    pub(crate) case: String,
    /// Of the sources and all options that the files depend on.
    pub(crate) fingerprint: String,
    pub(crate) image: PathBuf,
    pub(crate) labels: PathBuf,
    /// How intensities became bytes.
    pub(crate) intensity: String,
    /// The labels there are; none: the case was left out.
    pub(crate) label_values: Vec<i64>,
    pub(crate) remarks: Vec<String>,
}

/// `DATA/import.jsonl`.
pub(crate) struct Journal {
    path: PathBuf,
    known: HashMap<String, Note>,
    file: Mutex<File>,
}

impl Journal {
    /// Opens the journal, with what earlier imports noted. A line that a killed one left half
    /// written counts for nothing.
    pub(crate) fn open(data: &Path) -> anyhow::Result<Self> {
        let path = data.join("import.jsonl");
        let cannot = || format!("cannot open {}", path.display());
        let told = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error).with_context(cannot),
        };
        let lines = told.split(|&byte| byte == b'\n');
        let notes = lines.filter_map(|line| serde_json::from_slice::<Note>(line).ok());
        let known = notes.map(|note| (note.case.clone(), note)).collect();
        let mut file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(cannot)?;
        if told.last().is_some_and(|&byte| byte != b'\n') {
            file.write_all(b"\n").with_context(cannot)?;
        }
        Ok(Self {
            path,
            known,
            file: Mutex::new(file),
        })
    }

    /// What was last noted of a case.
    pub(crate) fn note_of(&self, case: &str) -> Option<&Note> {
        self.known.get(case)
    }

    /// Notes a case.
    pub(crate) fn note(&self, note: &Note) -> anyhow::Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        let mut line = serde_json::to_vec(note).with_context(cannot)?;
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
            .and_then(|()| file.sync_data())
            .with_context(cannot)
    }
}

/// What tells two imports of a case apart: the files by name, size and time, and the options.
pub(crate) fn fingerprint(files: [&Path; 2], options: &str) -> std::io::Result<String> {
    let mut hash = Sha256::new();
    for path in files {
        let about = std::fs::metadata(path)?;
        let changed = about.modified()?.duration_since(UNIX_EPOCH);
        let changed = changed.map_or(0, |since| since.as_nanos());
        hash.update(format!("{}\0{}\0{changed}\0", path.display(), about.len()));
    }
    hash.update(options);
    Ok(hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(case: &str, fingerprint: &str) -> Note {
        Note {
            case: case.to_owned(),
            fingerprint: fingerprint.to_owned(),
            image: "i".into(),
            labels: "l".into(),
            intensity: "window 40,400".to_owned(),
            label_values: vec![1],
            remarks: Vec::new(),
        }
    }

    #[test]
    fn the_last_note_of_a_case_counts_and_half_a_line_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        journal.note(&note("a", "1")).unwrap();
        journal.note(&note("a", "2")).unwrap();
        journal.note(&note("b", "3")).unwrap();
        let path = folder.path().join("import.jsonl");
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 5]).unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.note_of("a"), Some(&note("a", "2")));
        assert_eq!(journal.note_of("b"), None);
        journal.note(&note("c", "4")).unwrap();
        let journal = Journal::open(folder.path()).unwrap();
        assert_eq!(journal.note_of("c"), Some(&note("c", "4")));
    }
}
