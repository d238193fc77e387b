//! `segarena validate` of an archive.

use std::path::Path;

use super::*;
use crate::scenario::{check, segarena};

fn on_docker(folder: &Path, arguments: &[&str]) -> ProgramOutput {
    let line = [&["validate", "--backend", "docker", "--json"], arguments].concat();
    segarena(folder, &line)
}

pub(crate) fn an_archive_is_loaded_described_run_and_removed() {
    let _mine = DOCKER.lock();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("validated_v2.tar.gz");
    let script = b"INPUTS=inputs OUTPUTS=outputs /usr/local/bin/stand_in\n";
    let image = image("validated_other").file("/workspace/predict.sh", 0o755, script);
    write_gzipped(&image, &path);
    let ran = on_docker(folder.path(), &["validated_v2.tar.gz"]).ends_with(0);
    let found = ran.checks();
    let archive = check(&found, "archive")["seen"].as_str().unwrap();
    assert!(archive.contains("validated_other:latest"), "{archive}");
    let name = check(&found, "name");
    assert_eq!(name["verdict"], "warning");
    assert!(
        name["seen"]
            .as_str()
            .unwrap()
            .contains("runs validated:latest"),
        "{name}"
    );
    for (name, seen) in [("user", "root"), ("working folder", "/workspace")] {
        assert_eq!(check(&found, name)["seen"], seen);
    }
    assert_eq!(check(&found, "predict.sh")["verdict"], "ok");
    assert_eq!(check(&found, "no box, click 2")["verdict"], "ok");

    let path = folder.path().join("validated_scriptless.tar.gz");
    write_gzipped(&shell_image("validated_scriptless:latest"), &path);
    let ran = on_docker(folder.path(), &["validated_scriptless.tar.gz"]).ends_with(3);
    assert_eq!(check(&ran.checks(), "predict.sh")["verdict"], "failed");

    std::fs::write(folder.path().join("broken.tar"), "no archive").unwrap();
    let ran = on_docker(folder.path(), &["broken.tar"]).ends_with(3);
    assert_eq!(check(&ran.checks(), "archive")["verdict"], "failed");
    let images = DOCKER.ask(&["images", "--format", "{{.Repository}}"]);
    assert!(!images.contains("validated"), "{images}");
}
