//! What a backend says of itself on this machine.

use serde::{Deserialize, Serialize};

/// A limit that a configuration can ask a backend to enforce.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Limit {
    /// Wall time of an interaction.
    Time,
    /// Memory, with swap.
    Memory,
    /// Processor cores.
    Cpus,
    /// Number of processes.
    Pids,
    /// Size of shared memory.
    SharedMemory,
    /// No network.
    Network,
    /// No file of the host but the two work folders.
    Filesystem,
    /// No gain of privileges.
    Privileges,
    /// Graphics cards.
    Gpus,
}

/// Whether a limit holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Enforcement {
    /// It holds here.
    Enforced,
    /// It was asked for and does not hold here.
    NotEnforced {
        /// Why not.
        reason: String,
    },
    /// The configuration does not ask for it.
    NotAsked,
}

/// One limit and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitStatus {
    /// Which limit.
    pub limit: Limit,
    /// Whether it holds.
    pub enforcement: Enforcement,
}

/// What a backend says of itself on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BackendStatus {
    /// The engine's name, for people: `Docker Engine`, `this machine`.
    pub engine: String,
    /// Its version, where it has one.
    pub version: Option<String>,
    /// Further facts worth a line each (`rootless`: `yes`; `cgroup`: `v2`).
    pub facts: Vec<(String, String)>,
    /// The limits and whether they hold.
    pub limits: Vec<LimitStatus>,
    /// What a person should know before a run with this backend, if anything.
    pub caution: Option<String>,
}
