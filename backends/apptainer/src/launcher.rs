//! The program that makes containers: which one it is, what it can do here, and its start.
//!
//! What it can do is tried rather than read: an empty folder is an image that everything but a
//! program is found in, so that the complaint about the program proves all that came before it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use segarena_child::ChildCommand;
use segarena_container::limits::key;
use segarena_container::options::Gpus;
use segarena_contract::{
    BackendError, BackendErrorKind, Cards, Enforcement, Execution, InteractionRequest, Limit,
    LimitStatus,
};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exec::{NO_PROGRAM, containment};
use crate::failure::{fatal_words, looked_for_a_program};
use crate::job::{self, JobGroup};
use crate::temporary::TemporaryFolder;

/// Apptainer or Singularity as it is installed here.
#[derive(Debug, Clone)]
pub(crate) struct Launcher {
    pub(crate) program: PathBuf,
    /// `Apptainer`, `SingularityCE`, `Singularity`.
    pub(crate) name: &'static str,
    pub(crate) version: String,
    /// What goes before the name of a variable to pass it on.
    pub(crate) variable_prefix: &'static str,
    /// Whether we are root, from whom privileges are to be taken away.
    pub(crate) is_root: bool,
    /// Why a SIF file can't be mounted here; `None`: it can.
    pub(crate) no_sif: Option<String>,
}

/// What a container is limited to. `None` where there is no limit to be had.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Limits {
    /// Memory in bytes.
    pub(crate) memory: Option<u64>,
    /// Processor cores.
    pub(crate) cpus: Option<f64>,
    /// Processes.
    pub(crate) pids: Option<i64>,
    /// Graphics cards by number; the run's workers share them out.
    pub(crate) cards: Vec<String>,
}

impl Limits {
    /// The arguments that ask for them.
    pub(crate) fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        let mut say = |name: &str, value: String| words.extend([name.to_owned(), value]);
        if let Some(memory) = self.memory {
            say("--memory", memory.to_string());
            // Memory and swap together: no swap.
            say("--memory-swap", memory.to_string());
        }
        if let Some(cpus) = self.cpus {
            say("--cpus", cpus.to_string());
        }
        if let Some(pids) = self.pids {
            say("--pids-limit", pids.to_string());
        }
        if !self.cards.is_empty() {
            words.push("--nv".to_owned());
        }
        words
    }

    /// What `CUDA_VISIBLE_DEVICES` is for this worker: `--nv` shows every card.
    pub(crate) fn card(&self, worker: usize) -> Option<String> {
        let count = self.cards.len();
        (count > 0).then(|| self.cards[worker % count].clone())
    }
}

impl Launcher {
    /// Finds the program of this kind; for `apptainer` Singularity will do.
    ///
    /// # Errors
    /// When there is none, or it does not answer.
    pub(crate) fn find(kind: &str) -> Result<Self, BackendError> {
        let names: &[&str] = match kind {
            crate::SINGULARITY => &["singularity"],
            _ => &["apptainer", "singularity"],
        };
        let found = names.iter().find_map(|name| which::which(name).ok());
        let program = found.ok_or_else(|| {
            let message = format!("there is no program `{}` on PATH", names.join("` or `"));
            BackendError::new(BackendErrorKind::Unavailable, message)
                .with_advice("install it, or `module load` it where the cluster has it as a module")
        })?;
        let said = Command::new(&program).arg("--version").output();
        let said = said.map_err(|error| {
            let message = format!("cannot start {}", program.display());
            BackendError::new(BackendErrorKind::Unavailable, message).with_source(error)
        })?;
        let said = String::from_utf8_lossy(&said.stdout).trim().to_owned();
        let (name, variable_prefix) = match said.split_whitespace().next() {
            Some("apptainer") => ("Apptainer", "APPTAINERENV_"),
            Some("singularity-ce") => ("SingularityCE", "SINGULARITYENV_"),
            _ => ("Singularity", "SINGULARITYENV_"),
        };
        Ok(Self {
            no_sif: no_sif(&program),
            version: said
                .split_whitespace()
                .last()
                .unwrap_or_default()
                .to_owned(),
            name,
            variable_prefix,
            is_root: rustix::process::geteuid().is_root(),
            program,
        })
    }

    /// Runs it with these arguments, and gives the container these variables, by their prefixed
    /// names.
    ///
    /// # Errors
    /// When it can't be started.
    pub(crate) async fn run(
        &self,
        words: (Vec<String>, Vec<(String, String)>),
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        segarena_child::run(&self.command(words), request).await
    }

