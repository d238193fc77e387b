//! What the stand-in submission predicts: integer arithmetic on the image, the boxes, the clicks.

use ndarray::{Array3, ArrayView3, s};
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::prompt::{BoundingBox, ModelInput};

/// The prediction for a model input, (z, y, x).
pub fn segment(name: &str, input: &ModelInput) -> Array3<u8> {
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
