//! Which image belongs to which labels, by their names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::args::ImportOptions;

/// The files of one case to import.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pair {
    /// The case's name: that of its labels, without `.nii.gz`.
    pub(crate) case: String,
    pub(crate) image: PathBuf,
    pub(crate) labels: PathBuf,
}

/// What two folders hold.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pairs {
    /// By name.
    pub(crate) pairs: Vec<Pair>,
    /// Labels without an image, in words.
    pub(crate) orphans: Vec<String>,
    /// Images without labels, which nobody asks for.
    pub(crate) unlabelled: Vec<String>,
}

impl Pairs {
    /// Finds the image of every label image: `CASE_0000` (nnU-Net's, with the channel's number) or
    /// `CASE`.
    ///
    /// # Errors
    /// When a folder can't be read or holds no NIfTI file, a name is not UTF-8 or stands for two
    /// files.
    pub(crate) fn find(options: &ImportOptions) -> anyhow::Result<Self> {
        let mut images = nifti_files(&options.images)?;
        let mut found = Self {
            pairs: Vec::new(),
            orphans: Vec::new(),
            unlabelled: Vec::new(),
        };
        for (case, labels) in nifti_files(&options.labels)? {
            let channel = format!("{case}_{:04}", options.channel);
            match (images.remove(&channel), images.remove(&case)) {
                (Some(image), None) | (None, Some(image)) => found.pairs.push(Pair {
                    case,
                    image,
                    labels,
                }),
                (None, None) => found.orphans.push(format!(
                    "{case}: there is no image for {} (neither {channel}.nii.gz nor {case}.nii.gz in {})",
                    labels.display(),
                    options.images.display()
                )),
                (Some(one), Some(other)) => found.orphans.push(format!(
                    "{case}: both {} and {} could be its image: leave one of them",
                    one.display(),
                    other.display()
                )),
            }
        }
        let is_other_channel = |name: &String| {
            let case = without_channel(name);
            case.is_some_and(|case| found.pairs.iter().any(|pair| pair.case == case))
        };
        found.unlabelled = images
            .into_keys()
            .filter(|name| !is_other_channel(name))
            .collect();
        Ok(found)
    }
}

/// The case that a name with a channel's number is of.
fn without_channel(name: &str) -> Option<&str> {
    let (case, channel) = name.rsplit_once('_')?;
    let is_channel = channel.len() == 4 && channel.bytes().all(|byte| byte.is_ascii_digit());
    is_channel.then_some(case)
}

/// A NIfTI file's name without its ending; `None` for other files.
fn stem(name: &str) -> Option<&str> {
    name.strip_suffix(".nii.gz")
        .or_else(|| name.strip_suffix(".nii"))
        .filter(|stem| !stem.is_empty())
}

/// The NIfTI files in a folder by their names without ending.
fn nifti_files(folder: &Path) -> anyhow::Result<BTreeMap<String, PathBuf>> {
    let reading = || {
        format!(
            "cannot read the folder {} (check the path)",
            folder.display()
        )
    };
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).with_context(reading)? {
        let path = entry.with_context(reading)?.path();
        let Some(name) = path.file_name().unwrap_or_default().to_str() else {
            bail!("the file name {} is not UTF-8: rename it", path.display());
        };
        // `._x.nii.gz` and the like are droppings of other programs.
        let Some(stem) = stem(name).filter(|_| !name.starts_with('.')) else {
            continue;
        };
        if let Some(other) = files.insert(stem.to_owned(), path.clone()) {
            bail!(
                "{} and {} are of one name: leave one of them",
                other.display(),
                path.display()
            );
        }
    }
    if files.is_empty() {
        bail!("{} has no file ending in .nii or .nii.gz", folder.display());
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Arguments, Command};

    fn find(images: &[&str], labels: &[&str], more: &[&str]) -> anyhow::Result<Pairs> {
        let folder = tempfile::tempdir()?;
        for (name, files) in [("i", images), ("l", labels)] {
            std::fs::create_dir(folder.path().join(name))?;
            for file in files {
                std::fs::write(folder.path().join(name).join(file), "")?;
            }
        }
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (images, labels) = (at("i"), at("l"));
        let line = [
            "segarena", "import", "-i", &images, "-l", &labels, "-o", "x",
        ];
        match Arguments::try_parse_from(line.iter().chain(more))?.command {
            Command::Import(options) => Pairs::find(&options),
            other => panic!("{other:?}"),
        }
    }

    fn names(pairs: &Pairs) -> Vec<(String, String)> {
        let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
        let pair = |pair: &Pair| (name(&pair.image), name(&pair.labels));
        pairs.pairs.iter().map(pair).collect()
    }

    fn pair(image: &str, labels: &str) -> (String, String) {
        (image.to_owned(), labels.to_owned())
    }

    #[test]
    fn names_of_nnu_net_and_names_of_one_to_one_are_paired() {
        let images = [
            "b_0000.nii.gz",
            "b_0001.nii.gz",
            "a.nii",
            "._a.nii",
            "c_1.nii.gz",
            "x.txt",
        ];
        let found = find(&images, &["a.nii.gz", "b.nii.gz", "c_1.nii"], &[]).unwrap();
        assert_eq!(
            names(&found),
            [
                pair("a.nii", "a.nii.gz"),
                pair("b_0000.nii.gz", "b.nii.gz"),
                pair("c_1.nii.gz", "c_1.nii")
            ]
        );
        assert!(
            found.orphans.is_empty() && found.unlabelled.is_empty(),
            "{found:?}"
        );
    }

    #[test]
    fn another_channel_can_be_the_image() {
        let images = ["b_0000.nii.gz", "b_0001.nii.gz"];
        let found = find(&images, &["b.nii.gz"], &["--channel", "1"]).unwrap();
        assert_eq!(names(&found), [pair("b_0001.nii.gz", "b.nii.gz")]);
    }

    #[test]
    fn what_has_no_partner_or_two_is_told() {
        let found = find(
            &["a.nii", "a_0000.nii", "b.nii", "d_0000.nii"],
            &["a.nii", "b.nii", "c.nii"],
            &[],
        )
        .unwrap();
        assert_eq!(names(&found), [pair("b.nii", "b.nii")]);
        assert!(found.orphans[0].contains("a_0000.nii"), "{found:?}");
        assert!(found.orphans[1].contains("c_0000.nii.gz"), "{found:?}");
        assert_eq!(found.unlabelled, ["d_0000"]);
    }

    #[test]
    fn folders_that_cannot_serve_are_errors() {
        let error = |result: anyhow::Result<Pairs>| result.unwrap_err().to_string();
        assert!(error(find(&["a.nii", "a.nii.gz"], &["a.nii"], &[])).contains("of one name"));
        assert!(error(find(&["a.txt"], &["a.nii"], &[])).contains("no file ending in .nii"));
    }
}
