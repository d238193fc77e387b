//! Where a service of ours has its socket, and its Podman images and containers.
//!
//! An ordinary user's are below the home folder, and what is there only while Podman runs in the
//! folder that `XDG_RUNTIME_DIR` names. On a node of a cluster the first is often a file server's,
//! and the second that of another machine: then both are made on this machine's own disk, for this
//! run alone.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{Access, access};
use segarena_formats::removal::remove_tree;
use tempfile::TempDir;

use crate::abandoned::{self, SOCKET};
use crate::file_system::network;
use crate::usual_store::usual_store;

/// A folder for services, and what they and other commands of Podman must be told.
#[derive(Debug)]
pub(crate) struct Place {
    /// Podman's program.
    program: PathBuf,
    runtime_folder: RuntimeFolder,
    /// Goes before the folder does.
    own: Option<OwnStorage>,
    folder: TempDir,
}

impl Place {
    /// What suits this user on this machine. What killed runs have left is removed first.
    ///
    /// # Errors
    /// When no folder can be made.
    pub(crate) fn find(program: PathBuf) -> io::Result<Self> {
        clear_away(&program);
        let place = Self {
            program,
            runtime_folder: RuntimeFolder::find(),
            own: None,
            folder: abandoned::new_folder(&short_temporary_folder())?,
        };
        if is_root() {
            return Ok(place);
        }
        let far = usual_store().and_then(|store| Some((network(&store)?, store)));
        match far {
            None => Ok(place),
            Some((file_system, store)) => place.with_own_storage(format!(
                "its usual place, {}, is on a file server ({file_system})",
                store.display()
            )),
        }
    }

    /// Whether Podman may fail here for no other reason than that its runtime folder is missing.
    pub(crate) fn may_lack_a_runtime_folder(&self) -> bool {
        !is_root() && self.own.is_none() && self.runtime_folder != RuntimeFolder::Usable
    }

    /// The same with images and containers of its own.
    ///
    /// # Errors
    /// When they have no place.
    pub(crate) fn with_own_storage(mut self, why: String) -> io::Result<Self> {
        let program = self.program.clone();
        self.own = Some(OwnStorage::new(program, self.folder.path(), why)?);
        Ok(self)
    }

    /// Where services of this place write what they have to say, and what they drop.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join(SOCKET)
    }

    /// Podman with what it must be told to be here, but for a command.
    pub(crate) fn podman(&self) -> Command {
        let mut podman = Command::new(&self.program);
        match (&self.own, &self.runtime_folder) {
            (Some(own), _) => own.tell(&mut podman),
            (None, RuntimeFolder::Unusable(_)) => {
                podman.env_remove(RUNTIME_FOLDER);
            }
            (None, _) => {}
        }
        podman
    }

    /// What a person should know of it.
    pub(crate) fn caution(&self) -> Option<String> {
        let own = self.own.as_ref()?;
        Some(format!(
            "Podman has images and containers in {} for this run alone, so that none is there \
             before it or after it: {}",
            own.folder.display(),
            own.why
        ))
    }

    /// Why the folder that the environment names is of no use, where it names one.
    pub(crate) fn runtime_folder(&self) -> &RuntimeFolder {
        &self.runtime_folder
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

const RUNTIME_FOLDER: &str = "XDG_RUNTIME_DIR";

/// The folder that `XDG_RUNTIME_DIR` names, for what is there only while a user is logged in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RuntimeFolder {
    /// None is named.
    Unnamed,
    /// One is named and is not there, or not ours: the text says which and why.
    Unusable(String),
    Usable,
}

impl RuntimeFolder {
    fn find() -> Self {
        match std::env::var_os(RUNTIME_FOLDER) {
            None => Self::Unnamed,
            Some(path) => Self::at(Path::new(&path)),
        }
    }

    fn at(path: &Path) -> Self {
        let trouble = match path.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is not there",
            Err(_) => "can't be looked at",
            Ok(found) if !found.is_dir() => "is no folder",
            Ok(found) if found.uid() != rustix::process::geteuid().as_raw() => {
                "belongs to another user"
            }
            Ok(found) if found.mode() & 0o700 != 0o700 => "is closed",
            Ok(_) => return Self::Usable,
        };
        Self::Unusable(format!(
            "{RUNTIME_FOLDER} is {}, which {trouble}",
            path.display()
        ))
    }
}

const SETTINGS: &str = "XDG_CONFIG_HOME";

/// Whether the user's settings are in a folder that can be written to.
fn may_have_settings() -> bool {
    let below_home = || Some(Path::new(&std::env::var_os("HOME")?).join(".config"));
    let folder = std::env::var_os(SETTINGS)
        .map(PathBuf::from)
        .or_else(below_home);
    let there = folder.and_then(|path| {
        path.ancestors()
            .find(|path| path.exists())
            .map(Path::to_owned)
    });
    there.is_some_and(|path| access(&path, Access::WRITE_OK).is_ok())
}

/// Images and containers of our own. They go when dropped.
#[derive(Debug)]
struct OwnStorage {
    program: PathBuf,
    /// With the images, which want room.
    folder: PathBuf,
    /// With what Podman wants in a folder with a short name.
    runtime: PathBuf,
    why: String,
}

/// In the short folder: a link to the one with room.
const STORAGE: &str = "storage";
/// In the folder with room: images and containers.
const IMAGES: &str = "root";

