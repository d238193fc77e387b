//! Files that real numpy writes, read here; files written here, read by real numpy.
#![allow(clippy::unwrap_used)]

mod environments;
mod ground_truths;
mod model_inputs;
mod predictions;
mod results;
