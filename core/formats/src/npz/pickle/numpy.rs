//! numpy's part of a pickle: the constructors that may be named, and the values they make.

use super::super::dtype::{Dtype, Kind};
use super::super::element::{Element, NumpyBool};
use super::machine::{ArrayState, Id, Node};
use super::{Limits, NumericArray, ObjectArray, PickleError, Value};

/// A name a pickle may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    /// `numpy.core.multiarray._reconstruct`: an empty array, filled by its state.
    Reconstruct,
    /// `numpy.ndarray`, the argument of the former.
    Ndarray,
    /// `numpy.dtype`.
    Dtype,
    /// `numpy.core.multiarray.scalar`.
    Scalar,
}

/// The constructor of this name, if it is one of numpy's few.
pub(super) fn global(module: &str, name: &str) -> Option<Global> {
    match (module, name) {
        ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
            Some(Global::Reconstruct)
        }
        ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Some(Global::Scalar),
        ("numpy", "ndarray") => Some(Global::Ndarray),
        ("numpy", "dtype") => Some(Global::Dtype),
        _ => None,
    }
}

/// The node that a constructor makes of its arguments.
pub(super) fn construct(global: Global, arguments: &[Id], nodes: &[Node]) -> Result<Node, String> {
    let argument = |index: usize| arguments.get(index).map(|&id| &nodes[id]);
    match global {
        Global::Reconstruct => match argument(0) {
            Some(Node::Global(Global::Ndarray)) => Ok(Node::Array(None)),
            _ => Err("it reconstructs what is no array".to_owned()),
        },
        Global::Dtype => match argument(0) {
            Some(Node::Str(code)) => Ok(Node::Dtype {
                code: code.clone(),
                order: '|',
            }),
            _ => Err("a dtype has no name".to_owned()),
        },
        Global::Scalar => match (argument(0), argument(1)) {
            (Some(Node::Dtype { code, order }), Some(Node::Bytes(bytes))) => {
                scalar(code, *order, bytes)
            }
            _ => Err("a numpy scalar is not a plain number or string".to_owned()),
        },
        Global::Ndarray => Err("it calls ndarray itself".to_owned()),
    }
}

/// An object with the state a pickle sets.
pub(super) fn set_state(object: &Node, state: Id, nodes: &[Node]) -> Result<Node, String> {
    let Node::Tuple(state) = &nodes[state] else {
        return Err("a state is no tuple".to_owned());
    };
    let part = |index: usize| state.get(index).map(|&id| &nodes[id]);
    match object {
        Node::Dtype { code, .. } => match (part(1), part(3)) {
            (Some(Node::Str(order)), Some(Node::None)) if order.len() == 1 => Ok(Node::Dtype {
                code: code.clone(),
                order: order.chars().next().unwrap_or('|'),
            }),
            _ => Err("a dtype is structured or damaged".to_owned()),
        },
        Node::Array(None) => {
            let (Some(Node::Tuple(shape)), Some(Node::Bool(fortran))) = (part(1), part(3)) else {
                return Err("an array's state is damaged".to_owned());
            };
            let (Some(&dtype), Some(&content)) = (state.get(2), state.get(4)) else {
                return Err("an array's state is incomplete".to_owned());
            };
            let shape = shape
                .iter()
                .map(|&axis| match nodes[axis] {
                    Node::Int(length) => usize::try_from(length).ok(),
                    _ => None,
                })
                .collect::<Option<Vec<_>>>()
                .filter(|shape| shape.len() <= 64)
                .ok_or("an array's shape is damaged")?;
            Ok(Node::Array(Some(ArrayState {
                shape,
                dtype,
                fortran: *fortran,
                content,
            })))
        }
        _ => Err("it sets the state of what has none".to_owned()),
    }
}

fn dtype_of(code: &str, order: char) -> Option<Dtype> {
    Dtype::parse(&format!("{order}{code}"))
}

/// The plain value of a numpy scalar.
fn scalar(code: &str, order: char, bytes: &[u8]) -> Result<Node, String> {
    if code.starts_with('U') {
        return text_scalar(order, bytes);
    }
    let dtype = dtype_of(code, order).filter(|dtype| dtype.size() == bytes.len());
    let Some(dtype) = dtype else {
        return Err("a numpy scalar is not a plain number or string".to_owned());
    };
    fn element<T: Element>(dtype: Dtype, bytes: &[u8]) -> T {
        if dtype.big_endian {
            T::from_be(bytes)
        } else {
            T::from_le(bytes)
        }
    }
    fn integer<T: Element>(dtype: Dtype, bytes: &[u8]) -> Result<Node, String> {
        let number = element::<T>(dtype, bytes).integer();
        number
            .map(Node::Int)
            .ok_or_else(|| "an integer does not fit 64 bits".to_owned())
    }
    match dtype.kind {
        Kind::Bool => Ok(Node::Bool(
            element::<NumpyBool>(dtype, bytes).low_byte() != 0,
        )),
        Kind::Int(1) => integer::<i8>(dtype, bytes),
        Kind::Int(2) => integer::<i16>(dtype, bytes),
        Kind::Int(4) => integer::<i32>(dtype, bytes),
        Kind::Int(_) => integer::<i64>(dtype, bytes),
        Kind::Uint(1) => integer::<u8>(dtype, bytes),
        Kind::Uint(2) => integer::<u16>(dtype, bytes),
        Kind::Uint(4) => integer::<u32>(dtype, bytes),
        Kind::Uint(_) => integer::<u64>(dtype, bytes),
        Kind::Float(2) => Ok(Node::Float(element::<half::f16>(dtype, bytes).float())),
        Kind::Float(4) => Ok(Node::Float(element::<f32>(dtype, bytes).float())),
        Kind::Float(_) => Ok(Node::Float(element::<f64>(dtype, bytes))),
    }
}

