//! Model inputs made from images of one numpy, read by every other.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use ndarray::Array3;
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::dialogue::Prompt;
use segarena_core::npz::{Folder, Image};
use segarena_core::prompt::{ClickHistory, write_input};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::environments::{Environment, environments};

const SHAPE: [usize; 3] = [6, 7, 8];

/// A folder of images that one numpy wrote, with the values of their boxes.
struct Images {
    folder: TempDir,
    boxes: Vec<(String, Value)>,
}

impl Images {
    fn of(environment: &Environment) -> Self {
        let folder = tempfile::tempdir().unwrap();
        environment.run("images.py", folder.path());
        let names = fs::read_to_string(folder.path().join("images.txt")).unwrap();
        let boxes = names.lines().map(|name| {
            let json = fs::read_to_string(folder.path().join(format!("{name}.json"))).unwrap();
            (name.to_owned(), serde_json::from_str(&json).unwrap())
        });
        let boxes = boxes.collect();
        Self { folder, boxes }
    }

    fn open(&self, name: &str) -> Image {
        Image::open(&self.folder.path().join(format!("{name}.npz"))).unwrap()
    }
}

fn found_by(environment: &Environment, folder: &Path) -> Value {
    serde_json::from_str(&environment.run("inputs.py", folder)).unwrap()
}

fn keys(members: &Value) -> Vec<&str> {
    members
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// Boxes as `inputs.py` shows them, with arrays as lists.
fn plain_boxes(members: &Value) -> Value {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Object(map) if map.contains_key("ndarray") => plain(&map["items"]),
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), plain(v))).collect(),
            other => other.clone(),
        }
    }
    plain(&members["boxes"]["items"])
}

pub(crate) fn first_inputs_hold_the_image_but_not_the_ground_truth_for_every_numpy() {
    let environments = environments();
    for writer in &environments {
        let images = Images::of(writer);
        let inputs = tempfile::tempdir().unwrap();
        let folder = Folder::open(inputs.path()).unwrap();
        for (name, _) in &images.boxes {
            let file = format!("{name}.npz");
            write_input(
                &folder,
                OsStr::new(&file),
                &images.open(name),
                &Prompt::boxes(1),
            )
            .unwrap();
        }
        for reader in &environments {
            let found = found_by(reader, inputs.path());
            for (name, boxes) in &images.boxes {
                let what = format!("numpy {} to {}: {name}", writer.version, reader.version);
                let members = &found[format!("{name}.npz")];
                let mut expected = vec!["imgs", "spacing", "boxes"];
                expected.retain(|&key| key != "boxes" || !boxes.is_null());
                expected.extend((name == "floats").then_some("text_prompts"));
                let mut present = keys(members);
                present.sort_unstable();
                expected.sort_unstable();
                assert_eq!(present, expected, "{what}");
                assert_eq!(members["imgs"]["shape"], json!(SHAPE), "{what}");
                assert_eq!(
                    members["spacing"]["items"],
                    json!([2.5, 0.5, 0.75]),
                    "{what}"
                );
                if !boxes.is_null() {
                    assert_eq!(members["boxes"]["dtype"], "|O", "{what}");
                    assert_eq!(&plain_boxes(members), boxes, "{what}");
                }
            }
        }
    }
}

fn history() -> ClickHistory {
    let fg = |at| {
        Some(Click {
            kind: ClickKind::Fg,
            at,
        })
    };
    let bg = |at| {
        Some(Click {
            kind: ClickKind::Bg,
            at,
        })
    };
    let mut history = ClickHistory::new(2);
    history.push(&[fg([1, 2, 3]), bg([300, 0, 70000])]);
    history.push(&[fg([4, 5, 6]), fg([0, 0, 0])]);
    history
}

pub(crate) fn click_inputs_hold_lists_and_letters_for_every_numpy() {
    let environments = environments();
    let previous = Array3::from_shape_fn(SHAPE, |(z, y, x)| u8::from(z + y == x));
    for writer in &environments {
        let images = Images::of(writer);
        let inputs = tempfile::tempdir().unwrap();
        let folder = Folder::open(inputs.path()).unwrap();
        for (name, _) in &images.boxes {
            let file = format!("{name}.npz");
            let image = images.open(name);
            write_input(
                &folder,
                OsStr::new(&file),
                &image,
                &Prompt::clicks(2, &history(), Arc::new(previous.clone())),
            )
            .unwrap();
        }
        for reader in &environments {
            let found = found_by(reader, inputs.path());
            for (name, boxes) in &images.boxes {
                let what = format!("numpy {} to {}: {name}", writer.version, reader.version);
                let members = &found[format!("{name}.npz")];
                let mut expected = vec![
                    "boxes",
                    "clicks",
                    "clicks_order",
                    "imgs",
                    "prev_pred",
                    "spacing",
                ];
                expected.retain(|&key| key != "boxes" || !boxes.is_null());
                let mut present = keys(members);
                present.sort_unstable();
                assert_eq!(present, expected, "{what}");
                assert_eq!(
                    members["clicks"]["items"],
                    json!([
                        {"fg": [[1, 2, 3], [4, 5, 6]], "bg": []},
                        {"fg": [[0, 0, 0]], "bg": [[300, 0, 70000]]},
                    ]),
                    "{what}"
                );
                assert_eq!(members["clicks"]["shape"], json!([2]), "{what}");
                assert_eq!(members["clicks_order"]["dtype"], "<U2", "{what}");
                assert_eq!(
                    members["clicks_order"]["items"],
                    json!([["fg", "fg"], ["bg", "fg"]]),
                    "{what}"
                );
                assert_eq!(members["prev_pred"]["dtype"], "|u1", "{what}");
                assert_eq!(
                    members["prev_pred"]["sum"],
                    json!(previous.iter().filter(|&&v| v == 1).count())
                );
            }
        }
    }
}

pub(crate) fn a_label_without_a_click_has_a_real_none_in_clicks_order() {
    for environment in environments() {
        let images = Images::of(&environment);
        let inputs = tempfile::tempdir().unwrap();
        let folder = Folder::open(inputs.path()).unwrap();
        let mut history = history();
        history.push(&[
            None,
            Some(Click {
                kind: ClickKind::Bg,
                at: [1, 1, 1],
            }),
        ]);
        let previous = Array3::zeros(SHAPE);

        write_input(
            &folder,
            OsStr::new("case.npz"),
            &images.open("ints"),
            &Prompt::clicks(2, &history, Arc::new(previous.clone())),
        )
        .unwrap();

        let found = found_by(&environment, inputs.path());
        let order = &found["case.npz"]["clicks_order"];
        assert_eq!(order["dtype"], "|O");
        assert_eq!(order["shape"], json!([2, 3]));
        assert_eq!(
            order["items"],
            json!([["fg", "fg", null], ["bg", "fg", "bg"]])
        );
    }
}
