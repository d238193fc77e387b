//! The TOML file as it is written. Nothing in here has been checked beyond its form; [`Plan`]
//! is what comes out of checking it.
//!
//! [`Plan`]: crate::plan::Plan

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use segarena_core::work::KeepWork;
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use toml::Spanned;

/// The file, key by key.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    pub(crate) cases: CasesTable,
    pub(crate) output: OutputTable,
    pub(crate) protocol: ProtocolTable,
    pub(crate) ranking: RankingTable,
    pub(crate) run: RunTable,
    pub(crate) backend: Option<BackendTable>,
    pub(crate) slurm: Option<SlurmTable>,
    pub(crate) submission: Vec<SubmissionTable>,
}

/// `[cases]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CasesTable {
    pub(crate) images: Option<Spanned<PathBuf>>,
    pub(crate) ground_truth: Option<Spanned<PathBuf>>,
    pub(crate) groups: Option<Spanned<PathBuf>>,
}

/// `[output]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct OutputTable {
    pub(crate) dir: Option<Spanned<PathBuf>>,
    pub(crate) work_dir: Option<Spanned<String>>,
    #[serde(deserialize_with = "keep_work")]
    pub(crate) keep_work: KeepWork,
}

/// `true` is what it was before there was a choice.
fn keep_work<'de, D: Deserializer<'de>>(deserializer: D) -> Result<KeepWork, D::Error> {
    struct Word;

    impl Visitor<'_> for Word {
        type Value = KeepWork;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("true, false, \"last\" or \"all\"")
        }

        fn visit_bool<E: de::Error>(self, keep: bool) -> Result<KeepWork, E> {
            Ok(match keep {
                true => KeepWork::Last,
                false => KeepWork::Nothing,
            })
        }

        fn visit_str<E: de::Error>(self, word: &str) -> Result<KeepWork, E> {
            match word {
                "last" => Ok(KeepWork::Last),
                "all" => Ok(KeepWork::All),
                other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
            }
        }
    }

    deserializer.deserialize_any(Word)
}

/// `[protocol]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProtocolTable {
    pub(crate) track: Option<Spanned<String>>,
    pub(crate) clicks: Option<Spanned<usize>>,
    pub(crate) click_policy: Option<Spanned<String>>,
    pub(crate) click_seed: Option<Spanned<u64>>,
    pub(crate) click_sigma_mm: Option<Spanned<f64>>,
    pub(crate) nsd_tolerance_mm: Option<Spanned<f64>>,
    pub(crate) seconds_per_class: Option<Spanned<f64>>,
    pub(crate) over_time: Option<segarena_core::protocol::OverTime>,
    pub(crate) failed_prediction: Option<segarena_core::protocol::FailedPrediction>,
    pub(crate) interaction_timeout_seconds: Option<Spanned<f64>>,
}

/// `[ranking]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RankingTable {
    pub(crate) scheme: crate::ranking::Scheme,
    pub(crate) weights: BTreeMap<String, Spanned<f64>>,
}

/// `[run]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RunTable {
    pub(crate) submissions: Option<Spanned<PathBuf>>,
    pub(crate) jobs: Option<Spanned<crate::jobs::Jobs>>,
    pub(crate) threads: Option<Spanned<usize>>,
}

/// `[slurm]`
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SlurmTable {
    pub(crate) tasks: Option<Spanned<usize>>,
    pub(crate) at_once: Option<Spanned<usize>>,
    pub(crate) lines: Vec<Spanned<String>>,
    pub(crate) before: Vec<String>,
}

/// `[backend]`, of which only what every kind has is looked at here: the rest is the backend's own.
#[derive(Debug, Deserialize)]
pub(crate) struct BackendTable {
    pub(crate) kind: Spanned<String>,
    pub(crate) lifetime: Option<Spanned<segarena_core::backend::Lifetime>>,
}

/// `[[submission]]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmissionTable {
    pub(crate) name: Spanned<String>,
    pub(crate) command: Option<Spanned<Vec<String>>>,
    pub(crate) workdir: Option<Spanned<PathBuf>>,
    pub(crate) archive: Option<Spanned<PathBuf>>,
    pub(crate) image: Option<Spanned<String>>,
    #[serde(default)]
    pub(crate) env: BTreeMap<String, String>,
}

/// What is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not TOML, has an unknown key, or a value of the wrong type.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        message: String,
    },
    /// A value can't be used.
    #[error("{place}: {message}")]
    Value {
        /// The flag, or the file with line and key.
        place: Place,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// Something that is needed was given neither in a file nor by a flag.
    #[error("{message}")]
    Missing {
        /// What is missing and how to give it.
        message: String,
    },
    /// The command line contradicts itself.
    #[error("{message}")]
    Usage {
        /// What is wrong with it.
        message: String,
    },
    /// A backend can't do what its options ask for.
    #[error("{}backend `{kind}`: {message}", place.as_ref().map(|path| format!("{}: ", path.display())).unwrap_or_default())]
    Backend {
        /// The file with its options, where there is one.
        place: Option<PathBuf>,
        /// The backend's kind.
        kind: String,
        /// What it said.
        message: String,
    },
}

impl ConfigError {
    /// The error of a file that is not in the right form.
    pub(crate) fn parse(path: &Path, error: toml::de::Error) -> Self {
        let message = error.to_string();
        Self::Parse {
            path: path.to_owned(),
            message: message.trim_end().to_owned(),
        }
    }
}

/// Where a setting was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// By this flag.
    Flag(&'static str),
    /// In a file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The key with its table.
        key: String,
    },
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Flag(flag) => f.write_str(flag),
            Self::File { path, line, key } => write!(f, "{}, line {line}, {key}", path.display()),
        }
    }
}

/// A file read and parsed, with its text for finding lines.
#[derive(Debug)]
pub(crate) struct LoadedConfig {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) file: ConfigFile,
}

impl LoadedConfig {
    /// Reads and parses the file.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        let file = toml::from_str(&text).map_err(|error| ConfigError::parse(path, error))?;
        Ok(Self {
            path: path.to_owned(),
            text,
            file,
        })
    }

    /// Where a value stands.
    pub(crate) fn place<T>(&self, key: &str, value: &Spanned<T>) -> Place {
        let before = &self.text.as_bytes()[..value.span().start.min(self.text.len())];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        Place::File {
            path: self.path.clone(),
            line,
            key: key.to_owned(),
        }
    }

    /// A path of the file, which is relative to the file.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("")).join(path)
    }
}
