//! An archive brings its images and nothing else: no name moves, and no disk is filled.

use std::path::Path;

use segarena_container::image_archive::ImageArchive;

use super::*;

fn write(scenario: &Scenario, file: &str, image: &ImageArchive) {
    std::fs::write(scenario.path().join(file), image.to_tar().unwrap()).unwrap();
}

/// The id of the image of this name, empty where there is none.
fn id_of(engine: Engine, name: &str) -> String {
    engine.ask(&["image", "inspect", "--format", "{{.Id}}", name])
}

/// Loads an image as its user would.
fn given(engine: Engine, folder: &Path, image: &ImageArchive) {
    let file = folder.join("given.tar");
    std::fs::write(&file, image.to_tar().unwrap()).unwrap();
    engine.ask(&["load", "-i", file.to_str().unwrap()]);
}

/// An archive that carries another image's name, beside names that no engine takes.
pub(crate) fn a_name_that_stood_before_an_archive_came_stands_after_it(engine: Engine) {
    let name = format!("stood_{}", engine.name);
    let scenario = small(engine, "").archive("team", "team.tar", "");
    engine.own(&scenario);
    let without_names = engine.left("<none>");
    let precious = shell_image(&format!("{name}:latest")).file("/precious", 0o644, b"precious");
    given(engine, scenario.path(), &precious);
    let before = id_of(engine, &name);
    assert!(!before.is_empty());
    let stranger = image(&name)
        .also_named(&format!("{name}-without-a-tag"))
        .also_named("segarena-loaded/0:0.0.0")
        .also_named("A name/that is:none!");
    write(&scenario, "team.tar", &stranger);
    engine.evaluate(&scenario).ends_with(0);
    assert_eq!(id_of(engine, &name), before);
    engine.ask(&["rmi", &name]);
    assert_eq!(engine.left(&name), "");
    assert_eq!(engine.left("segarena-"), "");
    assert_eq!(engine.left("<none>"), without_names);
}

/// The user builds the image of the archive's name again while the archive's is run.
pub(crate) fn an_image_that_the_user_builds_meanwhile_stays(engine: Engine) {
    let name = format!("rebuilt_{}", engine.name);
    let scenario = small(engine, "").archive("team", "team.tar", &command("sleep 3; stand_in"));
    write(&scenario, "team.tar", &image(&name));
    let mut running = engine.spawn(&scenario);
    engine.waits_for_a_container();
    let rebuilt = shell_image(&format!("{name}:latest")).file("/rebuilt", 0o644, b"by the user");
    given(engine, scenario.path(), &rebuilt);
    let built = id_of(engine, &name);
    ends_with(&mut running, 0, &scenario);
    assert!(!built.is_empty());
    assert_eq!(id_of(engine, &name), built);
    engine.ask(&["rmi", &name]);
    assert_eq!(engine.left(&name), "");
}

/// A small file that would fill a disk, and one that takes too long, are their submissions'
/// failures: the next one is run.
pub(crate) fn an_archive_that_holds_too_much_is_its_submissions_failure(engine: Engine) {
    let name = format!("bomb_{}", engine.name);
    let scenario = small(engine, "archive_size = \"128MiB\"")
        .archive("bomb", "bomb.tar.gz", "")
        .archive("sound", "sound.tar", "");
    write(&scenario, "sound.tar", &image(&name));
    let zeros = shell_image(&name).file("/zeros", 0o644, &vec![0; 192 << 20]);
    write_gzipped(&zeros, &scenario.path().join("bomb.tar.gz"));
    let without_names = engine.left("<none>");
    engine.evaluate(&scenario).ends_with(3).says(&[
        "bomb: cannot be run",
        "bomb.tar.gz holds more than 128.0 MiB unpacked",
        "raise `archive_size` under [backend]",
    ]);
    let record = scenario.record("sound", "micro_tiny_objects");
    assert_eq!(record["interactions"][1]["outcome"], "ok");
    assert_eq!(engine.left(&name), "");
    assert_eq!(engine.left("<none>"), without_names);
}

pub(crate) fn an_archive_that_takes_too_long_is_its_submissions_failure(engine: Engine) {
    let name = format!("slow_{}", engine.name);
    let scenario = small(engine, "load_timeout_seconds = 0").archive("slow", "slow.tar", "");
    write(&scenario, "slow.tar", &image(&name));
    engine.evaluate(&scenario).ends_with(3).says(&[
        "slow: cannot be run",
        "slow.tar was not loaded within 0 s",
        "raise `load_timeout_seconds` under [backend]",
    ]);
    assert_eq!(engine.left(&name), "");
    assert_eq!(engine.left("segarena-"), "");
}
