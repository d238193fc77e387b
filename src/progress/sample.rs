//! Events and records for tests.
#![allow(clippy::unwrap_used)]

use segarena_core::backend::Lifetime;
use segarena_core::clicks::{Click, ClickKind};
use segarena_core::dialogue::PromptKind;
use segarena_core::event::{Event, MeanMeasure};
use segarena_core::record::{CaseRecord, ClickRecord, InteractionRecord, Outcome};
use segarena_core::run::SubmissionSummary;

pub(crate) fn run_started(submissions: usize, cases: usize) -> Event {
    Event::RunStarted {
        run_id: "0".into(),
        submissions: (0..submissions).map(|n| format!("team_{n}")).collect(),
        cases: (0..cases).map(|n| format!("{n}.npz")).collect(),
        interactions: 6,
        jobs: 1,
    }
}

pub(crate) fn started(submission: &str, finished_before: usize, mean: f64) -> Event {
    Event::SubmissionStarted {
        submission: submission.into(),
        facts: Default::default(),
        finished_before,
        dsc_before: mean,
        nsd_before: mean,
        means_before: match finished_before {
            0 => Vec::new(),
            cases => ["DSC", "NSD"]
                .map(|name| MeanMeasure { name, mean, cases })
                .to_vec(),
        },
    }
}

/// An interaction with this score and outcome.
pub(crate) fn interaction(index: usize, score: f64, outcome: Outcome) -> InteractionRecord {
    InteractionRecord {
        index,
        prompt: match index {
            1 => PromptKind::BOX,
            _ => PromptKind::CLICKS,
        },
        outcome,
        dsc: score,
        nsd: score,
        seconds: 1.5,
        log: Some(format!("logs/x.{index}.log")),
        ..InteractionRecord::skipped(&[1])
    }
}

/// A case whose interactions came out so, with this score at each.
pub(crate) fn record(case: &str, score: f64, outcomes: Vec<Outcome>) -> CaseRecord {
    let interactions = outcomes.into_iter().enumerate();
    let interactions = interactions.map(|(at, outcome)| {
        let mut record = interaction(at + 1, score, outcome);
        let stem = case.strip_suffix(".npz").unwrap();
        record.log = Some(format!("logs/{stem}.{}.log", at + 1));
        record
    });
    let mut record = CaseRecord {
        track: "cvpr25-interactive@1".to_owned(),
        schema: CaseRecord::SCHEMA,
        case: case.into(),
        lifetime: Lifetime::Interaction,
        labels: vec![1],
        has_boxes: true,
        shape: [4, 4, 4],
        spacing: [1.0; 3],
        interactions: interactions.collect(),
        total_seconds: 0.0,
        seconds_allowed: 0.0,
        over_time: false,
        zeroed: false,
        jobs: 1,
        predictions_sha256: None,
        fingerprint: None,
    };
    record.apply_time_limit(90.0, segarena_core::protocol::OverTime::Warn);
    record
}

pub(crate) fn sound() -> Vec<Outcome> {
    vec![Outcome::Ok { exit_code: 0 }; 6]
}

/// A submission that could be run, with these cases.
pub(crate) fn submission(name: &str, records: Vec<CaseRecord>) -> SubmissionSummary {
    SubmissionSummary {
        name: name.into(),
        error: None,
        records,
        finished_before: 0,
    }
}

/// A case that came out well.
pub(crate) fn case(submission: &str, case: &str, score: f64) -> Event {
    Event::CaseFinished {
        submission: submission.into(),
        record: record(case, score, sound()),
    }
}

/// A run in which everything happens that has a line.
pub(crate) fn run_with_everything() -> Vec<Event> {
    let team = || "team_0".to_owned();
    let failed = interaction(
        2,
        0.5,
        Outcome::Exit {
            exit_code: 1,
            signal: None,
        },
    );
    let mut sound = interaction(3, 0.75, Outcome::Ok { exit_code: 0 });
    let click = Click {
        kind: ClickKind::Fg,
        at: [3, 4, 5],
    };
    sound.clicks = vec![ClickRecord::new(1, Some(click)), ClickRecord::new(2, None)];
    vec![
        Event::Caution {
            backend: "process".into(),
            text: "contains nothing".into(),
        },
        run_started(2, 3),
        Event::SubmissionPreparing { submission: team() },
        Event::PreparationProgress {
            submission: team(),
            what: "loading image".into(),
            done: 3_100_000_000,
            total: Some(8_400_000_000),
        },
        Event::Note {
            subject: team(),
            text: "runs team:latest (0123456789ab)".into(),
        },
        started("team_0", 1, 0.5),
        Event::CaseStarted {
            submission: team(),
            case: "1.npz".into(),
        },
        Event::CaseStarted {
            submission: team(),
            case: "2.npz".into(),
        },
        Event::InteractionRunning {
            submission: team(),
            case: "1.npz".into(),
            index: 3,
        },
        Event::InteractionFinished {
            submission: team(),
            case: "1.npz".into(),
            record: failed,
        },
        Event::InteractionFinished {
            submission: team(),
            case: "1.npz".into(),
            record: sound,
        },
        Event::InteractionScoring {
            submission: team(),
            case: "2.npz".into(),
            index: 6,
        },
        case("team_0", "1.npz", 0.75),
        Event::EngineRetry {
            error: "docker: the connection was reset".into(),
            attempt: 2,
            after_seconds: 1.0,
        },
        Event::SubmissionFailed {
            submission: "team_1".into(),
            error: "there is no image in team_1.tar".into(),
        },
        Event::Stopping,
    ]
}
