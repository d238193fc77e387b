//! What `docker save` wrote: which images an archive holds and what they say of themselves.
//!
//! The form is Docker Image Specification v1.2: `manifest.json` names each image's configuration,
//! its names and its layers.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use segarena_container::manifest::{ManifestEntry, or_default};
use segarena_contract::ImageFacts;
use serde::Deserialize;
use tar::{Archive, Builder, Header};

use crate::image::ImageConfig;

/// No manifest and no configuration is anywhere near this long.
const LONGEST: u64 = 16 << 20;

/// The images of a plain tar.
///
/// # Errors
/// When it can't be read or is no archive of images.
pub(crate) fn manifest(tar: &Path) -> io::Result<Vec<ManifestEntry>> {
    let text = member(tar, "manifest.json")?.ok_or_else(|| {
        io::Error::other("it has no manifest.json, so it is not what `docker save` writes")
    })?;
    serde_json::from_slice(&text).map_err(io::Error::other)
}

/// What this image of a plain tar says of itself.
///
/// # Errors
/// When its configuration can't be read.
pub(crate) fn image_config(
    tar: &Path,
    entry: &ManifestEntry,
    name: &str,
) -> io::Result<ImageConfig> {
    let text = member(tar, &entry.config)?
        .ok_or_else(|| io::Error::other(format!("it has no {}", entry.config)))?;
    #[derive(Deserialize)]
    struct File {
        #[serde(default)]
        architecture: String,
        #[serde(default)]
        config: Option<Inner>,
    }
    #[derive(Default, Deserialize)]
    #[serde(rename_all = "PascalCase", default)]
    struct Inner {
        user: String,
        working_dir: String,
        #[serde(deserialize_with = "or_default")]
        entrypoint: Vec<String>,
        #[serde(deserialize_with = "or_default")]
        env: Vec<String>,
    }
    let file: File = serde_json::from_slice(&text).map_err(io::Error::other)?;
    let inner = file.config.unwrap_or_default();
    Ok(ImageConfig {
        facts: ImageFacts {
            reference: name.to_owned(),
            id: format!("sha256:{}", crate::store::digest(&text)),
            archive_names: Vec::new(),
            size: tar.metadata()?.len(),
            architecture: file.architecture,
            user: inner.user,
            workdir: inner.working_dir,
            entrypoint: inner.entrypoint,
        },
        variables: inner.env,
    })
}

/// Writes the tar again with this image alone in its manifest: Apptainer can't be told which of
/// several it is to take.
///
/// # Errors
/// Those of reading and writing.
pub(crate) fn keep_only(tar: &Path, entry: &ManifestEntry, to: &Path) -> io::Result<()> {
    let mut archive = Archive::new(File::open(tar)?);
    let mut builder = Builder::new(io::BufWriter::new(File::create(to)?));
    for member in archive.entries()? {
        let mut member = member?;
        let path = member.path()?.into_owned();
        if path == Path::new("manifest.json") || path == Path::new("repositories") {
            continue;
        }
        let mut header = member.header().clone();
        match member.link_name()? {
            Some(target) => builder.append_link(&mut header, &path, &target)?,
            None => builder.append_data(&mut header, &path, &mut member)?,
        }
    }
    let manifest = serde_json::to_vec(&[entry])?;
    let mut header = Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(manifest.len() as u64);
    builder.append_data(&mut header, "manifest.json", manifest.as_slice())?;
    builder.into_inner()?.into_inner()?.sync_all()
}

/// The content of a member of the tar, if it is there. Layers are passed over without being read.
fn member(tar: &Path, name: &str) -> io::Result<Option<Vec<u8>>> {
    let mut archive = Archive::new(File::open(tar)?);
    for member in archive.entries_with_seek()? {
        let member = member?;
        let path = member.path()?;
        if path.strip_prefix(".").unwrap_or(&path) != Path::new(name) {
            continue;
        }
        let mut content = Vec::new();
        member.take(LONGEST).read_to_end(&mut content)?;
        return Ok(Some(content));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use segarena_container::image_archive::ImageArchive;

    use super::*;

    fn write(folder: &Path, image: &ImageArchive) -> std::path::PathBuf {
        let path = folder.join("image.tar");
        std::fs::write(&path, image.to_tar().unwrap()).unwrap();
        path
    }

    #[test]
    fn an_archive_says_which_images_it_holds_and_how_they_run() {
        let folder = tempfile::tempdir().unwrap();
        let image = ImageArchive::named("team:v1")
            .also_named("team:latest")
            .user("1000")
            .file("/workspace/predict.sh", 0o755, b"true\n");
        let tar = write(folder.path(), &image);
        let entries = manifest(&tar).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!(entries[0].names(), ["team:v1", "team:latest"]);
        let config = image_config(&tar, &entries[0], "team:latest").unwrap();
        assert_eq!(config.facts.reference, "team:latest");
        assert_eq!(config.facts.workdir, "/workspace");
        assert_eq!(config.facts.user, "1000");
        assert!(!config.runs_as_root());
        assert_eq!(config.variables, ["PATH=/usr/local/bin:/usr/bin:/bin"]);
        assert_eq!(config.facts.id.len(), 71);
    }

    #[test]
    fn a_tar_of_something_else_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.tar");
        let mut builder = Builder::new(File::create(&path).unwrap());
        let mut header = Header::new_gnu();
        header.set_size(1);
        builder
            .append_data(&mut header, "readme", &b"x"[..])
            .unwrap();
        builder.into_inner().unwrap();
        let error = manifest(&path).unwrap_err();
        assert!(error.to_string().contains("docker save"), "{error}");
    }

    #[test]
    fn one_of_several_images_can_be_kept_alone() {
        let folder = tempfile::tempdir().unwrap();
        let tar = write(
            folder.path(),
            &ImageArchive::named("a:1").file("/f", 0o644, b"content"),
        );
        let entries = manifest(&tar).unwrap();
        let mut other = entries[0].clone();
        other.repo_tags = vec!["chosen:1".to_owned()];
        let kept = folder.path().join("kept.tar");
        keep_only(&tar, &other, &kept).unwrap();
        assert_eq!(manifest(&kept).unwrap(), std::slice::from_ref(&other));
        let config = image_config(&kept, &other, "chosen:1").unwrap();
        let before = image_config(&tar, &entries[0], "chosen:1").unwrap();
        assert_eq!(config, before);
        assert_eq!(
            member(&kept, &other.layers[0]).unwrap(),
            member(&tar, &other.layers[0]).unwrap()
        );
    }
}
