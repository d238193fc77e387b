//! Where a submission's output goes: the answers to whoever asked, the rest to the log of the
//! interaction that is under way.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use segarena_contract::{LogCapture, LogStream, NoAnswer};
use tokio::sync::Notify;

use crate::conversation::Conversation;
use crate::message::{Answer, Request};

/// Hears one submission from its start to its end, from whichever thread reads it.
#[derive(Debug, Clone)]
pub struct Listener(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    heard: Mutex<Heard>,
    /// Told whenever there may be something new to know.
    news: Notify,
}

#[derive(Debug)]
struct Heard {
    conversation: Conversation,
    log: Arc<LogCapture>,
    /// A full disk loses the log, which is told once.
    complained: bool,
}

impl Listener {
    pub(crate) fn new(log: Arc<LogCapture>) -> Self {
        Self(Arc::new(Shared {
            heard: Mutex::new(Heard {
                conversation: Conversation::default(),
                log,
                complained: false,
            }),
            news: Notify::new(),
        }))
    }

    /// Takes a piece of output.
    pub fn take(&self, stream: LogStream, bytes: &[u8]) {
        let mut heard = self.heard();
        let Heard {
            conversation,
            log,
            complained,
        } = &mut *heard;
        let mut keep = |bytes: &[u8]| {
            if !bytes.is_empty()
                && let Err(error) = log.take(stream, bytes)
                && !*complained
            {
                tracing::warn!(%error, "the submission's log is incomplete");
                *complained = true;
            }
        };
        match stream {
            LogStream::Stderr => keep(bytes),
            LogStream::Stdout => conversation.read(bytes, keep),
        }
        drop(heard);
        self.0.news.notify_one();
    }

    /// Notes that standard output has ended.
    pub fn end_of_output(&self) {
        let mut heard = self.heard();
        let Heard {
            conversation, log, ..
        } = &mut *heard;
        // The tail has it even if the file has no room.
        conversation.end_of_output(|bytes| drop(log.take(LogStream::Stdout, bytes)));
        drop(heard);
        self.0.news.notify_one();
    }

    /// Asks for an interaction, whose log this is.
    pub(crate) fn ask(&self, request: &Request<'_>, log: Arc<LogCapture>) {
        let mut heard = self.heard();
        heard.log = log;
        heard.conversation.ask(request);
    }

    /// Whether it can be asked now.
    pub(crate) fn is_ready(&self) -> Result<bool, NoAnswer> {
        self.heard().conversation.is_ready()
    }

    /// Its answer, if it has come.
    pub(crate) fn take_answer(&self) -> Option<Result<Answer, NoAnswer>> {
        self.heard().conversation.take_answer()
    }

    /// Waits until it is ready.
    pub(crate) async fn ready(&self) -> Result<(), NoAnswer> {
        loop {
            if self.is_ready()? {
                return Ok(());
            }
            self.0.news.notified().await;
        }
    }

    /// Waits for its answer.
    pub(crate) async fn answer(&self) -> Result<Answer, NoAnswer> {
        loop {
            if let Some(answer) = self.take_answer() {
                return answer;
            }
            self.0.news.notified().await;
        }
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
