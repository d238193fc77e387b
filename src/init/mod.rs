//! A configuration for what is in a folder.

mod config_file;
mod contents;

pub(crate) use config_file::{config, summary};
pub(crate) use contents::{Engine, FolderContents};
