//! What can be wrong with an argument's values, found without Python's lock.

use pyo3::PyErr;
use pyo3::exceptions::PyValueError;
use segarena_core::volume::LabelKeys;

/// What is wrong with an argument's values.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A value that no label can have.
    #[error("{value} cannot be a label: labels must be integers that fit 64 bits")]
    NoLabel {
        /// The value.
        value: String,
    },
    /// More labels than a case can have.
    #[error(
        "there are {count} labels or more, but a case can have {most}: name those that matter in \
         labels",
        most = LabelKeys::MOST
    )]
    TooManyLabels {
        /// As many were found.
        count: usize,
    },
    /// An instance's number beyond a byte.
    #[error("{name} has the instance {value}, but instances must be numbered from 0 to 255")]
    Instance {
        /// The argument.
        name: &'static str,
        /// The number.
        value: i64,
    },
}

impl From<Problem> for PyErr {
    fn from(problem: Problem) -> Self {
        PyValueError::new_err(problem.to_string())
    }
}
