//! How a submission is kept warm: started once, asked again and again.
//!
//! What is said is a pure state machine ([`Conversation`]): bytes in, answers and log out. A backend
//! says how a submission is started, reached and stopped ([`Start`], [`Running`]); a
//! [`WarmSession`] does the rest, the same for a child process and a container.
#![warn(missing_docs)]

mod conversation;
mod lines;
mod listener;
mod message;
mod session;

pub use conversation::Conversation;
pub use listener::Listener;
pub use message::{Answer, Request};
pub use session::{Places, Running, Start, Started, Stopped, WarmSession};

/// The variable that tells a submission to stay and be asked.
pub const SERVE_VARIABLE: &str = "SEGARENA_SERVE";

/// Its value.
pub const SERVE: &str = "1";