impl OwnStorage {
    fn new(program: PathBuf, runtime: &Path, why: String) -> io::Result<Self> {
        let own = Self {
            program,
            folder: abandoned::new_folder(&roomy_temporary_folder())?.keep(),
            runtime: runtime.to_owned(),
            why,
        };
        fs::create_dir(own.folder.join(IMAGES))?;
        fs::create_dir(own.temporary())?;
        symlink(&own.folder, runtime.join(STORAGE))?;
        // By which it is known that somebody still speaks to a service of these images.
        symlink(runtime.join(SOCKET), own.folder.join(SOCKET))?;
        Ok(own)
    }

    /// What a killed run left; `runtime` is any short folder.
    fn left_in(folder: PathBuf, program: &Path, runtime: &Path) -> Self {
        Self {
            program: program.to_owned(),
            folder,
            runtime: runtime.to_owned(),
            why: String::new(),
        }
    }

    /// For archives on their way.
    fn temporary(&self) -> PathBuf {
        self.folder.join("tmp")
    }

    fn images(&self) -> PathBuf {
        self.folder.join(IMAGES)
    }

    /// Podman takes one of 50 characters at most.
    fn running(&self) -> PathBuf {
        self.runtime.join("run")
    }

    fn tell(&self, podman: &mut Command) {
        podman
            .env(RUNTIME_FOLDER, &self.runtime)
            // What it keeps of where images came from, in databases with locks.
            .env("XDG_DATA_HOME", &self.folder)
            .env("XDG_CACHE_HOME", self.temporary())
            .env("TMPDIR", self.temporary())
            .arg("--root")
            .arg(self.images())
            .arg("--runroot")
            .arg(self.running());
        if !may_have_settings() {
            // It makes a folder for settings where there is none.
            podman.env(SETTINGS, &self.folder);
        }
    }

    /// Runs Podman. What it fails at is seen by what is left.
    fn podman(&self, arguments: &[&str], paths: &[PathBuf]) {
        let mut podman = Command::new(&self.program);
        self.tell(&mut podman);
        let ran = podman
            .args(arguments)
            .args(paths)
            .stdin(Stdio::null())
            .current_dir(&self.runtime)
            .output();
        match ran {
            Ok(ran) => tracing::debug!(
                ?arguments,
                status = %ran.status,
                said = %String::from_utf8_lossy(&ran.stderr),
                "podman"
            ),
            Err(error) => tracing::warn!(?arguments, %error, "podman can't be run"),
        }
    }
}

impl Drop for OwnStorage {
    fn drop(&mut self) {
        self.podman(&["rm", "--all", "--force", "--time=0"], &[]);
        // Most of it belongs to users that are nobody outside.
        self.podman(
            &["unshare", "rm", "-rf", "--"],
            &[self.images(), self.running()],
        );
        // It ends the process that keeps those users' namespace, and mounts in it.
        self.podman(&["system", "migrate"], &[]);
        if let Err(error) = remove_tree(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "Podman's images are left");
        }
    }
}

/// Removes what killed runs have left.
fn clear_away(program: &Path) {
    let mut places = vec![
        short_temporary_folder(),
        std::env::temp_dir(),
        roomy_temporary_folder(),
    ];
    places.sort();
    places.dedup();
    let all = || places.iter().flat_map(|place| abandoned::abandoned(place));
    for folder in all() {
        tracing::debug!(?folder, "removing what a killed run left");
        if let Ok(storage) = fs::read_link(folder.join(STORAGE)) {
            drop(OwnStorage::left_in(storage, program, &folder));
        }
    }
    // Those with images whose short folder went with another's disk are left of the former.
    for folder in all() {
        let has_images = folder.join(IMAGES).is_dir();
        if has_images && let Ok(runtime) = abandoned::new_folder(&short_temporary_folder()) {
            drop(OwnStorage::left_in(folder.clone(), program, runtime.path()));
        }
        let _ = fs::remove_dir_all(folder);
    }
}

/// Where a socket's path, which has room for about a hundred bytes, and Podman's running state,
/// whose path has room for fifty, can be.
fn short_temporary_folder() -> PathBuf {
    let usual = std::env::temp_dir();
    let short = PathBuf::from("/tmp");
    let is_long = usual.as_os_str().len() > LONGEST;
    match is_long && access(&short, Access::WRITE_OK).is_ok() {
        true => short,
        false => usual,
    }
}

/// With the names that are added to it, Podman's fifty are not reached.
const LONGEST: usize = 20;

/// Where images have room: the job's own folder on this machine's disk, where there is one.
fn roomy_temporary_folder() -> PathBuf {
    let of_job = std::env::var_os("SLURM_TMPDIR").map(PathBuf::from);
    let usual = std::env::temp_dir();
    let others = [usual.clone(), "/tmp".into(), "/var/tmp".into()];
    let is_suitable = |path: &PathBuf| {
        path.is_dir() && access(path, Access::WRITE_OK).is_ok() && network(path).is_none()
    };
    let mut candidates = of_job.into_iter().chain(others);
    candidates.find(is_suitable).unwrap_or(usual)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_runtime_folder_is_of_use_where_it_is_there_and_ours() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(RuntimeFolder::at(folder.path()), RuntimeFolder::Usable);
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o500)).unwrap();
        let file = folder.path().join("file");
        for (path, trouble) in [
            (folder.path(), "is closed"),
            (&*file, "is not there"),
            (Path::new("/proc/version"), "is no folder"),
        ] {
            let expected = format!("XDG_RUNTIME_DIR is {}, which {trouble}", path.display());
            assert_eq!(RuntimeFolder::at(path), RuntimeFolder::Unusable(expected));
        }
    }
}
