//! A run in shards at once, on an engine.

use std::process::Child;

use super::*;
use crate::reproducible::results;

const TEAMS: [&str; 4] = ["one", "two", "three", "four"];

/// Four submissions on every case of the parity set, with a box alone: what a shard shares with
/// others it does for each case, however many interactions there are.
fn on_every_case(scenario: Scenario) -> Scenario {
    let scenario = match PARITY_SET.is_there() {
        true => scenario.every_case_of(&parity_set()),
        false => scenario.every_case(),
    };
    scenario.table("[protocol]\nclicks = 0")
}

fn on_plain_processes() -> Scenario {
    let scenario = on_every_case(Scenario::new());
    let scenario = TEAMS.into_iter().fold(scenario, Scenario::stand_in);
    // A case of the set is without boxes: nothing is asked of it.
    scenario.evaluate();
    scenario
}

/// Runs the program where the engine is, with these arguments behind those of the configuration.
fn run(engine: Engine, scenario: &Scenario, arguments: &[&str]) -> ProgramOutput {
    let mut command = engine.command_in(scenario.path(), scenario::PROGRAM);
    command.args(["evaluate", "--config", "config.toml"]);
    ProgramOutput::of(command.args(arguments).output().unwrap())
}

fn in_shards(engine: Engine) -> Scenario {
    let scenario = on_every_case(engine.scenario(""));
    let scenario = TEAMS.into_iter().fold(scenario, |scenario, team| {
        let file = format!("{team}.tar");
        let tar = image(&format!("shards_{}_{team}", engine.name))
            .to_tar()
            .unwrap();
        std::fs::write(scenario.path().join(&file), tar).unwrap();
        scenario.archive(team, &file, "")
    });
    scenario.command();
    engine.own(&scenario);
    scenario
}

/// Does the four shards at once, and gathers.
fn all_at_once(engine: Engine, scenario: &Scenario) {
    let start = |number: usize| -> Child {
        let mut command = engine.command_in(scenario.path(), scenario::PROGRAM);
        let share = format!("{number}/{}", TEAMS.len());
        command.args([
            "evaluate",
            "--config",
            "config.toml",
            "--quiet",
            "--shard",
            &share,
        ]);
        command.spawn().unwrap()
    };
    let shards: Vec<Child> = (0..TEAMS.len()).map(start).collect();
    for mut shard in shards {
        let status = shard.wait().unwrap().code();
        assert!(matches!(status, Some(0 | 3)), "{status:?}");
    }
    let gathered = scenario::segarena(scenario.path(), &["gather", "out"]);
    assert!(!gathered.stderr.contains("missing"), "{}", gathered.stderr);
}

/// The results but for the record of the run, which names the engine.
fn of_cases(scenario: &Scenario) -> std::collections::BTreeMap<String, Vec<u8>> {
    let mut found = results(scenario);
    found.retain(|name, _| !name.ends_with("run.json"));
    found
}

pub(crate) fn shards_on_docker_give_what_plain_processes_do_and_leave_nothing() {
    let engine = DOCKER;
    let _mine = engine.lock();
    let scenario = in_shards(engine);
    all_at_once(engine, &scenario);
    assert_eq!(of_cases(&scenario), of_cases(&on_plain_processes()));
    assert_eq!(engine.left("shards_docker"), "");
}

pub(crate) fn shards_on_apptainer_run_the_images_that_were_converted_once_before() {
    let engine = APPTAINER;
    let scenario = in_shards(engine);
    run(engine, &scenario, &["--prepare"])
        .ends_with(0)
        .prints(&["4 images are ready for every shard"]);
    let images = || -> Vec<_> {
        let entries = std::fs::read_dir(scenario.result(".segarena/images")).unwrap();
        let entries = entries.map(|entry| entry.unwrap());
        let mut found: Vec<_> = entries
            .map(|entry| (entry.path(), entry.metadata().unwrap().modified().unwrap()))
            .collect();
        found.sort();
        found
    };
    let prepared = images();
    // Nothing is read or converted again.
    run(engine, &scenario, &["--prepare"]).ends_with(0);
    all_at_once(engine, &scenario);
    assert_eq!(images(), prepared);
    assert_eq!(of_cases(&scenario), of_cases(&on_plain_processes()));
}
