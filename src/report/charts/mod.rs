//! The report's charts, as SVG that takes its ink from the page: dark on light, light on dark.
//! Submissions are told apart by their number as well as by colour.

mod bars;
mod canvas;
mod curves;
mod grids;
mod ink;

pub(super) use bars::{Bars, bars};
pub(super) use canvas::on_its_own;
pub(super) use curves::{Curve, curves, spread};
pub(super) use grids::{Verdict, blobs, heatmap, significance};
pub(super) use ink::{css, mark};

/// A submission in a chart.
pub(super) struct Named {
    /// Its place on the leaderboard, from 0.
    pub(super) index: usize,
    pub(super) name: String,
}

impl Named {
    pub(super) fn new(index: usize, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { index, name }
    }
}

/// Lowest, quartiles and highest; values between two neighbours lie on the line between them.
fn quantiles(values: &[f64]) -> [f64; 5] {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let at = share * (sorted.len() - 1) as f64;
        let below = sorted[at.floor() as usize];
        below + at.fract() * (sorted[at.ceil() as usize] - below)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_stays_text() {
        let name = "\"><script>alert(1)</script>";
        let bars = bars(name, &[(Named::new(0, name), vec![0.5])], Bars::Share).unwrap();
        let spread = spread(name, &[vec![vec![0.5]], vec![vec![0.5]]]).unwrap();
        for svg in [bars, spread] {
            assert!(!svg.contains("<script"), "{svg}");
        }
    }

    #[test]
    fn quartiles_are_those_of_numpy() {
        // numpy.quantile([3, 1, 4, 1.5], [0, .25, .5, .75, 1])
        assert_eq!(
            quantiles(&[3.0, 1.0, 4.0, 1.5]),
            [1.0, 1.375, 2.25, 3.25, 4.0]
        );
    }
}
