//! From a file to its header and voxels, compressed or not, with no more memory than there is.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use super::error::{NiftiError, NiftiErrorKind};
use super::header::{NiftiHeader, SHORTEST};
use super::volume::NiftiVolume;

/// Deflate makes at most 1032 bytes of one (258 bytes of two bits, four times); a little more, for
/// the headers of small files.
const DENSEST: u64 = 1040;
/// Behind the voxels of a compressed file, so many bytes are read to reach its checksum.
const TAIL: u64 = 1 << 20;
const BUFFER: usize = 256 * 1024;

/// Reads a `.nii` or `.nii.gz` file; which of the two is told by its content.
///
/// Memory is that of the voxels as they are stored, and only if there is as much.
///
/// # Errors
/// When the file can't be opened or is no regular file, [`NiftiHeader::parse`] refuses its header,
/// it ends before its voxels do, its compressed data is damaged, or its voxels don't fit memory.
pub fn read_nifti(path: &Path) -> Result<NiftiVolume, NiftiError> {
    open(path)
        .and_then(|(file, length)| Source::new(BufReader::with_capacity(BUFFER, file), length))
        .and_then(Source::volume)
        .map_err(|kind| NiftiError::new(path, kind))
}

/// Reads a file given as its bytes; `path` is what messages call it.
///
/// # Errors
/// As [`read_nifti`].
pub fn read_nifti_bytes(path: &Path, bytes: &[u8]) -> Result<NiftiVolume, NiftiError> {
    Source::new(Cursor::new(bytes), bytes.len() as u64)
        .and_then(Source::volume)
        .map_err(|kind| NiftiError::new(path, kind))
}

/// Reads the header alone.
///
/// # Errors
/// As [`read_nifti`], as far as the header goes.
pub fn read_nifti_header(path: &Path) -> Result<NiftiHeader, NiftiError> {
    open(path)
        .and_then(|(file, length)| Source::new(BufReader::new(file), length))
        .map(|source| source.header)
        .map_err(|kind| NiftiError::new(path, kind))
}

fn open(path: &Path) -> Result<(File, u64), NiftiErrorKind> {
    let doing = || NiftiErrorKind::io("it cannot be opened");
    // A FIFO would keep `open` waiting for whoever writes it.
    if !std::fs::metadata(path).map_err(doing())?.is_file() {
        return Err(NiftiErrorKind::NotRegular);
    }
    let file = File::open(path).map_err(doing())?;
    let length = file.metadata().map_err(doing())?.len();
    Ok((file, length))
}

/// A file whose header was read.
struct Source<R> {
    header: NiftiHeader,
    content: Content<R>,
    /// How far into the content the header's bytes reach.
    read: u64,
    /// The file's length as it is stored.
    length: u64,
}

enum Content<R> {
    Plain(R),
    Gzip(Box<MultiGzDecoder<R>>),
}

impl<R: io::BufRead + Seek> Source<R> {
    fn new(mut reader: R, length: u64) -> Result<Self, NiftiErrorKind> {
        let mut magic = [0; 2];
        let reading = || NiftiErrorKind::io("it cannot be read");
        let got = read_up_to(&mut reader, &mut magic).map_err(reading())?;
        reader.rewind().map_err(reading())?;
        let mut content = match magic {
            [0x1f, 0x8b] if got == 2 => Content::Gzip(Box::new(MultiGzDecoder::new(reader))),
            _ => Content::Plain(reader),
        };
        // No further than the header, as the voxels may begin right behind it.
        let mut bytes = vec![0; SHORTEST];
        let mut read = content.read_up_to(&mut bytes)?;
        let wanted = NiftiHeader::length(&bytes[..read]);
        if wanted > SHORTEST && read == SHORTEST {
            bytes.resize(wanted, 0);
            read += content.read_up_to(&mut bytes[SHORTEST..])?;
        }
        Ok(Self {
            header: NiftiHeader::parse(&bytes[..read])?,
            content,
            read: read as u64,
            length,
        })
    }

    fn volume(mut self) -> Result<NiftiVolume, NiftiErrorKind> {
        let (offset, size) = (self.header.offset, self.header.size());
        let announced = offset.saturating_add(size);
        let (room, found) = match self.content {
            Content::Plain(_) => (self.length, format!("are {}", self.length)),
            Content::Gzip(_) => (
                self.length.saturating_mul(DENSEST),
                format!("cannot be as many in the {} compressed ones", self.length),
            ),
        };
        if announced > room {
            return Err(NiftiErrorKind::Truncated { announced, found });
        }
        let mut bytes = Vec::new();
        let count = usize::try_from(size).unwrap_or(usize::MAX);
        let too_much = available_memory().is_some_and(|available| size > available);
        if too_much || bytes.try_reserve_exact(count).is_err() {
            return Err(NiftiErrorKind::Memory { bytes: size });
        }
        let skipped = self.content.skip(offset - self.read)?;
        let mut got = 0;
        if skipped == offset - self.read {
            bytes.resize(count, 0);
            got = self.content.read_up_to(&mut bytes)?;
        }
        if got < count {
            let found = format!("are {}", self.read + skipped + got as u64);
            return Err(NiftiErrorKind::Truncated { announced, found });
        }
        self.content.check_end()?;
        Ok(NiftiVolume::new(self.header, bytes))
    }
}

