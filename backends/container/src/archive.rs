//! Archives of images: told apart by their content, unpacked here, streamed to the engine.
//!
//! `team.tar.gz` may be a plain tar, and some engines refuse a gzip stream that another wrote, so
//! what the engine gets is always the plain tar.

use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytesize::ByteSize;
use flate2::read::MultiGzDecoder;
use segarena_contract::{BackendError, BackendErrorKind};
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

use crate::unnamed::{Names, write_without_names};

/// How an archive is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, as `docker save | gzip` writes it.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// What the first bytes of a file say. `None` for what is no archive that can be read here:
    /// a plain tar is known by its magic at byte 257 (POSIX ustar).
    pub fn of(beginning: &[u8]) -> Option<Self> {
        match beginning {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            _ if beginning.get(257..262) == Some(b"ustar") => Some(Self::None),
            _ => None,
        }
    }
}

/// A plain tar, piece by piece.
pub type TarStream = ReceiverStream<io::Result<Vec<u8>>>;

/// An archive opened for loading.
pub struct Archive {
    compressed: u64,
    read: Arc<AtomicU64>,
    most: u64,
    damage: Damage,
    tar: Box<dyn Read + Send>,
}

/// What was found wrong with an archive while it was being read: engines tell only that the
/// stream broke.
#[derive(Debug, Clone, Default)]
pub struct Damage(Arc<Mutex<Option<Defect>>>);

impl Damage {
    /// What was found, if anything was.
    pub fn found(&self) -> Option<Defect> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, error: &io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Defect::of(error));
    }
}

/// What is wrong with an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// What it is or holds, as the rest of a sentence that begins with its path.
    pub what: String,
    /// What to do about it.
    pub advice: &'static str,
}

impl Defect {
    /// What an error says that reading the archive met.
    pub fn of(error: &io::Error) -> Self {
        let too_large: Option<&TooLarge> = error.get_ref().and_then(|it| it.downcast_ref());
        match too_large.is_some() {
            true => Self {
                what: error.to_string(),
                advice: "if it is to be trusted, raise `archive_size` under [backend]",
            },
            false => Self {
                what: format!("is damaged or cut short: {error}"),
                advice: SAVE_AGAIN,
            },
        }
    }
}

/// What to do about an archive that can't be loaded.
pub const SAVE_AGAIN: &str = "save the image again: docker save IMAGE | gzip > TEAM.tar.gz";

/// An archive holds more than so many bytes unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge(pub(crate) u64);

impl TooLarge {
    pub(crate) fn into_error(self) -> io::Error {
        io::Error::other(self)
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "holds more than {} unpacked", ByteSize(self.0))
    }
}

impl std::error::Error for TooLarge {}

impl Archive {
    /// Opens the archive at `path`, which may hold so many bytes unpacked, and finds out how it is
    /// compressed.
    ///
    /// # Errors
    /// When it can't be read, or is no tar, gzip or zstd file.
    pub fn open(path: &Path, most: ByteSize) -> Result<Self, BackendError> {
        let failed = |error: io::Error| {
            let message = format!("cannot read the archive {}", path.display());
            BackendError::new(BackendErrorKind::Submission, message).with_source(error)
        };
        let mut file = File::open(path).map_err(failed)?;
        let mut beginning = Vec::new();
        (&file)
            .take(512)
            .read_to_end(&mut beginning)
            .map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let compression = Compression::of(&beginning).ok_or_else(|| {
            let message = format!(
                "{} is neither a tar nor a gzip nor a zstd file",
                path.display()
            );
            BackendError::new(BackendErrorKind::Submission, message).with_advice(SAVE_AGAIN)
        })?;
        let read = Arc::new(AtomicU64::new(0));
        let compressed = file.metadata().map_err(failed)?.len();
        let counted = BufReader::new(Counted {
            inner: file,
            read: Arc::clone(&read),
        });
        let tar: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(counted),
            Compression::Gzip => Box::new(MultiGzDecoder::new(counted)),
            Compression::Zstd => Box::new(zstd::Decoder::with_buffer(counted).map_err(failed)?),
        };
        let most = most.as_u64();
        Ok(Self {
            compressed,
            read,
            most,
            damage: Damage::default(),
            tar: Box::new(Bounded {
                inner: tar,
                left: most,
                most,
            }),
        })
    }

    /// The archive's size on disk, in bytes.
    pub fn size(&self) -> u64 {
        self.compressed
    }

    /// How many of those bytes have been read, for a progress bar.
    pub fn progress(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.read)
    }

    /// What will have been found wrong with it.
    pub fn damage(&self) -> Damage {
        self.damage.clone()
    }

    /// The plain tar as a stream of pieces, read on a thread of its own. It breaks off when
    /// `given_up` fires, so that the engine does.
    pub fn into_stream(self, given_up: CancellationToken) -> TarStream {
        let (pieces, receiver) = Pieces::new(given_up);
        let mut tar = self.tar;
        tokio::task::spawn_blocking(move || {
            let mut pieces = pieces;
            let copied = io::copy(&mut tar, &mut pieces).and_then(|_| pieces.flush());
            pieces.end(copied, &self.damage);
        });
        receiver
    }

    /// The same without the names that the archive gives to its images, which are told once the
    /// archive has been read.
    pub(crate) fn into_unnamed(
        self,
        given_up: CancellationToken,
    ) -> (TarStream, oneshot::Receiver<Names>) {
        let (pieces, receiver) = Pieces::new(given_up);
        let (told, names) = oneshot::channel();
        tokio::task::spawn_blocking(move || {
            let mut pieces = pieces;
            let written = write_without_names(self.tar, &mut pieces, self.most);
            let ended = written.and_then(|(names, builder)| {
                // Nobody listens who has given up.
                let _ = told.send(names);
                builder.into_inner()?.flush()
            });
            pieces.end(ended, &self.damage);
        });
        (receiver, names)
    }
}

