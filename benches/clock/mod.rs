//! The clocks that kernels are timed by, and the median of five.
#![allow(dead_code)] // each benchmark uses a part of it

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use rustix::time::{ClockId, clock_gettime};

use crate::peers::Measured;

/// The time on the wall.
pub fn wall() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

/// The time that this thread has had of the processor.
pub fn of_the_thread() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The median of five by this clock, and the most memory that the work took.
pub fn median_of_five(memory: &PeakAlloc, clock: fn() -> Duration, work: impl Fn()) -> Measured {
    let before = memory.current_usage();
    memory.reset_peak_usage();
    work();
    let bytes = memory.peak_usage().saturating_sub(before) as u64;
    let mut times = [(); 5].map(|()| {
        let start = clock();
        work();
        clock() - start
    });
    times.sort();
    Measured {
        time: times[2],
        bytes,
    }
}
