//! The tracks that commands without a configuration know.

use clap::ValueEnum;
use segarena_core::dialogue::tracks::{InteractiveTrack, TextTrack};

/// A track that segarena brings with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum BuiltInTrack {
    /// Boxes and clicks
    #[default]
    #[value(name = InteractiveTrack::NAME)]
    Interactive,
    /// Prompts in words
    #[value(name = TextTrack::NAME)]
    Text,
}

impl BuiltInTrack {
    /// The name by which a configuration chooses it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Interactive => InteractiveTrack::NAME,
            Self::Text => TextTrack::NAME,
        }
    }
}
