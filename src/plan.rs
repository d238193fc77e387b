//! From a configuration and flags to something that can be run: every path is there, every name
//! is known, every number makes sense.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use segarena_core::backend::{Cards, InferenceBackend, Submission};
use segarena_core::case::{CaseChoice, find_cases};
use segarena_core::clicks::{ClickPolicy, PolicyOptions};
use segarena_core::dialogue::Track;
use segarena_core::dialogue::tracks::{InteractiveTrack, TrackOptions};
use segarena_core::protocol::Protocol;
use segarena_core::run::{Evaluation, Restart};
use segarena_core::work::KeepWork;
use toml::Spanned;

use crate::args::EvaluateOptions;
use crate::config::{ConfigError, LoadedConfig, Place, ProtocolTable};
use crate::environment::expand;
use crate::jobs::Jobs;
use crate::lifetime::lifetime;
use crate::ranking::{Groups, Settings, columns_of};
use crate::registry::{BackendSection, Registry};
use crate::setting::{Setting, folder};
use crate::stderr;
use crate::submissions::{self, Found};

/// What `segarena evaluate` is about to do.
pub(crate) struct Plan {
    pub(crate) evaluation: Evaluation,
    /// Threads for clicks and scores; none: as many as there are cores.
    pub(crate) threads: Option<usize>,
    /// How the submissions are ranked.
    pub(crate) ranking: Settings,
    /// Where a case on each graphics card was asked for and there is none, that place.
    no_cards: Option<Place>,
    /// Where work folders are to be made, before the environment has been looked at.
    work_dir: Option<WorkDir>,
}

/// A folder as the configuration gives it.
struct WorkDir {
    given: String,
    /// What it is relative to.
    base: PathBuf,
    place: Place,
}

impl Plan {
    /// Checks everything that can be checked without reading a case or asking an engine.
    pub(crate) fn new(registry: &Registry, options: &EvaluateOptions) -> anyhow::Result<Self> {
        let config = options
            .config
            .as_deref()
            .map(LoadedConfig::load)
            .transpose()?;
        let planner = Planner {
            registry,
            options,
            config: config.as_ref(),
        };
        planner.plan()
    }

    /// The plan with the environment of this machine in it, which may be another than the one it
    /// is only submitted from.
    pub(crate) fn on_this_machine(mut self) -> Result<Self, ConfigError> {
        if let Some(place) = self.no_cards {
            return Err(ConfigError::Value {
                place,
                message: "`gpus` is one case on each graphics card, and there is none here: \
                          CUDA_VISIBLE_DEVICES, Slurm and NVIDIA's driver name no card (ask the \
                          scheduler for some, as with --gres=gpu:1, or give a number)"
                    .to_owned(),
            });
        }
        if let Some(folder) = &self.work_dir {
            let expanded = expand(&folder.given, |name| std::env::var(name).ok());
            let expanded = expanded.map_err(|message| ConfigError::Value {
                place: folder.place.clone(),
                message,
            })?;
            self.evaluation.work_dir = Some(folder.base.join(expanded));
        }
        Ok(self)
    }
}

struct Planner<'a> {
    registry: &'a Registry,
    options: &'a EvaluateOptions,
    config: Option<&'a LoadedConfig>,
}

