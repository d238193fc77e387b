//! Folders of NIfTI files in, NIfTI files out: `segarena import` and `segarena export`.

mod files;

use std::fs;
use std::path::Path;
use std::process::Command;

use files::{File, SHAPE, balls, write_case};
use segarena_core::nifti::read_nifti;
use segarena_core::npz::{Image, NpzMembers, read_ground_truth};
use segarena_core::prompt::{BoundingBox, boxes_member};
use tempfile::TempDir;

use crate::scenario::{PROGRAM, ProgramOutput, segarena, stand_in};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn import(folder: &Path, more: &[&str]) -> ProgramOutput {
    let line = ["import", "-i", "imagesTr", "-l", "labelsTr", "-o", "data"];
    segarena(folder, &[&line, more].concat())
}

fn image(folder: &Path, case: &str) -> NpzMembers {
    NpzMembers::open(&folder.join(format!("data/imgs/{case}.npz"))).unwrap()
}

#[test]
fn an_image_and_its_labels_become_a_case() {
    let folder = folder();
    write_case(folder.path(), "CT_1");
    import(folder.path(), &[])
        .ends_with(0)
        .says(&["CT_1: 2 labels, window 40,400"])
        .prints(&[
            "data: 1 case imported",
            "segarena evaluate --images data/imgs",
        ]);

    let path = folder.path().join("data/imgs/CT_1.npz");
    let checked = Image::open(&path).unwrap();
    assert_eq!(checked.shape(), SHAPE);
    assert_eq!(checked.spacing().mm(), [3.0, 1.0, 1.0]);
    let members = image(folder.path(), "CT_1");
    assert_eq!(
        members.numbers("affine").unwrap(),
        [
            [-1.0, 0.0, 0.0, 10.0],
            [0.0, 1.0, 0.0, 20.0],
            [0.0, 0.0, 3.0, 30.0],
            [0.0, 0.0, 0.0, 1.0]
        ]
        .concat()
    );
    // -50 to 74 lies within the window of -160 to 240, so it is spread over all of a byte.
    let voxels = members.byte_volume("imgs").unwrap();
    for ((z, y, x), &found) in voxels.indexed_iter() {
        let value = f64::from(balls([z, y, x])) * 60.0 - 50.0 + (x % 5) as f64;
        let wanted = ((value + 50.0) / 124.0 * 255.0) as u8;
        assert_eq!(found, wanted, "[{z}, {y}, {x}]");
    }
    let truth = read_ground_truth(&folder.path().join("data/gts/CT_1.npz"), "gts").unwrap();
    assert_eq!(truth.keys.labels(), [1, 2]);
    for ((z, y, x), &found) in truth.voxels.indexed_iter() {
        assert_eq!(found, balls([z, y, x]));
    }
    let boxes = [1, 2].map(|label| BoundingBox::around(truth.voxels.view(), label).unwrap());
    assert_eq!(checked.boxes(), Some(&boxes_member(&boxes)));
    let groups = fs::read_to_string(folder.path().join("data/groups.csv")).unwrap();
    assert_eq!(groups, "CaseName,group\nCT_1,CT\n");
}

#[test]
fn the_options_of_import_do_what_they_say() {
    let folder = folder();
    let labels = |at: [usize; 3]| match at {
        [0, 0, 0..2] => 1,
        at => balls(at),
    };
    File::floats(SHAPE, |[z, _, x]| (z * 100 + x) as f32 - 50.0)
        .scaled(2.0, 100.0)
        .write(&folder.path().join("imagesTr/case.nii"));
    File::bytes(SHAPE, labels).write(&folder.path().join("labelsTr/case.nii"));
    let line = [
        "--percentiles",
        "--spacing-order",
        "xyz",
        "--no-box",
        "2",
        "--drop-smaller-than",
        "3",
        "--group",
        "MR",
    ];
    import(folder.path(), &line)
        .ends_with(0)
        .says(&["percentiles 0.5 to 99.5"]);
    let members = image(folder.path(), "case");
    assert_eq!(members.numbers("spacing").unwrap(), [1.0, 1.0, 3.0]);
    assert!(!members.has("boxes"));
    // The value 0 is kept as 0: stored -50, scaled to 2 · -50 + 100.
    assert_eq!(members.byte_volume("imgs").unwrap()[[0, 5, 0]], 0);
    let truth = read_ground_truth(&folder.path().join("data/gts/case.npz"), "gts").unwrap();
    assert_eq!(
        truth.voxels[[0, 0, 0]],
        0,
        "a piece of two voxels is dropped"
    );
    let groups = fs::read_to_string(folder.path().join("data/groups.csv")).unwrap();
    assert_eq!(groups, "CaseName,group\ncase,MR\n");

    // Without the label in question there are boxes again.
    import(
        folder.path(),
        &["--no-box", "7", "--box-jitter", "5", "--window=0,1000"],
    )
    .ends_with(0)
    .says(&["window 0,1000"]);
    assert!(image(folder.path(), "case").has("boxes"));
}