    /// What starts it so.
    pub(crate) fn command(
        &self,
        (arguments, environment): (Vec<String>, Vec<(String, String)>),
    ) -> ChildCommand<'static> {
        // What the caller's shell or the site has set would open the container again: binds,
        // overlays, variables for every container.
        let unwanted = unwanted(std::env::vars_os().map(|(name, _)| name));
        let ours = |name: &String| environment.iter().any(|(our, _)| our == name);
        let mut words: Vec<String> = unwanted
            .filter(|name| !ours(name))
            .flat_map(|name| ["-u".to_owned(), name])
            .collect();
        words.push(self.program.to_string_lossy().into_owned());
        words.extend(arguments);
        ChildCommand {
            program: PathBuf::from("/usr/bin/env"),
            arguments: words,
            workdir: Path::new("/"),
            environment,
        }
    }

    /// Finds out whether a container can be made here at all, and which of its limits hold.
    ///
    /// # Errors
    /// When none can be made; [`BackendErrorKind::Unsupported`] for a limit that can't be had and
    /// `allow_unenforced` does not name.
    pub(crate) async fn limits(
        &self,
        config: &Config,
    ) -> Result<(Limits, Vec<LimitStatus>), BackendError> {
        if let Err(words) = self.stands(config, &[]).await? {
            let message = format!("{} cannot make a container here: {words}", self.name);
            return Err(BackendError::new(BackendErrorKind::Unavailable, message)
                .with_advice("it needs user namespaces (/proc/sys/user/max_user_namespaces)"));
        }
        let asked = Limits {
            memory: Some(config.memory.as_u64()),
            cpus: config.cpus,
            pids: Some(config.pids),
            cards: cards(
                &config.gpus,
                Path::new("/proc/driver/nvidia/version").exists(),
                Cards::here().at_least_one().own(),
            )?,
        };
        let of_memory = Limits {
            memory: asked.memory,
            ..Limits::default()
        };
        let of_cpus = Limits {
            cpus: asked.cpus,
            ..Limits::default()
        };
        let of_pids = Limits {
            pids: asked.pids,
            ..Limits::default()
        };
        let memory = self.stands(config, &of_memory.words()).await?;
        let cpus = match asked.cpus {
            Some(_) => Some(self.stands(config, &of_cpus.words()).await?),
            None => None,
        };
        let pids = self.stands(config, &of_pids.words()).await?;
        let is_limited = memory.is_ok();
        let memory = by_job(memory, config.memory.as_u64());
        let limits = Limits {
            memory: asked.memory.filter(|_| is_limited),
            cpus: asked
                .cpus
                .filter(|_| cpus.as_ref().is_some_and(Result::is_ok)),
            pids: asked.pids.filter(|_| pids.is_ok()),
            cards: asked.cards,
        };
        let always = |limit| (limit, Some(Ok(())));
        let found = [
            always(Limit::Time),
            (Limit::Memory, Some(memory)),
            (Limit::Pids, Some(pids)),
            (Limit::Cpus, cpus),
            (Limit::SharedMemory, None),
            (Limit::Network, (config.network == "none").then_some(Ok(()))),
            always(Limit::Filesystem),
            always(Limit::Privileges),
        ];
        self.refuse_what_is_not_allowed(config, &found)?;
        Ok((
            limits,
            found.map(|(limit, able)| self.status(limit, able)).to_vec(),
        ))
    }

    fn status(&self, limit: Limit, able: Option<Result<(), String>>) -> LimitStatus {
        let enforcement = match able {
            None => Enforcement::NotAsked,
            Some(Ok(())) => Enforcement::Enforced,
            Some(Err(words)) => Enforcement::NotEnforced {
                reason: format!("{} cannot limit {} here: {words}", self.name, key(limit)),
            },
        };
        LimitStatus { limit, enforcement }
    }

    fn refuse_what_is_not_allowed(
        &self,
        config: &Config,
        found: &[(Limit, Option<Result<(), String>>)],
    ) -> Result<(), BackendError> {
        let impossible = found.iter().filter_map(|(limit, able)| match able {
            Some(Err(words)) if !config.allow_unenforced.contains(limit) => Some((*limit, words)),
            _ => None,
        });
        let impossible: Vec<_> = impossible.collect();
        let Some((_, words)) = impossible.first() else {
            return Ok(());
        };
        let names: Vec<String> = impossible.iter().map(|(limit, _)| key(*limit)).collect();
        let allowed = config.allow_unenforced.iter().map(|&limit| key(limit));
        let line: Vec<String> = allowed
            .chain(names.iter().cloned())
            .map(|name| format!("\"{name}\""))
            .collect();
        let message = format!(
            "{} cannot limit {} here, so what the configuration asks for would not hold: {words}",
            self.name,
            names.join(", ")
        );
        Err(
            BackendError::new(BackendErrorKind::Unsupported, message).with_advice(format!(
                "to run without, put allow_unenforced = [{}] under [backend]; the record keeps \
                 what was not limited",
                line.join(", ")
            )),
        )
    }

    /// Whether a container with these further arguments stands; else Apptainer's own words.
    async fn stands(
        &self,
        config: &Config,
        words: &[String],
    ) -> Result<Result<(), String>, BackendError> {
        let folder = EmptyImage::new()?;
        let mut arguments = containment(self, &config.network);
        arguments.extend(words.iter().cloned());
        arguments.push(folder.image().to_string_lossy().into_owned());
        arguments.push(NO_PROGRAM.to_owned());
        let tried = self.run((arguments, Vec::new()), &folder.request()).await?;
        let said = &tried.tails.stderr;
        Ok(match looked_for_a_program(said, NO_PROGRAM) {
            true => Ok(()),
            false => Err(fatal_words(said).unwrap_or_else(|| said.trim().to_owned())),
        })
    }

    #[cfg(test)]
    pub(crate) fn example() -> Self {
        Self {
            program: PathBuf::from("/usr/bin/apptainer"),
            name: "Apptainer",
            version: "1.4.5".to_owned(),
            variable_prefix: "APPTAINERENV_",
            is_root: false,
            no_sif: None,
        }
    }
}