impl Planner<'_> {
    fn plan(&self) -> anyhow::Result<Plan> {
        let images = self.images()?;
        let output = self.output()?;
        let jobs = self.jobs()?;
        let backend = self.backend(&output, &jobs)?;
        let lifetime = lifetime(self.options.lifetime, self.config, &*backend)?;
        let protocol = self.protocol()?;
        let track = self.track(&protocol)?;
        let ground_truth = self.ground_truth()?;
        let submissions = self.submissions(backend.kind())?;
        let threads = self.threads()?;
        let choice = CaseChoice {
            names: self.options.cases.clone(),
            first: self.first()?,
        };
        let cases = find_cases(&images, ground_truth.as_deref(), &choice)?;
        let ranking = match self.config {
            Some(config) => ranking(config, &*track)?,
            None => Settings::default(),
        };
        self.check_groups(&ranking, cases.iter().map(|case| case.name.as_str()))?;
        let evaluation = Evaluation {
            images,
            ground_truth,
            cases,
            submissions,
            protocol,
            backend,
            track,
            lifetime,
            output,
            work_dir: None,
            keep_work: self
                .config
                .map_or(KeepWork::Nothing, |config| config.file.output.keep_work),
            restart: self.restart(),
            jobs: jobs.count(),
        };
        Ok(Plan {
            evaluation,
            threads,
            no_cards: jobs.no_cards(),
            work_dir: self.work_dir(),
            ranking,
        })
    }

    /// A groups file that leaves a case out was meant for other cases.
    fn check_groups<'c>(
        &self,
        ranking: &Settings,
        cases: impl Iterator<Item = &'c str>,
    ) -> Result<(), ConfigError> {
        let config = self.config;
        let file = config.and_then(|config| Some((config, config.file.cases.groups.as_ref()?)));
        let (Some((config, groups)), Some(case)) = (file, ranking.groups.lacks(cases)) else {
            return Ok(());
        };
        Err(ConfigError::Value {
            place: config.place("cases.groups", groups),
            message: format!(
                "{} names no group for {case} (every case needs a line)",
                groups.get_ref().display()
            ),
        })
    }

    fn backend(
        &self,
        output: &Path,
        jobs: &SideBySide,
    ) -> Result<Arc<dyn InferenceBackend>, ConfigError> {
        let (section, place) = self.backend_section();
        let mut section = section.for_output(output);
        if let SideBySide::OnCards { cards, place } = jobs {
            if let Some(other) = section.chooses_other_cards() {
                return Err(ConfigError::Value {
                    place: place.clone(),
                    message: format!(
                        "`gpus` gives each case side by side a graphics card of its own, and \
                         gpus = \"{other}\" under [backend] gives all the same (leave one of the \
                         two out)"
                    ),
                });
            }
            section = section.for_cards(cards.own().to_vec());
        }
        match self.registry.backend(&section) {
            Some(backend) => backend,
            None => Err(ConfigError::Value {
                place,
                message: format!(
                    "there is no backend `{}`; there are {}",
                    section.kind(),
                    self.registry.backend_kinds().join(", ")
                ),
            }),
        }
    }

    /// The kind asked for, with the file's options if they are for that kind.
    fn backend_section(&self) -> (BackendSection, Place) {
        let in_file = self.config.and_then(|config| {
            let kind = &config.file.backend.as_ref()?.kind;
            let section = BackendSection::in_file(kind.get_ref(), &config.path, &config.text);
            Some((section, config.place("backend.kind", kind)))
        });
        match (&self.options.backend, in_file) {
            (None, Some(in_file)) => in_file,
            (Some(flag), Some((section, _))) if section.kind() == flag => {
                (section, Place::Flag("--backend"))
            }
            (Some(flag), in_file) => {
                if in_file.is_some() {
                    stderr::line(format_args!(
                        "note: --backend {flag} is another kind than the file's; its [backend] options are left out"
                    ));
                }
                (BackendSection::without_file(flag), Place::Flag("--backend"))
            }
            // What the official script runs on.
            (None, None) => (
                BackendSection::without_file("docker"),
                Place::Flag("--backend"),
            ),
        }
    }

    fn track(&self, protocol: &Protocol) -> Result<Arc<dyn Track>, ConfigError> {
        let in_file = self.config.and_then(|config| {
            let name = config.file.protocol.track.as_ref()?;
            Some((
                name.get_ref().as_str(),
                config.place("protocol.track", name),
            ))
        });
        let (name, place) = match (&self.options.track, in_file) {
            (Some(name), _) => (name.as_str(), Place::Flag("--track")),
            (None, Some(in_file)) => in_file,
            (None, None) => (InteractiveTrack::NAME, Place::Flag("--track")),
        };
        let options = TrackOptions {
            protocol: protocol.clone(),
            policy: self.policy()?,
        };
        let track = self.registry.track(name, &options);
        track.ok_or_else(|| ConfigError::Value {
            place,
            message: format!(
                "there is no track `{name}`; there are {}",
                self.registry.track_names().join(", ")
            ),
        })
    }

    fn policy(&self) -> Result<Arc<dyn ClickPolicy>, ConfigError> {
        let table = self.config.map(|config| (config, &config.file.protocol));
        let options = self.policy_options()?;
        let named = table.and_then(|(config, table)| Some((config, table.click_policy.as_ref()?)));
        let name = named.map_or("challenge", |(_, name)| name.get_ref());
        self.registry
            .policy(name, options)
            .ok_or_else(|| ConfigError::Value {
                place: named.map_or(Place::Flag("click_policy"), |(config, name)| {
                    config.place("protocol.click_policy", name)
                }),
                message: format!(
                    "there is no click policy `{name}`; there are {}",
                    self.registry.policy_names().join(", ")
                ),
            })
    }

    fn policy_options(&self) -> Result<PolicyOptions, ConfigError> {
        let mut options = PolicyOptions::default();
        let Some(config) = self.config else {
            return Ok(options);
        };
        let table = &config.file.protocol;
        if let Some(seed) = &table.click_seed {
            options.seed = *seed.get_ref();
        }
        if let Some(sigma) = &table.click_sigma_mm {
            options.sigma_mm = *sigma.get_ref();
            if !(options.sigma_mm.is_finite() && options.sigma_mm >= 0.0) {
                return Err(ConfigError::Value {
                    place: config.place("protocol.click_sigma_mm", sigma),
                    message: format!("must be 0 or a positive number, not {}", sigma.get_ref()),
                });
            }
        }
        Ok(options)
    }

    fn protocol(&self) -> Result<Protocol, ConfigError> {
        let mut protocol = Protocol::default();
        if let Some(config) = self.config {
            apply(config, &config.file.protocol, &mut protocol)?;
        }
        if let Some(clicks) = self.options.clicks {
            protocol.clicks = clicks;
            check_clicks(clicks, || Place::Flag("--clicks"))?;
        }
        Ok(protocol)
    }

    fn images(&self) -> Result<PathBuf, ConfigError> {
        let setting = self.path(&self.options.images, "--images", "cases.images", |config| {
            config.file.cases.images.as_ref()
        });
        let setting = setting.ok_or_else(|| ConfigError::Missing {
            message:
                "no images: give --images DIR, or `images` under [cases] in a file for --config"
                    .to_owned(),
        })?;
        folder(setting, "images")
    }

    fn ground_truth(&self) -> Result<Option<PathBuf>, ConfigError> {
        let setting = self.path(
            &self.options.ground_truth,
            "--ground-truth",
            "cases.ground_truth",
            |config| config.file.cases.ground_truth.as_ref(),
        );
        setting
            .map(|setting| folder(setting, "ground truth"))
            .transpose()
    }

    fn output(&self) -> Result<PathBuf, ConfigError> {
        let setting = self.path(&self.options.output, "--output", "output.dir", |config| {
            config.file.output.dir.as_ref()
        });
        let setting = setting.ok_or_else(|| ConfigError::Missing {
            message: "no output folder: give --output DIR, or `dir` under [output] in a file for --config"
                .to_owned(),
        })?;
        match setting.value.metadata() {
            Ok(found) if !found.is_dir() => Err(ConfigError::Value {
                place: setting.place,
                message: format!(
                    "{} is a file, not a folder for results",
                    setting.value.display()
                ),
            }),
            _ => Ok(setting.value),
        }
    }

    fn work_dir(&self) -> Option<WorkDir> {
        let config = self.config?;
        let folder = config.file.output.work_dir.as_ref()?;
        Some(WorkDir {
            given: folder.get_ref().clone(),
            base: config.resolve(Path::new("")),
            place: config.place("output.work_dir", folder),
        })
    }

    /// The submissions of the folder that a flag names, else of the file, else of the folder that
    /// the file names.
    fn submissions(&self, kind: &str) -> Result<Vec<Submission>, ConfigError> {
        if let Some(path) = &self.options.submissions {
            let setting = Setting {
                value: path.clone(),
                place: Place::Flag("--submissions"),
            };
            return submissions::in_folder(&setting, kind);
        }
        let mut found = Found::default();
        if let Some(config) = self.config {
            for table in &config.file.submission {
                found.add(config, table, kind)?;
            }
            if let Some(path) = &config.file.run.submissions {
                let place = config.place("run.submissions", path);
                let setting = Setting {
                    value: config.resolve(path.get_ref()),
                    place,
                };
                found.add_folder(&setting, kind)?;
            }
        }
        let submissions = found.into_submissions();
        if submissions.is_empty() {
            return Err(ConfigError::Missing {
                message:
                    "no submission: give --submissions DIR with archives, or a [[submission]] \
                          in a file for --config"
                        .to_owned(),
            });
        }
        Ok(submissions)
    }

    fn first(&self) -> Result<Option<usize>, ConfigError> {
        at_least_one(self.options.first, || Place::Flag("--first"))
    }

    /// A choice of cases restarts these, and nothing else.
    fn restart(&self) -> Restart {
        let options = self.options;
        let is_choice = !options.cases.is_empty() || options.first.is_some();
        match (options.restart, is_choice) {
            (false, _) => Restart::Nothing,
            (true, true) => Restart::Cases,
            (true, false) => Restart::Everything,
        }
    }

    fn jobs(&self) -> Result<SideBySide, ConfigError> {
        let flag = self.options.jobs.map(|jobs| (jobs, Place::Flag("--jobs")));
        let in_file = self.config.and_then(|config| {
            let jobs = config.file.run.jobs.as_ref()?;
            Some((*jobs.get_ref(), config.place("run.jobs", jobs)))
        });
        match flag.or(in_file) {
            None => Ok(SideBySide::Count(1)),
            Some((Jobs::Count(count), place)) => {
                at_least_one(Some(count), || place)?;
                Ok(SideBySide::Count(count))
            }
            Some((Jobs::Gpus, place)) => Ok(SideBySide::OnCards {
                cards: Cards::here(),
                place,
            }),
        }
    }

    fn threads(&self) -> Result<Option<usize>, ConfigError> {
        let flag = at_least_one(self.options.threads, || Place::Flag("--threads"))?;
        let file = self.count("run.threads", |config| config.file.run.threads.as_ref())?;
        Ok(flag.or(file))
    }

    fn count(
        &self,
        key: &str,
        value: impl Fn(&LoadedConfig) -> Option<&Spanned<usize>>,
    ) -> Result<Option<usize>, ConfigError> {
        let Some((config, count)) = self
            .config
            .and_then(|config| Some((config, value(config)?)))
        else {
            return Ok(None);
        };
        at_least_one(Some(*count.get_ref()), || config.place(key, count))
    }

    /// The path that a flag gives or, without it, the file.
    fn path(
        &self,
        flag: &Option<PathBuf>,
        flag_name: &'static str,
        key: &str,
        in_file: impl Fn(&LoadedConfig) -> Option<&Spanned<PathBuf>>,
    ) -> Option<Setting<PathBuf>> {
        if let Some(path) = flag {
            return Some(Setting {
                value: path.clone(),
                place: Place::Flag(flag_name),
            });
        }
        let config = self.config?;
        let path = in_file(config)?;
        Some(Setting {
            value: config.resolve(path.get_ref()),
            place: config.place(key, path),
        })
    }
}

