//! The subcommands, one file each.

mod click;
mod demo;
mod evaluate;
mod score;

pub(crate) use click::click;
pub(crate) use demo::demo;
pub(crate) use evaluate::evaluate;
pub(crate) use score::score;
