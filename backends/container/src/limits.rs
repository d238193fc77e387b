//! What a container may use: what the options ask for, as far as the engine can enforce it here.

use segarena_contract::{BackendError, BackendErrorKind, Cards, Enforcement, Limit, LimitStatus};

use crate::about::About;
use crate::options::{ContainerOptions, Gpus};

/// What a container may use. `None` where the engine is not asked to limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Memory in bytes.
    pub memory: Option<i64>,
    /// Memory and swap together in bytes.
    pub memory_swap: Option<i64>,
    /// Processor cores.
    pub cpus: Option<f64>,
    /// Processes.
    pub pids: Option<i64>,
    /// Size of `/dev/shm` in bytes.
    pub shm_size: Option<i64>,
    /// The network.
    pub network: String,
    /// Whether a program may not gain privileges.
    pub no_new_privileges: bool,
    /// Graphics cards.
    pub gpus: Devices,
}

/// Graphics cards as an engine is asked for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Devices {
    /// None.
    None,
    /// All there are.
    All,
    /// Those with these ids.
    Ids(Vec<String>),
    /// One of these, another for each case that runs at the same time.
    OneOf(Vec<String>),
}

impl Limits {
    /// What `options` ask for, as far as this engine can enforce it.
    ///
    /// # Errors
    /// [`BackendErrorKind::Unsupported`] for what it can't and `allow_unenforced` does not name.
    pub fn new(
        options: &ContainerOptions,
        about: &About,
    ) -> Result<(Self, Vec<LimitStatus>), BackendError> {
        let mut statuses = Vec::new();
        let mut impossible = Vec::new();
        let mut decide = |limit: Limit, asked: bool, able: bool| {
            let enforcement = match (asked, able) {
                (false, _) => Enforcement::NotAsked,
                (true, true) => Enforcement::Enforced,
                (true, false) => {
                    if !options.allow_unenforced.contains(&limit) {
                        impossible.push(key(limit));
                    }
                    Enforcement::NotEnforced {
                        reason: unable(&key(limit), about),
                    }
                }
            };
            let enforced = enforcement == Enforcement::Enforced;
            statuses.push(LimitStatus { limit, enforcement });
            enforced
        };
        decide(Limit::Time, true, true);
        let memory = decide(Limit::Memory, true, about.memory);
        let pids = decide(Limit::Pids, true, about.pids);
        let cpus = decide(Limit::Cpus, options.cpus.is_some(), about.cpus);
        decide(Limit::SharedMemory, options.shm_size.is_some(), true);
        decide(Limit::Network, options.network == "none", true);
        decide(Limit::Filesystem, true, true);
        decide(Limit::Privileges, options.no_new_privileges, true);
        if !impossible.is_empty() {
            return Err(refused(&impossible, options, about));
        }
        let limits = Self {
            memory: memory.then(|| options.memory_bytes()),
            memory_swap: (memory && about.swap).then(|| options.memory_swap_bytes()),
            cpus: options.cpus.filter(|_| cpus),
            pids: pids.then_some(options.pids),
            shm_size: options.shm_bytes(),
            network: options.network.clone(),
            no_new_privileges: options.no_new_privileges,
            gpus: devices(
                &options.gpus,
                about.gpus.as_deref(),
                Cards::here().are_given(),
            )?,
        };
        Ok((limits, statuses))
    }

    /// The limits of the case that this worker runs: several workers share the cards out.
    #[must_use]
    pub fn for_worker(&self, worker: usize) -> Self {
        let gpus = match &self.gpus {
            Devices::OneOf(ids) => Devices::Ids(vec![ids[worker % ids.len()].clone()]),
            other => other.clone(),
        };
        Self {
            gpus,
            ..self.clone()
        }
    }
}

/// The cards that are asked for. Of cards that were `given` to this job, all are those and not the
/// machine's.
fn devices(asked: &Gpus, there: Option<&[String]>, given: bool) -> Result<Devices, BackendError> {
    match (asked, there) {
        (Gpus::None, _) | (Gpus::Auto, None | Some([])) => Ok(Devices::None),
        (Gpus::Auto, Some(ids)) => Ok(Devices::OneOf(ids.to_vec())),
        (Gpus::All | Gpus::Ids(_), None) => Err(BackendError::new(
            BackendErrorKind::Unsupported,
            "`gpus` asks for graphics cards and this engine has no way to give a container any",
        )
        .with_advice(
            "install the NVIDIA container toolkit (Docker: the nvidia runtime; Podman: nvidia-ctk \
             cdi generate), or set gpus = \"none\"",
        )),
        (Gpus::All, Some([])) => Err(BackendError::new(
            BackendErrorKind::Unsupported,
            "`gpus` asks for graphics cards and this job was given none",
        )
        .with_advice("ask the scheduler for cards (--gres=gpu:1), or set gpus = \"none\"")),
        (Gpus::All, Some(ids)) if given => Ok(Devices::Ids(ids.to_vec())),
        (Gpus::All, Some(_)) => Ok(Devices::All),
        (Gpus::Ids(ids), Some(_)) => Ok(Devices::Ids(ids.clone())),
    }
}

