//! `segarena init`: a configuration for what is in a folder.

use std::time::Duration;

use anyhow::Context;
use segarena_core::results::write_whole;

use crate::args::InitOptions;
use crate::config::{ConfigError, Place};
use crate::exit::ExitStatus;
use crate::init::{Engine, FolderContents, config, summary};
use crate::registry::{BackendSection, ENGINES, Registry};
use crate::slurm;
use crate::stdout;

const NAME: &str = "segarena.toml";
/// So long an engine may take to answer.
const CHECK_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn init(registry: &Registry, options: &InitOptions) -> anyhow::Result<ExitStatus> {
    let file = options.folder.join(NAME);
    let shown = file.strip_prefix(".").unwrap_or(&file);
    if file.exists() && !options.force {
        let message = format!(
            "{} is there already and stays as it is; --force replaces it",
            shown.display()
        );
        let place = Place::Flag("init");
        return Err(ConfigError::Value { place, message }.into());
    }
    let mut contents = FolderContents::of(&options.folder)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    contents.engines = runtime.block_on(engines(registry));
    contents.slurm = slurm::version();
    write_whole(&file, config(&contents).as_bytes())?;
    stdout::print(&summary(&contents, shown));
    Ok(ExitStatus::Done)
}

/// The engines and what they answer.
async fn engines(registry: &Registry) -> Vec<Engine> {
    let mut engines = Vec::new();
    for kind in ENGINES {
        let Some(backend) = registry.backend(&BackendSection::without_file(kind)) else {
            continue;
        };
        let answer = match backend {
            Err(error) => Err(error.to_string()),
            Ok(backend) => {
                let answer = tokio::time::timeout(CHECK_TIMEOUT, backend.check()).await;
                // It may have started a service to ask.
                let _ = backend.shut_down().await;
                match answer {
                    Err(_) => Err(format!("no answer within {} s", CHECK_TIMEOUT.as_secs())),
                    Ok(Err(error)) => Err(error.to_string()),
                    Ok(Ok(status)) => {
                        let version = status.version.unwrap_or_default();
                        Ok(format!("{} {version}", status.engine).trim_end().to_owned())
                    }
                }
            }
        };
        engines.push(Engine {
            kind: kind.to_owned(),
            answer,
        });
    }
    engines
}
