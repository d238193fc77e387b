//! The heart of segarena: what an interactive segmentation evaluation *is*.
//!
//! Four storeys, each using only what is below it:
//!
//! 1. [`volume`]: pure kernels on array views. No files, no protocol.
//! 2. [`npz`]: file formats. Untrusted archives in, model inputs and results out.
//! 3. [`clicks`], [`score`], [`backend`], [`mod@case`]: the protocol's vocabulary and the two
//!    contracts, [`clicks::ClickPolicy`] and [`backend::InferenceBackend`].
//! 4. [`session`] and [`run`]: one case's interactions; many cases and submissions.
//!
//! This crate knows no container engine, no terminal and no command line.
#![warn(missing_docs)]

pub mod backend;
pub mod case;
pub mod clicks;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod event;
pub mod npz;
pub mod prompt;
pub mod protocol;
pub mod record;
mod removal;
pub mod results;
pub mod run;
pub mod score;
pub mod session;
pub mod volume;
pub mod work;
