//! How long submissions are to live: by the flag, else by the file.

use segarena_core::backend::{InferenceBackend, Lifetime};

use crate::config::{ConfigError, LoadedConfig, Place};

/// The lifetime that was asked for. What the file says holds for the kind of backend that it names.
///
/// # Errors
/// When this backend can't keep a submission warm.
pub(crate) fn lifetime(
    flag: Option<Lifetime>,
    config: Option<&LoadedConfig>,
    backend: &dyn InferenceBackend,
) -> Result<Lifetime, ConfigError> {
    let in_file = config.and_then(|config| {
        let table = config.file.backend.as_ref()?;
        let lifetime = table.lifetime.as_ref()?;
        (table.kind.get_ref() == backend.kind()).then(|| {
            let place = config.place("backend.lifetime", lifetime);
            (*lifetime.get_ref(), place)
        })
    });
    let by_flag = flag.map(|lifetime| (lifetime, Place::Flag("--lifetime")));
    match by_flag.or(in_file) {
        Some((lifetime, place)) if lifetime.is_warm() && !backend.keeps_warm() => {
            Err(ConfigError::Value {
                place,
                message: format!(
                    "backend `{}` starts a submission anew for each interaction and cannot keep \
                     it for a {lifetime}",
                    backend.kind()
                ),
            })
        }
        chosen => Ok(chosen.map_or(Lifetime::Interaction, |(lifetime, _)| lifetime)),
    }
}
