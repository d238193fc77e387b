//! What ends a submission when segarena itself is ended without a chance to do so: by SIGKILL, by
//! the kernel for want of memory, by a second Ctrl-C.
//!
//! A watchdog stands beside each interaction: a shell of a few lines that waits on a pipe whose other
//! end only segarena holds. The kernel closes it when segarena ends; the shell then kills the
//! submission's group, and whoever carries the interaction's mark. (A parent-death signal would
//! need `unsafe`, and comes when the *thread* that started the submission ends.)

use std::io::Write;
use std::process::{Child, Command, Stdio};

use crate::mark::{MARK_VARIABLE, Mark};
use crate::session::InSessionOfItsOwn;

/// First comes the group, once the submission is started, then nothing more until the end.
/// `$0` is the variable with the mark. A process that goes from one program to the next has no
/// environment to show, so one look is not enough.
const SCRIPT: &str = r#"
read -r group
read -r rest
test -n "$group" && kill -s KILL -- "-$group"
for look in 1 2 3; do
  for environment in $(grep -lsF -- "$0" /proc/[0-9]*/environ); do
    process=${environment#/proc/}
    kill -s KILL "${process%/environ}"
  done
  sleep 0.1
done
"#;

/// The shell beside one interaction; ended when dropped.
#[derive(Debug)]
pub(crate) struct Watchdog(Option<Child>);

impl Watchdog {
    /// Starts it. Where there is no shell the submission runs without: what a killed run leaves
    /// is then found by the next one.
    pub(crate) fn start(mark: &Mark) -> Self {
        let started = Command::new("/bin/sh")
            .args(["-c", SCRIPT, &format!("{MARK_VARIABLE}={mark}")])
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal is for segarena.
            .in_session_of_its_own()
            .spawn();
        match started {
            Ok(child) => Self(Some(child)),
            Err(error) => {
                tracing::warn!(%error, "nothing will end the submission if segarena is killed");
                Self(None)
            }
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> Option<u32> {
        self.0.as_ref().map(Child::id)
    }

    /// Tells it which group is to die with us.
    pub(crate) fn watch(&mut self, group: u32) {
        let pipe = self.0.as_mut().and_then(|child| child.stdin.as_mut());
        if let Some(pipe) = pipe
            && let Err(error) = writeln!(pipe, "{group}")
        {
            tracing::warn!(%error, "nothing will end the submission if segarena is killed");
        }
    }

    /// Ends it. To be done before the group's leader is reaped, while its id can mean no other.
    pub(crate) fn dismiss(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Killed while the pipe is still open: it must not take this for our end.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        self.dismiss();
    }
}