/// The cases that run side by side.
enum SideBySide {
    /// So many.
    Count(usize),
    /// One on each of these graphics cards.
    OnCards {
        cards: Cards,
        /// Where that was asked for.
        place: Place,
    },
}

impl SideBySide {
    /// How many; where there is no card, one, with which nothing is run.
    fn count(&self) -> usize {
        match self {
            Self::Count(count) => *count,
            Self::OnCards { cards, .. } => cards.own().len().max(1),
        }
    }

    /// Where cards were asked for, if there is none.
    fn no_cards(&self) -> Option<Place> {
        match self {
            Self::OnCards { cards, place } if cards.own().is_empty() => Some(place.clone()),
            _ => None,
        }
    }
}

/// The file's `[ranking]` and groups, for cases of this track.
pub(crate) fn ranking(config: &LoadedConfig, track: &dyn Track) -> Result<Settings, ConfigError> {
    let columns = columns_of(track);
    let table = &config.file.ranking;
    let mut settings = Settings {
        scheme: table.scheme,
        ..Settings::default()
    };
    for (id, weight) in &table.weights {
        let wrong = |message: String| ConfigError::Value {
            place: config.place(&format!("ranking.weights.{id}"), weight),
            message,
        };
        if !columns.iter().any(|column| column.id == *id) {
            let known: Vec<&str> = columns.iter().map(|column| &*column.id).collect();
            return Err(wrong(format!(
                "there is no column `{id}`; there are {}",
                known.join(", ")
            )));
        }
        let weight = *weight.get_ref();
        if !(weight.is_finite() && weight >= 0.0) {
            return Err(wrong(format!("must be 0 or more, not {weight}")));
        }
        settings.weights.insert(id.clone(), weight);
    }
    let given = table.weights.values().next();
    if let Some(first) = given.filter(|_| settings.weights.values().all(|weight| *weight == 0.0)) {
        return Err(ConfigError::Value {
            place: config.place("ranking.weights", first),
            message: "one of the weights must be more than 0".to_owned(),
        });
    }
    if let Some(file) = &config.file.cases.groups {
        let groups = Groups::read(&config.resolve(file.get_ref()));
        settings.groups = groups.map_err(|error| ConfigError::Value {
            place: config.place("cases.groups", file),
            message: error.to_string(),
        })?;
    }
    Ok(settings)
}