/// A numpy string: four bytes per character, padded with zeros.
fn text_scalar(order: char, bytes: &[u8]) -> Result<Node, String> {
    let (characters, rest) = bytes.as_chunks::<4>();
    let text: Option<String> = characters
        .iter()
        .map(|&bytes| match order {
            '>' => u32::from_be_bytes(bytes),
            _ => u32::from_le_bytes(bytes),
        })
        .map(char::from_u32)
        .collect();
    match text {
        Some(text) if rest.is_empty() => Ok(Node::Str(text.trim_end_matches('\0').to_owned())),
        _ => Err("a numpy string is damaged".to_owned()),
    }
}

/// The result of a pickle as the array of objects it must be.
pub(super) fn object_array(
    nodes: &[Node],
    root: Id,
    limits: Limits,
) -> Result<ObjectArray, PickleError> {
    let fail = |what: &str| Err(PickleError::new(0, what));
    let mut unfolding = Unfolding {
        nodes,
        left: limits,
    };
    let Node::Array(Some(state)) = &nodes[root] else {
        return fail("it holds no array");
    };
    let (Node::Dtype { code, .. }, Node::List(content)) =
        (&nodes[state.dtype], &nodes[state.content])
    else {
        return fail("it holds no array of objects");
    };
    if !code.starts_with('O') {
        return fail("it holds no array of objects");
    }
    let items = unfolding.all(content, 1)?;
    let items = if state.fortran {
        fortran_to_c(&state.shape, items)
    } else {
        Some(items)
    };
    match items.and_then(|items| ObjectArray::new(state.shape.clone(), items)) {
        Some(array) => Ok(array),
        None => fail("it has not as many objects as its shape says"),
    }
}

/// Objects listed in Fortran order, put in C order.
fn fortran_to_c(shape: &[usize], items: Vec<Value>) -> Option<Vec<Value>> {
    let count = shape
        .iter()
        .try_fold(1usize, |product, &axis| product.checked_mul(axis))?;
    if count != items.len() {
        return None;
    }
    let mut strides = Vec::with_capacity(shape.len());
    let mut stride = 1;
    for &axis in shape {
        strides.push(stride);
        stride *= axis;
    }
    let place = |index: usize| {
        let mut rest = index;
        let mut at = 0;
        for (&axis, &stride) in shape.iter().zip(&strides).rev() {
            at += rest % axis * stride;
            rest /= axis;
        }
        at
    };
    Some(
        (0..count)
            .map(|index| items[place(index)].clone())
            .collect(),
    )
}

/// Makes values of nodes, within what is left of the limits.
struct Unfolding<'a> {
    nodes: &'a [Node],
    left: Limits,
}

impl Unfolding<'_> {
    fn all(&mut self, ids: &[Id], depth: usize) -> Result<Vec<Value>, PickleError> {
        ids.iter().map(|&id| self.value(id, depth)).collect()
    }

    fn value(&mut self, id: Id, depth: usize) -> Result<Value, PickleError> {
        let fail = |what: &str| Err(PickleError::new(0, what));
        if depth > self.left.depth {
            return fail("its values are nested too deeply, or hold themselves");
        }
        self.left.values = match self.left.values.checked_sub(1) {
            Some(left) => left,
            None => return fail("it has too many values"),
        };
        let nodes = self.nodes;
        Ok(match &nodes[id] {
            Node::None => Value::None,
            Node::Bool(truth) => Value::Bool(*truth),
            Node::Int(number) => Value::Int(*number),
            Node::Float(number) => Value::Float(*number),
            Node::Str(text) => {
                self.spend(text.len())?;
                Value::Str(text.clone())
            }
            Node::Bytes(bytes) => {
                self.spend(bytes.len())?;
                Value::Bytes(bytes.clone())
            }
            Node::Tuple(items) => Value::Tuple(self.all(items, depth + 1)?),
            Node::List(items) => Value::List(self.all(items, depth + 1)?),
            Node::Dict(items) => {
                let mut pairs = Vec::with_capacity(items.len());
                for &(key, value) in items {
                    pairs.push((self.value(key, depth + 1)?, self.value(value, depth + 1)?));
                }
                Value::Dict(pairs)
            }
            Node::Array(Some(state)) => Value::Array(self.numeric_array(state)?),
            Node::Array(None) => return fail("an array has no state"),
            Node::Global(_) | Node::Dtype { .. } => {
                return fail("a type stands where a value should");
            }
        })
    }

    fn numeric_array(&mut self, state: &ArrayState) -> Result<NumericArray, PickleError> {
        let fail = |what: &str| Err(PickleError::new(0, what));
        let (Node::Dtype { code, order }, Node::Bytes(bytes)) =
            (&self.nodes[state.dtype], &self.nodes[state.content])
        else {
            return fail("an array inside the array is not of numbers");
        };
        let Some(dtype) = dtype_of(code, *order) else {
            return fail("an array inside the array is not of numbers");
        };
        let size = state
            .shape
            .iter()
            .try_fold(dtype.size(), |product, &axis| product.checked_mul(axis));
        if size != Some(bytes.len()) {
            return fail("an array inside the array does not fill its shape");
        }
        self.spend(bytes.len())?;
        Ok(NumericArray {
            dtype,
            shape: state.shape.clone(),
            fortran: state.fortran,
            bytes: bytes.clone(),
        })
    }

    fn spend(&mut self, bytes: usize) -> Result<(), PickleError> {
        match self.left.bytes.checked_sub(bytes) {
            Some(left) => {
                self.left.bytes = left;
                Ok(())
            }
            None => Err(PickleError::new(0, "it is too large")),
        }
    }
}
