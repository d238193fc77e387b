//! One case on each graphics card, with cards that only their variables know of.

use std::collections::BTreeSet;
use std::fs;

use crate::scenario::{ProgramOutput, Scenario};

/// Notes the card of each start by its case; each case waits a while for the other to have begun,
/// so that both run at once.
const NOTES: &str = "case=$(basename \"$INPUTS\"/*.npz .npz)\n\
    echo \"$CUDA_VISIBLE_DEVICES\" >> card-$case\n\
    i=0; while [ $(ls | grep -c ^card-) -lt 2 ] && [ $i -lt 200 ]; do sleep 0.05; i=$((i+1)); done\n\
    stand_in";

fn on_cards(given: &str) -> (Scenario, ProgramOutput) {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .table("[run]\njobs = \"gpus\"\n[protocol]\nclicks = 1")
        .script("s", NOTES);
    let mut command = scenario.command();
    for variable in ["SLURM_JOB_GPUS", "SLURM_STEP_GPUS"] {
        command.env_remove(variable);
    }
    command.env("CUDA_VISIBLE_DEVICES", given);
    let output = ProgramOutput::of(command.output().unwrap());
    (scenario, output)
}

#[test]
fn each_case_side_by_side_has_one_of_the_cards_that_the_job_was_given() {
    let (scenario, output) = on_cards("3,GPU-5a");
    output.ends_with(0);
    let cards = |case: &str| -> BTreeSet<String> {
        let notes = fs::read_to_string(scenario.path().join(format!("card-{case}"))).unwrap();
        assert_eq!(notes.lines().count(), 2, "{notes}");
        notes.lines().map(str::to_owned).collect()
    };
    let (one, other) = (cards("phantom_perfect"), cards("micro_tiny_objects"));
    // A case stays on its card, and the two have both.
    assert_eq!((one.len(), other.len()), (1, 1), "{one:?} {other:?}");
    let both: BTreeSet<String> = one.union(&other).cloned().collect();
    assert_eq!(both, ["3", "GPU-5a"].map(str::to_owned).into());
    assert_eq!(scenario.run_record()["jobs"], 2);
}

#[test]
fn a_case_on_each_card_is_refused_where_there_is_no_card() {
    let (scenario, output) = on_cards("NoDevFiles");
    output
        .ends_with(1)
        .says(&["run.jobs", "there is none here", "--gres"]);
    assert!(!scenario.result("run.json").exists());
}

#[test]
fn a_case_on_each_card_is_refused_beside_cards_for_all() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .backend("kind = \"docker\"\ngpus = \"all\"")
        .table("[run]\njobs = \"gpus\"")
        .archive("s", "config.toml", "");
    let output = scenario.evaluate();
    output.ends_with(1).says(&["run.jobs", "gpus = \"all\""]);
}
