//! What is kept of the folders that a submission saw.

use std::fs;

use segarena_core::npz::NpzMembers;

use crate::scenario::{Scenario, segarena};

/// A box and a click of one case, with this choice of what is kept.
fn kept(keep_work: &str, lifetime: &str) -> Scenario {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .output(&format!("keep_work = {keep_work}"))
        .table("[protocol]\nclicks = 1")
        .stand_in("team");
    scenario.command();
    evaluate(&scenario, &["--lifetime", lifetime]);
    scenario
}

fn evaluate(scenario: &Scenario, more: &[&str]) {
    let arguments = [&["evaluate", "-c", "config.toml"], more].concat();
    segarena(scenario.path(), &arguments).ends_with(0);
}

#[test]
fn the_folders_of_each_interaction_are_kept_among_the_results() {
    for lifetime in ["interaction", "case", "run"] {
        let scenario = kept("\"all\"", lifetime);
        let folder = scenario.result("team/kept/phantom_perfect");
        for (index, has_clicks) in [("1", false), ("2", true)] {
            let file = |kind: &str| folder.join(index).join(kind).join("phantom_perfect.npz");
            let input = NpzMembers::open(&file("inputs")).unwrap();
            assert_eq!(input.has("prev_pred"), has_clicks, "{lifetime}");
            assert!(NpzMembers::open(&file("outputs")).unwrap().has("segs"));
        }
        assert!(!scenario.result(".segarena/work").exists());
    }
}

#[test]
fn what_an_earlier_run_kept_goes_with_it() {
    let scenario = kept("\"all\"", "interaction");
    let folder = scenario.result("team/kept/phantom_perfect");
    evaluate(&scenario, &["--restart", "--clicks", "0"]);
    let left: Vec<_> = fs::read_dir(&folder).unwrap().flatten().collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let config = scenario.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("\"all\"", "false")).unwrap();
    evaluate(&scenario, &["--restart"]);
    assert!(!folder.exists());
}

#[test]
fn the_last_folders_are_kept_where_they_were() {
    for keep_work in ["true", "\"last\""] {
        for lifetime in ["interaction", "run"] {
            let scenario = kept(keep_work, lifetime);
            let work = scenario.result(".segarena/work/team/phantom_perfect");
            let input = NpzMembers::open(&work.join("inputs/phantom_perfect.npz"));
            assert!(input.unwrap().has("prev_pred"), "{keep_work}, {lifetime}");
            assert!(!scenario.result("team/kept").exists());
        }
    }
}

#[test]
fn what_is_no_choice_is_told_with_those_there_are() {
    let scenario = kept("false", "interaction");
    let config = scenario.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let text = text.replace("keep_work = false", "keep_work = \"some\"");
    fs::write(&config, text).unwrap();
    segarena(scenario.path(), &["evaluate", "-c", "config.toml"])
        .ends_with(1)
        .says(&["keep_work", "\"last\" or \"all\""]);
}
