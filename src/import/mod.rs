//! A folder of NIfTI files made a data set: pairs of images and labels, each of them a case.

mod grid;
mod groups;
mod intensity;
mod journal;
mod labels;
mod pairs;
mod ranks;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use ndarray::{Array3, arr1, arr2};
use segarena_core::nifti::{NiftiVolume, read_nifti};
use segarena_core::npz::{GroundTruth, NpzFile};
use segarena_core::prompt::{BoundingBox, boxes_member};

use crate::args::{ImportOptions, SpacingOrder, Window};
pub(crate) use intensity::Intensity;
use journal::{Journal, Note, fingerprint};
use labels::Jitter;
pub(crate) use pairs::{Pair, Pairs};

/// The version of what is made of a case: another one makes cases anew.
const FORM: u32 = 1;

/// An import under way.
pub(crate) struct Import<'a> {
    options: &'a ImportOptions,
    journal: Journal,
    /// Whether the images' own dataset.json calls them CT.
    is_ct: bool,
}

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Imported {
    /// Its files were written.
    Now(Note),
    /// They were there, made of the same files with the same options.
    Before(Note),
}

impl Imported {
    pub(crate) fn note(&self) -> &Note {
        match self {
            Self::Now(note) | Self::Before(note) => note,
        }
    }
}

impl<'a> Import<'a> {
    /// Makes the folders.
    pub(crate) fn begin(options: &'a ImportOptions) -> anyhow::Result<Self> {
        for folder in ["imgs", "gts"] {
            let folder = options.output.join(folder);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        Ok(Self {
            options,
            journal: Journal::open(&options.output)?,
            is_ct: is_ct(&options.images, options.channel)?,
        })
    }

    /// Imports a case, unless that was done.
    pub(crate) fn case(&self, pair: &Pair) -> anyhow::Result<Imported> {
        let intensity = self.intensity(&pair.case);
        let fingerprint = fingerprint([&pair.image, &pair.labels], &self.told(intensity))
            .with_context(|| format!("cannot read {}", pair.image.display()))?;
        let files = CaseFiles::of(&self.options.output, &pair.case);
        if let Some(note) = self.journal.note_of(&pair.case)
            && note.fingerprint == fingerprint
            && files.are_there() != note.label_values.is_empty()
        {
            return Ok(Imported::Before(note.clone()));
        }
        let mut note = Note {
            case: pair.case.clone(),
            fingerprint,
            image: pair.image.clone(),
            labels: pair.labels.clone(),
            intensity: intensity.describe(),
            label_values: Vec::new(),
            remarks: Vec::new(),
        };
        // An image without labels is no case; labels of another import must not stay beside it.
        files.remove()?;
        let (volume, truth) = self.read(pair, &mut note.remarks)?;
        if let Some(truth) = truth {
            note.label_values = truth.keys.labels().to_vec();
            let bytes = intensity.bytes(&volume)?;
            write_truth(&files.truth, &truth)?;
            let boxes = self.boxes(&pair.case, &truth);
            self.write_image(&files.image, &volume, &bytes, boxes.as_deref())?;
        }
        self.journal.note(&note)?;
        Ok(Imported::Now(note))
    }

    /// Adds the cases to `groups.csv`.
    pub(crate) fn write_groups<'n>(
        &self,
        cases: impl Iterator<Item = &'n str>,
    ) -> anyhow::Result<()> {
        let group = |case: &str| {
            let given = self.options.group.clone();
            given.unwrap_or_else(|| groups::group_of(case).to_owned())
        };
        let groups: BTreeMap<String, String> =
            cases.map(|case| (case.to_owned(), group(case))).collect();
        groups::add(&self.options.output, &groups)
    }

    fn intensity(&self, case: &str) -> Intensity {
        let named_ct = groups::group_of(case).eq_ignore_ascii_case("ct");
        match self.options.window {
            Some(window) => Intensity::Window(window),
            None if self.options.percentiles => Intensity::Percentiles,
            None if self.is_ct || named_ct => Intensity::Window(Window::SOFT_TISSUE),
            None => Intensity::Percentiles,
        }
    }

    /// All that a case's files depend on beside its own.
    fn told(&self, intensity: Intensity) -> String {
        let ImportOptions {
            spacing_order,
            box_jitter,
            seed,
            no_box,
            drop_smaller_than,
            ..
        } = self.options;
        format!(
            "{FORM} {intensity:?} {spacing_order:?} {box_jitter} {seed} {no_box:?} {drop_smaller_than}"
        )
    }

