//! Connected components of a mask, two voxels being neighbours when they share a face, an edge
//! or a corner (26-connectivity).

use super::runs::{Run, RunMask};

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
    join_neighbours(mask, &mut forest);

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

fn join_neighbours(mask: &RunMask, forest: &mut Forest) {
    let runs = mask.runs();
    let rows = mask.shape()[1];
    let mut first = 0;
    // Where the rows (z-1, y-1), (z-1, y), (z-1, y+1) and (z, y-1) may begin.
    let mut behind = [0; 4];
    while first < runs.len() {
        let row = runs[first].row as usize;
        let (z, y) = (row / rows, row % rows);
        let last = first + runs[first..].partition_point(|run| run.row as usize == row);
        let befores = [
            (z > 0 && y > 0).then(|| row - rows - 1),
            (z > 0).then(|| row - rows),
            (z > 0 && y + 1 < rows).then(|| row - rows + 1),
            (y > 0).then(|| row - 1),
        ];
        for (at, before) in behind.iter_mut().zip(befores) {
            let Some(before) = before else { continue };
            while (runs[*at].row as usize) < before {
                *at += 1;
            }
            join_rows(runs, *at, before as u32, first..last, forest);
        }
        first = last;
    }
}

/// Joins the runs of row `before`, the first of which is `above` if the row has any, with those of
/// a later row it touches.
fn join_rows(
    runs: &[Run],
    mut above: usize,
    before: u32,
    here: std::ops::Range<usize>,
    forest: &mut Forest,
) {
    let mut below = here.start;
    while below < here.end && runs[above].row == before {
        let (a, b) = (runs[above], runs[below]);
        if a.start <= b.end && b.start <= a.end {
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
        fn the_largest_component_is_the_one_flooding_finds(voxels in twins::volumes(2)) {
            let mask = twins::runs_of(&voxels);
            let found = largest_component(&mask).map(|c| twins::voxels_of(&c)).unwrap_or_default();
            prop_assert_eq!(found, twins::largest_component(&twins::voxels_of(&mask)));
        }
    }
}
