//! What Podman answers when it can't, in words a person can act on.

use std::error::Error as StdError;
use std::io;

use hyper::StatusCode;
use segarena_container::message::shown;
use segarena_contract::{BackendError, BackendErrorKind};
use thiserror::Error;

/// Why a request has no answer that is of use.
#[derive(Debug, Error)]
pub(crate) enum Error {
    #[error("cannot connect: {0}")]
    Connect(#[from] io::Error),
    #[error("it cannot be asked for: {0}")]
    Request(#[from] hyper::http::Error),
    #[error("the connection failed: {}", innermost(.0))]
    Http(#[from] hyper::Error),
    /// The engine answered that it does not.
    #[error("{message} (status {})", code.as_u16())]
    Refused { code: StatusCode, message: String },
    #[error("its answer is no JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// The client's own words and those of the failure underneath, if there is one.
fn innermost(error: &hyper::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The engine's failure while it was `doing` something.
pub(crate) fn of(doing: &str, error: Error) -> BackendError {
    let (kind, advice) = kind_of(&error);
    let vanished = has_vanished(&error);
    let failure =
        BackendError::new(kind, format!("podman: {doing}")).with_source(shown(&error.to_string()));
    let failure = match advice {
        Some(advice) => failure.with_advice(advice),
        None => failure,
    };
    match kind {
        BackendErrorKind::Unavailable | BackendErrorKind::NoSpace => failure.temporary(),
        _ if vanished => failure.temporary(),
        _ => failure,
    }
}

/// The engine's failure to tell what is in its store, however often it was asked.
pub(crate) fn of_store(doing: &str, error: Error) -> BackendError {
    let is_the_engines = is_the_engines(&error);
    let failure = of(doing, error);
    if !is_the_engines || failure.kind() != BackendErrorKind::Engine {
        return failure;
    }
    failure.temporary().with_advice(
        "something in Podman's store is damaged if `podman images` or `podman ps -a` fails as \
         well: remove what it names (Podman 5 finds more with `podman system check`)",
    )
}

/// Whether Podman failed because something that it had just seen is gone: somebody else, another
/// run perhaps, removed it meanwhile.
fn has_vanished(error: &Error) -> bool {
    let text = error.to_string();
    [
        "image not known",
        "layer not known",
        "no such container",
        "no container with name or ID",
        "does not exist in database",
    ]
    .iter()
    .any(|gone| text.contains(gone))
}

fn kind_of(error: &Error) -> (BackendErrorKind, Option<&'static str>) {
    let not_running = "is the service running? set `socket` under [backend] or CONTAINER_HOST to \
                       where it listens, or unset both and segarena starts its own";
    match io_kind(error) {
        Some(io::ErrorKind::PermissionDenied) => {
            let advice = "the socket belongs to somebody else: use your own service (unset \
                          `socket` and CONTAINER_HOST)";
            return (BackendErrorKind::Permission, Some(advice));
        }
        Some(_) => return (BackendErrorKind::Unavailable, Some(not_running)),
        None => {}
    }
    if is_cut_off(error) {
        return (BackendErrorKind::Unavailable, Some(not_running));
    }
    let text = error.to_string();
    if text.contains("no space left on device") {
        let advice = "free the disk that holds the engine's images and its temporary files \
                      (TMPDIR): podman system df, podman system prune";
        return (BackendErrorKind::NoSpace, Some(advice));
    }
    if text.contains("unresolvable CDI devices") || text.contains("nvidia.com/gpu") {
        let advice = "describe the cards to Podman with `nvidia-ctk cdi generate`, or set gpus = \
                      \"none\"";
        return (BackendErrorKind::Unsupported, Some(advice));
    }
    (BackendErrorKind::Engine, None)
}

/// Whether the service ended in the middle of an answer.
fn is_cut_off(error: &Error) -> bool {
    match error {
        Error::Http(error) => {
            error.is_incomplete_message() || error.is_closed() || error.is_canceled()
        }
        _ => false,
    }
}

/// The system's error underneath, wherever the client has put it.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        next = error.source();
    }
    None
}

/// Whether the engine answered and says that the failure is its own.
pub(crate) fn is_the_engines(error: &Error) -> bool {
    status(error).is_some_and(|code| code >= 500)
}

/// The status code of the engine's answer, when it is the answer that failed.
pub(crate) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::Refused { code, .. } => Some(code.as_u16()),
        _ => None,
    }
}
