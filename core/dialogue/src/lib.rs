//! The conversation with a submission: prompts, clicks, scores.
//!
//! No file, no clock, no process: whoever has these drives it.
#![warn(missing_docs)]

pub mod clicks;
mod dialogue;
pub mod history;
mod prompt;
pub mod protocol;
mod track;
pub mod tracks;

pub use dialogue::{Answer, Dialogue, Scores, Skipped};
pub use prompt::{ImageMembers, Member, Prompt, PromptKind, TextPrompt, Value};
pub use track::{CaseProblem, CaseResult, CaseTruth, InteractionResult, Track, TruthReading};
