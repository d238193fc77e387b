//! A work folder lasts for its case: what a submission keeps there is there at the next
//! interaction, and gone at the next case.

use super::Subject;
use super::stage::{self, Stage, predict};

named![
    state_lasts_for_a_case_and_no_longer,
    cases_side_by_side_do_not_meet,
    the_prediction_before_stays_when_the_next_run_fails,
];

fn remember() -> String {
    format!(
        "test -e \"$OUTPUTS/state\" && cat \"$OUTPUTS/state\"; \
         echo \"$CASE\" >> \"$OUTPUTS/state\"; {}",
        predict()
    )
}

fn state_lasts_for_a_case_and_no_longer(subject: &dyn Subject) {
    let mut stage = Stage::with_cases(subject, &["first", "second"]);
    stage.protocol.clicks = 3;
    stage.evaluate(&[("team", remember()), ("other", remember())]);
    for team in ["team", "other"] {
        for case in ["first", "second"] {
            for index in 2..=4 {
                let expected = format!("{case}.npz\n").repeat(index - 2);
                assert_eq!(stage.log(team, case, index), expected);
            }
        }
    }
}

fn cases_side_by_side_do_not_meet(subject: &dyn Subject) {
    let cases = ["a", "b", "c", "d"];
    let mut stage = Stage::with_cases(subject, &cases);
    stage.jobs = 3;
    stage.protocol.clicks = 2;
    let script = format!("{}; sleep 0.2", remember());
    let summary = stage.evaluate(&[("team", script)]);
    for case in cases {
        let record = stage::record(&summary, "team", case);
        assert_eq!((record.jobs, record.interactions[2].dsc), (3, 1.0));
        assert_eq!(stage.log("team", case, 3), format!("{case}.npz\n"));
    }
}

fn the_prediction_before_stays_when_the_next_run_fails(subject: &dyn Subject) {
    let mut stage = Stage::new(subject);
    stage.protocol.clicks = 2;
    let script = format!("test -e \"$OUTPUTS/$CASE\" && exit 3; {}", predict());
    let summary = stage.evaluate(&[("team", script)]);
    let interactions = &stage::record(&summary, "team", "only").interactions;
    assert_eq!(interactions[2].outcome.name(), "exit");
    assert_eq!((interactions[1].dsc, interactions[2].dsc), (1.0, 1.0));
}