    /// The image, and its labels if any are left of them.
    fn read(
        &self,
        pair: &Pair,
        remarks: &mut Vec<String>,
    ) -> anyhow::Result<(NiftiVolume, Option<GroundTruth>)> {
        let labels = read_nifti(&pair.labels)?;
        let volume = read_nifti(&pair.image)?;
        let [image_grid, label_grid] = [&volume, &labels].map(|read| &read.header().geometry);
        if !grid::is_same(image_grid, label_grid) {
            bail!(
                "the labels are on another grid than the image: {} has {}, {} has {} (resample the \
                 labels to the image)",
                pair.image.display(),
                grid::describe(image_grid),
                pair.labels.display(),
                grid::describe(label_grid)
            );
        }
        for (path, read) in [(&pair.image, &volume), (&pair.labels, &labels)] {
            let header = read.header();
            remarks.extend(
                header
                    .remarks
                    .iter()
                    .map(|remark| format!("{}: {remark}", path.display())),
            );
        }
        let in_labels = || pair.labels.display().to_string();
        let truth = match labels.labels() {
            Err(segarena_core::nifti::NiftiErrorKind::NoLabel) => None,
            truth => Some(truth.with_context(in_labels)?),
        };
        drop(labels);
        let truth = truth.and_then(|mut truth| {
            labels::drop_smaller_than(&mut truth.voxels, self.options.drop_smaller_than);
            labels::remaining(truth)
        });
        Ok((volume, truth))
    }

    /// The boxes; `None` for a case that begins with clicks.
    fn boxes(&self, case: &str, truth: &GroundTruth) -> Option<Vec<BoundingBox>> {
        let goes_without = |label| self.options.no_box.contains(label);
        if truth.keys.labels().iter().any(goes_without) {
            return None;
        }
        let jitter = Jitter {
            most: self.options.box_jitter,
            seed: self.options.seed,
            case,
        };
        Some(labels::boxes(truth, jitter))
    }

    fn write_image(
        &self,
        path: &Path,
        volume: &NiftiVolume,
        bytes: &Array3<u8>,
        boxes: Option<&[BoundingBox]>,
    ) -> anyhow::Result<()> {
        let geometry = &volume.header().geometry;
        let mut spacing = geometry.spacing;
        if self.options.spacing_order == SpacingOrder::Xyz {
            spacing.reverse();
        }
        let mut file = NpzFile::create(path)?;
        file.array("imgs", bytes)?;
        file.array("spacing", &arr1(&spacing))?;
        if let Some(affine) = geometry.affine {
            file.array("affine", &arr2(&affine.matrix()))?;
        }
        if let Some(boxes) = boxes {
            file.objects("boxes", &boxes_member(boxes))?;
        }
        Ok(file.finish()?)
    }
}

/// Where a case's files go.
struct CaseFiles {
    image: PathBuf,
    truth: PathBuf,
}

impl CaseFiles {
    fn of(data: &Path, case: &str) -> Self {
        let file = |folder: &str| data.join(folder).join(format!("{case}.npz"));
        Self {
            image: file("imgs"),
            truth: file("gts"),
        }
    }

    fn are_there(&self) -> bool {
        self.image.is_file() && self.truth.is_file()
    }

    /// Removes both, the image first: it is what makes a case.
    fn remove(&self) -> anyhow::Result<()> {
        for path in [&self.image, &self.truth] {
            match std::fs::remove_file(path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("cannot replace {}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Writes labels as they are, in a byte each where they fit one.
fn write_truth(path: &Path, truth: &GroundTruth) -> anyhow::Result<()> {
    let mut file = NpzFile::create(path)?;
    let labels = truth.keys.labels();
    let mut label_of = [0; 256];
    truth
        .keys
        .iter()
        .for_each(|(label, key)| label_of[usize::from(key)] = label);
    let as_labels = |key: &u8| label_of[usize::from(*key)];
    let (least, greatest) = (labels.first().copied(), labels.last().copied());
    let within = |low: i64, high: i64| least >= Some(low) && greatest <= Some(high);
    if truth.keys.are_labels() {
        file.array("gts", &truth.voxels)?;
    } else if within(i16::MIN.into(), i16::MAX.into()) {
        file.array("gts", &truth.voxels.map(|key| as_labels(key) as i16))?;
    } else if within(i32::MIN.into(), i32::MAX.into()) {
        file.array("gts", &truth.voxels.map(|key| as_labels(key) as i32))?;
    } else {
        file.array("gts", &truth.voxels.map(as_labels))?;
    }
    Ok(file.finish()?)
}

/// Whether the dataset.json that nnU-Net and the Medical Segmentation Decathlon keep beside the
/// images' folder, or in it, calls this channel CT.
fn is_ct(images: &Path, channel: u16) -> anyhow::Result<bool> {
    let beside = images.canonicalize().ok();
    let beside = beside
        .as_deref()
        .and_then(Path::parent)
        .map(|folder| folder.join("dataset.json"));
    let places = [Some(images.join("dataset.json")), beside];
    let Some(path) = places.into_iter().flatten().find(|path| path.is_file()) else {
        return Ok(false);
    };
    let read = || -> anyhow::Result<serde_json::Value> {
        Ok(serde_json::from_slice(&std::fs::read(&path)?)?)
    };
    let json = read().with_context(|| format!("cannot read {}", path.display()))?;
    let name = ["channel_names", "modality"]
        .iter()
        .find_map(|key| json.get(key)?.get(channel.to_string())?.as_str());
    Ok(name.is_some_and(|name| name.eq_ignore_ascii_case("ct")))
}
