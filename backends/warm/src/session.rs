//! A session with a submission that is kept warm, whatever it runs on.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use segarena_contract::{
    BackendError, BackendErrorKind, Ending, Execution, InteractionRequest, LogCapture, NoAnswer,
    Phase, RunningTime, SubmissionSession,
};

use crate::listener::Listener;
use crate::message::{Answer, Request};

/// How a backend starts a submission that is to be kept warm.
#[async_trait]
pub trait Start: Send + Sync {
    /// The submission once it runs.
    type Running: Running;

    /// The folders of an interaction as the submission sees them.
    fn places(&self, request: &InteractionRequest<'_>) -> Places;

    /// Starts it with [`SERVE_VARIABLE`](crate::SERVE_VARIABLE) in its environment and its standard
    /// input open. What it prints goes to `listener`.
    ///
    /// # Errors
    /// Only when the engine failed.
    async fn start(
        &self,
        request: &InteractionRequest<'_>,
        listener: Listener,
    ) -> Result<Started<Self::Running>, BackendError>;

    /// What is to be done and found out after each interaction, whatever came of it. The default
    /// is nothing.
    ///
    /// # Errors
    /// The engine's.
    async fn afterwards(
        &self,
        request: &InteractionRequest<'_>,
        execution: &mut Execution,
    ) -> Result<(), BackendError> {
        let _ = (request, execution);
        Ok(())
    }
}

/// The folders of an interaction as a submission sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Where it finds its input.
    pub inputs: String,
    /// Where it puts its prediction.
    pub outputs: String,
}

impl Places {
    /// The folders by their own names.
    pub fn as_they_are(request: &InteractionRequest<'_>) -> Self {
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Self {
            inputs: text(request.inputs),
            outputs: text(request.outputs),
        }
    }
}

/// What came of a start.
pub enum Started<R> {
    /// It runs.
    Running(R),
    /// It can't be run, which is its own failure.
    Never(Ending),
}

/// A submission that runs. Dropped, it is ended.
#[async_trait]
pub trait Running: Send {
    /// Writes to its standard input.
    ///
    /// # Errors
    /// When it has closed it.
    async fn write(&mut self, line: &[u8]) -> io::Result<()>;

    /// Closes its standard input, at which it ends by itself.
    async fn close_input(&mut self);

    /// Waits until it has ended by itself. May be given up and called again.
    async fn ended(&mut self);

    /// The most memory that it has used, in bytes, where that can be told.
    fn peak_memory(&self) -> Option<u64>;

    /// Ends it, if it has not ended by itself. When this returns nothing of it is left, and all
    /// that it printed was heard.
    ///
    /// # Errors
    /// When it could not be ended.
    async fn stop(self) -> Result<Stopped, BackendError>;
}

/// How a submission ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Stopped {
    /// How it ended by itself; `None`: it was killed by us.
    pub by_itself: Option<Ending>,
    /// The most memory that it used, in bytes, where that can be told.
    pub peak_memory: Option<u64>,
}

/// A session with a submission that is started once and asked again and again.
pub struct WarmSession<S: Start> {
    start: S,
    /// The submission, while it is ready to be asked.
    kept: Option<Kept<S::Running>>,
}

struct Kept<R> {
    running: R,
    listener: Listener,
}

/// What a wait for a submission came to.
enum Waited<T> {
    Heard(Result<T, NoAnswer>),
    Ended,
    TimedOut,
    Cancelled,
}

/// An interaction's times, as far as it has come.
#[derive(Default)]
struct Times {
    load: Option<Duration>,
    answer: Duration,
}

impl<S: Start> WarmSession<S> {
    /// A session in which nothing has been started yet.
    pub fn new(start: S) -> Self {
        Self { start, kept: None }
    }

