//! What Docker answers when it can't, in words a person can act on.

use std::error::Error as StdError;
use std::io;

use bollard::errors::Error;
use segarena_container::message::shown;
use segarena_contract::{BackendError, BackendErrorKind};

/// The engine's failure while it was `doing` something.
pub(crate) fn of(doing: &str, error: Error) -> BackendError {
    let (kind, advice) = kind_of(&error);
    let temporary = matches!(
        kind,
        BackendErrorKind::Unavailable | BackendErrorKind::NoSpace
    );
    let mut failure = BackendError::new(kind, format!("docker: {doing}")).with_source(cause(error));
    if let Some(advice) = advice {
        failure = failure.with_advice(advice);
    }
    if temporary {
        failure = failure.temporary();
    }
    failure
}

/// The error that says most: the engine's answer, else the system's own words, which the client
/// wraps in layers that say nothing.
fn cause(error: Error) -> Box<dyn StdError + Send + Sync> {
    match io_error(&error) {
        Some(system) => system.to_string().into(),
        None => shown(&error.to_string()).into(),
    }
}

fn kind_of(error: &Error) -> (BackendErrorKind, Option<&'static str>) {
    match io_kind(error) {
        Some(io::ErrorKind::PermissionDenied) => {
            return (
                BackendErrorKind::Permission,
                Some(
                    "the engine's socket belongs to the group `docker`: sudo usermod -aG docker \
                     $USER, then log in again; or use kind = \"podman\"",
                ),
            );
        }
        Some(
            io::ErrorKind::NotFound
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof,
        ) => return (BackendErrorKind::Unavailable, Some(NOT_RUNNING)),
        _ => {}
    }
    let text = error.to_string();
    if text.contains("no space left on device") {
        let advice = "free the disk that holds the engine's images: docker system df, docker \
                      system prune";
        return (BackendErrorKind::NoSpace, Some(advice));
    }
    if text.contains("could not select device driver") || text.contains("nvidia") {
        let advice = "the engine has no runtime for graphics cards: install the NVIDIA container \
                      toolkit, or set gpus = \"none\"";
        return (BackendErrorKind::Unsupported, Some(advice));
    }
    match error {
        Error::SocketNotFoundError(_) => (BackendErrorKind::Unavailable, Some(NOT_RUNNING)),
        Error::RequestTimeoutError => (BackendErrorKind::Unavailable, None),
        // An answer was given, whatever names of the image's it holds.
        Error::DockerResponseServerError { .. } => (BackendErrorKind::Engine, None),
        _ if GONE.iter().any(|words| text.contains(words)) => {
            (BackendErrorKind::Unavailable, Some(NOT_RUNNING))
        }
        _ => (BackendErrorKind::Engine, None),
    }
}

/// What the client says when nobody listens, or the engine ends in the middle of an answer.
const GONE: [&str; 5] = [
    "error trying to connect",
    "client error (Connect)",
    "client error (SendRequest)",
    "connection closed before message completed",
    "error reading a body from connection",
];

const NOT_RUNNING: &str = "is the engine running? sudo systemctl start docker; or set `socket` \
                           under [backend] or DOCKER_HOST to where it listens";

fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    io_error(error).map(io::Error::kind)
}

/// The system's error underneath, wherever the client has put it.
fn io_error(error: &Error) -> Option<&io::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        next = error.source();
    }
    None
}

/// The engine's status code, when it is its answer that failed.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}
