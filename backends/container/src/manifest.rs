//! What an archive says of its images: `manifest.json` of the Docker Image Specification v1.2, and
//! `index.json` of the OCI Image Layout.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One entry of `manifest.json`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ManifestEntry {
    /// The member with the image's configuration.
    pub config: String,
    /// The image's names.
    #[serde(default, deserialize_with = "or_default")]
    pub repo_tags: Vec<String>,
    /// The members with its layers.
    #[serde(default, deserialize_with = "or_default")]
    pub layers: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    layer_sources: Option<Value>,
}

impl ManifestEntry {
    /// What the image is called: its names, or its configuration where it has none.
    pub fn names(&self) -> Vec<String> {
        match self.repo_tags.is_empty() {
            true => vec![self.config.clone()],
            false => self.repo_tags.clone(),
        }
    }
}

/// Reads what Go writes as `null`, an empty list, as one.
///
/// # Errors
/// The deserializer's.
pub fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The names that a file of an archive gives to its images, in its order, and the same file
/// without them.
pub(crate) struct Unnamed {
    pub(crate) names: Vec<Vec<String>>,
    pub(crate) text: Vec<u8>,
}

/// Takes the names out of a `manifest.json`.
///
/// What is not known here is left out: engines read keys in spellings of their own.
pub(crate) fn of_manifest(text: &[u8]) -> io::Result<Unnamed> {
    let mut entries: Vec<ManifestEntry> = serde_json::from_slice(text)?;
    let take = |entry: &mut ManifestEntry| std::mem::take(&mut entry.repo_tags);
    Ok(Unnamed {
        names: entries.iter_mut().map(take).collect(),
        text: serde_json::to_vec(&entries)?,
    })
}

/// Takes the names out of an `index.json`, as [`of_manifest`] does.
pub(crate) fn of_index(text: &[u8]) -> io::Result<Unnamed> {
    let index: Index = serde_json::from_slice(text)?;
    let names = |descriptor: &Descriptor| {
        let annotations = descriptor.annotations.iter().flatten();
        let names = annotations.filter(|(key, _)| NAMES.contains(&key.as_str()));
        names.map(|(_, name)| name.clone()).collect()
    };
    Ok(Unnamed {
        names: index.manifests.iter().map(names).collect(),
        text: serde_json::to_vec(&index)?,
    })
}

/// The annotations by which engines name an image that they load.
const NAMES: [&str; 2] = [
    "io.containerd.image.name",
    "org.opencontainers.image.ref.name",
];

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Index {
    schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    platform: Option<Value>,
    #[serde(default, skip_serializing)]
    annotations: Option<BTreeMap<String, String>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_writes_as_null_is_an_empty_list() {
        let text = r#"[{"Config":"a.json","RepoTags":null,"Layers":null}]"#;
        let entries: Vec<ManifestEntry> = serde_json::from_str(text).unwrap();
        assert_eq!(entries[0].names(), ["a.json"]);
    }

    #[test]
    fn names_are_taken_out_however_they_are_spelt() {
        let text = r#"[{"Config":"a.json","RepoTags":["team:1"],"repotags":["b:2"],"RepoTagſ":["c:3"],
                        "Layers":["l/layer.tar"]}]"#;
        let unnamed = of_manifest(text.as_bytes()).unwrap();
        assert_eq!(unnamed.names, [["team:1"]]);
        let left = String::from_utf8(unnamed.text).unwrap();
        let expected = r#"[{"Config":"a.json","RepoTags":[],"Layers":["l/layer.tar"]}]"#;
        assert_eq!(left, expected);

        let text = r#"{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:0","size":7,
                        "annotations":{"io.containerd.image.name":"docker.io/library/team:1",
                        "other":"x"}}],"annotations":{"org.opencontainers.image.ref.name":"d"}}"#;
        let unnamed = of_index(text.as_bytes()).unwrap();
        assert_eq!(unnamed.names, [["docker.io/library/team:1"]]);
        let left = String::from_utf8(unnamed.text).unwrap();
        let expected =
            r#"{"schemaVersion":2,"manifests":[{"mediaType":"m","digest":"sha256:0","size":7}]}"#;
        assert_eq!(left, expected);
    }
}
