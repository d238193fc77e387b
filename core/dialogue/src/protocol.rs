//! The protocol's options. The defaults are the challenge's.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How a case is evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Protocol {
    /// Interactions with clicks, after the one with the bounding box.
    pub clicks: usize,
    /// The tolerance of the normalised surface Dice, in millimetres.
    pub nsd_tolerance_mm: f64,
    /// Seconds of running time a case may take, for each of its classes.
    pub seconds_per_class: f64,
    /// What happens to the scores of a case that took longer.
    pub over_time: OverTime,
    /// What an interaction that failed is scored with.
    pub failed_prediction: FailedPrediction,
    /// A submission still running after this is killed.
    pub interaction_timeout: Duration,
}

/// What happens to the scores of a case that took longer than its time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OverTime {
    /// A warning; the scores stand. What participants see.
    Warn,
    /// All scores of the case become 0. What the final ranking does.
    Zero,
}

/// What an interaction that failed is scored with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailedPrediction {
    /// Whatever the submission last wrote for the case, as the official script does.
    Carry,
    /// No label at all.
    Zeros,
}

impl Default for Protocol {
    fn default() -> Self {
        Self {
            clicks: 5,
            nsd_tolerance_mm: 2.0,
            seconds_per_class: 90.0,
            over_time: OverTime::Warn,
            failed_prediction: FailedPrediction::Carry,
            interaction_timeout: Duration::from_secs(1800),
        }
    }
}

impl Protocol {
    /// Interactions of a case: the bounding box and the clicks.
    pub fn interactions(&self) -> usize {
        self.clicks + 1
    }

    /// The most seconds of running time a case with so many classes may take.
    pub fn time_limit(&self, classes: usize) -> f64 {
        self.seconds_per_class * classes as f64
    }
}
