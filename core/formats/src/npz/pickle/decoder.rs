//! Bytes of a pickle, taken from the front.

use super::PickleError;

/// The rest of a pickle, and how far it has been read.
pub(super) struct Decoder<'a> {
    pickle: &'a [u8],
    at: usize,
}

impl<'a> Decoder<'a> {
    pub(super) fn new(pickle: &'a [u8]) -> Self {
        Self { pickle, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn fail<T>(&self, what: impl Into<String>) -> Result<T, PickleError> {
        Err(PickleError::new(self.at, what))
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let taken = self
            .at
            .checked_add(count)
            .and_then(|end| self.pickle.get(self.at..end));
        match taken {
            Some(bytes) => {
                self.at += count;
                Ok(bytes)
            }
            None => self.fail("it ends too early"),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let bytes = self.bytes(N)?;
        let mut array = [0; N];
        array.copy_from_slice(bytes);
        Ok(array)
    }

    pub(super) fn u8(&mut self) -> Result<u8, PickleError> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, PickleError> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn i32(&mut self) -> Result<i32, PickleError> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<usize, PickleError> {
        let number = u32::from_le_bytes(self.array()?);
        usize::try_from(number).or_else(|_| self.fail("a length is too large"))
    }

    pub(super) fn u64(&mut self) -> Result<usize, PickleError> {
        let number = u64::from_le_bytes(self.array()?);
        usize::try_from(number).or_else(|_| self.fail("a length is too large"))
    }

    pub(super) fn f64_be(&mut self) -> Result<f64, PickleError> {
        Ok(f64::from_be_bytes(self.array()?))
    }

    pub(super) fn text(&mut self, count: usize) -> Result<String, PickleError> {
        let bytes = self.bytes(count)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => self.fail("a string is not UTF-8"),
        }
    }

    /// A line, without its newline.
    pub(super) fn line(&mut self) -> Result<String, PickleError> {
        let rest = &self.pickle[self.at..];
        match rest.iter().take(256).position(|&byte| byte == b'\n') {
            Some(length) => {
                let line = self.text(length)?;
                self.at += 1;
                Ok(line)
            }
            None => self.fail("a name does not end"),
        }
    }

    /// A little-endian two's complement integer of `count` bytes.
    pub(super) fn long(&mut self, count: usize) -> Result<i64, PickleError> {
        let bytes = self.bytes(count)?;
        let negative = bytes.last().is_some_and(|&byte| byte & 0x80 != 0);
        let filler = if negative { 0xff } else { 0 };
        let mut wide = [filler; 8];
        for (index, &byte) in bytes.iter().enumerate() {
            match wide.get_mut(index) {
                Some(slot) => *slot = byte,
                None if byte == filler => {}
                None => return self.fail("an integer does not fit 64 bits"),
            }
        }
        let number = i64::from_le_bytes(wide);
        if (number < 0) != negative {
            return self.fail("an integer does not fit 64 bits");
        }
        Ok(number)
    }
}
