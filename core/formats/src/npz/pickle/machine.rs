//! The pickle machine: opcodes build nodes, nodes refer to each other by number.
//!
//! Nodes are never copied, so a pickle makes at most one node per opcode and shared values cost
//! nothing here; what sharing would cost once it is unfolded is limited when values are made.

use super::decoder::Decoder;
use super::numpy::{self, Global};
use super::{Limits, PickleError};

/// The number of a node.
pub(super) type Id = usize;

/// A value under construction.
#[derive(Debug, Clone)]
pub(super) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// A numpy type: its code (`O8`, `i4`) and byte order character.
    Dtype {
        code: String,
        order: char,
    },
    /// A numpy array; `None` until its state is set.
    Array(Option<ArrayState>),
}

/// What `ndarray.__setstate__` is given.
#[derive(Debug, Clone)]
pub(super) struct ArrayState {
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Id,
    pub(super) fortran: bool,
    /// A list for objects, bytes for numbers.
    pub(super) content: Id,
}

enum Entry {
    Value(Id),
    Mark,
}

pub(super) struct Machine<'a> {
    pub(super) input: Decoder<'a>,
    pub(super) nodes: Vec<Node>,
    stack: Vec<Entry>,
    memo: Vec<Id>,
    limits: Limits,
}

/// Runs a pickle to its `STOP`; the nodes, and which of them is the result.
pub(super) fn run(pickle: &[u8], limits: Limits) -> Result<(Vec<Node>, Id), PickleError> {
    let mut machine = Machine {
        input: Decoder::new(pickle),
        nodes: Vec::new(),
        stack: Vec::new(),
        memo: Vec::new(),
        limits,
    };
    loop {
        let opcode = machine.input.u8()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return Ok((machine.nodes, root));
        }
        machine.step(opcode)?;
    }
}

