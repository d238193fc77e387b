//! Model inputs, looked at without numpy: what is in them, and that writing one is safe.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;

use ndarray::{Array1, Array3};
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::dialogue::Prompt;
use segarena_core::npz::pickle::{ObjectArray, Value};
use segarena_core::npz::{Folder, Image, NpzWriter};
use segarena_core::prompt::{ClickHistory, PromptError, write_input};
use tempfile::TempDir;

use super::craft::{self, Entry};

const SHAPE: [usize; 3] = [3, 4, 5];
const NAME: &str = "case.npz";

fn name() -> &'static OsStr {
    OsStr::new(NAME)
}

/// An image with boxes, its own ground truth, and all that must not reach a submission.
fn image(folder: &TempDir) -> Image {
    let path = folder.path().join("image.npz");
    let mut writer = NpzWriter::new(File::create(&path).unwrap());
    let volume = Array3::from_shape_fn(SHAPE, |(z, y, x)| (40 * z + 9 * y + x) as u8);
    let boxes = ObjectArray::from_items(vec![Value::Dict(vec![("z_min".into(), 2.into())])]);
    writer.array("imgs", volume.view()).unwrap();
    writer.array("gts", volume.view()).unwrap();
    writer.array("nested/gts", volume.view()).unwrap();
    writer
        .array("spacing", Array1::from_vec(vec![1.0, 0.5, 0.5]).view())
        .unwrap();
    writer.objects("boxes", &boxes).unwrap();
    writer
        .objects(
            "text_prompts",
            &ObjectArray::from_items(vec!["liver".into()]),
        )
        .unwrap();
    for key in ["clicks", "clicks_order", "prev_pred"] {
        writer.array(key, volume.view()).unwrap();
    }
    writer.finish().unwrap();
    Image::open(&path).unwrap()
}

fn clicks() -> ClickHistory {
    let mut history = ClickHistory::new(1);
    history.push(&[Some(Click {
        kind: ClickKind::Fg,
        at: [1, 2, 3],
    })]);
    history
}

fn write_clicks(folder: &Folder, image: &Image) -> Result<(), PromptError> {
    write_input(
        folder,
        name(),
        image,
        &Prompt::clicks(2, &clicks(), Arc::new(Array3::zeros(SHAPE))),
    )
}

/// Names of the members, and of one of them the compressed bytes.
fn members(path: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = zip::ZipArchive::new(File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut member = archive.by_index_raw(index).unwrap();
            let mut bytes = Vec::new();
            member.read_to_end(&mut bytes).unwrap();
            (member.name().unwrap().into_owned(), bytes)
        })
        .collect()
}

fn names(path: &Path) -> Vec<String> {
    members(path).into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_first_input_has_all_members_but_the_answer_and_later_prompts() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = image(&data);
    write_input(
        &Folder::open(inputs.path()).unwrap(),
        name(),
        &image,
        &Prompt::boxes(1),
    )
    .unwrap();
    let mut names = names(&inputs.path().join(NAME));
    names.sort_unstable();
    assert_eq!(
        names,
        ["boxes.npy", "imgs.npy", "spacing.npy", "text_prompts.npy"]
    );
}

#[test]
fn later_inputs_have_the_image_the_boxes_and_the_prompts() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = image(&data);
    write_clicks(&Folder::open(inputs.path()).unwrap(), &image).unwrap();
    let mut names = names(&inputs.path().join(NAME));
    names.sort_unstable();
    let all = [
        "boxes",
        "clicks",
        "clicks_order",
        "imgs",
        "prev_pred",
        "spacing",
    ];
    assert_eq!(names, all.map(|key| format!("{key}.npy")));
}

#[test]
fn voxels_are_copied_compressed_as_they_are() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let image = image(&data);
    let folder = Folder::open(inputs.path()).unwrap();
    let original = members(image.path());
    write_input(&folder, name(), &image, &Prompt::boxes(1)).unwrap();
    for input in [members(&inputs.path().join(NAME)), {
        write_clicks(&folder, &image).unwrap();
        members(&inputs.path().join(NAME))
    }] {
        for key in ["imgs.npy", "spacing.npy"] {
            let bytes = |members: &[(String, Vec<u8>)]| {
                members
                    .iter()
                    .find(|(name, _)| name == key)
                    .unwrap()
                    .1
                    .clone()
            };
            assert_eq!(bytes(&original), bytes(&input), "{key}");
        }
    }
}

