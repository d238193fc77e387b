//! A container that is kept warm: started once, asked on its standard input.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use segarena_contract::{BackendError, Ending, Execution, InteractionRequest, LogStream};
use segarena_warm::{Listener, Places, Running, Start, Started, Stopped};
use tokio::io::AsyncWriteExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::engine::{Engine, Input, Output};
use crate::interaction::{
    DRAIN, GONE, NOT_REMOVED, NOT_STARTED, NOT_TAKEN_OVER, Run, TakenOver, ending_of, phase,
    task_died,
};
use crate::memory::PeakWatch;
use crate::pending::Pending;
use crate::request::ContainerRequest;
use crate::script;

/// Starts a container anew whenever one is needed.
pub(crate) struct WarmContainer<E> {
    pub(crate) run: Run<E>,
}

#[async_trait]
impl<E: Engine> Start for WarmContainer<E> {
    type Running = RunningContainer;

    fn places(&self, request: &InteractionRequest<'_>) -> Places {
        let folders = &self.run.container.folders;
        Places {
            inputs: folders.inside(request.inputs),
            outputs: folders.inside(request.outputs),
        }
    }

    async fn start(
        &self,
        _request: &InteractionRequest<'_>,
        listener: Listener,
    ) -> Result<Started<RunningContainer>, BackendError> {
        let run = &self.run;
        // The engine may have died under an earlier one: never are there two on one folder.
        run.pending.remove_left_behind(&*run.engine).await?;
        let mut started = self.one_container(&listener).await;
        if let Err(error) = &started
            && run.is_the_submissions(error).await
        {
            // An engine stumbles now and then: it is the submission's when it happens again.
            started = self.one_container(&listener).await;
        }
        match started {
            Ok(running) => Ok(Started::Running(running)),
            Err(error) if run.is_the_submissions(&error).await => {
                let said = format!("the container could not be started: {error}\n");
                listener.take(LogStream::Stderr, said.as_bytes());
                Ok(Started::Never(Ending::Exited { code: NOT_STARTED }))
            }
            Err(error) => Err(error),
        }
    }

    async fn afterwards(
        &self,
        request: &InteractionRequest<'_>,
        execution: &mut Execution,
    ) -> Result<(), BackendError> {
        let ending = &execution.ending;
        self.run.is_answerable_for(ending, request.outputs).await?;
        let folders = [request.inputs.to_owned(), request.outputs.to_owned()];
        let taken = self.run.take_over(&folders, &request.cancel).await?;
        if let Some(TakenOver { done, time }) = taken {
            if !done && execution.ending != Ending::Cancelled {
                execution.tails.stderr.push_str(NOT_TAKEN_OVER);
                execution.ending = Ending::Exited { code: NOT_REMOVED };
            }
            execution.phases.push(phase("take over", time));
        }
        if matches!(execution.ending, Ending::Exited { code } if code != 0) {
            script::explain_missing(&mut execution.tails.stderr);
        }
        Ok(())
    }
}

impl<E: Engine> WarmContainer<E> {
    /// Starts a container. It belongs to a task of its own, one of those pending: when nobody
    /// wants it any more, the task kills and removes it before it ends.
    async fn one_container(&self, listener: &Listener) -> Result<RunningContainer, BackendError> {
        let stop = CancellationToken::new();
        let (sender, receiver) = oneshot::channel();
        let life = Life {
            engine: Arc::clone(&self.run.engine),
            pending: Arc::clone(&self.run.pending),
            container: self.run.container.again(),
            listener: listener.clone(),
            knows_out_of_memory: self.run.knows_out_of_memory,
            stop: stop.clone(),
        };
        let task = self.run.pending.spawn(life.live(sender));
        let stop = stop.drop_guard();
        match receiver.await {
            Ok((input, pid)) => Ok(RunningContainer {
                input,
                stop: Some(stop),
                task: Task::Running(task),
                memory: (pid > 0).then(|| PeakWatch::start(pid)),
            }),
            // It ended before it had started.
            Err(_) => match task.await {
                Ok(Err(error)) => Err(error),
                Ok(Ok(_)) => Err(BackendError::cancelled()),
                Err(error) => Err(task_died(error)),
            },
        }
    }
}

