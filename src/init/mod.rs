//! A configuration for what is in a folder.

mod form;
mod survey;

pub(crate) use form::{config, words};
pub(crate) use survey::{Engine, Survey};
