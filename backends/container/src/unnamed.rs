//! An archive's plain tar written anew, without the names that it gives to its images.
//!
//! An engine moves a name that an archive carries from whatever image has it to the archive's. So
//! it never sees one: an image is loaded, run and removed by its id.

use std::collections::HashSet;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};

use tar::{Builder, EntryType, Header};

use crate::inflated::Inflated;
use crate::manifest::{self, Unnamed};
use crate::members::{Kind, Member, Members};

/// The names of an archive's images, in the archive's order.
pub(crate) type Names = Vec<Vec<String>>;

/// Writes a tar of images anew without their names, which it returns. Layers that are compressed
/// within the tar may hold `most` bytes together.
///
/// # Errors
/// Those of reading and writing, and what no saved image holds.
pub(crate) fn write_without_names<W: Write>(
    tar: impl Read,
    to: W,
    most: u64,
) -> io::Result<(Names, Builder<W>)> {
    let mut members = Members::of(tar);
    let mut anew = Anew {
        builder: Builder::new(to),
        links: HashSet::new(),
        inflated: Inflated::up_to(most),
        by_manifest: None,
        by_index: None,
    };
    while let Some(member) = members.next()? {
        anew.take(&member, &mut members)?;
    }
    // What is damaged behind the last member is damaged all the same.
    io::copy(&mut members.into_rest(), &mut io::sink())?;
    let names = anew.by_manifest.or(anew.by_index).unwrap_or_default();
    Ok((names, anew.builder))
}

/// The tar that is written.
struct Anew<W: Write> {
    builder: Builder<W>,
    links: HashSet<PathBuf>,
    inflated: Inflated,
    by_manifest: Option<Names>,
    by_index: Option<Names>,
}

/// No manifest is anywhere near this long.
const LONGEST_MANIFEST: u64 = 16 << 20;
/// No image has so many layers, which is what links in an archive are for.
const MOST_LINKS: usize = 10_000;

impl<W: Write> Anew<W> {
    fn take(&mut self, member: &Member, content: &mut impl Read) -> io::Result<()> {
        let Some(path) = plain(&member.path) else {
            return Err(odd("a path out of it", &member.path));
        };
        if path.ancestors().skip(1).any(|it| self.links.contains(it)) {
            return Err(odd("something below a link", &path));
        }
        match (&member.kind, path.to_str()) {
            (_, Some("" | "repositories")) => Ok(()),
            (Kind::File, Some("manifest.json")) => {
                let unnamed = manifest::of_manifest(&whole(member, content)?)?;
                let names = self.replace(&path, unnamed)?;
                first(&mut self.by_manifest, names, &path)
            }
            (Kind::File, Some("index.json")) => {
                let unnamed = manifest::of_index(&whole(member, content)?)?;
                let names = self.replace(&path, unnamed)?;
                first(&mut self.by_index, names, &path)
            }
            (_, Some("manifest.json" | "index.json")) => Err(odd("no file", &path)),
            (Kind::File, _) => self.file(&path, member.size, content),
            (Kind::Folder, _) => {
                let mut header = header(EntryType::Directory, 0);
                self.builder.append_data(&mut header, &path, io::empty())
            }
            (Kind::Link(target), _) => {
                let mut header = header(EntryType::Symlink, 0);
                self.builder.append_link(&mut header, &path, target)?;
                self.links.insert(path);
                match self.links.len() > MOST_LINKS {
                    true => Err(io::Error::other("it holds too many links")),
                    false => Ok(()),
                }
            }
            (Kind::Other, _) => Err(odd("something that is no file, folder or link", &path)),
        }
    }

    fn replace(&mut self, path: &Path, unnamed: Unnamed) -> io::Result<Names> {
        let mut header = header(EntryType::Regular, unnamed.text.len() as u64);
        self.builder
            .append_data(&mut header, path, unnamed.text.as_slice())?;
        Ok(unnamed.names)
    }

    fn file(&mut self, path: &Path, size: u64, content: &mut impl Read) -> io::Result<()> {
        let mut header = header(EntryType::Regular, size);
        let mut counted = self.inflated.counting(content);
        self.builder.append_data(&mut header, path, &mut counted)
    }
}

