//! Image files: what a case's model inputs are made of.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};

use segarena_kernels::Spacing;

use super::archive::{Archive, Member, MemberReader};
use super::element::{Element, read_elements, with_element};
use super::error::{NpzError, NpzErrorKind};
use super::folder::open_own;
use super::header::{ArrayHeader, Elements};
use super::pickle::{self, ObjectArray};
use super::writer::NpzWriter;

const SPACING: &str = "an image file needs the size of a voxel, three numbers in mm (z, y, x)";
const NUMERIC: &str = "numbers (bool, int8…64, uint8…64 or float16…64)";
/// Members are copied in pieces of this size.
const COPIED: usize = 256 * 1024;

/// An image file of the data set, checked: its voxels' shape and type, its spacing, its boxes.
///
/// Only headers and small members are inflated, never the voxels.
#[derive(Debug, Clone)]
pub struct Image {
    path: PathBuf,
    shape: [usize; 3],
    dtype: super::Dtype,
    spacing: Spacing,
    boxes: Boxes,
    /// Other members that were decoded.
    objects: BTreeMap<String, ObjectArray>,
    has_ground_truth: bool,
}

#[derive(Debug, Clone)]
enum Boxes {
    None,
    /// Python objects, decoded.
    Objects(ObjectArray),
    /// Numbers, passed on as they are; how many boxes.
    Numbers(usize),
}

impl Image {
    /// Opens and checks the image file at `path`.
    ///
    /// # Errors
    /// If it is no readable `.npz`; if `imgs` is missing, not 3-D or not numeric; if `spacing` is
    /// missing or not three positive finite numbers; if there are `boxes` that are no array of
    /// numbers or plain Python values.
    pub fn open(path: &Path) -> Result<Self, NpzError> {
        open_own(path)
            .and_then(Archive::open)
            .and_then(|archive| Self::check(path, &archive))
            .map_err(|kind| NpzError::new(path, kind))
    }