#[test]
fn the_inputs_folder_holds_exactly_one_file_that_others_can_read() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::open(inputs.path()).unwrap();
    let image = image(&data);
    write_input(&folder, name(), &image, &Prompt::boxes(1)).unwrap();
    write_clicks(&folder, &image).unwrap();
    let files: Vec<_> = fs::read_dir(inputs.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(files, [name()]);
    let mode = fs::metadata(inputs.path().join(NAME))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[test]
fn a_link_in_the_inputs_place_is_replaced_and_not_followed() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::open(inputs.path()).unwrap();
    let image = image(&data);
    let victim = data.path().join("victim");
    fs::write(&victim, "untouched").unwrap();
    for number in 0..1000 {
        // The temporary names, too, may have been guessed.
        let guess = format!(".segarena-{}-{number}.part", std::process::id());
        symlink(&victim, inputs.path().join(guess)).unwrap();
    }
    symlink(&victim, inputs.path().join(NAME)).unwrap();
    write_clicks(&folder, &image).unwrap();
    assert_eq!(fs::read(&victim).unwrap(), b"untouched");
    assert!(
        fs::symlink_metadata(inputs.path().join(NAME))
            .unwrap()
            .is_file()
    );
}

#[test]
fn a_folder_in_the_inputs_place_is_an_error_that_leaves_no_rest() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::open(inputs.path()).unwrap();
    let image = image(&data);
    fs::create_dir(inputs.path().join(NAME)).unwrap();
    let error = write_clicks(&folder, &image).unwrap_err();
    assert!(matches!(error, PromptError::Folder { .. }));
    assert!(
        error.to_string().contains("cannot put it in place"),
        "{error}"
    );
    assert_eq!(fs::read_dir(inputs.path()).unwrap().count(), 1);
}

#[test]
fn an_inputs_folder_that_was_removed_is_an_error() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::open(inputs.path()).unwrap();
    let image = image(&data);
    fs::remove_dir(inputs.path()).unwrap();
    assert!(matches!(
        write_clicks(&folder, &image),
        Err(PromptError::Folder { .. })
    ));
}

#[test]
fn an_inputs_folder_that_was_moved_away_still_means_the_same_folder() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = inputs.path().join("inputs");
    fs::create_dir(&path).unwrap();
    let folder = Folder::open(&path).unwrap();
    let image = image(&data);
    fs::rename(&path, inputs.path().join("elsewhere")).unwrap();
    symlink(data.path(), &path).unwrap();
    write_clicks(&folder, &image).unwrap();
    assert!(inputs.path().join("elsewhere").join(NAME).exists());
    assert!(!data.path().join(NAME).exists());
}

#[test]
fn a_name_that_is_a_path_is_refused() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::open(inputs.path()).unwrap();
    let image = image(&data);
    for bad in ["../case.npz", "/case.npz", "a/b.npz", "..", ".", ""] {
        let error = write_input(&folder, OsStr::new(bad), &image, &Prompt::boxes(1)).unwrap_err();
        assert!(matches!(error, PromptError::Folder { .. }), "{bad}");
    }
    assert_eq!(fs::read_dir(inputs.path()).unwrap().count(), 0);
}

#[test]
fn an_image_that_vanished_is_told_apart_from_a_folder_that_is_full() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let folder = Folder::open(inputs.path()).unwrap();
    let image = image(&data);
    fs::remove_file(image.path()).unwrap();
    let error = write_clicks(&folder, &image).unwrap_err();
    assert!(matches!(error, PromptError::Image(_)));
    assert!(error.to_string().contains("image.npz"), "{error}");
    assert_eq!(fs::read_dir(inputs.path()).unwrap().count(), 0);
}

#[test]
fn boxes_of_numbers_are_copied_as_they_are() {
    let (data, inputs) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let boxes = Entry::deflated("boxes.npy", &craft::array("|u1", &[2, 6], &[3; 12]));
    let path = data.path().join("image.npz");
    let spacing: Vec<u8> = [1.0f64; 3].iter().flat_map(|v| v.to_le_bytes()).collect();
    let bytes = craft::zip(&[
        Entry::deflated("imgs.npy", &craft::array("|u1", &SHAPE, &[0; 60])),
        Entry::stored("spacing.npy", &craft::array("<f8", &[3], &spacing)),
        boxes.clone(),
    ]);
    fs::write(&path, bytes).unwrap();
    let image = Image::open(&path).unwrap();
    write_clicks(&Folder::open(inputs.path()).unwrap(), &image).unwrap();
    let members = members(&inputs.path().join(NAME));
    assert!(members.contains(&("boxes.npy".to_owned(), boxes.data)));
}

#[test]
fn a_history_serialises_as_the_submission_gets_it() {
    let mut history = ClickHistory::new(2);
    let click = |kind, at| Some(Click { kind, at });
    history.push(&[
        click(ClickKind::Fg, [1, 2, 3]),
        click(ClickKind::Bg, [4, 5, 6]),
    ]);
    history.push(&[None, click(ClickKind::Fg, [7, 8, 9])]);
    assert!(!history.is_complete());
    assert_eq!((history.label_count(), history.interactions()), (2, 2));
    assert_eq!(
        serde_json::to_value(&history).unwrap(),
        serde_json::json!({
            "clicks": [
                {"fg": [[1, 2, 3]], "bg": []},
                {"fg": [[7, 8, 9]], "bg": [[4, 5, 6]]},
            ],
            "clicks_order": [["fg", null], ["bg", "fg"]],
        })
    );
}
