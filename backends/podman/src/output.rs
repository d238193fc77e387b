//! What a container prints, as the engine sends it: both streams in one, piece by piece.

use segarena_container::engine::Output;
use segarena_contract::LogStream;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

/// A piece is told in parts of so many bytes at most, however long it says it is.
const LONGEST: usize = 64 * 1024;

/// The pieces of such a connection, until it ends.
pub(crate) fn of(mut stream: impl AsyncRead + Send + Unpin + 'static) -> Output {
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        // It ends with the container, and where it breaks off there is nothing more to read.
        while let Ok((stream_of, length)) = header(&mut stream).await {
            let mut left = length;
            while left > 0 {
                let mut piece = vec![0; left.min(LONGEST)];
                let Ok(read @ 1..) = stream.read(&mut piece).await else {
                    return;
                };
                piece.truncate(read);
                left -= read;
                if sender.send((stream_of, piece)).await.is_err() {
                    return;
                }
            }
        }
    });
    receiver
}

/// Which stream the next piece is of, and how many bytes it has: Docker's multiplexed format, a
/// byte for the stream, three that are 0, the length with its highest byte first.
async fn header(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<(LogStream, usize)> {
    let mut header = [0; 8];
    stream.read_exact(&mut header).await?;
    let [kind, _, _, _, length @ ..] = header;
    let stream_of = match kind {
        2 => LogStream::Stderr,
        _ => LogStream::Stdout,
    };
    Ok((stream_of, u32::from_be_bytes(length) as usize))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn told(bytes: &[u8]) -> Vec<(LogStream, String)> {
        let mut output = of(std::io::Cursor::new(bytes.to_vec()));
        let mut told = Vec::new();
        while let Some((stream, piece)) = output.recv().await {
            told.push((stream, String::from_utf8(piece).unwrap()));
        }
        told
    }

    #[tokio::test]
    async fn pieces_are_of_the_stream_that_their_header_names() {
        let bytes = b"\x01\0\0\0\0\0\0\x02hi\x02\0\0\0\0\0\0\x04oops\x01\0\0\0\0\0\0\0";
        let expected = [(LogStream::Stdout, "hi"), (LogStream::Stderr, "oops")];
        assert_eq!(
            told(bytes).await,
            expected.map(|(stream, piece)| (stream, piece.to_owned()))
        );
    }

    #[tokio::test]
    async fn a_piece_that_breaks_off_is_told_as_far_as_it_came() {
        let bytes = b"\x01\0\0\0\xff\xff\xff\xffhalf";
        assert_eq!(told(bytes).await, [(LogStream::Stdout, "half".to_owned())]);
        assert_eq!(told(b"\x01\0\0").await, []);
    }
}
