//! Predictions that are no predictions, byte by byte.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// An array of the stage's shape, with these elements' bytes.
pub(super) fn array(descriptor: &str, elements: &[u8]) -> Vec<u8> {
    array_of(&format!("'{descriptor}'"), "(4, 5, 6)", elements)
}

/// An array whose header says this.
pub(super) fn array_of(descriptor: &str, shape: &str, elements: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': {descriptor}, 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(elements);
    bytes
}

/// An `.npz` of stored members.
pub(super) fn npz(members: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let member = Member::stored(name, content);
        directory.extend(member.entry(bytes.len()));
        bytes.extend(member.header());
        bytes.extend(content);
    }
    let end = end(members.len(), directory.len(), bytes.len());
    bytes.extend(directory);
    bytes.extend(end);
    bytes
}

/// The parts of a small file whose array inflates to 16 GiB: the beginning, a piece that comes
/// 4096 times, and the end. The archive claims that it were of the stage's size.
pub(super) fn bomb() -> [Vec<u8>; 3] {
    let start = array("|u1", &[]);
    let first = deflated(&start);
    let piece = deflated(&vec![0; 4 << 20]);
    let last = b"\x01\x00\x00\xff\xff";
    let length = first.len() + 4096 * piece.len() + last.len();
    let member = Member {
        name: "segs.npy",
        method: 8,
        crc: 0,
        inflated: start.len() + 4 * 5 * 6,
        stored: length,
    };
    let header = member.header();
    let directory = member.entry(0);
    let end = end(1, directory.len(), header.len() + length);
    [
        [header, first].concat(),
        piece,
        [last.to_vec(), directory, end].concat(),
    ]
}

/// A piece of a deflate stream, to be followed by any other.
fn deflated(bytes: &[u8]) -> Vec<u8> {
    let mut piece = Vec::with_capacity(bytes.len() / 64 + 1024);
    Compress::new(Compression::best(), false)
        .compress_vec(bytes, &mut piece, FlushCompress::Full)
        .unwrap();
    piece
}

/// One member as the archive tells of it.
struct Member<'a> {
    name: &'a str,
    method: u16,
    crc: u32,
    inflated: usize,
    stored: usize,
}

impl<'a> Member<'a> {
    fn stored(name: &'a str, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name,
            method: 0,
            crc: crc.sum(),
            inflated: content.len(),
            stored: content.len(),
        }
    }

    fn header(&self) -> Vec<u8> {
        [b"PK\x03\x04".to_vec(), self.fields(), self.name.into()].concat()
    }

    fn entry(&self, header_at: usize) -> Vec<u8> {
        let mut entry = b"PK\x01\x02\x14\x03".to_vec();
        entry.extend(self.fields());
        entry.extend([0; 10]);
        entry.extend((header_at as u32).to_le_bytes());
        entry.extend(self.name.as_bytes());
        entry
    }

    /// What the member's header and its entry in the directory have in common.
    fn fields(&self) -> Vec<u8> {
        let mut fields = vec![20, 0, 0, 0];
        fields.extend(self.method.to_le_bytes());
        fields.extend([0; 4]);
        fields.extend(self.crc.to_le_bytes());
        for size in [self.stored, self.inflated] {
            fields.extend((size as u32).to_le_bytes());
        }
        fields.extend((self.name.len() as u16).to_le_bytes());
        fields.extend([0; 2]);
        fields
    }
}

fn end(members: usize, directory: usize, offset: usize) -> Vec<u8> {
    let mut end = b"PK\x05\x06\0\0\0\0".to_vec();
    end.extend((members as u16).to_le_bytes());
    end.extend((members as u16).to_le_bytes());
    end.extend((directory as u32).to_le_bytes());
    end.extend((offset as u32).to_le_bytes());
    end.extend([0; 2]);
    end
}
