//! Reading a zip archive that somebody else wrote, within limits.
//!
//! The archive's directory is read entry by entry into a short list; nothing is allocated on the
//! word of the archive. What a member claims of its sizes is checked against what can be true
//! before a byte of it is inflated, and against what came out, with its CRC, at the end.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::sync::Arc;

use flate2::Crc;
use flate2::bufread::DeflateDecoder;
use rawzip::{
    CompressionMethod, FileReader, RangeReader, ReaderAt, ZipArchive, ZipArchiveEntryWayfinder,
    ZipLocator,
};

use super::error::NpzErrorKind;

/// More members than any `.npz` has.
const MOST_MEMBERS: usize = 4096;
/// A local header without its name.
const LOCAL_HEADER: u64 = 30;
/// No deflate stream expands more than 1032 times.
const MOST_EXPANSION: u64 = 1032;
/// A deflate stream that saves nothing adds a few bytes per 16 KiB; leave room for worse.
const SLACK: u64 = 64 * 1024;
/// Compressed bytes are fetched from the file in pieces of this size.
const FETCH: usize = 128 * 1024;
const READING: &str = "it cannot be read";
/// Inflated bytes are counted into the CRC in pieces of this size.
const CHECKED: usize = 128 * 1024;

type Source = Arc<dyn ReaderAt + Send + Sync>;

/// An archive whose directory has been read and found plausible.
pub(crate) struct Archive {
    zip: ZipArchive<Source>,
    members: Vec<Member>,
}

/// One file inside the archive, as the directory has it.
pub(crate) struct Member {
    name: String,
    method: CompressionMethod,
    encrypted: bool,
    crc: u32,
    inflated: u64,
    deflated: u64,
    header_offset: u64,
    /// The least its local header takes.
    header_length: u64,
    wayfinder: ZipArchiveEntryWayfinder,
}

impl Member {
    /// The key numpy knows the member by: its name without `.npy`.
    pub(crate) fn key(&self) -> &str {
        self.name.strip_suffix(".npy").unwrap_or(&self.name)
    }
}

impl Archive {
    /// Reads the directory of the archive in `file`.
    pub(crate) fn open(file: File) -> Result<Self, NpzErrorKind> {
        let length = file
            .metadata()
            .map_err(NpzErrorKind::io("its size is unknown"))?
            .len();
        Self::locate(Arc::new(FileReader::from(file)), length)
    }

    /// The same for an archive in memory.
    pub(crate) fn from_bytes(bytes: Vec<u8>) -> Result<Self, NpzErrorKind> {
        let length = bytes.len() as u64;
        Self::locate(Arc::new(bytes), length)
    }

    fn locate(source: Source, length: u64) -> Result<Self, NpzErrorKind> {
        let mut buffer = vec![0; rawzip::MAX_CENTRAL_DIRECTORY_RECORD_SIZE];
        if length == 0 {
            return Err(not_an_archive("the file is empty"));
        }
        let zip = ZipLocator::new()
            .locate_in_reader(source, &mut buffer, length)
            .map_err(|(_, error)| damaged(error))?;
        if zip.entries_hint() > MOST_MEMBERS as u64 {
            return Err(too_many_members());
        }
        let members = read_directory(&zip, &mut buffer)?;
        let archive = Self { zip, members };
        archive.refuse_overlaps()?;
        Ok(archive)
    }

    /// Members that share bytes are the trick of most zip bombs.
    fn refuse_overlaps(&self) -> Result<(), NpzErrorKind> {
        let mut extents: Vec<(u64, u64, &str)> = Vec::with_capacity(self.members.len());
        for member in &self.members {
            let end = member
                .header_offset
                .checked_add(member.header_length)
                .and_then(|start| start.checked_add(member.deflated))
                .filter(|&end| end <= self.zip.directory_offset());
            let Some(end) = end else {
                return Err(not_an_archive(format!(
                    "member `{}` runs past the end of the archive",
                    printable(&member.name)
                )));
            };
            extents.push((member.header_offset, end, &member.name));
        }
        extents.sort_unstable();
        match extents.windows(2).find(|pair| pair[0].1 > pair[1].0) {
            Some(pair) => Err(NpzErrorKind::Suspicious {
                reason: format!(
                    "members `{}` and `{}` overlap",
                    printable(pair[0].2),
                    printable(pair[1].2)
                ),
            }),
            None => Ok(()),
        }
    }

