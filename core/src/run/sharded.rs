//! Running one shard of an evaluation, beside others that run elsewhere into the same folder.
//!
//! A shard takes no lock, as file systems of clusters lock badly. What it writes is either its own
//! by name, in its folder, or one pair's own and whole: two shards never have a pair in common,
//! and two starts of one shard write the same.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;

use super::output::{Notes, OutputFolder, SHARD_RECORD};
use super::shard::{Shard, shares};
use super::shard_record::{Life, ShardOwner, ShardRecord, ShardState, Task};
use super::{CheckedCases, Evaluation, Fingerprint, RunError, RunSummary, now};
use crate::backend::{BackendError, BackendErrorKind, InferenceBackend};
use crate::case::CaseFiles;
use crate::event::{Event, Observer};
use crate::results::write_json;
use crate::retry::RetryingBackend;

/// A shard that somebody runs already.
#[derive(Debug, thiserror::Error)]
#[error(
    "shard {shard} of {} is being run by process {} of this machine: wait for it, or end it (what is \
     finished is kept)",
    output.display(), owner.pid
)]
pub struct ShardTaken {
    /// The shard.
    pub shard: Shard,
    /// The output folder.
    pub output: PathBuf,
    /// Who runs it.
    pub owner: Box<ShardOwner>,
}

/// What is ready for every shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared {
    /// The cases, all in order.
    pub cases: usize,
    /// The images that no shard has to make ready for itself.
    pub images: usize,
}

impl Evaluation {
    /// Evaluates only this share of the pairs of submission and case. Every share writes into the
    /// same output folder, at the same time if need be, on this machine or another;
    /// [`gather`](super::gather) makes the tables and the record of the run.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub async fn run_shard(
        self,
        shard: Shard,
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> Result<RunSummary, RunError> {
        let output = OutputFolder::create_for_shard(&self.output, shard)?;
        let record = self.claim(shard, &output, &*observer)?;
        let record = Arc::new(Mutex::new(record));
        let result = self
            .run_claimed(output.clone(), Arc::clone(&record), observer, cancel)
            .await;
        let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
        record.ended = Some(now());
        record.state = match &result {
            Ok(summary) if summary.interrupted => ShardState::Interrupted,
            Ok(_) => ShardState::Done,
            Err(error) => ShardState::Failed {
                error: error.to_string(),
            },
        };
        let saved = write_json(&output.shard_record(), &*record);
        // What went wrong first is what is told.
        let summary = result?;
        saved?;
        Ok(summary)
    }

