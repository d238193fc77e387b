//! What every engine is asked to create for an interaction.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};

use segarena_child::ProcessIdentity;
use segarena_contract::{InteractionRequest, Runnable, SessionRequest, Submission, short_hash};
use segarena_warm::{SERVE, SERVE_VARIABLE};

use crate::folders::Folders;
use crate::limits::{Devices, Limits};
use crate::options::{ContainerOptions, Isolation};

/// The label with the run's id.
pub const RUN_LABEL: &str = "org.segarena.run";
/// The label with the process that a container belongs to, a [`ProcessIdentity`].
pub const OWNER_LABEL: &str = "org.segarena.owner";

/// A container to create, in words that every engine understands.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerRequest {
    /// The image's id.
    pub image: String,
    /// The container's name, which no other has: by it a container is found again whose creation
    /// was never answered.
    pub name: String,
    /// In the place of the image's own user, who stays without.
    pub user: Option<String>,
    /// What is run, or the entry point's arguments.
    pub argv: Vec<String>,
    /// Environment variables.
    pub env: BTreeMap<String, String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// The folders that it is given.
    pub folders: Folders,
    /// Whether its standard input is open, so that it can be asked again and again.
    pub interactive: bool,
    /// What it may use.
    pub limits: Limits,
    /// Whether it gets no capabilities and a root that it can't write (strict isolation).
    pub strict: bool,
    /// Folders in memory, with their options (strict isolation).
    pub tmpfs: BTreeMap<String, String>,
    /// Whether the host labels files for SELinux, so that binds must be relabelled.
    pub relabel: bool,
}

