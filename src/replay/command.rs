//! The command that ran an interaction, to be run by hand.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use anyhow::Context;
use segarena_apptainer::{ByHand, converted_image};
use segarena_container::folders::{INPUTS, OUTPUTS};
use segarena_container::options::ContainerOptions;
use segarena_core::backend::{Placeholders, Submission, SubmissionSource};
use segarena_process::ProcessBackend;

use super::Replayed;
use crate::registry::BackendSection;

/// What is run, where, and with which variables.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ReplayCommand {
    /// The program and its arguments.
    argv: Vec<String>,
    /// Where it runs; none: anywhere.
    workdir: Option<PathBuf>,
    /// Variables beside those of the shell.
    variables: Vec<(String, String)>,
    /// What has to be done before, in words of a shell.
    before: Option<String>,
}

impl ReplayCommand {
    /// The command of a submission on the backend of this section. `image` is the id of the image
    /// that ran, where the record has one.
    ///
    /// # Errors
    /// When this backend's interactions can't be run by hand.
    pub(crate) fn new(
        section: &BackendSection,
        submission: &Submission,
        image: Option<&str>,
        case: &str,
        folders: &Replayed,
    ) -> anyhow::Result<Self> {
        match section.kind() {
            ProcessBackend::KIND => native(section, submission, case, folders),
            segarena_docker::KIND | segarena_podman::KIND => {
                container(section, submission, image, case, folders)
            }
            segarena_apptainer::KIND | segarena_apptainer::SINGULARITY => {
                apptainer(section, submission, image, case, folders)
            }
            other => anyhow::bail!(
                "segarena knows no command line for {other}; the folders are there for one of \
                 your own"
            ),
        }
    }

    /// The command as a line for a shell.
    pub(crate) fn line(&self) -> String {
        let mut words = Vec::new();
        if let Some(folder) = &self.workdir {
            words.push(format!("cd {} &&", quoted(&folder.to_string_lossy())));
        }
        for (name, value) in &self.variables {
            words.push(format!("{name}={}", quoted(value)));
        }
        words.extend(self.argv.iter().map(|word| quoted(word)));
        let line = words.join(" ");
        match &self.before {
            Some(before) => format!("{before}\n{line}"),
            None => line,
        }
    }

    /// Runs it attached to this terminal.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) fn run(&self) -> anyhow::Result<ExitStatus> {
        let mut command = Command::new(&self.argv[0]);
        command
            .args(&self.argv[1..])
            .envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.workdir {
            command.current_dir(folder);
        }
        let started = command.status();
        started.with_context(|| format!("cannot start {}", self.argv[0]))
    }
}

fn native(
    section: &BackendSection,
    submission: &Submission,
    case: &str,
    folders: &Replayed,
) -> anyhow::Result<ReplayCommand> {
    let SubmissionSource::Command { argv, workdir } = &submission.source else {
        anyhow::bail!(
            "`{}` is an image, and the backend is a plain process",
            submission.name
        );
    };
    let places = Placeholders {
        inputs: &folders.inputs,
        outputs: &folders.outputs,
        case,
    };
    let options: segarena_process::Config = section.read()?;
    Ok(ReplayCommand {
        argv: argv.iter().map(|word| places.fill(word)).collect(),
        workdir: Some(workdir.path.clone()),
        variables: variables(options.env, submission, &places),
        before: None,
    })
}

/// The engine's own command line for the container that the backend makes.
fn container(
    section: &BackendSection,
    submission: &Submission,
    image: Option<&str>,
    case: &str,
    folders: &Replayed,
) -> anyhow::Result<ReplayCommand> {
    let kind = section.kind();
    let options: ContainerOptions = section.read()?;
    let (given, before, reference) = match &submission.source {
        SubmissionSource::Image { reference, argv } => (argv, None, reference.clone()),
        SubmissionSource::Archive { path, argv } => {
            let reference = image.context(
                "the record does not say which image of the archive ran; give it as `image` in \
                 the configuration",
            )?;
            let archive = quoted(&path.to_string_lossy());
            let before = format!("{kind} load --input {archive}");
            (argv, Some(before), reference.to_owned())
        }
        SubmissionSource::Command { .. } => anyhow::bail!(
            "`{}` is a plain command, and the backend is {kind}",
            submission.name
        ),
    };
    let places = Placeholders {
        inputs: Path::new(INPUTS),
        outputs: Path::new(OUTPUTS),
        case,
    };
    let mut words: Vec<String> = [kind, "run", "--rm", "-it", "--network", &options.network]
        .map(str::to_owned)
        .to_vec();
    let mut say = |name: &str, value: String| words.extend([name.to_owned(), value]);
    // A limit that the engine can't hold here would only make it refuse.
    let is_allowed = |limit| options.allow_unenforced.contains(&limit);
    if !is_allowed(segarena_core::backend::Limit::Memory) {
        say("--memory", options.memory_bytes().to_string());
        say("--memory-swap", options.memory_swap_bytes().to_string());
    }
    if !is_allowed(segarena_core::backend::Limit::Pids) {
        say("--pids-limit", options.pids.to_string());
    }
    if let Some(cpus) = options
        .cpus
        .filter(|_| !is_allowed(segarena_core::backend::Limit::Cpus))
    {
        say("--cpus", cpus.to_string());
    }
    if let Some(size) = options.shm_bytes() {
        say("--shm-size", size.to_string());
    }
    if options.no_new_privileges {
        say("--security-opt", "no-new-privileges".to_owned());
    }
    for (folder, inside) in [(&folders.inputs, INPUTS), (&folders.outputs, OUTPUTS)] {
        say("--volume", format!("{}:{inside}", folder.display()));
    }
    for (name, value) in variables(options.env.clone(), submission, &places) {
        say("--env", format!("{name}={value}"));
    }
    words.push(reference);
    let argv = given.as_ref().unwrap_or(&options.command);
    words.extend(argv.iter().map(|word| places.fill(word)));
    Ok(ReplayCommand {
        argv: words,
        workdir: None,
        variables: Vec::new(),
        before,
    })
}

