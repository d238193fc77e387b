//! A submission for the tests: the Rust twin of `tests/fixtures/model/predict.py`.
//!
//! Deterministic, integer arithmetic only. Cases named `crash_always*` never get an output;
//! `crash_at_click_2*` get none at the second click. Images with `text_prompts` and no boxes are
//! segmented by the intensities that the prompts name.
//!
//! Kept warm (`SEGARENA_SERVE=1`) it is started once and asked on standard input.

mod segment;

use std::error::Error;
use std::io::{BufRead, Write};
use std::path::Path;
use std::process::ExitCode;

use ndarray::Array3;
use segarena_core::npz::write_volume;
use segarena_core::prompt::{ModelInput, TextPrompts};
use serde_json::json;

use segment::segment;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    if std::env::var("SEGARENA_SERVE").is_ok_and(|value| value == "1") {
        serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    let inputs = std::env::var("INPUTS")?;
    let outputs = std::env::var("OUTPUTS")?;
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(&inputs)? {
        names.extend(entry?.file_name().into_string());
    }
    names.sort();
    for name in names.iter().filter(|name| name.ends_with(".npz")) {
        if let Err(error) = one_case(Path::new(&inputs), Path::new(&outputs), name) {
            eprintln!("{error}");
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Answers until there is nothing more to be asked.
fn serve() -> Result<(), Box<dyn Error>> {
    let say = |answer: serde_json::Value| writeln!(std::io::stdout(), "\n{answer}");
    // Nothing stands before the first line, so that what an interaction leaves on standard output does
    // not say whether the start was in it.
    writeln!(std::io::stdout(), "{}", json!({"segarena": "ready"}))?;
    for line in std::io::stdin().lock().lines() {
        let request: serde_json::Value = serde_json::from_str(&line?)?;
        if request["segarena"] != "infer" {
            continue;
        }
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let (inputs, outputs) = (text("inputs"), text("outputs"));
        match one_case(Path::new(&inputs), Path::new(&outputs), &text("case")) {
            Ok(()) => say(json!({"segarena": "done"}))?,
            Err(error) => say(json!({"segarena": "failed", "reason": error.to_string()}))?,
        }
    }
    Ok(())
}

fn one_case(inputs: &Path, outputs: &Path, name: &str) -> Result<(), Box<dyn Error>> {
    let deliberately = || format!("deliberate failure on {name}");
    if name.starts_with("zz_crash_always") {
        return Err(deliberately().into());
    }
    let input = ModelInput::read(&inputs.join(name))?;
    let second_click = input.click_count == 2;
    let labels = match input.texts.as_ref().filter(|_| input.boxes.is_empty()) {
        Some(texts) => segment_by_text(&input.image, texts)?,
        None if name.starts_with("crash_always")
            || (name.starts_with("crash_at_click_2") && second_click) =>
        {
            return Err(deliberately().into());
        }
        None => segment(name, &input),
    };
    Ok(write_volume(&outputs.join(name), "segs", labels.view())?)
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
