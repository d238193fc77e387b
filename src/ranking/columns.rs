//! The numbers by which submissions are held against each other. A case has a value in some of the
//! columns and none in the others, as its track and its kind have it.

use segarena_core::dialogue::Track;
use segarena_core::record::CaseRecord;

/// A number that a case's record gives, and what it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// In configurations and files.
    pub(crate) id: String,
    /// In tables for people.
    pub(crate) name: String,
    source: Source,
}

/// Where a column's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A column of the track's summary; the higher the better.
    Summary(&'static str),
    /// The running time of a case, all interactions together; the lower the better.
    Seconds,
}

impl Column {
    /// The column that a track's summary calls so: `DSC_Final` is `dsc_final` in files and
    /// `DSC final` in tables.
    pub(crate) fn of_summary(name: &'static str) -> Self {
        let words = name.split('_').map(|word| {
            match word.chars().any(|letter| letter.is_ascii_lowercase()) {
                true => word.to_ascii_lowercase(),
                false => word.to_owned(),
            }
        });
        Self {
            id: name.to_ascii_lowercase(),
            name: words.collect::<Vec<_>>().join(" "),
            source: Source::Summary(name),
        }
    }

    /// The running time.
    pub(crate) fn seconds() -> Self {
        Self {
            id: "seconds".to_owned(),
            name: "seconds".to_owned(),
            source: Source::Seconds,
        }
    }

    /// Whether it is the running time, which is looked at and only counts where somebody says so.
    pub(crate) fn is_seconds(&self) -> bool {
        self.source == Source::Seconds
    }

    /// The case's value; none for a case that has no such number.
    pub(crate) fn of(&self, record: &CaseRecord) -> Option<f64> {
        match self.source {
            Source::Seconds => Some(record.total_seconds),
            Source::Summary(name) => {
                let mut summary = record.summary().into_iter();
                summary.find(|(other, _)| *other == name)?.1
            }
        }
    }

    /// The value with its sign turned where lower is better, so that higher always is.
    pub(crate) fn merit(&self, record: &CaseRecord) -> Option<f64> {
        let value = self.of(record)?;
        Some(if self.is_seconds() { -value } else { value })
    }

    /// The [merit](Self::merit) of a case that was not finished: no case has a lower one.
    pub(crate) fn worst(&self) -> f64 {
        if self.is_seconds() {
            f64::NEG_INFINITY
        } else {
            0.0
        }
    }
}

/// Everything that a track's cases can be ranked by.
pub(crate) fn columns_of(track: &dyn Track) -> Vec<Column> {
    let scores = track.summary_columns().into_iter().map(Column::of_summary);
    scores.chain([Column::seconds()]).collect()
}

/// The scores that some of these cases have, in the order of their tracks.
pub(crate) fn scores_of<'r>(records: impl Iterator<Item = &'r CaseRecord>) -> Vec<Column> {
    // A column that only later cases have stays in its place.
    let mut columns: Vec<(&'static str, bool)> = Vec::new();
    for (name, value) in records.flat_map(CaseRecord::summary) {
        match columns.iter_mut().find(|(known, _)| *known == name) {
            Some((_, is_had)) => *is_had |= value.is_some(),
            None => columns.push((name, value.is_some())),
        }
    }
    let had = columns.into_iter().filter(|(_, is_had)| *is_had);
    had.map(|(name, _)| Column::of_summary(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_columns_names_are_made_from_the_tracks() {
        let names = ["DSC_AUC", "NSD_Final", "F1", "DSC_TP"].map(|name| {
            let column = Column::of_summary(name);
            (column.id, column.name)
        });
        let expected = [
            ("dsc_auc", "DSC AUC"),
            ("nsd_final", "NSD final"),
            ("f1", "F1"),
            ("dsc_tp", "DSC TP"),
        ];
        assert_eq!(
            names,
            expected.map(|(id, name)| (id.to_owned(), name.to_owned()))
        );
    }
}
