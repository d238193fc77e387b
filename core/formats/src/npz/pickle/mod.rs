//! The small, safe part of Python's pickle that `.npz` files of the challenge use.
//!
//! Boxes and clicks are numpy object arrays of plain values: dictionaries of names and numbers,
//! lists of coordinates. Reading ([`read_array`]) runs no code and knows five constructors, all
//! numpy's; writing ([`write_array`]) gives the form that numpy 1.24 to 2.x all read.
//!
//! The opcodes are those of Python's `pickletools`; the state of numpy's arrays and types is that
//! of `ndarray.__reduce__` and `dtype.__reduce__`.

mod decoder;
mod machine;
mod numpy;
mod writer;

pub use writer::write_array;

use std::fmt;

/// A plain Python value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` that fits 64 bits; numpy's integer scalars become one.
    Int(i64),
    /// A `float`; numpy's float scalars become one.
    Float(f64),
    /// A `str`.
    Str(String),
    /// A `bytes`.
    Bytes(Vec<u8>),
    /// A `list`.
    List(Vec<Value>),
    /// A `tuple`.
    Tuple(Vec<Value>),
    /// A `dict`, in its order.
    Dict(Vec<(Value, Value)>),
    /// A numpy array of numbers.
    Array(NumericArray),
}

impl Value {
    /// The value under a string key, if this is a dictionary that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        let Self::Dict(items) = self else { return None };
        items
            .iter()
            .find(|(name, _)| matches!(name, Self::Str(name) if name == key))
            .map(|(_, v)| v)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// A numpy array of numbers inside a pickle, as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct NumericArray {
    /// The element type.
    pub dtype: super::Dtype,
    /// The shape.
    pub shape: Vec<usize>,
    /// Whether the elements are in Fortran order.
    pub fortran: bool,
    /// The elements' bytes.
    pub bytes: Vec<u8>,
}

/// An array of Python objects.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectArray {
    shape: Vec<usize>,
    items: Vec<Value>,
}

impl ObjectArray {
    /// A 1-D array of these objects.
    pub fn from_items(items: Vec<Value>) -> Self {
        Self {
            shape: vec![items.len()],
            items,
        }
    }

    /// An array without axes that holds this object.
    pub fn scalar(item: Value) -> Self {
        Self {
            shape: Vec::new(),
            items: vec![item],
        }
    }

    /// An array of this shape with these objects in C order. `None` if they are not as many.
    pub fn new(shape: Vec<usize>, items: Vec<Value>) -> Option<Self> {
        let count = shape
            .iter()
            .try_fold(1usize, |product, &axis| product.checked_mul(axis))?;
        (count == items.len()).then_some(Self { shape, items })
    }

    /// The shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The objects, in C order.
    pub fn items(&self) -> &[Value] {
        &self.items
    }

    /// How many objects Python's `len` says there are: those along the first axis.
    pub fn len(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }

    /// Whether [`Self::len`] is 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a pickle may cost.
#[derive(Debug, Clone, Copy)]
struct Limits {
    /// Values made, each time a value is used counting.
    values: usize,
    /// Values inside values.
    depth: usize,
    /// Bytes of text and data in the result.
    bytes: usize,
}

/// Values inside values, at most: what is read can be written again.
const DEEPEST: usize = 32;

/// Enough for thousands of boxes.
const LIMITS: Limits = Limits {
    values: 200_000,
    depth: DEEPEST,
    bytes: 16 << 20,
};

/// The longest pickle read.
pub(super) const LONGEST: u64 = 16 << 20;

/// Reads a pickled numpy array of objects.
///
/// Protocols 2 to 5 as Python's pickler writes them for such an array, with the names of numpy 1
/// or 2. No constructor is run but numpy's array, type and scalar, and those only build values.
///
/// # Errors
/// If the pickle is damaged, too large or deep, or holds anything but plain values.
pub fn read_array(pickle: &[u8]) -> Result<ObjectArray, PickleError> {
    if pickle.len() as u64 > LONGEST {
        return Err(PickleError::new(0, "it is too long"));
    }
    let (nodes, root) = machine::run(pickle, LIMITS)?;
    numpy::object_array(&nodes, root, LIMITS)
}

/// Why a pickle was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PickleError {
    at: usize,
    what: String,
}

impl PickleError {
    fn new(at: usize, what: impl Into<String>) -> Self {
        Self {
            at,
            what: what.into(),
        }
    }
}

impl fmt::Display for PickleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (byte {} of the pickle)", self.what, self.at)
    }
}

impl std::error::Error for PickleError {}
