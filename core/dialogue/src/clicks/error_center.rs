//! Users who click where the error is thickest, as the interactive segmentation of photographs
//! simulates them.

use segarena_kernels::{Comparison, Mask, Outside, SquaredDistances, Voxel};

use super::{Click, ClickKind, ClickPolicy};

/// RITM's user: of false negatives and false positives those that go deeper, their deepest voxel
/// that has not been clicked yet.
///
/// Depth is the distance, in voxels, to the nearest voxel outside the false negatives (or
/// positives), the volume's border being outside; of equally deep voxels the first in C order, of
/// equally deep errors the false positives. A volume of one slice is an image: what lies above and
/// below it does not count. Where every error voxel has been clicked, the deepest is clicked again.
///
/// Source: `Clicker._get_next_click` in `isegm/inference/clicker.py` of Sofiiuk, Petrov and
/// Konushin, "Reviving Iterative Training with Mask Guidance for Interactive Segmentation", 2021,
/// where images have two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RitmPolicy;

impl ClickPolicy for RitmPolicy {
    fn name(&self) -> &str {
        "ritm"
    }

    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click> {
        deepest_error(comparison, key, &[])
    }

    fn place_after(
        &self,
        comparison: &Comparison<'_>,
        key: u8,
        before: &[Option<Click>],
    ) -> Option<Click> {
        let clicked: Vec<Voxel> = before.iter().flatten().map(|click| click.at).collect();
        deepest_error(comparison, key, &clicked).or_else(|| self.place(comparison, key))
    }
}

/// SAM 2's user: as RITM's, but without a memory.
///
/// Its other user, who clicks on any voxel of the error, is [`RandomPolicy`](super::RandomPolicy).
///
/// Source: `sample_one_point_from_error_center` in `sam2/modeling/sam2_utils.py` of Ravi et al.,
/// "SAM 2: Segment Anything in Images and Videos", 2024, where images have two axes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sam2CenterPolicy;

impl ClickPolicy for Sam2CenterPolicy {
    fn name(&self) -> &str {
        "sam2-center"
    }

    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click> {
        deepest_error(comparison, key, &[])
    }
}

/// The deepest voxel of the label's false negatives or false positives, but for those `clicked`.
fn deepest_error(comparison: &Comparison<'_>, key: u8, clicked: &[Voxel]) -> Option<Click> {
    let missed = deepest_voxel(&comparison.missed_mask(key), clicked);
    let surplus = deepest_voxel(&comparison.surplus_mask(key), clicked);
    let depth = |found: &Option<(Voxel, u64)>| found.map_or(0, |(_, distance)| distance);
    let (kind, found) = if depth(&missed) > depth(&surplus) {
        (ClickKind::Fg, missed)
    } else {
        (ClickKind::Bg, surplus)
    };
    found.map(|(at, _)| Click { kind, at })
}

