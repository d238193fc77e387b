//! The demo's submission: grows regions of like intensity from boxes and clicks, and takes the
//! intensities that texts name.
//!
//! It is run as any other submission: a child process that reads `$INPUTS/CASE.npz` and writes
//! `$OUTPUTS/CASE.npz`, and knows nothing of the ground truth.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use anyhow::Context;
use ndarray::Array3;
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::npz::write_volume;
use segarena_core::prompt::{BoundingBox, ModelInput};
use segarena_core::volume::{Voxel, VoxelBox};

use crate::exit::ExitStatus;

/// How far a region's intensity may be from its seed's.
const TOLERANCE: f32 = 22.0;
/// How far from a click its region may reach, in voxels.
const REACH: usize = 10;

/// Segments every case in `$INPUTS`.
pub(crate) fn run() -> anyhow::Result<ExitStatus> {
    let inputs = folder("INPUTS")?;
    let outputs = folder("OUTPUTS")?;
    let entries = std::fs::read_dir(&inputs)
        .with_context(|| format!("cannot read $INPUTS, {}", inputs.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "npz") {
            let input = ModelInput::read(&path)?;
            let name = path.file_name().unwrap_or_default();
            write_volume(&outputs.join(name), "segs", segment(&input).view())?;
        }
    }
    Ok(ExitStatus::Done)
}

fn folder(variable: &str) -> anyhow::Result<PathBuf> {
    let value = std::env::var_os(variable);
    let path = value.with_context(|| format!("the environment variable {variable} is not set"))?;
    Ok(Path::new(&path).to_owned())
}

fn segment(input: &ModelInput) -> Array3<u8> {
    let smooth = smoothed(&input.image);
    match (&input.last_clicks, &input.previous) {
        (Some(clicks), Some(previous)) => {
            let mut labels = previous.clone();
            for (label, click) in (1..).zip(clicks) {
                if let Some(click) = click {
                    correct(&mut labels, label, *click, &smooth);
                }
            }
            labels
        }
        _ if input.texts.is_some() && input.boxes.is_empty() => by_texts(input, &smooth),
        _ => {
            let mut labels = Array3::zeros(input.image.dim());
            for (label, bounds) in (1..).zip(&input.boxes) {
                fill_box(&mut labels, label, bounds, &smooth);
            }
            labels
        }
    }
}

/// Gives each label the voxels of the intensity that its text names.
fn by_texts(input: &ModelInput, image: &Array3<f32>) -> Array3<u8> {
    let mut labels = Array3::zeros(image.dim());
    // Instances are of one kind, and nothing else is of a like intensity.
    let instances = input.texts.as_ref().is_some_and(|texts| texts.instances);
    let tolerance = if instances {
        2.0 * TOLERANCE
    } else {
        TOLERANCE
    };
    let prompts = input.texts.iter().flat_map(|texts| &texts.labels);
    for prompt in prompts {
        let intensity = prompt.texts.iter().find_map(|text| intensity_in(text));
        let (Some(intensity), Ok(label)) = (intensity, u8::try_from(prompt.label)) else {
            continue;
        };
        for (label_here, value) in labels.iter_mut().zip(image) {
            if (value - intensity).abs() <= tolerance {
                *label_here = label;
            }
        }
    }
    labels
}

