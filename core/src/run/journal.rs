//! The journal of one submission: what has been done, in an order that survives a crash.
//!
//! A file of JSON lines, only ever appended to, flushed to the disk after each. A line that a
//! crash cut short is dropped when the journal is opened again.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use crate::record::{CaseRecord, InteractionRecord};

/// A line of the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "entry", rename_all = "snake_case")]
enum Entry {
    /// A run begins, or goes on.
    Begin { fingerprint: Fingerprint },
    /// An interaction was scored.
    Interaction {
        case: String,
        record: InteractionRecord,
    },
    /// A case is finished and its predictions are on the disk.
    Case { record: CaseRecord },
    /// Cases are begun anew: what was noted of them before counts no longer.
    Discard { cases: Vec<String> },
}

/// Why a journal can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// The file can't be read or written.
    #[error("cannot use the journal {}: {source}", path.display())]
    Io {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A whole line of it is not what segarena writes.
    #[error(
        "the journal {} can't be read at line {line}: {reason} (it is of another version or was \
         edited; --restart begins anew)",
        path.display()
    )]
    Unreadable {
        /// The journal.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// It belongs to a run that would have given other numbers.
    #[error(
        "{} holds the results of another configuration: {differences} (use another output folder, \
         or --restart to discard them)",
        path.display()
    )]
    Different {
        /// The journal.
        path: PathBuf,
        /// What differs.
        differences: String,
    },
}

/// An open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    /// A line could not be written, so that nothing may come after it.
    broken: bool,
}

impl Journal {
    /// Opens the journal at `path`, of which the cases `anew` count no longer, makes sure that what
    /// else it holds belongs with `fingerprint`, and returns it with the cases it says are
    /// finished.
    ///
    /// # Errors
    /// When it can't be read or written, or holds another configuration's results.
    pub fn open(
        path: &Path,
        fingerprint: &Fingerprint,
        anew: &BTreeSet<String>,
    ) -> Result<(Self, BTreeMap<String, CaseRecord>), JournalError> {
        let failed = |source| JournalError::Io {
            path: path.to_owned(),
            source,
        };
        let noted = Noted::without(path, anew)?;
        noted.refuse_other(path, fingerprint)?;

        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(failed)?;
        file.set_len(noted.whole_bytes as u64).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        let mut journal = Self {
            path: path.to_owned(),
            file,
            broken: false,
        };
        if !anew.is_empty() {
            let cases = anew.iter().cloned().collect();
            journal.append(&Entry::Discard { cases })?;
        }
        journal.append(&Entry::Begin {
            fingerprint: fingerprint.clone(),
        })?;
        // A new file's name is its folder's matter.
        if let Some(folder) = path.parent() {
            File::open(folder)
                .and_then(|folder| folder.sync_all())
                .map_err(failed)?;
        }
        Ok((journal, noted.finished))
    }

    /// Notes an interaction.
    ///
    /// # Errors
    /// When the line can't be written.
    pub fn interaction(
        &mut self,
        case: &str,
        record: &InteractionRecord,
    ) -> Result<(), JournalError> {
        self.append(&Entry::Interaction {
            case: case.to_owned(),
            record: record.clone(),
        })
    }

    /// Notes a finished case.
    ///
    /// # Errors
    /// When the line can't be written.
    pub fn case(&mut self, record: &CaseRecord) -> Result<(), JournalError> {
        self.append(&Entry::Case {
            record: record.clone(),
        })
    }

    /// Appends a line. After the first that fails the journal takes no more: with a full disk the
    /// line may be there in part, and only the last line is forgiven that.
    fn append(&mut self, entry: &Entry) -> Result<(), JournalError> {
        let result = self.try_append(entry);
        self.broken |= result.is_err();
        result.map_err(|source| JournalError::Io {
            path: self.path.clone(),
            source,
        })
    }

    fn try_append(&mut self, entry: &Entry) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("a line before could not be written"));
        }
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)?;
        self.file.sync_data()
    }
}

/// The record of a finished case, as the journal at `path` has it; none where it can't be read
/// or does not have it.
pub(super) fn finished_case(path: &Path, case: &str) -> Option<CaseRecord> {
    let text = std::fs::read(path).ok()?;
    let lines = text.split(|&byte| byte == b'\n').rev();
    let entries = lines.filter_map(|line| serde_json::from_slice(line).ok());
    let mut records = entries.filter_map(|entry| match entry {
        Entry::Case { record } => Some(record),
        _ => None,
    });
    records.find(|record| record.case == case)
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Noted {
    /// What the runs were begun with, and every case's files as they were the last time; none
    /// where no run was begun.
    fingerprint: Option<Fingerprint>,
    /// The records of the finished cases.
    finished: BTreeMap<String, CaseRecord>,
    /// The length of its whole lines.
    whole_bytes: usize,
}

impl Noted {
    /// What the journal at `path` says, but of the cases `anew`; one that is not there says
    /// nothing.
    pub(super) fn without(path: &Path, anew: &BTreeSet<String>) -> Result<Self, JournalError> {
        let mut noted = Self::read(path)?;
        noted.discard(anew);
        Ok(noted)
    }

    fn read(path: &Path) -> Result<Self, JournalError> {
        let text = match std::fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(source) => {
                let path = path.to_owned();
                return Err(JournalError::Io { path, source });
            }
        };
        let whole = text.iter().rposition(|&byte| byte == b'\n');
        let whole_bytes = whole.map_or(0, |newline| newline + 1);
        let mut noted = Self {
            whole_bytes,
            ..Self::default()
        };
        let lines = text[..whole_bytes].split(|&byte| byte == b'\n');
        for (index, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let entry = serde_json::from_slice(line).map_err(|error| JournalError::Unreadable {
                path: path.to_owned(),
                line: index + 1,
                reason: error.to_string(),
            })?;
            noted.add(entry);
        }
        Ok(noted)
    }

    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Begin { mut fingerprint } => {
                if let Some(earlier) = self.fingerprint.take() {
                    for (case, hash) in earlier.cases {
                        fingerprint.cases.entry(case).or_insert(hash);
                    }
                }
                self.fingerprint = Some(fingerprint);
            }
            Entry::Interaction { .. } => {}
            Entry::Case { record } => {
                self.finished.insert(record.case.clone(), record);
            }
            Entry::Discard { cases } => self.discard(&cases.into_iter().collect()),
        }
    }

    /// Forgets these cases.
    fn discard(&mut self, cases: &BTreeSet<String>) {
        self.finished.retain(|case, _| !cases.contains(case));
    }

    /// Fails where the finished cases would not have the same numbers with `fingerprint`.
    pub(super) fn refuse_other(
        &self,
        path: &Path,
        fingerprint: &Fingerprint,
    ) -> Result<(), JournalError> {
        let Some(earlier) = self
            .fingerprint
            .as_ref()
            .filter(|_| !self.finished.is_empty())
        else {
            return Ok(());
        };
        let differences =
            earlier.differences_in(fingerprint, |case| self.finished.contains_key(case));
        if differences.is_empty() {
            return Ok(());
        }
        Err(JournalError::Different {
            path: path.to_owned(),
            differences: differences.join("; "),
        })
    }

    /// What was run, as the last run found it.
    pub(super) fn submission(&self) -> Option<&str> {
        let fingerprint = self.fingerprint.as_ref()?;
        Some(&fingerprint.submission)
    }

    /// Whether a case is finished.
    pub(super) fn has(&self, case: &str) -> bool {
        self.finished.contains_key(case)
    }
}
