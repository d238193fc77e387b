//! `segarena doctor`: what runs here, and which limits hold, proved by trying to break them.

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use segarena_container::limits::key;
use segarena_core::backend::BackendStatus;
use serde::Serialize;
use serde_json::Value;

use crate::args::DoctorOptions;
use crate::config::LoadedConfig;
use crate::doctor::{Examination, Verdict, examine};
use crate::exit::ExitStatus;
use crate::registry::{BackendSection, Registry};
use crate::slurm::{Job, Site};
use crate::stderr;
use crate::stdout;

pub(crate) fn doctor(registry: &Registry, options: &DoctorOptions) -> anyhow::Result<ExitStatus> {
    let sections = sections(registry, options)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut examinations = Vec::new();
    for section in &sections {
        stderr::line(format_args!("examining {} …", section.kind()));
        examinations.push(runtime.block_on(examine(registry, section)));
    }
    let site = Site::here();
    if options.json {
        stdout::print(&(json(&examinations, site)? + "\n"));
    } else {
        for examination in &examinations {
            stdout::line(describe(examination));
        }
        if let Some(site) = site {
            stdout::line(site.words());
        }
    }
    // Without a choice, what is not here is no failure: something else may be.
    let chosen = options.backend.is_some() || options.config.is_some();
    let fails = examinations.iter().any(is_in_the_way);
    Ok(if chosen && fails {
        ExitStatus::Failed
    } else {
        ExitStatus::Done
    })
}

/// Slurm, which runs nothing by itself, told like a backend, so that who reads only those finds
/// nothing else.
#[derive(Serialize)]
struct SlurmExamination {
    #[serde(flatten)]
    examination: Examination,
    /// The job that this is in.
    job: Option<Job>,
}

/// A list of the backends and, where there is one, of Slurm.
fn json(examinations: &[Examination], site: Option<Site>) -> serde_json::Result<String> {
    let mut all: Vec<Value> = examinations
        .iter()
        .map(serde_json::to_value)
        .collect::<Result<_, _>>()?;
    if let Some(Site { version, job }) = site {
        let status = BackendStatus {
            engine: "Slurm".to_owned(),
            version,
            ..BackendStatus::default()
        };
        all.push(serde_json::to_value(SlurmExamination {
            examination: Examination::usable("slurm", status),
            job,
        })?);
    }
    serde_json::to_string_pretty(&all)
}

/// The backend that was chosen, or all there are.
fn sections(registry: &Registry, options: &DoctorOptions) -> anyhow::Result<Vec<BackendSection>> {
    let config = options
        .config
        .as_deref()
        .map(LoadedConfig::load)
        .transpose()?;
    let in_file = config.as_ref().and_then(|config| {
        let kind = config.file.backend.as_ref()?.kind.get_ref();
        Some(BackendSection::in_file(kind, &config.path, &config.text))
    });
    Ok(match (&options.backend, in_file) {
        (None, Some(section)) => vec![section],
        (Some(kind), Some(section)) if section.kind() == kind => vec![section],
        (Some(kind), _) => vec![BackendSection::without_file(kind)],
        (None, None) => registry
            .backend_kinds()
            .into_iter()
            .map(BackendSection::without_file)
            .collect(),
    })
}

fn is_in_the_way(examination: &Examination) -> bool {
    let broken = |proof: &crate::doctor::Proof| proof.verdict == Verdict::Broken;
    !examination.usable || examination.proofs.iter().any(broken)
}

fn describe(examination: &Examination) -> String {
    let mut text = format!("{}: ", examination.kind);
    match &examination.status {
        Some(status) => {
            text.push_str(&status.engine);
            if let Some(version) = &status.version {
                text.push_str(&format!(" {version}"));
            }
            for (name, value) in &status.facts {
                text.push_str(&format!(", {name}: {value}"));
            }
        }
        None => text.push_str("not usable"),
    }
    text.push('\n');
    if let Some(problem) = &examination.problem {
        text.push_str(&format!("  cannot run as configured: {problem}\n"));
    }
    if let Some(caution) = examination.status.as_ref().and_then(|s| s.caution.as_ref()) {
        text.push_str(&format!("  {caution}\n"));
    }
    if !examination.proofs.is_empty() {
        let mut table = Table::new();
        table
            .load_style(UTF8_HORIZONTAL_ONLY)
            .set_header(["limit", "here", "what was seen"]);
        for proof in &examination.proofs {
            let verdict = match proof.verdict {
                Verdict::Holds => "holds",
                Verdict::Broken => "BROKEN",
                Verdict::CannotBeHad => "cannot be had",
                Verdict::Unclear => "unclear",
            };
            table.add_row([&key(proof.limit), verdict, &proof.seen]);
        }
        text.push_str(&format!("{table}\n"));
    }
    text
}