impl Machine<'_> {
    fn step(&mut self, opcode: u8) -> Result<(), PickleError> {
        match opcode {
            0x80 => self.protocol(),
            0x95 => self.input.bytes(8).map(|_| ()),
            b'(' => self.push_entry(Entry::Mark),
            b'0' => self.pop().map(|_| ()),
            b'N' => self.push(Node::None),
            0x88 => self.push(Node::Bool(true)),
            0x89 => self.push(Node::Bool(false)),
            b'J' | b'K' | b'M' | 0x8a | 0x8b => self.integer(opcode),
            b'G' => {
                let number = self.input.f64_be()?;
                self.push(Node::Float(number))
            }
            b'X' | 0x8c | 0x8d => self.text(opcode),
            b'B' | b'C' | 0x8e => self.data(opcode),
            b')' => self.push(Node::Tuple(Vec::new())),
            0x85..=0x87 => {
                let items = self.pop_many(usize::from(opcode - 0x84))?;
                self.push(Node::Tuple(items))
            }
            b't' => {
                let items = self.pop_to_mark()?;
                self.push(Node::Tuple(items))
            }
            b']' => self.push(Node::List(Vec::new())),
            b'}' => self.push(Node::Dict(Vec::new())),
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])
            }
            b'e' => {
                let items = self.pop_to_mark()?;
                self.append(items)
            }
            b's' => {
                let items = self.pop_many(2)?;
                self.set_items(&items)
            }
            b'u' => {
                let items = self.pop_to_mark()?;
                self.set_items(&items)
            }
            b'q' | b'r' | 0x94 => self.memoize(opcode),
            b'h' | b'j' => self.recall(opcode),
            b'c' | 0x93 => self.global(opcode),
            b'R' => self.reduce(),
            b'b' => self.build(),
            other => self
                .input
                .fail(format!("opcode 0x{other:02x} is not one we read")),
        }
    }

    fn protocol(&mut self) -> Result<(), PickleError> {
        match self.input.u8()? {
            2..=5 => Ok(()),
            other => self
                .input
                .fail(format!("protocol {other} is not one of 2 to 5")),
        }
    }

    fn integer(&mut self, opcode: u8) -> Result<(), PickleError> {
        let number = match opcode {
            b'J' => i64::from(self.input.i32()?),
            b'K' => i64::from(self.input.u8()?),
            b'M' => i64::from(self.input.u16()?),
            0x8a => {
                let count = usize::from(self.input.u8()?);
                self.input.long(count)?
            }
            _ => {
                let count = self.input.u32()?;
                self.input.long(count)?
            }
        };
        self.push(Node::Int(number))
    }

    fn text(&mut self, opcode: u8) -> Result<(), PickleError> {
        let count = self.length(opcode == 0x8c, opcode == 0x8d)?;
        let text = self.input.text(count)?;
        self.push(Node::Str(text))
    }

    fn data(&mut self, opcode: u8) -> Result<(), PickleError> {
        let count = self.length(opcode == b'C', opcode == 0x8e)?;
        let bytes = self.input.bytes(count)?.to_vec();
        self.push(Node::Bytes(bytes))
    }

    fn length(&mut self, short: bool, long: bool) -> Result<usize, PickleError> {
        match (short, long) {
            (true, _) => self.input.u8().map(usize::from),
            (_, true) => self.input.u64(),
            _ => self.input.u32(),
        }
    }

    fn append(&mut self, items: Vec<Id>) -> Result<(), PickleError> {
        let list = self.top()?;
        match &mut self.nodes[list] {
            Node::List(list) => {
                list.extend(items);
                Ok(())
            }
            _ => self.input.fail("it appends to what is no list"),
        }
    }

    fn set_items(&mut self, items: &[Id]) -> Result<(), PickleError> {
        let dict = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        match &mut self.nodes[dict] {
            Node::Dict(dict) if rest.is_empty() => {
                dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
                Ok(())
            }
            _ => self.input.fail("it sets items of what is no dictionary"),
        }
    }

    fn memoize(&mut self, opcode: u8) -> Result<(), PickleError> {
        let value = self.top()?;
        let index = match opcode {
            b'q' => usize::from(self.input.u8()?),
            b'r' => self.input.u32()?,
            _ => self.memo.len(),
        };
        // Picklers number their memos without gaps.
        if let Some(slot) = self.memo.get_mut(index) {
            *slot = value;
        } else if index == self.memo.len() && index < self.limits.values {
            self.memo.push(value);
        } else {
            return self.input.fail("its memo has gaps or is too large");
        }
        Ok(())
    }

    fn recall(&mut self, opcode: u8) -> Result<(), PickleError> {
        let index = match opcode {
            b'h' => usize::from(self.input.u8()?),
            _ => self.input.u32()?,
        };
        match self.memo.get(index) {
            Some(&value) => self.push_entry(Entry::Value(value)),
            None => self.input.fail("it recalls what it never memoized"),
        }
    }

    fn global(&mut self, opcode: u8) -> Result<(), PickleError> {
        let (module, name) = if opcode == b'c' {
            (self.input.line()?, self.input.line()?)
        } else {
            let names = self.pop_many(2)?;
            match (&self.nodes[names[0]], &self.nodes[names[1]]) {
                (Node::Str(module), Node::Str(name)) => (module.clone(), name.clone()),
                _ => return self.input.fail("a global's name is no string"),
            }
        };
        match numpy::global(&module, &name) {
            Some(global) => self.push(Node::Global(global)),
            None => self.input.fail(format!(
                "it names {}.{}, and only numpy's array, dtype and scalar are allowed",
                super::super::archive::printable(&module),
                super::super::archive::printable(&name),
            )),
        }
    }

    fn reduce(&mut self) -> Result<(), PickleError> {
        let parts = self.pop_many(2)?;
        let (Node::Global(global), Node::Tuple(arguments)) =
            (&self.nodes[parts[0]], &self.nodes[parts[1]])
        else {
            return self.input.fail("it calls what is no constructor");
        };
        let node = numpy::construct(*global, arguments, &self.nodes)
            .map_err(|what| PickleError::new(self.input.at(), what))?;
        self.push(node)
    }

    fn build(&mut self) -> Result<(), PickleError> {
        let state = self.pop()?;
        let object = self.top()?;
        let node = numpy::set_state(&self.nodes[object], state, &self.nodes)
            .map_err(|what| PickleError::new(self.input.at(), what))?;
        self.nodes[object] = node;
        Ok(())
    }

    fn push(&mut self, node: Node) -> Result<(), PickleError> {
        if self.nodes.len() >= self.limits.values {
            return self.input.fail("it has too many values");
        }
        self.nodes.push(node);
        self.push_entry(Entry::Value(self.nodes.len() - 1))
    }

    fn push_entry(&mut self, entry: Entry) -> Result<(), PickleError> {
        if self.stack.len() >= self.limits.values {
            return self.input.fail("it has too many values");
        }
        self.stack.push(entry);
        Ok(())
    }

    fn pop(&mut self) -> Result<Id, PickleError> {
        match self.stack.pop() {
            Some(Entry::Value(value)) => Ok(value),
            _ => self.input.fail("its stack runs out"),
        }
    }

    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, PickleError> {
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(self.pop()?);
        }
        items.reverse();
        Ok(items)
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Id>, PickleError> {
        let mut items = Vec::new();
        loop {
            match self.stack.pop() {
                Some(Entry::Value(value)) => items.push(value),
                Some(Entry::Mark) => break,
                None => return self.input.fail("its stack runs out"),
            }
        }
        items.reverse();
        Ok(items)
    }

    fn top(&self) -> Result<Id, PickleError> {
        match self.stack.last() {
            Some(Entry::Value(value)) => Ok(*value),
            _ => self.input.fail("its stack runs out"),
        }
    }
}
