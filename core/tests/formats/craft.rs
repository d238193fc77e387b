//! Archives made by hand, field by field, so that every field can lie.

use std::io::Write;

use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

/// One member of an archive, honest until its fields are changed.
#[derive(Clone)]
pub struct Entry {
    pub name: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    pub crc: u32,
    /// What the directory claims the data inflates to.
    pub inflated: u64,
    /// What the directory claims the data takes.
    pub deflated: u64,
    pub data: Vec<u8>,
    /// Where the directory says the local header is, if not where it is.
    pub header_offset: Option<u64>,
}

impl Entry {
    pub fn stored(name: &str, content: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        Self {
            name: name.into(),
            method: 0,
            flags: 0,
            crc: crc.sum(),
            inflated: content.len() as u64,
            deflated: content.len() as u64,
            data: content.to_vec(),
            header_offset: None,
        }
    }

    pub fn deflated(name: &str, content: &[u8]) -> Self {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(content).unwrap();
        let data = encoder.finish().unwrap();
        Self {
            method: 8,
            deflated: data.len() as u64,
            data,
            ..Self::stored(name, content)
        }
    }
}

/// What the end of the archive claims of its directory, where it is to lie.
#[derive(Default, Clone, Copy)]
pub struct End {
    pub entries: Option<u64>,
    pub size: Option<u64>,
    pub offset: Option<u64>,
}

/// The archive of these members.
pub fn zip(entries: &[Entry]) -> Vec<u8> {
    zip_ending(entries, End::default())
}

/// The archive of these members with such an end; zip64 throughout, as numpy writes it.
pub fn zip_ending(entries: &[Entry], end: End) -> Vec<u8> {
    let mut out = Vec::new();
    let mut directory = Vec::new();
    for entry in entries {
        let offset = entry.header_offset.unwrap_or(out.len() as u64);
        let mut zip64 = vec![1, 0, 16, 0];
        zip64.extend(entry.inflated.to_le_bytes());
        zip64.extend(entry.deflated.to_le_bytes());
        let mut common = Vec::new();
        common.extend(45u16.to_le_bytes());
        common.extend(entry.flags.to_le_bytes());
        common.extend(entry.method.to_le_bytes());
        common.extend([0; 4]);
        common.extend(entry.crc.to_le_bytes());
        common.extend([0xff; 8]);
        common.extend((entry.name.len() as u16).to_le_bytes());

        out.extend(b"PK\x03\x04");
        out.extend(&common);
        out.extend((zip64.len() as u16).to_le_bytes());
        out.extend(&entry.name);
        out.extend(&zip64);
        out.extend(&entry.data);

        zip64[2] += 8;
        zip64.extend(offset.to_le_bytes());
        directory.extend(b"PK\x01\x02\x2d\x03");
        directory.extend(&common);
        directory.extend((zip64.len() as u16).to_le_bytes());
        directory.extend([0; 10]);
        directory.extend([0xff; 4]);
        directory.extend(&entry.name);
        directory.extend(&zip64);
    }
    let offset = end.offset.unwrap_or(out.len() as u64);
    let size = end.size.unwrap_or(directory.len() as u64);
    let count = end.entries.unwrap_or(entries.len() as u64);
    out.extend(directory);
    let record = out.len() as u64;
    out.extend(b"PK\x06\x06");
    out.extend(44u64.to_le_bytes());
    out.extend([45, 3, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for field in [count, count, size, offset] {
        out.extend(field.to_le_bytes());
    }
    out.extend(b"PK\x06\x07\0\0\0\0");
    out.extend(record.to_le_bytes());
    out.extend(1u32.to_le_bytes());
    out.extend(b"PK\x05\x06\0\0\0\0");
    out.extend([0xff; 12]);
    out.extend([0; 2]);
    out
}

/// A `.npy` of version 1 with this header dictionary and these elements.
pub fn npy(dictionary: &str, elements: &[u8]) -> Vec<u8> {
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((dictionary.len() as u16 + 1).to_le_bytes());
    out.extend(dictionary.as_bytes());
    out.push(b'\n');
    out.extend(elements);
    out
}

/// A `.npy` array with this descriptor and shape, as numpy would write it.
pub fn array(descriptor: &str, shape: &[usize], elements: &[u8]) -> Vec<u8> {
    let axes: String = shape.iter().map(|axis| format!("{axis}, ")).collect();
    npy(
        &format!("{{'descr': '{descriptor}', 'fortran_order': False, 'shape': ({axes}), }}"),
        elements,
    )
}

/// An `.npz` with `segs` being this array.
pub fn segs(descriptor: &str, shape: &[usize], elements: &[u8]) -> Vec<u8> {
    zip(&[Entry::deflated(
        "segs.npy",
        &array(descriptor, shape, elements),
    )])
}
