//! The heart of segarena: what an interactive segmentation evaluation *is*.
//!
//! Four storeys, each using only what is below it:
//!
//! 1. [`volume`]: pure kernels on array views, a crate of its own. No files, no protocol.
//! 2. [`npz`], [`nifti`]: file formats, a crate of its own. Untrusted files in, model inputs and
//!    results out.
//! 3. [`dialogue`], the conversation as a state machine, and [`backend`], the contract with what
//!    runs submissions: two more crates.
//! 4. [`session`] and [`run`]: one case's interactions; many cases and submissions.
//!
//! This crate knows no container engine, no terminal and no command line.
#![warn(missing_docs)]

pub mod case;
pub mod event;
pub mod hash;
pub mod machine;
pub mod prompt;
pub mod record;
pub mod results;
mod retry;
pub mod run;
pub mod session;
pub mod work;

pub use segarena_contract as backend;
pub use segarena_dialogue as dialogue;
pub use segarena_dialogue::{clicks, protocol};
pub use segarena_formats::{nifti, npz};
pub use segarena_kernels as volume;
pub use segarena_kernels::score;
