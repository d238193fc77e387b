//! What `segarena new` writes, as an image on Docker.

use super::*;
use crate::scenario::segarena;

/// The base that `tests/engines/setup.sh` makes: Debian with Python and numpy.
const BASE: &str = "test-python-base:latest";

pub(crate) fn a_new_submission_builds_and_runs_as_an_image() {
    let _mine = DOCKER.lock();
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("new-model");
    segarena(folder.path(), &["new", "new-model"]).ends_with(0);
    let tag = "new-model:latest";
    // The builder that every Docker has; the base has all, so that no network is needed.
    let built = Command::new("docker")
        .args(["build", "--quiet", "--network", "none", "--tag", tag])
        .args(["--build-arg", &format!("BASE={BASE}"), "."])
        .env("DOCKER_BUILDKIT", "0")
        .current_dir(&model)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let saved = Command::new("docker")
        .args(["save", "--output", "new-model.tar", tag])
        .current_dir(&model)
        .status();
    assert!(saved.unwrap().success());
    DOCKER.ask(&["rmi", tag]);
    // As the README of the folder says.
    let validated = segarena(
        folder.path(),
        &["validate", "--backend", "docker", "new-model/new-model.tar"],
    );
    validated.ends_with(0);
    let set = Scenario::new()
        .case("micro_tiny_objects")
        .case("angio_no_box");
    let [images, truths] = ["imgs", "gts"].map(|name| set.path().join(name));
    let [images, truths] = [&images, &truths].map(|path| path.to_str().unwrap());
    let line = [
        "evaluate",
        "-c",
        "segarena.toml",
        "-b",
        "docker",
        "-d",
        ".",
        "--clicks",
        "1",
        "-i",
        images,
        "-g",
        truths,
    ];
    segarena(&model, &line).ends_with(0);
}