    async fn one_interaction(
        &mut self,
        request: &InteractionRequest<'_>,
        log: &Arc<LogCapture>,
    ) -> Result<Execution, BackendError> {
        let mut times = Times::default();
        let mut kept = match self.kept_and_ready().await? {
            Some(kept) => kept,
            None => {
                let begun = Instant::now();
                let clock = RunningTime::start();
                let listener = Listener::new(Arc::clone(log));
                let started = self.start.start(request, listener.clone()).await?;
                let mut kept = match started {
                    Started::Running(running) => Kept { running, listener },
                    Started::Never(ending) => return Ok(Execution::new(Duration::ZERO, ending)),
                };
                let waited = kept.until_ready(request, &clock).await;
                times.load = Some(begun.elapsed().saturating_sub(clock.stood_still()));
                match waited {
                    Waited::Heard(Ok(())) => kept,
                    waited => return kept.unready(waited, times).await,
                }
            }
        };
        let places = self.start.places(request);
        let asked = Request {
            case: request.case,
            interaction: request.index,
            inputs: &places.inputs,
            outputs: &places.outputs,
        };
        let begun = Instant::now();
        let clock = RunningTime::start();
        kept.listener.ask(&asked, Arc::clone(log));
        let waited = kept.until_answered(&asked.to_line(), request, &clock).await;
        times.answer = begun.elapsed().saturating_sub(clock.stood_still());
        match waited {
            Waited::Heard(Ok(Answer::Done)) => {
                let execution = times.execution(Ending::Answered, kept.running.peak_memory());
                self.kept = Some(kept);
                Ok(execution)
            }
            waited => kept.unanswered(waited, times).await,
        }
    }

    /// The submission of the interaction before, if it can be asked again; one that has ended or
    /// spoken out of turn is cleared away.
    async fn kept_and_ready(&mut self) -> Result<Option<Kept<S::Running>>, BackendError> {
        let Some(mut kept) = self.kept.take() else {
            return Ok(None);
        };
        let is_ready = kept.listener.is_ready() == Ok(true) && !kept.has_ended().await;
        if is_ready {
            return Ok(Some(kept));
        }
        kept.running.stop().await?;
        Ok(None)
    }
}

impl<R: Running> Kept<R> {
    async fn has_ended(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.running.ended() => true,
            () = std::future::ready(()) => false,
        }
    }

    async fn until_ready(
        &mut self,
        request: &InteractionRequest<'_>,
        clock: &RunningTime,
    ) -> Waited<()> {
        tokio::select! {
            biased;
            heard = self.listener.ready() => Waited::Heard(heard),
            () = self.running.ended() => Waited::Ended,
            () = clock.reaches(request.timeout) => Waited::TimedOut,
            () = request.cancel.cancelled() => Waited::Cancelled,
        }
    }

    /// Sends the request and waits for the answer, for no longer than an interaction may take.
    async fn until_answered(
        &mut self,
        line: &[u8],
        request: &InteractionRequest<'_>,
        clock: &RunningTime,
    ) -> Waited<Answer> {
        let time_is_up = clock.reaches(request.timeout);
        tokio::pin!(time_is_up);
        // It may stop reading with its pipe full.
        let written = tokio::select! {
            written = self.running.write(line) => written,
            () = &mut time_is_up => return Waited::TimedOut,
            () = request.cancel.cancelled() => return Waited::Cancelled,
        };
        if written.is_err() {
            return Waited::Heard(Err(NoAnswer::ClosedInput));
        }
        tokio::select! {
            biased;
            heard = self.listener.answer() => Waited::Heard(heard),
            () = self.running.ended() => Waited::Ended,
            () = &mut time_is_up => Waited::TimedOut,
            () = request.cancel.cancelled() => Waited::Cancelled,
        }
    }

    /// What came of one that is not ready.
    async fn unready(self, waited: Waited<()>, times: Times) -> Result<Execution, BackendError> {
        let nothing = NoAnswer::EndedBeforeReady;
        match waited {
            Waited::TimedOut => {
                self.end_with(Ending::NoAnswer(NoAnswer::NeverReady), times)
                    .await
            }
            Waited::Cancelled => self.end_with(Ending::Cancelled, times).await,
            Waited::Ended | Waited::Heard(Ok(())) => {
                self.ended_by_itself(nothing, None, times).await
            }
            Waited::Heard(Err(why)) => self.ended_by_itself(nothing, Some(why), times).await,
        }
    }

    /// What came of one that has not answered that it is done.
    async fn unanswered(
        self,
        waited: Waited<Answer>,
        times: Times,
    ) -> Result<Execution, BackendError> {
        match waited {
            Waited::TimedOut => self.end_with(Ending::TimedOut, times).await,
            Waited::Cancelled => self.end_with(Ending::Cancelled, times).await,
            Waited::Heard(Ok(answer)) => self.end_with(ending_of(answer), times).await,
            Waited::Ended => self.ended_by_itself(NoAnswer::Ended, None, times).await,
            Waited::Heard(Err(why)) => {
                self.ended_by_itself(NoAnswer::Ended, Some(why), times)
                    .await
            }
        }
    }

    async fn end_with(self, ending: Ending, times: Times) -> Result<Execution, BackendError> {
        let stopped = self.running.stop().await?;
        Ok(times.execution(ending, stopped.peak_memory))
    }

    /// What came of one that has ended, or is about to: `broke` says how it broke the contract, if
    /// that is what was seen first. An answer that it wrote before its end counts.
    async fn ended_by_itself(
        mut self,
        without_a_word: NoAnswer,
        broke: Option<NoAnswer>,
        times: Times,
    ) -> Result<Execution, BackendError> {
        if broke.is_some() {
            // Pipes are closed at a process's end, a moment before it can be waited for.
            let _ = tokio::time::timeout(END_AFTER_PIPES, self.running.ended()).await;
        }
        let listener = self.listener.clone();
        let stopped = self.running.stop().await?;
        let ending = match (listener.take_answer(), stopped.by_itself) {
            (Some(Ok(answer)), _) => ending_of(answer),
            (_, Some(Ending::Exited { code: 0 })) => Ending::NoAnswer(match broke {
                None | Some(NoAnswer::ClosedInput | NoAnswer::ClosedOutput) => without_a_word,
                Some(why) => why,
            }),
            (_, Some(ending)) => ending,
            (_, None) => Ending::NoAnswer(broke.unwrap_or(without_a_word)),
        };
        Ok(times.execution(ending, stopped.peak_memory))
    }
}

