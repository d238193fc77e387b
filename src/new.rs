//! A submission that works, to begin from.

use std::path::Path;

use anyhow::Context;
use segarena_core::results::write_whole;

use crate::args::BuiltInTrack;
use crate::submissions::check_name;

/// The files of a track's submission, by their names in the folder.
fn files(track: BuiltInTrack) -> [(&'static str, &'static str); 5] {
    let (predict, readme) = match track {
        BuiltInTrack::Interactive => (
            include_str!("../templates/new/interactive/predict.py"),
            include_str!("../templates/new/interactive/README.md"),
        ),
        BuiltInTrack::Text => (
            include_str!("../templates/new/text/predict.py"),
            include_str!("../templates/new/text/README.md"),
        ),
    };
    [
        ("predict.py", predict),
        ("predict.sh", include_str!("../templates/new/predict.sh")),
        ("Dockerfile", include_str!("../templates/new/Dockerfile")),
        (
            "segarena.toml",
            include_str!("../templates/new/segarena.toml"),
        ),
        ("README.md", readme),
    ]
}

/// Writes a submission to this track into a folder, which is made. Returns its name and the files'
/// names.
///
/// # Errors
/// When one of the files is there already, or can't be written; nothing is written in the first
/// case.
pub(crate) fn write(
    folder: &Path,
    track: BuiltInTrack,
) -> anyhow::Result<(String, Vec<&'static str>)> {
    let files = files(track);
    let there: Vec<&str> = files
        .iter()
        .map(|(name, _)| *name)
        .filter(|name| folder.join(name).symlink_metadata().is_ok())
        .collect();
    if !there.is_empty() {
        anyhow::bail!(
            "{} has {} already, and nothing was written (name a new folder)",
            folder.display(),
            there.join(", ")
        );
    }
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let name = name_of(folder);
    for (file, text) in files {
        let text = text.replace("TRACK", track.name()).replace("TEAM", &name);
        write_whole(&folder.join(file), text.as_bytes())?;
    }
    Ok((name, files.map(|(file, _)| file).to_vec()))
}

/// The folder's name as that of a submission and of an image: small letters, digits and dashes.
fn name_of(folder: &Path) -> String {
    let path = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    let name = name.trim_matches('-');
    match check_name(name) {
        Ok(()) => name.to_owned(),
        Err(_) => "team".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_submission_as_an_image_can_be_named() {
        let of = |name: &str| name_of(Path::new(name));
        assert_eq!(of("/somewhere/My Model_v2"), "my-model-v2");
        assert_eq!(of("/somewhere/__"), "team");
    }
}
