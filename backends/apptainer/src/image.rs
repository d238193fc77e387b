//! An image that can be run, and what its maker said of it.

use std::path::{Path, PathBuf};

use segarena_contract::ImageFacts;
use serde::{Deserialize, Serialize};

/// What an image says of itself, kept beside it: Apptainer forgets most of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageConfig {
    /// What an engine would tell of it.
    pub(crate) facts: ImageFacts,
    /// Its variables, `NAME=VALUE`.
    pub(crate) variables: Vec<String>,
}

impl ImageConfig {
    /// Whether its processes believe themselves to be root.
    pub(crate) fn runs_as_root(&self) -> bool {
        matches!(self.facts.user.split(':').next(), Some("" | "0" | "root"))
    }
}

/// An image on this machine: a SIF file or a sandbox folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Image {
    /// The file or folder, absolute.
    pub(crate) path: PathBuf,
    /// What is known of it: of one that was converted here, everything.
    pub(crate) config: Option<ImageConfig>,
}

/// The file beside a converted image that keeps its configuration.
pub(crate) const CONFIG_FILE: &str = "segarena-image.json";

impl Image {
    /// The image at `path` with the configuration kept beside it, if there is one.
    pub(crate) fn at(path: &Path) -> Self {
        let config = std::fs::read(path.with_file_name(CONFIG_FILE)).ok();
        Self {
            path: path.to_owned(),
            config: config.and_then(|text| serde_json::from_slice(&text).ok()),
        }
    }

    /// The folder its command runs in. Of an image that says nothing it is the challenge's, which
    /// is there in any case: the two folders are mounted into it.
    pub(crate) fn workdir(&self) -> &str {
        match &self.config {
            None => "/workspace",
            Some(config) if config.facts.workdir.is_empty() => "/",
            Some(config) => &config.facts.workdir,
        }
    }

    /// What goes before its command.
    pub(crate) fn entrypoint(&self) -> &[String] {
        self.config
            .as_ref()
            .map_or(&[], |config| config.facts.entrypoint.as_slice())
    }
}