/// The graphics cards for an engine that can give a container any: those that this job was given,
/// as the machine names them, else all; one where the driver does not say how many.
pub fn graphics_cards() -> Vec<String> {
    Cards::here().at_least_one().machine().to_vec()
}

fn unable(what: &str, about: &About) -> String {
    let who = if about.rootless { "rootless " } else { "" };
    format!(
        "{who}{} on cgroup v{} cannot limit {what}",
        about.name, about.cgroup_version,
    )
}

/// The error for limits that can't be had, with the line that goes on without them.
fn refused(impossible: &[String], options: &ContainerOptions, about: &About) -> BackendError {
    let reason = unable(&impossible.join(", "), about);
    let allowed = options.allow_unenforced.iter().map(|&limit| key(limit));
    let line: Vec<String> = allowed
        .chain(impossible.iter().cloned())
        .map(|limit| format!("\"{limit}\""))
        .collect();
    BackendError::new(
        BackendErrorKind::Unsupported,
        format!("{reason} here, so what the configuration asks for would not hold"),
    )
    .with_advice(format!(
        "to run without, put allow_unenforced = [{}] under [backend]; the record keeps what was \
         not limited",
        line.join(", ")
    ))
}

/// The limit as the configuration spells it.
pub fn key(limit: Limit) -> String {
    match serde_json::to_value(limit) {
        Ok(serde_json::Value::String(name)) => name,
        _ => format!("{limit:?}").to_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about() -> About {
        About {
            name: "podman".into(),
            version: "4.3.1".into(),
            rootless: true,
            cgroup_version: 1,
            architecture: "amd64".into(),
            memory: false,
            swap: false,
            pids: true,
            cpus: false,
            gpus: None,
            store: None,
            caution: None,
            facts: Vec::new(),
        }
    }

    #[test]
    fn a_limit_that_cannot_hold_is_refused_with_the_way_to_go_on() {
        let error = Limits::new(&ContainerOptions::default(), &about()).unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unsupported);
        let text = error.to_string();
        assert!(
            text.contains("rootless podman on cgroup v1 cannot limit memory"),
            "{text}"
        );
        assert!(text.contains("allow_unenforced = [\"memory\"]"), "{text}");
    }

    #[test]
    fn a_limit_allowed_to_go_unenforced_is_not_asked_for_and_said_so() {
        let options = ContainerOptions {
            allow_unenforced: vec![Limit::Memory],
            ..ContainerOptions::default()
        };
        let (limits, statuses) = Limits::new(&options, &about()).unwrap();
        assert_eq!((limits.memory, limits.pids), (None, Some(4096)));
        assert!(statuses.iter().any(|status| {
            status.limit == Limit::Memory
                && matches!(status.enforcement, Enforcement::NotEnforced { .. })
        }));
    }

    #[test]
    fn cards_that_are_asked_for_and_cannot_be_given_are_refused() {
        assert_eq!(devices(&Gpus::Auto, None, false).unwrap(), Devices::None);
        assert_eq!(
            devices(&Gpus::Auto, Some(&[]), true).unwrap(),
            Devices::None
        );
        for there in [None, Some(&[][..])] {
            let error = devices(&Gpus::All, there, there.is_some()).unwrap_err();
            assert!(error.to_string().contains("gpus = \"none\""), "{error}");
        }
    }

    #[test]
    fn all_cards_of_a_job_are_those_that_it_was_given() {
        let there = ["2".to_owned(), "3".to_owned()];
        let all = |given| devices(&Gpus::All, Some(&there), given).unwrap();
        assert_eq!(all(true), Devices::Ids(there.to_vec()));
        assert_eq!(all(false), Devices::All);
    }

    #[test]
    fn each_worker_gets_a_card_of_its_own() {
        let able = About {
            memory: true,
            gpus: Some(vec!["0".into(), "1".into()]),
            ..about()
        };
        let (limits, _) = Limits::new(&ContainerOptions::default(), &able).unwrap();
        let card = |worker| limits.for_worker(worker).gpus;
        assert_eq!(card(0), Devices::Ids(vec!["0".into()]));
        assert_eq!(card(1), Devices::Ids(vec!["1".into()]));
        assert_eq!(card(2), card(0));
    }
}