#[test]
fn what_nnu_net_calls_ct_is_windowed() {
    let folder = folder();
    write_case(folder.path(), "la_1");
    let json = r#"{"channel_names": {"0": "CT"}, "labels": {"background": 0}}"#;
    fs::write(folder.path().join("dataset.json"), json).unwrap();
    import(folder.path(), &[])
        .ends_with(0)
        .says(&["la_1: 2 labels, window 40,400"]);
    let json = r#"{"modality": {"0": "MRI"}}"#;
    fs::write(folder.path().join("dataset.json"), json).unwrap();
    import(folder.path(), &[])
        .ends_with(0)
        .says(&["la_1: 2 labels, percentiles"]);
}

#[test]
fn an_import_goes_on_where_it_stopped() {
    let folder = folder();
    for case in ["CT_1", "CT_2"] {
        write_case(folder.path(), case);
    }
    import(folder.path(), &[])
        .ends_with(0)
        .prints(&["2 cases imported"]);
    let first = folder.path().join("data/imgs/CT_1.npz");
    let second = folder.path().join("data/imgs/CT_2.npz");
    let changed = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
    let was = changed(&first);
    fs::remove_file(&second).unwrap();
    import(folder.path(), &[])
        .ends_with(0)
        .prints(&["1 case imported, 1 there already"]);
    assert_eq!(changed(&first), was);
    // Other options make a case anew, and so does another file.
    import(folder.path(), &["--window", "0,100"])
        .ends_with(0)
        .prints(&["2 cases imported"]);
    assert_ne!(changed(&first), was);
    let path = folder.path().join("labelsTr/CT_2.nii.gz");
    File::bytes(SHAPE, |at| balls(at).min(1)).write(&path);
    import(folder.path(), &["--window", "0,100"])
        .ends_with(0)
        .prints(&["1 case imported, 1 there already"]);
    let hidden = fs::read_dir(folder.path().join("data/imgs")).unwrap();
    let hidden = hidden.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().starts_with('.')
    });
    assert_eq!(hidden.count(), 0);
}

#[test]
fn labels_on_another_grid_are_refused_with_both_grids_and_the_rest_is_imported() {
    let folder = folder();
    write_case(folder.path(), "CT_1");
    write_case(folder.path(), "CT_2");
    File::bytes(SHAPE, balls)
        .at(12.0)
        .write(&folder.path().join("labelsTr/CT_2.nii.gz"));
    File::bytes(SHAPE, balls).write(&folder.path().join("labelsTr/CT_3.nii.gz"));
    import(folder.path(), &[])
        .ends_with(3)
        .says(&[
            "CT_2",
            "another grid",
            "28 × 24 × 12 voxels of 1 × 1 × 3 mm, LAS from (10, 20, 30)",
            "28 × 24 × 12 voxels of 1 × 1 × 3 mm, LAS from (12, 20, 30)",
            "CT_3: there is no image",
        ])
        .prints(&["1 case imported, 2 failed"]);
    assert!(folder.path().join("data/imgs/CT_1.npz").exists());
    assert!(!folder.path().join("data/imgs/CT_2.npz").exists());
}

#[test]
fn what_cannot_be_a_case_is_told_in_words() {
    let folder = folder();
    let refused = |image: File, labels: File, more: &[&str], words: &[&str]| {
        image.write(&folder.path().join("imagesTr/x.nii.gz"));
        labels.write(&folder.path().join("labelsTr/x.nii.gz"));
        import(folder.path(), more).ends_with(3).says(words);
        assert!(!folder.path().join("data/imgs/x.npz").exists());
    };
    let flat = |value| File::shorts(SHAPE, move |_| value);
    let labels = || File::bytes(SHAPE, balls);
    let good = || File::shorts(SHAPE, |[z, y, x]| (z + y + x) as i16);
    refused(flat(7), labels(), &[], &["one value"]);
    refused(
        flat(-7),
        labels(),
        &["--percentiles"],
        &["above 0", "--window"],
    );
    refused(
        flat(2000),
        labels(),
        &["--window"],
        &["cut off at -160 to 240"],
    );
    let halves = File::floats(SHAPE, |[z, _, _]| z as f32 / 2.0);
    refused(
        good(),
        halves,
        &[],
        &["[1, 0, 0]", "0.5", "whole numbers", "x.nii.gz"],
    );
    let many = File::shorts(SHAPE, |[z, y, x]| (z * 1000 + y * 28 + x) as i16);
    refused(good(), many, &[], &["more than 255 labels"]);

    let truncated = folder.path().join("labelsTr/x.nii.gz");
    good().write(&folder.path().join("imagesTr/x.nii.gz"));
    labels().write(&truncated);
    let bytes = fs::read(&truncated).unwrap();
    fs::write(&truncated, &bytes[..bytes.len() - 20]).unwrap();
    import(folder.path(), &[])
        .ends_with(3)
        .says(&["labelsTr/x.nii.gz", "damaged"]);
}