impl<R: io::BufRead> Content<R> {
    /// As many bytes as there are, at most as many as fit.
    fn read_up_to(&mut self, bytes: &mut [u8]) -> Result<usize, NiftiErrorKind> {
        match self {
            Self::Plain(reader) => {
                read_up_to(reader, bytes).map_err(NiftiErrorKind::io("it cannot be read"))
            }
            Self::Gzip(decoder) => read_up_to(decoder, bytes).map_err(damaged),
        }
    }

    /// Reads so many bytes and forgets them; how many there were.
    fn skip(&mut self, count: u64) -> Result<u64, NiftiErrorKind> {
        match self {
            Self::Plain(reader) => io::copy(&mut reader.take(count), &mut io::sink())
                .map_err(NiftiErrorKind::io("it cannot be read")),
            Self::Gzip(decoder) => {
                io::copy(&mut decoder.take(count), &mut io::sink()).map_err(damaged)
            }
        }
    }

    /// Goes on to the end of a compressed file, where its checksum is; what follows the voxels
    /// is not asked for more than a little.
    fn check_end(&mut self) -> Result<(), NiftiErrorKind> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Gzip(_) => self.skip(TAIL).map(drop),
        }
    }
}

fn read_up_to(reader: &mut impl Read, mut bytes: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while !bytes.is_empty() {
        match reader.read(bytes) {
            Ok(0) => break,
            Ok(count) => {
                got += count;
                bytes = &mut bytes[count..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// A decompressor's failure: of the stream, or of the disk beneath it.
fn damaged(source: io::Error) -> NiftiErrorKind {
    match source.raw_os_error() {
        Some(_) => NiftiErrorKind::Io {
            doing: "it cannot be read",
            source,
        },
        None => NiftiErrorKind::Compression {
            reason: match source.kind() {
                io::ErrorKind::UnexpectedEof => "it ends in the middle".to_owned(),
                _ => source.to_string(),
            },
        },
    }
}

/// The memory that can be had without swapping, in bytes, where the system says.
fn available_memory() -> Option<u64> {
    let told = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = told
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::super::header::Geometry;
    use super::super::write::header_bytes;
    use super::*;

    const GEOMETRY: Geometry = Geometry {
        shape: [2, 3, 4],
        spacing: [1.0; 3],
        affine: None,
    };

    /// A file of 24 bytes as voxels.
    fn plain() -> Vec<u8> {
        let mut bytes = header_bytes(&GEOMETRY).unwrap();
        bytes.extend(0..24);
        bytes
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn read(bytes: &[u8]) -> Result<NiftiVolume, NiftiError> {
        read_nifti_bytes(Path::new("x.nii"), bytes)
    }

    #[track_caller]
    fn refused(bytes: &[u8], words: &str) {
        let error = read(bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }

    fn with_shape(shape: [i16; 3]) -> Vec<u8> {
        let mut bytes = plain();
        for (axis, length) in shape.into_iter().enumerate() {
            bytes[42 + 2 * axis..44 + 2 * axis].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn compressed_or_not_is_told_by_the_content() {
        let wanted: Vec<u8> = (0..24).collect();
        let two_members = [gzip(&plain()[..200]), gzip(&plain()[200..])].concat();
        for bytes in [plain(), gzip(&plain()), two_members] {
            assert_eq!(read(&bytes).unwrap().bytes(), wanted);
        }
    }

    #[test]
    fn voxels_may_begin_behind_extensions() {
        let mut bytes = plain();
        bytes[108..112].copy_from_slice(&400f32.to_le_bytes());
        bytes.splice(352..352, [7; 48]);
        let wanted: Vec<u8> = (0..24).collect();
        assert_eq!(read(&bytes).unwrap().bytes(), wanted);
        assert_eq!(read(&gzip(&bytes)).unwrap().bytes(), wanted);
    }

    #[test]
    fn a_file_that_ends_early_is_told_how_early() {
        let bytes = plain();
        refused(&bytes[..370], "announces 376 bytes, and there are 370");
        refused(
            &gzip(&bytes[..370]),
            "announces 376 bytes, and there are 370",
        );
        refused(&gzip(&bytes[..350]), "there are 350");
        refused(&bytes[..300], "there are 300");
        refused(&[], "not a NIfTI file");
    }

    #[test]
    fn damage_to_compressed_data_is_found_up_to_its_checksum() {
        let whole = gzip(&plain());
        refused(&whole[..whole.len() / 2], "ends in the middle");
        let mut wrong = whole.clone();
        let checksum = wrong.len() - 8;
        wrong[checksum] ^= 1;
        refused(&wrong, "compressed data is damaged");
        refused(&whole[..whole.len() - 4], "ends in the middle");
    }

    #[test]
    fn a_header_that_asks_for_more_than_the_file_can_hold_gets_no_memory() {
        let bytes = with_shape([30_000; 3]);
        refused(&bytes, "announces 27000000000352 bytes");
        refused(&gzip(&bytes), "cannot be as many");
    }

    #[test]
    fn what_a_bomb_inflates_to_behind_its_voxels_is_left_alone() {
        let mut bytes = plain();
        bytes.resize(64 << 20, 0);
        let volume = read(&gzip(&bytes)).unwrap();
        assert_eq!(volume.bytes().len(), 24);
    }

    #[test]
    fn what_is_no_file_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let error = read_nifti(folder.path()).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
        let error = read_nifti(&folder.path().join("none.nii")).unwrap_err();
        assert!(error.to_string().contains("none.nii"), "{error}");
    }
}
