//! A submission for the tests: the Rust twin of `tests/fixtures/model/predict.py`.
//!
//! Deterministic, integer arithmetic only. Cases named `crash_always*` never get an output;
//! `crash_at_click_2*` get none at the second click. Images with `text_prompts` and no boxes are
//! segmented by the intensities that the prompts name.

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use ndarray::{Array3, ArrayView3, s};
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::npz::pickle::Value;
use segarena_core::npz::{NpzMembers, write_volume};
use segarena_core::prompt::{BoundingBox, ModelInput};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let inputs = std::env::var("INPUTS")?;
    let outputs = std::env::var("OUTPUTS")?;
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&inputs)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(".npz")) {
        let path = Path::new(&inputs).join(name);
        if name.starts_with("zz_crash_always") {
            eprintln!("deliberate failure on {name}");
            return Ok(ExitCode::FAILURE);
        }
        if let Some(labels) = segment_by_text(&NpzMembers::open(&path)?)? {
            write_volume(&Path::new(&outputs).join(name), "segs", labels.view())?;
            continue;
        }
        let input = ModelInput::read(&path)?;
        let second_click = input.click_count == 2;
        if name.starts_with("crash_always")
            || (name.starts_with("crash_at_click_2") && second_click)
        {
            eprintln!("deliberate failure on {name}");
            return Ok(ExitCode::FAILURE);
        }
        let labels = segment(name, &input);
        write_volume(&Path::new(&outputs).join(name), "segs", labels.view())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Gives each prompt's label to the voxels of its intensity; `None` where the prompts are not
/// the only ones.
fn segment_by_text(members: &NpzMembers) -> Result<Option<Array3<u8>>, Box<dyn Error>> {
    if !members.has("text_prompts") || members.has("boxes") || members.has("clicks") {
        return Ok(None);
    }
    let image = members.volume("imgs")?.mapv(|value| value as i32);
    let array = members.objects("text_prompts")?;
    let Some(prompts @ Value::Dict(entries)) = array.items().first() else {
        return Err("`text_prompts` holds no dictionary".into());
    };
    let is_instances = matches!(prompts.get("instance_label"), Some(Value::Int(1)));
    let reach = if is_instances { 40 } else { 15 };
    let mut labels = Array3::zeros(image.dim());
    for (key, text) in entries {
        let (Value::Str(key), Value::Str(text)) = (key, text) else {
            continue;
        };
        let label: u8 = key.parse()?;
        let intensity = number_after(text, "intensity ").ok_or("a prompt without intensity")?;
        let grid = number_after(text, "as instances of size ");
        for ((z, y, x), value) in labels.indexed_iter_mut() {
            if (image[[z, y, x]] - intensity).abs() > reach {
                continue;
            }
            *value = match grid {
                Some(size) => {
                    let [z, y, x] = [z, y, x].map(|index| index / size as usize);
                    (1 + (z * 31 + y * 7 + x) % 200) as u8
                }
                None => label,
            };
        }
    }
    Ok(Some(labels))
}

fn number_after(text: &str, words: &str) -> Option<i32> {
    let (_, rest) = text.split_once(words)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

fn segment(name: &str, input: &ModelInput) -> Array3<u8> {
    let image = input.image.mapv(|value| value as i32);
    let shape = image.dim();
    match (&input.last_clicks, &input.previous) {
        (Some(clicks), Some(previous)) => {
            let mut labels = previous.clone();
            for (label, click) in (1..).zip(clicks) {
                if let Some(click) = click {
                    paint(&mut labels, label, *click, image.view());
                }
            }
            labels
        }
        _ if name.contains("phantom_perfect") => image.mapv(|value| u8::from(value > 100)),
        _ => {
            let mut labels = Array3::zeros(shape);
            for (rank, bounds) in input.boxes.iter().enumerate() {
                fill(&mut labels, rank, input.boxes.len(), bounds, image.view());
            }
            labels
        }
    }
}

/// Gives the box's label to its voxels of the box's own intensity.
fn fill(
    labels: &mut Array3<u8>,
    rank: usize,
    boxes: usize,
    bounds: &BoundingBox,
    image: ArrayView3<'_, i32>,
) {
    let region = s![
        bounds.z_min..=bounds.z_max,
        bounds.z_mid_y_min..=bounds.z_mid_y_max,
        bounds.z_mid_x_min..=bounds.z_mid_x_max
    ];
    let inside = image.slice(region);
    let wanted: Box<dyn Fn(i32) -> bool> = if 4 * inside.len() > image.len() {
        // A class that spans the image: take its band of intensities.
        let mut values: Vec<i32> = inside.iter().copied().filter(|&value| value > 20).collect();
        values.sort_unstable();
        let cut = |step: usize| values[(values.len() - 1) * (rank + step) / (boxes + 1)];
        let (low, high) = (cut(1), cut(2));
        Box::new(move |value| value > low && value <= high)
    } else {
        let middle = median(image.slice(s![
            bounds.z_mid,
            bounds.z_mid_y_min..=bounds.z_mid_y_max,
            bounds.z_mid_x_min..=bounds.z_mid_x_max
        ]));
        Box::new(move |value| (value - middle).abs() <= 25)
    };
    for (label, &value) in labels.slice_mut(region).iter_mut().zip(&inside) {
        if wanted(value) {
            *label = rank as u8 + 1;
        }
    }
}

/// The median, towards zero where two values share the middle.
fn median(slice: ndarray::ArrayView2<'_, i32>) -> i32 {
    let mut values: Vec<i32> = slice.iter().copied().collect();
    values.sort_unstable();
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        (values[middle - 1] + values[middle]) / 2
    }
}

/// A ball of like intensity around the click joins the label, or leaves it.
fn paint(labels: &mut Array3<u8>, label: u8, click: Click, image: ArrayView3<'_, i32>) {
    let (depth, height, width) = image.dim();
    let radius = (depth.max(height).max(width) / 8).clamp(2, 12) as i64;
    let at = click.at.map(|index| index as i64);
    let seed = image[click.at];
    for ((z, y, x), value) in labels.indexed_iter_mut() {
        let far = [z, y, x]
            .iter()
            .zip(at)
            .map(|(&index, at)| (index as i64 - at).pow(2))
            .sum::<i64>();
        if far > radius * radius || (image[[z, y, x]] - seed).abs() > 30 {
            continue;
        }
        match click.kind {
            ClickKind::Fg => *value = label,
            ClickKind::Bg if *value == label => *value = 0,
            ClickKind::Bg => {}
        }
    }
}
