//! The data set: cases on disk, and one case in memory.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use segarena_dialogue::{CaseProblem, CaseTruth, Dialogue, Track, TruthReading, Value};

use crate::npz::{self, Image, NpzError, pickle};
use crate::volume::LabelVolume;

/// Why a data set or a case of it cannot be evaluated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// A folder cannot be listed.
    #[error("cannot read the {role} folder {}: {source} (check the path)", path.display())]
    Folder {
        /// `images` or `ground truth`.
        role: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing to evaluate.
    #[error("no case in {}: it has no file ending in .npz{}", path.display(), nifti_advice(*nifti))]
    NoCases {
        /// The images folder.
        path: PathBuf,
        /// How many NIfTI files it has.
        nifti: usize,
    },
    /// A name leaves no room for the names of its results.
    #[error(
        "case {name}: its name is {} bytes long, and with more than {LONGEST_NAME} there is no room \
         for the names of its results: rename it",
        name.len()
    )]
    LongName {
        /// The case's file name.
        name: String,
    },
    /// A case was asked for that is not there.
    #[error("no case `{name}` in {} (it has {known})", path.display())]
    NoSuchCase {
        /// The name asked for.
        name: String,
        /// The images folder.
        path: PathBuf,
        /// Some of the names there are.
        known: String,
    },
    /// A file's name is not readable text.
    #[error("the file name {} is not UTF-8: rename it", path.display())]
    Name {
        /// The file.
        path: PathBuf,
    },
    /// Cases have no ground truth.
    #[error("{}", no_ground_truth(cases, *of, folder, nearest.as_deref()))]
    NoGroundTruth {
        /// The cases without, in order.
        cases: Vec<String>,
        /// How many cases were asked for.
        of: usize,
        /// The folder where it should be.
        folder: PathBuf,
        /// The name there that is most like the first case's.
        nearest: Option<String>,
    },
    /// Image and ground truth differ in shape.
    #[error(
        "case {case}: the ground truth {} has shape {truth:?}, but the image has {image:?}",
        path.display()
    )]
    Shape {
        /// The case.
        case: String,
        /// The ground truth's file.
        path: PathBuf,
        /// Its shape.
        truth: [usize; 3],
        /// The image's shape.
        image: [usize; 3],
    },
    /// A case lacks what the track needs, or has it in another form.
    #[error("case {case}: {}: {source}", path.display())]
    Track {
        /// The case.
        case: String,
        /// The image file.
        path: PathBuf,
        /// What is wrong.
        source: CaseProblem,
    },
    /// One of the case's files is not as it should be.
    #[error("case {case}: {source}")]
    File {
        /// The case.
        case: String,
        /// What is wrong with the file.
        source: NpzError,
    },
}

/// The most bytes of a case's file name: its logs have longer names, and files have temporary ones.
const LONGEST_NAME: usize = 200;

fn nifti_advice(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(
            "; it has {count} NIfTI file{}, of which `segarena import` makes cases",
            if count == 1 { "" } else { "s" }
        ),
    }
}

fn no_ground_truth(cases: &[String], of: usize, folder: &Path, nearest: Option<&str>) -> String {
    let folder = folder.display();
    let near = nearest
        .map(|name| format!(" (it has {name})"))
        .unwrap_or_default();
    match cases {
        [case] => format!(
            "case {case}: there is no ground truth {folder}/{case}{near}: add it, or leave the case \
             out with --case"
        ),
        cases if cases.len() == of => format!(
            "none of the {of} cases has a ground truth in {folder}, which should have {}{near}: is \
             it the right folder?",
            some_of(cases)
        ),
        cases => format!(
            "{} of {of} cases have no ground truth in {folder}: {}{near}; add them, or choose \
             others with --case",
            cases.len(),
            some_of(cases)
        ),
    }
}

/// Where a case's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseFiles {
    /// The case's file name, `CASE.npz`.
    pub name: String,
    /// The image.
    pub image: PathBuf,
    /// The file with the ground truth: another one, or the image itself.
    pub ground_truth: PathBuf,
}

impl CaseFiles {
    /// A case of a past run, of which only the name counts.
    pub(crate) fn nowhere(name: String) -> Self {
        Self {
            name,
            image: PathBuf::new(),
            ground_truth: PathBuf::new(),
        }
    }

    /// The case's name without `.npz`.
    pub fn stem(&self) -> &str {
        stem(&self.name)
    }
}

