//! Nothing of an interaction is left when it is over, however it is over.

use tokio_util::sync::CancellationToken;

use super::Subject;
use super::stage::{self, Stage};
use segarena_core::backend::Ending;

named![
    a_child_that_leaves_its_parent_ends_with_the_interaction,
    a_cancelled_interaction_ends_what_it_runs,
    a_dropped_interaction_ends_what_it_runs,
    a_cancelled_run_is_an_interruption_and_goes_on_later,
];

fn a_child_that_leaves_its_parent_ends_with_the_interaction(subject: &dyn Subject) {
    let sleep = stage::unique_sleep();
    let script = format!("(setsid sleep {sleep} >/dev/null 2>&1 &); sleep 0.3; exit 4");
    let seen = Stage::new(subject).interaction(&script);
    assert_eq!(seen.outcome.name(), "exit", "{seen:?}");
    stage::is_gone(&sleep);
}

fn a_cancelled_interaction_ends_what_it_runs(subject: &dyn Subject) {
    let sleep = stage::unique_sleep();
    let cancel = CancellationToken::new();
    let never = async {
        stage::is_there(&sleep).await;
        cancel.cancel();
        std::future::pending().await
    };
    let script = format!("trap '' TERM; sleep {sleep} & wait");
    let answer = Stage::new(subject).infer(&script, cancel.clone(), never);
    assert_eq!(answer.unwrap().unwrap().ending, Ending::Cancelled);
    stage::is_gone(&sleep);
}

fn a_dropped_interaction_ends_what_it_runs(subject: &dyn Subject) {
    let sleep = stage::unique_sleep();
    let script = format!("trap '' TERM; sleep {sleep} & wait");
    let stage = Stage::new(subject);
    let answer = stage.infer(&script, CancellationToken::new(), stage::is_there(&sleep));
    assert!(answer.is_none(), "{answer:?}");
    stage::is_gone(&sleep);
}

fn a_cancelled_run_is_an_interruption_and_goes_on_later(subject: &dyn Subject) {
    let stage = Stage::new(subject);
    let cancel = CancellationToken::new();
    let sleep = stage::unique_sleep();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(stage::is_there(&sleep));
            cancel.cancel();
        });
        let team = subject.submission("team", &format!("sleep {sleep} & wait"));
        let summary = stage
            .evaluate_submissions(vec![team], cancel.clone())
            .unwrap();
        assert!(summary.interrupted);
        assert!(summary.submissions[0].records.is_empty());
    });
    stage::is_gone(&sleep);
    let seen = stage.interaction(&stage::predict());
    assert_eq!(seen.dsc, 1.0);
}