/// Takes over the file's protocol options.
fn apply(
    config: &LoadedConfig,
    table: &ProtocolTable,
    protocol: &mut Protocol,
) -> Result<(), ConfigError> {
    if let Some(clicks) = &table.clicks {
        protocol.clicks = *clicks.get_ref();
        check_clicks(protocol.clicks, || config.place("protocol.clicks", clicks))?;
    }
    let mut timeout = protocol.interaction_timeout.as_secs_f64();
    let numbers = [
        (
            "nsd_tolerance_mm",
            &table.nsd_tolerance_mm,
            &mut protocol.nsd_tolerance_mm,
        ),
        (
            "seconds_per_class",
            &table.seconds_per_class,
            &mut protocol.seconds_per_class,
        ),
        (
            "interaction_timeout_seconds",
            &table.interaction_timeout_seconds,
            &mut timeout,
        ),
    ];
    for (key, given, option) in numbers {
        let Some(given) = given else { continue };
        if !(given.get_ref().is_finite() && *given.get_ref() > 0.0) {
            return Err(ConfigError::Value {
                place: config.place(&format!("protocol.{key}"), given),
                message: format!("must be a positive number, not {}", given.get_ref()),
            });
        }
        *option = *given.get_ref();
    }
    // A year stands for ever; what is longer does not fit a timer.
    protocol.interaction_timeout = Duration::from_secs_f64(timeout.min(365.0 * 86_400.0));
    protocol.over_time = table.over_time.unwrap_or(protocol.over_time);
    protocol.failed_prediction = table
        .failed_prediction
        .unwrap_or(protocol.failed_prediction);
    Ok(())
}

fn check_clicks(clicks: usize, place: impl Fn() -> Place) -> Result<(), ConfigError> {
    const MOST: usize = 1000;
    if clicks > MOST {
        return Err(ConfigError::Value {
            place: place(),
            message: format!("{clicks} clicks are more than the {MOST} there can be"),
        });
    }
    Ok(())
}

fn at_least_one(
    count: Option<usize>,
    place: impl FnOnce() -> Place,
) -> Result<Option<usize>, ConfigError> {
    match count {
        Some(0) => Err(ConfigError::Value {
            place: place(),
            message: "must be 1 or more".to_owned(),
        }),
        count => Ok(count),
    }
}
