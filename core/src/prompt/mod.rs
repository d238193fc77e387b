//! Model inputs: the file a submission finds in its inputs folder at each interaction.
//!
//! Interaction 1 ([`write_box_input`]) passes the image file on. The others
//! ([`write_click_input`]) hold the image, the boxes, all clicks so far and the previous
//! prediction. Members of the image file are copied compressed as they are. The ground truth is
//! in neither.

mod bounds;
mod input;

pub use bounds::boxes_member;
pub use input::{InputError, ModelInput};
pub use segarena_dialogue::history::{ClickHistory, LabelClicks};
pub use segarena_kernels::BoundingBox;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use ndarray::ArrayView3;

use crate::clicks::ClickKind;
use crate::npz::pickle::{ObjectArray, Value};
use crate::npz::{CopyError, Flaw, Folder, Image, NpzError, NpzWriter};

/// Keys that a first input never has, whatever the image file holds: the answer, and those whose
/// absence tells a submission that this is the first interaction.
const NEVER_FIRST: [&str; 4] = ["gts", "clicks", "clicks_order", "prev_pred"];
/// What later inputs take from the image file.
const ALWAYS: [&str; 3] = ["imgs", "spacing", "boxes"];

/// Why a model input could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The image file, which had been readable, is not so any more.
    #[error(transparent)]
    Image(NpzError),
    /// The inputs folder does not take the file: it is gone, full, or something of the
    /// submission's is in the way.
    #[error("{}: {flaw}", path.display())]
    Folder {
        /// The file that was to be written.
        path: PathBuf,
        /// What went wrong.
        flaw: Flaw,
    },
}

/// Writes the model input of interaction 1 as `name` into `folder`, whole or not at all.
///
/// It holds every member of the image file but `gts`; Python boxes are pickled anew so that any
/// numpy reads them. Whatever was under `name` is replaced; a link there is not followed.
///
/// # Errors
/// If the image cannot be read any more or the folder does not take the file.
pub fn write_box_input(folder: &Folder, name: &OsStr, image: &Image) -> Result<(), PromptError> {
    write(folder, name, image, |writer| {
        image.copy_members(writer, |key| !NEVER_FIRST.contains(&base_name(key)))
    })
}

/// Writes the model input of an interaction with clicks as `name` into `folder`, whole or not at
/// all: `imgs`, `spacing`, `boxes` where the image has them, `clicks`, `clicks_order` and
/// `prev_pred`, the previous prediction cast to uint8.
///
/// # Errors
/// As [`write_box_input`].
pub fn write_click_input(
    folder: &Folder,
    name: &OsStr,
    image: &Image,
    clicks: &ClickHistory,
    previous: ArrayView3<'_, u8>,
) -> Result<(), PromptError> {
    write(folder, name, image, |writer| {
        image.copy_members(writer, |key| ALWAYS.contains(&key))?;
        write_clicks(writer, clicks).map_err(CopyError::Target)?;
        writer
            .array("prev_pred", previous)
            .map_err(CopyError::Target)
    })
}

type FileWriter<'a> = NpzWriter<BufWriter<&'a File>>;

fn write(
    folder: &Folder,
    name: &OsStr,
    image: &Image,
    members: impl FnOnce(&mut FileWriter<'_>) -> Result<(), CopyError>,
) -> Result<(), PromptError> {
    let mut unreadable_image = None;
    let written = folder.replace(name, |file| {
        let mut writer = NpzWriter::new(BufWriter::with_capacity(256 * 1024, file));
        let copied = members(&mut writer).map_err(|error| match error {
            CopyError::Target(flaw) => flaw,
            CopyError::Image(flaw) => {
                unreadable_image = Some(flaw.to_string());
                flaw
            }
        });
        copied?;
        writer.finish()?.flush().map_err(|source| Flaw::Io {
            doing: "writing failed",
            source,
        })
    });
    written.map_err(|flaw| match unreadable_image {
        Some(_) => PromptError::Image(NpzError::new(image.path(), flaw)),
        None => PromptError::Folder {
            path: folder.path().join(name),
            flaw,
        },
    })
}

/// The last part of a member's key, should it be in a folder of the archive.
fn base_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn write_clicks(writer: &mut FileWriter<'_>, clicks: &ClickHistory) -> Result<(), Flaw> {
    let voxels = |voxel: [usize; 3]| {
        Value::List(
            voxel
                .iter()
                .map(|&index| Value::Int(index as i64))
                .collect(),
        )
    };
    let labels = clicks.labels().map(|label| {
        let of_kind = |kind| Value::List(label.of_kind(kind).map(voxels).collect());
        Value::Dict(vec![
            (Value::from("fg"), of_kind(ClickKind::Fg)),
            (Value::from("bg"), of_kind(ClickKind::Bg)),
        ])
    });
    writer.objects("clicks", &ObjectArray::from_items(labels.collect()))?;

    let shape = [clicks.label_count(), clicks.interactions()];
    let order: Vec<Option<&str>> = clicks
        .labels()
        .flat_map(|label| label.kinds().map(|kind| kind.map(letters)))
        .collect();
    let complete: Option<Vec<&str>> = order.iter().copied().collect();
    match complete {
        Some(strings) => writer.two_letters("clicks_order", &shape, &strings),
        None => {
            let items = order
                .into_iter()
                .map(|kind| kind.map_or(Value::None, Value::from));
            let flaw = || Flaw::Unwritable {
                key: "clicks_order".to_owned(),
                reason: "its rows differ in length".to_owned(),
            };
            let array = ObjectArray::new(shape.to_vec(), items.collect()).ok_or_else(flaw)?;
            writer.objects("clicks_order", &array)
        }
    }
}

/// A click's kind as `clicks_order` names it.
fn letters(kind: ClickKind) -> &'static str {
    match kind {
        ClickKind::Fg => "fg",
        ClickKind::Bg => "bg",
    }
}
