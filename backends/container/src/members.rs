//! The members of a plain tar, one after the other (POSIX ustar, with the long names and large
//! sizes of GNU and PAX).
//!
//! The `tar` crate takes a name of any length into memory and reads more forms than engines agree
//! on. What passes here is bounded, and means the same to everybody.

use std::io::{self, Read};
use std::path::PathBuf;

use tar::{EntryType, Header, PaxExtensions};

use crate::archive::read_full;

/// A member, without its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
    /// Bytes of content.
    pub(crate) size: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    /// A symbolic link to this target.
    Link(PathBuf),
    /// Anything that no saved image holds: hard links, devices, FIFOs.
    Other,
}

/// A tar that is read member by member. Reading from it reads the content of the last one.
pub(crate) struct Members<R> {
    reader: R,
    /// Of the member's content, what has not been read.
    content: u64,
    /// What fills its last block up.
    padding: u64,
}

const BLOCK: u64 = 512;
/// No path is longer than this (Linux takes 4096 bytes).
const LONGEST_NAME: u64 = 64 << 10;

/// What a member's own headers say before its header does.
#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    target: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<R: Read> Members<R> {
    pub(crate) fn of(reader: R) -> Self {
        Self {
            reader,
            content: 0,
            padding: 0,
        }
    }

    /// The next member; `None` at the end.
    pub(crate) fn next(&mut self) -> io::Result<Option<Member>> {
        self.skip()?;
        let mut extensions = Extensions::default();
        loop {
            let Some(header) = self.header()? else {
                return Ok(None);
            };
            let size = header.entry_size()?;
            match header.entry_type() {
                EntryType::GNULongName => extensions.path = Some(self.long_name(size)?),
                EntryType::GNULongLink => extensions.target = Some(self.long_name(size)?),
                EntryType::XHeader => {
                    let text = self.bounded(size)?;
                    extensions.add(&text)?;
                }
                EntryType::XGlobalHeader => {
                    self.bounded(size)?;
                }
                kind => return self.member(&header, kind, extensions).map(Some),
            }
        }
    }

    /// The rest of the tar behind its last member.
    pub(crate) fn into_rest(self) -> R {
        self.reader
    }

    fn member(
        &mut self,
        header: &Header,
        kind: EntryType,
        extensions: Extensions,
    ) -> io::Result<Member> {
        let path = extensions
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let path = path_of(&path);
        let target = || {
            let own = header.link_name_bytes().unwrap_or_default().into_owned();
            path_of(&extensions.target.unwrap_or(own))
        };
        let kind = match kind {
            EntryType::Regular | EntryType::Continuous => Kind::File,
            EntryType::Directory => Kind::Folder,
            EntryType::Symlink => Kind::Link(target()),
            EntryType::GNUSparse => return Err(sparse()),
            _ => Kind::Other,
        };
        let size = match extensions.size {
            Some(size) => size,
            None => header.entry_size()?,
        };
        self.begin(size);
        Ok(Member { path, kind, size })
    }

    /// The next header; `None` at the end, which is a block of zeros.
    fn header(&mut self) -> io::Result<Option<Header>> {
        let mut block = [0; BLOCK as usize];
        match read_full(&mut self.reader, &mut block)? {
            0 => return Ok(None),
            count if count < block.len() => return Err(io::ErrorKind::UnexpectedEof.into()),
            _ => {}
        }
        if block == [0; BLOCK as usize] {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        // The sum of a header's bytes, its own field counted as spaces.
        let sum = block.iter().enumerate().map(|(at, &byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(byte),
        });
        match header.cksum()? == sum.sum::<u32>() {
            true => Ok(Some(header)),
            false => Err(io::Error::other("a header's sum is wrong")),
        }
    }

    fn begin(&mut self, size: u64) {
        self.content = size;
        self.padding = size.wrapping_neg() % BLOCK;
    }

    /// The whole content of a header's extension.
    fn bounded(&mut self, size: u64) -> io::Result<Vec<u8>> {
        if size > LONGEST_NAME {
            return Err(io::Error::other("a header is too long"));
        }
        self.begin(size);
        let mut content = Vec::new();
        self.read_to_end(&mut content)?;
        self.skip()?;
        Ok(content)
    }

    fn long_name(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut name = self.bounded(size)?;
        if let Some(end) = name.iter().position(|&byte| byte == 0) {
            name.truncate(end);
        }
        Ok(name)
    }

    /// Goes to the end of the member.
    fn skip(&mut self) -> io::Result<()> {
        io::copy(self, &mut io::sink())?;
        self.content = std::mem::take(&mut self.padding);
        io::copy(self, &mut io::sink())?;
        Ok(())
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let most = bytes
            .len()
            .min(self.content.try_into().unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        let count = self.reader.read(&mut bytes[..most])?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.content -= count as u64;
        Ok(count)
    }
}

impl Extensions {
    fn add(&mut self, text: &[u8]) -> io::Result<()> {
        for extension in PaxExtensions::new(text) {
            let extension = extension?;
            let value = extension.value_bytes();
            match extension.key_bytes() {
                b"path" => self.path = Some(value.to_owned()),
                b"linkpath" => self.target = Some(value.to_owned()),
                b"size" => {
                    let size = extension.value().ok().and_then(|text| text.parse().ok());
                    let size = size.ok_or_else(|| io::Error::other("a size is no number"))?;
                    self.size = Some(size);
                }
                key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A file with holes: a few bytes that become any number on the engine's disk.
fn sparse() -> io::Error {
    io::Error::other("it holds a sparse file")
}

fn path_of(bytes: &[u8]) -> PathBuf {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(OsStr::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use tar::Builder;

    use super::*;

    fn all(tar: &[u8]) -> io::Result<Vec<(Member, Vec<u8>)>> {
        let mut members = Members::of(tar);
        let mut all = Vec::new();
        while let Some(member) = members.next()? {
            let mut content = Vec::new();
            members.read_to_end(&mut content)?;
            all.push((member, content));
        }
        Ok(all)
    }

    fn header(size: u64) -> Header {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(size);
        header
    }

    #[test]
    fn members_are_told_with_names_of_any_length_and_what_they_hold() {
        let mut tar = Builder::new(Vec::new());
        let long = "x/".repeat(100) + "end";
        tar.append_data(&mut header(3), &long, &b"abc"[..]).unwrap();
        let size = [("size", &b"5"[..]), ("path", b"renamed")];
        tar.append_pax_extensions(size).unwrap();
        let mut lies = header(0);
        lies.set_path("short").unwrap();
        lies.set_cksum();
        tar.append(&lies, &b"hello"[..]).unwrap();
        let mut link = header(0);
        link.set_entry_type(EntryType::Symlink);
        tar.append_link(&mut link, "link", "t".repeat(200)).unwrap();
        let all = all(&tar.into_inner().unwrap()).unwrap();
        let seen: Vec<_> = all
            .iter()
            .map(|(member, content)| (member.path.to_str().unwrap(), content.as_slice()))
            .collect();
        assert_eq!(
            seen,
            [(&*long, &b"abc"[..]), ("renamed", b"hello"), ("link", b"")]
        );
        assert_eq!(all[2].0.kind, Kind::Link("t".repeat(200).into()));
    }

    #[test]
    fn what_is_cut_short_lies_or_would_grow_is_refused() {
        let mut tar = Builder::new(Vec::new());
        tar.append_data(&mut header(2000), "file", io::repeat(7).take(2000))
            .unwrap();
        let whole = tar.into_inner().unwrap();
        for length in [1, 511, 513, 2000] {
            assert!(all(&whole[..length]).is_err(), "{length}");
        }
        let mut changed = whole.clone();
        changed[0] ^= 1;
        assert!(all(&changed).unwrap_err().to_string().contains("sum"));

        for kind in [EntryType::GNUSparse, EntryType::GNULongName] {
            let mut odd = header(1 << 40);
            odd.set_entry_type(kind);
            odd.set_cksum();
            assert!(all(odd.as_bytes()).is_err(), "{kind:?}");
        }
    }
}
