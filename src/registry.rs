//! The kinds that a configuration can name, and what each is made from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use segarena_apptainer::ApptainerBackend;
use segarena_core::backend::{BackendError, InferenceBackend};
use segarena_core::clicks::{self, ClickPolicy, PolicyOptions};
use segarena_core::dialogue::Track;
use segarena_core::dialogue::tracks::{self, MakeTrack, TrackOptions};
use segarena_docker::DockerBackend;
use segarena_podman::PodmanBackend;
use segarena_process::ProcessBackend;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::ConfigError;

/// The backends, tracks and click policies that a configuration can choose from, by name.
pub struct Registry {
    backends: BTreeMap<String, MakeBackend>,
    policies: BTreeMap<String, MakePolicy>,
    tracks: BTreeMap<String, MakeTrack>,
}

type MakeBackend =
    Box<dyn Fn(&BackendSection) -> Result<Arc<dyn InferenceBackend>, ConfigError> + Send + Sync>;
type MakePolicy = Box<dyn Fn(PolicyOptions) -> Arc<dyn ClickPolicy> + Send + Sync>;

/// The kinds that run images, the one that suits best first.
pub(crate) const ENGINES: [&str; 3] = [
    segarena_docker::KIND,
    segarena_podman::KIND,
    segarena_apptainer::KIND,
];

/// Options of a backend that has none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NoOptions {
    /// The backend's kind.
    pub kind: String,
}

impl Registry {
    /// Nothing at all.
    pub fn empty() -> Self {
        Self {
            backends: BTreeMap::new(),
            policies: BTreeMap::new(),
            tracks: BTreeMap::new(),
        }
    }

    /// What segarena brings with it.
    pub fn built_in() -> Self {
        let mut registry = Self::empty();
        registry.add_backend(ProcessBackend::KIND, |section| {
            let backend = ProcessBackend::new(section.read()?);
            Ok(Arc::new(backend.with_cards(section.cards.clone())))
        });
        registry.add_backend(segarena_docker::KIND, |section| {
            let options = section.read()?;
            let backend = DockerBackend::connect(options);
            Ok(Arc::new(backend.map_err(|error| section.refused(&error))?))
        });
        registry.add_backend(segarena_podman::KIND, |section| {
            Ok(Arc::new(PodmanBackend::connect(section.read()?)))
        });
        for kind in [segarena_apptainer::KIND, segarena_apptainer::SINGULARITY] {
            registry.add_backend(kind, |section| {
                Ok(Arc::new(ApptainerBackend::new(section.apptainer()?)))
            });
        }
        for &(name, make) in clicks::BUILT_IN {
            registry.add_policy(name, make);
        }
        for &(name, make) in tracks::BUILT_IN {
            registry.add_track(name, make);
        }
        registry
    }

    /// Adds a backend, in the place of any of the same kind.
    pub fn add_backend(
        &mut self,
        kind: &str,
        make: impl Fn(&BackendSection) -> Result<Arc<dyn InferenceBackend>, ConfigError>
        + Send
        + Sync
        + 'static,
    ) {
        self.backends.insert(kind.to_owned(), Box::new(make));
    }

    /// Adds a click policy, in the place of any of the same name.
    pub fn add_policy(
        &mut self,
        name: &str,
        make: impl Fn(PolicyOptions) -> Arc<dyn ClickPolicy> + Send + Sync + 'static,
    ) {
        self.policies.insert(name.to_owned(), Box::new(make));
    }

    /// The kinds of backend there are, in alphabetical order.
    pub fn backend_kinds(&self) -> Vec<&str> {
        self.backends.keys().map(String::as_str).collect()
    }

    /// Adds a track, in the place of any of the same name.
    pub fn add_track(&mut self, name: &str, make: MakeTrack) -> &mut Self {
        self.tracks.insert(name.to_owned(), make);
        self
    }

    /// The names of the tracks there are, in alphabetical order.
    pub fn track_names(&self) -> Vec<&str> {
        self.tracks.keys().map(String::as_str).collect()
    }

    /// The track of this name; `None` if there is none.
    pub(crate) fn track(&self, name: &str, options: &TrackOptions) -> Option<Arc<dyn Track>> {
        self.tracks.get(name).map(|make| make(options))
    }

    /// The names of the click policies there are, in alphabetical order.
    pub fn policy_names(&self) -> Vec<&str> {
        self.policies.keys().map(String::as_str).collect()
    }

    /// The backend of this kind with the section's options; `None` if there is no such kind.
    pub(crate) fn backend(
        &self,
        section: &BackendSection,
    ) -> Option<Result<Arc<dyn InferenceBackend>, ConfigError>> {
        self.backends.get(&section.kind).map(|make| make(section))
    }

    /// The policy of this name; `None` if there is none.
    pub(crate) fn policy(
        &self,
        name: &str,
        options: PolicyOptions,
    ) -> Option<Arc<dyn ClickPolicy>> {
        self.policies.get(name).map(|make| make(options))
    }
}

/// The `[backend]` table of a configuration, for a backend to read its options from.
#[derive(Debug, Clone)]
pub struct BackendSection {
    kind: String,
    source: Option<(PathBuf, String)>,
    output: Option<PathBuf>,
    /// Graphics cards, one for each of the cases side by side.
    cards: Vec<String>,
}

/// Where in the output folder converted images are kept.
const IMAGES: &str = ".segarena/images";

