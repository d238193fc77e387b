//! A child in a session of its own.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// Starts a command as the leader of a new session, and with it of a new process group.
///
/// A process can only join a group of its own session. So a submission can hide neither in
/// segarena's group nor in a watchdog's, and no signal of the terminal reaches it.
pub(crate) trait InSessionOfItsOwn {
    fn in_session_of_its_own(&mut self) -> &mut Self;
}

impl InSessionOfItsOwn for Command {
    #[allow(unsafe_code)]
    fn in_session_of_its_own(&mut self) -> &mut Self {
        let begin_session = || {
            rustix::process::setsid()?;
            Ok(())
        };
        // SAFETY: between fork and exec only what is async-signal-safe may be done. The closure
        // makes the one system call `setsid`, which is, and touches no memory, lock or descriptor
        // of the parent: rustix's error is a number, which becomes an `io::Error` without
        // allocating.
        unsafe { self.pre_exec(begin_session) }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use procfs::process::Process;

    use super::*;

    #[test]
    fn a_child_leads_a_session_and_a_group() {
        let mut command = Command::new("sleep");
        command.arg("60").stdin(Stdio::null());
        let mut child = command.in_session_of_its_own().spawn().unwrap();
        let pid = child.id() as i32;
        let stat = Process::new(pid).unwrap().stat().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((stat.session, stat.pgrp), (pid, pid));
    }
}
