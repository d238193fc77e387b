//! Where voxels lie: the format's affine transform.

/// Where a voxel lies in the patient or scanner: takes the index (x, y, z) of a voxel to
/// millimetres (right, anterior, superior), as nibabel's `affine` does.
///
/// The three rows of the matrix; its fourth is 0, 0, 0, 1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine([[f64; 4]; 3]);

impl Affine {
    /// An affine of these rows.
    ///
    /// `None` where a number is not finite.
    pub fn new(rows: [[f64; 4]; 3]) -> Option<Self> {
        rows.iter()
            .flatten()
            .all(|number| number.is_finite())
            .then_some(Self(rows))
    }

    /// The three rows.
    pub fn rows(&self) -> [[f64; 4]; 3] {
        self.0
    }

    /// The 4 × 4 matrix, row by row.
    pub fn matrix(&self) -> [[f64; 4]; 4] {
        let [x, y, z] = self.0;
        [x, y, z, [0.0, 0.0, 0.0, 1.0]]
    }

    /// The position of a voxel index (x, y, z), which may lie between voxels.
    pub fn position(&self, index: [f64; 3]) -> [f64; 3] {
        self.0
            .map(|row| row[0] * index[0] + row[1] * index[1] + row[2] * index[2] + row[3])
    }

    /// The lengths of the steps along x, y and z, in millimetres.
    pub fn steps(&self) -> [f64; 3] {
        [0, 1, 2].map(|axis| {
            let squares = self.0.iter().map(|row| row[axis] * row[axis]);
            squares.sum::<f64>().sqrt()
        })
    }

    /// Which way the array's axes (x, y, z) point, `RAS`, `LPS`, …: the nearest axis of the
    /// patient each, as a viewer names it.
    pub fn orientation(&self) -> String {
        const NAMES: [[char; 2]; 3] = [['R', 'L'], ['A', 'P'], ['S', 'I']];
        let longest = |axis: usize| {
            (0..3).max_by(|&a, &b| {
                let [a, b] = [a, b].map(|row: usize| self.0[row][axis].abs());
                a.total_cmp(&b)
            })
        };
        (0..3)
            .map(|axis| {
                let row = longest(axis).unwrap_or(axis);
                NAMES[row][usize::from(self.0[row][axis] < 0.0)]
            })
            .collect()
    }

    /// The affine that a header's quaternion, step sizes and offset mean ("method 2" of the
    /// format's description, `nifti1.h`). `handedness` is `pixdim[0]`: negative turns z around.
    ///
    /// `None` where a number is not finite.
    pub(super) fn from_quaternion(
        [b, c, d]: [f64; 3],
        steps: [f64; 3],
        handedness: f64,
        offset: [f64; 3],
    ) -> Option<Self> {
        // A quaternion has length 1; one that was rounded to more has no `a`.
        let rest = 1.0 - (b * b + c * c + d * d);
        let (a, b, c, d) = if rest < 1e-7 {
            let length = (b * b + c * c + d * d).sqrt();
            (0.0, b / length, c / length, d / length)
        } else {
            (rest.sqrt(), b, c, d)
        };
        let rotation = [
            [
                a * a + b * b - c * c - d * d,
                2.0 * (b * c - a * d),
                2.0 * (b * d + a * c),
            ],
            [
                2.0 * (b * c + a * d),
                a * a + c * c - b * b - d * d,
                2.0 * (c * d - a * b),
            ],
            [
                2.0 * (b * d - a * c),
                2.0 * (c * d + a * b),
                a * a + d * d - b * b - c * c,
            ],
        ];
        let turn = if handedness < 0.0 { -1.0 } else { 1.0 };
        let mut rows = [[0.0; 4]; 3];
        for (at, row) in rows.iter_mut().enumerate() {
            let [x, y, z] = rotation[at];
            *row = [x * steps[0], y * steps[1], z * steps[2] * turn, offset[at]];
        }
        Self::new(rows)
    }

