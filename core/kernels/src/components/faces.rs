//! Connected components of a mask, two voxels being neighbours when they share a face
//! (6-connectivity).

use super::forest::Forest;
use crate::runs::{Run, RunMask};

/// The 6-connected components of a mask, told run by run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FaceComponents {
    /// For each run of the mask the number of its component, from 0, in C order of the
    /// components' first voxels.
    pub(crate) of_runs: Vec<u32>,
    /// For each component its first run.
    pub(crate) first_runs: Vec<Run>,
}

/// The 6-connected components of a mask.
///
/// Runs, not voxels, are joined: each row is held against the two rows before it that touch it,
/// in one sweep over both (He, Chao and Suzuki, "A run-based two-scan labeling algorithm", IEEE
/// Transactions on Image Processing 17, 2008), and sets are merged in a forest of runs.
pub(crate) fn face_components(mask: &RunMask) -> FaceComponents {
    let runs = mask.runs();
    let roots = join_neighbours(mask).into_roots();
    let mut of_runs: Vec<u32> = Vec::with_capacity(runs.len());
    let mut first_runs = Vec::new();
    for (at, &run) in runs.iter().enumerate() {
        // A set's root is its first run, so it has its number before the others ask for it.
        let root = roots[at] as usize;
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

fn join_neighbours(mask: &RunMask) -> Forest {
    let runs = mask.runs();
    let mut forest = Forest::default();
    for _ in runs {
        forest.add();
    }
    let rows = mask.shape()[1];
    let mut first = 0;
    // Where the rows (z-1, y) and (z, y-1) may begin.
    let mut behind = [0; 2];
    while first < runs.len() {
        let row = runs[first].row as usize;
        let (z, y) = (row / rows, row % rows);
        let last = first + runs[first..].partition_point(|run| run.row as usize == row);
        let befores = [(z > 0).then(|| row - rows), (y > 0).then(|| row - 1)];
        for (at, before) in behind.iter_mut().zip(befores) {
            let Some(before) = before else { continue };
            while (runs[*at].row as usize) < before {
                *at += 1;
            }
            join_rows(runs, *at, before as u32, first..last, &mut forest);
        }
        first = last;
    }
    forest
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
        if a.start < b.end && b.start < a.end {
            forest.join(above as u32, below as u32);
        }
        if a.end < b.end {
            above += 1;
        } else {
            below += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reference;

    /// The runs of the voxels that are not 0.
    fn runs_of(voxels: &ndarray::Array3<u8>) -> RunMask {
        let (depth, height, width) = voxels.dim();
        let mut mask = RunMask::new([depth, height, width]);
        for ((z, y, x), &value) in voxels.indexed_iter() {
            if value != 0 {
                let row = (z * height + y) as u32;
                let (start, end) = (x as u32, x as u32 + 1);
                mask.push(Run { row, start, end });
            }
        }
        mask
    }

    proptest! {
        #[test]
        fn components_by_faces_are_those_that_flooding_numbers(voxels in reference::volumes(2)) {
            let mask = runs_of(&voxels);
            let found = face_components(&mask);
            let mut numbers = ndarray::Array3::<u32>::zeros(voxels.dim());
            for (&run, &number) in mask.runs().iter().zip(&found.of_runs) {
                let (z, y) = mask.row_of(run);
                for x in run.start..run.end {
                    numbers[[z, y, x as usize]] = number + 1;
                }
            }
            let (expected, count) = reference::face_components(&voxels);
            prop_assert_eq!(numbers, expected);
            prop_assert_eq!(found.first_runs.len(), count);
        }
    }
}
