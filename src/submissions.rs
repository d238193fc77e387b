//! The submissions that a configuration or a folder names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use segarena_core::backend::{Submission, SubmissionSource, Workdir};

use crate::config::{ConfigError, LoadedConfig, Place, SubmissionTable};
use crate::registry::BackendSection;
use crate::setting::{Setting, folder};
use crate::stderr;

/// What an archive's name may end in; the content decides what it is.
const ARCHIVE_ENDINGS: [&str; 6] = [".tar", ".tar.gz", ".tgz", ".tar.zst", ".tzst", ".tar.xz"];

/// Submissions as they are found, no two of one name.
#[derive(Default)]
pub(crate) struct Found {
    submissions: Vec<(Submission, Place)>,
}

impl Found {
    /// Adds a `[[submission]]` of a file, for a backend of this kind.
    pub(crate) fn add(
        &mut self,
        config: &LoadedConfig,
        table: &SubmissionTable,
        kind: &str,
    ) -> Result<(), ConfigError> {
        let place = config.place("submission.name", &table.name);
        let source = source(config, table, kind, &place)?;
        let name = table.name.get_ref().clone();
        self.push(
            Submission {
                name,
                source,
                env: table.env.clone(),
            },
            place,
        )
    }

    /// Adds every submission of a folder.
    pub(crate) fn add_folder(
        &mut self,
        setting: &Setting<PathBuf>,
        kind: &str,
    ) -> Result<(), ConfigError> {
        for submission in in_folder(setting, kind)? {
            self.push(submission, setting.place.clone())?;
        }
        Ok(())
    }

    pub(crate) fn into_submissions(self) -> Vec<Submission> {
        self.submissions
            .into_iter()
            .map(|(submission, _)| submission)
            .collect()
    }

    fn push(&mut self, submission: Submission, place: Place) -> Result<(), ConfigError> {
        if let Err(problem) = check_name(&submission.name) {
            return Err(ConfigError::Value {
                place,
                message: problem,
            });
        }
        if let Some((_, first)) = self
            .submissions
            .iter()
            .find(|(s, _)| s.name == submission.name)
        {
            let message = format!(
                "two submissions are called `{}` (the other: {first}); give one another name",
                submission.name
            );
            return Err(ConfigError::Value { place, message });
        }
        self.submissions.push((submission, place));
        Ok(())
    }
}

/// A name becomes a folder's, so it must not lead anywhere else.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let is_plain = !name.is_empty()
        && !name.starts_with('.')
        && !name.contains(['/', '\\', '\0'])
        && !name.chars().any(char::is_control);
    if is_plain {
        return Ok(());
    }
    Err(format!(
        "`{}` can't name a submission: its results go into a folder of that name, so it must be \
         neither empty nor a path nor begin with a dot",
        name.escape_debug()
    ))
}

fn source(
    config: &LoadedConfig,
    table: &SubmissionTable,
    kind: &str,
    place: &Place,
) -> Result<SubmissionSource, ConfigError> {
    let refuse = |message: String| {
        Err(ConfigError::Value {
            place: place.clone(),
            message,
        })
    };
    let name = table.name.get_ref();
    let argv = table
        .command
        .as_ref()
        .map(|command| command.get_ref().clone());
    if argv.as_ref().is_some_and(Vec::is_empty) {
        return refuse(format!("`command` of submission `{name}` is empty"));
    }
    match (&table.archive, &table.image, argv) {
        (Some(_), Some(_), _) => refuse(format!(
            "submission `{name}` has both `archive` and `image`; keep one"
        )),
        (Some(archive), None, argv) => {
            let path = config.resolve(archive.get_ref());
            match path.is_file() {
                true => Ok(SubmissionSource::Archive { path, argv }),
                false => Err(ConfigError::Value {
                    place: config.place("submission.archive", archive),
                    message: format!("there is no file {} (check the path)", path.display()),
                }),
            }
        }
        (None, Some(image), argv) => Ok(SubmissionSource::Image {
            reference: match BackendSection::has_image_files(kind) {
                true => config
                    .resolve(Path::new(image.get_ref()))
                    .to_string_lossy()
                    .into_owned(),
                false => image.get_ref().clone(),
            },
            argv,
        }),
        (None, None, Some(argv)) => Ok(SubmissionSource::Command {
            argv,
            workdir: workdir(config, table)?,
        }),
        (None, None, None) => refuse(format!(
            "submission `{name}` has nothing to run: give it a `command`, an `archive` or an `image`"
        )),
    }
}

fn workdir(config: &LoadedConfig, table: &SubmissionTable) -> Result<Workdir, ConfigError> {
    let path = match &table.workdir {
        None => config.resolve(Path::new("")),
        Some(workdir) => {
            let place = config.place("submission.workdir", workdir);
            folder(
                Setting {
                    value: config.resolve(workdir.get_ref()),
                    place,
                },
                "work",
            )?
        }
    };
    Ok(Workdir {
        relative: relative(&path, &config.resolve(Path::new(""))),
        path: absolute(path),
    })
}

