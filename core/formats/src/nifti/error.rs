//! What can be wrong with a NIfTI file, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

/// A NIfTI file cannot be read or written: which file, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", path.display())]
pub struct NiftiError {
    path: PathBuf,
    kind: Box<NiftiErrorKind>,
}

impl NiftiError {
    pub(super) fn new(path: &Path, kind: NiftiErrorKind) -> Self {
        Self {
            path: path.to_owned(),
            kind: Box::new(kind),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is wrong with it.
    pub fn kind(&self) -> &NiftiErrorKind {
        &self.kind
    }
}

/// What is wrong with a NIfTI file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NiftiErrorKind {
    /// The operating system could not open, read or write the file.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// There is something of that name, but not a regular file.
    #[error("it is not a regular file")]
    NotRegular,
    /// The gzip stream is damaged.
    #[error("its compressed data is damaged ({reason}): copy or compress it again")]
    Compression {
        /// What the decompressor found.
        reason: String,
    },
    /// It does not begin as a NIfTI file does.
    #[error("not a NIfTI file: {reason}")]
    NotNifti {
        /// What is there instead.
        reason: String,
    },
    /// A field of the header has a value that cannot be.
    #[error("its header is damaged: `{field}` is {value}; {wanted}")]
    Field {
        /// The field, by the format's name.
        field: String,
        /// What it holds.
        value: String,
        /// What it must be.
        wanted: String,
    },
    /// Voxels are something other than one number each.
    #[error("its voxels are {found}; they must be integers or floats of at most 64 bits")]
    ElementType {
        /// What they are.
        found: String,
    },
    /// There are more axes than three.
    #[error(
        "it has {} voxels along its axes, so it is no single 3-D volume: split it into one file \
         per volume",
        times(found)
    )]
    Axes {
        /// The voxels along each axis, x first.
        found: Vec<u64>,
    },
    /// The file ends before its voxels do.
    #[error("it ends too early: its header announces {announced} bytes, and there {found}")]
    Truncated {
        /// Where the voxels would end.
        announced: u64,
        /// What there is: "are 1000", …
        found: String,
    },
    /// The voxels need more memory than there is.
    #[error("its voxels need {bytes} bytes of memory, more than there is")]
    Memory {
        /// How many bytes.
        bytes: u64,
    },
    /// A voxel of a label image that is no label.
    #[error("voxel {at:?} (z, y, x) is {value}; labels must be whole numbers that fit 64 bits")]
    NotALabel {
        /// The value.
        value: f64,
        /// The voxel, `[z, y, x]`.
        at: [usize; 3],
    },
    /// A label image without a label.
    #[error("it has no label: every voxel is 0, so there is nothing to score")]
    NoLabel,
    /// A label image with more labels than a case can have.
    #[error("it has more than {most} labels; a case can have at most {most}")]
    TooManyLabels {
        /// As many as a case can have.
        most: usize,
    },
    /// A volume with an axis that the format cannot express.
    #[error("a volume of shape {shape:?} does not fit the format")]
    Unwritable {
        /// The shape (z, y, x).
        shape: [usize; 3],
    },
}

impl NiftiErrorKind {
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, source }
    }

    pub(super) fn field(field: &str, value: impl ToString, wanted: &str) -> Self {
        Self::Field {
            field: field.to_owned(),
            value: value.to_string(),
            wanted: wanted.to_owned(),
        }
    }
}

fn times(axes: &[u64]) -> String {
    let axes: Vec<String> = axes.iter().map(u64::to_string).collect();
    axes.join(" × ")
}