/// The number in "of intensity 120".
fn intensity_in(text: &str) -> Option<f32> {
    let (_, rest) = text.split_once("intensity ")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// The mean of each voxel's 3×3×3 neighbourhood, so that noise does not stop a region.
fn smoothed(image: &Array3<f32>) -> Array3<f32> {
    let (depth, height, width) = image.dim();
    let range = |at: usize, size: usize| at.saturating_sub(1)..(at + 2).min(size);
    Array3::from_shape_fn(image.dim(), |(z, y, x)| {
        let near = image.slice(ndarray::s![
            range(z, depth),
            range(y, height),
            range(x, width)
        ]);
        near.sum() / near.len() as f32
    })
}

/// Gives the label to the region that grows from the middle of the box and stays in it.
fn fill_box(labels: &mut Array3<u8>, label: u8, bounds: &BoundingBox, image: &Array3<f32>) {
    let (depth, height, width) = image.dim();
    let within = VoxelBox {
        low: [bounds.z_min, bounds.z_mid_y_min, bounds.z_mid_x_min],
        high: [
            bounds.z_max.min(depth - 1),
            bounds.z_mid_y_max.min(height - 1),
            bounds.z_mid_x_max.min(width - 1),
        ],
    };
    let middle = |axis: usize| (within.low[axis] + within.high[axis]) / 2;
    let seed = [bounds.z_mid.min(depth - 1), middle(1), middle(2)];
    let alike = intensity_like(image, seed);
    for at in region(seed, &within, alike) {
        labels[at] = label;
    }
}

/// Adds the region around a foreground click to the label, or takes it away for a background one.
fn correct(labels: &mut Array3<u8>, label: u8, click: Click, image: &Array3<f32>) {
    let (depth, height, width) = image.dim();
    let far = [depth - 1, height - 1, width - 1];
    let within = VoxelBox {
        low: click.at.map(|index| index.saturating_sub(REACH)),
        high: std::array::from_fn(|axis| (click.at[axis] + REACH).min(far[axis])),
    };
    let alike = intensity_like(image, click.at);
    match click.kind {
        ClickKind::Fg => {
            for at in region(click.at, &within, alike) {
                labels[at] = label;
            }
        }
        ClickKind::Bg => {
            let wrong = |at: Voxel| labels[at] == label && alike(at);
            for at in region(click.at, &within, wrong) {
                labels[at] = 0;
            }
        }
    }
}

fn intensity_like(image: &Array3<f32>, seed: Voxel) -> impl Fn(Voxel) -> bool + '_ {
    move |at| (image[at] - image[seed]).abs() <= TOLERANCE
}

/// The voxels inside the box that are reached from `seed` over faces between alike voxels.
fn region(seed: Voxel, within: &VoxelBox, alike: impl Fn(Voxel) -> bool) -> Vec<Voxel> {
    let size: [usize; 3] = std::array::from_fn(|axis| within.high[axis] + 1 - within.low[axis]);
    let mut seen = Array3::from_elem(size, false);
    let local = |at: Voxel| -> Voxel { std::array::from_fn(|axis| at[axis] - within.low[axis]) };
    let mut reached = Vec::new();
    let mut edge = VecDeque::from([seed]);
    seen[local(seed)] = true;
    while let Some(at) = edge.pop_front() {
        if !alike(at) {
            continue;
        }
        reached.push(at);
        for next in face_neighbours(at, within) {
            if !std::mem::replace(&mut seen[local(next)], true) {
                edge.push_back(next);
            }
        }
    }
    reached
}

fn face_neighbours(at: Voxel, within: &VoxelBox) -> impl Iterator<Item = Voxel> {
    let (low, high) = (within.low, within.high);
    (0..3).flat_map(move |axis| {
        let below = (at[axis] > low[axis]).then(|| at[axis] - 1);
        let above = (at[axis] < high[axis]).then(|| at[axis] + 1);
        [below, above].into_iter().flatten().map(move |index| {
            let mut next = at;
            next[axis] = index;
            next
        })
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Zip;

    use super::*;

    #[test]
    fn a_region_stays_in_its_box_and_stops_where_the_intensity_changes() {
        let mut image = Array3::from_elem((5, 5, 5), 10.0_f32);
        Zip::indexed(&mut image).for_each(|(_, _, x), value| {
            if x == 3 {
                *value = 200.0;
            }
        });
        let within = VoxelBox {
            low: [1, 0, 0],
            high: [2, 4, 4],
        };
        let found = region([1, 2, 0], &within, intensity_like(&image, [1, 2, 0]));
        assert_eq!(found.len(), 2 * 5 * 3);
        assert!(found.iter().all(|at| at[2] < 3 && (1..=2).contains(&at[0])));
    }
}
