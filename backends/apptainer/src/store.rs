//! Converted images: made once, found again by the next run and by other nodes.
//!
//! Each is a folder of the store that is named by what it was made from and how, and holds the
//! image and its configuration. It is made under a temporary name and renamed, so whatever has the
//! name is whole; of several who make the same one the first stays.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytesize::ByteSize;
use segarena_child::ProcessIdentity;
use segarena_container::archive::{Archive, Defect, SAVE_AGAIN};
use segarena_container::tags;
use segarena_contract::{BackendError, BackendErrorKind, Ending, PrepareProgress};
use segarena_formats::known_file::KnownFile;
use segarena_formats::removal::remove_tree;
use segarena_formats::whole_file::WholeFile;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_stream::StreamExt;
use tokio_util::sync::CancellationToken;

use crate::docker_archive::{image_config, keep_only, manifest};
use crate::failure::fatal_words;
use crate::image::{CONFIG_FILE, Image, ImageConfig};
use crate::launcher::{Launcher, request};

/// A folder of converted images.
#[derive(Debug)]
pub(crate) struct Store<'a> {
    pub(crate) folder: &'a Path,
    pub(crate) launcher: &'a Launcher,
    /// What an archive may hold unpacked.
    pub(crate) archive_size: ByteSize,
}

/// What an image is converted into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One file, which is mounted.
    Sif,
    /// A folder: where no SIF can be mounted, each start would unpack it anew.
    Sandbox,
}

impl Form {
    /// The image's name in its folder of the store.
    fn file(self) -> &'static str {
        match self {
            Self::Sif => "image.sif",
            Self::Sandbox => "rootfs",
        }
    }

    fn suffix(self) -> &'static str {
        match self {
            Self::Sif => "sif",
            Self::Sandbox => "sandbox",
        }
    }
}

