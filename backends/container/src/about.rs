//! What an engine says of itself.

use std::path::PathBuf;

/// What an engine is and what it can enforce here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name, for people.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether its root is an ordinary user outside.
    pub rootless: bool,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// The processor architecture as Go names it: `amd64`.
    pub architecture: String,
    /// Whether it limits memory.
    pub memory: bool,
    /// Whether it limits swap.
    pub swap: bool,
    /// Whether it limits processes.
    pub pids: bool,
    /// Whether it limits processor time.
    pub cpus: bool,
    /// The graphics cards that a container can be given, by id; `None`: no way to give any.
    pub gpus: Option<Vec<String>>,
    /// The folder of its images, where it tells it.
    pub store: Option<PathBuf>,
    /// What a person should know before a run with it, if anything.
    pub caution: Option<String>,
    /// Further facts for people.
    pub facts: Vec<(String, String)>,
}

impl About {
    /// This process's user and group as its containers count them, `UID:GID`.
    pub fn us(&self) -> String {
        if self.rootless {
            return "0:0".to_owned();
        }
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        format!("{}:{}", user.as_raw(), group.as_raw())
    }
}
