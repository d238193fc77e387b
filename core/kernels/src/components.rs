//! Connected components of a mask: of voxels that share a face, an edge or a corner
//! (26-connectivity), or of those that share a face (6-connectivity).

use super::runs::{Run, RunMask};

/// Which voxels are neighbours.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Connectivity {
    /// Those that share a face.
    Faces,
    /// Those that share a face, an edge or a corner.
    Corners,
}

/// The 6-connected components of a mask, told run by run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FaceComponents {
    /// For each run of the mask the number of its component, from 0, in C order of the
    /// components' first voxels.
    pub(super) of_runs: Vec<u32>,
    /// For each component its first run.
    pub(super) first_runs: Vec<Run>,
}

/// The 6-connected components of a mask, by the algorithm of [`largest_component`].
pub(super) fn face_components(mask: &RunMask) -> FaceComponents {
    let runs = mask.runs();
    let mut forest = Forest::new(runs.len());
    join_neighbours(mask, Connectivity::Faces, &mut forest);
    let mut of_runs: Vec<u32> = Vec::with_capacity(runs.len());
    let mut first_runs = Vec::new();
    for (at, &run) in runs.iter().enumerate() {
        // A set's root is its first run, so it has its number before the others ask for it.
        let root = forest.root(at as u32) as usize;
        if root == at {
            of_runs.push(first_runs.len() as u32);
            first_runs.push(run);
        } else {
            of_runs.push(of_runs[root]);
        }
    }
    FaceComponents {
        of_runs,
        first_runs,
    }
}

/// The largest 26-connected component of a mask; of equals, the one whose first voxel comes first
/// in C order. `None` if the mask is empty.
///
/// Runs, not voxels, are joined: each row is held against the four rows before it that touch it,
/// in one sweep over both (He, Chao and Suzuki, "A run-based two-scan labeling algorithm", IEEE
/// Transactions on Image Processing 17, 2008), and sets are merged in a forest of runs. Time and
/// memory are linear in the number of runs.
pub fn largest_component(mask: &RunMask) -> Option<RunMask> {
    let runs = mask.runs();
    if runs.is_empty() {
        return None;
    }
    let mut forest = Forest::new(runs.len());
    join_neighbours(mask, Connectivity::Corners, &mut forest);

    let mut voxels = vec![0u64; runs.len()];
    let roots: Vec<u32> = (0..runs.len() as u32).map(|run| forest.root(run)).collect();
    for (run, &root) in runs.iter().zip(&roots) {
        voxels[root as usize] += run.voxels();
    }
    // A set's root is its first run, so the first of the largest wins.
    let mut best = 0;
    for (root, &count) in voxels.iter().enumerate() {
        if count > voxels[best] {
            best = root;
        }
    }
    let mut component = RunMask::new(mask.shape());
    for (&run, &root) in runs.iter().zip(&roots) {
        if root as usize == best {
            component.push(run);
        }
    }
    Some(component)
}

fn join_neighbours(mask: &RunMask, connectivity: Connectivity, forest: &mut Forest) {
    let runs = mask.runs();
    let rows = mask.shape()[1];
    let corners = connectivity == Connectivity::Corners;
    let mut first = 0;
    // Where the rows (z-1, y-1), (z-1, y), (z-1, y+1) and (z, y-1) may begin.
    let mut behind = [0; 4];
    while first < runs.len() {
        let row = runs[first].row as usize;
        let (z, y) = (row / rows, row % rows);
        let last = first + runs[first..].partition_point(|run| run.row as usize == row);
        let befores = [
            (corners && z > 0 && y > 0).then(|| row - rows - 1),
            (z > 0).then(|| row - rows),
            (corners && z > 0 && y + 1 < rows).then(|| row - rows + 1),
            (y > 0).then(|| row - 1),
        ];
        for (at, before) in behind.iter_mut().zip(befores) {
            let Some(before) = before else { continue };
            while (runs[*at].row as usize) < before {
                *at += 1;
            }
            join_rows(runs, connectivity, *at, before as u32, first..last, forest);
        }
        first = last;
    }
}

