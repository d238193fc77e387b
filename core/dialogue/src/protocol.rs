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
    /// The options that change a number and are not the challenge's, as `name=value`.
    pub fn changed_options(&self) -> Vec<String> {
        let standard = Self::default();
        let mut changed = Vec::new();
        if self.clicks != standard.clicks {
            changed.push(format!("clicks={}", self.clicks));
        }
        if self.nsd_tolerance_mm != standard.nsd_tolerance_mm {
            changed.push(format!("nsd_tolerance_mm={}", self.nsd_tolerance_mm));
        }
        if self.seconds_per_class != standard.seconds_per_class {
            changed.push(format!("seconds_per_class={}", self.seconds_per_class));
        }
        if self.over_time != standard.over_time {
            changed.push("over_time=zero".to_owned());
        }
        if self.failed_prediction != standard.failed_prediction {
            changed.push("failed_prediction=zeros".to_owned());
        }
        if self.interaction_timeout != standard.interaction_timeout {
            let seconds = self.interaction_timeout.as_secs_f64();
            changed.push(format!("interaction_timeout={seconds}s"));
        }
        changed
    }

    /// The most seconds of running time a case with so many classes may take.
    pub fn time_limit(&self, classes: usize) -> f64 {
        self.seconds_per_class * classes as f64
    }
}