impl ContainerRequest {
    /// The container for one interaction of a submission.
    pub fn new(
        options: &ContainerOptions,
        limits: &Limits,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Self {
        Self {
            labels: labels(request.run_id),
            limits: limits.for_worker(request.worker),
            ..Self::of_submission(options, limits, runnable, Folders::of_interaction(request))
        }
    }

    /// The container of a submission that is kept warm for this session; `None` where each
    /// interaction gets one of its own.
    pub fn for_session(
        options: &ContainerOptions,
        limits: &Limits,
        runnable: &Runnable,
        request: &SessionRequest<'_>,
    ) -> Option<Self> {
        let folders = Folders::of_scope(request.scope)?;
        let mut container = Self {
            labels: labels(request.run_id),
            limits: limits.for_worker(request.worker),
            interactive: true,
            ..Self::of_submission(options, limits, runnable, folders)
        };
        let serve = (SERVE_VARIABLE.to_owned(), SERVE.to_owned());
        container.env.extend([serve]);
        Some(container)
    }

    /// What of a submission's container is the same for every scope.
    fn of_submission(
        options: &ContainerOptions,
        limits: &Limits,
        runnable: &Runnable,
        folders: Folders,
    ) -> Self {
        let submission = &runnable.submission;
        let places = folders.placeholders();
        Self {
            image: runnable.reference.clone(),
            name: container_name(),
            user: None,
            limits: limits.clone(),
            strict: options.isolation == Isolation::Strict,
            argv: argv(options, submission)
                .iter()
                .map(|word| places.fill(word))
                .collect(),
            env: variables(options, submission)
                .into_iter()
                .map(|(name, value)| (name, places.fill(&value)))
                .collect(),
            labels: BTreeMap::new(),
            folders,
            interactive: false,
            tmpfs: match options.isolation {
                Isolation::Challenge => BTreeMap::new(),
                Isolation::Strict => ["/tmp", "/root"]
                    .map(|path| (path.to_owned(), "rw,exec".to_owned()))
                    .into(),
            },
            relabel: selinux_is_enforced(),
        }
    }

    /// The same under a name that no container has had.
    pub(crate) fn again(&self) -> Self {
        Self {
            name: container_name(),
            ..self.clone()
        }
    }

    /// A container of an image of our own, run as its root, with the same folders and limits but
    /// without a network or graphics cards.
    pub(crate) fn of_our_own(&self, image: String, argv: &[&str]) -> Self {
        Self {
            image,
            name: container_name(),
            user: Some("0:0".to_owned()),
            argv: argv.iter().map(|&word| word.to_owned()).collect(),
            env: BTreeMap::new(),
            limits: Limits {
                network: "none".to_owned(),
                gpus: Devices::None,
                ..self.limits.clone()
            },
            // Root without capabilities may not give files away.
            strict: false,
            interactive: false,
            tmpfs: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The environment as `NAME=VALUE`.
    pub fn env_lines(&self) -> Vec<String> {
        self.env
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// A name for a container: this process's, and one of the names that it has not given yet.
fn container_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("segarena-{}-{number}", ProcessIdentity::own())
}

/// The labels of everything that a run creates.
pub fn labels(run_id: &str) -> BTreeMap<String, String> {
    BTreeMap::from([
        (RUN_LABEL.to_owned(), run_id.to_owned()),
        (OWNER_LABEL.to_owned(), ProcessIdentity::own().to_string()),
    ])
}

/// Changes exactly when what is run does: the image, the command, the variables, of which only a
/// hash is told, and what may change what it can do.
pub fn fingerprint(image: &str, options: &ContainerOptions, submission: &Submission) -> String {
    let variables = variables(options, submission);
    let hash = short_hash(
        variables
            .iter()
            .map(|(name, value)| format!("{name}={value}\0")),
    );
    let argv = argv(options, submission);
    format!(
        "{image} runs {argv:?} (env {hash}) with {}",
        surroundings(options)
    )
}

/// What a submission has of the machine, in one line: with less memory or no graphics card it may
/// answer otherwise.
fn surroundings(options: &ContainerOptions) -> String {
    let mut words = vec![
        format!("memory {}", options.memory_bytes()),
        format!(
            "swap {}",
            options.memory_swap_bytes() - options.memory_bytes()
        ),
        format!("pids {}", options.pids),
        format!("network {}", options.network),
        format!("gpus {}", options.gpus),
        format!("isolation {:?}", options.isolation).to_lowercase(),
    ];
    words.extend(options.cpus.map(|cpus| format!("cpus {cpus}")));
    words.extend(options.shm_bytes().map(|bytes| format!("shm {bytes}")));
    if !options.no_new_privileges {
        words.push("new privileges".to_owned());
    }
    words.join(", ")
}

/// The variables for a submission, its own before those of `[backend]`, with their placeholders.
fn variables(options: &ContainerOptions, submission: &Submission) -> BTreeMap<String, String> {
    let mut variables = options.env.clone();
    variables.extend(submission.env.clone());
    variables
}

fn argv<'a>(options: &'a ContainerOptions, submission: &'a Submission) -> &'a [String] {
    submission.source.container_command(&options.command)
}

fn selinux_is_enforced() -> bool {
    std::fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|text| text.trim() == "1")
}

#[cfg(test)]
mod tests {
    use segarena_contract::SubmissionSource;

    use super::*;

    fn submission(value: &str, argv: Option<&str>) -> Submission {
        Submission {
            name: "team".to_owned(),
            source: SubmissionSource::Image {
                reference: "team:latest".to_owned(),
                argv: argv.map(|word| vec![word.to_owned()]),
            },
            env: [("MODE".to_owned(), value.to_owned())].into(),
        }
    }

    #[test]
    fn a_fingerprint_tells_images_commands_and_variables_apart() {
        let options = ContainerOptions::default();
        let of = |image, submission: &Submission| fingerprint(image, &options, submission);
        let first = of("sha256:1", &submission("fast", None));
        assert_eq!(first, of("sha256:1", &submission("fast", None)));
        for other in [
            of("sha256:2", &submission("fast", None)),
            of("sha256:1", &submission("slow", None)),
            of("sha256:1", &submission("fast", Some("other"))),
        ] {
            assert_ne!(first, other);
        }
        let changed: [fn(&mut ContainerOptions); 6] = [
            |options| options.memory = bytesize::ByteSize::gib(1),
            |options| options.pids = 1,
            |options| options.cpus = Some(1.0),
            |options| options.isolation = crate::options::Isolation::Strict,
            |options| options.gpus = crate::options::Gpus::None,
            |options| options.network = "bridge".to_owned(),
        ];
        for change in changed {
            let mut other = options.clone();
            change(&mut other);
            let other = fingerprint("sha256:1", &other, &submission("fast", None));
            assert_ne!(first, other);
        }
        assert!(!first.contains("fast"), "a variable may be a secret");
    }
}
