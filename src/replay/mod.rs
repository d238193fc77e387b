//! An interaction of a past run made again from what was saved of it, for a debugger.

mod command;
mod folders;

pub(crate) use command::ReplayCommand;
pub(crate) use folders::{Replayed, make};
