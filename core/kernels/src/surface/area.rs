//! How much surface a 2×2×2 neighbourhood of voxels holds.

use super::super::Spacing;

/// The area in mm² of the surface element in a neighbourhood, by its code.
///
/// A code has a bit for each of the eight voxels `[z, y, x]`, z, y, x being 0 or 1: bit
/// `4z + 2y + x` is set where the voxel belongs to the mask.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AreaTable([f64; 256]);

impl AreaTable {
    /// Areas for voxels of this spacing.
    pub(super) fn new(spacing: Spacing) -> Self {
        let area = |code| clusters(code).into_iter().map(|c| c.area(spacing)).sum();
        Self(std::array::from_fn(|code| area(code as u8)))
    }

    pub(super) fn area(&self, code: u8) -> f64 {
        self.0[usize::from(code)]
    }
}

/// Corners of a cube that hang together along its edges, the surface cutting them off.
///
/// The surface is the marching cubes one (Lorensen and Cline 1987): it crosses each edge between
/// a corner inside and a corner outside in its middle, and its triangles span these points. What
/// the corners of a cluster are to each other says which triangles there are; their area vectors,
/// in a cube of edge 1 and up to signs, stand with [`Cluster::area_vectors`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cluster {
    /// One corner: a triangle.
    Corner,
    /// Two corners, the edge between them along `axis`: a rectangle.
    Edge { axis: usize },
    /// Three corners of a face normal to `axis`: a pentagon, folded.
    Elbow { axis: usize },
    /// A face normal to `axis`: a rectangle.
    Face { axis: usize },
    /// A corner and its three neighbours: a flat hexagon.
    Tripod,
    /// Four corners on a path along all three axes, `axis` being the middle one: a hexagon, folded.
    Zigzag { axis: usize },
}

impl Cluster {
    /// The area vectors of the polygons, `unit` having length 1 along an axis. The middles of the
    /// edges cut are given for corners in the place where they are easiest to draw.
    fn area_vectors(self) -> Vec<[f64; 3]> {
        let unit = |axis: usize, length: f64| {
            let mut vector = [0.0; 3];
            vector[axis] = length;
            vector
        };
        let all = |length: f64| [length; 3];
        let without = |axis: usize, length: f64| {
            let mut vector = all(length);
            vector[axis] = 0.0;
            vector
        };
        match self {
            Self::Corner => vec![all(0.125)],
            Self::Edge { axis } => vec![without(axis, 0.5)],
            // A triangle over the corner in the middle, and a trapezoid on its long side.
            Self::Elbow { axis } => vec![unit(axis, 0.5), all(0.375)],
            Self::Face { axis } => vec![unit(axis, 1.0)],
            Self::Tripod => vec![all(0.75)],
            // The triangle of every other corner of the hexagon, and the three it leaves: one
            // over the middle edge, one over each of the ends.
            Self::Zigzag { axis } => vec![
                all(0.375),
                all(0.125),
                without((axis + 1) % 3, 0.25),
                without((axis + 2) % 3, 0.25),
            ],
        }
    }

    /// The area in mm² when the cube is one of voxel centres `spacing` apart.
    fn area(self, spacing: Spacing) -> f64 {
        let [z, y, x] = spacing.mm();
        self.area_vectors()
            .into_iter()
            .map(|[a, b, c]| {
                let scaled = [a * y * x, b * z * x, c * z * y];
                scaled.map(|v| v * v).iter().sum::<f64>().sqrt()
            })
            .sum()
    }
}

/// The clusters of a code's corners. The side with fewer corners is the one cut off.
fn clusters(code: u8) -> Vec<Cluster> {
    let mut left = if code.count_ones() > 4 { !code } else { code };
    let mut found = Vec::new();
    while left != 0 {
        let mut cluster = left & left.wrapping_neg();
        loop {
            let grown = (cluster | neighbours(cluster)) & left;
            if grown == cluster {
                break;
            }
            cluster = grown;
        }
        left &= !cluster;
        found.push(shape_of(cluster));
    }
    found
}

/// The corners one edge away from any of these.
fn neighbours(corners: u8) -> u8 {
    along(corners, 0) | along(corners, 1) | along(corners, 2)
}

/// The corners at the other ends of these corners' edges along an axis.
fn along(corners: u8, axis: usize) -> u8 {
    // The corners that are 0 on the axis, and how far their partners' bits are from theirs.
    let (low, distance) = [(0x0f, 4), (0x33, 2), (0x55, 1)][axis];
    (corners & low) << distance | (corners >> distance) & low
}

