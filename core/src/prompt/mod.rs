//! Model inputs: the file a submission finds in its inputs folder at each interaction.
//!
//! [`write_input`] makes it from a prompt: members of the image file, copied compressed as they
//! are, and the prompt's own. The ground truth is never among them.

mod bounds;
mod input;
mod texts;

pub use bounds::{boxes_member, boxes_of};
pub use input::{InputError, ModelInput};
pub use segarena_dialogue::history::{ClickHistory, LabelClicks};
pub use segarena_kernels::BoundingBox;
pub use texts::TextPrompts;

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use segarena_dialogue::{ImageMembers, Member, Prompt, Value as PromptValue};

use crate::npz::pickle::{ObjectArray, Value};
use crate::npz::{CopyError, Folder, Image, NpzError, NpzErrorKind, NpzWriter};

/// Keys that no input takes from the image file: the answer, and those whose absence tells a
/// submission that this is the first interaction.
const NEVER_FROM_IMAGE: [&str; 4] = ["gts", "clicks", "clicks_order", "prev_pred"];

/// Why a model input could not be written.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// The image file, which had been readable, is not so any more.
    #[error(transparent)]
    Image(NpzError),
    /// The inputs folder does not take the file: it is gone, full, or something of the
    /// submission's is in the way.
    #[error("{}: {kind}", path.display())]
    Folder {
        /// The file that was to be written.
        path: PathBuf,
        /// What went wrong.
        kind: NpzErrorKind,
    },
}

/// Writes the model input of a prompt as `name` into `folder`, whole or not at all: the members of
/// the image that the prompt hands on, then its own.
///
/// The image's members keep their bytes, but Python objects are pickled anew so that any numpy
/// reads them. `gts` is never among them. Whatever was under `name` is replaced; a link there is
/// not followed.
///
/// # Errors
/// If the image cannot be read any more or the folder does not take the file.
pub fn write_input(
    folder: &Folder,
    name: &OsStr,
    image: &Image,
    prompt: &Prompt,
) -> Result<(), PromptError> {
    write(folder, name, image, |writer| {
        image.copy_members(writer, |key| match prompt.image {
            ImageMembers::All => !NEVER_FROM_IMAGE.contains(&base_name(key)),
            ImageMembers::Only(keys) => keys.contains(&key) && key != "gts",
        })?;
        for (key, member) in &prompt.members {
            write_member(writer, key, member).map_err(CopyError::Target)?;
        }
        Ok(())
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
            CopyError::Target(kind) => kind,
            CopyError::Image(kind) => {
                unreadable_image = Some(kind.to_string());
                kind
            }
        });
        copied?;
        writer.finish()?.flush().map_err(|source| NpzErrorKind::Io {
            doing: "writing failed",
            source,
        })
    });
    written.map_err(|kind| match unreadable_image {
        Some(_) => PromptError::Image(NpzError::new(image.path(), kind)),
        None => PromptError::Folder {
            path: folder.path().join(name),
            kind,
        },
    })
}

/// The last part of a member's key, should it be in a folder of the archive.
fn base_name(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

fn write_member(
    writer: &mut FileWriter<'_>,
    key: &str,
    member: &Member,
) -> Result<(), NpzErrorKind> {
    match member {
        Member::Labels(volume) => writer.array(key, volume.view()),
        Member::TwoLetters { shape, items } => writer.two_letters(key, shape, items),
        Member::Objects { shape, items } => {
            let items = items.iter().map(python_value).collect();
            let array =
                ObjectArray::new(shape.clone(), items).ok_or_else(|| NpzErrorKind::Unwritable {
                    key: key.to_owned(),
                    reason: "its rows differ in length".to_owned(),
                })?;
            writer.objects(key, &array)
        }
    }
}

/// A prompt's value as it is pickled.
pub(crate) fn python_value(value: &PromptValue) -> Value {
    match value {
        PromptValue::None => Value::None,
        PromptValue::Int(number) => Value::Int(*number),
        PromptValue::Text(text) => Value::from(text.as_str()),
        PromptValue::List(items) => Value::List(items.iter().map(python_value).collect()),
        PromptValue::Dict(entries) => {
            let entry = |(key, value): &(String, PromptValue)| {
                (Value::from(key.as_str()), python_value(value))
            };
            Value::Dict(entries.iter().map(entry).collect())
        }
    }
}