    /// The one member with this key, or `None`.
    ///
    /// # Errors
    /// If several members have the key: readers disagree on which of them counts.
    pub(crate) fn find(&self, key: &str) -> Result<Option<&Member>, NpzErrorKind> {
        let mut found = self.members.iter().filter(|member| member.key() == key);
        match (found.next(), found.next()) {
            (first, None) => Ok(first),
            _ => Err(NpzErrorKind::Suspicious {
                reason: format!("several members are named `{key}`"),
            }),
        }
    }

    /// The one member with this key; `purpose` says in the error what it is for.
    pub(crate) fn require(
        &self,
        key: &str,
        purpose: &'static str,
    ) -> Result<&Member, NpzErrorKind> {
        self.find(key)?.ok_or_else(|| {
            let keys: Vec<_> = self
                .members
                .iter()
                .take(12)
                .map(|m| format!("`{}`", printable(m.key())))
                .collect();
            let present = match self.members.len() {
                0 => "no member at all".to_owned(),
                n if n > keys.len() => format!("{} and {} more", keys.join(", "), n - keys.len()),
                _ => keys.join(", "),
            };
            NpzErrorKind::MissingKey {
                key: key.to_owned(),
                present,
                purpose,
            }
        })
    }

    /// Makes sure that every member is where the directory says, also those that are never read
    /// here but handed on.
    pub(crate) fn require_whole(&self) -> Result<(), NpzErrorKind> {
        self.members
            .iter()
            .try_for_each(|member| self.data_of(member).map(drop))
    }

    /// Where the member's compressed bytes begin and end.
    fn data_of(&self, member: &Member) -> Result<(u64, u64), NpzErrorKind> {
        let entry = self
            .zip
            .get_entry(member.wayfinder)
            .map_err(|error| from_zip(error, |why| NpzErrorKind::unreadable(member.key(), why)))?;
        let (start, end) = entry.compressed_data_range();
        if end > self.zip.directory_offset() {
            return Err(NpzErrorKind::unreadable(
                member.key(),
                "it runs past the end of the archive",
            ));
        }
        Ok((start, end))
    }

    /// A reader of the member's inflated bytes.
    ///
    /// # Errors
    /// If the member is encrypted, compressed by a method numpy does not write, or its sizes
    /// cannot be true.
    pub(crate) fn reader(&self, member: &Member) -> Result<MemberReader, NpzErrorKind> {
        let fail = |reason: String| Err(NpzErrorKind::unreadable(member.key(), reason));
        if member.encrypted {
            return fail("it is encrypted".into());
        }
        let possible = match member.method {
            CompressionMethod::STORE => member.deflated == member.inflated,
            CompressionMethod::DEFLATE => {
                member.inflated <= member.deflated.saturating_mul(MOST_EXPANSION)
                    && member.deflated <= member.inflated.saturating_mul(2).saturating_add(SLACK)
            }
            other => {
                return fail(format!(
                    "its compression method is {other}; numpy.savez and savez_compressed write \
                     stored and deflated members"
                ));
            }
        };
        if !possible {
            return fail(format!(
                "{} bytes cannot inflate to the {} bytes claimed",
                member.deflated, member.inflated
            ));
        }
        let (start, end) = self.data_of(member)?;
        let range = RangeReader::new(Arc::clone(self.zip.get_ref()), start..end);
        let data = match member.method {
            CompressionMethod::STORE => Data::Stored(range),
            _ => Data::Deflated(DeflateDecoder::new(BufReader::with_capacity(FETCH, range))),
        };
        Ok(MemberReader {
            data,
            key: member.key().to_owned(),
            crc: Crc::new(),
            claimed_crc: member.crc,
            left: member.inflated,
        })
    }
}

