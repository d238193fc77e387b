//! The options of a container, the same for every engine.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytesize::ByteSize;
use segarena_contract::{Lifetime, Limit};
use serde::Deserialize;

/// The keys of `[backend]` that every container engine knows.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ContainerOptions {
    /// The kind of backend.
    pub kind: String,
    /// How long a submission lives, which each session is told.
    pub lifetime: Lifetime,
    /// The engine's socket; left out: where the engine's own tools look for it.
    pub socket: Option<String>,
    /// Environment variables for every submission.
    pub env: BTreeMap<String, String>,
    /// What is run in a container, unless the submission says otherwise.
    pub command: Vec<String>,
    /// Memory.
    pub memory: ByteSize,
    /// Memory and swap together; left out: as much as `memory`, so no swap.
    pub memory_swap: Option<ByteSize>,
    /// Processor cores; left out: all.
    pub cpus: Option<f64>,
    /// Size of `/dev/shm`; left out: the engine's default.
    pub shm_size: Option<ByteSize>,
    /// Processes.
    pub pids: i64,
    /// The network: `none`, or one that the engine knows.
    pub network: String,
    /// Whether a program may not gain privileges (setuid and the like).
    pub no_new_privileges: bool,
    /// Graphics cards.
    pub gpus: Gpus,
    /// How much is taken away from a container.
    pub isolation: Isolation,
    /// Limits that may go unenforced where the engine can't enforce them.
    pub allow_unenforced: Vec<Limit>,
    /// Leave the images loaded from archives with the engine.
    pub keep_image: bool,
    /// What an archive may hold unpacked.
    pub archive_size: ByteSize,
    /// How long an archive may take to be loaded.
    pub load_timeout_seconds: u64,
}

/// How much is taken away from a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Isolation {
    /// As the challenge runs it.
    Challenge,
    /// No capabilities, a read-only root, and tmpfs on `/tmp` and the home folder.
    Strict,
}

/// Which graphics cards a container gets.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Gpus {
    /// The first, where the engine has any (each worker its own, where it has several).
    Auto,
    /// None.
    None,
    /// All.
    All,
    /// Those with these ids.
    Ids(Vec<String>),
}

/// As the configuration says it.
impl fmt::Display for Gpus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => write!(f, "auto"),
            Self::None => write!(f, "none"),
            Self::All => write!(f, "all"),
            Self::Ids(ids) => write!(f, "{}", ids.join(",")),
        }
    }
}

impl From<String> for Gpus {
    fn from(text: String) -> Self {
        match text.as_str() {
            "auto" => Self::Auto,
            "none" | "" => Self::None,
            "all" => Self::All,
            ids => Self::Ids(ids.split(',').map(|id| id.trim().to_owned()).collect()),
        }
    }
}

impl Default for ContainerOptions {
    fn default() -> Self {
        Self {
            kind: String::new(),
            lifetime: Lifetime::default(),
            socket: None,
            env: BTreeMap::new(),
            command: ["/bin/bash", "-c", "sh predict.sh"]
                .map(str::to_owned)
                .to_vec(),
            memory: ByteSize::gib(32),
            memory_swap: None,
            cpus: None,
            shm_size: None,
            pids: 4096,
            network: "none".to_owned(),
            no_new_privileges: true,
            gpus: Gpus::Auto,
            isolation: Isolation::Challenge,
            allow_unenforced: Vec::new(),
            keep_image: false,
            archive_size: ByteSize::gib(64),
            load_timeout_seconds: 3600,
        }
    }
}

impl ContainerOptions {
    /// Memory in bytes, as engines want it.
    pub fn memory_bytes(&self) -> i64 {
        bytes(self.memory)
    }

    /// Memory and swap together in bytes.
    pub fn memory_swap_bytes(&self) -> i64 {
        bytes(self.memory_swap.unwrap_or(self.memory))
    }

    /// How long an archive may take to be loaded.
    pub fn load_timeout(&self) -> Duration {
        Duration::from_secs(self.load_timeout_seconds)
    }

    /// Size of `/dev/shm` in bytes.
    pub fn shm_bytes(&self) -> Option<i64> {
        self.shm_size.map(bytes)
    }

    /// The limits that this configuration asks for.
    pub fn asked(&self) -> Vec<Limit> {
        let mut asked = vec![Limit::Time, Limit::Memory, Limit::Pids, Limit::Filesystem];
        asked.extend(self.cpus.map(|_| Limit::Cpus));
        asked.extend(self.shm_size.map(|_| Limit::SharedMemory));
        asked.extend((self.network == "none").then_some(Limit::Network));
        asked.extend(self.no_new_privileges.then_some(Limit::Privileges));
        asked
    }
}

fn bytes(size: ByteSize) -> i64 {
    i64::try_from(size.as_u64()).unwrap_or(i64::MAX)
}
