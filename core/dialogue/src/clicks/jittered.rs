//! A user who means the challenge's click and has a less ideal hand.

use rand_mt::Mt;
use segarena_kernels::{Comparison, Spacing, Voxel};

use super::{ChallengePolicy, Click, ClickKind, ClickPolicy};

/// How often a click that would miss the error is aimed again.
const MOST_TRIES: usize = 100;

/// Clicks near the challenge's click, on the label's error.
///
/// Along each axis the hand is off by a normal distribution of standard deviation `sigma_mm`, in
/// millimetres; a user who sees that it would not be the error aims again, and after a hundred tries
/// has the challenge's click. The generator (MT19937) is seeded anew for every click, from the seed,
/// the label's key and the challenge's click.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JitteredPolicy {
    /// The standard deviation along each axis, in millimetres.
    pub sigma_mm: f64,
    /// Another seed, other clicks.
    pub seed: u64,
}

impl ClickPolicy for JitteredPolicy {
    fn name(&self) -> &str {
        "jittered"
    }

    fn id(&self) -> String {
        format!("jittered(sigma_mm={},seed={})", self.sigma_mm, self.seed)
    }

    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click> {
        let meant = ChallengePolicy.place(comparison, key)?.at;
        let [z, y, x] = meant.map(|index| index as u32);
        let seed = [
            self.seed as u32,
            (self.seed >> 32) as u32,
            u32::from(key),
            z,
            y,
            x,
        ];
        let mut hand = Hand {
            generator: Mt::new_with_key(seed),
            sigma_mm: self.sigma_mm,
            spacing: comparison.truth().spacing(),
        };
        let truth = comparison.truth().voxels();
        let prediction = comparison.prediction();
        let is_error = |at: &Voxel| (truth[*at] == key) != (prediction[*at] == key);
        let at = (0..MOST_TRIES)
            .filter_map(|_| hand.near(meant, comparison.truth().shape()))
            .find(is_error)
            .unwrap_or(meant);
        let kind = ClickKind::of(comparison.truth(), at, key);
        Some(Click { kind, at })
    }
}

struct Hand {
    generator: Mt,
    sigma_mm: f64,
    spacing: Spacing,
}

impl Hand {
    /// A voxel near another; `None` if it would lie outside a volume of this shape.
    fn near(&mut self, meant: Voxel, shape: [usize; 3]) -> Option<Voxel> {
        let mut at = meant;
        // Every axis is drawn, so that what is drawn next does not depend on where this one ends.
        let off = self
            .spacing
            .mm()
            .map(|mm| (self.normal() * self.sigma_mm / mm).round());
        for axis in [0, 1, 2] {
            let moved = meant[axis] as f64 + off[axis];
            if !(0.0..shape[axis] as f64).contains(&moved) {
                return None;
            }
            at[axis] = moved as usize;
        }
        Some(at)
    }

    /// A number of the standard normal distribution (Box and Muller, "A Note on the Generation of
    /// Random Normal Deviates", 1958).
    fn normal(&mut self) -> f64 {
        let mut uniform = || (f64::from(self.generator.next_u32()) + 0.5) / 2_f64.powi(32);
        let (radius, angle) = (uniform(), uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;
    use segarena_kernels::{LabelVolume, reference};

    use super::*;

    #[test]
    fn the_hand_is_off_by_as_many_millimetres_as_was_said() {
        let spacing = [2.0, 1.0, 0.5];
        let truth = LabelVolume::new(
            Array3::from_elem((41, 81, 161), 1),
            Spacing::new(spacing).unwrap(),
        );
        let prediction = Array3::zeros((41, 81, 161));
        let comparison = Comparison::new(&truth, prediction.view());
        let meant = ChallengePolicy.place(&comparison, 1).unwrap().at;
        let count = 1500;
        let mut squares = [0.0; 3];
        for seed in 0..count {
            let policy = JitteredPolicy {
                sigma_mm: 4.0,
                seed,
            };
            let at = policy.place(&comparison, 1).unwrap().at;
            for axis in [0, 1, 2] {
                squares[axis] += (at[axis].abs_diff(meant[axis]) as f64 * spacing[axis]).powi(2);
            }
        }
        for square in squares {
            let deviation = (square / count as f64).sqrt();
            assert!((3.7..4.3).contains(&deviation), "{deviation}");
        }
    }

    proptest! {
        #[test]
        fn a_steady_hand_clicks_as_the_challenge_and_any_on_the_error(
            (truth, prediction) in reference::pairs(3),
            seed: u64,
        ) {
            let volume = reference::volume(truth.clone());
            let comparison = Comparison::new(&volume, prediction.view());
            for key in [1, 2] {
                let steady = JitteredPolicy { sigma_mm: 0.0, seed }.place(&comparison, key);
                prop_assert_eq!(steady, ChallengePolicy.place(&comparison, key));
                let shaking = JitteredPolicy { sigma_mm: 2.0, seed };
                let click = shaking.place(&comparison, key);
                prop_assert_eq!(click, shaking.place(&comparison, key));
                prop_assert_eq!(click.is_some(), steady.is_some());
                if let Some(Click { kind, at }) = click {
                    prop_assert_ne!(truth[at] == key, prediction[at] == key);
                    prop_assert_eq!(kind == ClickKind::Fg, truth[at] == key);
                }
            }
        }
    }
}
