//! Trying a submission: on the interactive track a small case through the box and two clicks, one
//! without boxes, and one that is perfect from the start; on the text track one of labels and one of
//! instances.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use segarena_core::backend::{InferenceBackend, Lifetime, NoAnswer, Submission, SubmissionFacts};
use segarena_core::case::CaseFiles;
use segarena_core::clicks::ChallengePolicy;
use segarena_core::dialogue::Track;
use segarena_core::dialogue::tracks::{TextTrack, TrackOptions};
use segarena_core::event::{Event, Observer};
use segarena_core::npz::NpzMembers;
use segarena_core::protocol::Protocol;
use segarena_core::record::{InteractionRecord, Outcome};
use segarena_core::run::{Evaluation, OutputFolder, Restart, RunSummary};
use segarena_core::work::KeepWork;
use tokio_util::sync::CancellationToken;

use super::perfect_case::PerfectCaseTrack;
use super::prepared_once::PreparedOnce;
use super::warm::{Attempt, Difference, TriedWarm, first_difference};
use crate::args::BuiltInTrack;
use crate::phantom::{Phantom, Prompts, organs, perfect, text_phantoms, vessels};

/// Clicks after the box, for each case.
pub(crate) const CLICKS: usize = 2;

/// What is to be tried.
pub(crate) struct Trial {
    /// What runs it.
    pub(crate) backend: Arc<dyn InferenceBackend>,
    /// The submission.
    pub(crate) submission: Submission,
    /// The track that it is for.
    pub(crate) track: BuiltInTrack,
    /// How long it is to live when it is tried once more; an interaction: it is not.
    pub(crate) lifetime: Lifetime,
    /// The folder for cases, work and results; empty.
    pub(crate) folder: PathBuf,
    /// Kill an interaction after so long; none: after the time limit of the whole case.
    pub(crate) timeout: Option<Duration>,
}

/// What was seen of it.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    /// What a person should know of the backend.
    pub(crate) caution: Option<String>,
    /// What the backend found out: an image's size, its user.
    pub(crate) facts: SubmissionFacts,
    /// How long that took.
    pub(crate) preparation: Duration,
    /// Why it could not be made runnable.
    pub(crate) error: Option<String>,
    /// The cases, in order.
    pub(crate) cases: Vec<TriedCase>,
    /// What was seen when it was kept warm, where that was asked for.
    pub(crate) warm: Option<TriedWarm>,
    /// Whether somebody stopped it from outside.
    pub(crate) interrupted: bool,
}

/// A case that a submission was tried on.
#[derive(Debug, Default)]
pub(crate) struct TriedCase {
    pub(crate) name: String,
    pub(crate) kind: TriedKind,
    /// Its labels, ascending.
    pub(crate) labels: Vec<u8>,
    /// Seconds that the whole case may take.
    pub(crate) seconds_allowed: f64,
    /// The interactions that were run, in order.
    pub(crate) interactions: Vec<InteractionRecord>,
    /// Whether it came to its end, so that its predictions are saved.
    pub(crate) is_finished: bool,
    /// The element type of what it wrote last, as numpy calls it.
    pub(crate) dtype: Option<String>,
    /// The values of its last prediction but 0, ascending.
    pub(crate) values: Option<Vec<u8>>,
}

/// What a case is there to try.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum TriedKind {
    /// A box, then clicks.
    #[default]
    Box,
    /// Clicks from the start.
    NoBox,
    /// A box, and clicks for no label, as the prediction after the box is taken for perfect.
    Perfect,
    /// Labels by their texts.
    Labels,
    /// Instances by one text.
    Instances,
}

impl TriedKind {
    /// The name of a check of this case, with what tells it from other cases.
    pub(crate) fn check(self, name: &str) -> String {
        match self {
            Self::Box => name.to_owned(),
            Self::NoBox => format!("{name}, no box"),
            Self::Perfect => format!("{name}, perfect"),
            Self::Labels => format!("{name}, semantic"),
            Self::Instances => format!("{name}, instances"),
        }
    }

    fn of(phantom: &Phantom) -> Self {
        match &phantom.prompts {
            _ if phantom.name == perfect().name => Self::Perfect,
            Prompts::Boxes => Self::Box,
            Prompts::None => Self::NoBox,
            Prompts::Texts(texts) if texts.instances => Self::Instances,
            Prompts::Texts(_) => Self::Labels,
        }
    }
}