/// Apptainer's own command line for the container that the backend makes, without its limits.
fn apptainer(
    section: &BackendSection,
    submission: &Submission,
    image: Option<&str>,
    case: &str,
    folders: &Replayed,
) -> anyhow::Result<ReplayCommand> {
    let config = section.apptainer()?;
    let path = match &submission.source {
        SubmissionSource::Image { reference, .. } => PathBuf::from(reference),
        SubmissionSource::Archive { path, .. } => {
            let store = config.image_dir.as_deref();
            let converted = store
                .zip(image)
                .and_then(|(store, id)| converted_image(store, id));
            converted.with_context(|| {
                format!(
                    "the image that was converted from {} is not in {} any more; evaluate again, or \
                     give the converted one as `image` in the configuration",
                    path.display(),
                    store.unwrap_or(Path::new("the output folder")).display()
                )
            })?
        }
        SubmissionSource::Command { .. } => anyhow::bail!(
            "`{}` is a plain command, and the backend is {}",
            submission.name,
            section.kind()
        ),
    };
    let host = [folders.inputs.as_path(), &folders.outputs];
    let ByHand { argv, variables } = ByHand::new(&config, submission, &path, host, case);
    Ok(ReplayCommand {
        argv,
        workdir: None,
        variables,
        before: None,
    })
}

/// The variables for a submission, its own before those of `[backend]`.
fn variables(
    mut of_backend: std::collections::BTreeMap<String, String>,
    submission: &Submission,
    places: &Placeholders<'_>,
) -> Vec<(String, String)> {
    of_backend.extend(submission.env.clone());
    let all = of_backend.into_iter();
    all.map(|(name, value)| (name, places.fill(&value)))
        .collect()
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,+@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> Replayed {
        Replayed {
            inputs: "/r/in puts".into(),
            outputs: "/r/outputs".into(),
            left: "empty",
        }
    }

    fn submission(source: SubmissionSource) -> Submission {
        Submission {
            name: "team".to_owned(),
            source,
            env: [("CASE".to_owned(), "{case}".to_owned())].into(),
        }
    }

    #[test]
    fn a_program_is_run_where_and_as_it_was() {
        let source = SubmissionSource::Command {
            argv: ["python3", "it's.py", "{inputs}"]
                .map(str::to_owned)
                .to_vec(),
            workdir: PathBuf::from("/models/a").into(),
        };
        let section = BackendSection::without_file("process");
        let command =
            ReplayCommand::new(&section, &submission(source), None, "a.npz", &folders()).unwrap();
        let expected = "cd /models/a && CASE=a.npz python3 'it'\\''s.py' '/r/in puts'";
        assert_eq!(command.line(), expected);
    }

    #[test]
    fn an_archive_is_loaded_and_the_image_that_ran_is_run_by_its_id() {
        let source = SubmissionSource::Archive {
            path: "team.tar.gz".into(),
            argv: None,
        };
        let section = BackendSection::without_file("docker");
        let replayed = |image| {
            let submission = submission(source.clone());
            ReplayCommand::new(&section, &submission, image, "a.npz", &folders())
        };
        let line = replayed(Some("sha256:1f")).unwrap().line();
        assert!(
            line.starts_with("docker load --input team.tar.gz\ndocker run --rm -it"),
            "{line}"
        );
        assert!(
            line.contains("--volume '/r/in puts:/workspace/inputs'"),
            "{line}"
        );
        assert!(
            line.ends_with("--env CASE=a.npz sha256:1f /bin/bash -c 'sh predict.sh'"),
            "{line}"
        );
        assert!(replayed(None).is_err());
    }
}