#[test]
fn a_case_without_a_label_is_left_out_and_said() {
    let folder = folder();
    write_case(folder.path(), "CT_1");
    let labels = folder.path().join("labelsTr/CT_1.nii.gz");
    import(folder.path(), &[]).ends_with(0);
    File::bytes(SHAPE, |_| 0).write(&labels);
    for _ in 0..2 {
        import(folder.path(), &[])
            .ends_with(0)
            .says(&["CT_1: no label, left out"])
            .prints(&["1 left out without a label"]);
        assert!(!folder.path().join("data/imgs/CT_1.npz").exists());
    }
}

#[test]
fn labels_beyond_a_byte_stay_what_they_are() {
    let folder = folder();
    write_case(folder.path(), "CT_1");
    File::shorts(SHAPE, |at| i16::from(balls(at)) * 700 - 700)
        .write(&folder.path().join("labelsTr/CT_1.nii.gz"));
    import(folder.path(), &[]).ends_with(0);
    let truth = read_ground_truth(&folder.path().join("data/gts/CT_1.npz"), "gts").unwrap();
    assert_eq!(truth.keys.labels(), [-700, 700]);
}

#[test]
fn predictions_are_exported_where_their_images_lie() {
    let folder = folder();
    write_case(folder.path(), "CT_1");
    import(folder.path(), &["--quiet"]).ends_with(0);
    evaluate(folder.path()).ends_with(0);
    segarena(folder.path(), &["export", "out", "--nifti", "nifti"])
        .ends_with(0)
        .prints(&["nifti: 1 prediction written"]);

    let exported = read_nifti(&folder.path().join("nifti/team/CT_1.nii.gz")).unwrap();
    let original = read_nifti(&folder.path().join("labelsTr/CT_1.nii.gz")).unwrap();
    assert_eq!(exported.header().geometry, original.header().geometry);
    let saved = NpzMembers::open(&folder.path().join("out/team/CT_1.npz")).unwrap();
    let segs = saved.byte_volume("segs").unwrap();
    assert_eq!(exported.bytes(), segs.as_slice().unwrap());
    let errors = read_nifti(&folder.path().join("nifti/team/errors/CT_1.nii.gz")).unwrap();
    let pairs = exported
        .bytes()
        .iter()
        .zip(original.bytes())
        .zip(errors.bytes());
    for ((predicted, label), error) in pairs {
        let wanted = match (label, predicted) {
            (a, b) if a == b => 0,
            (_, 0) => 1,
            (0, _) => 2,
            _ => 3,
        };
        assert_eq!(*error, wanted);
    }

    let line = ["export", "out", "--nifti", "box", "--interaction", "1"];
    segarena(folder.path(), &line).ends_with(0);
    let first = read_nifti(&folder.path().join("box/team/CT_1.nii.gz")).unwrap();
    assert_ne!(first.bytes(), exported.bytes());
    let line = ["export", "out", "--nifti", "box", "--interaction", "9"];
    segarena(folder.path(), &line)
        .ends_with(3)
        .says(&["no prediction of interaction 9"]);
    let line = ["export", "out", "--nifti", "x", "--case", "CT_7"];
    segarena(folder.path(), &line)
        .ends_with(1)
        .says(&["no finished case"]);
}

/// Evaluates the stand-in on what was imported.
fn evaluate(folder: &Path) -> ProgramOutput {
    let config = format!(
        "[cases]\nimages = \"data/imgs\"\nground_truth = \"data/gts\"\n[output]\ndir = \"out\"\n\
         [backend]\nkind = \"process\"\n\
         env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n\
         [[submission]]\nname = \"team\"\ncommand = [{:?}]\n",
        stand_in()
    );
    fs::write(folder.join("config.toml"), config).unwrap();
    segarena(folder, &["evaluate", "--config", "config.toml"])
}

#[test]
fn the_page_from_nifti_to_a_report_says_what_works() {
    let folder = folder();
    for case in ["CT_liver_0001", "MR_0002"] {
        write_case(folder.path(), case);
    }
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/from-nifti.md");
    let page = fs::read_to_string(page).unwrap();
    let program = Path::new(PROGRAM).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let mut ran = 0;
    for block in page.split("```").skip(1).step_by(2) {
        match block.split_once('\n').unwrap() {
            ("toml", config) => fs::write(folder.path().join("segarena.toml"), config).unwrap(),
            ("sh", line) => {
                let mut shell = Command::new("sh");
                shell.args(["-ec", line]).current_dir(folder.path());
                shell.env("PATH", format!("{}:{path}", program.display()));
                let _ = ProgramOutput::of(shell.output().unwrap()).ends_with(0);
                ran += 1;
            }
            _ => {}
        }
    }
    assert_eq!(ran, 4);
    let report = fs::read_to_string(folder.path().join("results/report.html")).unwrap();
    assert!(report.contains("CT_liver_0001") && report.contains("MR_0002"));
    for file in ["CT_liver_0001.nii.gz", "errors/MR_0002.nii.gz"] {
        let path = folder.path().join("predictions/baseline").join(file);
        assert_eq!(read_nifti(&path).unwrap().header().geometry.shape, SHAPE);
    }
    let groups = fs::read_to_string(folder.path().join("data/groups.csv")).unwrap();
    assert_eq!(groups, "CaseName,group\nCT_liver_0001,CT\nMR_0002,MR\n");
}
