//! Where the next click goes: the trait [`ClickPolicy`] and the policies that ship with segarena.

mod challenge;
mod choice;
mod error_center;
mod jittered;
mod random;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use segarena_kernels::{Comparison, LabelView, Voxel};

pub use challenge::ChallengePolicy;
pub use error_center::{RitmPolicy, Sam2CenterPolicy};
pub use jittered::JitteredPolicy;
pub use random::RandomPolicy;

/// What a policy is made from: the options of a configuration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PolicyOptions {
    /// The seed for a policy that draws lots.
    pub seed: u64,
    /// How far a hand that shakes misses, in millimetres: the standard deviation along each axis.
    pub sigma_mm: f64,
}

impl Default for PolicyOptions {
    fn default() -> Self {
        Self {
            seed: 42,
            sigma_mm: 2.0,
        }
    }
}

/// Makes a policy.
pub type MakePolicy = fn(PolicyOptions) -> Arc<dyn ClickPolicy>;

/// The policies by name, the default first. A further one is a file beside this and a line here.
pub const BUILT_IN: &[(&str, MakePolicy)] = &[
    (ChallengePolicy::NAME, |_| Arc::new(ChallengePolicy)),
    ("random", |options| {
        Arc::new(RandomPolicy { seed: options.seed })
    }),
    ("ritm", |_| Arc::new(RitmPolicy)),
    ("sam2-center", |_| Arc::new(Sam2CenterPolicy)),
    ("jittered", |options| {
        Arc::new(JitteredPolicy {
            sigma_mm: options.sigma_mm,
            seed: options.seed,
        })
    }),
];

/// The built-in policy of this name; `None` if there is none.
pub fn built_in(name: &str, options: PolicyOptions) -> Option<Arc<dyn ClickPolicy>> {
    let known = BUILT_IN.iter().find(|(known, _)| *known == name);
    known.map(|(_, make)| make(options))
}

/// Whether a click adds to a label or takes away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClickKind {
    /// A foreground click: the voxel belongs to the label and the prediction missed it.
    Fg,
    /// A background click: the prediction has the label where it is not.
    Bg,
}

impl ClickKind {
    /// `fg` or `bg`: the name in model inputs and records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fg => "fg",
            Self::Bg => "bg",
        }
    }

    /// What a click on the error voxel `at` says of the label with this key.
    pub fn of(truth: LabelView<'_>, at: Voxel, key: u8) -> Self {
        if truth.voxels()[at] == key {
            Self::Fg
        } else {
            Self::Bg
        }
    }
}

/// One click: what it says and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Click {
    /// Foreground or background.
    pub kind: ClickKind,
    /// The voxel clicked, `[z, y, x]`.
    pub at: Voxel,
}

/// Chooses where the simulated user clicks next.
///
/// A policy is asked once per label and interaction. It sees the ground truth, the current
/// prediction and, in [`Comparison`], what one pass over both has already found out (counts and
/// error boxes of every label).
///
/// # Behavior
/// - Returns `None` exactly when the label has no error voxel: it is predicted perfectly.
/// - Any click returned lies on an error voxel of the label; its kind is [`ClickKind::Fg`] where
///   the ground truth has the label and [`ClickKind::Bg`] elsewhere.
/// - Deterministic: the same arguments give the same click, whatever was asked before and from
///   whichever thread. What a policy remembers is what [`place_after`](Self::place_after) is told.
pub trait ClickPolicy: Send + Sync {
    /// The name by which the configuration chooses this policy.
    fn name(&self) -> &str;

    /// The name with every option that can change a click: `random(seed=7)`.
    fn id(&self) -> String {
        self.name().to_owned()
    }

    /// The click for the label whose key is `key`, or `None` if nothing is wrong with it.
    fn place(&self, comparison: &Comparison<'_>, key: u8) -> Option<Click>;

    /// The click of a user who remembers the label's clicks so far: one for each interaction,
    /// `None` where the label was perfect. By default they make no difference.
    fn place_after(
        &self,
        comparison: &Comparison<'_>,
        key: u8,
        before: &[Option<Click>],
    ) -> Option<Click> {
        let _ = before;
        self.place(comparison, key)
    }
}