/// How much later than its pipes a process may be seen to end.
const END_AFTER_PIPES: Duration = Duration::from_secs(5);
/// How long a submission may take to end by itself once there is nothing more to ask.
const LEAVE: Duration = Duration::from_secs(2);

fn ending_of(answer: Answer) -> Ending {
    match answer {
        Answer::Done => Ending::Answered,
        Answer::Failed(reason) => Ending::Failed { reason },
    }
}

impl Times {
    fn execution(self, ending: Ending, peak_memory: Option<u64>) -> Execution {
        let phase = |name: &str, time: Duration| Phase {
            name: name.to_owned(),
            seconds: time.as_secs_f64(),
        };
        let load = self.load.map(|load| phase("load", load));
        Execution {
            load: self.load,
            phases: load
                .into_iter()
                .chain([phase("answer", self.answer)])
                .collect(),
            peak_memory,
            ..Execution::new(self.answer, ending)
        }
    }
}

#[async_trait]
impl<S: Start> SubmissionSession for WarmSession<S> {
    async fn infer(&mut self, request: &InteractionRequest<'_>) -> Result<Execution, BackendError> {
        let log = LogCapture::create(request.log).map_err(|error| log_error(request.log, error))?;
        let log = Arc::new(log);
        let mut execution = self.one_interaction(request, &log).await?;
        execution.tails = log.tails();
        if let Err(error) = self.start.afterwards(request, &mut execution).await {
            self.kept = None;
            return Err(error);
        }
        if execution.ending != Ending::Answered {
            self.start_afresh().await?;
        }
        Ok(execution)
    }

    async fn start_afresh(&mut self) -> Result<(), BackendError> {
        match self.kept.take() {
            Some(kept) => kept.running.stop().await.map(drop),
            None => Ok(()),
        }
    }

    async fn close(mut self: Box<Self>) -> Result<(), BackendError> {
        let Some(mut kept) = self.kept.take() else {
            return Ok(());
        };
        kept.running.close_input().await;
        let _ = tokio::time::timeout(LEAVE, kept.running.ended()).await;
        kept.running.stop().await.map(drop)
    }
}

fn log_error(path: &Path, error: io::Error) -> BackendError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull => BackendErrorKind::NoSpace,
        io::ErrorKind::PermissionDenied => BackendErrorKind::Permission,
        _ => BackendErrorKind::Engine,
    };
    BackendError::new(kind, format!("cannot create the log {}", path.display())).with_source(error)
}