impl BackendSection {
    /// The section of this text, which chose `kind`.
    pub(crate) fn in_file(kind: &str, path: &Path, text: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            source: Some((path.to_owned(), text.to_owned())),
            output: None,
            cards: Vec::new(),
        }
    }

    /// No section: every option has its default.
    pub(crate) fn without_file(kind: &str) -> Self {
        Self {
            kind: kind.to_owned(),
            source: None,
            output: None,
            cards: Vec::new(),
        }
    }

    /// The section of a run with this output folder.
    pub(crate) fn for_output(self, output: &Path) -> Self {
        Self {
            output: Some(std::path::absolute(output).unwrap_or_else(|_| output.to_owned())),
            ..self
        }
    }

    /// The section of a run whose cases side by side each have one of these graphics cards.
    pub(crate) fn for_cards(self, cards: Vec<String>) -> Self {
        Self { cards, ..self }
    }

    /// What the section says of graphics cards, where that is not one for each case.
    pub(crate) fn chooses_other_cards(&self) -> Option<String> {
        let (_, text) = self.source.as_ref()?;
        let file: toml::Table = toml::from_str(text).ok()?;
        let gpus = file.get("backend")?.get("gpus")?.as_str()?;
        (gpus != "auto").then(|| gpus.to_owned())
    }

    /// The options of Apptainer, with the folder of its converted images.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn apptainer(&self) -> Result<segarena_apptainer::Config, ConfigError> {
        let config: segarena_apptainer::Config = self.read()?;
        let image_dir = match &config.image_dir {
            Some(folder) => Some(self.resolve(folder)),
            None => self.output.as_ref().map(|output| output.join(IMAGES)),
        };
        Ok(segarena_apptainer::Config {
            kind: self.kind().to_owned(),
            image_dir,
            ..config
        })
    }

    /// A path of the section, which is relative to the file, as an absolute one.
    fn resolve(&self, path: &Path) -> PathBuf {
        let file = self.source.as_ref().map(|(file, _)| file.as_path());
        let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let path = folder.join(path);
        std::path::absolute(&path).unwrap_or(path)
    }

    /// The section with these options in the place of its own.
    pub(crate) fn with(&self, options: &toml::Table) -> Self {
        let (path, text) = self.source.clone().unwrap_or_default();
        let file: toml::Table = toml::from_str(&text).unwrap_or_default();
        let mut backend = match file.get("backend") {
            Some(toml::Value::Table(backend)) => backend.clone(),
            _ => toml::Table::new(),
        };
        backend.insert("kind".to_owned(), self.kind.clone().into());
        backend.extend(options.clone());
        let file = toml::Table::from_iter([("backend".to_owned(), backend.into())]);
        Self::in_file(&self.kind, &path, &file.to_string())
    }

    /// Whether this kind of backend runs images that are files.
    pub(crate) fn has_image_files(kind: &str) -> bool {
        matches!(
            kind,
            segarena_apptainer::KIND | segarena_apptainer::SINGULARITY
        )
    }

    /// The kind of backend chosen.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The section as a backend's options. Let these refuse unknown fields (and know `kind`), so
    /// that a misspelt key is told with its file and line.
    ///
    /// # Errors
    /// When a key or its type is wrong.
    pub fn read<Options: DeserializeOwned + Default>(&self) -> Result<Options, ConfigError> {
        #[derive(Deserialize)]
        struct OnlyBackend<Options> {
            backend: Options,
        }
        let Some((path, text)) = &self.source else {
            return Ok(Options::default());
        };
        toml::from_str::<OnlyBackend<Options>>(text)
            .map(|file| file.backend)
            .map_err(|error| ConfigError::parse(path, error))
    }

    /// Turns a backend's own objection to its options into an error that names the file.
    pub fn refused(&self, error: &BackendError) -> ConfigError {
        ConfigError::Backend {
            place: self.source.as_ref().map(|(path, _)| path.clone()),
            kind: self.kind.clone(),
            message: error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use segarena_apptainer::Config;
    use segarena_container::options::ContainerOptions;

    /// The lines behind `#:` are the options of containers, with their defaults but for the last
    /// three, which have none.
    #[test]
    fn the_example_documents_every_option_of_containers_with_its_default() {
        let example = include_str!("../config.example.toml");
        let options = |without: &[&str]| {
            let lines = example.lines().filter_map(|line| line.strip_prefix("#: "));
            let kept = lines.filter(|line| !without.iter().any(|key| line.starts_with(key)));
            let text = kept.collect::<Vec<_>>().join("\n");
            toml::from_str::<ContainerOptions>(&text).unwrap()
        };
        let optional = ["memory_swap", "cpus", "shm_size", "socket"];
        assert_eq!(options(&optional), ContainerOptions::default());
        let all = options(&[]);
        assert!(all.memory_swap.is_some() && all.cpus.is_some());
        assert!(all.shm_size.is_some() && all.socket.is_some());
    }

    /// The line behind `#.` is Apptainer's own; the others it shares.
    #[test]
    fn the_example_documents_every_option_of_apptainer() {
        let example = include_str!("../config.example.toml");
        let shared = example.lines().filter_map(|line| line.strip_prefix("#: "));
        let shared = shared.filter(|line| toml::from_str::<Config>(line).is_ok());
        let own = example.lines().filter_map(|line| line.strip_prefix("#. "));
        let text = shared.chain(own).collect::<Vec<_>>().join("\n");
        let documented: Config = toml::from_str(&text).unwrap();
        assert!(documented.image_dir.is_some() && documented.cpus.is_some());
        let defaults = Config {
            image_dir: None,
            cpus: None,
            ..documented
        };
        assert_eq!(defaults, Config::default());
        for key in [
            "command",
            "memory",
            "pids",
            "network",
            "gpus",
            "allow_unenforced",
            "archive_size",
        ] {
            assert!(text.contains(&format!("{key} = ")), "{key}");
        }
    }
}