/// A header of an archive's member: what is in a layer has its own.
fn header(kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(0o755);
    header.set_size(size);
    header
}

/// The path without `.`; `None` when it leads out of the archive.
fn plain(path: &Path) -> Option<PathBuf> {
    let parts = path.components().filter(|part| *part != Component::CurDir);
    parts
        .map(|part| match part {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}

fn whole(member: &Member, content: &mut impl Read) -> io::Result<Vec<u8>> {
    if member.size > LONGEST_MANIFEST {
        return Err(odd("a manifest that is too long", &member.path));
    }
    let mut text = Vec::new();
    content.read_to_end(&mut text)?;
    Ok(text)
}

/// Notes names; of two files of one path engines may read either.
fn first(place: &mut Option<Names>, names: Names, path: &Path) -> io::Result<()> {
    match place.replace(names) {
        None => Ok(()),
        Some(_) => Err(odd("two files of one name", path)),
    }
}

fn odd(what: &str, path: &Path) -> io::Error {
    let path = path.to_string_lossy();
    io::Error::other(format!("it holds {what}: {}", crate::message::shown(&path)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image_archive::ImageArchive;

    const MOST: u64 = 64 << 20;

    fn rewritten(tar: &[u8]) -> io::Result<(Names, Vec<u8>)> {
        let (names, builder) = write_without_names(tar, Vec::new(), MOST)?;
        Ok((names, builder.into_inner()?))
    }

    fn contents(tar: &[u8]) -> Vec<(PathBuf, Vec<u8>)> {
        let mut members = Members::of(tar);
        let mut all = Vec::new();
        while let Some(member) = members.next().unwrap() {
            let mut content = Vec::new();
            members.read_to_end(&mut content).unwrap();
            all.push((member.path, content));
        }
        all
    }

    fn tar_of(members: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = Builder::new(Vec::new());
        for &(path, kind, content) in members {
            if kind == EntryType::Regular {
                let mut header = header(kind, content.len() as u64);
                builder
                    .append_data(&mut header, path, content.as_bytes())
                    .unwrap();
            } else {
                let mut header = header(kind, 0);
                builder.append_link(&mut header, path, content).unwrap();
            }
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn an_image_keeps_everything_but_its_names() {
        let image = ImageArchive::named("team").file("/f", 0o644, b"content");
        let named = image.clone().also_named("other:2").to_tar().unwrap();
        let (names, tar) = rewritten(&named).unwrap();
        assert_eq!(names, [["team", "other:2"]]);
        let unnamed = ImageArchive::unnamed().file("/f", 0o644, b"content");
        let (none, same) = rewritten(&unnamed.to_tar().unwrap()).unwrap();
        assert_eq!(none, [[""; 0]]);
        assert_eq!(contents(&tar), contents(&same));
    }

    #[test]
    fn a_name_cannot_be_brought_in_by_another_way() {
        use EntryType::{Block, Link, Regular, Symlink};
        let manifest = r#"[{"Config":"c","RepoTags":["victim:1"],"Layers":[]}]"#;
        let attempts = [
            // Behind a link of the manifest's name, or below one.
            vec![("x", Regular, manifest), ("manifest.json", Symlink, "x")],
            vec![("x", Regular, manifest), ("manifest.json", Link, "x")],
            vec![("d", Symlink, "."), ("d/manifest.json", Regular, manifest)],
            vec![("device", Block, "x")],
            vec![
                ("manifest.json", Regular, manifest),
                ("./manifest.json", Regular, manifest),
            ],
            vec![("manifest.json", Regular, "{}")],
        ];
        for members in attempts {
            assert!(rewritten(&tar_of(&members)).is_err(), "{members:?}");
        }
        let tar = tar_of(&[
            ("repositories", Regular, r#"{"victim":{"1":"c"}}"#),
            ("./manifest.json", Regular, manifest),
        ]);
        let (names, tar) = rewritten(&tar).unwrap();
        assert_eq!(names, [["victim:1"]]);
        assert!(!tar.windows(6).any(|bytes| bytes == b"victim"));
    }
}
