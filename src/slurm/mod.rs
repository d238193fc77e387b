//! What Slurm is given: three scripts, and how they are submitted; which Slurm that is.

mod script;
mod site;
mod submission;

pub(crate) use script::{Scripts, ranges};
pub(crate) use site::{Job, Site, version};
pub(crate) use submission::{JobId, cancel, submit};