    /// Checks the data set, keeps what was found, and makes the images ready that all machines can
    /// share, so that no shard has to.
    ///
    /// # Errors
    /// When a case is not as it should be, the output folder can't be written, or the engine
    /// fails. An image that nobody can run is no error: its submission's shards will say so.
    pub async fn prepare(
        &self,
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> Result<Prepared, RunError> {
        let folder = OutputFolder::create(&self.output)?.private();
        let checked = tokio::task::block_in_place(|| -> Result<_, RunError> {
            let checked = CheckedCases::check(&self.cases, &*self.track, &folder, &*observer)?;
            checked.save(&folder)?;
            Ok(checked)
        })?;
        let backend = RetryingBackend::new(Arc::clone(&self.backend), Arc::clone(&observer));
        let images = self.prepare_images(&backend, &observer, &cancel).await;
        if let Err(error) = backend.shut_down().await {
            tracing::warn!(%error, "the backend could not be shut down");
        }
        Ok(Prepared {
            cases: checked.cases().len(),
            images: images?,
        })
    }

    /// How many images there are now for all machines.
    async fn prepare_images(
        &self,
        backend: &RetryingBackend,
        observer: &Arc<dyn Observer>,
        cancel: &CancellationToken,
    ) -> Result<usize, BackendError> {
        let mut ready = 0;
        for submission in &self.submissions {
            let notes = Notes::new(&submission.name, Arc::clone(observer));
            let prepared = tokio::select! {
                prepared = backend.prepare_for_all(submission, &notes) => prepared,
                () = cancel.cancelled() => Err(BackendError::cancelled()),
            };
            match prepared {
                Ok(is_there) => ready += usize::from(is_there),
                Err(error) if error.kind() == BackendErrorKind::Submission => {
                    observer.notice(&Event::Note {
                        subject: submission.name.clone(),
                        text: error.to_string(),
                    });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ready)
    }

    /// Which of so many shards have a pair that is not finished, by the records that are there; none
    /// where the data set was not checked yet or has changed since, so that it can't be told.
    pub fn unfinished_shards(&self, count: usize) -> Option<BTreeSet<usize>> {
        let task = self.task(String::new());
        super::gather::unfinished_shards(
            &self.output,
            &task.submissions,
            &self.cases,
            &task.fingerprint,
            count,
        )
    }

    /// Notes that this process runs the shard, unless another is known to.
    fn claim(
        &self,
        shard: Shard,
        output: &OutputFolder,
        observer: &dyn Observer,
    ) -> Result<ShardRecord, RunError> {
        let path = output.shard_record();
        let earlier = ShardRecord::read(&path).map_err(|source| RunError::Work {
            path: path.clone(),
            source,
        })?;
        if let Some(earlier) = earlier {
            match (&earlier.state, earlier.owner.life()) {
                (ShardState::Running, Life::Alive) => {
                    return Err(RunError::ShardTaken(ShardTaken {
                        shard,
                        output: self.output.clone(),
                        owner: Box::new(earlier.owner),
                    }));
                }
                (ShardState::Running, Life::Unknown) => observer.notice(&Event::Note {
                    subject: format!("shard {shard}"),
                    text: format!(
                        "it was begun on {} at {} and never said that it ended; if it still runs \
                         there, both write the same",
                        earlier.owner.host, earlier.started
                    ),
                }),
                _ => output.sweep_shard(self, &earlier),
            }
        }
        let record = ShardRecord::begin(shard);
        write_json(&path, &record)?;
        Ok(record)
    }

    async fn run_claimed(
        mut self,
        output: OutputFolder,
        record: Arc<Mutex<ShardRecord>>,
        observer: Arc<dyn Observer>,
        cancel: CancellationToken,
    ) -> Result<RunSummary, RunError> {
        let folder = output.private();
        let (checked, name) = tokio::task::block_in_place(|| -> Result<_, RunError> {
            let checked = CheckedCases::check(&self.cases, &*self.track, &folder, &*observer)?;
            let name = checked.save(&folder)?;
            Ok((checked, name))
        })?;
        let shard = {
            let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
            record.task = Some(self.task(name));
            record.shard
        };
        let cases = self.keep_share(shard, &checked.weights());
        self.begin(&checked, output, cases, Some(record), observer, cancel)
            .await?
            .go()
            .await
    }

    /// What all shards are to do together.
    fn task(&self, checked: String) -> Task {
        Task {
            submissions: self
                .submissions
                .iter()
                .map(|submission| submission.name.clone())
                .collect(),
            checked,
            fingerprint: Fingerprint {
                segarena: env!("CARGO_PKG_VERSION").to_owned(),
                protocol: self.protocol.clone(),
                track: self.track.id(),
                click_policy: self.track.click_policy().unwrap_or_default(),
                backend: self.backend.kind().to_owned(),
                lifetime: self.lifetime,
                submission: String::new(),
                cases: std::collections::BTreeMap::new(),
            },
        }
    }

    /// Leaves only the submissions of this share, and returns the cases of each.
    fn keep_share(&mut self, shard: Shard, weights: &[u64]) -> Vec<Arc<[CaseFiles]>> {
        let mut shares = shares(self.submissions.len(), weights, shard.count());
        let share = shares.swap_remove(shard.index());
        let mut kept = Vec::new();
        let mut cases = Vec::new();
        for (index, submission) in self.submissions.iter().enumerate() {
            let own: Vec<CaseFiles> = share
                .iter()
                .filter(|pair| pair.submission == index)
                .map(|pair| self.cases[pair.case].clone())
                .collect();
            if !own.is_empty() {
                kept.push(submission.clone());
                cases.push(own.into());
            }
        }
        self.submissions = kept;
        cases
    }
}

/// What each shard of an output folder says of itself, in order.
pub(super) fn shard_records(output: &OutputFolder) -> std::io::Result<Vec<ShardRecord>> {
    let mut records = Vec::new();
    let entries = match std::fs::read_dir(output.shard_records()) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(records),
        Err(error) => return Err(error),
    };
    for entry in entries {
        records.extend(ShardRecord::read(&entry?.path().join(SHARD_RECORD))?);
    }
    records.sort_by_key(|record| (record.shard.count(), record.shard.index()));
    Ok(records)
}

/// A run that has the folder for itself must not begin while a shard is known to write to it.
pub(super) fn refuse_beside_shards(output: &OutputFolder) -> Result<(), RunError> {
    let records = shard_records(output).map_err(|source| RunError::Work {
        path: output.shard_records(),
        source,
    })?;
    let running = records
        .into_iter()
        .find(|record| record.state == ShardState::Running && record.owner.life() == Life::Alive);
    match running {
        Some(record) => Err(RunError::ShardTaken(ShardTaken {
            shard: record.shard,
            output: output.path().to_owned(),
            owner: Box::new(record.owner),
        })),
        None => Ok(()),
    }
}
