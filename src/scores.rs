//! The numbers by which submissions are held against each other.

use std::collections::BTreeMap;

use segarena_core::record::CaseRecord;

/// A number that a case's record gives, and its name in tables.
#[derive(Clone, Copy)]
pub(crate) struct Score {
    pub(crate) name: &'static str,
    pub(crate) of: fn(&CaseRecord) -> f64,
}

/// The four scores of the challenge's table.
pub(crate) const SCORES: [Score; 4] = [
    Score {
        name: "DSC AUC",
        of: CaseRecord::dsc_auc,
    },
    Score {
        name: "NSD AUC",
        of: CaseRecord::nsd_auc,
    },
    Score {
        name: "DSC final",
        of: CaseRecord::dsc_final,
    },
    Score {
        name: "NSD final",
        of: CaseRecord::nsd_final,
    },
];

/// The running time of a case, all interactions together.
pub(crate) const SECONDS: Score = Score {
    name: "seconds",
    of: |record| record.total_seconds,
};

/// The names of the cases that every submission with any has: only over these can they be ranked.
pub(crate) fn common_cases<'r>(submissions: &[&'r [CaseRecord]]) -> Vec<&'r str> {
    let mut had: BTreeMap<&str, usize> = BTreeMap::new();
    let with_cases = submissions.iter().filter(|records| !records.is_empty());
    let number = with_cases.clone().count();
    for record in with_cases.flat_map(|records| records.iter()) {
        *had.entry(&record.case).or_default() += 1;
    }
    had.retain(|_, submissions| *submissions == number);
    had.into_keys().collect()
}

/// The scores of the cases with these names, in their order.
pub(crate) fn scores_of(records: &[CaseRecord], names: &[&str]) -> Vec<[f64; 4]> {
    let by_name: BTreeMap<&str, &CaseRecord> = records
        .iter()
        .map(|record| (record.case.as_str(), record))
        .collect();
    let records = names.iter().filter_map(|name| by_name.get(name));
    records
        .map(|record| SCORES.map(|score| (score.of)(record)))
        .collect()
}
