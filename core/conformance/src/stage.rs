//! What a behaviour is shown on: tiny cases, an output folder, and a look at this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ndarray::Array3;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use super::Subject;
use segarena_core::backend::{
    BackendError, Enforcement, Execution, InferenceBackend, InteractionRequest, Lifetime, Limit,
    NoProgress, Submission,
};
use segarena_core::case::{CaseChoice, find_cases};
use segarena_core::clicks::ChallengePolicy;
use segarena_core::dialogue::tracks::{InteractiveTrack, TrackOptions};
use segarena_core::event::NoObserver;
use segarena_core::npz::{NpzFile, write_volume};
use segarena_core::protocol::Protocol;
use segarena_core::record::{CaseRecord, InteractionRecord};
use segarena_core::run::{Evaluation, Restart, RunError, RunSummary};
use segarena_core::work::KeepWork;

/// Memory that every script of the suite but the greedy one is content with.
const PLENTY: u64 = 512 << 20;

/// A folder with cases, to run evaluations in.
pub(super) struct Stage<'a> {
    subject: &'a dyn Subject,
    folder: TempDir,
    cases: Vec<&'static str>,
    /// The protocol of the evaluations: one click, two minutes, which a busy machine may need.
    pub(super) protocol: Protocol,
    /// The memory a submission may use.
    pub(super) memory: u64,
    /// How long a submission that was started lives.
    pub(super) lifetime: Lifetime,
    /// Cases side by side.
    pub(super) jobs: usize,
}

impl<'a> Stage<'a> {
    /// A stage with one case.
    pub(super) fn new(subject: &'a dyn Subject) -> Self {
        Self::with_cases(subject, &["only"])
    }

    /// A stage with these cases.
    pub(super) fn with_cases(subject: &'a dyn Subject, cases: &[&'static str]) -> Self {
        let folder = TempDir::new().unwrap();
        let images = folder.path().join("images");
        fs::create_dir(&images).unwrap();
        for case in cases {
            let mut file = NpzFile::create(&images.join(format!("{case}.npz"))).unwrap();
            file.array("imgs", &Array3::<u8>::zeros(SHAPE)).unwrap();
            file.array("gts", &truth()).unwrap();
            file.array("spacing", &ndarray::arr1(&[1.0, 1.0, 1.0]))
                .unwrap();
            file.finish().unwrap();
        }
        Self {
            subject,
            folder,
            cases: cases.to_vec(),
            protocol: Protocol {
                clicks: 1,
                interaction_timeout: Duration::from_secs(120),
                ..Protocol::default()
            },
            memory: PLENTY,
            lifetime: Lifetime::Interaction,
            jobs: 1,
        }
    }

    /// Runs these scripts as submissions on every case.
    pub(super) fn evaluate(&self, scripts: &[(&str, String)]) -> RunSummary {
        let submissions = scripts
            .iter()
            .map(|(name, script)| self.subject.submission(name, script))
            .collect();
        self.evaluate_submissions(submissions, CancellationToken::new())
            .unwrap()
    }

    /// Runs one script on one case and gives its first interaction that is not skipped.
    pub(super) fn interaction(&self, script: &str) -> InteractionRecord {
        let summary = self.evaluate(&[("team", script.to_owned())]);
        record(&summary, "team", self.cases[0]).interactions[1].clone()
    }

    /// Runs these submissions on every case.
    pub(super) fn evaluate_submissions(
        &self,
        submissions: Vec<Submission>,
        cancel: CancellationToken,
    ) -> Result<RunSummary, RunError> {
        let images = self.folder.path().join("images");
        let backend = self.subject.backend(self.memory);
        let evaluation = Evaluation {
            cases: find_cases(&images, None, &CaseChoice::default()).unwrap(),
            images,
            ground_truth: None,
            submissions,
            protocol: self.protocol.clone(),
            backend: Arc::clone(&backend),
            track: Arc::new(InteractiveTrack::new(TrackOptions {
                protocol: self.protocol.clone(),
                policy: Arc::new(ChallengePolicy),
            })),
            lifetime: self.lifetime,
            output: self.output(),
            work_dir: None,
            keep_work: KeepWork::Nothing,
            restart: Restart::Everything,
            jobs: self.jobs,
        };
        let runtime = runtime();
        let result = runtime.block_on(evaluation.run(Arc::new(NoObserver), cancel));
        let left: Vec<PathBuf> = fs::read_dir(self.output().join(".segarena/work"))
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        assert!(left.is_empty(), "work folders are left: {left:?}");
        result
    }

    /// Runs one interaction by itself and gives what the backend answers; `None` when `until` was
    /// over before and the answer no longer waited for.
    pub(super) fn infer(
        &self,
        script: &str,
        cancel: CancellationToken,
        until: impl Future<Output = ()>,
    ) -> Option<Result<Execution, BackendError>> {
        let backend = self.subject.backend(self.memory);
        let [inputs, outputs] = ["inputs", "outputs"].map(|name| self.folder.path().join(name));
        for folder in [&inputs, &outputs] {
            fs::create_dir_all(folder).unwrap();
        }
        runtime().block_on(async {
            backend.check().await.unwrap();
            let submission = self.subject.submission("team", script);
            let runnable = backend.prepare(&submission, &NoProgress).await.unwrap();
            let log = self.folder.path().join("log");
            let request = InteractionRequest {
                run_id: "conformance",
                case: "only.npz",
                index: 1,
                inputs: &inputs,
                outputs: &outputs,
                timeout: Duration::from_secs(60),
                log: &log,
                cancel,
                worker: 0,
            };
            let answer = tokio::select! {
                answer = backend.infer(&runnable, &request) => Some(answer),
                () = until => None,
            };
            backend.release(runnable).await.unwrap();
            backend.shut_down().await.unwrap();
            answer
        })
    }

    /// Whether the backend says that it holds this limit.
    pub(super) fn holds(&self, asked: Limit) -> bool {
        let backend: Arc<dyn InferenceBackend> = self.subject.backend(self.memory);
        let status = runtime().block_on(async {
            let status = backend.check().await.unwrap();
            backend.shut_down().await.unwrap();
            status
        });
        let mut limits = status.limits.iter();
        limits
            .any(|limit| limit.limit == asked && matches!(limit.enforcement, Enforcement::Enforced))
    }

    /// The output folder.
    pub(super) fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// What a submission printed at an interaction.
    pub(super) fn log(&self, name: &str, case: &str, index: usize) -> String {
        let log = format!("{name}/logs/{case}.{index}.log");
        fs::read_to_string(self.output().join(log)).unwrap()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(3)
        .enable_all()
        .build()
        .unwrap()
}

