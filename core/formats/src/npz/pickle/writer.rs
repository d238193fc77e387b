//! Pickles that every numpy from 1.24 on reads.

use super::{DEEPEST, NumericArray, ObjectArray, PickleError, Value};

/// Pickles an array of objects as numpy does: protocol 3, naming `numpy.core.multiarray`, which
/// numpy 1 and 2 both know.
///
/// # Errors
/// If values are nested too deeply.
pub fn write_array(array: &ObjectArray) -> Result<Vec<u8>, PickleError> {
    let mut writer = Writer { out: vec![0x80, 3] };
    let dtype = Dtype {
        code: "O8",
        order: "|",
        flags: 0x3f,
        size: -1,
    };
    writer.array(array.shape(), &dtype, false, |writer| {
        writer.list(array.items(), 0)
    })?;
    writer.out.push(b'.');
    Ok(writer.out)
}

/// What a numpy type is pickled as.
struct Dtype<'a> {
    code: &'a str,
    order: &'a str,
    flags: i64,
    size: i64,
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), PickleError> {
        if depth > DEEPEST {
            return Err(PickleError::new(
                self.out.len(),
                "its values are nested too deeply",
            ));
        }
        match value {
            Value::None => self.out.push(b'N'),
            Value::Bool(truth) => self.truth(*truth),
            Value::Int(number) => self.int(*number),
            Value::Float(number) => {
                self.out.push(b'G');
                self.out.extend(number.to_be_bytes());
            }
            Value::Str(text) => self.str(text)?,
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::List(items) => self.list(items, depth)?,
            Value::Tuple(items) => {
                self.out.push(b'(');
                items
                    .iter()
                    .try_for_each(|item| self.value(item, depth + 1))?;
                self.out.push(b't');
            }
            Value::Dict(items) => {
                self.out.extend(b"}(");
                for (key, value) in items {
                    self.value(key, depth + 1)?;
                    self.value(value, depth + 1)?;
                }
                self.out.push(b'u');
            }
            Value::Array(array) => self.numeric_array(array)?,
        }
        Ok(())
    }

    fn list(&mut self, items: &[Value], depth: usize) -> Result<(), PickleError> {
        self.out.extend(b"](");
        items
            .iter()
            .try_for_each(|item| self.value(item, depth + 1))?;
        self.out.push(b'e');
        Ok(())
    }

    fn numeric_array(&mut self, array: &NumericArray) -> Result<(), PickleError> {
        let descriptor = array.dtype.descriptor();
        let (order, code) = descriptor.split_at(1);
        let dtype = Dtype {
            code,
            order,
            flags: 0,
            size: -1,
        };
        self.array(&array.shape, &dtype, array.fortran, |writer| {
            writer.bytes(&array.bytes)
        })
    }

    /// `_reconstruct(ndarray, (0,), b'b')`, then the state `(1, shape, dtype, fortran, content)`.
    fn array(
        &mut self,
        shape: &[usize],
        dtype: &Dtype<'_>,
        fortran: bool,
        content: impl FnOnce(&mut Self) -> Result<(), PickleError>,
    ) -> Result<(), PickleError> {
        self.out.extend(b"cnumpy.core.multiarray\n_reconstruct\n");
        self.out.extend(b"cnumpy\nndarray\n");
        self.out.extend(b"K\x00\x85C\x01b\x87R");
        self.out.extend(b"(K\x01(");
        for &axis in shape {
            self.int(i64::try_from(axis).unwrap_or(i64::MAX));
        }
        self.out.push(b't');
        self.dtype(dtype)?;
        self.truth(fortran);
        content(self)?;
        self.out.extend(b"tb");
        Ok(())
    }

    /// `dtype(code, False, True)`, then the state `(3, order, None, None, None, -1, -1, flags)`.
    fn dtype(&mut self, dtype: &Dtype<'_>) -> Result<(), PickleError> {
        self.out.extend(b"cnumpy\ndtype\n");
        self.str(dtype.code)?;
        self.out.extend(b"\x89\x88\x87R(K\x03");
        self.str(dtype.order)?;
        self.out.extend(b"NNN");
        self.int(dtype.size);
        self.int(-1);
        self.int(dtype.flags);
        self.out.extend(b"tb");
        Ok(())
    }

    fn truth(&mut self, truth: bool) {
        self.out.push(if truth { 0x88 } else { 0x89 });
    }

    fn int(&mut self, number: i64) {
        if let Ok(byte) = u8::try_from(number) {
            self.out.extend([b'K', byte]);
        } else if let Ok(number) = i32::try_from(number) {
            self.out.push(b'J');
            self.out.extend(number.to_le_bytes());
        } else {
            self.out.extend([0x8a, 8]);
            self.out.extend(number.to_le_bytes());
        }
    }

    fn str(&mut self, text: &str) -> Result<(), PickleError> {
        self.sized(b'X', text.as_bytes())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PickleError> {
        self.sized(b'B', bytes)
    }

    fn sized(&mut self, opcode: u8, bytes: &[u8]) -> Result<(), PickleError> {
        let Ok(length) = u32::try_from(bytes.len()) else {
            return Err(PickleError::new(self.out.len(), "a string is too long"));
        };
        self.out.push(opcode);
        self.out.extend(length.to_le_bytes());
        self.out.extend(bytes);
        Ok(())
    }
}
