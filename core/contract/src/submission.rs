//! A submission as the configuration names it, and as a backend runs it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Where a submission comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmissionSource {
    /// A program on this machine: `argv`, run in `workdir`.
    Command {
        /// The program and its arguments, with `{inputs}`, `{outputs}` and `{case}` in them.
        argv: Vec<String>,
        /// The folder it is run in.
        workdir: Workdir,
    },
    /// A saved image: `team.tar.gz` and the like.
    Archive {
        /// The archive's file.
        path: PathBuf,
        /// What is run in the container; `None`: the challenge's command.
        argv: Option<Vec<String>>,
    },
    /// An image that the engine already has.
    Image {
        /// Its reference, `team:latest`.
        reference: String,
        /// What is run in the container; `None`: the challenge's command.
        argv: Option<Vec<String>>,
    },
}

impl SubmissionSource {
    /// What is run in a container: the submission's own command, or `usual` where it has none.
    pub fn container_command<'a>(&'a self, usual: &'a [String]) -> &'a [String] {
        match self {
            Self::Archive {
                argv: Some(argv), ..
            }
            | Self::Image {
                argv: Some(argv), ..
            } => argv,
            _ => usual,
        }
    }
}

/// The folder that a plain command runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workdir {
    /// Where it is.
    pub path: PathBuf,
    /// What tells it from another one wherever all of it is moved or mounted: relative to what
    /// names it, the configuration's folder for one.
    pub relative: PathBuf,
}

impl From<PathBuf> for Workdir {
    /// One that nothing names.
    fn from(path: PathBuf) -> Self {
        Self {
            relative: path.clone(),
            path,
        }
    }
}

/// One submission to evaluate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The team's name: names the folder of its results, so never a path.
    pub name: String,
    /// Where it comes from.
    pub source: SubmissionSource,
    /// Environment variables for it, with `{inputs}`, `{outputs}` and `{case}` in their values.
    pub env: BTreeMap<String, String>,
}

/// A submission that a backend has made runnable.
#[derive(Debug, Clone)]
pub struct Runnable {
    /// The submission this was made from.
    pub submission: Submission,
    /// What the backend runs: an image's id, a program's path.
    pub reference: String,
    /// Changes exactly when what is run changes: an image's digest, or the command.
    pub fingerprint: String,
    /// What was loaded for it, by the engine's ids, and is removed again by
    /// [`release`](super::InferenceBackend::release).
    pub loaded: Vec<String>,
    /// What else was found out.
    pub facts: SubmissionFacts,
}

impl Runnable {
    /// A submission of which nothing was loaded and nothing else found out.
    pub fn new(
        submission: Submission,
        reference: impl Into<String>,
        fingerprint: impl Into<String>,
    ) -> Self {
        Self {
            submission,
            reference: reference.into(),
            fingerprint: fingerprint.into(),
            loaded: Vec::new(),
            facts: SubmissionFacts::None,
        }
    }
}

/// What a backend found out of a submission while it made it runnable.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum SubmissionFacts {
    /// Nothing.
    #[default]
    None,
    /// Of a program of this machine.
    Program(ProgramFacts),
    /// Of an image.
    Image(ImageFacts),
}

/// A program of this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgramFacts {
    /// Its file.
    pub program: PathBuf,
    /// The folder that it runs in.
    pub workdir: PathBuf,
}

/// An image, as its engine describes it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFacts {
    /// The name that it is run by.
    pub reference: String,
    /// Its id, a digest of its content.
    pub id: String,
    /// The names of all images in its archive, `reference` among them; empty for an image that the
    /// engine had already.
    pub archive_names: Vec<String>,
    /// Its size in bytes.
    pub size: u64,
    /// The processor architecture that it is for, as Go names it (`amd64`); empty: unknown.
    pub architecture: String,
    /// The user that it sets; empty: root.
    pub user: String,
    /// The folder that its command runs in; empty: `/`.
    pub workdir: String,
    /// What its command is given to as arguments; empty: the command runs itself.
    pub entrypoint: Vec<String>,
}

/// A short hash of these pieces in order, for a [fingerprint](Runnable::fingerprint) that tells a
/// change and no secret: sixteen hexadecimal digits of a SHA-256.
pub fn short_hash(pieces: impl IntoIterator<Item = impl AsRef<[u8]>>) -> String {
    let mut hash = Sha256::new();
    for piece in pieces {
        hash.update(piece);
    }
    let hash = hash.finalize();
    hash.iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The values that replace `{inputs}`, `{outputs}` and `{case}` in commands and environments.
#[derive(Debug, Clone, Copy)]
pub struct Placeholders<'a> {
    /// The inputs folder as the submission sees it.
    pub inputs: &'a Path,
    /// The outputs folder as the submission sees it.
    pub outputs: &'a Path,
    /// The case's file name, `CASE.npz`.
    pub case: &'a str,
}

impl Placeholders<'_> {
    /// `text` with every placeholder replaced; other braces stay as they are.
    pub fn fill(&self, text: &str) -> String {
        text.replace("{inputs}", &self.inputs.to_string_lossy())
            .replace("{outputs}", &self.outputs.to_string_lossy())
            .replace("{case}", self.case)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        let places = Placeholders {
            inputs: Path::new("/i"),
            outputs: Path::new("/o"),
            case: "a.npz",
        };
        assert_eq!(
            places.fill("--bind={inputs}:/x,{outputs} {case} {else}"),
            "--bind=/i:/x,/o a.npz {else}"
        );
    }
}
