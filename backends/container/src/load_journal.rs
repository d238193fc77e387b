//! What a load is about to do, written down while it lasts.
//!
//! An engine that has an archive's last byte goes on without us: a run that is killed then leaves
//! an image without a mark. The next run that loads the same archive would take it for somebody
//! else's, were it not for this entry of what was there before.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use segarena_child::ProcessIdentity;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

/// A load that goes on. Its file goes with it, unless the process is killed.
#[derive(Debug)]
pub(crate) struct JournalledLoad {
    before: Vec<String>,
    /// What dead loads of the same archive left, settled by this one.
    dead: Vec<PathBuf>,
    _file: Option<NamedTempFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    owner: String,
    engine: String,
    archive: PathBuf,
    before: Vec<String>,
}

impl JournalledLoad {
    /// To load `archive` into an engine that knows these images. What a dead load of the same
    /// archive has added to them since is not counted among those that were there before.
    ///
    /// Where nothing can be written down, the load goes on without.
    pub(crate) fn of(engine: &str, archive: &Path, known: Vec<String>) -> Self {
        let archive = archive
            .canonicalize()
            .unwrap_or_else(|_| archive.to_owned());
        match folder() {
            Ok(folder) => Self::noted_in(&folder, engine, archive, known),
            Err(error) => {
                tracing::debug!(%error, "what is loaded is not written down");
                Self {
                    before: known,
                    dead: Vec::new(),
                    _file: None,
                }
            }
        }
    }

    fn noted_in(folder: &Path, engine: &str, archive: PathBuf, known: Vec<String>) -> Self {
        let is_same = |entry: &Entry| entry.engine == engine && entry.archive == archive;
        let dead: Vec<(PathBuf, Entry)> = entries_of_killed_runs(folder)
            .into_iter()
            .filter(|(_, entry)| is_same(entry))
            .collect();
        let is_older = |name: &String| dead.iter().all(|(_, entry)| entry.before.contains(name));
        let entry = Entry {
            owner: ProcessIdentity::own().to_string(),
            engine: engine.to_owned(),
            archive,
            before: known.into_iter().filter(is_older).collect(),
        };
        let file = write(folder, &entry);
        if let Err(error) = &file {
            tracing::debug!(%error, "what is loaded is not written down");
        }
        Self {
            before: entry.before,
            dead: dead.into_iter().map(|(path, _)| path).collect(),
            _file: file.ok(),
        }
    }

    /// Whether the engine had an image of this name before.
    pub(crate) fn was_there(&self, name: &String) -> bool {
        self.before.contains(name)
    }

    /// The load is over and what it brought is marked: what dead ones left is settled.
    pub(crate) fn completed(self) {
        for path in self.dead {
            let _ = fs::remove_file(path);
        }
    }
}

/// A folder for such entries that nobody else can write to.
fn folder() -> io::Result<PathBuf> {
    let me = rustix::process::geteuid();
    let folder = std::env::temp_dir().join(format!("segarena-loads-{}", me.as_raw()));
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let there = fs::symlink_metadata(&folder)?;
    let is_ours = there.is_dir() && there.uid() == me.as_raw() && there.mode() & 0o077 == 0;
    if !is_ours {
        let message = format!("{} is not a folder of ours alone", folder.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    Ok(folder)
}

fn write(folder: &Path, entry: &Entry) -> io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new_in(folder)?;
    file.write_all(&serde_json::to_vec(entry)?)?;
    Ok(file)
}

/// The entries in this folder whose owners have ended.
fn entries_of_killed_runs(folder: &Path) -> Vec<(PathBuf, Entry)> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| {
            let text = fs::read(file.path()).ok()?;
            let entry: Entry = serde_json::from_slice(&text).ok()?;
            let owner = ProcessIdentity::parse(&entry.owner)?;
            owner.is_gone().then(|| (file.path(), entry))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn load(folder: &Path, archive: &str, known: &[&str]) -> JournalledLoad {
        JournalledLoad::noted_in(folder, "docker", archive.into(), names(known))
    }

    /// As a process leaves it that was killed while it loaded: this one's number, begun at
    /// another time.
    fn killed(folder: &Path, archive: &str, before: &[&str]) {
        let owner = ProcessIdentity::own().to_string();
        let mut parts: Vec<&str> = owner.split('.').collect();
        parts[1] = "1";
        let owner = parts.join(".");
        let entry = Entry {
            owner,
            engine: "docker".to_owned(),
            archive: archive.into(),
            before: names(before),
        };
        write(folder, &entry).unwrap().keep().unwrap();
    }

    #[test]
    fn what_a_killed_load_of_the_same_archive_brought_was_not_there_before() {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path(), "team.tar", &["old"]);
        let again = load(folder.path(), "team.tar", &["old", "team"]);
        assert!(again.was_there(&"old".to_owned()));
        assert!(!again.was_there(&"team".to_owned()));
        again.completed();
        let later = load(folder.path(), "team.tar", &["old", "team"]);
        assert!(later.was_there(&"team".to_owned()));
    }

    #[test]
    fn a_load_that_fails_leaves_what_a_killed_one_said_to_the_next() {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path(), "team.tar", &["old"]);
        drop(load(folder.path(), "team.tar", &["old", "team"]));
        let again = load(folder.path(), "team.tar", &["old", "team"]);
        assert!(!again.was_there(&"team".to_owned()));
    }

    #[test]
    fn loads_of_other_archives_and_of_the_living_say_nothing() {
        let folder = tempfile::tempdir().unwrap();
        killed(folder.path(), "other.tar", &[]);
        let living = load(folder.path(), "team.tar", &[]);
        let ours = load(folder.path(), "team.tar", &["team"]);
        assert!(ours.was_there(&"team".to_owned()));
        drop((living, ours));
        let left = fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(left, 1, "the killed one's alone");
    }
}
