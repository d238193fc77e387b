//! An engine's failure is not a submission's: it is tried again, and when it lasts the run stops
//! with what is done kept. The engine here is somebody else's backend, as a library user adds it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crate::scenario::{Scenario, stand_in};
use async_trait::async_trait;
use segarena_core::backend::{
    BackendError, BackendErrorKind, BackendStatus, Execution, InferenceBackend, InteractionRequest,
    Lifetime, PrepareProgress, Runnable, Submission, SubmissionSource,
};
use segarena_core::case::{CaseChoice, find_cases};
use segarena_core::clicks::ChallengePolicy;
use segarena_core::dialogue::tracks::{InteractiveTrack, TrackOptions};
use segarena_core::event::{Event, Observer};
use segarena_core::protocol::Protocol;
use segarena_core::run::{Evaluation, Restart, RunError, RunSummary};
use segarena_core::work::KeepWork;
use segarena_process::ProcessBackend;
use tokio_util::sync::CancellationToken;

/// The process backend, whose engine fails at certain interactions, counted from 0.
struct Flaky {
    inner: ProcessBackend,
    calls: AtomicUsize,
    fails: fn(usize) -> bool,
    temporary: bool,
}

impl Flaky {
    fn new(fails: fn(usize) -> bool, temporary: bool) -> Arc<Self> {
        let inner = ProcessBackend::new(segarena_process::Config::default());
        Arc::new(Self {
            inner,
            calls: AtomicUsize::new(0),
            fails,
            temporary,
        })
    }
}

#[async_trait]
impl InferenceBackend for Flaky {
    fn kind(&self) -> &str {
        "flaky"
    }

    async fn check(&self) -> Result<BackendStatus, BackendError> {
        self.inner.check().await
    }

    async fn prepare(
        &self,
        submission: &Submission,
        progress: &dyn PrepareProgress,
    ) -> Result<Runnable, BackendError> {
        self.inner.prepare(submission, progress).await
    }

    async fn infer(
        &self,
        runnable: &Runnable,
        request: &InteractionRequest<'_>,
    ) -> Result<Execution, BackendError> {
        if (self.fails)(self.calls.fetch_add(1, Ordering::Relaxed)) {
            let error = BackendError::new(BackendErrorKind::Engine, "the engine's socket is gone");
            return Err(if self.temporary {
                error.temporary()
            } else {
                error
            });
        }
        self.inner.infer(runnable, request).await
    }

    async fn release(&self, runnable: Runnable) -> Result<(), BackendError> {
        self.inner.release(runnable).await
    }
}

#[derive(Default)]
struct Retries(Mutex<Vec<usize>>);

impl Observer for Retries {
    fn notice(&self, event: &Event) {
        if let Event::EngineRetry { attempt, .. } = event {
            self.0.lock().unwrap().push(*attempt);
        }
    }
}

async fn evaluate(
    folder: &Path,
    backend: Arc<dyn InferenceBackend>,
    retries: &Arc<Retries>,
) -> Result<RunSummary, RunError> {
    let (images, truth) = (folder.join("imgs"), folder.join("gts"));
    let places = [("INPUTS", "{inputs}"), ("OUTPUTS", "{outputs}")];
    let protocol = Protocol {
        clicks: 1,
        ..Protocol::default()
    };
    let evaluation = Evaluation {
        cases: find_cases(&images, Some(&truth), &CaseChoice::default()).unwrap(),
        images,
        ground_truth: Some(truth),
        submissions: vec![Submission {
            name: "s".to_owned(),
            source: SubmissionSource::Command {
                argv: vec![stand_in().to_str().unwrap().to_owned()],
                workdir: folder.to_owned().into(),
            },
            env: BTreeMap::from(places.map(|(name, value)| (name.to_owned(), value.to_owned()))),
        }],
        track: Arc::new(InteractiveTrack::new(TrackOptions {
            protocol: protocol.clone(),
            policy: Arc::new(ChallengePolicy),
        })),
        protocol,
        backend,
        lifetime: Lifetime::Interaction,
        output: folder.join("out"),
        work_dir: None,
        keep_work: KeepWork::Nothing,
        restart: Restart::Nothing,
        jobs: 1,
    };
    let observer: Arc<dyn Observer> = Arc::clone(retries) as _;
    evaluation.run(observer, CancellationToken::new()).await
}

fn two_cases() -> Scenario {
    Scenario::new()
        .case("micro_tiny_objects")
        .case("phantom_perfect")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_fails_for_a_moment_is_tried_again() {
    let scenario = two_cases();
    let retries = Arc::new(Retries::default());
    let backend = Flaky::new(|call| call == 1, true);
    let summary = evaluate(scenario.path(), backend, &retries).await.unwrap();
    assert!(!summary.has_failure(), "the submission is not to blame");
    assert_eq!(summary.submissions[0].records.len(), 2);
    assert_eq!(*retries.0.lock().unwrap(), [2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_on_failing_stops_the_run_and_what_is_done_is_kept() {
    let scenario = two_cases();
    let retries = Arc::new(Retries::default());
    // The first case takes two interactions; the second never gets its chance.
    let error = evaluate(
        scenario.path(),
        Flaky::new(|call| call >= 2, false),
        &retries,
    )
    .await;
    let said = error.unwrap_err().to_string();
    assert!(
        said.contains("phantom_perfect.npz") && said.contains("socket is gone"),
        "{said}"
    );
    assert_eq!(scenario.table_rows("s").len(), 1);
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );

    let again = Flaky::new(|_| false, false);
    let calls = Arc::clone(&again);
    let summary = evaluate(scenario.path(), again, &retries).await.unwrap();
    assert_eq!(summary.submissions[0].finished_before, 1);
    assert_eq!(summary.submissions[0].records.len(), 2);
    assert_eq!(
        calls.calls.load(Ordering::Relaxed),
        2,
        "only the second case ran"
    );
}
