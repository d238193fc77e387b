//! Python's arrays as the kernels take them: the one place where they are converted.
//!
//! Whatever `numpy.asarray` takes is an array here: numpy's own, lists, and anything with
//! `__array__`, such as a CPU tensor. An array in C order and the machine's byte order is looked at
//! where it is; any other is copied once. Bytes and booleans stay as they are; the kernels see one
//! byte for each voxel, so wider integers are brought into a byte array.

use std::collections::BTreeSet;

use ndarray::{ArrayView3, ArrayViewD, Axis, CowArray, Ix3};
use numpy::prelude::*;
use numpy::{PyArrayDyn, PyReadonlyArrayDyn, PyUntypedArray};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use rayon::prelude::*;
use segarena_core::npz::Element;
use segarena_core::volume::{LabelKeys, Spacing};

use crate::problem::Problem;

/// How many axes an argument has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rank {
    /// One volume (z, y, x).
    Volume,
    /// Volumes along a leading axis (n, z, y, x).
    Batch,
}

impl Rank {
    fn axes(self) -> usize {
        match self {
            Self::Volume => 3,
            Self::Batch => 4,
        }
    }

    fn form(self) -> &'static str {
        match self {
            Self::Volume => "(z, y, x)",
            Self::Batch => "(n, z, y, x)",
        }
    }
}

macro_rules! element_types {
    ($($name:ident: $type:ty),*) => {
        /// An argument: an array in C order that Python owns.
        pub enum Argument<'py> {
            $(#[doc = concat!("Of ", stringify!($type), ".")] $name(PyReadonlyArrayDyn<'py, $type>),)*
        }

        /// The values of an argument, for threads that don't hold Python's lock.
        #[derive(Clone)]
        pub enum Values<'a> {
            $(#[doc = concat!("Of ", stringify!($type), ".")] $name(ArrayView3<'a, $type>),)*
        }

        impl<'py> Argument<'py> {
            fn of_array(array: &Bound<'py, PyUntypedArray>) -> PyResult<Option<Self>> {
                $(if let Ok(array) = array.cast::<PyArrayDyn<$type>>() {
                    return Ok(Some(Self::$name(array.try_readonly()?)));
                })*
                Ok(None)
            }

            /// The shape.
            pub fn shape(&self) -> &[usize] {
                match self { $(Self::$name(array) => array.shape(),)* }
            }

            /// The volumes: one, or those along the leading axis.
            pub fn volumes(&self) -> Vec<Values<'_>> {
                match self {
                    $(Self::$name(array) => {
                        let volumes = volumes(array.as_array());
                        volumes.into_iter().map(Values::$name).collect()
                    })*
                }
            }
        }

        impl Values<'_> {
            /// The shape (z, y, x).
            pub fn shape(&self) -> [usize; 3] {
                match self {
                    $(Self::$name(values) => <[usize; 3]>::from(values.dim()),)*
                }
            }
        }
    };
}

element_types!(
    U8: u8, U16: u16, U32: u32, U64: u64, I8: i8, I16: i16, I32: i32, I64: i64, F32: f32, F64: f64
);

/// Calls a generic function with the slice of the values, which are in C order.
macro_rules! with_slice {
    ($values:expr, $function:path $(, $argument:expr)* $(,)?) => {{
        use $crate::arrays::{Values, slice};
        match $values {
            Values::U8(values) => $function(slice(values), $($argument),*),
            Values::U16(values) => $function(slice(values), $($argument),*),
            Values::U32(values) => $function(slice(values), $($argument),*),
            Values::U64(values) => $function(slice(values), $($argument),*),
            Values::I8(values) => $function(slice(values), $($argument),*),
            Values::I16(values) => $function(slice(values), $($argument),*),
            Values::I32(values) => $function(slice(values), $($argument),*),
            Values::I64(values) => $function(slice(values), $($argument),*),
            Values::F32(values) => $function(slice(values), $($argument),*),
            Values::F64(values) => $function(slice(values), $($argument),*),
        }
    }};
}
pub(crate) use with_slice;

/// The values of a view in C order; an empty slice where it is in none, which no argument is.
pub fn slice<'a, T>(values: &ArrayView3<'a, T>) -> &'a [T] {
    values.to_slice().unwrap_or_default()
}

