//! How an organiser wants submissions ranked and cases grouped.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use segarena_core::results::{WriteError, read_whole, write_json};
use serde::{Deserialize, Serialize};

use super::columns::Column;
use super::groups::Groups;

/// The order in which scores become ranks and cases become one number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scheme {
    /// The mean over the cases first, then the rank of that mean in each column.
    #[default]
    MeanThenRank,
    /// The rank in each case and column first, then the mean of these ranks over the cases.
    RankThenMean,
}

impl Scheme {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 2] = [Self::MeanThenRank, Self::RankThenMean];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::MeanThenRank => "mean-then-rank",
            Self::RankThenMean => "rank-then-mean",
        }
    }

    pub(crate) fn other(self) -> Self {
        match self {
            Self::MeanThenRank => Self::RankThenMean,
            Self::RankThenMean => Self::MeanThenRank,
        }
    }
}

/// What a ranking is made by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// The scheme that decides; the other one is shown beside it.
    pub(crate) scheme: Scheme,
    /// What each column counts, by its id; empty: every score counts 1.
    pub(crate) weights: BTreeMap<String, f64>,
    /// The group of each case.
    pub(crate) groups: Groups,
}

/// The name of the file in the output folder that keeps the settings of its evaluation.
const FILE: &str = "ranking.json";

impl Settings {
    /// What a column counts.
    pub(crate) fn weight(&self, column: &Column) -> f64 {
        match self.weights.get(&column.id) {
            Some(weight) => *weight,
            // Running times are looked at, and only count where somebody says so.
            None if self.weights.is_empty() && !column.is_seconds() => 1.0,
            None => 0.0,
        }
    }

    /// Keeps them in an output folder, for reports that are made later.
    ///
    /// # Errors
    /// When the file can't be written.
    pub(crate) fn keep(&self, output: &Path) -> Result<(), WriteError> {
        let path = output.join(FILE);
        // Of many shards only the first has something to write, or else who prepared for all.
        let is_kept = path.is_file() && Self::kept(output).is_ok_and(|kept| kept == *self);
        match is_kept {
            true => Ok(()),
            false => write_json(&path, self),
        }
    }

    /// Those that the last evaluation into this folder kept; the defaults where it kept none.
    ///
    /// # Errors
    /// When the file is there and can't be read.
    pub(crate) fn kept(output: &Path) -> anyhow::Result<Self> {
        let path = output.join(FILE);
        let text = match read_whole(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is damaged or not segarena's (remove it: a report then ranks by the defaults)",
                path.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_score_counts_once_until_weights_are_given() {
        let mut settings = Settings::default();
        let scores = ["DSC_AUC", "NSD_AUC", "DSC_Final", "NSD_Final"].map(Column::of_summary);
        let weights = |settings: &Settings| scores.clone().map(|column| settings.weight(&column));
        assert_eq!(weights(&settings), [1.0; 4]);
        assert_eq!(settings.weight(&Column::seconds()), 0.0);
        settings.weights = [("dsc_final".to_owned(), 2.0), ("seconds".to_owned(), 0.5)].into();
        assert_eq!(weights(&settings), [0.0, 0.0, 2.0, 0.0]);
        assert_eq!(settings.weight(&Column::seconds()), 0.5);
    }

    #[test]
    fn what_was_kept_is_read_again_and_damage_is_named() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::kept(folder.path()).unwrap(), Settings::default());
        let settings = Settings {
            scheme: Scheme::RankThenMean,
            weights: [("nsd_auc".to_owned(), 0.1)].into(),
            ..Settings::default()
        };
        settings.keep(folder.path()).unwrap();
        assert_eq!(Settings::kept(folder.path()).unwrap(), settings);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        let error = Settings::kept(folder.path()).unwrap_err().to_string();
        assert!(error.contains("ranking.json is damaged"), "{error}");
    }
}