    /// The quaternion (b, c, d) and handedness of this affine, where it is a rotation (or a
    /// mirrored one) and steps: what a header can say by a quaternion. `None` where it is sheared
    /// or flat.
    pub(super) fn quaternion(&self) -> Option<([f64; 3], f64)> {
        let steps = self.steps();
        if steps.iter().any(|&step| step <= 0.0) {
            return None;
        }
        let mut r = self
            .0
            .map(|row| [0, 1, 2].map(|axis| row[axis] / steps[axis]));
        let product = |a: usize, b: usize| (0..3).map(|row| r[row][a] * r[row][b]).sum::<f64>();
        if [(0, 1), (0, 2), (1, 2)]
            .iter()
            .any(|&(a, b)| product(a, b).abs() > 1e-4)
        {
            return None;
        }
        let determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1])
            - r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0])
            + r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
        let handedness = if determinant < 0.0 { -1.0 } else { 1.0 };
        r.iter_mut().for_each(|row| row[2] *= handedness);

        // Divides by the largest of the four, so that none of them loses its digits.
        let traces = [
            1.0 + r[0][0] + r[1][1] + r[2][2],
            1.0 + r[0][0] - r[1][1] - r[2][2],
            1.0 - r[0][0] + r[1][1] - r[2][2],
            1.0 - r[0][0] - r[1][1] + r[2][2],
        ];
        let largest = (0..4).max_by(|&a, &b| traces[a].total_cmp(&traces[b]))?;
        let twice = traces[largest].sqrt();
        let half = 0.5 / twice;
        let [a, b, c, d] = match largest {
            0 => [
                0.5 * twice,
                (r[2][1] - r[1][2]) * half,
                (r[0][2] - r[2][0]) * half,
                (r[1][0] - r[0][1]) * half,
            ],
            1 => [
                (r[2][1] - r[1][2]) * half,
                0.5 * twice,
                (r[0][1] + r[1][0]) * half,
                (r[0][2] + r[2][0]) * half,
            ],
            2 => [
                (r[0][2] - r[2][0]) * half,
                (r[0][1] + r[1][0]) * half,
                0.5 * twice,
                (r[1][2] + r[2][1]) * half,
            ],
            _ => [
                (r[1][0] - r[0][1]) * half,
                (r[0][2] + r[2][0]) * half,
                (r[1][2] + r[2][1]) * half,
                0.5 * twice,
            ],
        };
        // The format keeps only b, c and d, of the quaternion whose `a` is not negative.
        let sign = if a < 0.0 { -1.0 } else { 1.0 };
        Some(([b, c, d].map(|part| part * sign), handedness))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn axes_are_named_by_where_they_point() {
        let rows = |x: f64, y: f64, z: f64| {
            Affine::new([[x, 0.1, 0.0, 5.0], [0.0, y, 0.0, 0.0], [0.1, 0.0, z, 0.0]]).unwrap()
        };
        assert_eq!(rows(1.0, 1.0, 1.0).orientation(), "RAS");
        assert_eq!(rows(-1.0, -2.0, 1.0).orientation(), "LPS");
        let turned = [
            [0.0, 0.0, 2.0, 0.0],
            [-1.0, 0.0, 0.0, 0.0],
            [0.0, -1.0, 0.0, 0.0],
        ];
        assert_eq!(Affine::new(turned).unwrap().orientation(), "PIR");
    }

    #[test]
    fn a_quaternion_that_was_rounded_to_more_than_one_is_a_half_turn() {
        let affine =
            Affine::from_quaternion([0.0, 1.000_001, 0.0], [1.0, 2.0, 3.0], 1.0, [7.0, 8.0, 9.0]);
        let rows = affine.unwrap().rows();
        let wanted = [
            [-1.0, 0.0, 0.0, 7.0],
            [0.0, 2.0, 0.0, 8.0],
            [0.0, 0.0, -3.0, 9.0],
        ];
        for (row, wanted) in rows.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((row - wanted).abs() < 1e-6, "{rows:?}");
        }
    }

    #[test]
    fn a_sheared_affine_has_no_quaternion() {
        let sheared = [
            [1.0, 0.5, 0.0, 0.0],
            [0.0, 1.0, 0.0, 0.0],
            [0.0, 0.0, 1.0, 0.0],
        ];
        assert_eq!(Affine::new(sheared).unwrap().quaternion(), None);
        assert_eq!(Affine::new([[0.0; 4]; 3]).unwrap().quaternion(), None);
        assert_eq!(Affine::new([[f64::NAN; 4]; 3]), None);
    }

    proptest! {
        #[test]
        fn a_quaternion_made_of_an_affine_means_that_affine(
            parts in proptest::array::uniform4(-1.0f64..1.0),
            steps in proptest::array::uniform3(0.1f64..5.0),
            mirrored: bool,
        ) {
            let length = parts.iter().map(|part| part * part).sum::<f64>().sqrt();
            prop_assume!(length > 0.1);
            let sign = if parts[0] < 0.0 { -1.0 } else { 1.0 };
            let [_, b, c, d] = parts.map(|part| part * sign / length);
            let handedness = if mirrored { -1.0 } else { 1.0 };
            let affine =
                Affine::from_quaternion([b, c, d], steps, handedness, [1.0, 2.0, 3.0]).unwrap();
            let (found, turned) = affine.quaternion().unwrap();
            prop_assert_eq!(turned, handedness);
            let again = Affine::from_quaternion(found, steps, turned, [1.0, 2.0, 3.0]).unwrap();
            for (a, b) in affine.rows().iter().flatten().zip(again.rows().iter().flatten()) {
                prop_assert!((a - b).abs() < 1e-6, "{:?} {:?}", affine, again);
            }
        }
    }
}
