//! What can be wrong with a file, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use segarena_kernels::SpacingError;

use super::pickle::PickleError;

/// A file of the data set, or one of ours, cannot be used: which file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct NpzError {
    path: PathBuf,
    // Boxed, so that a `Result` of something small stays small.
    kind: Box<NpzErrorKind>,
}

impl NpzError {
    /// What is wrong with the file at `path`.
    pub fn new(path: &Path, kind: impl Into<NpzErrorKind>) -> Self {
        Self {
            path: path.to_owned(),
            kind: Box::new(kind.into()),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn kind(&self) -> &NpzErrorKind {
        &self.kind
    }
}

/// What is wrong with an archive, one of its members, or an array in it.
///
/// The message names the member or key and, where it is not plain, what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NpzErrorKind {
    /// The operating system could not open, read or write the file.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// There is something of that name, but not a regular file.
    #[error("it is {what}, not a regular file")]
    NotRegular {
        /// What it is: "a symbolic link", "a FIFO", …
        what: &'static str,
    },
    /// The file is no zip archive, or a truncated one.
    #[error(
        "not a readable .npz: {reason} (an .npz is a zip archive, as numpy.savez writes it; \
         is the file complete?)"
    )]
    NotAnArchive {
        /// What the archive reader found.
        reason: String,
    },
    /// The archive has the shape of an attack rather than of an `.npz`.
    #[error("refused as an archive: {reason}")]
    Suspicious {
        /// Which limit or rule it breaks.
        reason: String,
    },
    /// No member holds the array.
    #[error("`{key}` is missing; the archive has {present} ({purpose})")]
    MissingKey {
        /// The array's key.
        key: String,
        /// The keys that are there.
        present: String,
        /// What the array is for, so that it can be supplied.
        purpose: &'static str,
    },
    /// The member cannot be decompressed.
    #[error("`{key}` cannot be read: {reason}")]
    Unreadable {
        /// The array's key.
        key: String,
        /// Why.
        reason: String,
    },
    /// The member is no `.npy` array, or its header is damaged.
    #[error("`{key}` is not a readable array: {reason}")]
    Header {
        /// The array's key.
        key: String,
        /// What is wrong with the header.
        reason: String,
    },
    /// The array's elements are of a type that does not serve here.
    #[error("`{key}` holds {found}; it must hold {wanted}")]
    ElementType {
        /// The array's key.
        key: String,
        /// Its type, in numpy's words.
        found: String,
        /// The types that serve.
        wanted: &'static str,
    },
    /// The array's shape does not serve.
    #[error("`{key}` has shape {}; it must {wanted}", tuple(found))]
    Shape {
        /// The array's key.
        key: String,
        /// Its shape.
        found: Vec<usize>,
        /// What the shape must be.
        wanted: String,
    },
    /// An element's value does not serve.
    #[error("`{key}` has {value} at {}; {wanted}", list(at))]
    Value {
        /// The array's key.
        key: String,
        /// The value.
        value: String,
        /// Its index, one number per axis.
        at: Vec<usize>,
        /// What the values must be.
        wanted: &'static str,
    },
    /// A ground truth without a label.
    #[error("`{key}` has no label: every voxel is 0, so there is nothing to score")]
    NoLabel {
        /// The array's key.
        key: String,
    },
    /// A ground truth with more labels than a case can have.
    #[error("`{key}` has more than {most} labels; a case can have at most {most}")]
    TooManyLabels {
        /// The array's key.
        key: String,
        /// As many as a case can have.
        most: usize,
    },
    /// The spacing is not one.
    #[error("`spacing`: {0}")]
    Spacing(#[from] SpacingError),
    /// A pickled array is damaged, or more than the plain values we read.
    #[error("`{key}` is pickled, but not as plain values: {source}")]
    Pickle {
        /// The array's key.
        key: String,
        /// What the unpickler refused.
        source: PickleError,
    },
    /// An array needs more memory than there is.
    #[error("`{key}` needs {bytes} bytes of memory, more than there is")]
    Memory {
        /// The array's key.
        key: String,
        /// How many bytes.
        bytes: u64,
    },
    /// Our own writing was asked for something impossible.
    #[error("`{key}` cannot be written: {reason}")]
    Unwritable {
        /// The array's key.
        key: String,
        /// Why.
        reason: String,
    },
}

impl NpzErrorKind {
    pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    pub(crate) fn header(key: &str, reason: impl Into<String>) -> Self {
        Self::Header {
            key: key.to_owned(),
            reason: reason.into(),
        }
    }

    pub(crate) fn unreadable(key: &str, reason: impl ToString) -> Self {
        Self::Unreadable {
            key: key.to_owned(),
            reason: reason.to_string(),
        }
    }

    /// Whether this machine is at fault (out of file handles, memory or disk, or a disk that can't
    /// be read) and not the file.
    pub fn is_ours(&self) -> bool {
        match self {
            Self::Memory { .. } => true,
            Self::Io { source, .. } => {
                use rustix::io::Errno;
                let ours = [
                    Errno::MFILE,
                    Errno::NFILE,
                    Errno::NOMEM,
                    Errno::NOSPC,
                    Errno::DQUOT,
                    Errno::IO,
                    Errno::STALE,
                ];
                source
                    .raw_os_error()
                    .is_some_and(|code| ours.iter().any(|errno| errno.raw_os_error() == code))
            }
            _ => false,
        }
    }
}

/// Why there is no prediction to score.
#[derive(Debug, thiserror::Error)]
pub enum PredictionError {
    /// The submission wrote no such file.
    #[error("no prediction was written")]
    Missing,
    /// There is one, but it cannot be scored: the submission's fault.
    #[error("{reason}")]
    Bad {
        /// What is wrong with it.
        reason: String,
    },
    /// This machine could not read it (no file handles, no memory): nobody's prediction is at
    /// fault.
    #[error("the prediction could not be read here: {0}")]
    System(NpzErrorKind),
}

impl From<NpzErrorKind> for PredictionError {
    fn from(kind: NpzErrorKind) -> Self {
        match kind {
            NpzErrorKind::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Self::Missing
            }
            kind if kind.is_ours() => Self::System(kind),
            kind => Self::Bad {
                reason: kind.to_string(),
            },
        }
    }
}

/// A shape as Python writes a tuple.
pub(super) fn tuple(shape: &[usize]) -> String {
    match shape {
        [one] => format!("({one},)"),
        many => format!("({})", commas(many)),
    }
}

fn list(index: &[usize]) -> String {
    format!("[{}]", commas(index))
}

fn commas(numbers: &[usize]) -> String {
    numbers
        .iter()
        .map(usize::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
