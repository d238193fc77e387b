//! What Slurm is given: three scripts, and how they are submitted.

mod script;
mod submission;

pub(crate) use script::{Scripts, ranges};
pub(crate) use submission::{JobId, cancel, submit};