impl Store<'_> {
    /// The image of an archive that `docker save` wrote.
    ///
    /// # Errors
    /// [`BackendErrorKind::Submission`] when the archive holds no image that can be converted.
    pub(crate) async fn of_archive(
        &self,
        submission: &str,
        archive: &Path,
        progress: &dyn PrepareProgress,
    ) -> Result<Image, BackendError> {
        let refusal = Refusal {
            submission,
            file: archive,
        };
        // What is no archive is said before it is read to its end.
        Archive::open(archive, self.archive_size)?;
        let form = match self.launcher.no_sif {
            None => Form::Sif,
            Some(_) => Form::Sandbox,
        };
        let name = self.name(archive, form, &refusal, progress).await?;
        if let Some(image) = self.find(&name, form) {
            return Ok(image);
        }
        let making = self.begin(&name)?;
        let tar = making.path.join("image.tar");
        let config = self
            .unpack(archive, &tar, &refusal, &making, progress)
            .await?;
        refusal.check_architecture(&config)?;
        progress.note(&format!(
            "converting the image to a {} in {}",
            form.suffix(),
            self.folder.display()
        ));
        let rootfs = making.path.join(Form::Sandbox.file());
        self.build(
            &making,
            &["--sandbox", "rootfs", "docker-archive:image.tar"],
            &refusal,
        )
        .await?;
        fs::remove_file(&tar).map_err(|error| self.failed(&error))?;
        complete(&rootfs, &config).map_err(|error| self.failed(&error))?;
        if form == Form::Sif {
            self.build(&making, &["image.sif", "rootfs"], &refusal)
                .await?;
            remove_tree(&rootfs).map_err(|error| self.failed(&error))?;
        }
        let text = serde_json::to_vec_pretty(&config).unwrap_or_default();
        fs::write(making.path.join(CONFIG_FILE), text).map_err(|error| self.failed(&error))?;
        self.publish(making, &name, form)
    }

    /// The sandbox of a SIF file, for a machine that can't mount it.
    ///
    /// # Errors
    /// As [`of_archive`](Self::of_archive).
    pub(crate) async fn of_sif(
        &self,
        submission: &str,
        sif: &Path,
        progress: &dyn PrepareProgress,
    ) -> Result<Image, BackendError> {
        let refusal = Refusal {
            submission,
            file: sif,
        };
        let form = Form::Sandbox;
        let name = self.name(sif, form, &refusal, progress).await?;
        if let Some(image) = self.find(&name, form) {
            return Ok(image);
        }
        let making = self.begin(&name)?;
        std::os::unix::fs::symlink(sif, making.path.join("given.sif"))
            .map_err(|error| self.failed(&error))?;
        progress.note(&format!(
            "unpacking {} in {}: {}",
            sif.display(),
            self.folder.display(),
            self.launcher
                .no_sif
                .as_deref()
                .unwrap_or("it can't be mounted")
        ));
        self.build(&making, &["--sandbox", "rootfs", "given.sif"], &refusal)
            .await?;
        self.publish(making, &name, form)
    }

    /// The name in the store of what is made from this file.
    async fn name(
        &self,
        file: &Path,
        form: Form,
        refusal: &Refusal<'_>,
        progress: &dyn PrepareProgress,
    ) -> Result<String, BackendError> {
        let digest = self
            .digest(file, progress)
            .await
            .map_err(|error| refusal.unreadable(&error))?;
        Ok(format!("{}-{}", &digest[..32], form.suffix()))
    }

    /// The SHA-256 of a file's content, which is read only if it was not before, by whichever
    /// machine, or has changed since: archives are large and shards many.
    ///
    /// # Errors
    /// When it can't be read.
    pub(crate) async fn digest(
        &self,
        file: &Path,
        progress: &dyn PrepareProgress,
    ) -> io::Result<String> {
        let now = KnownFile::at(file)?;
        let name = digest(now.path.as_os_str().as_encoded_bytes());
        let note = self.folder.join(format!("{READ}{}.json", &name[..16]));
        let known = fs::read(&note).ok();
        let known = known.and_then(|text| serde_json::from_slice::<ReadFile>(&text).ok());
        if let Some(known) = known.filter(|known| known.file == now) {
            return Ok(known.sha256);
        }
        let read = ReadFile {
            sha256: digest_of(file, progress).await?,
            file: now,
        };
        if let Err(error) = read.keep(&note) {
            tracing::debug!(%error, "a digest is not kept; the file is read again the next time");
        }
        Ok(read.sha256)
    }

    fn find(&self, name: &str, form: Form) -> Option<Image> {
        let path = self.folder.join(name).join(form.file());
        path.exists().then(|| Image::at(&path))
    }

    /// A folder under a temporary name, which says whose it is; what others have left behind who
    /// are gone is removed.
    fn begin(&self, name: &str) -> Result<Making, BackendError> {
        fs::create_dir_all(self.folder).map_err(|error| self.failed(&error))?;
        for entry in fs::read_dir(self.folder).into_iter().flatten().flatten() {
            let file = entry.file_name();
            let owner = file.to_str().and_then(|file| {
                let (_, owner) = file.strip_prefix(MAKING)?.split_once('.')?;
                ProcessIdentity::parse(owner)
            });
            if owner.is_some_and(|owner| owner.is_gone()) {
                // Another run may be removing it as well.
                let _ = remove_tree(&entry.path());
            }
        }
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = self.folder.join(format!(
            "{MAKING}{name}-{number}.{}",
            ProcessIdentity::own()
        ));
        fs::create_dir(&path).map_err(|error| self.failed(&error))?;
        Ok(Making { path })
    }

    /// Gives what was made its name. Where another has been faster, that one's is used.
    fn publish(&self, making: Making, name: &str, form: Form) -> Result<Image, BackendError> {
        let place = self.folder.join(name);
        let _ = fs::remove_file(making.path.join("given.sif"));
        let _ = fs::remove_file(making.path.join("log"));
        match fs::rename(&making.path, &place) {
            Ok(()) => {}
            Err(_) if place.join(form.file()).exists() => {}
            Err(error) => return Err(self.failed(&error)),
        }
        Ok(Image::at(&place.join(form.file())))
    }

    /// Writes the archive's plain tar, with one image alone, and returns what that one says.
    async fn unpack(
        &self,
        archive: &Path,
        tar: &Path,
        refusal: &Refusal<'_>,
        making: &Making,
        progress: &dyn PrepareProgress,
    ) -> Result<ImageConfig, BackendError> {
        let opened = Archive::open(archive, self.archive_size)?;
        let (size, read, damage) = (opened.size(), opened.progress(), opened.damage());
        let given_up = CancellationToken::new();
        let _gives_up_with_us = given_up.clone().drop_guard();
        let mut pieces = opened.into_stream(given_up);
        let file = File::create(tar).map_err(|error| self.failed(&error))?;
        let mut file = Arc::new(file);
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|error| {
                let found = damage.found().unwrap_or_else(|| Defect::of(&error));
                refusal.with_advice(&found.what, found.advice)
            })?;
            let written =
                tokio::task::spawn_blocking(move || (&*file).write_all(&piece).map(|()| file));
            file = joined(written.await).map_err(|error| self.failed(&error))?;
            progress.bytes(
                "unpacking archive",
                read.load(Ordering::Relaxed),
                Some(size),
            );
        }
        let (tar, name) = (tar.to_owned(), refusal.submission.to_owned());
        let other = making.path.join("several.tar");
        let looked = tokio::task::spawn_blocking(move || look(&tar, &other, &name));
        let (config, remark) =
            joined(looked.await).map_err(|error| refusal.because(&error.to_string()))?;
        if let Some(remark) = remark {
            progress.note(&remark);
        }
        Ok(config)
    }

    /// Runs `apptainer build` in the folder of what is being made.
    async fn build(
        &self,
        making: &Making,
        words: &[&str],
        refusal: &Refusal<'_>,
    ) -> Result<(), BackendError> {
        let log = making.path.join("log");
        let cancel = CancellationToken::new();
        let request = request(&making.path, &log, LONGEST_BUILD, cancel);
        let arguments = ["-s", "build", "--disable-cache"].iter().chain(words);
        let arguments = arguments.map(|&word| match word {
            // The program runs elsewhere; these have no colon, which it would take for a tag's.
            name if name == "rootfs" || name.ends_with(".sif") => {
                making.path.join(name).to_string_lossy().into_owned()
            }
            name => name.replace(
                "docker-archive:",
                &format!("docker-archive:{}/", making.path.display()),
            ),
        });
        let built = self
            .launcher
            .run((arguments.collect(), Vec::new()), &request);
        let built = built.await?;
        if built.ending == (Ending::Exited { code: 0 }) {
            return Ok(());
        }
        let said = &built.tails.stderr;
        let words = fatal_words(said).unwrap_or_else(|| said.trim().to_owned());
        if words.contains("no space left on device") {
            let message = format!("no room to convert an image: {words}");
            return Err(
                BackendError::new(BackendErrorKind::NoSpace, message).with_advice(
                    "name a larger disk by `image_dir`, and by APPTAINER_TMPDIR for its own files",
                ),
            );
        }
        let name = self.launcher.name;
        Err(refusal.because(&format!("could not be converted by {name}: {words}")))
    }

    fn failed(&self, error: &io::Error) -> BackendError {
        let kind = match error.kind() {
            io::ErrorKind::StorageFull => BackendErrorKind::NoSpace,
            io::ErrorKind::PermissionDenied => BackendErrorKind::Permission,
            _ => BackendErrorKind::Engine,
        };
        let message = format!(
            "cannot keep a converted image in {}: {error}",
            self.folder.display()
        );
        BackendError::new(kind, message)
            .with_advice("name a folder with room for it by `image_dir` under [backend]")
    }
}

