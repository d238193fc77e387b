//! The output folder: which file is where.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use super::{Evaluation, RunRecord, Shard, ShardRecord};
use crate::backend::PrepareProgress;
use crate::event::{Event, Observer};
use crate::results::{SubmissionFiles, WriteError, create_folder, remove_temporaries};
use crate::work::KeepWork;
use segarena_formats::removal::remove_tree;

/// An output folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputFolder {
    path: PathBuf,
    /// The shard that writes here; none: a run that has the folder for itself.
    shard: Option<Shard>,
}

impl OutputFolder {
    /// The name of the folder inside an output folder that is segarena's own business.
    pub const PRIVATE: &'static str = ".segarena";

    /// An output folder that is there, to read from.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            shard: None,
        }
    }

    /// Makes the folder, and in it the one for segarena's own files.
    ///
    /// # Errors
    /// When they can't be made.
    pub fn create(path: &Path) -> Result<Self, WriteError> {
        let folder = Self::at(path);
        create_folder(&folder.private())?;
        Ok(folder)
    }

    /// Makes the folder for one of many shards, of which each writes files of its own.
    ///
    /// # Errors
    /// When it can't be made.
    pub(super) fn create_for_shard(path: &Path, shard: Shard) -> Result<Self, WriteError> {
        let folder = Self {
            path: path.to_owned(),
            shard: Some(shard),
        };
        create_folder(&folder.own())?;
        Ok(folder)
    }

    /// Removes what a run that died left here: temporary files and work folders. Only for the
    /// holder of the lock, who knows that no other run is under way.
    pub(super) fn sweep(&self, evaluation: &Evaluation) {
        remove_temporaries(&self.path);
        for submission in &evaluation.submissions {
            remove_temporaries(self.submission(&submission.name).folder());
        }
        if evaluation.keep_work != KeepWork::Last {
            let _ = remove_tree(&self.private().join("work"));
        }
        self.sweep_work_dir(evaluation);
    }

    /// Removes what an earlier run of this shard, which is known to have ended, left for work.
    pub(super) fn sweep_shard(&self, evaluation: &Evaluation, earlier: &ShardRecord) {
        for submission in &evaluation.submissions {
            remove_temporaries(self.submission(&submission.name).folder());
        }
        if evaluation.keep_work == KeepWork::Last {
            return;
        }
        for entry in std::fs::read_dir(self.own())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(WORK.as_bytes()) {
                let _ = remove_tree(&entry.path());
            }
        }
        if let (Some(folder), Some(run)) = (&evaluation.work_dir, &earlier.run)
            && is_run_id(&run.run_id)
        {
            let _ = remove_tree(&work_of_run(folder, &run.run_id));
        }
    }

    fn sweep_work_dir(&self, evaluation: &Evaluation) {
        let earlier = std::fs::read(self.run_record()).unwrap_or_default();
        let earlier = serde_json::from_slice::<RunRecord>(&earlier);
        if let (Some(folder), Ok(earlier)) = (&evaluation.work_dir, earlier)
            && is_run_id(&earlier.run_id)
        {
            let _ = remove_tree(&work_of_run(folder, &earlier.run_id));
        }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `OUT/run.json`.
    pub fn run_record(&self) -> PathBuf {
        self.path.join("run.json")
    }

    /// The files of one submission.
    pub fn submission(&self, name: &str) -> SubmissionFiles {
        SubmissionFiles::new(&self.path, name)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.private().join("lock")
    }

    /// The journal of one submission.
    pub fn journal(&self, name: &str) -> PathBuf {
        self.private().join(format!("{name}.journal"))
    }

    /// The journal of one start of this run: a shard has one for each, as two starts of one shard
    /// by mistake must not write to one file.
    pub(super) fn journal_of_run(&self, run_id: &str, submission: &str) -> PathBuf {
        match self.shard {
            Some(_) => self.own().join(format!("{submission}.{run_id}.journal")),
            None => self.journal(submission),
        }
    }

    /// The shards' folders, with what each says of itself.
    pub(super) fn shard_records(&self) -> PathBuf {
        self.private().join("shards")
    }

    /// What the shard says of itself.
    pub(super) fn shard_record(&self) -> PathBuf {
        self.own().join(SHARD_RECORD)
    }

    /// Where a submission's work folders are made. A run's are its own, so that two runs that
    /// share a `work_dir` never meet.
    pub(super) fn work(&self, evaluation: &Evaluation, run_id: &str, submission: &str) -> PathBuf {
        match &evaluation.work_dir {
            Some(folder) => work_of_run(folder, run_id).join(submission),
            None if self.shard.is_some() => {
                self.own().join(format!("{WORK}{run_id}")).join(submission)
            }
            None => self.private().join("work").join(submission),
        }
    }

    /// Removes the run's empty work folders; those that were kept stay.
    pub(super) fn remove_work(&self, evaluation: &Evaluation, run_id: &str) {
        let folders = evaluation
            .submissions
            .iter()
            .map(|s| self.work(evaluation, run_id, &s.name));
        for folder in folders {
            let _ = std::fs::remove_dir(&folder);
            if let Some(parent) = folder.parent() {
                let _ = std::fs::remove_dir(parent);
            }
        }
    }

    pub(super) fn private(&self) -> PathBuf {
        self.path.join(Self::PRIVATE)
    }

    /// What nobody else writes to.
    fn own(&self) -> PathBuf {
        match self.shard {
            Some(shard) => self.shard_records().join(shard.file_stem()),
            None => self.private(),
        }
    }
}

/// The beginning of the names of a shard's work folders.
const WORK: &str = "work-";

/// What a shard says of itself, in its folder.
pub(super) const SHARD_RECORD: &str = "shard.json";

/// Whether a text that a file gave may become part of a path.
fn is_run_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A run's own folder inside a `work_dir` that it may share with others.
fn work_of_run(work_dir: &Path, run_id: &str) -> PathBuf {
    work_dir.join(format!("segarena-{run_id}"))
}

/// Removes a file that may not be there.
pub(super) fn discard(path: &Path) -> Result<(), WriteError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(WriteError {
            path: path.to_owned(),
            source,
        }),
        _ => Ok(()),
    }
}

/// Keeps the remarks of a submission's preparation and passes on its progress.
pub(super) struct Notes {
    submission: String,
    texts: Mutex<Vec<String>>,
    observer: Arc<dyn Observer>,
}

impl Notes {
    pub(super) fn new(submission: &str, observer: Arc<dyn Observer>) -> Self {
        Self {
            submission: submission.to_owned(),
            texts: Mutex::default(),
            observer,
        }
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl PrepareProgress for Notes {
    fn bytes(&self, what: &str, done: u64, total: Option<u64>) {
        self.observer.notice(&Event::PreparationProgress {
            submission: self.submission.clone(),
            what: what.to_owned(),
            done,
            total,
        });
    }

    fn note(&self, text: &str) {
        self.texts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(text.to_owned());
        self.observer.notice(&Event::Note {
            subject: self.submission.clone(),
            text: text.to_owned(),
        });
    }
}