fn volumes<T>(array: ArrayViewD<'_, T>) -> Vec<ArrayView3<'_, T>> {
    let batch = match array.ndim() {
        3 => array.insert_axis(Axis(0)),
        _ => array,
    };
    let count = batch.shape()[0];
    let volume = |index| batch.clone().index_axis_move(Axis(0), index);
    let volumes = (0..count).map(|index| volume(index).into_dimensionality::<Ix3>());
    volumes.filter_map(Result::ok).collect()
}

impl<'py> Argument<'py> {
    /// The argument `name`, labels: integers or booleans.
    ///
    /// # Errors
    /// `TypeError` for other values, `ValueError` for another number of axes.
    pub fn labels(name: &'static str, given: &Bound<'py, PyAny>, rank: Rank) -> PyResult<Self> {
        match Self::numbers(name, given, rank)? {
            Self::F32(_) | Self::F64(_) => Err(not_labels(name, &dtype_of(given)?)),
            labels => Ok(labels),
        }
    }

    /// The argument `name`, of integers, booleans or floats.
    ///
    /// # Errors
    /// As [`Self::labels`].
    pub fn numbers(name: &'static str, given: &Bound<'py, PyAny>, rank: Rank) -> PyResult<Self> {
        let numpy = given.py().import("numpy")?;
        let array = numpy.call_method1("asarray", (given,))?;
        let array = array.cast_into::<PyUntypedArray>()?;
        let dtype = array.dtype();
        let wanted = match (dtype.kind(), dtype.itemsize()) {
            (b'b', _) => "bool",
            (b'u', 1) => "u1",
            (b'u', 2) => "u2",
            (b'u', 4) => "u4",
            (b'u', _) => "u8",
            (b'i', 1) => "i1",
            (b'i', 2) => "i2",
            (b'i', 4) => "i4",
            (b'i', _) => "i8",
            // Exact in a wider float.
            (b'f', 2 | 4) => "f4",
            (b'f', 8) => "f8",
            _ => return Err(not_labels(name, &dtype.to_string())),
        };
        if array.ndim() != rank.axes() {
            return Err(PyValueError::new_err(format!(
                "{name} has shape {}, but must have {} axes, {}",
                tuple(array.shape()),
                rank.axes(),
                rank.form()
            )));
        }
        let options = PyDict::new(given.py());
        options.set_item("dtype", wanted)?;
        let array = numpy.call_method("ascontiguousarray", (array,), Some(&options))?;
        let array = match wanted {
            "bool" => array.call_method1("view", ("u1",))?,
            _ => array,
        };
        let array = array.cast_into::<PyUntypedArray>()?;
        Self::of_array(&array)?.ok_or_else(|| not_labels(name, &array.dtype().to_string()))
    }
}

fn dtype_of(given: &Bound<'_, PyAny>) -> PyResult<String> {
    let numpy = given.py().import("numpy")?;
    let array = numpy.call_method1("asarray", (given,))?;
    Ok(array.getattr("dtype")?.to_string())
}

fn not_labels(name: &str, dtype: &str) -> PyErr {
    PyTypeError::new_err(format!(
        "{name} is {dtype}, but must be an integer or bool array of labels"
    ))
}

/// The same shape for both, named.
///
/// # Errors
/// `ValueError` that names both shapes.
pub fn same_shape(gts: &Argument<'_>, pred: &Argument<'_>) -> PyResult<()> {
    if gts.shape() == pred.shape() {
        return Ok(());
    }
    Err(PyValueError::new_err(format!(
        "gts has shape {}, but pred has {}: they must be the same",
        tuple(gts.shape()),
        tuple(pred.shape())
    )))
}

/// A shape as Python writes it.
pub fn tuple(shape: &[usize]) -> String {
    let sizes: Vec<String> = shape.iter().map(usize::to_string).collect();
    match &sizes[..] {
        [one] => format!("({one},)"),
        sizes => format!("({})", sizes.join(", ")),
    }
}

/// Three positive numbers of millimetres, axes (z, y, x).
///
/// # Errors
/// `TypeError` for what is no sequence of numbers, `ValueError` for others than three of them.
pub fn spacing(given: &Bound<'_, PyAny>) -> PyResult<Spacing> {
    let numbers: Vec<f64> = given.extract().map_err(|_| {
        PyTypeError::new_err("spacing must be three numbers, the voxel's size (z, y, x) in mm")
    })?;
    let three: [f64; 3] = numbers.try_into().map_err(|numbers: Vec<f64>| {
        PyValueError::new_err(format!(
            "spacing has {} numbers, but gts has 3 axes (z, y, x)",
            numbers.len()
        ))
    })?;
    Spacing::new(three).map_err(|error| PyValueError::new_err(error.to_string()))
}

impl Values<'_> {
    /// The labels there are, ascending, without 0.
    ///
    /// # Errors
    /// If there are more than a case can have.
    pub fn distinct(&self) -> Result<LabelKeys, Problem> {
        let labels = match self {
            Self::U8(values) => Ok(distinct_bytes(slice(values))),
            values => with_slice!(values, distinct),
        };
        keys(labels?)
    }

    /// The key of every voxel: the bytes themselves where they are that already.
    pub fn keyed<'a>(&'a self, keys: &LabelKeys) -> CowArray<'a, u8, Ix3> {
        match self {
            Self::U8(values) if keys.are_labels() => CowArray::from(values.view()),
            Self::U8(values) => {
                let table = keys.of_bytes();
                CowArray::from(values.mapv(|byte| table[usize::from(byte)]))
            }
            values => {
                let bytes = with_slice!(values, key_bytes, keys);
                let array = ndarray::Array3::from_shape_vec(values.shape(), bytes);
                CowArray::from(array.unwrap_or_default())
            }
        }
    }
}