/// The path as an absolute one: a submission runs in it, so a relative one would soon mean another
/// folder.
fn absolute(path: PathBuf) -> PathBuf {
    let path = match path.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => path,
    };
    std::path::absolute(&path).unwrap_or(path)
}

/// The path as seen from `folder`, however the two are spelled; the path itself where it leads
/// elsewhere.
fn relative(path: &Path, folder: &Path) -> PathBuf {
    let real = |path: &Path| {
        let path = absolute(path.to_owned());
        path.canonicalize().unwrap_or(path)
    };
    let path = real(path);
    match path.strip_prefix(real(folder)) {
        Ok(inside) => Path::new(".").join(inside),
        Err(_) => path,
    }
}

/// The submissions of a folder, in the order of their names: archives for an engine, SIF files as
/// well for Apptainer, folders with a `predict.sh` for the process backend.
pub(crate) fn in_folder(
    setting: &Setting<PathBuf>,
    kind: &str,
) -> Result<Vec<Submission>, ConfigError> {
    let refuse = |message| ConfigError::Value {
        place: setting.place.clone(),
        message,
    };
    let path = &setting.value;
    folder(
        Setting {
            value: path.clone(),
            place: setting.place.clone(),
        },
        "submissions",
    )?;
    let unreadable =
        |error: std::io::Error| refuse(format!("cannot read {}: {error}", path.display()));
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        entries.push(entry.map_err(unreadable)?.path());
    }
    entries.sort_unstable();
    let as_submission = if kind == segarena_process::ProcessBackend::KIND {
        program
    } else if BackendSection::has_image_files(kind) {
        archive_or_sif
    } else {
        archive
    };
    let mut found = Found::default();
    for entry in &entries {
        let Some(submission) = as_submission(entry) else {
            continue;
        };
        note_other_spelling(entry, &submission.name);
        found.push(submission, setting.place.clone())?;
    }
    if found.submissions.is_empty() {
        let wanted = match kind == segarena_process::ProcessBackend::KIND {
            true => "no folder with a predict.sh".to_owned(),
            false => format!("no archive ({})", ARCHIVE_ENDINGS.join(", ")),
        };
        return Err(refuse(format!("there is {wanted} in {}", path.display())));
    }
    Ok(found.into_submissions())
}

/// Says that a team is not called as its file is, which is the challenge's rule.
fn note_other_spelling(path: &Path, team: &str) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if !name.starts_with(team) {
        stderr::line(format_args!(
            "note: {name} is submission `{team}`, in lower case as in the challenge"
        ));
    }
}

/// Whether a file of this name may be an archive.
pub(crate) fn is_archive(name: &str) -> bool {
    let name = name.to_lowercase();
    ARCHIVE_ENDINGS.iter().any(|ending| name.ends_with(ending))
}

fn archive(path: &Path) -> Option<Submission> {
    let name = path.file_name()?.to_str()?;
    if !is_archive(name) {
        return None;
    }
    let source = SubmissionSource::Archive {
        path: path.to_owned(),
        argv: None,
    };
    Some(Submission {
        name: team_name(name),
        source,
        env: BTreeMap::new(),
    })
}

/// Whether a file of this name is a SIF image.
pub(crate) fn is_sif(name: &str) -> bool {
    name.to_lowercase().ends_with(".sif")
}

fn archive_or_sif(path: &Path) -> Option<Submission> {
    let name = path.file_name()?.to_str()?;
    if !is_sif(name) {
        return archive(path);
    }
    let source = SubmissionSource::Image {
        reference: path.to_str()?.to_owned(),
        argv: None,
    };
    Some(Submission {
        name: team_name(name),
        source,
        env: BTreeMap::new(),
    })
}

fn program(path: &Path) -> Option<Submission> {
    if !path.join("predict.sh").is_file() {
        return None;
    }
    let name = path.file_name()?.to_str()?.to_lowercase();
    let argv = ["sh", "predict.sh"].map(str::to_owned).to_vec();
    let workdir = Workdir {
        path: std::path::absolute(path).ok()?,
        relative: path.file_name()?.into(),
    };
    Some(Submission {
        name,
        source: SubmissionSource::Command { argv, workdir },
        env: BTreeMap::new(),
    })
}

/// The challenge's team name: the archive's name up to its first dot, in lower case.
pub(crate) fn team_name(file_name: &str) -> String {
    file_name
        .split('.')
        .next()
        .unwrap_or_default()
        .to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_team_is_named_by_its_archive_up_to_the_first_dot() {
        assert_eq!(team_name("Team_A.v2.tar.gz"), "team_a");
        assert_eq!(team_name("x.tar"), "x");
    }

    #[test]
    fn a_name_that_is_a_path_is_refused() {
        for bad in [
            "", ".", "..", "a/b", "/etc", ".hidden", "a\\b", "a\nb", "a\0b",
        ] {
            assert!(check_name(bad).is_err(), "{bad:?}");
        }
        for good in ["team", "Team 1", "yiooo_coreset", "a.b"] {
            assert!(check_name(good).is_ok(), "{good:?}");
        }
    }
}
