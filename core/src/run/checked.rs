//! The data set, checked once: what was found out about each case is kept in the output folder, so
//! that a run that goes on, and every one of many shards, reads only what it runs or what changed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use segarena_dialogue::Track;
use segarena_formats::known_file::KnownFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::RunError;
use crate::case::{Case, CaseFiles};
use crate::event::{Event, Observer};
use crate::hash::hash_case;
use crate::results::{WriteError, read_whole, write_whole};

/// What is known of every case of a run, in the run's order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedCases {
    /// The version of this file's form.
    schema: u32,
    /// The version of segarena that checked them: another may be stricter.
    segarena: String,
    /// The track that they were checked for: another may need more of them.
    #[serde(default = "crate::record::first_track")]
    track: String,
    cases: Vec<CheckedCase>,
}

/// A case that was read and found in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedCase {
    /// The case's file name.
    pub name: String,
    /// The SHA-256 of its files.
    pub sha256: String,
    /// The voxels of its volume.
    pub voxels: u64,
    /// Its labels.
    pub classes: u64,
    image: KnownFile,
    ground_truth: KnownFile,
}

impl CheckedCase {
    /// What it costs to evaluate, in no unit: voxels × classes.
    pub fn weight(&self) -> u64 {
        self.voxels.saturating_mul(self.classes)
    }
}

/// The beginning of the files' names; then their content's hash, so that two shards that write
/// one at once write the same.
const PREFIX: &str = "checked-";

impl CheckedCases {
    const SCHEMA: u32 = 1;

    /// Checks `cases`, of which those that a file in `folder` knows are not read again, and keeps
    /// what was found there.
    pub(super) fn check(
        cases: &[CaseFiles],
        track: &dyn Track,
        folder: &Path,
        observer: &dyn Observer,
    ) -> Result<Self, RunError> {
        let known = known_cases(folder, &track.id());
        let mut checked = Vec::with_capacity(cases.len());
        for (before, files) in cases.iter().enumerate() {
            checked.push(check(files, track, &known)?);
            observer.notice(&Event::CaseChecked {
                case: files.name.clone(),
                done: before + 1,
                total: cases.len(),
            });
        }
        Ok(Self {
            schema: Self::SCHEMA,
            segarena: env!("CARGO_PKG_VERSION").to_owned(),
            track: track.id(),
            cases: checked,
        })
    }

    /// What earlier runs found out about `cases`, where that is all of them and none has changed.
    pub fn recall(cases: &[CaseFiles], track: &str, folder: &Path) -> Option<Self> {
        let known = known_cases(folder, track);
        let recalled = cases.iter().map(|files| recall(files, &known));
        Some(Self {
            schema: Self::SCHEMA,
            segarena: env!("CARGO_PKG_VERSION").to_owned(),
            track: track.to_owned(),
            cases: recalled.collect::<Option<_>>()?,
        })
    }

    /// The cases in the run's order.
    pub fn cases(&self) -> &[CheckedCase] {
        &self.cases
    }

    /// What each costs.
    pub fn weights(&self) -> Vec<u64> {
        self.cases.iter().map(CheckedCase::weight).collect()
    }

    /// Writes them into `folder`, under a name that follows from the content and is returned.
    pub(super) fn save(&self, folder: &Path) -> Result<String, WriteError> {
        let text = serde_json::to_vec(self).map_err(|error| WriteError {
            path: folder.to_owned(),
            source: io::Error::other(error),
        })?;
        let name = format!("{PREFIX}{}.json", &hex::encode(Sha256::digest(&text))[..16]);
        let path = folder.join(&name);
        if !path.exists() {
            write_whole(&path, &text)?;
        }
        Ok(name)
    }

    /// Reads those that were saved under this name.
    pub(super) fn read(folder: &Path, name: &str) -> io::Result<Self> {
        let found: Self = serde_json::from_slice(&read_whole(&folder.join(name))?)?;
        match found.schema {
            Self::SCHEMA => Ok(found),
            other => Err(io::Error::other(format!(
                "it has form {other}, and this version of segarena reads form {}",
                Self::SCHEMA
            ))),
        }
    }
}

/// All that files in `folder` know of cases, by the image's path. A file that can't be read knows
/// nothing.
fn known_cases(folder: &Path, track: &str) -> HashMap<PathBuf, Vec<CheckedCase>> {
    let mut known: HashMap<PathBuf, Vec<CheckedCase>> = HashMap::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else {
            continue;
        };
        let Ok(found) = CheckedCases::read(folder, name) else {
            continue;
        };
        if found.segarena != env!("CARGO_PKG_VERSION") || found.track != track {
            continue;
        }
        for case in found.cases {
            known.entry(case.image.path.clone()).or_default().push(case);
        }
    }
    known
}

fn recall(files: &CaseFiles, known: &HashMap<PathBuf, Vec<CheckedCase>>) -> Option<CheckedCase> {
    let image = KnownFile::at(&files.image).ok()?;
    let ground_truth = KnownFile::at(&files.ground_truth).ok()?;
    let mut candidates = known.get(&image.path)?.iter();
    candidates
        .find(|case| case.image == image && case.ground_truth == ground_truth)
        .cloned()
}

fn check(
    files: &CaseFiles,
    track: &dyn Track,
    known: &HashMap<PathBuf, Vec<CheckedCase>>,
) -> Result<CheckedCase, RunError> {
    if let Some(case) = recall(files, known) {
        return Ok(case);
    }
    let unreadable = |source| RunError::Read {
        case: files.name.clone(),
        source,
    };
    let image = KnownFile::at(&files.image).map_err(unreadable)?;
    let ground_truth = KnownFile::at(&files.ground_truth).map_err(unreadable)?;
    let case = Case::load_for(files, track)?;
    case.check(track)?;
    Ok(CheckedCase {
        name: files.name.clone(),
        sha256: hash_case(files).map_err(unreadable)?,
        voxels: case.image.shape().iter().map(|&size| size as u64).product(),
        classes: case.truth.keys().count() as u64,
        image,
        ground_truth,
    })
}