/// Takes a tar as it is written and hands it on piece by piece.
struct Pieces {
    sender: mpsc::Sender<io::Result<Vec<u8>>>,
    given_up: CancellationToken,
    piece: Vec<u8>,
}

impl Pieces {
    fn new(given_up: CancellationToken) -> (Self, TarStream) {
        let (sender, receiver) = mpsc::channel(4);
        let pieces = Self {
            sender,
            given_up,
            piece: Vec::with_capacity(PIECE),
        };
        (pieces, ReceiverStream::new(receiver))
    }

    fn send(&mut self) -> io::Result<()> {
        if self.given_up.is_cancelled() {
            return Err(Unheard::GivenUp.into());
        }
        let piece = std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE));
        let sent = self.sender.blocking_send(Ok(piece));
        sent.map_err(|_| Unheard::NobodyListens.into())
    }

    /// Breaks the stream off where it ended with an error, and notes one that is the archive's.
    fn end(self, ended: io::Result<()>, damage: &Damage) {
        let Err(error) = ended else { return };
        let unheard = error.get_ref().and_then(|inner| inner.downcast_ref());
        match unheard {
            Some(Unheard::NobodyListens) => return,
            Some(Unheard::GivenUp) => {}
            None => damage.note(&error),
        }
        let _ = self.sender.blocking_send(Err(error));
    }
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.piece.len());
        self.piece.extend(&bytes[..count]);
        if self.piece.len() == PIECE {
            self.send()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        match self.piece.is_empty() {
            true => Ok(()),
            false => self.send(),
        }
    }
}

/// Why a piece of a tar is not handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unheard {
    /// The load was given up.
    GivenUp,
    /// The engine has given up, which it says itself.
    NobodyListens,
}

impl From<Unheard> for io::Error {
    fn from(why: Unheard) -> Self {
        Self::other(why)
    }
}

impl fmt::Display for Unheard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("given up")
    }
}

impl std::error::Error for Unheard {}

const PIECE: usize = 1 << 20;

pub(crate) fn read_full(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < piece.len() {
        match reader.read(&mut piece[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Reads no more than so many bytes, and fails where there are more.
struct Bounded<R> {
    inner: R,
    left: u64,
    most: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        let left = self.left.checked_sub(count as u64);
        self.left = left.ok_or_else(|| TooLarge(self.most).into_error())?;
        Ok(count)
    }
}

struct Counted {
    inner: File,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(bytes)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;
    use tokio_stream::StreamExt;

    use super::*;

    const MOST: ByteSize = ByteSize::mib(3);

    fn tar() -> Vec<u8> {
        let mut bytes = vec![7; 3 << 20];
        bytes[257..262].copy_from_slice(b"ustar");
        bytes
    }

    async fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let archive = Archive::open(file.path(), MOST).unwrap();
        assert_eq!(archive.size(), bytes.len() as u64);
        let progress = archive.progress();
        let pieces: Vec<_> = archive
            .into_stream(CancellationToken::new())
            .collect()
            .await;
        assert_eq!(progress.load(Ordering::Relaxed), bytes.len() as u64);
        pieces
            .into_iter()
            .flat_map(|piece| piece.unwrap())
            .collect()
    }

    #[tokio::test]
    async fn an_archive_is_known_by_its_content_and_arrives_as_a_plain_tar() {
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar()).unwrap();
        assert_eq!(unpacked(&gzip.finish().unwrap()).await, tar());
        assert_eq!(
            unpacked(&zstd::encode_all(&tar()[..], 1).unwrap()).await,
            tar()
        );
        assert_eq!(unpacked(&tar()).await, tar());
    }

    #[test]
    fn what_is_no_archive_is_named_with_what_to_do() {
        for bytes in [&b""[..], b"PK\x03\x04 a zip", &[0; 600]] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            let error = Archive::open(file.path(), MOST).err().unwrap();
            assert_eq!(error.kind(), BackendErrorKind::Submission);
            assert!(error.to_string().contains("docker save"), "{error}");
        }
    }

    #[tokio::test]
    async fn an_archive_cut_short_ends_with_an_error() {
        let mut gzip = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar()).unwrap();
        let whole = gzip.finish().unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&whole[..whole.len() / 2]).unwrap();
        let archive = Archive::open(file.path(), MOST).unwrap();
        let damage = archive.damage();
        let pieces: Vec<_> = archive
            .into_stream(CancellationToken::new())
            .collect()
            .await;
        assert!(pieces.last().unwrap().is_err());
        assert!(damage.found().unwrap().what.contains("cut short"));
    }

    #[tokio::test]
    async fn an_archive_that_holds_more_than_it_may_is_read_no_further() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&zstd::encode_all(&vec![0; 64 << 20][..], 1).unwrap())
            .unwrap();
        let archive = Archive::open(file.path(), MOST).unwrap();
        let damage = archive.damage();
        let pieces: Vec<_> = archive
            .into_stream(CancellationToken::new())
            .collect()
            .await;
        assert!(pieces.len() <= 4 && pieces.last().unwrap().is_err());
        let found = damage.found().unwrap();
        assert_eq!(found.what, "holds more than 3.0 MiB unpacked");
        assert!(found.advice.contains("archive_size"));
    }
}
