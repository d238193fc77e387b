//! The official numbers, and what a submission sees.

use super::*;

pub(crate) fn an_archive_scores_what_the_official_script_says_and_leaves_nothing(engine: Engine) {
    let name = format!("parity_{}", engine.name);
    // Root tries the whole set on this Docker, so that a part will do here.
    let (golden, scenario) = match engine.name == DOCKER_GROUP.name {
        true => (golden(), engine.scenario("").every_case()),
        false => official_cases(engine),
    };
    let scenario = scenario.archive("team", "team.tar.gz", "");
    // The name inside differs from the file's on purpose.
    let archive = scenario.path().join("team.tar.gz");
    write_gzipped(&image(&format!("{name}:v2")), &archive);
    engine.evaluate(&scenario).ends_with(3);
    compare_with_golden(&golden, &scenario.result("team"), "team");
    assert_eq!(engine.left(&name), "");
    let record = scenario.record("team", "micro_tiny_objects");
    let phases: Vec<&str> = record["interactions"][1]["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["name"].as_str().unwrap())
        .collect();
    assert_eq!(phases[..4], ["create", "start", "run", "remove"]);
    // What a container's root wrote is not an ordinary user's until it is taken over.
    let is_taken_over = engine.user.is_some() && !engine.rootless;
    assert_eq!(phases.contains(&"take over"), is_taken_over, "{phases:?}");
}

pub(crate) fn an_archive_on_the_text_track_scores_what_the_official_script_says(engine: Engine) {
    let scenario = engine
        .scenario("")
        .every_case_of(&text_set())
        .arguments(&["--track", "cvpr25-text"])
        .archive("team", "team.tar.gz", "");
    let name = format!("text_{}", engine.name);
    write_gzipped(&image(&name), &scenario.path().join("team.tar.gz"));
    engine.evaluate(&scenario).ends_with(3);
    compare_text_with_golden(&scenario.result("team"), "team");
    assert_eq!(engine.left(&name), "");
}

pub(crate) fn state_lasts_for_a_case_and_no_longer(engine: Engine) {
    let script = "cat $OUTPUTS/state >> $OUTPUTS/seen; echo $CASE >> $OUTPUTS/state; \
                  cat $OUTPUTS/state; stand_in";
    let name = format!("state_{}", engine.name);
    let scenario = engine
        .scenario("")
        .case("micro_tiny_objects")
        .case_as("micro_tiny_objects", "second")
        .arguments(&["--clicks", "2"])
        .archive("team", "team.tar", &command(script));
    let tar = image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(0);
    for case in ["micro_tiny_objects", "second"] {
        for interaction in 1..=3 {
            let log = scenario.result(&format!("team/logs/{case}.{interaction}.log"));
            let log = std::fs::read_to_string(log).unwrap();
            let lines = log.lines().filter(|line| !line.contains("cat:")).count();
            assert_eq!(lines, interaction, "{case} {interaction}: {log}");
        }
    }
    assert!(scenario.left_behind().is_empty());
}

pub(crate) fn a_container_sees_its_two_folders_and_no_ground_truth(engine: Engine) {
    // Whatever can be read from inside, named on stdout: files, mounts, environment.
    let script = "set -f; env; cat /proc/self/mountinfo; ls -R / 2>&1 | head -c 3000000; stand_in";
    let log = printed_by(script, engine, "", &format!("walk_{}", engine.name));
    assert!(log.contains("/workspace/inputs"), "{log}");
    for secret in ["gts", "ground_truth", "config.toml"] {
        assert!(!log.contains(secret), "{secret} can be seen:\n{log}");
    }
}
