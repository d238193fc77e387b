//! Limits hold, or are said not to.

use super::*;

pub(crate) fn the_doctor_proves_each_limit_or_says_that_it_cannot_be_had(engine: Engine) {
    let ask = || engine.command(scenario::PROGRAM);
    let examined = ask()
        .args(["doctor", "--json", "--backend", engine.kind])
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&examined.stdout).unwrap();
    let found = &found[0];
    let proofs = found["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 8, "{found}");
    let verdict = |limit: &str| {
        let proof = proofs.iter().find(|proof| proof["limit"] == limit);
        proof.unwrap()["verdict"].as_str().unwrap().to_owned()
    };
    for limit in [
        "time",
        "shared_memory",
        "network",
        "filesystem",
        "privileges",
    ] {
        assert_eq!(verdict(limit), "holds", "{limit}: {found}");
    }
    for limit in ["memory", "pids", "cpus"] {
        let found_so = verdict(limit);
        let holds = match &*found_so {
            "cannot_be_had" => engine.rootless,
            // A machine with much to do gives little without any limit.
            "unclear" => limit == "cpus",
            verdict => verdict == "holds",
        };
        assert!(holds, "{limit}: {found}");
    }
    let can_limit_all = proofs
        .iter()
        .all(|proof| proof["verdict"] != "cannot_be_had");
    assert_eq!(found["usable"], can_limit_all, "{found}");
    let status = if can_limit_all { 0 } else { 1 };
    assert_eq!(examined.status.code(), Some(status));
    assert_eq!(engine.left("segarena-doctor"), "");
}

pub(crate) fn a_limit_that_cannot_hold_stops_the_run_unless_it_is_allowed_to(engine: Engine) {
    let scenario = Scenario::new()
        .backend(&format!("kind = {:?}", engine.kind))
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("team", "team.tar", &command("stand_in"));
    let tar = image("unlimited").to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    let ran = engine.evaluate(&scenario);
    let unenforced = |record: &Value| {
        let limits = record["limits"].as_array().unwrap();
        let states = limits
            .iter()
            .map(|limit| limit["enforcement"]["state"].clone());
        states.filter(|state| state == "not_enforced").count()
    };
    if ran.status == 0 {
        assert_eq!(unenforced(&scenario.run_record()), 0);
        return;
    }
    ran.ends_with(1).says(&[
        "cannot limit memory, pids here",
        "allow_unenforced = [\"memory\", \"pids\"]",
    ]);
    let scenario = engine
        .scenario("")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("team", "team.tar", &command("stand_in"));
    let tar = image("unlimited").to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(0);
    assert_eq!(unenforced(&scenario.run_record()), 2);
}

pub(crate) fn strict_isolation_takes_away_capabilities_and_the_root(engine: Engine) {
    let script = "grep_cap() { while read -r key value; do case $key in CapEff:) echo \
                  capabilities $value;; NoNewPrivs:) echo privileges $value;; esac; done; }; \
                  grep_cap < /proc/self/status; touch /new && echo root is written; \
                  touch /tmp/new && touch $HOME/new && echo home is written; stand_in";
    let name = format!("strict_{}", engine.name);
    let log = printed_by(script, engine, "isolation = \"strict\"", &name);
    assert!(log.contains("capabilities 0000000000000000"), "{log}");
    assert!(log.contains("privileges 1"), "{log}");
    assert!(log.contains("home is written"), "{log}");
    assert!(!log.contains("root is written"), "{log}");
}

pub(crate) fn graphics_cards_that_cannot_be_had_stop_the_run(engine: Engine) {
    let scenario = engine
        .scenario("gpus = \"all\"")
        .case("micro_tiny_objects")
        .archive("team", "team.tar", "");
    std::fs::write(scenario.path().join("team.tar"), []).unwrap();
    engine
        .evaluate(&scenario)
        .ends_with(1)
        .says(&["`gpus` asks for graphics cards", "gpus = \"none\""]);
}