/// A memory limit that Apptainer can't set may be the job's own: what the job may not have, the
/// submission can't take.
fn by_job(able: Result<(), String>, asked: u64) -> Result<(), String> {
    let Err(words) = able else { return Ok(()) };
    let limit = JobGroup::own().and_then(|group| group.limit());
    match limit {
        Some(limit) if limit <= asked => Ok(()),
        Some(limit) if job::is_slurm() => {
            let limit = bytesize::ByteSize(limit);
            Err(format!(
                "{words}; the job's own limit of {limit} holds and is larger"
            ))
        }
        _ => Err(words),
    }
}

/// What containers are given of the cards that there are: an entry for each case side by side, by
/// turns. A container is a process of the job and is told of its cards as one.
fn cards(asked: &Gpus, has_driver: bool, there: &[String]) -> Result<Vec<String>, BackendError> {
    let refused = |why: &str, advice: &str| {
        let message = format!("`gpus` asks for graphics cards and this {why}");
        let advice = format!("{advice}, or set gpus = \"none\"");
        Err(BackendError::new(BackendErrorKind::Unsupported, message).with_advice(advice))
    };
    match asked {
        Gpus::None => Ok(Vec::new()),
        Gpus::Auto if !has_driver => Ok(Vec::new()),
        Gpus::All | Gpus::Ids(_) if !has_driver => {
            refused("machine has no NVIDIA driver", "run it where there is one")
        }
        Gpus::Auto => Ok(there.to_vec()),
        Gpus::All if there.is_empty() => refused(
            "job was given none",
            "ask the scheduler for cards (--gres=gpu:1)",
        ),
        Gpus::All => Ok(vec![there.join(",")]),
        Gpus::Ids(ids) => Ok(vec![ids.join(",")]),
    }
}

/// The variables that would change what a container is.
fn unwanted(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = String> {
    const KEPT: [&str; 4] = ["CACHEDIR", "CONFIGDIR", "TMPDIR", "LOCALCACHEDIR"];
    names.filter_map(|name| {
        let name = name.into_string().ok()?;
        let rest = ["APPTAINER", "SINGULARITY"]
            .iter()
            .find_map(|prefix| name.strip_prefix(prefix))?;
        let is_kept = rest
            .strip_prefix('_')
            .is_some_and(|rest| KEPT.contains(&rest));
        (!is_kept).then_some(name)
    })
}

/// Why a SIF file can't be mounted here: the kernel does it for a setuid installation, for others
/// a program does that may open /dev/fuse.
fn no_sif(program: &Path) -> Option<String> {
    let told = Command::new(program).arg("buildcfg").output();
    let told = told.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    );
    let setting = |name: &str| {
        let mut lines = told.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    };
    let is_setuid = ["APPTAINER_SUID_INSTALL", "SINGULARITY_SUID_INSTALL"]
        .iter()
        .any(|name| setting(name) == Some("1"));
    // For root there is a user namespace, where the kernel does not either.
    if is_setuid && !rustix::process::geteuid().is_root() {
        return None;
    }
    let own = setting("LIBEXECDIR").map(|folder| {
        let folder = Path::new(folder);
        ["apptainer", "singularity"].map(|name| folder.join(name).join("bin/squashfuse_ll"))
    });
    let has_program = own.into_iter().flatten().any(|path| path.is_file())
        || ["squashfuse_ll", "squashfuse"]
            .iter()
            .any(|name| which::which(name).is_ok());
    if !has_program {
        return Some("there is no squashfuse".to_owned());
    }
    let device = std::fs::File::options()
        .read(true)
        .write(true)
        .open("/dev/fuse");
    device.err().map(|error| format!("/dev/fuse: {error}"))
}

