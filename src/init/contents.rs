//! What is in a folder: cases, ground truth, archives, programs.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context;
use segarena_core::npz::NpzMembers;

use crate::submissions::{check_name, is_archive};

/// So deep is looked.
const DEPTH: usize = 3;
/// In so many folders.
const FOLDERS: usize = 2000;

/// What was found. Paths are relative to the folder that was looked through.
#[derive(Debug, Default)]
pub(crate) struct FolderContents {
    /// The folder with most cases.
    pub(crate) images: Option<Cases>,
    /// The ground truth of most of them.
    pub(crate) ground_truth: Option<Cases>,
    /// The folder with most archives.
    pub(crate) archives: Option<Submissions>,
    /// The folder with most folders that have a `predict.sh`.
    pub(crate) programs: Option<Submissions>,
    /// The name of the folder itself, where it has a `predict.sh`.
    pub(crate) itself: Option<String>,
    /// The engines that were asked.
    pub(crate) engines: Vec<Engine>,
    /// The Slurm that jobs can be given to from here.
    pub(crate) slurm: Option<String>,
}

/// A folder of `.npz` files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cases {
    pub(crate) folder: PathBuf,
    /// How many; of a ground truth: how many of the images have one.
    pub(crate) count: usize,
    /// Whether the labels are in the same files.
    pub(crate) has_labels: bool,
    /// Whether the first image is prompted by words alone: it has `text_prompts` and no `boxes`.
    pub(crate) is_prompted_by_texts: bool,
}

/// A folder of submissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Submissions {
    pub(crate) folder: PathBuf,
    pub(crate) names: Vec<String>,
}

/// An engine and what it answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engine {
    pub(crate) kind: String,
    /// Its name and version, or why it does not answer.
    pub(crate) answer: Result<String, String>,
}

/// What one folder holds.
#[derive(Default)]
struct Folder {
    path: PathBuf,
    cases: BTreeSet<OsString>,
    archives: Vec<String>,
    programs: Vec<String>,
}

impl FolderContents {
    /// Looks through a folder and those in it.
    ///
    /// # Errors
    /// When the folder itself can't be read.
    pub(crate) fn of(root: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot read the folder {} (check the path)", root.display());
        std::fs::read_dir(root).with_context(failed)?;
        let folders = walk(root);
        let mut contents = Self {
            archives: most(&folders, |folder| &folder.archives),
            programs: most(&folders, |folder| &folder.programs),
            itself: itself(root),
            ..Self::default()
        };
        contents.find_cases(root, &folders);
        Ok(contents)
    }

    fn find_cases(&mut self, root: &Path, folders: &[Folder]) {
        let mut images: Option<(&Folder, NpzMembers)> = None;
        let mut truths = Vec::new();
        for folder in folders {
            let Some(first) = folder.cases.first() else {
                continue;
            };
            let Ok(file) = NpzMembers::open(&root.join(&folder.path).join(first)) else {
                continue;
            };
            match (file.has("imgs"), file.has("gts")) {
                (true, _) => {
                    if images
                        .as_ref()
                        .is_none_or(|(other, _)| other.cases.len() < folder.cases.len())
                    {
                        images = Some((folder, file));
                    }
                }
                (false, true) => truths.push(folder),
                (false, false) => {}
            }
        }
        let Some((images, first)) = images else {
            return;
        };
        self.images = Some(Cases {
            folder: images.path.clone(),
            count: images.cases.len(),
            has_labels: first.has("gts"),
            is_prompted_by_texts: first.has("text_prompts") && !first.has("boxes"),
        });
        let shared = |folder: &&Folder| images.cases.intersection(&folder.cases).count();
        let truth = truths.into_iter().max_by_key(shared);
        self.ground_truth = truth
            .filter(|folder| shared(folder) > 0)
            .map(|folder| Cases {
                folder: folder.path.clone(),
                count: shared(&folder),
                has_labels: true,
                is_prompted_by_texts: false,
            });
    }

    /// The first engine that answers.
    pub(crate) fn engine(&self) -> Option<&Engine> {
        self.engines.iter().find(|engine| engine.answer.is_ok())
    }
}

/// The folder's name, if it has something to run.
fn itself(root: &Path) -> Option<String> {
    let path = root.canonicalize().ok()?;
    if !path.join("predict.sh").is_file() {
        return None;
    }
    let name = path.file_name().and_then(|name| name.to_str());
    let name = name.unwrap_or_default().to_lowercase();
    Some(match check_name(&name) {
        Ok(()) => name,
        Err(_) => "submission".to_owned(),
    })
}

/// The folders, nearest first, with what is in them.
fn walk(root: &Path) -> Vec<Folder> {
    let mut waiting = std::collections::VecDeque::from([(PathBuf::new(), 0)]);
    let mut folders = Vec::new();
    while let Some((path, depth)) = waiting.pop_front() {
        let mut folder = Folder {
            path,
            ..Folder::default()
        };
        // What can't be read has nothing to offer.
        let entries = std::fs::read_dir(root.join(&folder.path))
            .into_iter()
            .flatten();
        let mut names: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
        names.sort_unstable();
        for name in names {
            let shown = name.to_string_lossy().into_owned();
            let path = folder.path.join(&name);
            let here = root.join(&path);
            if shown.starts_with('.') {
                continue;
            }
            if here.is_dir() {
                if here.join("predict.sh").is_file() {
                    folder.programs.push(shown);
                }
                if depth < DEPTH && folders.len() + waiting.len() < FOLDERS {
                    waiting.push_back((path, depth + 1));
                }
            } else if is_archive(&shown) {
                folder.archives.push(shown);
            } else if path.extension().is_some_and(|ending| ending == "npz") {
                folder.cases.insert(name);
            }
        }
        folders.push(folder);
    }
    folders
}

/// The folder with most of something; the nearest of several.
fn most(folders: &[Folder], what: impl Fn(&Folder) -> &Vec<String>) -> Option<Submissions> {
    let mut best: Option<&Folder> = None;
    for folder in folders {
        if what(folder).len() > best.map_or(0, |best| what(best).len()) {
            best = Some(folder);
        }
    }
    best.map(|folder| Submissions {
        folder: folder.path.clone(),
        names: what(folder).clone(),
    })
}
