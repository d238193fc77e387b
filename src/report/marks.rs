//! What a voxel is on a picture, and in which colour its outline is drawn: one of the case's labels,
//! or an instance that was matched, missed or is false.

use std::collections::BTreeSet;

use segarena_core::volume::InstanceScores;

/// The meaning of the marks that outlines are drawn around. 0 is background.
pub(super) enum Marks<'a> {
    /// A mark is a label's number, from 1, or [`EXTRA`].
    Labels(&'a [i64]),
    /// A mark is an instance's value.
    Instances(Matches<'a>),
}

/// Which instances were matched.
pub(super) struct Matches<'a> {
    counted: &'a InstanceScores,
    truth: BTreeSet<u8>,
    prediction: BTreeSet<u8>,
}

/// The mark of a predicted value that is no label of the case.
const EXTRA: u16 = u16::MAX;
/// So many labels have a colour of their own on a picture; then they begin again.
const COLOURS: u16 = 8;

impl<'a> Marks<'a> {
    pub(super) fn of_labels(labels: &'a [i64]) -> Self {
        Self::Labels(labels)
    }

    pub(super) fn of_instances(counted: &'a InstanceScores) -> Self {
        Self::Instances(Matches {
            truth: counted.pairs.iter().map(|pair| pair.truth).collect(),
            prediction: counted.pairs.iter().map(|pair| pair.prediction).collect(),
            counted,
        })
    }

    pub(super) fn are_instances(&self) -> bool {
        matches!(self, Self::Instances(_))
    }

    /// The mark of a value of the truth.
    pub(super) fn of_truth(&self, value: f64) -> u16 {
        match self {
            Self::Labels(labels) => {
                let place = labels.iter().position(|&label| label as f64 == value);
                place.map_or(0, |place| place as u16 + 1)
            }
            // Cast to a byte, as it was counted.
            Self::Instances(_) => u16::from(value as i64 as u8),
        }
    }

    /// The mark of a predicted value.
    pub(super) fn of_prediction(&self, value: u8) -> u16 {
        match (self, self.of_truth(f64::from(value))) {
            (Self::Labels(_), 0) if value != 0 => EXTRA,
            (_, mark) => mark,
        }
    }

    /// The class of the colour of a mark in the truth.
    pub(super) fn truth_class(&self, mark: u16) -> String {
        match self {
            Self::Labels(_) => self.label_class(mark),
            Self::Instances(matches) => {
                let is_matched = matches.truth.iter().any(|&value| u16::from(value) == mark);
                if is_matched { "matched" } else { "missed" }.to_owned()
            }
        }
    }

    /// The class of the colour of a mark in the prediction.
    pub(super) fn prediction_class(&self, mark: u16) -> String {
        match self {
            Self::Labels(_) => self.label_class(mark),
            Self::Instances(matches) => {
                let mut matched = matches.prediction.iter();
                let is_matched = matched.any(|&value| u16::from(value) == mark);
                if is_matched { "matched" } else { "false" }.to_owned()
            }
        }
    }

    fn label_class(&self, mark: u16) -> String {
        match (self, mark) {
            (_, EXTRA) => "extra".to_owned(),
            (Self::Labels(labels), mark) if labels.len() > 1 => {
                format!("l{}", (mark - 1) % COLOURS)
            }
            _ => String::new(),
        }
    }

    /// What the colours mean, of these marks; nothing where there is but one colour.
    pub(super) fn key(&self, seen: &BTreeSet<u16>) -> Vec<(String, String)> {
        match self {
            Self::Labels(labels) if labels.len() < 2 => Vec::new(),
            Self::Labels(labels) => {
                let marks = seen.iter().filter(|mark| !matches!(**mark, 0 | EXTRA));
                let named = marks.filter_map(|&mark| {
                    let label = labels.get(usize::from(mark) - 1)?;
                    Some((self.label_class(mark), label.to_string()))
                });
                named.collect()
            }
            Self::Instances(_) => ["matched", "missed", "false"]
                .map(|class| (class.to_owned(), class.to_owned()))
                .to_vec(),
        }
    }

    /// What there is to say of a prediction with these values on its slice.
    pub(super) fn words(&self, found: &BTreeSet<u8>) -> String {
        match self {
            Self::Labels(labels) => extra_labels(found, labels),
            Self::Instances(Matches { counted, .. }) => format!(
                "; {} matched, {} missed, {} false",
                counted.true_positives,
                // As many as are drawn so: the challenge counts none where nothing was predicted.
                counted.truth_instances - counted.true_positives,
                counted.false_positives
            ),
        }
    }
}

/// Words for predicted labels that the truth does not have.
fn extra_labels(found: &BTreeSet<u8>, labels: &[i64]) -> String {
    let extra = found
        .iter()
        .filter(|value| **value != 0 && !labels.contains(&i64::from(**value)));
    let extra: Vec<String> = extra.map(u8::to_string).collect();
    match extra.len() {
        0 => String::new(),
        1..=6 => format!(
            ", predicts labels that the truth has not: {}",
            extra.join(", ")
        ),
        many => format!(", predicts {many} labels that the truth has not"),
    }
}

#[cfg(test)]
mod tests {
    use segarena_core::volume::score_instances;

    use super::*;

    #[test]
    fn predicted_labels_that_the_truth_has_not_are_said() {
        let words = |found: &[u8], labels: &[i64]| {
            Marks::of_labels(labels).words(&found.iter().copied().collect())
        };
        assert_eq!(words(&[0, 1, 3], &[1, 3]), "");
        assert_eq!(
            words(&[0, 1, 7, 9], &[1]),
            ", predicts labels that the truth has not: 7, 9"
        );
        let many: Vec<u8> = (0..=255).collect();
        assert!(words(&many, &[1]).contains("predicts 254 labels"));
    }

    #[test]
    fn a_value_that_is_no_label_is_not_marked() {
        let labels = [3, 7];
        let marks = Marks::of_labels(&labels);
        assert_eq!(
            [0.0, 3.0, 7.0, 0.5].map(|value| marks.of_truth(value)),
            [0, 1, 2, 0]
        );
        assert_eq!(
            [0, 7, 9].map(|value| marks.of_prediction(value)),
            [0, 2, EXTRA]
        );
        assert_eq!(marks.prediction_class(EXTRA), "extra");
        let nine: Vec<i64> = (1..=9).collect();
        assert_eq!(Marks::of_labels(&nine).truth_class(9), "l0");
        assert_eq!(Marks::of_labels(&[1]).truth_class(1), "");
    }

    #[test]
    fn instances_are_matched_missed_or_false() {
        let truth = ndarray::arr3(&[[[1, 1, 0, 2, 0]]]);
        let prediction = ndarray::arr3(&[[[7, 7, 0, 0, 4]]]);
        let counted = score_instances(truth.view(), prediction.view());
        let marks = Marks::of_instances(&counted);
        assert_eq!(
            [1, 2].map(|mark| marks.truth_class(mark)),
            ["matched", "missed"]
        );
        let predicted = [7, 4].map(|value| marks.prediction_class(marks.of_prediction(value)));
        assert_eq!(predicted, ["matched", "false"]);
        // A truth of larger numbers was cast to bytes before it was counted.
        assert_eq!(marks.of_truth(258.0), 2);
        let words = marks.words(&BTreeSet::new());
        assert_eq!(words, "; 1 matched, 1 missed, 1 false");
    }
}
