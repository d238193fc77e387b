//! A value of the command line or the configuration, with where it was given.

use std::path::{Path, PathBuf};

use crate::config::{ConfigError, Place};

/// A value and where it was given.
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) place: Place,
}

/// A folder that is there.
pub(crate) fn folder(setting: Setting<PathBuf>, role: &str) -> Result<PathBuf, ConfigError> {
    let path: &Path = &setting.value;
    let problem = match path.metadata() {
        Ok(found) if found.is_dir() => return Ok(setting.value),
        Ok(_) => format!("{} is no folder", path.display()),
        Err(error) => format!("there is no {role} folder {}: {error}", path.display()),
    };
    Err(ConfigError::Value {
        place: setting.place,
        message: format!("{problem} (check the path)"),
    })
}
