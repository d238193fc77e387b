//! Images that an engine loads and can't run: the failure of their submissions alone.

use segarena_container::image_archive::ImageArchive;
use serde_json::json;

use super::*;

/// Images that no container can be made or started of, each by what is wrong with it.
fn unstartable() -> Vec<(&'static str, ImageArchive)> {
    let configured = |key: &str, value| shell_image("odd").configured(key, value);
    let replaced = |path: &str| shell_image("odd").file(path, 0o644, b"no folder");
    vec![
        ("unknown-group", configured("User", json!("0:nosuchgroup"))),
        ("user-out-of-range", configured("User", json!("4294967296"))),
        (
            "user-like-a-full-disk",
            configured("User", json!("no space left on device")),
        ),
        (
            "user-like-a-dead-engine",
            configured("User", json!("error trying to connect")),
        ),
        (
            "user-like-a-vanished-image",
            configured("User", json!("image not known")),
        ),
        (
            "user-like-a-graphics-card",
            configured("User", json!("nvidia")),
        ),
        (
            "relative-workdir",
            configured("WorkingDir", json!("not/absolute")),
        ),
        (
            "workdir-a-file",
            configured("WorkingDir", json!("/etc/passwd")),
        ),
        (
            "nul-in-env",
            configured("Env", json!(["PATH=/bin", "A=\u{0}b"])),
        ),
        (
            "escapes-in-entrypoint",
            configured("Entrypoint", json!(["\u{1b}[2J\u{202e}gone"])),
        ),
        ("outputs-a-file", replaced("/workspace/outputs")),
        (
            "outputs-a-loop",
            shell_image("odd").link("/workspace/outputs", "outputs"),
        ),
        (
            "bash-not-executable",
            ImageArchive::named("odd").file("/bin/bash", 0o644, b"#!"),
        ),
    ]
}

pub(crate) fn images_that_cannot_be_started_are_their_submissions_failure(engine: Engine) {
    let scenario = engine.scenario("").case("micro_tiny_objects");
    let mut scenario = scenario.arguments(&["--clicks", "0"]);
    for (name, image) in unstartable() {
        let image = image.renamed(&format!("odd-{name}:latest"));
        let file = format!("{name}.tar");
        std::fs::write(scenario.path().join(&file), image.to_tar().unwrap()).unwrap();
        scenario = scenario.archive(name, &file, "");
    }
    let tar = image("sound").to_tar().unwrap();
    std::fs::write(scenario.path().join("sound.tar"), tar).unwrap();
    let scenario = scenario.archive("sound", "sound.tar", "");
    let ran = engine.evaluate(&scenario);
    let ran = ran.ends_with(3);
    for shown in [&ran.stderr, &ran.stdout] {
        assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown}");
    }
    let outcome = |name: &str| {
        let record = scenario.record(name, "micro_tiny_objects");
        record["interactions"][0]["outcome"].clone()
    };
    assert_eq!(outcome("sound"), "ok");
    for (name, _) in unstartable() {
        // Some an engine refuses to load already.
        let was_loaded = scenario
            .result(&format!("{name}/micro_tiny_objects.json"))
            .is_file();
        assert!(
            !was_loaded || outcome(name) == "exit",
            "{name}: {}",
            outcome(name)
        );
    }
    assert_eq!(engine.left("odd"), "");
}
