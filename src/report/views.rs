//! Over which cases a figure is: all, one group, or each group counting the same.

use std::collections::BTreeMap;

use segarena_core::record::CaseRecord;
use segarena_core::run::PastSubmission;

use super::table::Cell;
use super::{charts, text};
use crate::ranking::{Column, Groups};
use crate::statistics::mean;

/// A choice of cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum View {
    /// Every case counts the same.
    All,
    /// Every group counts the same, however many cases it has.
    MeanOfGroups,
    /// One group.
    Group(String),
}

impl View {
    /// All cases and, where there is more than one group, the groups' mean and each group.
    pub(super) fn of(groups: &[String]) -> Vec<Self> {
        match groups {
            [] | [_] => vec![Self::All],
            many => [Self::All, Self::MeanOfGroups]
                .into_iter()
                .chain(many.iter().cloned().map(Self::Group))
                .collect(),
        }
    }

    pub(super) fn name(&self) -> String {
        match self {
            Self::All => "all cases".to_owned(),
            Self::MeanOfGroups => "mean of the groups".to_owned(),
            Self::Group(group) => text::line(group),
        }
    }

    /// What it adds to a figure's title.
    pub(super) fn suffix(&self) -> String {
        match self {
            Self::All => String::new(),
            other => format!(", {}", other.name()),
        }
    }
}

/// A submission as the whole page has it.
#[derive(Debug, Clone)]
pub(super) struct Team<'a> {
    /// Its line in the leaderboard, from 0.
    pub(super) index: usize,
    /// Its name, made fit to be read.
    pub(super) name: String,
    pub(super) past: &'a PastSubmission,
    by_group: BTreeMap<&'a str, Vec<&'a CaseRecord>>,
}

impl<'a> Team<'a> {
    pub(super) fn new(index: usize, past: &'a PastSubmission, groups: &'a Groups) -> Self {
        let mut by_group: BTreeMap<&str, Vec<&CaseRecord>> = BTreeMap::new();
        for case in &past.cases {
            by_group
                .entry(groups.of(&case.case))
                .or_default()
                .push(case);
        }
        Self {
            index,
            name: text::line(&past.name),
            past,
            by_group,
        }
    }

    /// The cases of a view; those of all groups for the groups' mean.
    pub(super) fn cases(&self, view: &View) -> Vec<&'a CaseRecord> {
        match view {
            View::All | View::MeanOfGroups => self.past.cases.iter().collect(),
            View::Group(group) => self
                .by_group
                .get(group.as_str())
                .cloned()
                .unwrap_or_default(),
        }
    }

    /// A statistic over the cases of a view; for the groups' mean, the mean of what it is in each
    /// group that has it.
    pub(super) fn over(
        &self,
        view: &View,
        statistic: impl Fn(&[&CaseRecord]) -> Option<f64>,
    ) -> Option<f64> {
        match view {
            View::MeanOfGroups => {
                let groups = self.by_group.values();
                mean_of(groups.filter_map(|cases| statistic(cases)))
            }
            _ => statistic(&self.cases(view)),
        }
    }
}

/// The mean; none for nothing.
pub(super) fn mean_of(values: impl Iterator<Item = f64>) -> Option<f64> {
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| mean(&values))
}

/// The values of a column.
pub(super) fn values(cases: &[&CaseRecord], column: &Column) -> Vec<f64> {
    cases.iter().filter_map(|case| column.of(case)).collect()
}

impl Team<'_> {
    /// The cell with its name.
    pub(super) fn cell(&self) -> Cell {
        let note = match (&self.past.error, self.past.finished) {
            (Some(_), _) => "could not be run",
            (None, false) => "not finished",
            (None, true) => "",
        };
        Cell {
            submission: Some((
                self.index + 1,
                charts::css(self.index),
                charts::mark(self.index),
            )),
            ..Cell::text(self.name.clone()).with_remark(note)
        }
    }
}
