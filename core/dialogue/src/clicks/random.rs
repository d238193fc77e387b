//! A random user: clicks anywhere on the error.

use rand_mt::Mt;

use super::choice::choose;
use super::{Click, ClickKind, ClickPolicy};
use segarena_kernels::Comparison;

/// Clicks on a uniformly random voxel of the label's error.
///
/// The generator (MT19937) is seeded anew for every click, from the policy's seed and the label's
/// key, so a click depends on nothing but the volumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RandomPolicy {
    /// Another seed, other clicks.
    pub seed: u64,
}

impl ClickPolicy for RandomPolicy {
    fn name(&self) -> &str {
        "random"
    }

    fn id(&self) -> String {
        format!("random(seed={})", self.seed)
    }

    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click> {
        let error = comparison.error_mask(key);
        let count = error.voxels();
        if count == 0 {
            return None;
        }
        let seed = [self.seed as u32, (self.seed >> 32) as u32, u32::from(key)];
        let chosen = choose(&mut Mt::new_with_key(seed), count);
        let at = error.nth(chosen)?;
        let kind = ClickKind::of(comparison.truth(), at, key);
        Some(Click { kind, at })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use segarena_kernels::reference;

    #[test]
    fn over_many_seeds_every_error_voxel_is_clicked_about_as_often() {
        let truth = reference::volume(ndarray::arr3(&[[[1, 1, 0, 0, 0]]]));
        let prediction = ndarray::arr3(&[[[0, 0, 0, 1, 1]]]);
        let comparison = Comparison::new(&truth, prediction.view());
        let mut clicks = [0; 5];
        for seed in 0..4000 {
            let click = RandomPolicy { seed }.place(&comparison, 1).unwrap();
            clicks[click.at[2]] += 1;
        }
        assert_eq!(clicks[2], 0);
        assert!(
            [0, 1, 3, 4]
                .iter()
                .all(|&x| (850..1150).contains(&clicks[x])),
            "{clicks:?}"
        );
    }

    proptest! {
        #[test]
        fn a_click_lies_on_the_error_and_says_which(
            (truth, prediction) in reference::pairs(3),
            seed in any::<u64>(),
        ) {
            let volume = reference::volume(truth.clone());
            let comparison = Comparison::new(&volume, prediction.view());
            for key in [1, 2] {
                let click = RandomPolicy { seed }.place(&comparison, key);
                prop_assert_eq!(click, RandomPolicy { seed }.place(&comparison, key));
                match click {
                    None => prop_assert!(comparison.label(key).error.is_none()),
                    Some(Click { kind, at }) => {
                        prop_assert_ne!(truth[at] == key, prediction[at] == key);
                        prop_assert_eq!(kind == ClickKind::Fg, truth[at] == key);
                    }
                }
            }
        }
    }
}