impl Trial {
    /// Tries it.
    ///
    /// # Errors
    /// When it could not be tried: the engine failed, or this machine.
    pub(crate) async fn go(
        self,
        person: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> anyhow::Result<Tried> {
        let phantoms = match self.track {
            BuiltInTrack::Interactive => vec![organs(), vessels(), perfect()],
            BuiltInTrack::Text => text_phantoms(),
        };
        let files: anyhow::Result<Vec<CaseFiles>> = phantoms
            .iter()
            .map(|phantom| phantom.write(&self.folder))
            .collect();
        let backend = Arc::new(PreparedOnce::new(Arc::clone(&self.backend)));
        let stage = Stage {
            trial: &self,
            backend: Arc::clone(&backend) as _,
            phantoms,
            files: files?,
            person: Arc::clone(&person),
            cancel,
        };
        let tried = stage.cold_and_warm().await;
        if let Err(error) = backend.end().await {
            person.notice(&Event::Note {
                subject: self.submission.name.clone(),
                text: format!("could not be cleaned up: {error}"),
            });
        }
        tried
    }
}

/// What every attempt at a submission is made with.
struct Stage<'a> {
    trial: &'a Trial,
    backend: Arc<dyn InferenceBackend>,
    phantoms: Vec<Phantom>,
    files: Vec<CaseFiles>,
    person: Arc<dyn Observer>,
    cancel: CancellationToken,
}

impl Stage<'_> {
    /// Starts it anew for each interaction and, where that is asked for, keeps it warm as well.
    async fn cold_and_warm(&self) -> anyhow::Result<Tried> {
        let mut cold = self.attempt(Lifetime::Interaction, COLD).await?;
        let lifetime = self.trial.lifetime;
        if !lifetime.is_warm() || cold.error.is_some() || cold.interrupted {
            return Ok(cold);
        }
        let mut seen = TriedWarm {
            lifetime,
            ..TriedWarm::default()
        };
        if !has_hung(&cold) {
            let warm = self.attempt(lifetime, WARM).await?;
            cold.interrupted |= warm.interrupted;
            seen.difference = self.difference(&cold, (&warm, WARM))?;
            if seen.difference.is_some() && !cold.interrupted {
                let again = self.attempt(Lifetime::Interaction, AGAIN).await?;
                cold.interrupted |= again.interrupted;
                seen.unsteady = self.difference(&cold, (&again, AGAIN))?;
            }
            seen.cases = warm.cases;
        }
        cold.warm = Some(seen);
        Ok(cold)
    }

    /// Where another attempt first differs from the first one.
    fn difference(
        &self,
        cold: &Tried,
        (tried, results): (&Tried, &str),
    ) -> anyhow::Result<Option<Difference>> {
        let folder = |results| self.trial.folder.join(results);
        let (before, after) = (folder(COLD), folder(results));
        let one = Attempt {
            cases: &cold.cases,
            output: &before,
        };
        let other = Attempt {
            cases: &tried.cases,
            output: &after,
        };
        let found = first_difference(&self.trial.submission.name, &one, &other);
        found.context("cannot compare the predictions")
    }

    /// Has it predict every case, with results in this folder.
    async fn attempt(&self, lifetime: Lifetime, results: &str) -> anyhow::Result<Tried> {
        let trial = self.trial;
        let protocol = Protocol {
            clicks: CLICKS,
            ..Protocol::default()
        };
        let untried = |phantom: &Phantom| {
            let labels = phantom.label_values();
            TriedCase {
                name: format!("{}.npz", phantom.name),
                kind: TriedKind::of(phantom),
                seconds_allowed: protocol.time_limit(labels.len()),
                labels,
                ..TriedCase::default()
            }
        };
        let cases: Vec<TriedCase> = self.phantoms.iter().map(untried).collect();
        let longest = cases.iter().map(|case| case.seconds_allowed);
        let longest = Duration::from_secs_f64(longest.fold(0.0, f64::max));
        let output = trial.folder.join(results);
        // The text track knows no time limit of a case.
        let longest = match trial.track {
            BuiltInTrack::Interactive => longest,
            BuiltInTrack::Text => protocol.interaction_timeout,
        };
        let protocol = Protocol {
            interaction_timeout: trial.timeout.unwrap_or(longest),
            ..protocol
        };
        let options = TrackOptions {
            protocol: protocol.clone(),
            policy: Arc::new(ChallengePolicy),
        };
        let track: Arc<dyn Track> = match trial.track {
            BuiltInTrack::Interactive => Arc::new(PerfectCaseTrack::new(options)),
            BuiltInTrack::Text => Arc::new(TextTrack::new(options)),
        };
        let evaluation = Evaluation {
            images: trial.folder.join("imgs"),
            ground_truth: Some(trial.folder.join("gts")),
            cases: self.files.clone(),
            submissions: vec![trial.submission.clone()],
            protocol,
            backend: Arc::clone(&self.backend),
            track,
            lifetime,
            output: output.clone(),
            work_dir: None,
            keep_work: KeepWork::Last,
            restart: Restart::Nothing,
            jobs: 1,
        };
        let watcher = Arc::new(Watcher {
            tried: Mutex::new(Tried {
                cases,
                ..Tried::default()
            }),
            begun: Mutex::new(Instant::now()),
            person: Arc::clone(&self.person),
            // What hung once hangs again: the rest is not waited for.
            give_up: self.cancel.child_token(),
        });
        let observer: Arc<dyn Observer> = Arc::clone(&watcher) as _;
        let summary = evaluation.run(observer, watcher.give_up.clone()).await;
        let summary = summary.context("the submission could not be tried")?;
        let mut tried = std::mem::take(&mut *watcher.tried());
        tried.interrupted = self.cancel.is_cancelled();
        look_at_predictions(&mut tried, &output, &trial.submission.name, &summary);
        Ok(tried)
    }
}

