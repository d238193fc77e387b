//! Files of all sorts: what is written is read back, and what is wrong with a file is said.
#![allow(clippy::unwrap_used)]

mod bad_data;
mod craft;
mod fixtures;
mod hostile;
mod inputs;
mod memory;
mod pickles;
mod results;
mod round_trip;
