//! Archives of images: told apart by their content, unpacked here, streamed to the engine.
//!
//! `team.tar.gz` may be a plain tar, and some engines refuse a gzip stream that another wrote, so
//! what the engine gets is always the plain tar.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::read::MultiGzDecoder;
use segarena_contract::{BackendError, BackendErrorKind};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

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
    damage: Damage,
    tar: Box<dyn Read + Send>,
}

/// What was found wrong with an archive while it was being read: engines tell only that the
/// stream broke.
#[derive(Debug, Clone, Default)]
pub struct Damage(Arc<Mutex<Option<String>>>);

impl Damage {
    /// The error met, if one was.
    pub fn found(&self) -> Option<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, error: &io::Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }
}

impl Archive {
    /// Opens the archive at `path` and finds out how it is compressed.
    ///
    /// # Errors
    /// When it can't be read, or is no tar, gzip or zstd file.
    pub fn open(path: &Path) -> Result<Self, BackendError> {
        let failed = |error: io::Error| {
            let message = format!("cannot read the archive {}", path.display());
            BackendError::new(BackendErrorKind::Submission, message).with_source(error)
        };
        let mut file = File::open(path).map_err(failed)?;
        let mut beginning = Vec::new();
        file.by_ref()
            .take(512)
            .read_to_end(&mut beginning)
            .map_err(failed)?;
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let compression = Compression::of(&beginning).ok_or_else(|| {
            let message = format!(
                "{} is neither a tar nor a gzip nor a zstd file",
                path.display()
            );
            BackendError::new(BackendErrorKind::Submission, message)
                .with_advice("save the image again: docker save IMAGE | gzip > TEAM.tar.gz")
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
        Ok(Self {
            compressed,
            read,
            damage: Damage::default(),
            tar,
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
        let (sender, receiver) = mpsc::channel(4);
        let mut tar = self.tar;
        let damage = self.damage;
        tokio::task::spawn_blocking(move || {
            loop {
                if given_up.is_cancelled() {
                    let _ = sender.blocking_send(Err(io::Error::other("given up")));
                    return;
                }
                let mut piece = vec![0; PIECE];
                let result = match read_full(&mut tar, &mut piece) {
                    Ok(0) => return,
                    Ok(count) => {
                        piece.truncate(count);
                        Ok(piece)
                    }
                    Err(error) => {
                        damage.note(&error);
                        Err(error)
                    }
                };
                let ends = result.is_err();
                // Nobody listens any more: the engine has given up.
                if sender.blocking_send(result).is_err() || ends {
                    return;
                }
            }
        });
        ReceiverStream::new(receiver)
    }
}

const PIECE: usize = 1 << 20;

fn read_full(reader: &mut impl Read, piece: &mut [u8]) -> io::Result<usize> {
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

    fn tar() -> Vec<u8> {
        let mut bytes = vec![7; 3 << 20];
        bytes[257..262].copy_from_slice(b"ustar");
        bytes
    }

    async fn unpacked(bytes: &[u8]) -> Vec<u8> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        let archive = Archive::open(file.path()).unwrap();
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
            let error = Archive::open(file.path()).err().unwrap();
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
        let pieces: Vec<_> = Archive::open(file.path())
            .unwrap()
            .into_stream(CancellationToken::new())
            .collect()
            .await;
        assert!(pieces.last().unwrap().is_err());
    }
}