/// Which cases of a folder are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaseChoice {
    /// Only these, with or without `.npz`; empty: all.
    pub names: Vec<String>,
    /// Only so many of them, in order.
    pub first: Option<usize>,
}

/// Lists the cases of `images` in the order of their names, with their ground truth from the
/// `ground_truth` folder or, without one, from the images themselves.
///
/// # Errors
/// When a folder cannot be read, nothing is there, a chosen case is not there, or a case has no
/// ground truth file.
pub fn find_cases(
    images: &Path,
    ground_truth: Option<&Path>,
    choice: &CaseChoice,
) -> Result<Vec<CaseFiles>, CaseError> {
    let names = choose(case_names(images)?, images, choice)?;
    if let Some(folder) = ground_truth {
        refuse_missing(&names, folder)?;
    }
    let folder = ground_truth.unwrap_or(images);
    let located = names.into_iter().map(|name| CaseFiles {
        image: images.join(&name),
        ground_truth: folder.join(&name),
        name,
    });
    Ok(located.collect())
}

/// Fails where a case has no file in the ground truth's folder.
fn refuse_missing(names: &[String], folder: &Path) -> Result<(), CaseError> {
    let there = list("ground truth", folder)?;
    let is_missing = |name: &&String| !folder.join(name).is_file();
    let missing: Vec<String> = names.iter().filter(is_missing).cloned().collect();
    let Some(first) = missing.first() else {
        return Ok(());
    };
    let there = there.iter().filter_map(|path| path.file_name()?.to_str());
    // The longest common beginning: `a_gt.npz` is meant for `a.npz`.
    let shared = |name: &str| {
        let letters = name.chars().zip(first.chars());
        letters.take_while(|(a, b)| a == b).count()
    };
    let nearest = there.max_by_key(|name| shared(name));
    Err(CaseError::NoGroundTruth {
        of: names.len(),
        folder: folder.to_owned(),
        nearest: nearest.map(str::to_owned),
        cases: missing,
    })
}

fn list(role: &'static str, path: &Path) -> Result<Vec<PathBuf>, CaseError> {
    let folder = |source| CaseError::Folder {
        role,
        path: path.to_owned(),
        source,
    };
    let entries = std::fs::read_dir(path).map_err(folder)?;
    entries
        .map(|entry| Ok(entry.map_err(folder)?.path()))
        .collect()
}

fn case_names(images: &Path) -> Result<Vec<String>, CaseError> {
    let mut names = Vec::new();
    let mut nifti = 0;
    for path in list("images", images)? {
        let name = path.file_name().unwrap_or_default();
        let ending = name.as_encoded_bytes();
        nifti += usize::from(ending.ends_with(b".nii") || ending.ends_with(b".nii.gz"));
        // `._x.npz` and the like are droppings of other programs.
        let is_case = path.extension().is_some_and(|extension| extension == "npz");
        if !is_case || name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let name = name
            .to_str()
            .ok_or_else(|| CaseError::Name { path: path.clone() })?;
        if name.len() > LONGEST_NAME {
            return Err(CaseError::LongName {
                name: name.to_owned(),
            });
        }
        names.push(name.to_owned());
    }
    names.sort_unstable();
    if names.is_empty() {
        return Err(CaseError::NoCases {
            path: images.to_owned(),
            nifti,
        });
    }
    Ok(names)
}

fn choose(
    mut names: Vec<String>,
    images: &Path,
    choice: &CaseChoice,
) -> Result<Vec<String>, CaseError> {
    let file_name = |name: &String| match name.ends_with(".npz") {
        true => name.clone(),
        false => format!("{name}.npz"),
    };
    let wanted: Vec<String> = choice.names.iter().map(file_name).collect();
    if let Some(name) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(CaseError::NoSuchCase {
            name: name.clone(),
            path: images.to_owned(),
            known: some_of(&names),
        });
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    names.truncate(choice.first.unwrap_or(usize::MAX));
    Ok(names)
}

fn some_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    match names.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A case in memory: its image's description and its ground truth. The image's voxels stay in
/// the file, as nothing here looks at them.
#[derive(Debug)]
pub struct Case {
    /// The case's file name, `CASE.npz`.
    pub name: String,
    /// The image.
    pub image: Image,
    /// The ground truth.
    pub truth: Arc<LabelVolume>,
}