/// The folders of results.
const COLD: &str = "results";
const WARM: &str = "results-warm";
const AGAIN: &str = "results-again";

fn has_hung(tried: &Tried) -> bool {
    let mut all = tried.cases.iter().flat_map(|case| &case.interactions);
    all.any(|interaction| interaction.outcome == Outcome::TimedOut)
}

/// Looks at what the submission wrote last for each case.
fn look_at_predictions(tried: &mut Tried, output: &Path, name: &str, summary: &RunSummary) {
    for case in &mut tried.cases {
        let stem = case.name.trim_end_matches(".npz");
        let work = output.join(OutputFolder::PRIVATE).join("work");
        let written = work.join(name).join(stem).join("outputs").join(&case.name);
        let dtype = NpzMembers::open(&written).and_then(|file| file.dtype("segs"));
        // What is wrong with the file has been told as the interaction's outcome.
        case.dtype = dtype.ok().map(|dtype| dtype.to_string());
        let finished = summary.submissions.iter().flat_map(|s| &s.records);
        case.is_finished = finished.into_iter().any(|record| record.case == case.name);
        if case.is_finished {
            let saved = OutputFolder::at(output).submission(name).predictions(stem);
            let segs = NpzMembers::open(&saved).and_then(|file| file.byte_volume("segs"));
            case.values = segs.ok().map(|segs| {
                let mut seen = [false; 256];
                segs.iter()
                    .for_each(|&value| seen[usize::from(value)] = true);
                (1..=255)
                    .filter(|&value| seen[usize::from(value)])
                    .collect()
            });
        }
    }
}

/// Keeps what is seen, passes it on, and gives up on a submission that hangs.
struct Watcher {
    tried: Mutex<Tried>,
    begun: Mutex<Instant>,
    person: Arc<dyn Observer>,
    give_up: CancellationToken,
}

impl Watcher {
    fn tried(&self) -> MutexGuard<'_, Tried> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begun(&self) -> MutexGuard<'_, Instant> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Watcher {
    fn notice(&self, event: &Event) {
        self.person.notice(event);
        match event {
            Event::SubmissionPreparing { .. } => *self.begun() = Instant::now(),
            Event::SubmissionStarted { facts, .. } => {
                let preparation = self.begun().elapsed();
                let mut tried = self.tried();
                (tried.facts, tried.preparation) = (facts.clone(), preparation);
            }
            Event::Caution { text, .. } => self.tried().caution = Some(text.clone()),
            Event::SubmissionFailed { error, .. } => self.tried().error = Some(error.clone()),
            Event::InteractionFinished { case, record, .. } => {
                let mut tried = self.tried();
                if let Some(case) = tried.cases.iter_mut().find(|known| known.name == *case) {
                    case.interactions.push(record.clone());
                }
                if matches!(
                    record.outcome,
                    Outcome::TimedOut | Outcome::NoAnswer(NoAnswer::NeverReady)
                ) {
                    self.give_up.cancel();
                }
            }
            _ => {}
        }
    }
}
