//! Whether an image and its labels lie on one grid.

use segarena_core::nifti::Geometry;

/// Corners may be so many voxels apart: headers keep 32-bit floats, and tools round them further.
const TOLERANCE: f64 = 0.1;

/// Whether two volumes have the same voxels in the same places.
///
/// Where either says nothing of its position, the size of the voxels must do.
pub(crate) fn is_same(image: &Geometry, labels: &Geometry) -> bool {
    if image.shape != labels.shape {
        return false;
    }
    let smallest = image.spacing.iter().copied().fold(f64::INFINITY, f64::min);
    match (&image.affine, &labels.affine) {
        (Some(one), Some(other)) => {
            let apart = corners(image.shape).map(|corner| {
                let [a, b] = [one, other].map(|affine| affine.position(corner));
                let squares = a.iter().zip(b).map(|(a, b)| (a - b) * (a - b));
                squares.sum::<f64>().sqrt()
            });
            apart
                .into_iter()
                .all(|distance| distance <= TOLERANCE * smallest)
        }
        _ => {
            let mut axes = image
                .shape
                .iter()
                .zip(image.spacing.iter().zip(labels.spacing));
            axes.all(|(&voxels, (&a, b))| voxels as f64 * (a - b).abs() <= TOLERANCE * a)
        }
    }
}

/// The indices (x, y, z) of the eight corners.
fn corners([depth, height, width]: [usize; 3]) -> [[f64; 3]; 8] {
    [0, 1, 2, 3, 4, 5, 6, 7].map(|corner| {
        let end = |bit: usize, size: usize| if corner >> bit & 1 == 1 { size - 1 } else { 0 };
        [end(0, width), end(1, height), end(2, depth)].map(|index| index as f64)
    })
}

/// A grid in words, axes in the order (x, y, z) that viewers show.
pub(crate) fn describe(geometry: &Geometry) -> String {
    let [z, y, x] = geometry.shape;
    let [dz, dy, dx] = geometry.spacing.map(short);
    let place = match &geometry.affine {
        Some(affine) => {
            let [a, b, c] = affine.position([0.0; 3]).map(short);
            format!("{} from ({a}, {b}, {c})", affine.orientation())
        }
        None => "without a position".to_owned(),
    };
    format!("{x} × {y} × {z} voxels of {dx} × {dy} × {dz} mm, {place}")
}

/// A number as short as four decimals.
fn short(number: f64) -> f64 {
    // Adding 0 makes a plain zero of the negative one.
    (number * 1e4).round() / 1e4 + 0.0
}

#[cfg(test)]
mod tests {
    use segarena_core::nifti::Affine;

    use super::*;

    fn geometry(shape: [usize; 3], step: f64, origin: f64) -> Geometry {
        Geometry {
            shape,
            spacing: [3.0, 1.0, step],
            affine: Affine::new([
                [-step, 0.0, 0.0, origin],
                [0.0, 1.0, 0.0, -20.0],
                [0.0, 0.0, 3.0, 30.0],
            ]),
        }
    }

    const SHAPE: [usize; 3] = [20, 100, 100];

    #[test]
    fn grids_are_told_apart_by_shape_place_and_direction() {
        let image = geometry(SHAPE, 1.0, 10.0);
        assert!(is_same(&image, &image));
        assert!(is_same(&image, &geometry(SHAPE, 1.0, 10.01)), "rounded");
        assert!(!is_same(&image, &geometry(SHAPE, 1.0, 11.0)), "shifted");
        assert!(!is_same(&image, &geometry(SHAPE, -1.0, 10.0)), "mirrored");
        // A step that is wrong by little is wrong by much at the other end.
        assert!(!is_same(&image, &geometry(SHAPE, 1.005, 10.0)), "stretched");
        assert!(!is_same(&image, &geometry([20, 100, 99], 1.0, 10.0)), "cut");
    }

    #[test]
    fn without_a_position_the_sizes_must_do() {
        let nowhere = |step: f64| Geometry {
            affine: None,
            ..geometry(SHAPE, step, 0.0)
        };
        assert!(is_same(&geometry(SHAPE, 1.0, 10.0), &nowhere(1.0)));
        assert!(is_same(&nowhere(1.0), &nowhere(1.0005)));
        assert!(!is_same(&nowhere(1.0), &nowhere(1.01)));
    }

    #[test]
    fn a_grid_is_told_as_a_viewer_tells_it() {
        assert_eq!(
            describe(&geometry([20, 30, 40], 0.5, 10.0)),
            "40 × 30 × 20 voxels of 0.5 × 1 × 3 mm, LAS from (10, -20, 30)"
        );
        let nowhere = Geometry {
            affine: None,
            ..geometry([1, 2, 3], 0.1234567, 0.0)
        };
        assert_eq!(
            describe(&nowhere),
            "3 × 2 × 1 voxels of 0.1235 × 1 × 3 mm, without a position"
        );
    }
}
