//! The numbers by which submissions are held against each other. A case has a value in some of the
//! columns and none in the others, as its track and its kind have it.

use segarena_core::record::CaseRecord;

/// A number that a case's record gives, and what it is called.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Column {
    /// In configurations and files.
    pub(crate) id: &'static str,
    /// In tables for people.
    pub(crate) name: &'static str,
    /// None for a case that has no such number.
    pub(crate) of: fn(&CaseRecord) -> Option<f64>,
    pub(crate) better: Better,
}

/// Which end of a column is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Column {
    /// The value with its sign turned where lower is better, so that higher always is.
    pub(crate) fn merit(&self, record: &CaseRecord) -> Option<f64> {
        let value = (self.of)(record)?;
        Some(match self.better {
            Better::Higher => value,
            Better::Lower => -value,
        })
    }

    /// The [merit](Self::merit) of a case that was not finished: no case has a lower one.
    pub(crate) fn worst(&self) -> f64 {
        match self.better {
            Better::Higher => 0.0,
            Better::Lower => f64::NEG_INFINITY,
        }
    }
}

/// The scores of the challenge's tables, in their order: those of the interactive track, then those
/// that only instances have.
pub(crate) const SCORES: [Column; 6] = [
    Column {
        id: "dsc_auc",
        name: "DSC AUC",
        of: |record| has_clicks(record).then(|| record.dsc_auc()),
        better: Better::Higher,
    },
    Column {
        id: "nsd_auc",
        name: "NSD AUC",
        of: |record| has_clicks(record).then(|| record.nsd_auc()),
        better: Better::Higher,
    },
    Column {
        id: "dsc_final",
        name: "DSC final",
        of: |record| record.final_measure("DSC"),
        better: Better::Higher,
    },
    Column {
        id: "nsd_final",
        name: "NSD final",
        of: |record| record.final_measure("NSD"),
        better: Better::Higher,
    },
    Column {
        id: "f1",
        name: "F1",
        of: |record| record.final_measure("F1"),
        better: Better::Higher,
    },
    Column {
        id: "dsc_tp",
        name: "DSC TP",
        of: |record| record.final_measure("DSC_TP"),
        better: Better::Higher,
    },
];

/// The running time of a case, all interactions together.
pub(crate) const SECONDS: Column = Column {
    id: "seconds",
    name: "seconds",
    of: |record| Some(record.total_seconds),
    better: Better::Lower,
};

/// Everything that submissions can be ranked by.
pub(crate) fn all_columns() -> impl Iterator<Item = Column> {
    SCORES.into_iter().chain([SECONDS])
}

/// The scores that some of these cases have.
pub(crate) fn scores_of<'r>(records: impl Iterator<Item = &'r CaseRecord> + Clone) -> Vec<Column> {
    let had = |column: &Column| records.clone().any(|record| (column.of)(record).is_some());
    SCORES.into_iter().filter(had).collect()
}

/// An area under a curve needs interactions after the first.
fn has_clicks(record: &CaseRecord) -> bool {
    record.interactions.len() > 1
}