fn deepest_voxel(mask: &Mask, clicked: &[Voxel]) -> Option<(Voxel, u64)> {
    let outside = if mask.shape()[0] == 1 {
        Outside::BackgroundInPlane
    } else {
        Outside::Background
    };
    SquaredDistances::new(mask, outside)?.deepest_but(clicked)
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use proptest::prelude::*;
    use segarena_kernels::reference;

    use super::ClickKind::{Bg, Fg};
    use super::*;

    /// Measured: three clicks of RITM's `Clicker` and one of SAM 2's
    /// `sample_one_point_from_error_center` on [`image`]s of two axes, as (kind, y, x).
    type Measured = ([(ClickKind, usize, usize); 3], (ClickKind, usize, usize));
    const ORIGINALS: [Measured; 12] = [
        ([(Fg, 13, 6), (Fg, 14, 6), (Fg, 16, 8)], (Fg, 13, 6)),
        ([(Fg, 12, 5), (Fg, 15, 6), (Fg, 16, 7)], (Fg, 12, 5)),
        ([(Bg, 0, 8), (Bg, 0, 31), (Bg, 1, 17)], (Bg, 0, 8)),
        ([(Fg, 4, 13), (Fg, 5, 16), (Fg, 5, 17)], (Fg, 4, 13)),
        ([(Bg, 20, 9), (Bg, 11, 6), (Bg, 13, 6)], (Bg, 20, 9)),
        ([(Bg, 4, 7), (Bg, 6, 8), (Bg, 9, 6)], (Bg, 4, 7)),
        ([(Fg, 12, 20), (Fg, 8, 20), (Fg, 9, 19)], (Fg, 12, 20)),
        ([(Fg, 7, 19), (Fg, 8, 19), (Fg, 9, 20)], (Fg, 7, 19)),
        ([(Bg, 10, 10), (Bg, 13, 8), (Bg, 15, 9)], (Bg, 10, 10)),
        ([(Bg, 10, 8), (Bg, 12, 9), (Bg, 15, 7)], (Bg, 10, 8)),
        ([(Bg, 4, 10), (Bg, 7, 8), (Bg, 9, 9)], (Bg, 4, 10)),
        ([(Bg, 6, 9), (Bg, 9, 7), (Bg, 11, 8)], (Bg, 6, 9)),
    ];

    /// A disc, and another with speckles, in one slice.
    fn image(number: usize) -> (Array3<u8>, Array3<u8>) {
        let disc = |at: [usize; 2], center: [usize; 2], radius: usize| {
            at[0].abs_diff(center[0]).pow(2) + at[1].abs_diff(center[1]).pow(2) <= radius.pow(2)
        };
        let truth = Array3::from_shape_fn((1, 24, 32), |(_, y, x)| {
            u8::from(disc([y, x], [12, 10 + number], 6 + number % 4))
        });
        let prediction = Array3::from_shape_fn((1, 24, 32), |(_, y, x)| {
            let is_speckle = (y * 31 + x * 17 + number).is_multiple_of(23);
            u8::from(disc([y, x], [10 + number % 5, 12], 5 + number % 6) ^ is_speckle)
        });
        (truth, prediction)
    }

    #[test]
    fn clicks_on_one_slice_are_the_originals() {
        for (number, (ritm, sam2)) in ORIGINALS.into_iter().enumerate() {
            let (truth, prediction) = image(number);
            let truth = reference::volume(truth);
            let comparison = Comparison::new(&truth, prediction.view());
            let mut clicks = Vec::new();
            for (kind, y, x) in ritm {
                let at = [0, y, x];
                clicks.push(RitmPolicy.place_after(&comparison, 1, &clicks));
                assert_eq!(clicks.last(), Some(&Some(Click { kind, at })), "{number}");
            }
            let (kind, y, x) = sam2;
            let expected = Some(Click {
                kind,
                at: [0, y, x],
            });
            assert_eq!(Sam2CenterPolicy.place(&comparison, 1), expected, "{number}");
        }
    }

    /// The same rule in the plainest way.
    fn naive(truth: &Array3<u8>, prediction: &Array3<u8>, clicked: &[Voxel]) -> Option<Click> {
        let deepest = |kind: ClickKind| {
            let (has, lacks) = match kind {
                Fg => (truth, prediction),
                Bg => (prediction, truth),
            };
            let error = ndarray::Zip::from(has)
                .and(lacks)
                .map_collect(|&a, &b| u8::from(a == 1 && b != 1));
            let margin = [usize::from(truth.dim().0 > 1), 1, 1];
            let distances = reference::squared_distances(&reference::padded(&error, margin));
            let mut deepest: Option<(u64, Click)> = None;
            for ((z, y, x), &is_error) in error.indexed_iter() {
                let at = [z, y, x];
                let distance = distances[[0, 1, 2].map(|axis| at[axis] + margin[axis])];
                let distance = distance.expect("there is background around the volume");
                let is_deeper = deepest.is_none_or(|(best, _)| distance > best);
                if is_error == 1 && !clicked.contains(&at) && is_deeper {
                    deepest = Some((distance, Click { kind, at }));
                }
            }
            deepest
        };
        match (deepest(Fg), deepest(Bg)) {
            (Some((fg, click)), Some((bg, other))) => Some(if fg > bg { click } else { other }),
            (one, other) => one.or(other).map(|(_, click)| click),
        }
    }

    proptest! {
        #[test]
        fn the_deepest_error_voxel_not_clicked_yet_is_clicked(
            (truth, prediction) in reference::pairs(2),
        ) {
            let volume = reference::volume(truth.clone());
            let comparison = Comparison::new(&volume, prediction.view());
            let mut clicks: Vec<Option<Click>> = Vec::new();
            for _ in 0..4 {
                let clicked: Vec<Voxel> = clicks.iter().flatten().map(|click| click.at).collect();
                let expected = naive(&truth, &prediction, &clicked)
                    .or_else(|| naive(&truth, &prediction, &[]));
                clicks.push(RitmPolicy.place_after(&comparison, 1, &clicks));
                prop_assert_eq!(clicks.last(), Some(&expected));
                let first = naive(&truth, &prediction, &[]);
                prop_assert_eq!(Sam2CenterPolicy.place_after(&comparison, 1, &clicks), first);
            }
        }
    }
}