/// The record of a case of a submission.
#[track_caller]
pub(super) fn record<'s>(summary: &'s RunSummary, name: &str, case: &str) -> &'s CaseRecord {
    let submission = summary.submissions.iter().find(|s| s.name == name).unwrap();
    assert_eq!(submission.error, None, "{name} could not be run");
    submission
        .records
        .iter()
        .find(|record| record.case == format!("{case}.npz"))
        .unwrap()
}

const SHAPE: [usize; 3] = [4, 5, 6];

/// Two labels, of which the second touches the border.
pub(super) fn truth() -> Array3<u8> {
    Array3::from_shape_fn(SHAPE, |(z, y, x)| match (z, y, x) {
        (1..=2, 1..=3, 1..=2) => 1,
        (_, 2.., 4..) => 2,
        _ => 0,
    })
}

/// A command of the shell that writes the perfect prediction with nothing but `printf`.
pub(super) fn predict() -> String {
    format!("printf '{}' > \"$OUTPUTS/$CASE\"", octal(&prediction()))
}

/// The perfect prediction's file.
pub(super) fn prediction() -> Vec<u8> {
    volume_file(&truth())
}

/// A prediction's file of another shape than the case's.
pub(super) fn prediction_of_another_shape() -> Vec<u8> {
    volume_file(&Array3::zeros([6, 5, 4]))
}

fn volume_file(volume: &Array3<u8>) -> Vec<u8> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("segs.npz");
    write_volume(&path, "segs", volume.view()).unwrap();
    fs::read(path).unwrap()
}

/// Bytes as `printf` takes them.
pub(super) fn octal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:03o}")).collect()
}

/// A duration for `sleep` that no other process of this machine was given.
pub(super) fn unique_sleep() -> String {
    use std::hash::{BuildHasher, RandomState};
    let digits = RandomState::new().hash_one(Instant::now()) % 1_000_000_000;
    format!("500.{digits:09}")
}

/// Fails if a process with this word in its command line is there after a moment.
#[track_caller]
pub(super) fn is_gone(word: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while runs(word) {
        assert!(Instant::now() < end, "a process with `{word}` is left");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until a process with this word in its command line is there.
pub(super) async fn is_there(word: &str) {
    let end = Instant::now() + Duration::from_secs(30);
    while !runs(word) {
        assert!(Instant::now() < end, "no process with `{word}` came");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn runs(word: &str) -> bool {
    let command_line = |process: &Path| fs::read(process.join("cmdline")).unwrap_or_default();
    fs::read_dir("/proc").unwrap().flatten().any(|process| {
        let line = command_line(&process.path());
        // The sleep itself, not a shell whose script names it.
        line.starts_with(b"sleep\0") && String::from_utf8_lossy(&line).contains(word)
    })
}
