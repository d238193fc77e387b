//! What cannot be done is told with what to do.

use super::*;

pub(crate) fn an_archive_that_cannot_be_run_says_why(engine: Engine) {
    let name = format!("foreign_{}", engine.name);
    let scenario = engine
        .scenario("")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("foreign", "foreign.tar", "")
        .archive("empty", "empty.tar", "")
        .archive("text", "text.tar.gz", "")
        .archive("cut", "cut.tar.gz", "");
    let write = |file: &str, bytes: &[u8]| {
        std::fs::write(scenario.path().join(file), bytes).unwrap();
    };
    let whole = image(&name).for_architecture("s390x").to_tar().unwrap();
    write("foreign.tar", &whole);
    let mut empty = vec![0; 1024];
    empty[257..262].copy_from_slice(b"ustar");
    write("empty.tar", &empty);
    write("text.tar.gz", b"this is no archive");
    write_gzipped(&image(&name), &scenario.path().join("cut.tar.gz"));
    let gzipped = std::fs::read(scenario.path().join("cut.tar.gz")).unwrap();
    write("cut.tar.gz", &gzipped[..gzipped.len() / 2]);
    let ran = engine.evaluate(&scenario).ends_with(3);
    ran.says(&[
        "foreign: cannot be run",
        "its image is for s390x and this machine is amd64",
        "--platform linux/amd64",
        "empty: cannot be run",
        "is neither a tar nor a gzip nor a zstd file",
        "cut.tar.gz is damaged or cut short",
    ]);
    assert_eq!(engine.left(&name), "");
}

pub(crate) fn an_engine_that_is_not_there_is_told_with_what_to_do(engine: Engine) {
    let scenario = engine
        .scenario("socket = \"unix:///nowhere/engine.sock\"")
        .case("micro_tiny_objects")
        .archive("team", "team.tar", "");
    std::fs::write(scenario.path().join("team.tar"), []).unwrap();
    engine.evaluate(&scenario).ends_with(1).says(&[
        engine.kind,
        "running?",
        "`socket` under [backend]",
    ]);
}

/// The engine's socket is the group's; whoever is not in it learns what to do.
pub(crate) fn without_the_right_to_use_docker_the_group_is_named() {
    let _mine = DOCKER.lock();
    let scenario = Scenario::new()
        .backend("kind = \"docker\"")
        .case("micro_tiny_objects")
        .archive("team", "team.tar", "");
    std::fs::write(scenario.path().join("team.tar"), []).unwrap();
    // The user of rootless Podman is in no group of Docker's.
    let ran = PODMAN_ROOTLESS.evaluate(&scenario).ends_with(1);
    ran.says(&["Permission denied", "group `docker`", "usermod -aG docker"]);
}

/// A disk that has no room for one archive is that one's trouble, and the run goes on.
pub(crate) fn an_archive_that_finds_no_room_is_told_from_a_bad_one() {
    let _mine = PODMAN.lock();
    let ran = beside_little_room("size=24m", 40 << 20).ends_with(3);
    ran.says(&[
        "big: cannot be run",
        "big.tar finds no room",
        "and the archive alone is",
        "free the disk that holds the engine's images",
    ]);
}

/// A disk that is full for any image is the machine's trouble, and the run can go on later.
pub(crate) fn a_full_disk_is_told_from_a_bad_archive() {
    let _mine = PODMAN.lock();
    let ran = beside_little_room("size=2m", 1 << 20).ends_with(1);
    ran.says(&["free the disk that holds the engine's images"]);
}

/// Runs an archive of this size with Podman's images on a disk of their own.
fn beside_little_room(size: &str, archive: usize) -> ProgramOutput {
    let disk = tempfile::tempdir().unwrap();
    let mount = Command::new("mount")
        .args(["-t", "tmpfs", "-o", size, "tmpfs"])
        .arg(disk.path())
        .status();
    assert!(mount.unwrap().success());
    let settings = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "[storage]\ndriver = \"vfs\"\ngraphroot = \"{0}/graph\"\nrunroot = \"{0}/run\"\n",
        disk.path().display()
    );
    std::fs::write(settings.path(), text).unwrap();
    let scenario = PODMAN
        .scenario("")
        .case("micro_tiny_objects")
        .archive("big", "big.tar", "");
    let big = shell_image("big:latest").file("/big", 0o644, &vec![7; archive]);
    std::fs::write(scenario.path().join("big.tar"), big.to_tar().unwrap()).unwrap();
    let ran = PODMAN
        .evaluation(&scenario)
        .env("CONTAINERS_STORAGE_CONF", settings.path())
        .output();
    let _ = Command::new("umount").arg("-l").arg(disk.path()).status();
    ProgramOutput::of(ran.unwrap())
}
