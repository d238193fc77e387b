//! Listening on a thread of one's own: a terminal that is held, a pipe that nobody reads or a slow
//! disk must not hold up a case whose time is being taken.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use segarena_core::event::{Event, Observer};

/// Hears of events one after the other.
pub(crate) trait Listener: Send + 'static {
    /// Something happened at this time.
    fn receive(&mut self, event: &Event, now: Instant);

    /// Time has passed without an event.
    fn wait(&mut self, now: Instant) {
        let _ = now;
    }

    /// Nothing more will happen.
    fn end(&mut self) {}
}

/// A listener on a thread of its own.
pub(crate) struct Background {
    sender: Sender<Message>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Message {
    Event(Box<Event>, Instant),
    End,
}

impl Background {
    /// Starts the thread; `period` is how often the listener wants to hear that time passes.
    pub(crate) fn listen(name: &str, period: Option<Duration>, listener: impl Listener) -> Self {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name(name.to_owned());
        // Without a thread there is nobody to tell, and the run goes on all the same.
        let thread = thread.spawn(move || run(listener, &receiver, period)).ok();
        Self {
            sender,
            thread: Mutex::new(thread),
        }
    }

    /// Another way to reach this listener.
    pub(crate) fn event_sender(&self) -> EventSender {
        EventSender(self.sender.clone())
    }

    /// Waits until the listener has dealt with everything so far; it hears no more afterwards.
    pub(crate) fn end(&self) {
        let _ = self.sender.send(Message::End);
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl Observer for Background {
    fn notice(&self, event: &Event) {
        tell(&self.sender, event);
    }
}

/// Reaches a listener from elsewhere.
pub(crate) struct EventSender(Sender<Message>);

impl Observer for EventSender {
    fn notice(&self, event: &Event) {
        tell(&self.0, event);
    }
}

fn tell(sender: &Sender<Message>, event: &Event) {
    let event = Box::new(event.clone());
    // One who has ended hears no more, and misses nothing.
    let _ = sender.send(Message::Event(event, Instant::now()));
}

fn run(mut listener: impl Listener, messages: &Receiver<Message>, period: Option<Duration>) {
    loop {
        let message = match period {
            Some(period) => messages.recv_timeout(period),
            None => messages.recv().map_err(RecvTimeoutError::from),
        };
        match message {
            Ok(Message::Event(event, at)) => listener.receive(&event, at),
            Err(RecvTimeoutError::Timeout) => listener.wait(Instant::now()),
            Ok(Message::End) | Err(RecvTimeoutError::Disconnected) => break,
        }
    }
    listener.end();
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    struct Slow(Arc<Mutex<usize>>);

    impl Listener for Slow {
        fn receive(&mut self, _: &Event, _: Instant) {
            let mut heard = self.0.lock().unwrap();
            *heard += 1;
        }
    }

    #[test]
    fn a_listener_that_is_held_up_holds_nobody_up_and_misses_nothing() {
        let heard = Arc::new(Mutex::new(0));
        let background = Background::listen("slow", None, Slow(Arc::clone(&heard)));
        {
            let held = heard.lock().unwrap();
            for _ in 0..10 {
                background.notice(&Event::Stopping);
            }
            assert_eq!(*held, 0);
        }
        background.end();
        assert_eq!(*heard.lock().unwrap(), 10);
    }
}
