//! A container that is kept warm: started once, asked on its standard input, which Apptainer hands
//! through.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use segarena_child::{WarmChild, start_warm};
use segarena_container::folders::Folders;
use segarena_contract::{BackendError, Execution, InteractionRequest, Submission};
use segarena_warm::{Listener, Places, Running, Start, Started, Stopped};

use crate::backend::explain;
use crate::config::Config;
use crate::exec::Exec;
use crate::image::Image;
use crate::job::JobGroup;
use crate::launcher::{Launcher, Limits};
use crate::temporary::TemporaryFolder;

/// Starts a container anew whenever one is needed.
pub(crate) struct WarmContainer<'a> {
    pub(crate) launcher: &'a Launcher,
    pub(crate) image: Image,
    pub(crate) config: &'a Config,
    pub(crate) limits: &'a Limits,
    pub(crate) submission: &'a Submission,
    pub(crate) folders: Folders,
    /// Which of the cases side by side it is for.
    pub(crate) worker: usize,
    pub(crate) group: Option<JobGroup>,
    /// How many processes the kernel had killed in the group when the last interaction ended.
    pub(crate) kills: AtomicU64,
}

impl WarmContainer<'_> {
    fn exec<'s>(&'s self, scratch: Option<&'s Path>) -> Exec<'s> {
        Exec {
            launcher: self.launcher,
            image: &self.image,
            config: self.config,
            limits: self.limits,
            submission: self.submission,
            scratch,
        }
    }
}

#[async_trait]
impl Start for WarmContainer<'_> {
    type Running = RunningContainer;

    fn places(&self, request: &InteractionRequest<'_>) -> Places {
        Places {
            inputs: self.folders.inside(request.inputs),
            outputs: self.folders.inside(request.outputs),
        }
    }

    async fn start(
        &self,
        _request: &InteractionRequest<'_>,
        listener: Listener,
    ) -> Result<Started<RunningContainer>, BackendError> {
        let scratch = TemporaryFolder::new("scratch")?;
        let exec = self.exec(Some(scratch.path()));
        let words = exec.to_be_kept_warm(&self.folders, self.worker);
        let child = start_warm(&self.launcher.command(words), listener)?;
        Ok(Started::Running(RunningContainer { child, scratch }))
    }

    async fn afterwards(
        &self,
        _request: &InteractionRequest<'_>,
        execution: &mut Execution,
    ) -> Result<(), BackendError> {
        let kills = self.group.as_ref().map_or(0, JobGroup::kills);
        let before = self.kills.swap(kills, Ordering::Relaxed);
        explain(&self.exec(None), execution, kills > before).await
    }
}

/// A container that runs. Dropped, it is killed, and then its scratch folder removed.
pub(crate) struct RunningContainer {
    child: WarmChild,
    scratch: TemporaryFolder,
}

#[async_trait]
impl Running for RunningContainer {
    async fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.child.write(line).await
    }

    async fn close_input(&mut self) {
        self.child.close_input().await;
    }

    async fn ended(&mut self) {
        self.child.ended().await;
    }

    fn peak_memory(&self) -> Option<u64> {
        self.child.peak_memory()
    }

    async fn stop(self) -> Result<Stopped, BackendError> {
        let stopped = self.child.stop().await;
        self.scratch.remove().await;
        stopped
    }
}
