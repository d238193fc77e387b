//! NIfTI files held against nibabel and SimpleITK, made ones and real ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use segarena_harness::Requirement;

use crate::scenario::{ProgramOutput, segarena, stand_in};

pub static NIFTI: Requirement = Requirement::new("nifti", || {
    let python = Command::new(python())
        .args(["-c", "import nibabel, SimpleITK"])
        .output();
    match python {
        Ok(output) if output.status.success() && images().is_dir() => Ok(()),
        _ => Err("no nibabel or no images (tests/tools/nifti-setup.sh gets them)".to_owned()),
    }
});

fn place() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/nifti")
}

fn python() -> PathBuf {
    place().join("python/bin/python")
}

fn images() -> PathBuf {
    place().join("images")
}

/// Runs the oracle; the number it prints: how many files it looked at.
fn oracle(what: &str, folder: &Path, more: &[&str]) -> usize {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/nifti_oracle.py");
    let mut command = Command::new(python());
    command
        .arg("-I")
        .arg(script)
        .arg(what)
        .arg(folder)
        .args(more);
    let output = ProgramOutput::of(command.output().unwrap()).ends_with(0);
    output.stdout.trim().parse().unwrap_or(0)
}

fn import(folder: &Path, more: &[&str]) -> ProgramOutput {
    let line = ["import", "-i", "imagesTr", "-l", "labelsTr", "-o", "data"];
    segarena(folder, &[&line, more].concat())
}

/// Evaluates the stand-in on what was imported and exports what it predicted.
fn evaluate_and_export(folder: &Path) {
    let config = format!(
        "[cases]\nimages = \"data/imgs\"\nground_truth = \"data/gts\"\n[output]\ndir = \"out\"\n\
         [protocol]\nclicks = 1\n[backend]\nkind = \"process\"\n\
         env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n\
         [[submission]]\nname = \"team\"\ncommand = [{:?}]\n",
        stand_in()
    );
    fs::write(folder.join("config.toml"), config).unwrap();
    let line = ["evaluate", "--config", "config.toml", "--quiet"];
    let _ = segarena(folder, &line).ends_with(0);
    let _ = segarena(folder, &["export", "out", "--nifti", "nifti"]).ends_with(0);
}

pub fn files_of_every_type_are_imported_and_exported_as_nibabel_and_simpleitk_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    oracle("make", folder, &[]);
    let _ = import(folder, &[])
        .ends_with(0)
        .prints(&["20 cases imported"]);
    assert_eq!(oracle("imported", folder, &["window"]), 20);
    let _ = import(folder, &["--percentiles"]).ends_with(0);
    assert_eq!(oracle("imported", folder, &["percentiles"]), 20);
    evaluate_and_export(folder);
    assert_eq!(oracle("exported", folder, &["team"]), 20);
}

/// Real images with real labels, or with themselves as labels.
const REAL: [(&str, &str); 7] = [
    ("ch2", "aal"),
    ("ch2", "brodmann"),
    ("MNI152_T1_1mm_brain", "HarvardOxford-cort-maxprob-thr0-1mm"),
    ("atlas_aal", "atlas_aal"),
    ("standard", "standard"),
    ("inia19-t1-brain", "inia19-NeuroMaps"),
    ("example_nifti2", "example_nifti2"),
];

pub fn real_images_are_imported_and_exported_as_nibabel_and_simpleitk_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (image, labels) in REAL {
        for (kind, file) in [("imagesTr", image), ("labelsTr", labels)] {
            let to = folder.join(kind);
            fs::create_dir_all(&to).unwrap();
            let from = images().join(format!("{file}.nii.gz"));
            std::os::unix::fs::symlink(from, to.join(format!("{labels}.nii.gz"))).unwrap();
        }
    }
    let _ = import(folder, &[])
        .ends_with(3)
        .says(&[
            "inia19-NeuroMaps.nii.gz: it has more than 255 labels",
            "32 × 20 × 12 × 2 voxels",
            "standard: the image is one value when it is cut off at 255 to 255",
        ])
        .prints(&["4 cases imported, 3 failed"]);
    assert_eq!(oracle("imported", folder, &["percentiles"]), 4);
    for case in ["aal", "brodmann", "HarvardOxford-cort-maxprob-thr0-1mm"] {
        // The evaluation is not what is tried here, and these have many labels.
        for kind in ["imgs", "gts"] {
            fs::remove_file(folder.join(format!("data/{kind}/{case}.npz"))).unwrap();
        }
    }
    evaluate_and_export(folder);
    assert_eq!(oracle("exported", folder, &["team"]), 1);
}