    /// Checks an image file given as its bytes; `path` is what messages call it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn from_bytes(path: &Path, bytes: Vec<u8>) -> Result<Self, NpzError> {
        Archive::from_bytes(bytes)
            .and_then(|archive| Self::check(path, &archive))
            .map_err(|kind| NpzError::new(path, kind))
    }

    fn check(path: &Path, archive: &Archive) -> Result<Self, NpzErrorKind> {
        let mut imgs = archive.reader(archive.require(
            "imgs",
            "an image file needs its voxels, a 3-D array of numbers",
        )?)?;
        let header = ArrayHeader::read(&mut imgs)?;
        let shape = header.three_axes("imgs")?;
        let (dtype, _) = header.numeric(&imgs, NUMERIC)?;
        archive.require_whole()?;
        Ok(Self {
            path: path.to_owned(),
            shape,
            dtype,
            spacing: read_spacing(archive)?,
            boxes: read_boxes(archive)?,
            objects: BTreeMap::new(),
            has_ground_truth: archive.find("gts")?.is_some(),
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The shape of `imgs`, (z, y, x).
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// The element type of `imgs`.
    pub fn dtype(&self) -> super::Dtype {
        self.dtype
    }

    /// The size of a voxel.
    pub fn spacing(&self) -> Spacing {
        self.spacing
    }

    /// Whether there are boxes, so that the case has a first interaction.
    pub fn has_boxes(&self) -> bool {
        !matches!(self.boxes, Boxes::None)
    }

    /// How many boxes there are.
    pub fn box_count(&self) -> usize {
        match &self.boxes {
            Boxes::None => 0,
            Boxes::Objects(boxes) => boxes.len(),
            Boxes::Numbers(count) => *count,
        }
    }

    /// The boxes as Python values, where they are Python values.
    pub fn boxes(&self) -> Option<&ObjectArray> {
        match &self.boxes {
            Boxes::Objects(boxes) => Some(boxes),
            _ => None,
        }
    }

    /// Decodes the members with these keys, pickled arrays of Python objects, where the file has
    /// them; [`Self::copy_members`] pickles them anew, so that any numpy reads them.
    ///
    /// # Errors
    /// If one of them is no such array or holds more than plain values, or the file is not
    /// readable any more.
    pub fn decode_objects(&mut self, keys: &[&str]) -> Result<(), NpzError> {
        let decode = |key: &str| -> Result<Option<ObjectArray>, NpzErrorKind> {
            let archive = open_own(&self.path).and_then(Archive::open)?;
            let Some(member) = archive.find(key)? else {
                return Ok(None);
            };
            match ArrayHeader::read(&mut archive.reader(member)?)?.elements {
                Elements::Objects => read_objects(&archive, member).map(Some),
                _ => Err(NpzErrorKind::header(
                    key,
                    "it must be an array of Python objects",
                )),
            }
        };
        for &key in keys {
            let decoded = decode(key).map_err(|kind| NpzError::new(&self.path, kind))?;
            if let Some(array) = decoded {
                self.objects.insert(key.to_owned(), array);
            }
        }
        Ok(())
    }

    /// The members that [`Self::decode_objects`] decoded, by key.
    pub fn objects(&self) -> &BTreeMap<String, ObjectArray> {
        &self.objects
    }

    /// Whether the file holds its own ground truth, `gts`.
    pub fn has_ground_truth(&self) -> bool {
        self.has_ground_truth
    }

    /// Copies the file's members into `writer`, compressed as they are, those with a key that
    /// `wanted` accepts; boxes and other members that were decoded are pickled anew, so that any
    /// numpy reads them.
    pub fn copy_members<W: Write + Seek>(
        &self,
        writer: &mut NpzWriter<W>,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<(), CopyError> {
        let file = open_own(&self.path).map_err(CopyError::Image)?;
        let mut source = zip::ZipArchive::new(std::io::BufReader::with_capacity(COPIED, file))
            .map_err(|error| CopyError::Image(unreadable(error)))?;
        for index in 0..source.len() {
            let member = source
                .by_index_raw(index)
                .map_err(|error| CopyError::Image(unreadable(error)))?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            let key = name.strip_suffix(".npy").unwrap_or(&name);
            if !wanted(key) || member.is_dir() {
                continue;
            }
            let decoded = match &self.boxes {
                Boxes::Objects(boxes) if key == "boxes" => Some(boxes),
                _ => self.objects.get(key),
            };
            match decoded {
                Some(array) => writer.objects(key, array).map_err(CopyError::Target)?,
                None => writer.copy(member).map_err(CopyError::Target)?,
            }
        }
        Ok(())
    }
}

/// Which side of a copy failed.
pub enum CopyError {
    /// The image, which had been readable.
    Image(NpzErrorKind),
    /// What is being written.
    Target(NpzErrorKind),
}

fn unreadable(error: zip::result::ZipError) -> NpzErrorKind {
    match error {
        zip::result::ZipError::Io(source) => NpzErrorKind::Io {
            doing: "it cannot be read",
            source,
        },
        other => NpzErrorKind::NotAnArchive {
            reason: other.to_string(),
        },
    }
}

fn read_spacing(archive: &Archive) -> Result<Spacing, NpzErrorKind> {
    let mut reader = archive.reader(archive.require("spacing", SPACING)?)?;
    let header = ArrayHeader::read(&mut reader)?;
    if header.shape != [3] {
        return Err(NpzErrorKind::Shape {
            key: "spacing".to_owned(),
            found: header.shape,
            wanted: "be (3,): millimetres along axes 0, 1, 2 of `imgs`".to_owned(),
        });
    }
    let (dtype, count) = header.numeric(&reader, NUMERIC)?;
    let mut mm = [0.0; 3];
    with_element!(
        dtype.kind,
        read_floats(&mut reader, count, dtype.big_endian, &mut mm)
    )?;
    reader.finish()?;
    Ok(Spacing::new(mm)?)
}

fn read_floats<T: Element>(
    reader: &mut MemberReader,
    count: usize,
    big_endian: bool,
    floats: &mut [f64; 3],
) -> Result<(), NpzErrorKind> {
    read_elements::<T>(reader, count, big_endian, |before, values| {
        for (float, value) in floats[before..].iter_mut().zip(values) {
            *float = value.float();
        }
        Ok(())
    })
}

fn read_boxes(archive: &Archive) -> Result<Boxes, NpzErrorKind> {
    let Some(member) = archive.find("boxes")? else {
        return Ok(Boxes::None);
    };
    let mut reader = archive.reader(member)?;
    let header = ArrayHeader::read(&mut reader)?;
    match header.elements {
        Elements::Objects => read_objects(archive, member).map(Boxes::Objects),
        _ => {
            header.numeric(&reader, "one dictionary per label (pickled) or numbers")?;
            Ok(Boxes::Numbers(header.shape.first().copied().unwrap_or(0)))
        }
    }
}

/// A pickled array of objects. The pickle itself says its shape; the header's is not asked.
pub(super) fn read_objects(
    archive: &Archive,
    member: &Member,
) -> Result<ObjectArray, NpzErrorKind> {
    let mut reader = archive.reader(member)?;
    ArrayHeader::read(&mut reader)?;
    let key = member.key().to_owned();
    if reader.left() > pickle::LONGEST {
        return Err(NpzErrorKind::unreadable(
            &key,
            format!("a pickle of {} bytes", reader.left()),
        ));
    }
    let mut bytes = vec![0; usize::try_from(reader.left()).unwrap_or(0)];
    reader.fill(&mut bytes)?;
    reader.finish()?;
    pickle::read_array(&bytes).map_err(|source| NpzErrorKind::Pickle { key, source })
}