/// Keys for these labels, ascending and distinct; there may be none.
///
/// # Errors
/// If there are more than a case can have.
pub fn keys(labels: BTreeSet<i64>) -> Result<LabelKeys, Problem> {
    if labels.is_empty() {
        return Ok(LabelKeys::of_own_keys([]));
    }
    let count = labels.len();
    LabelKeys::new(labels.into_iter().collect()).ok_or(Problem::TooManyLabels { count })
}

const PIECE: usize = 1 << 20;

fn distinct_bytes(values: &[u8]) -> BTreeSet<i64> {
    let seen = values.par_chunks(PIECE).map(|piece| {
        let mut seen = [false; 256];
        piece
            .iter()
            .for_each(|&byte| seen[usize::from(byte)] = true);
        seen
    });
    let none = || [false; 256];
    let seen = seen.reduce(none, |a, b| std::array::from_fn(|at| a[at] || b[at]));
    (1..256)
        .filter(|&label| seen[label as usize])
        .map(|label| label as i64)
        .collect()
}

fn distinct<T: Element + Sync>(values: &[T]) -> Result<BTreeSet<i64>, Problem> {
    let pieces = values.par_chunks(PIECE).map(|piece| {
        let (mut labels, mut last) = (BTreeSet::new(), 0);
        for &value in piece {
            let label = value.integer().ok_or_else(|| Problem::NoLabel {
                value: value.show(),
            })?;
            if label != last && label != 0 {
                labels.insert(label);
                if labels.len() > LabelKeys::MOST {
                    return Err(Problem::TooManyLabels {
                        count: labels.len(),
                    });
                }
            }
            last = label;
        }
        Ok(labels)
    });
    pieces.try_reduce(BTreeSet::new, |mut a, b| {
        a.extend(b);
        Ok(a)
    })
}

fn key_bytes<T: Element + Sync>(values: &[T], keys: &LabelKeys) -> Vec<u8> {
    let mut bytes = vec![0; values.len()];
    let pieces = bytes.par_chunks_mut(PIECE).zip(values.par_chunks(PIECE));
    pieces.for_each(|(bytes, values)| {
        let mut last = (0, 0);
        for (byte, value) in bytes.iter_mut().zip(values) {
            let label = value.integer().unwrap_or(0);
            if label != last.0 {
                last = (label, keys.key_of(label));
            }
            *byte = last.1;
        }
    });
    bytes
}
