//! A submission that is kept warm gives what it gives cold, and whatever it does instead of
//! answering is that interaction's outcome, after which the next gets a fresh start.

use std::time::Duration;

use super::Subject;
use super::stage::{Stage, is_gone, octal, predict, prediction, record, unique_sleep};
use segarena_core::backend::{Lifetime, Limit, NoAnswer};
use segarena_core::record::{InteractionRecord, Outcome};

named![
    a_submission_is_started_once_for_a_case,
    a_submission_is_started_once_for_a_run,
    each_worker_keeps_one_for_a_run,
    cases_that_are_over_are_not_seen,
    what_ends_without_an_answer_gets_a_fresh_start,
    memory_over_the_limit_gets_a_fresh_start,
    what_hangs_is_killed_with_all_that_it_started,
    what_was_never_ready_is_told_so,
    an_answer_for_another_interaction_is_none,
    an_answer_before_the_file_is_whole_is_a_bad_prediction,
    a_failure_is_told_in_the_submissions_words,
    a_flood_and_garbage_on_stdout_are_log,
    nobody_answers_for_a_submission_that_has_ended,
    closed_pipes_are_no_answer,
];

const WARM: [Lifetime; 2] = [Lifetime::Case, Lifetime::Run];
const DONE: &str = "printf '\\n{\"segarena\": \"done\"}\\n'";

