//! The conversation with a submission: prompts, clicks, scores.
//!
//! No file, no clock, no process: whoever has these drives it.
#![warn(missing_docs)]

pub mod clicks;
pub mod history;
pub mod protocol;