/// A file and what its content was.
#[derive(Debug, Serialize, Deserialize)]
struct ReadFile {
    file: KnownFile,
    sha256: String,
}

impl ReadFile {
    fn keep(&self, note: &Path) -> io::Result<()> {
        fs::create_dir_all(note.parent().unwrap_or(Path::new("")))?;
        let mut file = WholeFile::create(note)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.finish()
    }
}

/// Begins the names of notes of files that were read.
const READ: &str = "read-";
/// Begins the names of folders that are not whole yet.
const MAKING: &str = ".making-";
/// No image takes this long.
const LONGEST_BUILD: Duration = Duration::from_secs(6 * 3600);

/// A folder that is not whole yet; it goes when it is given up.
struct Making {
    path: PathBuf,
}

impl Drop for Making {
    fn drop(&mut self) {
        if let Err(error) = remove_tree(&self.path) {
            tracing::warn!(%error, folder = %self.path.display(), "an unfinished image is left");
        }
    }
}

/// What can't be converted, for saying so.
struct Refusal<'a> {
    submission: &'a str,
    file: &'a Path,
}

impl Refusal<'_> {
    fn because(&self, what: &str) -> BackendError {
        self.with_advice(what, SAVE_AGAIN)
    }

    fn with_advice(&self, what: &str, advice: &str) -> BackendError {
        let (name, file) = (self.submission, self.file.display());
        let message = format!("submission `{name}`: {file} {what}");
        BackendError::new(BackendErrorKind::Submission, message).with_advice(advice)
    }

    /// Says that an image is for another machine, before it is converted.
    fn check_architecture(&self, config: &ImageConfig) -> Result<(), BackendError> {
        let here = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        let there = &config.facts.architecture;
        if there.is_empty() || there == here {
            return Ok(());
        }
        let name = self.submission;
        let message =
            format!("submission `{name}`: its image is for {there} and this machine is {here}");
        Err(BackendError::new(BackendErrorKind::Submission, message)
            .with_advice(format!("build it with --platform linux/{here}")))
    }

    fn unreadable(&self, error: &io::Error) -> BackendError {
        let (name, file) = (self.submission, self.file.display());
        let message = format!("submission `{name}`: cannot read {file}: {error}");
        BackendError::new(BackendErrorKind::Submission, message)
    }
}

