//! `segarena replay`: an interaction of a past run again, by hand.

use std::path::{Path, PathBuf};

use anyhow::Context;
use segarena_core::backend::Submission;
use segarena_core::hash::hash_case;
use segarena_core::run::{PastRun, PastSubmission};

use crate::args::ReplayOptions;
use crate::config::LoadedConfig;
use crate::exit::ExitStatus;
use crate::registry::BackendSection;
use crate::replay::{ReplayCommand, make};
use crate::report::case_files;
use crate::stderr;
use crate::stdout;
use crate::submissions::Found;

/// The configuration that is taken when none is named.
const CONFIG: &str = "segarena.toml";

pub(crate) fn replay(options: &ReplayOptions) -> anyhow::Result<ExitStatus> {
    let mut run = PastRun::read(&options.results)?;
    if let Some(images) = &options.images {
        run.record.images = images.to_string_lossy().into_owned();
    }
    let past = submission_of(&run, &options.team)?;
    let case = format!("{}.npz", options.case.trim_end_matches(".npz"));
    let record = past.cases.iter().find(|record| record.case == case);
    let record = record.with_context(|| {
        let names = past.cases.iter().map(|record| record.case.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        format!("{} has no finished case {case}; it has {names}", past.name)
    })?;
    let files = case_files(&run, &record.case);
    let folder = match &options.output {
        Some(folder) => ours(folder)?.to_owned(),
        None => {
            past.files
                .folder()
                .join(format!("replay/{}.{}", files.stem(), options.interaction))
        }
    };
    let replayed = make(
        record,
        options.interaction,
        &files.image,
        &past.files.predictions(files.stem()),
        &past.files.kept(files.stem()),
        &folder,
    )?;
    let known = run.record.cases.iter().find(|known| known.name == case);
    if let (Some(known), Ok(now)) = (known, hash_case(&files))
        && known.sha256 != now
    {
        stderr::line("note: the image or the ground truth is not the file that was evaluated");
    }
    stdout::print(&format!(
        "inputs   {}\noutputs  {} ({})\n",
        replayed.inputs.display(),
        replayed.outputs.display(),
        replayed.left
    ));
    let Some((section, submission)) = configured(options)? else {
        if options.run {
            anyhow::bail!(
                "no configuration says how `{}` is run: give it by --config FILE",
                options.team
            );
        }
        stdout::print("command  give --config FILE, and it is told here\n");
        return Ok(ExitStatus::Done);
    };
    let command = ReplayCommand::new(
        &section.for_output(&run.output),
        &submission,
        image_of(&run, &past.name),
        &record.case,
        &replayed,
    )?;
    stdout::print(&format!("command\n{}\n", command.line()));
    if !options.run {
        return Ok(ExitStatus::Done);
    }
    let status = command.run()?;
    stderr::line(format_args!("it ended with {status}"));
    Ok(match status.success() {
        true => ExitStatus::Done,
        false => ExitStatus::SomeFailed,
    })
}

/// A folder that may be made anew: it is not there, or holds nothing but what replay makes.
fn ours(folder: &Path) -> anyhow::Result<&Path> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let is_ours = |name: &std::ffi::OsStr| name == "inputs" || name == "outputs";
    if entries
        .map(|entry| entry.file_name())
        .any(|name| !is_ours(&name))
    {
        anyhow::bail!("{} holds other files; name a new folder", folder.display());
    }
    Ok(folder)
}

fn submission_of<'r>(run: &'r PastRun, team: &str) -> anyhow::Result<&'r PastSubmission> {
    let found = run.submissions.iter().find(|past| past.name == team);
    found.with_context(|| {
        let names = run.submissions.iter().map(|past| past.name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        format!(
            "{} has no submission `{team}`; it has {names}",
            run.output.display()
        )
    })
}

/// The image that ran, which is what the fingerprint of a container begins with.
fn image_of<'r>(run: &'r PastRun, team: &str) -> Option<&'r str> {
    let state = run
        .record
        .submissions
        .iter()
        .find(|state| state.name == team)?;
    let (image, _) = state.fingerprint.as_ref()?.split_once(" runs ")?;
    image.starts_with("sha256:").then_some(image)
}

/// How the configuration has the submission run; none where there is no configuration.
fn configured(options: &ReplayOptions) -> anyhow::Result<Option<(BackendSection, Submission)>> {
    let file = match &options.config {
        Some(file) => file.clone(),
        None if Path::new(CONFIG).is_file() => PathBuf::from(CONFIG),
        None => return Ok(None),
    };
    let config = LoadedConfig::load(&file)?;
    let kind = config
        .file
        .backend
        .as_ref()
        .map(|backend| backend.kind.get_ref());
    let section = match kind {
        Some(kind) => BackendSection::in_file(kind, &config.path, &config.text),
        None => BackendSection::without_file(segarena_docker::KIND),
    };
    let mut found = Found::default();
    for table in &config.file.submission {
        found.add(&config, table, section.kind())?;
    }
    let submission = found
        .into_submissions()
        .into_iter()
        .find(|submission| submission.name == options.team)
        .with_context(|| {
            format!(
                "{} has no [[submission]] named `{}`",
                file.display(),
                options.team
            )
        })?;
    Ok(Some((section, submission)))
}
