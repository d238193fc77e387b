//! The challenge's simulated user: clicks into the middle of the largest error.

use rand_mt::Mt;

use super::choice::choose;
use super::{Click, ClickKind, ClickPolicy};
use segarena_kernels::{
    Blocks, Comparison, Mask, Outside, Voxel, VoxelBox, deepest_voxels, largest_component,
};

/// A padded error with more voxels than this is measured at half its resolution.
const MOST_VOXELS_MEASURED: u64 = 60_000_000;

/// What the generator is seeded with for every click.
const SEED: u32 = 42;

/// The click policy of the CVPR 2025 challenge.
///
/// Of the label's error it takes the largest 26-connected component, and in that the voxel
/// farthest from the component's background, distances being counted in voxels, whatever the
/// spacing. Of several such voxels it takes the one `numpy.random.RandomState(42).choice` takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChallengePolicy;

impl ChallengePolicy {
    /// The name by which the configuration chooses it.
    pub const NAME: &'static str = "challenge";
}

impl ClickPolicy for ChallengePolicy {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click> {
        let component = largest_component(comparison.error_mask(key))?;
        let at = central_voxel(&component, MOST_VOXELS_MEASURED)?;
        let kind = ClickKind::of(comparison.truth(), at, key);
        Some(Click { kind, at })
    }
}

/// The click in a component: one of its voxels farthest from its background, measured at half its
/// resolution if the padded crop has more than `most_voxels`.
fn central_voxel(component: &Mask, most_voxels: u64) -> Option<Voxel> {
    let crop = PaddedCrop::new(component.bounds()?);
    let candidates = if crop.voxels() > most_voxels {
        let blocks = crop.blocks();
        let deepest = deepest_voxels(&blocks.of(component), Outside::Nothing)?;
        blocks.voxels_in(component, &deepest)
    } else {
        deepest_voxels(component, Outside::Background)?
    };
    let chosen = choose(&mut Mt::new(SEED), candidates.voxels());
    candidates.nth(chosen)
}

/// A component's box with background around it: a quarter of its size on every side, at least one
/// voxel. It may reach beyond the volume.
struct PaddedCrop {
    bounds: VoxelBox,
    padding: [usize; 3],
}

impl PaddedCrop {
    fn new(bounds: VoxelBox) -> Self {
        let padding = bounds.size().map(|size| (size / 4).max(1));
        Self { bounds, padding }
    }

    fn shape(&self) -> [usize; 3] {
        [0, 1, 2]
            .map(|axis| self.bounds.high[axis] - self.bounds.low[axis] + 1 + 2 * self.padding[axis])
    }

    fn voxels(&self) -> u64 {
        self.shape().iter().map(|&size| size as u64).product()
    }

    /// The 2×2×2 blocks of the padded crop, the last ones reaching beyond it if they must.
    fn blocks(&self) -> Blocks {
        Blocks {
            corner: [0, 1, 2]
                .map(|axis| self.bounds.low[axis] as isize - self.padding[axis] as isize),
            shape: self.shape().map(|size| size.div_ceil(2)),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;

    use super::*;
    use segarena_kernels::reference;

    /// The protocol's steps 2 to 6 in the plainest way.
    fn naive(error: &Array3<u8>, most_voxels: u64) -> Voxel {
        let component =
            reference::largest_component(&reference::voxels_of(&reference::mask_of(error)));
        let low = [0, 1, 2].map(|axis| component.iter().map(|at| at[axis]).min().unwrap());
        let size = [0, 1, 2]
            .map(|axis| component.iter().map(|at| at[axis]).max().unwrap() - low[axis] + 1);
        let padding = size.map(|size| (size / 4).max(1));
        let mut crop = Array3::zeros((size[0], size[1], size[2]));
        for at in &component {
            crop[[0, 1, 2].map(|axis| at[axis] - low[axis])] = 1;
        }
        let crop = reference::padded(&crop, padding);
        let halve = crop.len() as u64 > most_voxels;
        let distances = reference::squared_distances(&if halve {
            reference::halved(&crop)
        } else {
            crop
        });
        let distance = |at: &Voxel| {
            let at = [0, 1, 2].map(|axis| at[axis] - low[axis] + padding[axis]);
            distances[if halve { at.map(|a| a / 2) } else { at }]
        };
        let greatest = component.iter().map(distance).max().unwrap();
        let candidates: Vec<_> = component
            .iter()
            .filter(|at| distance(at) == greatest)
            .collect();
        *candidates[choose(&mut Mt::new(42), candidates.len() as u64) as usize]
    }

    fn click(truth: Array3<u8>, prediction: Array3<u8>, key: u8) -> Option<Click> {
        let volume = reference::volume(truth);
        ChallengePolicy.place(&Comparison::new(&volume, prediction.view()), key)
    }

    #[test]
    fn a_missed_cube_is_clicked_in_its_middle() {
        let mut truth = Array3::zeros((9, 9, 9));
        truth.slice_mut(ndarray::s![2..7, 3..8, 1..6]).fill(4);
        let missed = click(truth.clone(), Array3::zeros((9, 9, 9)), 4);
        assert_eq!(
            missed,
            Some(Click {
                kind: ClickKind::Fg,
                at: [4, 5, 3]
            })
        );
        let invented = click(Array3::zeros((9, 9, 9)), truth.clone(), 4);
        assert_eq!(
            invented,
            Some(Click {
                kind: ClickKind::Bg,
                at: [4, 5, 3]
            })
        );
        assert_eq!(click(truth.clone(), truth, 4), None);
    }

    /// A ball with a hole, cut by thin planes; its padded crop has 421×420×421 voxels. Measured: the
    /// protocol's steps done with numpy and scipy.
    #[test]
    fn a_huge_error_is_measured_at_half_its_resolution() {
        let truth = Array3::from_shape_fn((281, 280, 283), |(z, y, x)| {
            let square = |at: usize, centre: usize| at.abs_diff(centre).pow(2);
            let ball = square(z, 140) + square(y, 140) + square(x, 140) <= 140 * 140;
            let hole = square(z, 150) + square(y, 120) + square(x, 141) <= 61 * 61;
            u8::from(ball && !hole && (x + 2 * y) % 97 != 0)
        });
        let prediction = Array3::zeros(truth.dim());
        assert_eq!(
            click(truth, prediction, 1),
            Some(Click {
                kind: ClickKind::Fg,
                at: [91, 215, 140]
            })
        );
    }

    proptest! {
        #[test]
        fn the_click_is_where_the_plain_steps_put_it(voxels in reference::volumes(2)) {
            let error = reference::mask_of(&voxels);
            for most_voxels in [MOST_VOXELS_MEASURED, 0] {
                let found = largest_component(error.clone())
                    .and_then(|component| central_voxel(&component, most_voxels));
                let expected = (error.voxels() > 0).then(|| naive(&voxels, most_voxels));
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn a_click_lies_on_the_error_and_says_which((truth, prediction) in reference::pairs(3)) {
            for key in [1, 2] {
                match click(truth.clone(), prediction.clone(), key) {
                    None => prop_assert!(
                        truth.iter().zip(&prediction).all(|(&t, &p)| (t == key) == (p == key))
                    ),
                    Some(Click { kind, at }) => {
                        prop_assert_ne!(truth[at] == key, prediction[at] == key);
                        prop_assert_eq!(kind == ClickKind::Fg, truth[at] == key);
                    }
                }
            }
        }
    }
}