/// Chooses the image to run and, where there are several, leaves it alone in the archive.
fn look(tar: &Path, other: &Path, team: &str) -> io::Result<(ImageConfig, Option<String>)> {
    let entries =
        manifest(tar).map_err(|error| io::Error::other(format!("holds no image: {error}")))?;
    let names: Vec<String> = entries.iter().flat_map(|entry| entry.names()).collect();
    let (name, remark) =
        tags::choose(team, &names).ok_or_else(|| io::Error::other("holds no image"))?;
    let chosen = entries.iter().find(|entry| entry.names().contains(&name));
    let chosen = chosen.ok_or_else(|| io::Error::other("holds no image"))?;
    if entries.len() > 1 {
        keep_only(tar, chosen, other)?;
        fs::rename(other, tar)?;
    }
    let mut config = image_config(tar, chosen, &name)
        .map_err(|error| io::Error::other(format!("holds an image that can't be read: {error}")))?;
    config.facts.archive_names = names;
    Ok((config, remark))
}

/// Gives an unpacked image what an engine would: its working folder, and root's home where its
/// processes believe themselves to be root.
fn complete(rootfs: &Path, config: &ImageConfig) -> io::Result<()> {
    let workdir = rootfs.join(config.facts.workdir.trim_start_matches('/'));
    // A link in a stranger's image may lead anywhere; what is no plain folder is left as it is.
    let is_plain = |path: &Path| {
        path.ancestors()
            .take_while(|part| *part != rootfs)
            .all(|part| !part.is_symlink())
    };
    if is_plain(&workdir) && !config.facts.workdir.contains("..") {
        // A file in its place is the image's own mistake, which its start will tell.
        let _ = fs::create_dir_all(&workdir);
    }
    let scripts = rootfs.join(".singularity.d/env");
    if config.runs_as_root() && is_plain(&scripts) && scripts.is_dir() {
        let home = rootfs.join("root");
        if is_plain(&home) {
            let _ = fs::create_dir_all(&home);
        }
        // Between the image's own variables and what is passed on.
        let script = scripts.join("11-home.sh");
        fs::write(&script, "#!/bin/sh\nexport HOME=/root\n")?;
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// A SHA-256 in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// The SHA-256 of a file's content.
///
/// # Errors
/// When it can't be read.
async fn digest_of(path: &Path, progress: &dyn PrepareProgress) -> io::Result<String> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let given_up = CancellationToken::new();
    let _gives_up_with_us = given_up.clone().drop_guard();
    let mut reading = tokio::task::spawn_blocking(move || {
        let mut hash = Sha256::new();
        let mut piece = vec![0; 1 << 20];
        loop {
            match file.read(&mut piece) {
                Ok(0) => return Ok(hex::encode(hash.finalize())),
                Ok(count) => {
                    hash.update(&piece[..count]);
                    counted.fetch_add(count as u64, Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            if given_up.is_cancelled() {
                return Err(io::Error::other("given up"));
            }
        }
    });
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            read = &mut reading => return joined(read),
            _ = tick.tick() => {
                progress.bytes("reading image", read.load(Ordering::Relaxed), Some(size));
            }
        }
    }
}

fn joined<T>(result: Result<io::Result<T>, tokio::task::JoinError>) -> io::Result<T> {
    result.unwrap_or_else(|error| Err(io::Error::other(error)))
}

#[cfg(test)]
mod tests {
    use segarena_contract::ImageFacts;

    use super::*;

    fn config() -> ImageConfig {
        with_workdir("/work/deep")
    }

    fn with_workdir(workdir: &str) -> ImageConfig {
        ImageConfig {
            facts: ImageFacts {
                workdir: workdir.to_owned(),
                ..ImageFacts::default()
            },
            ..ImageConfig::default()
        }
    }

    #[test]
    fn an_unpacked_image_gets_its_working_folder_and_roots_home() {
        let folder = tempfile::tempdir().unwrap();
        let scripts = folder.path().join(".singularity.d/env");
        fs::create_dir_all(&scripts).unwrap();
        complete(folder.path(), &config()).unwrap();
        assert!(folder.path().join("work/deep").is_dir());
        assert!(folder.path().join("root").is_dir());
        let script = fs::read_to_string(scripts.join("11-home.sh")).unwrap();
        assert!(script.contains("HOME=/root"), "{script}");
    }

    #[test]
    fn an_image_whose_folders_lead_elsewhere_changes_nothing_there() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        let link = |name: &str| {
            std::os::unix::fs::symlink(elsewhere.path(), folder.path().join(name)).unwrap();
        };
        link("work");
        link(".singularity.d");
        link("root");
        fs::create_dir(elsewhere.path().join("env")).unwrap();
        complete(folder.path(), &config()).unwrap();
        complete(folder.path(), &with_workdir("/../../made")).unwrap();
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
        assert_eq!(
            fs::read_dir(elsewhere.path().join("env")).unwrap().count(),
            0
        );
    }

    #[test]
    fn of_several_who_make_an_image_the_first_stays() {
        let folder = tempfile::tempdir().unwrap();
        let launcher = Launcher::example();
        let store = Store {
            folder: folder.path(),
            launcher: &launcher,
            archive_size: ByteSize::mib(64),
        };
        let make = |content: &str| {
            let making = store.begin("x-sif").unwrap();
            fs::write(making.path.join("image.sif"), content).unwrap();
            making
        };
        let (one, other) = (make("one"), make("other"));
        assert_eq!(store.find("x-sif", Form::Sif), None);
        for making in [one, other] {
            let image = store.publish(making, "x-sif", Form::Sif).unwrap();
            assert_eq!(fs::read_to_string(&image.path).unwrap(), "one");
        }
        assert!(store.find("x-sif", Form::Sif).is_some());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_run_was_making_goes_and_what_a_living_one_makes_stays() {
        let folder = tempfile::tempdir().unwrap();
        let launcher = Launcher::example();
        let store = Store {
            folder: folder.path(),
            launcher: &launcher,
            archive_size: ByteSize::mib(64),
        };
        let living = store.begin("x-sif").unwrap();
        // A process of this machine's start, which no process of ours can be.
        let own = ProcessIdentity::own().to_string();
        let (pid, rest) = own.split_once('.').unwrap();
        let (_, rest) = rest.split_once('.').unwrap();
        let dead = folder
            .path()
            .join(format!("{MAKING}x-sif-0.{pid}.1.{rest}"));
        fs::create_dir_all(dead.join("rootfs")).unwrap();
        let another = store.begin("x-sif").unwrap();
        assert!(!dead.exists());
        assert!(living.path.is_dir() && another.path.is_dir());
    }

    #[tokio::test]
    async fn a_file_is_named_by_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        fs::write(&path, b"abc").unwrap();
        let progress = segarena_contract::NoProgress;
        let digest = digest_of(&path, &progress).await.unwrap();
        assert!(
            digest.starts_with("ba7816bf8f01cfea414140de5dae2223"),
            "{digest}"
        );
    }
}