/// Which shape a cluster of at most four corners has.
fn shape_of(cluster: u8) -> Cluster {
    // The edges within the cluster, counted at both ends.
    let edges = [0, 1, 2].map(|axis| (along(cluster, axis) & cluster).count_ones() / 2);
    let axis_with = |count| edges.iter().position(|&edges| edges == count).unwrap_or(0);
    match (cluster.count_ones(), edges.iter().sum::<u32>()) {
        (1, _) => Cluster::Corner,
        (2, _) => Cluster::Edge { axis: axis_with(1) },
        (3, _) => Cluster::Elbow { axis: axis_with(0) },
        (_, 4) => Cluster::Face { axis: axis_with(0) },
        _ => {
            let middle = (0..3).find(|&axis| {
                let ends = along(cluster, axis) & cluster;
                // Both ends of the middle edge have another edge; no other edge does.
                ends.count_ones() == 2
                    && (0..8)
                        .filter(|bit| ends >> bit & 1 == 1)
                        .all(|bit| (neighbours(1 << bit) & cluster).count_ones() == 2)
            });
            match middle {
                Some(axis) => Cluster::Zigzag { axis },
                None => Cluster::Tripod,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Measured: the area of each code's element at a spacing of 2.1, 1.3, 0.7 mm, by the
    /// surface-distance package 0.1.
    const MEASURED: &str = include_str!("measured_areas.txt");

    #[test]
    fn areas_are_those_measured() {
        let table = AreaTable::new(Spacing::new([2.1, 1.3, 0.7]).unwrap());
        let measured: Vec<f64> = MEASURED.lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(measured.len(), 256);
        for (code, expected) in (0..=255).zip(measured) {
            let area = table.area(code);
            assert!(
                (area - expected).abs() < 1e-12,
                "{code:08b}: {area}, not {expected}"
            );
        }
    }

    /// Half the cross product of two sides.
    fn area_vector([a, b, c]: [[f64; 3]; 3]) -> [f64; 3] {
        let side = |to: [f64; 3]| [0, 1, 2].map(|axis| to[axis] - a[axis]);
        let (u, v) = (side(b), side(c));
        [(1, 2), (2, 0), (0, 1)].map(|(i, j)| (u[i] * v[j] - u[j] * v[i]) / 2.0)
    }

    fn drawn(triangles: &[[[f64; 3]; 3]]) -> Vec<[f64; 3]> {
        triangles
            .iter()
            .map(|&t| area_vector(t).map(f64::abs))
            .collect()
    }

    #[test]
    fn the_area_vectors_are_those_of_triangles_between_middles_of_edges() {
        // The corner 000, and its face neighbours as far as the cluster has them.
        let corner = drawn(&[[[0.5, 0.0, 0.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.5]]]);
        assert_eq!(corner, Cluster::Corner.area_vectors());

        // 011, 111, 110, 100: along z, x, y.
        let hexagon = [
            [0.0, 0.5, 1.0],
            [1.0, 0.5, 1.0],
            [1.0, 0.0, 0.5],
            [0.5, 0.0, 0.0],
            [0.5, 1.0, 0.0],
            [0.0, 1.0, 0.5],
        ];
        let folded = [[0, 2, 4], [2, 3, 4], [4, 5, 0], [0, 1, 2]];
        let mut zigzag = drawn(&folded.map(|corners| corners.map(|corner| hexagon[corner])));
        zigzag.sort_by(|a, b| b.partial_cmp(a).unwrap());
        let mut expected = Cluster::Zigzag { axis: 2 }.area_vectors();
        expected.sort_by(|a, b| b.partial_cmp(a).unwrap());
        assert_eq!(zigzag, expected);

        // 101, 111, 110, in the face z = 1: a triangle, and a trapezoid as two.
        let pentagon = [
            [0.5, 0.0, 1.0],
            [0.5, 1.0, 1.0],
            [0.5, 1.0, 0.0],
            [1.0, 0.5, 0.0],
            [1.0, 0.0, 0.5],
        ];
        let folded = [[0, 1, 2], [0, 2, 3], [0, 3, 4]];
        let elbow = drawn(&folded.map(|corners| corners.map(|corner| pentagon[corner])));
        let trapezoid = [0, 1, 2].map(|axis| elbow[1][axis] + elbow[2][axis]);
        assert_eq!(
            vec![elbow[0], trapezoid],
            Cluster::Elbow { axis: 0 }.area_vectors()
        );
    }

    #[test]
    fn a_code_and_its_complement_have_one_area() {
        let table = AreaTable::new(Spacing::new([3.0, 0.7, 1.1]).unwrap());
        for code in 0..=255u8 {
            assert!(
                (table.area(code) - table.area(!code)).abs() < 1e-12,
                "{code:08b}"
            );
        }
    }
}
