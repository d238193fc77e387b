//! The tracks that ship with segarena.

mod interactive;
mod text;

use std::sync::Arc;

use crate::clicks::ClickPolicy;
use crate::protocol::Protocol;
use crate::track::Track;

pub use interactive::InteractiveTrack;
pub use text::TextTrack;

/// What a track is made from: the options of a configuration.
#[derive(Clone)]
pub struct TrackOptions {
    /// The protocol's options.
    pub protocol: Protocol,
    /// What places clicks.
    pub policy: Arc<dyn ClickPolicy>,
}

/// Makes a track.
pub type MakeTrack = fn(&TrackOptions) -> Arc<dyn Track>;

/// The tracks by name, the default first. A further one is a file beside this and a line here.
pub const BUILT_IN: &[(&str, MakeTrack)] = &[
    (InteractiveTrack::NAME, |options| {
        Arc::new(InteractiveTrack::new(options.clone()))
    }),
    (TextTrack::NAME, |options| {
        Arc::new(TextTrack::new(options.clone()))
    }),
];

/// The built-in track of this name; `None` if there is none.
pub fn built_in(name: &str, options: &TrackOptions) -> Option<Arc<dyn Track>> {
    let known = BUILT_IN.iter().find(|(known, _)| *known == name);
    known.map(|(_, make)| make(options))
}
