//! A container's own root that Podman can't remove, such as one nested deeper than Podman may open
//! files. As long as it is there, whatever else Podman is asked fails.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use segarena_formats::removal::remove_tree;
use tokio::process::Command;

use crate::failure::Error;
use crate::place::Place;

/// The root that keeps Podman from something, where its failure names a place in it. `store` is the
/// folder of Podman's images and containers.
pub(crate) fn named_by(failure: &Error, store: &Path) -> Option<PathBuf> {
    let Error::Refused { message, .. } = failure else {
        return None;
    };
    let store = store.to_str()?;
    // What comes before it are Podman's own words.
    let inside = message.split_once(store)?.1.strip_prefix('/')?;
    let mut names = inside.split(['/', ':', ' ']);
    let is_id = |name: &&str| name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit());
    let place = match (names.next()?, names.next()?) {
        ("overlay", id) if is_id(&id) => format!("overlay/{id}/diff"),
        ("vfs", "dir") => format!("vfs/dir/{}", names.next().filter(is_id)?),
        _ => return None,
    };
    Some(Path::new(store).join(place))
}

/// Removes it. `place` is where our service is, if it is ours.
pub(crate) async fn remove(root: PathBuf, place: Option<&Place>) -> io::Result<()> {
    if rustix::process::geteuid().is_root() {
        let removed = tokio::task::spawn_blocking(move || remove_tree(&root)).await;
        return removed.unwrap_or_else(|error| Err(io::Error::other(error)));
    }
    remove_as_podmans_root(&root, place).await
}

/// Where Podman's root is an ordinary user, most users of its containers are nobody outside.
async fn remove_as_podmans_root(root: &Path, place: Option<&Place>) -> io::Result<()> {
    // With a storage of its own, which is in order: what is said last is what counts.
    let storage = tempfile::tempdir()?;
    let podman = match place {
        Some(place) => place.podman(),
        None => std::process::Command::new("podman"),
    };
    let removed = Command::from(podman)
        .arg("--root")
        .arg(storage.path().join("root"))
        .arg("--runroot")
        .arg(storage.path().join("run"))
        .args(["unshare", "rm", "-rf", "--one-file-system", "--"])
        .arg(root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    match removed.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&removed.stderr).trim().to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use hyper::StatusCode;

    use super::*;

    #[test]
    fn a_root_is_known_by_what_podman_says_and_nothing_else_is_taken_for_one() {
        let named = |message: &str| {
            let code = StatusCode::INTERNAL_SERVER_ERROR;
            let message = message.to_owned();
            let root = named_by(&Error::Refused { code, message }, Path::new("/store"));
            root.map(|root| root.display().to_string())
        };
        let id = "0123456789abcdef".repeat(4);
        let failed = "removing container 3f root filesystem: 1 error occurred:\n\t* openfdat";
        assert_eq!(
            named(&format!(
                "{failed} /store/overlay/{id}/diff/d/d: too many open files"
            )),
            Some(format!("/store/overlay/{id}/diff"))
        );
        assert_eq!(
            named(&format!(
                "{failed} /store/vfs/dir/{id}: too many open files"
            )),
            Some(format!("/store/vfs/dir/{id}"))
        );
        for other in [
            "too many open files".to_owned(),
            format!("{failed} /elsewhere/overlay/{id}/diff/d"),
            format!("{failed} /store/overlay/../diff/d"),
            format!("{failed} /store/overlay-layers/{id}"),
            format!("{failed} /store/vfs/dir/..:"),
        ] {
            assert_eq!(named(&other), None, "{other}");
        }
    }
}
