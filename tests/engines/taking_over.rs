//! What a container's root wrote is given to whoever runs segarena, by nothing of the image's.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::*;

pub(crate) fn files_are_taken_over_by_nothing_of_the_image_and_without_special_bits(
    engine: Engine,
) {
    let script = "cp /bin/cat outputs/setuid; chmod 6755 outputs/setuid; mkdir outputs/locked; \
                  touch outputs/locked/in; chmod 1000 outputs/locked; cp /bin/cat outputs/capable && \
                  setcap cap_net_raw+ep outputs/capable && /usr/local/bin/stand_in";
    let argv = Value::from(vec!["/bin/bash", "-c", script]);
    let scenario = small(engine, "").output("keep_work = true").archive(
        "team",
        "team.tar",
        &format!("command = {argv}"),
    );
    // Whoever starts the image's shell leaves a trace.
    let shell = b"#!/bin/bash\necho $EUID > /workspace/outputs/the-images-shell-ran\n";
    let image = image("taken")
        .file("/bin/sh", 0o755, shell)
        .program("/bin/setcap", "/sbin/setcap".as_ref());
    let tar = image.to_tar().unwrap();
    std::fs::write(scenario.path().join("team.tar"), tar).unwrap();
    engine.evaluate(&scenario).ends_with(0);
    let team = scenario.result(".segarena/work/team");
    let outputs = team.join("micro_tiny_objects/outputs");
    let left = |name: &str| outputs.join(name).symlink_metadata();
    assert!(left("the-images-shell-ran").is_err());
    let setuid = left("setuid").unwrap();
    let user = scenario.path().metadata().unwrap().uid();
    assert_eq!(setuid.uid(), user);
    assert_eq!(left("locked/in").unwrap().uid(), user);
    assert_eq!(setuid.permissions().mode() & 0o7000, 0);
    let capability = rustix::fs::lgetxattr(
        outputs.join("capable"),
        "security.capability",
        &mut [0_u8; 64],
    );
    assert_eq!(capability, Err(rustix::io::Errno::NODATA));
    let record = scenario.record("team", "micro_tiny_objects");
    let phases = record["interactions"][0]["phases"].as_array().unwrap();
    // It is told, and none of the submission's time.
    let seconds = |name: &str| {
        let named = phases.iter().find(|phase| phase["name"] == name);
        named.unwrap()["seconds"].as_f64().unwrap()
    };
    let own = ["create", "start", "run"].map(seconds).iter().sum::<f64>();
    assert!(seconds("take over") > 0.0, "{record}");
    let counted = record["interactions"][0]["seconds"].as_f64().unwrap();
    assert!((counted - own).abs() < 1e-6, "{record}");
    // Nobody else gets there, whatever is left.
    let around = team.metadata().unwrap().permissions().mode();
    assert_eq!(around & 0o777, 0o700);
    assert_eq!(engine.left("taken"), "");
}
