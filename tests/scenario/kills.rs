//! Runs that are killed.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use super::Scenario;

/// Starts an evaluation and lets it run; what it says goes into the file `said`.
pub fn start(scenario: &Scenario) -> Child {
    scenario
        .command()
        .stdout(Stdio::null())
        .stderr(fs::File::create(scenario.path().join("said")).unwrap())
        .spawn()
        .unwrap()
}

/// Waits until a file is there.
#[track_caller]
pub fn wait_for(file: &Path) {
    let began = Instant::now();
    while !file.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "no {file:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A number that looks random, the same at each run of the tests.
fn lot(number: u64) -> u64 {
    let mixed = (number ^ 0x9e37_79b9_7f4a_7c15).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 29)
}

/// Starts the run again and again and kills it after a while below `longest`, until it has ended
/// by itself or been killed `most` times; returns how often it was killed.
pub fn kill_again_and_again(scenario: &Scenario, longest: u64, most: u64) -> u64 {
    for round in 0..most {
        let mut run = start(scenario);
        let until = Instant::now() + Duration::from_millis(20 + lot(round) % longest);
        loop {
            if let Some(status) = run.try_wait().unwrap() {
                let said = fs::read_to_string(scenario.path().join("said")).unwrap();
                assert_eq!(status.code(), Some(3), "{said}");
                return round;
            }
            if Instant::now() > until {
                break;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        run.kill().unwrap();
        run.wait().unwrap();
    }
    most
}

/// The process id that a submission writes into a file.
#[track_caller]
pub fn written(file: &Path) -> String {
    let began = Instant::now();
    loop {
        let text = fs::read_to_string(file).unwrap_or_default();
        if text.ends_with('\n') {
            return text.trim().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no {file:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process is there and no zombie: these have no command line.
pub fn is_alive(pid: &str) -> bool {
    // Not by its arguments, of which a process has none while it goes to another program.
    let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat"));
    stat.is_ok_and(|stat| {
        let state = stat.rsplit_once(") ").unwrap().1;
        !state.starts_with(['Z', 'X'])
    })
}

/// Waits until a process has ended.
#[track_caller]
pub fn ends(pid: &str) {
    let began = Instant::now();
    while is_alive(pid) {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "process {pid} is still there"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}