/// Joins the runs of row `before`, the first of which is `above` if the row has any, with those of
/// a later row it touches.
fn join_rows(
    runs: &[Run],
    connectivity: Connectivity,
    mut above: usize,
    before: u32,
    here: std::ops::Range<usize>,
    forest: &mut Forest,
) {
    let mut below = here.start;
    while below < here.end && runs[above].row == before {
        let (a, b) = (runs[above], runs[below]);
        let touch = match connectivity {
            Connectivity::Faces => a.start < b.end && b.start < a.end,
            Connectivity::Corners => a.start <= b.end && b.start <= a.end,
        };
        if touch {
            forest.join(above as u32, below as u32);
        }
        if a.end < b.end {
            above += 1;
        } else {
            below += 1;
        }
    }
}

/// Disjoint sets of runs; a set's root is its smallest member.
struct Forest {
    parents: Vec<u32>,
}

impl Forest {
    fn new(count: usize) -> Self {
        Self {
            parents: (0..count as u32).collect(),
        }
    }

    fn root(&mut self, of: u32) -> u32 {
        let mut at = of;
        loop {
            let parent = self.parents[at as usize];
            if parent == at {
                return at;
            }
            let above = self.parents[parent as usize];
            self.parents[at as usize] = above;
            at = above;
        }
    }

    fn join(&mut self, a: u32, b: u32) {
        let (a, b) = (self.root(a), self.root(b));
        if a < b {
            self.parents[b as usize] = a;
        } else {
            self.parents[a as usize] = b;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::twins;

    fn mask(rows: &[&str]) -> RunMask {
        let width = rows[0].len();
        let cells: Vec<u8> = rows.concat().bytes().map(|c| u8::from(c == b'#')).collect();
        twins::runs_of(&ndarray::Array3::from_shape_vec((1, rows.len(), width), cells).unwrap())
    }

    #[test]
    fn corners_join_and_gaps_divide() {
        let largest = largest_component(&mask(&["##...", "..#..", ".....", "####."])).unwrap();
        assert_eq!(
            twins::voxels_of(&largest),
            [[0, 3, 0], [0, 3, 1], [0, 3, 2], [0, 3, 3]]
        );
        let largest = largest_component(&mask(&["##...", "..#..", ".#...", "...##"])).unwrap();
        assert_eq!(largest.voxels(), 4);
    }

    #[test]
    fn of_equal_components_the_one_that_starts_first_wins() {
        let largest = largest_component(&mask(&["...#.", ".#.#.", ".#..."])).unwrap();
        assert_eq!(twins::voxels_of(&largest), [[0, 0, 3], [0, 1, 3]]);
    }

    #[test]
    fn an_empty_mask_has_no_component() {
        assert_eq!(largest_component(&RunMask::new([3, 3, 3])), None);
    }

    proptest! {
        #[test]
        fn components_by_faces_are_those_that_flooding_numbers(voxels in twins::volumes(2)) {
            let mask = twins::runs_of(&voxels);
            let found = face_components(&mask);
            let mut numbers = ndarray::Array3::<u32>::zeros(voxels.dim());
            for (&run, &number) in mask.runs().iter().zip(&found.of_runs) {
                let (z, y) = mask.row_of(run);
                for x in run.start..run.end {
                    numbers[[z, y, x as usize]] = number + 1;
                }
            }
            let (expected, count) = twins::face_components(&voxels);
            prop_assert_eq!(numbers, expected);
            prop_assert_eq!(found.first_runs.len(), count);
        }

        #[test]
        fn the_largest_component_is_the_one_flooding_finds(voxels in twins::volumes(2)) {
            let mask = twins::runs_of(&voxels);
            let found = largest_component(&mask).map(|c| twins::voxels_of(&c)).unwrap_or_default();
            prop_assert_eq!(found, twins::largest_component(&twins::voxels_of(&mask)));
        }
    }
}
