//! How many files this process may have open at once.

use rustix::process::{Resource, getrlimit};

/// So many a run of one case at a time has open, and as many again for what it is built on.
const NEEDED: u64 = 40;

/// Fails where there are too few to run anything, while it can still be said.
pub(crate) fn refuse_too_few() -> anyhow::Result<()> {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < NEEDED => anyhow::bail!(
            "only {limit} files may be open at once, and segarena needs {NEEDED} (raise \
             `ulimit -n`)"
        ),
        _ => Ok(()),
    }
}
