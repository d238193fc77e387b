//! What Podman answers when it can't, in words a person can act on.

use std::error::Error as StdError;
use std::io;

use podman_api::Error;
use segarena_container::message::shown;
use segarena_contract::{BackendError, BackendErrorKind};

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
    let text = error.to_string();
    if status(error).is_none() && text.contains(CUT_OFF) {
        return (BackendErrorKind::Unavailable, Some(not_running));
    }
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

/// What the client says when the service ends in the middle of an answer.
const CUT_OFF: &str = "connection closed before message completed";

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
        Error::Fault { code, .. } => Some(code.as_u16()),
        _ => None,
    }
}