/// A folder that is an image of nothing, with what a request needs besides.
struct EmptyImage {
    folder: TemporaryFolder,
    log: PathBuf,
}

impl EmptyImage {
    fn new() -> Result<Self, BackendError> {
        let folder = TemporaryFolder::new("try")?;
        for name in [
            "dev", "etc", "home", "proc", "root", "sys", "tmp", "var/tmp",
        ] {
            let made = std::fs::create_dir_all(folder.path().join("image").join(name));
            made.map_err(|error| {
                let message = format!("cannot fill {}", folder.path().display());
                BackendError::new(BackendErrorKind::NoSpace, message).with_source(error)
            })?;
        }
        Ok(Self {
            log: folder.path().join("log"),
            folder,
        })
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("image")
    }

    fn request(&self) -> InteractionRequest<'_> {
        request(self.folder.path(), &self.log, TRY, CancellationToken::new())
    }
}

/// How long a container may take to stand or fall.
const TRY: Duration = Duration::from_secs(60);

/// What a start of the program that is no interaction is asked with.
pub(crate) fn request<'a>(
    folder: &'a Path,
    log: &'a Path,
    timeout: Duration,
    cancel: CancellationToken,
) -> InteractionRequest<'a> {
    InteractionRequest {
        run_id: "",
        case: "",
        index: 0,
        inputs: folder,
        outputs: folder,
        timeout,
        log,
        cancel,
        worker: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_would_open_the_container_are_taken_away() {
        let names = [
            "APPTAINER_BIND",
            "APPTAINERENV_SECRET",
            "SINGULARITY_BINDPATH",
            "APPTAINER_CACHEDIR",
            "SINGULARITY_TMPDIR",
            "PATH",
        ];
        let found: Vec<String> = unwanted(names.map(OsString::from).into_iter()).collect();
        let expected = [
            "APPTAINER_BIND",
            "APPTAINERENV_SECRET",
            "SINGULARITY_BINDPATH",
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn cards_are_those_that_the_job_was_given() {
        let given = ["0".to_owned(), "1".to_owned()];
        let cards = |asked, there: &[String]| super::cards(&asked, true, there);
        // Each case side by side has one of these, or all at once.
        assert_eq!(cards(Gpus::Auto, &given).unwrap(), given);
        assert_eq!(cards(Gpus::All, &given).unwrap(), ["0,1"]);
        assert!(cards(Gpus::None, &given).unwrap().is_empty());
        assert!(cards(Gpus::Auto, &[]).unwrap().is_empty());
        let error = cards(Gpus::All, &[]).unwrap_err().to_string();
        assert!(error.contains("this job was given none"), "{error}");
        assert!(super::cards(&Gpus::All, false, &given).is_err());
    }

    #[test]
    fn a_limit_that_cannot_be_had_is_refused_with_the_way_to_go_on() {
        let found = [
            (Limit::Memory, Some(Err("no systemd".to_owned()))),
            (Limit::Pids, Some(Err("no systemd".to_owned()))),
            (Limit::Cpus, None),
            (Limit::Time, Some(Ok(()))),
        ];
        let launcher = Launcher::example();
        let error = launcher.refuse_what_is_not_allowed(&Config::default(), &found);
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("Apptainer cannot limit memory, pids here"),
            "{text}"
        );
        assert!(text.contains("no systemd"), "{text}");
        let line = "allow_unenforced = [\"memory\", \"pids\"]";
        assert!(text.contains(line), "{text}");
        let allowing = Config {
            allow_unenforced: vec![Limit::Memory, Limit::Pids],
            ..Config::default()
        };
        assert!(
            launcher
                .refuse_what_is_not_allowed(&allowing, &found)
                .is_ok()
        );
    }

    #[test]
    fn the_workers_share_the_cards_out() {
        let limits = Limits {
            cards: vec!["0".to_owned(), "1".to_owned()],
            ..Limits::default()
        };
        let cards = [0, 1, 2].map(|worker| limits.card(worker));
        assert_eq!(cards, ["0", "1", "0"].map(|id| Some(id.to_owned())));
        assert_eq!(Limits::default().card(0), None);
    }
}