impl Case {
    /// Reads a case and checks that image and ground truth belong together.
    ///
    /// # Errors
    /// When a file is broken, lacks a member, the ground truth has no label, or shapes differ.
    pub fn load(files: &CaseFiles) -> Result<Self, CaseError> {
        Self::read(files, TruthReading::Labels, &[])
    }

    /// Reads a case as the track needs it; [`Self::check`] says whether that is all it needs.
    ///
    /// # Errors
    /// As [`Self::load`], and when a member that the track reads is damaged.
    pub fn load_for(files: &CaseFiles, track: &dyn Track) -> Result<Self, CaseError> {
        Self::read(files, track.truth(), track.objects())
    }

    fn read(files: &CaseFiles, reading: TruthReading, objects: &[&str]) -> Result<Self, CaseError> {
        let in_file = |source| CaseError::File {
            case: files.name.clone(),
            source,
        };
        let mut image = Image::open(&files.image).map_err(in_file)?;
        image.decode_objects(objects).map_err(in_file)?;
        let truth = match reading {
            TruthReading::Labels => npz::read_ground_truth(&files.ground_truth, "gts"),
            TruthReading::Bytes => npz::read_byte_ground_truth(&files.ground_truth, "gts"),
        };
        let truth = truth.map_err(in_file)?;
        if truth.shape() != image.shape() {
            return Err(CaseError::Shape {
                case: files.name.clone(),
                path: files.ground_truth.clone(),
                truth: truth.shape(),
                image: image.shape(),
            });
        }
        let truth = truth.into_volume(image.spacing());
        Ok(Self {
            name: files.name.clone(),
            image,
            truth: Arc::new(truth),
        })
    }

    /// The case's name without `.npz`.
    pub fn stem(&self) -> &str {
        stem(&self.name)
    }

    /// Checks that the case has what the track needs.
    ///
    /// # Errors
    /// When it does not.
    pub fn check(&self, track: &dyn Track) -> Result<(), CaseError> {
        track
            .check(&self.known())
            .map_err(|source| self.problem(source))
    }

    /// Begins the track's conversation about this case.
    ///
    /// # Errors
    /// When the case lacks something that the track needs.
    pub fn dialogue(&self, track: &dyn Track) -> Result<Box<dyn Dialogue>, CaseError> {
        track
            .dialogue(self.known())
            .map_err(|source| self.problem(source))
    }

    fn known(&self) -> CaseTruth {
        CaseTruth {
            truth: Arc::clone(&self.truth),
            has_boxes: self.image.has_boxes(),
            objects: self.objects(),
        }
    }

    /// The image's decoded members. What holds other values than strings, integers, lists and
    /// dictionaries of them is none that a track could use, and is told as `None`.
    fn objects(&self) -> BTreeMap<String, Value> {
        let decoded = self.image.objects().iter();
        decoded
            .map(|(key, array)| {
                let items = array.items().iter().map(plain);
                let value = match items.collect::<Option<Vec<_>>>() {
                    Some(mut items) if array.shape().is_empty() => {
                        items.pop().unwrap_or(Value::None)
                    }
                    Some(items) => Value::List(items),
                    None => Value::None,
                };
                (key.clone(), value)
            })
            .collect()
    }

    fn problem(&self, source: CaseProblem) -> CaseError {
        CaseError::Track {
            case: self.name.clone(),
            path: self.image.path().to_owned(),
            source,
        }
    }
}

/// A Python value as tracks take it; `None` for what they don't.
fn plain(value: &pickle::Value) -> Option<Value> {
    Some(match value {
        pickle::Value::None => Value::None,
        pickle::Value::Bool(truth) => Value::Int(i64::from(*truth)),
        pickle::Value::Int(number) => Value::Int(*number),
        pickle::Value::Str(text) => Value::Text(text.clone()),
        pickle::Value::List(items) | pickle::Value::Tuple(items) => {
            Value::List(items.iter().map(plain).collect::<Option<_>>()?)
        }
        pickle::Value::Dict(entries) => {
            let entry = |(key, value): &(pickle::Value, pickle::Value)| match key {
                pickle::Value::Str(key) => Some((key.clone(), plain(value)?)),
                _ => None,
            };
            Value::Dict(entries.iter().map(entry).collect::<Option<_>>()?)
        }
        pickle::Value::Float(_) | pickle::Value::Bytes(_) | pickle::Value::Array(_) => {
            return None;
        }
    })
}

/// A case's name without `.npz`.
pub fn stem(case: &str) -> &str {
    case.strip_suffix(".npz").unwrap_or(case)
}