/// A container from its creation to its removal.
struct Life<E> {
    engine: Arc<E>,
    pending: Arc<Pending>,
    container: ContainerRequest,
    listener: Listener,
    knows_out_of_memory: bool,
    /// Fires when it is to end.
    stop: CancellationToken,
}

/// How it ended by itself; `None`: it was killed by us.
type End = Option<Ending>;

impl<E: Engine> Life<E> {
    /// Tells of its standard input and its first process once it runs.
    async fn live(self, started: oneshot::Sender<(Input, i32)>) -> Result<End, BackendError> {
        let end = self.run(started).await;
        // By its name: it may be there although its creation was never answered.
        let removed = self.engine.remove(&self.container.name).await;
        if let Err(error) = removed {
            self.pending.remove_later(&self.container.name);
            // One that has certainly ended is removed before the next one starts.
            return match end {
                Ok(Some(end)) => Ok(Some(end)),
                Ok(None) => Err(error),
                Err(first) => Err(first),
            };
        }
        end
    }

    async fn run(&self, started: oneshot::Sender<(Input, i32)>) -> Result<End, BackendError> {
        let engine = &self.engine;
        let id = engine.create(&self.container).await?;
        let (output, input) = engine.attach(&id).await?;
        let reader = tokio::spawn(hear(output, self.listener.clone()));
        engine.start(&id).await?;
        let pid = engine.state(&id).await.map_or(0, |state| state.pid);
        // Nobody may be waiting any more.
        let is_wanted = started.send((input, pid)).is_ok();
        let waiting = engine.wait(&id);
        tokio::pin!(waiting);
        let code = tokio::select! {
            biased;
            code = &mut waiting, if is_wanted => Some(code?),
            () = self.stop.cancelled() => None,
        };
        if code.is_none() {
            engine.kill(&id).await?;
            let _ = tokio::time::timeout(GONE, waiting).await;
        }
        let state = engine.state(&id).await?;
        // The output ends with the container; what holds it open longer is not waited for.
        let abort = reader.abort_handle();
        if tokio::time::timeout(DRAIN, reader).await.is_err() {
            abort.abort();
        }
        Ok(code.map(|code| ending_of(code, state.out_of_memory, self.knows_out_of_memory)))
    }
}

async fn hear(mut output: Output, listener: Listener) {
    while let Some((stream, bytes)) = output.recv().await {
        listener.take(stream, &bytes);
    }
    listener.end_of_output();
}

/// A container that runs. Dropped, it is killed and removed.
pub(crate) struct RunningContainer {
    input: Input,
    stop: Option<DropGuard>,
    task: Task,
    memory: Option<PeakWatch>,
}

/// The task that a container belongs to.
enum Task {
    Running(JoinHandle<Result<End, BackendError>>),
    Ended(Result<End, BackendError>),
}

#[async_trait]
impl Running for RunningContainer {
    async fn write(&mut self, line: &[u8]) -> io::Result<()> {
        self.input.write_all(line).await?;
        self.input.flush().await
    }

    async fn close_input(&mut self) {
        // One that has ended needs no telling.
        let _ = self.input.shutdown().await;
    }

    async fn ended(&mut self) {
        if let Task::Running(task) = &mut self.task {
            let ended = task.await;
            self.task = Task::Ended(ended.unwrap_or_else(|error| Err(task_died(error))));
        }
    }

    fn peak_memory(&self) -> Option<u64> {
        self.memory.as_ref().and_then(PeakWatch::peak)
    }

    async fn stop(mut self) -> Result<Stopped, BackendError> {
        drop(self.stop.take());
        self.ended().await;
        let by_itself = match self.task {
            Task::Ended(end) => end?,
            Task::Running(_) => None,
        };
        Ok(Stopped {
            by_itself,
            peak_memory: self.memory.as_ref().and_then(PeakWatch::peak),
        })
    }
}
