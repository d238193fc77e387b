//! Writes an image's archive out of programs of this machine, so that an engine can be tried
//! without pulling anything: the programs, the shared libraries they need, and files.
//!
//! The form is the one that `docker save` writes and every engine loads (Docker Image
//! Specification v1.2: `manifest.json`, a configuration, a tar for each layer).

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

/// An image to write.
#[derive(Debug, Clone, Default)]
pub struct ImageArchive {
    names: Vec<String>,
    programs: BTreeMap<String, PathBuf>,
    files: BTreeMap<String, (u32, Vec<u8>)>,
    architecture: Option<String>,
    user: String,
    setuid: Option<String>,
    volumes: BTreeMap<String, BTreeMap<String, String>>,
    configuration: BTreeMap<String, Value>,
    links: BTreeMap<String, String>,
}

impl ImageArchive {
    /// An image with this name, `team:latest`, and nothing in it.
    pub fn named(name: &str) -> Self {
        Self {
            names: vec![name.to_owned()],
            ..Self::default()
        }
    }

    /// An image without a name and nothing in it.
    pub fn unnamed() -> Self {
        Self::default()
    }

    /// Gives it this name in the place of those it has.
    #[must_use]
    pub fn renamed(mut self, name: &str) -> Self {
        self.names = vec![name.to_owned()];
        self
    }

    /// Gives it a further name.
    #[must_use]
    pub fn also_named(mut self, name: &str) -> Self {
        self.names.push(name.to_owned());
        self
    }

    /// Adds a program of this machine at an absolute path of the image.
    #[must_use]
    pub fn program(mut self, inside: &str, here: &Path) -> Self {
        self.programs.insert(inside.to_owned(), here.to_owned());
        self
    }

    /// Adds a program of this machine that becomes root when anybody runs it.
    #[must_use]
    pub fn setuid_program(mut self, inside: &str, here: &Path) -> Self {
        self.setuid = Some(inside.to_owned());
        self.program(inside, here)
    }

    /// Adds a file at an absolute path of the image.
    #[must_use]
    pub fn file(mut self, inside: &str, mode: u32, content: &[u8]) -> Self {
        self.files
            .insert(inside.to_owned(), (mode, content.to_owned()));
        self
    }

    /// Says that the image is for another architecture than this machine's.
    #[must_use]
    pub fn for_architecture(mut self, name: &str) -> Self {
        self.architecture = Some(name.to_owned());
        self
    }

    /// Sets the image's user.
    #[must_use]
    pub fn user(mut self, user: &str) -> Self {
        user.clone_into(&mut self.user);
        self
    }

    /// Declares a volume, for which an engine makes one without a name for each container.
    #[must_use]
    pub fn volume(mut self, inside: &str) -> Self {
        self.volumes.insert(inside.to_owned(), BTreeMap::new());
        self
    }

    /// Sets a key of the image's `config` to any value, sound or not.
    #[must_use]
    pub fn configured(mut self, key: &str, value: Value) -> Self {
        self.configuration.insert(key.to_owned(), value);
        self
    }

    /// Adds a symbolic link at an absolute path of the image.
    #[must_use]
    pub fn link(mut self, inside: &str, target: &str) -> Self {
        self.links.insert(inside.to_owned(), target.to_owned());
        self
    }

    /// The archive, a plain tar.
    ///
    /// # Errors
    /// When a program or a library of it can't be read.
    pub fn to_tar(&self) -> io::Result<Vec<u8>> {
        let layer = self.layer()?;
        let digest = hex::encode(Sha256::digest(&layer));
        let mut configuration = json!({
            "architecture": self.architecture.as_deref().unwrap_or(here()),
            "os": "linux",
            "config": {
                "WorkingDir": "/workspace",
                "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
                "User": self.user,
                "Volumes": self.volumes,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        });
        for (key, value) in &self.configuration {
            configuration["config"][key] = value.clone();
        }
        let configuration = serde_json::to_vec(&configuration)?;
        let name = format!("{}.json", hex::encode(Sha256::digest(&configuration)));
        let manifest = json!([{
            "Config": name,
            "RepoTags": self.names,
            "Layers": [format!("{digest}/layer.tar")],
        }]);
        let mut tar = Builder::new(Vec::new());
        add_file(&mut tar, &name, 0o644, &configuration)?;
        add_folder(&mut tar, &digest)?;
        add_file(&mut tar, &format!("{digest}/layer.tar"), 0o644, &layer)?;
        let manifest = serde_json::to_vec(&manifest)?;
        add_file(&mut tar, "manifest.json", 0o644, &manifest)?;
        tar.into_inner()
    }

    fn layer(&self) -> io::Result<Vec<u8>> {
        let mut files = self.files.clone();
        for (inside, program) in &self.programs {
            let is_setuid = self.setuid.as_ref() == Some(inside);
            let mode = if is_setuid { 0o4755 } else { 0o755 };
            files.insert(inside.clone(), (mode, std::fs::read(program)?));
            for library in shared_libraries(program) {
                let content = std::fs::read(&library)?;
                files.insert(library.to_string_lossy().into_owned(), (0o755, content));
            }
        }
        let mut tar = Builder::new(Vec::new());
        let mut folders: Vec<String> = ["/tmp", "/root", "/workspace"].map(str::to_owned).to_vec();
        for path in files.keys() {
            let parents = Path::new(path).ancestors().skip(1);
            folders.extend(parents.map(|parent| parent.to_string_lossy().into_owned()));
        }
        folders.sort();
        folders.dedup();
        for folder in folders.iter().filter(|folder| folder.len() > 1) {
            add_folder(&mut tar, relative(folder))?;
        }
        for (path, (mode, content)) in &files {
            add_file(&mut tar, relative(path), *mode, content)?;
        }
        for (path, target) in &self.links {
            let mut header = Header::new_gnu();
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            header.set_size(0);
            tar.append_link(&mut header, relative(path), target)?;
        }
        tar.into_inner()
    }
}

/// The shared libraries of a program, by the paths that its loader looks for them at; none for a
/// static one.
fn shared_libraries(program: &Path) -> Vec<PathBuf> {
    let Ok(listed) = Command::new("ldd").arg(program).output() else {
        return Vec::new();
    };
    String::from_utf8_lossy(&listed.stdout)
        .split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

fn here() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

fn add_folder(tar: &mut Builder<Vec<u8>>, path: &str) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Directory);
    header.set_mode(if path == "tmp" { 0o1777 } else { 0o755 });
    header.set_size(0);
    tar.append_data(&mut header, format!("{path}/"), io::empty())
}

fn add_file(tar: &mut Builder<Vec<u8>>, path: &str, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content)
}
