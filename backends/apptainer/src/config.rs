//! The options of the backend.

use std::collections::BTreeMap;
use std::path::PathBuf;

use bytesize::ByteSize;
use segarena_container::options::{ContainerOptions, Gpus};
use segarena_contract::{Lifetime, Limit};
use serde::Deserialize;

/// The keys of `[backend]` with `kind = "apptainer"` or `"singularity"`. They mean what they mean
/// for a container engine; what Apptainer can't do has no key.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// `apptainer` or `singularity`.
    pub kind: String,
    /// How long a submission lives, which each session is told.
    pub lifetime: Lifetime,
    /// Environment variables for every submission.
    pub env: BTreeMap<String, String>,
    /// What is run in a container, unless the submission says otherwise.
    pub command: Vec<String>,
    /// Memory.
    pub memory: ByteSize,
    /// Processor cores; left out: all.
    pub cpus: Option<f64>,
    /// Processes.
    pub pids: i64,
    /// `none`, `host`, or a network that Apptainer is set up for.
    pub network: String,
    /// Graphics cards.
    pub gpus: Gpus,
    /// Limits that may go unenforced where Apptainer can't enforce them.
    pub allow_unenforced: Vec<Limit>,
    /// What an archive may hold unpacked.
    pub archive_size: ByteSize,
    /// Where converted images are kept, for the next run and for other nodes; left out: a folder
    /// that goes with the run.
    pub image_dir: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let engine = ContainerOptions::default();
        Self {
            kind: String::new(),
            lifetime: Lifetime::default(),
            env: engine.env,
            command: engine.command,
            memory: engine.memory,
            cpus: engine.cpus,
            pids: engine.pids,
            network: engine.network,
            gpus: engine.gpus,
            allow_unenforced: engine.allow_unenforced,
            archive_size: engine.archive_size,
            image_dir: None,
        }
    }
}
