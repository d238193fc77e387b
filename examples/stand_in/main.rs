//! A submission for the tests: the Rust twin of `tests/fixtures/model/predict.py`.
//!
//! Deterministic, integer arithmetic only. Cases named `crash_always*` never get an output;
//! `crash_at_click_2*` get none at the second click. Images with `text_prompts` and no boxes are
//! segmented by the intensities that the prompts name.

mod segment;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use ndarray::Array3;
use segarena_core::npz::write_volume;
use segarena_core::prompt::{ModelInput, TextPrompts};

use segment::segment;

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
        let input = ModelInput::read(&path)?;
        if let Some(texts) = input.texts.as_ref().filter(|_| input.boxes.is_empty()) {
            let labels = segment_by_text(&input.image, texts)?;
            write_volume(&Path::new(&outputs).join(name), "segs", labels.view())?;
            continue;
        }
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

/// Gives each prompt's label to the voxels of its intensity.
fn segment_by_text(
    image: &Array3<f32>,
    prompts: &TextPrompts,
) -> Result<Array3<u8>, Box<dyn Error>> {
    let image = image.mapv(|value| value as i32);
    let reach = if prompts.instances { 40 } else { 15 };
    let mut labels = Array3::zeros(image.dim());
    for prompt in &prompts.labels {
        let text = prompt.texts.first().map_or("", String::as_str);
        let label = u8::try_from(prompt.label)?;
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
    Ok(labels)
}

fn number_after(text: &str, words: &str) -> Option<i32> {
    let (_, rest) = text.split_once(words)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
