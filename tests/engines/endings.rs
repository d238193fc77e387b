//! How an interaction ended, and what is said of it.

use super::*;

pub(crate) fn endings_are_told_apart(engine: Engine) {
    let mut scenario = engine
        .scenario("memory = \"64MiB\"")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .table("[protocol]\ninteraction_timeout_seconds = 15");
    let endings = [
        ("crashes", "echo told >&2; exit 7", "exit"),
        ("hangs", "trap '' TERM; sleep 60 & wait", "timed_out"),
        (
            "greedy",
            "exec dd if=/dev/zero of=/dev/null bs=400M count=1",
            "out_of_memory",
        ),
        ("silent", "true", "no_output"),
        ("floods", "head -c 100000000 /dev/zero", "no_output"),
    ];
    let name = format!("endings_{}", engine.name);
    for (team, script, _) in endings {
        scenario = scenario.archive(team, "team.tar", &command(script));
    }
    scenario = scenario.archive("missing", "team.tar", "command = [\"/nowhere\"]");
    let tar = image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(3);
    for (team, _, outcome) in endings {
        if team == "greedy" && engine.rootless {
            continue; // rootless, the limit may be one of those that can't hold here
        }
        let seen = &scenario.record(team, "micro_tiny_objects")["interactions"][0];
        assert_eq!(seen["outcome"], outcome, "{team}: {seen}");
    }
    let seen = &scenario.record("crashes", "micro_tiny_objects")["interactions"][0];
    assert_eq!(seen["exit_code"], 7);
    assert!(
        seen["log_tail"].as_str().unwrap().contains("told"),
        "{seen}"
    );
    let seen = &scenario.record("missing", "micro_tiny_objects")["interactions"][0];
    assert_eq!(seen["exit_code"], 127, "{seen}");
    assert!(
        seen["log_tail"].as_str().unwrap().contains("/nowhere"),
        "{seen}"
    );
    assert_eq!(engine.left(&name), "");
}

pub(crate) fn an_image_without_the_script_says_what_is_missing(engine: Engine) {
    let scenario = engine
        .scenario("")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("team", "team.tar", "");
    let name = format!("scriptless_{}:latest", engine.name);
    let tar = shell_image(&name).to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(3);
    let seen = &scenario.record("team", "micro_tiny_objects")["interactions"][0];
    assert_eq!(seen["outcome"], "exit", "{seen}");
    let said = seen["log_tail"].as_str().unwrap();
    assert!(said.contains("the image has no predict.sh"), "{said}");
}
