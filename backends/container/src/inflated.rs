//! How much the compressed layers of an archive hold: an engine unpacks them, so what counts is
//! their size there.

use std::io::{self, Read, Write};

use flate2::write::MultiGzDecoder;

use crate::archive::TooLarge;

/// Counts what an archive's compressed layers hold, all together.
#[derive(Debug)]
pub(crate) struct Inflated {
    left: u64,
    most: u64,
}

impl Inflated {
    /// Nothing yet, and no more than this.
    pub(crate) fn up_to(most: u64) -> Self {
        Self { left: most, most }
    }

    /// The same content, which can't be read to its end when it holds too much.
    pub(crate) fn counting<'c, R: Read>(&'c mut self, content: R) -> Counting<'c, R> {
        Counting {
            content,
            inflated: Some(self),
            inflater: None,
        }
    }
}

/// Content that is inflated beside being read, where it is compressed.
pub(crate) struct Counting<'c, R> {
    content: R,
    /// Until the content's first bytes are there.
    inflated: Option<&'c mut Inflated>,
    inflater: Option<Inflater<'c>>,
}

enum Inflater<'c> {
    Gzip(Box<MultiGzDecoder<Count<'c>>>),
    Zstd(zstd::stream::write::Decoder<'static, Count<'c>>),
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let mut count = self.content.read(bytes)?;
        if let Some(inflated) = self.inflated.take() {
            // The reader is given few bytes at once by nobody but a test.
            while count < LONGEST_MAGIC && count < bytes.len() {
                match self.content.read(&mut bytes[count..])? {
                    0 => break,
                    more => count += more,
                }
            }
            self.inflater = inflater(&bytes[..count], inflated)?;
        }
        match &mut self.inflater {
            None => {}
            Some(Inflater::Gzip(gzip)) => gzip.write_all(&bytes[..count])?,
            Some(Inflater::Zstd(zstd)) => zstd.write_all(&bytes[..count])?,
        }
        Ok(count)
    }
}

const LONGEST_MAGIC: usize = 6;

/// What inflates content that begins so. Engines read further forms, which nobody saves images in.
fn inflater<'c>(beginning: &[u8], inflated: &'c mut Inflated) -> io::Result<Option<Inflater<'c>>> {
    let count = Count(inflated);
    Ok(match beginning {
        [0x1f, 0x8b, ..] => Some(Inflater::Gzip(Box::new(MultiGzDecoder::new(count)))),
        // A frame, or one to be skipped before it.
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => {
            Some(Inflater::Zstd(zstd::stream::write::Decoder::new(count)?))
        }
        [b'B', b'Z', b'h', b'1'..=b'9', ..] | [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            return Err(io::Error::other("it holds a layer packed by bzip2 or xz"));
        }
        _ => None,
    })
}

/// Takes what was inflated, and forgets it.
struct Count<'c>(&'c mut Inflated);

impl Write for Count<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let left = self.0.left.checked_sub(bytes.len() as u64);
        self.0.left = left.ok_or_else(|| TooLarge(self.0.most).into_error())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use flate2::write::GzEncoder;

    use super::*;

    const MOST: u64 = 1 << 20;

    fn read_all(contents: &[Vec<u8>]) -> io::Result<()> {
        let mut inflated = Inflated::up_to(MOST);
        for content in contents {
            let mut copy = Vec::new();
            inflated
                .counting(content.as_slice())
                .read_to_end(&mut copy)?;
            assert_eq!(copy, *content);
        }
        Ok(())
    }

    fn gzip(size: usize) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(&vec![0; size]).unwrap();
        gzip.finish().unwrap()
    }

    fn zstd(size: usize) -> Vec<u8> {
        zstd::encode_all(&vec![0; size][..], 19).unwrap()
    }

    #[test]
    fn layers_may_hold_so_much_together_however_they_are_packed() {
        read_all(&[gzip(600_000), zstd(400_000), vec![7; 3 << 20]]).unwrap();
        for contents in [
            [gzip(600_000), zstd(600_000)],
            [zstd(8 << 20), Vec::new()],
            [gzip(8 << 20), Vec::new()],
        ] {
            let error = read_all(&contents).unwrap_err();
            assert!(error.to_string().contains("more than"), "{error}");
        }
        let xz = b"\xfd7zXZ\0and so on".to_vec();
        assert!(read_all(&[xz]).unwrap_err().to_string().contains("xz"));
    }
}
