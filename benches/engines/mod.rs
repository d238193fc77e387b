//! What the benchmarks of engines share.

use std::process::Command;

/// Whether an engine of this name answers; says so if none does.
pub fn answers(engine: &str) -> bool {
    let info = Command::new(engine).arg("info").output();
    let answers = info.is_ok_and(|output| output.status.success());
    if !answers {
        eprintln!("{engine} does not answer: left out");
    }
    answers
}

/// The median; not a number if there is none.
pub fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or(f64::NAN)
}
