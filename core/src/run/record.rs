//! `run.json`: what was evaluated, how, and how far it came.

use std::sync::Arc;

use segarena_dialogue::Track;
use segarena_dialogue::clicks::ChallengePolicy;
use segarena_dialogue::tracks::{TrackOptions, built_in};
use serde::{Deserialize, Serialize};

use crate::backend::{Lifetime, LimitStatus};
use crate::protocol::Protocol;

/// The record of a run, `OUT/run.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunRecord {
    /// The version of this record's form, [`RunRecord::SCHEMA`].
    pub schema: u32,
    /// segarena's version.
    pub segarena: String,
    /// The run's unique id.
    pub run_id: String,
    /// When it began, RFC 3339, UTC.
    pub started: String,
    /// When it ended; none while it goes on, or where it was killed.
    pub finished: Option<String>,
    /// The protocol's options.
    pub protocol: Protocol,
    /// The id of the track.
    #[serde(default = "crate::record::first_track")]
    pub track: String,
    /// The click policy with its options.
    pub click_policy: String,
    /// The backend's kind.
    pub backend: String,
    /// The engine and its version.
    pub engine: String,
    /// The limits that submissions ran under, and those that could not be enforced.
    #[serde(default)]
    pub limits: Vec<LimitStatus>,
    /// How long a submission that was started lived.
    #[serde(default)]
    pub lifetime: Lifetime,
    /// Cases side by side.
    pub jobs: usize,
    /// The images folder.
    pub images: String,
    /// The ground truth folder, where it is another.
    pub ground_truth: Option<String>,
    /// The cases in order.
    pub cases: Vec<CaseIdentity>,
    /// The submissions in order.
    pub submissions: Vec<SubmissionState>,
}

impl RunRecord {
    /// The version of the form of `run.json`.
    pub const SCHEMA: u32 = 1;

    /// The run's track, as `known_track` knows it.
    pub fn track(&self) -> Option<Arc<dyn Track>> {
        known_track(&self.track, &self.protocol)
    }
}

/// The track with this id, for tables and columns; clicks would be placed by the challenge's
/// policy. `None` where this version of segarena does not know it.
pub(crate) fn known_track(id: &str, protocol: &Protocol) -> Option<Arc<dyn Track>> {
    let name = id.split('@').next()?;
    let options = TrackOptions {
        protocol: protocol.clone(),
        policy: Arc::new(ChallengePolicy),
    };
    built_in(name, &options)
}

/// A case and what its files were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseIdentity {
    /// The case's file name.
    pub name: String,
    /// The SHA-256 of its files.
    pub sha256: String,
}

/// How far a submission came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubmissionState {
    /// Its name.
    pub name: String,
    /// How far it came.
    pub state: Progress,
    /// What was run, where it came to that.
    pub fingerprint: Option<String>,
    /// Why it could not be run, where it could not.
    pub error: Option<String>,
    /// Remarks made while it was prepared.
    pub notes: Vec<String>,
}

/// How far a submission came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Progress {
    /// Not begun.
    Waiting,
    /// Begun, not finished.
    Running,
    /// All cases are done.
    Done,
    /// It could not be made runnable.
    Failed,
}
