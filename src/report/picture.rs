//! A slice of an image as a small grey PNG.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ndarray::{Array2, ArrayView2, s};

/// A picture for a page.
pub(super) struct Picture {
    /// The PNG in base64.
    pub(super) png: String,
    /// What it covers, in voxels: where it is reduced, up to a pixel more than the slice.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Whether its voxels are few enough to be seen one by one.
    pub(super) is_coarse: bool,
}

/// Longest side of a picture; larger slices are reduced.
const SIDE: usize = 256;
/// Below this, a picture is enlarged so far that smoothing would only blur it.
const COARSE: usize = 100;
/// So many shades of grey: more would be noise for the most part, and twice the bytes.
const SHADES: f64 = 63.0;

/// Draws a slice with its darkest and brightest two hundredths cut off. None for an empty one.
pub(super) fn picture(slice: ArrayView2<'_, f64>) -> Option<Picture> {
    let longest = slice.nrows().max(slice.ncols());
    let step = longest.div_ceil(SIDE).max(1);
    let small = reduced(slice, step);
    let [low, high] = window(&small)?;
    let scale = SHADES / (high - low).max(f64::MIN_POSITIVE);
    let grey: Vec<u8> = small
        .iter()
        .map(|value| {
            let shade = ((value - low) * scale).round().clamp(0.0, SHADES);
            (shade * 255.0 / SHADES) as u8
        })
        .collect();
    let mut file = Vec::new();
    let (width, height) = (small.ncols() as u32, small.nrows() as u32);
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::High);
    let mut writer = encoder.write_header().ok()?;
    writer.write_image_data(&grey).ok()?;
    writer.finish().ok()?;
    Some(Picture {
        png: BASE64.encode(file),
        width: small.ncols() * step,
        height: small.nrows() * step,
        is_coarse: longest < COARSE,
    })
}

/// The means of squares of `step` × `step`; those at the ends are of what there is.
fn reduced(slice: ArrayView2<'_, f64>, step: usize) -> Array2<f64> {
    let (height, width) = slice.dim();
    let size = (height.div_ceil(step), width.div_ceil(step));
    Array2::from_shape_fn(size, |(y, x)| {
        let rows = y * step..((y + 1) * step).min(height);
        let columns = x * step..((x + 1) * step).min(width);
        slice.slice(s![rows, columns]).mean().unwrap_or(0.0)
    })
}

/// The values that become black and white.
fn window(slice: &Array2<f64>) -> Option<[f64; 2]> {
    let mut values: Vec<f64> = slice.iter().copied().filter(|v| v.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some([0.005, 0.995].map(|share| values[(share * last as f64).round() as usize]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(picture: &Picture) -> (u32, u32, Vec<u8>) {
        let file = BASE64.decode(&picture.png).unwrap();
        let mut reader = png::Decoder::new(std::io::Cursor::new(file))
            .read_info()
            .unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut pixels).unwrap();
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_slice_runs_from_black_to_white() {
        let slice = Array2::from_shape_fn((2, 3), |(y, x)| (y * 3 + x) as f64 * 100.0 - 1000.0);
        let (width, height, pixels) = pixels(&picture(slice.view()).unwrap());
        assert_eq!((width, height), (3, 2));
        assert_eq!((pixels[0], pixels[5]), (0, 255));
        assert!(pixels.is_sorted());
    }

    #[test]
    fn a_large_slice_is_reduced_and_its_size_bounded_even_for_noise() {
        let noise = Array2::from_shape_fn((512, 700), |(y, x)| {
            ((y * 7919) ^ (x * 104_729)) as f64 % 251.0
        });
        let picture = picture(noise.view()).unwrap();
        assert_eq!((picture.width, picture.height), (702, 513));
        assert!(!picture.is_coarse);
        assert!(picture.png.len() < 60_000, "{}", picture.png.len());
    }

    #[test]
    fn flat_and_undefined_values_are_drawn_too() {
        let flat = Array2::from_elem((4, 4), 7.0);
        assert!(picture(flat.view()).is_some());
        let mut odd = flat.clone();
        odd[[0, 0]] = f64::NAN;
        odd[[0, 1]] = f64::INFINITY;
        assert!(picture(odd.view()).is_some());
        assert!(picture(Array2::from_elem((1, 1), f64::NAN).view()).is_none());
    }
}
