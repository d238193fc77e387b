//! `segarena replay`: an interaction of a past run, made again and run by hand.

use std::fs;

use segarena_core::npz::{NpzMembers, read_saved_segs};

use crate::golden::text_set;
use crate::scenario::{ProgramOutput, Scenario, segarena};

/// A run whose last interaction's folders are kept.
fn kept() -> Scenario {
    let scenario = Scenario::new()
        .case("angio_no_box")
        .case("micro_tiny_objects")
        .output("keep_work = true")
        .stand_in("team");
    scenario.command();
    segarena(scenario.path(), &["evaluate", "-c", "config.toml"]).ends_with(0);
    scenario
}

fn replay(scenario: &Scenario, arguments: &[&str]) -> ProgramOutput {
    segarena(scenario.path(), &[&["replay", "out"], arguments].concat())
}

#[test]
fn the_model_input_of_an_interaction_is_made_again_byte_for_byte() {
    let scenario = kept();
    for case in ["angio_no_box", "micro_tiny_objects"] {
        replay(&scenario, &["team", case, "6"])
            .ends_with(0)
            .prints(&["outputs", "the prediction before", "--config"]);
        let read = |folder: &str| {
            let path = scenario.result(folder).join(format!("inputs/{case}.npz"));
            fs::read(path).unwrap()
        };
        let given = read(&format!(".segarena/work/team/{case}"));
        assert!(given == read(&format!("team/replay/{case}.6")), "{case}");
    }
}

#[test]
fn what_the_interaction_before_left_is_there_again_where_it_was_kept() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 2")
        .output("keep_work = \"all\"")
        .script("team", "stand_in; echo x >> \"$OUTPUTS/state\"");
    scenario.command();
    segarena(scenario.path(), &["evaluate", "-c", "config.toml"]).ends_with(0);
    for (index, state) in [("2", "x\n"), ("3", "x\nx\n")] {
        replay(&scenario, &["team", "phantom_perfect", index])
            .ends_with(0)
            .prints(&["what the interaction before left"]);
        let made = scenario.result(&format!("team/replay/phantom_perfect.{index}/outputs"));
        assert_eq!(fs::read_to_string(made.join("state")).unwrap(), state);
        assert!(made.join("phantom_perfect.npz").is_file());
    }
}

#[test]
fn an_interaction_run_again_predicts_what_it_predicted() {
    let scenario = kept();
    for index in 1..=6 {
        replay(
            &scenario,
            &[
                "team",
                "micro_tiny_objects.npz",
                &index.to_string(),
                "-c",
                "config.toml",
                "--run",
            ],
        )
        .ends_with(0)
        .prints(&["INPUTS=", "stand_in"]);
        let written = format!("team/replay/micro_tiny_objects.{index}/outputs");
        let written = scenario.result(&written).join("micro_tiny_objects.npz");
        let written = NpzMembers::open(&written)
            .unwrap()
            .byte_volume("segs")
            .unwrap();
        let saved = scenario.result("team/micro_tiny_objects.npz");
        let saved = read_saved_segs(&saved)
            .unwrap()
            .nth(index - 1)
            .unwrap()
            .unwrap();
        assert_eq!(written, saved, "interaction {index}");
    }
}

#[test]
fn a_first_interaction_finds_empty_outputs() {
    let scenario = kept();
    for (case, first) in [("angio_no_box", "2"), ("micro_tiny_objects", "1")] {
        replay(&scenario, &["team", case, first])
            .ends_with(0)
            .prints(&["(empty;"]);
        let folder = scenario.result(&format!("team/replay/{case}.{first}"));
        assert_eq!(fs::read_dir(folder.join("outputs")).unwrap().count(), 0);
        assert_eq!(fs::read_dir(folder.join("inputs")).unwrap().count(), 1);
    }
}

#[test]
fn what_can_not_be_replayed_is_said_with_what_there_is() {
    let scenario = kept();
    let refused = |arguments: &[&str], words: &[&str]| {
        replay(&scenario, arguments).ends_with(1).says(words);
    };
    refused(
        &["nobody", "angio_no_box", "2"],
        &["no submission `nobody`", "team"],
    );
    refused(
        &["team", "nothing", "2"],
        &["no finished case nothing.npz", "angio_no_box.npz"],
    );
    refused(&["team", "angio_no_box", "7"], &["interactions 1 to 6"]);
    refused(
        &["team", "angio_no_box", "1"],
        &["was skipped", "the first that ran is 2"],
    );
    refused(&["team", "angio_no_box", "2", "--run"], &["--config"]);
    // A folder of somebody's is not taken for one of replay's own.
    fs::write(scenario.path().join("imgs/precious"), b"").unwrap();
    refused(
        &["team", "angio_no_box", "2", "-o", "imgs"],
        &["holds other files"],
    );
    assert!(scenario.path().join("imgs/precious").exists());
}

#[test]
fn a_submission_that_fails_again_is_told_by_the_exit_status() {
    let scenario = Scenario::new()
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .script("team", "echo seen; exit 7");
    scenario.evaluate().ends_with(3);
    let line = [
        "team",
        "micro_tiny_objects",
        "2",
        "-c",
        "config.toml",
        "--run",
    ];
    replay(&scenario, &line)
        .ends_with(3)
        .prints(&["seen", "(empty;"])
        .says(&["exit status: 7"]);
}

#[test]
fn the_one_interaction_of_the_text_track_is_made_again_byte_for_byte_and_run() {
    let scenario = Scenario::new()
        .every_case_of(&text_set())
        .arguments(&["--case", "mri_brain_tissue"])
        .table("[protocol]\ntrack = \"cvpr25-text\"")
        .output("keep_work = true")
        .stand_in("team");
    let kept = scenario.command();
    let arguments: Vec<_> = kept.get_args().map(|word| word.to_str().unwrap()).collect();
    segarena(scenario.path(), &arguments).ends_with(0);
    replay(
        &scenario,
        &[
            "team",
            "mri_brain_tissue",
            "1",
            "-c",
            "config.toml",
            "--run",
        ],
    )
    .ends_with(0)
    .prints(&["(empty;", "stand_in"]);
    let folder = scenario.result("team/replay/mri_brain_tissue.1");
    let work = scenario.result(".segarena/work/team/mri_brain_tissue");
    for file in [
        "inputs/mri_brain_tissue.npz",
        "outputs/mri_brain_tissue.npz",
    ] {
        let read = |folder: &std::path::Path| fs::read(folder.join(file)).unwrap();
        assert!(read(&folder) == read(&work), "{file}");
    }
}
