//! The one suite that every [`InferenceBackend`] passes, whatever it runs submissions on.
//!
//! A backend joins by being a [`Subject`]: it says how a shell script becomes a submission. The
//! suite then runs whole evaluations of tiny cases with it and looks at what comes out: the
//! records, the files, and the processes of this machine.
//!
//! Behaviours fail by panicking, as tests do.
#![allow(clippy::unwrap_used)] // a suite of tests, for test programs alone

/// Behaviours under the names of their functions.
macro_rules! named {
    ($($name:ident),+ $(,)?) => {
        pub(super) const BEHAVIOURS: &[$crate::Behaviour] =
            &[$($crate::Behaviour { name: stringify!($name), show: $name }),+];
    };
}

mod endings;
mod forgery;
mod hostile;
mod leftovers;
mod stage;
mod state;
mod warm;

use std::sync::Arc;

use segarena_core::backend::{InferenceBackend, Submission};

/// A backend under test.
pub trait Subject: Sync {
    /// The backend, allowing a submission so much memory in bytes, where it limits memory.
    fn backend(&self, memory: u64) -> Arc<dyn InferenceBackend>;

    /// A submission that runs `script` with a POSIX shell. It has the variables `INPUTS`,
    /// `OUTPUTS` and `CASE`, and the programs `cat`, `chmod`, `dd`, `ln`, `ls`, `mkdir`,
    /// `mkfifo`, `rm`, `seq`, `setsid`, `sleep`, `touch` and `xargs`.
    fn submission(&self, name: &str, script: &str) -> Submission;

    /// A submission whose program or image is not there.
    fn missing(&self, name: &str) -> Submission;
}

/// Something that every backend does.
#[derive(Clone, Copy)]
pub struct Behaviour {
    /// A sentence, with underscores.
    pub name: &'static str,
    show: fn(&dyn Subject),
}

impl Behaviour {
    /// Shows that a backend behaves so.
    ///
    /// # Panics
    /// When it does not.
    pub fn show(&self, subject: &dyn Subject) {
        (self.show)(subject);
    }
}

/// All there is to show.
pub fn behaviours() -> Vec<Behaviour> {
    [
        endings::BEHAVIOURS,
        state::BEHAVIOURS,
        leftovers::BEHAVIOURS,
        hostile::BEHAVIOURS,
    ]
    .concat()
}

/// What there is to show of a backend that can keep a submission warm.
pub fn warm_behaviours() -> Vec<Behaviour> {
    warm::BEHAVIOURS.to_vec()
}