/// A script that says that it is ready and does this for each request, of which it knows `OUTPUTS`,
/// `INPUTS`, `CASE` and the number since its start, `n`. It says that number where it answers:
/// standard error is another pipe, and what is written there may come after the answer.
fn serve(each: &str) -> String {
    format!(
        "test \"$SEGARENA_SERVE\" = 1 || exit 9; echo loading; echo '{{\"segarena\": \"ready\"}}'; n=0
while read -r line; do
  n=$((n+1)); echo \"asked $n\"
  rest=${{line#*'\"outputs\":\"'}}; OUTPUTS=${{rest%%'\"'*}}
  rest=${{line#*'\"inputs\":\"'}}; INPUTS=${{rest%%'\"'*}}
  rest=${{line#*'\"case\":\"'}}; CASE=${{rest%%'\"'*}}
  test -s \"$INPUTS/$CASE\" || exit 8
  {each}
done"
    )
}

fn serve_well() -> String {
    serve(&format!("{}; {DONE}", predict()))
}

/// How often it had been asked since its start, at each interaction of a case.
fn asked(
    stage: &Stage<'_>,
    case: &str,
    interactions: std::ops::RangeInclusive<usize>,
) -> Vec<usize> {
    interactions
        .map(|index| {
            let log = stage.log("team", case, index);
            let line = log.lines().find_map(|line| line.strip_prefix("asked "));
            line.unwrap_or_else(|| panic!("{log}")).parse().unwrap()
        })
        .collect()
}

fn a_submission_is_started_once_for_a_case(subject: &dyn Subject) {
    let mut stage = Stage::with_cases(subject, &["first", "second"]);
    (stage.lifetime, stage.protocol.clicks) = (Lifetime::Case, 3);
    let summary = stage.evaluate(&[("team", serve_well())]);
    for case in ["first", "second"] {
        let record = record(&summary, "team", case);
        assert!(
            !record.has_failure() && record.dsc_final() == 1.0,
            "{record:?}"
        );
        assert_eq!(record.lifetime, Lifetime::Case);
        assert_eq!(asked(&stage, case, 2..=4), [1, 2, 3]);
        assert_eq!(starts(&record.interactions), [1]);
    }
}

/// The interactions at which it was started.
fn starts(interactions: &[InteractionRecord]) -> Vec<usize> {
    let loads = interactions.iter().enumerate();
    let loads = loads.filter(|(_, interaction)| interaction.load_seconds.is_some());
    loads.map(|(at, _)| at).collect()
}

fn a_submission_is_started_once_for_a_run(subject: &dyn Subject) {
    let mut stage = Stage::with_cases(subject, &["first", "second"]);
    (stage.lifetime, stage.protocol.clicks) = (Lifetime::Run, 2);
    let summary = stage.evaluate(&[("team", serve_well())]);
    for (case, expected) in [("first", [1, 2]), ("second", [3, 4])] {
        let record = record(&summary, "team", case);
        assert!(
            !record.has_failure() && record.dsc_final() == 1.0,
            "{record:?}"
        );
        assert_eq!(asked(&stage, case, 2..=3), expected);
        let started = if case == "first" { vec![1] } else { Vec::new() };
        assert_eq!(starts(&record.interactions), started);
    }
}

fn each_worker_keeps_one_for_a_run(subject: &dyn Subject) {
    let cases = ["a", "b", "c", "d"];
    let mut stage = Stage::with_cases(subject, &cases);
    (stage.lifetime, stage.jobs) = (Lifetime::Run, 2);
    let script = serve(&format!("sleep 0.2; {}; {DONE}", predict()));
    let summary = stage.evaluate(&[("team", script)]);
    let mut started = 0;
    for case in cases {
        let record = record(&summary, "team", case);
        assert!(
            !record.has_failure() && record.dsc_final() == 1.0,
            "{record:?}"
        );
        started += starts(&record.interactions).len();
    }
    assert!((1..=2).contains(&started), "{started}");
}

/// It looks at all that it can reach from its own folders.
fn cases_that_are_over_are_not_seen(subject: &dyn Subject) {
    let mut stage = Stage::with_cases(subject, &["first", "second"]);
    stage.lifetime = Lifetime::Run;
    let script = serve(&format!("ls \"$INPUTS/../..\" >&2; {}; {DONE}", predict()));
    stage.evaluate(&[("team", script)]);
    for (case, other) in [("first", "second"), ("second", "first")] {
        let log = stage.log("team", case, 2);
        assert!(log.contains(case) && !log.contains(other), "{log}");
    }
}

/// Does this at each request, for both warm lifetimes, beside a sound submission; gives the
/// interactions, each of which must have had a fresh start.
#[track_caller]
fn misbehaves(
    subject: &dyn Subject,
    script: &str,
    clicks: usize,
    seconds: u64,
) -> Vec<InteractionRecord> {
    let mut all = Vec::new();
    for lifetime in WARM {
        let mut stage = Stage::new(subject);
        (stage.lifetime, stage.protocol.clicks) = (lifetime, clicks);
        stage.protocol.interaction_timeout = Duration::from_secs(seconds);
        let summary = stage.evaluate(&[("evil", script.to_owned()), ("sound", serve_well())]);
        let sound = record(&summary, "sound", "only");
        assert!(
            !sound.has_failure() && sound.dsc_final() == 1.0,
            "{sound:?}"
        );
        let evil = &record(&summary, "evil", "only").interactions;
        let every: Vec<usize> = (1..=clicks).collect();
        assert_eq!(starts(evil), every, "{evil:?}");
        all.extend(evil[1..].iter().cloned());
    }
    all
}

#[track_caller]
fn each_is(records: &[InteractionRecord], expected: &Outcome) {
    for record in records {
        assert_eq!(record.outcome, *expected, "{record:?}");
    }
}

fn what_ends_without_an_answer_gets_a_fresh_start(subject: &dyn Subject) {
    let seen = misbehaves(subject, &serve("exit 3"), 2, 120);
    each_is(
        &seen,
        &Outcome::Exit {
            exit_code: 3,
            signal: None,
        },
    );
    let seen = misbehaves(subject, &serve("exit 0"), 2, 120);
    each_is(&seen, &Outcome::NoAnswer(NoAnswer::Ended));
}

fn memory_over_the_limit_gets_a_fresh_start(subject: &dyn Subject) {
    let mut stage = Stage::new(subject);
    (stage.lifetime, stage.protocol.clicks) = (Lifetime::Case, 2);
    stage.memory = 64 << 20;
    let greedy = "exec dd if=/dev/zero of=/dev/null bs=300M count=1";
    let well = format!("{}; {DONE}", predict());
    let script = serve(&format!(
        "if test -e \"$OUTPUTS/before\"; then {well}; else touch \"$OUTPUTS/before\"; {greedy}; fi"
    ));
    let summary = stage.evaluate(&[("team", script)]);
    let seen = &record(&summary, "team", "only").interactions;
    if stage.holds(Limit::Memory) {
        assert_eq!(seen[1].outcome.name(), "out_of_memory", "{seen:?}");
    } else {
        // It may have that much, and ends.
        assert_eq!(seen[1].outcome, Outcome::NoAnswer(NoAnswer::Ended));
    }
    assert_eq!(seen[2].outcome, Outcome::Ok { exit_code: 0 }, "{seen:?}");
    assert_eq!(starts(seen), [1, 2]);
}

fn what_hangs_is_killed_with_all_that_it_started(subject: &dyn Subject) {
    let sleep = unique_sleep();
    let script = serve(&format!("setsid sleep {sleep} & sleep {sleep}"));
    let seen = misbehaves(subject, &script, 1, 8);
    each_is(&seen, &Outcome::TimedOut);
    is_gone(&sleep);
}

/// One that knows nothing of being kept warm does its case and ends.
fn what_was_never_ready_is_told_so(subject: &dyn Subject) {
    let seen = misbehaves(subject, "echo predicted; exit 0", 1, 120);
    each_is(&seen, &Outcome::NoAnswer(NoAnswer::EndedBeforeReady));
    let told = seen[0].outcome.describe();
    assert!(told.contains("lifetime = \"interaction\""), "{told}");
    let mut stage = Stage::new(subject);
    stage.lifetime = Lifetime::Case;
    stage.protocol.interaction_timeout = Duration::from_secs(5);
    let seen = stage.interaction(&format!("sleep {}", unique_sleep()));
    assert_eq!(seen.outcome, Outcome::NoAnswer(NoAnswer::NeverReady));
    assert_eq!(seen.seconds, 0.0);
}

fn an_answer_for_another_interaction_is_none(subject: &dyn Subject) {
    let other = r#"{"segarena": "done", "case": "only.npz", "interaction": 99}"#;
    let script = serve(&format!("{}; echo '{other}'", predict()));
    let seen = misbehaves(subject, &script, 2, 120);
    each_is(&seen, &Outcome::NoAnswer(NoAnswer::OtherInteraction));
    let unasked = format!("echo '{{\"segarena\": \"done\"}}'; {}", serve_well());
    let seen = misbehaves(subject, &unasked, 2, 120);
    each_is(&seen, &Outcome::NoAnswer(NoAnswer::AnsweredBeforeReady));
}

fn an_answer_before_the_file_is_whole_is_a_bad_prediction(subject: &dyn Subject) {
    let seen = misbehaves(subject, &serve(DONE), 2, 120);
    each_is(&seen, &Outcome::NoOutput { exit_code: 0 });
    let bytes = prediction();
    let half = octal(&bytes[..bytes.len() / 2]);
    let script = serve(&format!("printf '{half}' > \"$OUTPUTS/$CASE\"; {DONE}"));
    for seen in misbehaves(subject, &script, 2, 120) {
        assert_eq!(seen.outcome.name(), "bad_output", "{seen:?}");
    }
}

fn a_failure_is_told_in_the_submissions_words(subject: &dyn Subject) {
    let answer = r#"{"segarena": "failed", "reason": "no click"}"#;
    let seen = misbehaves(subject, &serve(&format!("echo '{answer}'")), 2, 120);
    let reason = "no click".to_owned();
    each_is(&seen, &Outcome::Failed { reason });
}

fn a_flood_and_garbage_on_stdout_are_log(subject: &dyn Subject) {
    let flood = "dd if=/dev/zero bs=1M count=300 2>/dev/null; printf '\\377{\\000{\"segarena\": '";
    let mut stage = Stage::new(subject);
    (stage.lifetime, stage.protocol.clicks) = (Lifetime::Case, 2);
    let summary = stage.evaluate(&[("team", serve(&format!("{flood}; {}; {DONE}", predict())))]);
    let seen = record(&summary, "team", "only");
    assert!(!seen.has_failure() && seen.dsc_final() == 1.0, "{seen:?}");
    assert_eq!(starts(&seen.interactions), [1]);

    let endless = serve("while :; do echo '{\"segarena\": \"maybe\"}'; done");
    each_is(&misbehaves(subject, &endless, 1, 8), &Outcome::TimedOut);
}

fn nobody_answers_for_a_submission_that_has_ended(subject: &dyn Subject) {
    let child = format!("(sleep 2; {}; {DONE}) & exit 0", predict());
    let seen = misbehaves(subject, &serve(&child), 1, 120);
    each_is(&seen, &Outcome::NoAnswer(NoAnswer::Ended));
    assert_eq!(seen[0].dsc, 0.0);
}

/// Where an engine stands between, what is closed is not seen, and time runs out.
fn closed_pipes_are_no_answer(subject: &dyn Subject) {
    let sleep = unique_sleep();
    for closes in ["exec 1>&-", "exec 0<&-"] {
        // From the second request on, so that one goes well.
        let script = serve(&format!("{}; {DONE}; {closes}; sleep {sleep}", predict()));
        let mut stage = Stage::new(subject);
        (stage.lifetime, stage.protocol.clicks) = (Lifetime::Case, 2);
        stage.protocol.interaction_timeout = Duration::from_secs(8);
        let summary = stage.evaluate(&[("team", script)]);
        let seen = &record(&summary, "team", "only").interactions;
        assert_eq!(seen[1].outcome, Outcome::Ok { exit_code: 0 }, "{seen:?}");
        let outcome = seen[2].outcome.name();
        assert!(
            ["ok", "no_answer", "timed_out"].contains(&outcome),
            "{seen:?}"
        );
        is_gone(&sleep);
    }
    let instead = serve(&format!("exec 1>&-; sleep {sleep}"));
    for seen in misbehaves(subject, &instead, 1, 8) {
        let outcome = seen.outcome.name();
        assert!(["no_answer", "timed_out"].contains(&outcome), "{seen:?}");
    }
    is_gone(&sleep);
}
