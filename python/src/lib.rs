//! `segarena._segarena`: what the Python package has in Rust. Kernels, dialogue and runs are
//! core's own; here they are given Python's arrays and give back plain values.

mod arrays;
mod kernels;
mod plain;
mod problem;
mod session;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
mod _segarena {
    #[pymodule_export]
    use super::kernels::{
        Click, distance_transform, distance_transform_batch, dsc, dsc_batch, instances,
        instances_batch, largest_component_batch, largest_component_of, next_clicks,
        next_clicks_batch, nsd, nsd_batch,
    };
    #[pymodule_export]
    use super::session::{Prompt, Session};
}
