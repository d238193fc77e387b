//! How a submission's run ended is told apart, and is never the run's own failure.

use std::time::{Duration, Instant};

use super::Subject;
use super::stage::{self, Stage, predict};
use segarena_core::backend::{Limit, LogCapture};
use segarena_core::record::Outcome;

named![
    a_prediction_is_read_and_scored,
    a_submission_sees_its_case_alone,
    an_exit_status_is_kept_with_the_last_words,
    a_program_that_ignores_signals_is_killed_at_its_time_limit,
    memory_over_the_limit_is_told_from_a_crash,
    a_flood_of_output_fills_neither_memory_nor_disk,
    a_run_that_writes_nothing_has_no_output,
    a_missing_submission_costs_itself_alone,
    running_time_is_start_to_exit,
];

fn a_prediction_is_read_and_scored(subject: &dyn Subject) {
    let seen = Stage::new(subject).interaction(&predict());
    assert_eq!(seen.outcome, Outcome::Ok { exit_code: 0 }, "{seen:?}");
    assert_eq!((seen.dsc, seen.nsd), (1.0, 1.0));
}

fn a_submission_sees_its_case_alone(subject: &dyn Subject) {
    let stage = Stage::with_cases(subject, &["first", "second"]);
    let script = "ls -A \"$INPUTS\"; ls -A \"$OUTPUTS\"; echo $CASE".to_owned();
    stage.evaluate(&[("team", script)]);
    for case in ["first", "second"] {
        let log = stage.log("team", case, 2);
        assert_eq!(log, format!("{case}.npz\n{case}.npz\n"));
    }
}

fn an_exit_status_is_kept_with_the_last_words(subject: &dyn Subject) {
    let script = "echo said on stdout; echo said on stderr >&2; exit 7";
    let seen = Stage::new(subject).interaction(script);
    let expected = Outcome::Exit {
        exit_code: 7,
        signal: None,
    };
    assert_eq!(seen.outcome, expected, "{seen:?}");
    assert_eq!(seen.stdout_tail.trim(), "said on stdout");
    assert_eq!(seen.stderr_tail.trim(), "said on stderr");
}

fn a_program_that_ignores_signals_is_killed_at_its_time_limit(subject: &dyn Subject) {
    let mut stage = Stage::new(subject);
    stage.protocol.interaction_timeout = Duration::from_secs(3);
    let sleep = stage::unique_sleep();
    let begun = Instant::now();
    let seen = stage.interaction(&format!(
        "trap '' TERM INT HUP; sleep {sleep} & while :; do sleep 1; done"
    ));
    assert_eq!(seen.outcome, Outcome::TimedOut, "{seen:?}");
    assert!(seen.seconds >= 3.0, "{}", seen.seconds);
    assert!(begun.elapsed() < Duration::from_secs(60));
    stage::is_gone(&sleep);
}

fn memory_over_the_limit_is_told_from_a_crash(subject: &dyn Subject) {
    let mut stage = Stage::new(subject);
    stage.memory = 64 << 20;
    let seen = stage.interaction("exec dd if=/dev/zero of=/dev/null bs=300M count=1");
    if stage.holds(Limit::Memory) {
        assert!(
            matches!(seen.outcome, Outcome::OutOfMemory { .. }),
            "{seen:?}"
        );
    } else {
        // A backend that can't hold the limit says so, and lets it pass.
        assert_eq!(seen.outcome, Outcome::NoOutput { exit_code: 0 }, "{seen:?}");
    }
}

fn a_flood_of_output_fills_neither_memory_nor_disk(subject: &dyn Subject) {
    let stage = Stage::new(subject);
    let script = format!("dd if=/dev/zero bs=1M count=100; {}", predict());
    let seen = stage.interaction(&script);
    assert_eq!(seen.outcome, Outcome::Ok { exit_code: 0 });
    let log = stage.output().join("team/logs/only.2.log");
    let size = log.metadata().unwrap().len();
    assert!(size <= LogCapture::FILE_BOUND + 4096, "{size}");
    assert!(seen.stdout_tail.len() <= LogCapture::TAIL_BOUND);
}

fn a_run_that_writes_nothing_has_no_output(subject: &dyn Subject) {
    let seen = Stage::new(subject).interaction("true");
    assert_eq!(seen.outcome, Outcome::NoOutput { exit_code: 0 }, "{seen:?}");
    assert_eq!((seen.dsc, seen.nsd), (0.0, 0.0));
}

fn a_missing_submission_costs_itself_alone(subject: &dyn Subject) {
    let stage = Stage::new(subject);
    let submissions = vec![
        subject.missing("missing"),
        subject.submission("sound", &predict()),
    ];
    let summary = stage
        .evaluate_submissions(submissions, Default::default())
        .unwrap();
    let error = summary.submissions[0].error.as_deref().unwrap();
    assert!(error.contains("missing"), "{error}");
    let sound = stage::record(&summary, "sound", "only");
    assert_eq!(sound.interactions[1].dsc, 1.0);
}

fn running_time_is_start_to_exit(subject: &dyn Subject) {
    let begun = Instant::now();
    let seen = Stage::new(subject).interaction("sleep 1");
    assert!(seen.seconds >= 1.0, "{}", seen.seconds);
    assert!(seen.seconds <= begun.elapsed().as_secs_f64());
}
