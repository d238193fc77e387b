//! What a ranking hangs on: the places when one group of cases or one column is left out.

use std::collections::BTreeSet;

use super::field::Field;
use super::settings::Scheme;

/// A ranking without a part of what it was made of.
#[derive(Debug, Clone)]
pub(crate) struct LeftOut {
    /// What was left out, in words.
    pub(crate) what: String,
    /// The place of each submission.
    pub(crate) places: Vec<usize>,
    /// Kendall's τ-b with the whole ranking: 1 where the order stays; none where all are equal.
    pub(crate) agreement: Option<f64>,
}

/// Each group and each column left out by itself, where there is more than one.
pub(crate) fn left_out(field: &Field, scheme: Scheme) -> Vec<LeftOut> {
    let whole = field.places(scheme, &field.all());
    let row = |what: String, places: Vec<usize>| LeftOut {
        what,
        agreement: kendall(&whole, &places),
        places,
    };
    let groups: BTreeSet<&String> = field.groups.iter().collect();
    let mut rows = Vec::new();
    if groups.len() > 1 {
        rows.extend(groups.into_iter().map(|group| {
            let mut cases = field.all();
            cases.retain(|case| field.groups[*case] != *group);
            row(format!("group {group}"), field.places(scheme, &cases))
        }));
    }
    if field.columns.len() > 1 {
        rows.extend((0..field.columns.len()).map(|column| {
            let mut rest = field.clone();
            let gone = rest.columns.remove(column);
            let places = rest.places(scheme, &rest.all());
            row(format!("column {}", gone.column.name), places)
        }));
    }
    rows
}

/// Kendall's rank correlation τ-b (*Rank Correlation Methods*, 1948), which allows for ties; none
/// where either side is all ties.
fn kendall(a: &[usize], b: &[usize]) -> Option<f64> {
    let (mut same, mut untied_a, mut untied_b) = (0_i64, 0_i64, 0_i64);
    for i in 0..a.len() {
        for j in 0..i {
            let sign = |x: &[usize]| x[i].cmp(&x[j]) as i64;
            same += sign(a) * sign(b);
            untied_a += sign(a).abs();
            untied_b += sign(b).abs();
        }
    }
    let scale = (untied_a as f64).sqrt() * (untied_b as f64).sqrt();
    (scale > 0.0).then(|| (same as f64 / scale).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::sample::{record, sound};
    use crate::ranking::{Entrant, Missing, Settings};

    #[test]
    fn agreement_is_kendalls() {
        assert_eq!(kendall(&[1, 2, 3], &[1, 2, 3]), Some(1.0));
        assert_eq!(kendall(&[1, 2, 3], &[3, 2, 1]), Some(-1.0));
        assert_eq!(kendall(&[1, 1], &[1, 2]), None);
        // scipy.stats.kendalltau([12, 2, 1, 12, 2], [1, 4, 7, 1, 0]), its documentation's example.
        let tau = kendall(&[12, 2, 1, 12, 2], &[1, 4, 7, 1, 0]).unwrap();
        assert!((tau - -0.471_404_520_791_031_73).abs() < 1e-12, "{tau}");
    }

    #[test]
    fn a_first_place_that_hangs_on_one_group_is_found() {
        let cases = ["CT_1.npz", "CT_2.npz", "MR_1.npz"];
        let of = |scores: [f64; 3]| -> Vec<_> {
            let pairs = cases.iter().zip(scores);
            pairs
                .map(|(case, score)| record(case, score, sound()))
                .collect()
        };
        let (a, b) = (of([0.5, 0.5, 0.9]), of([0.6, 0.6, 0.1]));
        let entrants = [&a, &b].map(|records| Entrant { name: "", records });
        let settings = Settings::default();
        let field = Field::new(&entrants, cases.into_iter(), Missing::AreWorst, &settings);
        let rows = left_out(&field, Scheme::MeanThenRank);
        let names: Vec<&str> = rows.iter().map(|row| row.what.as_str()).collect();
        assert_eq!(names[..2], ["group CT", "group MR"]);
        assert_eq!(names.len(), 6, "two groups and four columns: {names:?}");
        assert_eq!(
            (&rows[0].places, rows[0].agreement),
            (&vec![1, 2], Some(1.0))
        );
        assert_eq!(
            (&rows[1].places, rows[1].agreement),
            (&vec![2, 1], Some(-1.0))
        );
    }
}
