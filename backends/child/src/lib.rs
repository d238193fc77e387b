//! What backends share that run a submission as a child process of this machine, plainly or by a
//! launcher such as `apptainer exec`: the tree of its processes, their end, their output.
//!
//! Nothing outlives an interaction: the whole process group is killed, and the orphans that left
//! the group are found and killed as well ([`run`]); a session of its own keeps a submission from
//! joining segarena's group, where it would be taken for one of ours. Nor does anything outlive segarena, however
//! that ends: a watchdog stands beside each interaction, and what that misses the next run finds
//! ([`kill_orphans_of_killed_runs`]).
#![warn(missing_docs)]

mod child;
mod identity;
mod mark;
mod orphans;
mod session;
mod warm;
mod watchdog;

pub use child::{ChildCommand, run};
pub use identity::ProcessIdentity;
pub use orphans::kill_orphans_of_killed_runs;
pub use warm::{WarmChild, start_warm};