/// The members, as the archive's directory has them.
fn read_directory(
    zip: &ZipArchive<Source>,
    buffer: &mut [u8],
) -> Result<Vec<Member>, NpzErrorKind> {
    let mut members = Vec::new();
    if zip.entries_hint() == 0 {
        return Ok(members);
    }
    let mut entries = zip.entries(buffer);
    while let Some(entry) = entries.next_entry().map_err(damaged)? {
        if members.len() == MOST_MEMBERS {
            return Err(too_many_members());
        }
        members.push(Member {
            name: String::from_utf8_lossy(entry.file_path().as_bytes()).into_owned(),
            method: entry.compression_method(),
            encrypted: entry.flags().is_encrypted(),
            crc: entry.crc32(),
            inflated: entry.uncompressed_size_hint(),
            deflated: entry.compressed_size_hint(),
            header_offset: entry.local_header_offset(),
            header_length: LOCAL_HEADER + entry.file_path().len() as u64,
            wayfinder: entry.wayfinder(),
        });
    }
    if members.len() as u64 != zip.entries_hint() {
        return Err(not_an_archive("its directory is damaged"));
    }
    Ok(members)
}

enum Data {
    Stored(RangeReader<Source>),
    Deflated(DeflateDecoder<BufReader<RangeReader<Source>>>),
}

/// Reads one member; owns what it reads from.
pub(crate) struct MemberReader {
    data: Data,
    key: String,
    crc: Crc,
    claimed_crc: u32,
    /// Claimed bytes not yet read.
    left: u64,
}

impl MemberReader {
    /// The array's key, for messages.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// How many bytes are left by the member's own claim.
    pub(crate) fn left(&self) -> u64 {
        self.left
    }

    /// Fills `bytes`.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> Result<(), NpzErrorKind> {
        if bytes.len() as u64 > self.left {
            return Err(self.fail("it ends before the array does"));
        }
        // The CRC is taken while the bytes are still in the cache.
        bytes
            .chunks_mut(CHECKED)
            .try_for_each(|piece| self.fill_piece(piece))
    }

    fn fill_piece(&mut self, bytes: &mut [u8]) -> Result<(), NpzErrorKind> {
        let read = match &mut self.data {
            Data::Stored(data) => data.read_exact(bytes),
            Data::Deflated(data) => data.read_exact(bytes),
        };
        match read {
            Ok(()) => {
                self.left -= bytes.len() as u64;
                self.crc.update(bytes);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.fail("it ends before the array does"))
            }
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// Checks that the member ends here and is what its CRC says.
    pub(crate) fn finish(mut self) -> Result<(), NpzErrorKind> {
        let mut more = [0];
        let read = match &mut self.data {
            Data::Stored(data) => data.read(&mut more),
            Data::Deflated(data) => data.read(&mut more),
        };
        match read {
            Ok(0) if self.left == 0 && self.crc.sum() == self.claimed_crc => Ok(()),
            Ok(0) if self.left == 0 => Err(self.fail("its CRC is wrong: the data is damaged")),
            Ok(_) => Err(self.fail("it is longer than its array")),
            Err(error) => Err(self.read_error(error)),
        }
    }

    /// The system's failure to read the file, or the decoder's to make sense of it.
    fn read_error(&self, error: io::Error) -> NpzErrorKind {
        match error.raw_os_error() {
            Some(_) => NpzErrorKind::io(READING)(error),
            None => self.fail(error),
        }
    }

    fn fail(&self, reason: impl ToString) -> NpzErrorKind {
        NpzErrorKind::unreadable(&self.key, reason)
    }
}

/// A name from an archive, fit for a message: short, and without control characters.
pub(super) fn printable(name: &str) -> String {
    let mut shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    if name.chars().nth(64).is_some() {
        shown.push('…');
    }
    shown
}

fn damaged(error: rawzip::Error) -> NpzErrorKind {
    from_zip(error, not_an_archive)
}

/// The system's failure to read the file, or what `otherwise` makes of the error.
fn from_zip(error: rawzip::Error, otherwise: impl FnOnce(String) -> NpzErrorKind) -> NpzErrorKind {
    let text = error.to_string();
    match error.into_kind() {
        rawzip::ErrorKind::IO(error) if error.raw_os_error().is_some() => {
            NpzErrorKind::io(READING)(error)
        }
        _ => otherwise(text),
    }
}

fn not_an_archive(reason: impl Into<String>) -> NpzErrorKind {
    NpzErrorKind::NotAnArchive {
        reason: reason.into(),
    }
}

fn too_many_members() -> NpzErrorKind {
    NpzErrorKind::Suspicious {
        reason: format!("it has more than {MOST_MEMBERS} members"),
    }
}
