//! `segarena validate`: a submission tried before it is sent in.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::scenario::{PROGRAM, ProgramOutput, check, segarena, stand_in};

/// Validates a shell script on the process backend; `stand_in` in it runs the stand-in.
fn script(script: &str, options: &[&str]) -> ProgramOutput {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("stand_in() {{ '{}'; }}\n{script}", stand_in().display());
    let mut arguments = vec!["validate"];
    arguments.extend(options);
    arguments.extend(["--", "sh", "-c", &script]);
    segarena(folder.path(), &arguments)
}

#[test]
fn a_sound_submission_passes_every_check() {
    let ran = script("stand_in", &["--json"]).ends_with(0);
    let checks = ran.checks();
    for name in [
        "command",
        "box",
        "click 1",
        "click 2",
        "no box, click 1",
        "segs",
        "time",
    ] {
        assert_eq!(check(&checks, name)["verdict"], "ok", "{name}");
    }
    assert_eq!(check(&checks, "segs")["seen"], "uint8");
}

#[test]
fn a_crash_shows_the_submissions_own_words_and_what_it_was_given() {
    let traceback = "echo 'KeyError: boxes' >&2; exit 1";
    let ran = script(
        &format!("case $INPUTS in *vessels*) {traceback};; *) stand_in;; esac"),
        &[],
    );
    let ran = ran.ends_with(3);
    for said in [
        "FAILED",
        "no box, click 1",
        "exit status 1",
        "| KeyError: boxes",
        "no `boxes`",
    ] {
        assert!(ran.stdout.contains(said), "no `{said}` in:\n{}", ran.stdout);
    }
}

#[test]
fn a_submission_that_writes_nothing_hears_where_to_write() {
    let ran = script("true", &["--json"]).ends_with(3);
    let checks = ran.checks();
    let first = check(&checks, "box");
    assert_eq!(first["verdict"], "failed");
    assert!(
        first["advice"]
            .as_str()
            .unwrap()
            .contains("outputs/organs.npz"),
        "{first}"
    );
}

#[test]
fn a_wrong_shape_is_named() {
    let other = crate::scenario::fixtures().join("parity/gts/micro_tiny_objects.npz");
    let ran = script(
        &format!(
            "for i in $INPUTS/*.npz; do cp '{}' $OUTPUTS/; mv $OUTPUTS/*.npz $OUTPUTS/${{i##*/}}; done",
            other.display()
        ),
        &["--json"],
    );
    let ran = ran.ends_with(3);
    let checks = ran.checks();
    let first = check(&checks, "box");
    assert!(
        first["seen"]
            .as_str()
            .unwrap()
            .contains("unusable prediction"),
        "{first}"
    );
    assert!(
        first["advice"].as_str().unwrap().contains("uint8"),
        "{first}"
    );
}

#[test]
fn a_submission_that_hangs_is_killed_and_not_tried_again() {
    let began = Instant::now();
    let ran = script("sleep 300", &["--json", "--timeout", "0.5"]).ends_with(3);
    assert!(began.elapsed() < Duration::from_secs(60));
    let checks = ran.checks();
    assert_eq!(check(&checks, "box")["verdict"], "failed");
    assert!(
        check(&checks, "click 1")["seen"]
            .as_str()
            .unwrap()
            .starts_with("not tried")
    );
}

#[test]
fn a_folder_with_a_predict_sh_runs_as_it_is_and_everything_can_be_kept() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("Model");
    std::fs::create_dir(&model).unwrap();
    std::fs::write(
        model.join("predict.sh"),
        format!("'{}'\n", stand_in().display()),
    )
    .unwrap();
    segarena(folder.path(), &["validate", "Model", "--output", "kept"]).ends_with(0);
    for file in ["imgs/organs.npz", "results/Model/logs/organs.1.log"] {
        assert!(folder.path().join("kept").join(file).is_file(), "{file}");
    }
    segarena(folder.path(), &["validate", "Model", "--output", "kept"])
        .ends_with(1)
        .says(&["not empty"]);
}

#[test]
fn what_cannot_be_tried_ends_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let here = folder.path();
    segarena(here, &["validate"])
        .ends_with(2)
        .says(&["nothing to validate"]);
    segarena(here, &["validate", "none.tar"])
        .ends_with(1)
        .says(&["no file none.tar"]);
    segarena(here, &["validate", "."])
        .ends_with(1)
        .says(&["without a predict.sh"]);
    segarena(here, &["validate", "--timeout", "0", "--", "true"])
        .ends_with(1)
        .says(&["positive"]);
    segarena(here, &["validate", "-b", "lxc", "--", "true"])
        .ends_with(1)
        .says(&["no backend `lxc`"]);
    let ran = segarena(here, &["validate", "--", "no-such-program"]).ends_with(3);
    assert!(
        ran.stdout.contains("no program `no-such-program`"),
        "{}",
        ran.stdout
    );
}

#[test]
fn without_an_engine_an_archive_cannot_be_tried() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("team.tar"), "").unwrap();
    let output = Command::new(PROGRAM)
        .args(["validate", "team.tar"])
        .current_dir(folder.path())
        .env("DOCKER_HOST", "unix:///nowhere")
        .env("CONTAINER_HOST", "unix:///nowhere")
        .output();
    ProgramOutput::of(output.unwrap()).ends_with(1).says(&[
        "no engine answers",
        "docker:",
        "podman:",
    ]);
}

#[test]
fn a_case_that_is_perfect_from_the_start_has_clicks_for_no_label() {
    let ran = script("stand_in", &["--json"]).ends_with(0);
    assert_eq!(check(&ran.checks(), "perfect, click 1")["verdict"], "ok");

    // One that crashes on it, as many do.
    let crash = "test -e \"$OUTPUTS/perfect.npz\" && { echo IndexError >&2; exit 7; }; stand_in";
    let ran = script(crash, &["--json"]);
    let checks = ran.ends_with(3).checks();
    let found = check(&checks, "perfect, click 1");
    assert_eq!(found["verdict"], "failed", "{found}");
    assert!(
        found["advice"]
            .as_str()
            .unwrap()
            .contains("no label has a click"),
        "{found}"
    );
}

#[test]
fn a_submission_to_the_text_track_is_tried_on_labels_and_on_instances() {
    let options = ["--json", "--track", "cvpr25-text"];
    let checks = script("stand_in", &options).ends_with(0).checks();
    for (name, score) in [("text, semantic", "DSC "), ("text, instances", "F1 ")] {
        let found = check(&checks, name);
        assert_eq!(found["verdict"], "ok", "{found}");
        assert!(found["seen"].as_str().unwrap().contains(score), "{found}");
    }
    let checks = script("exit 5", &options).ends_with(3).checks();
    let found = check(&checks, "text, instances");
    assert!(
        found["advice"].as_str().unwrap().contains("instance_label"),
        "{found}"
    );
}

/// A submission that can be kept warm: it does this after each answer of the stand-in, with `memory`
/// a folder that lasts as long as it does.
fn warm(then: &str) -> String {
    format!(
        "test \"$SEGARENA_SERVE\" = 1 || {{ stand_in; exit; }}
memory=$(mktemp -d); trap 'rm -rf \"$memory\"' EXIT
echo '{{\"segarena\": \"ready\"}}'
while read -r line; do
  rest=${{line#*'\"outputs\":\"'}}; OUTPUTS=${{rest%%'\"'*}}
  rest=${{line#*'\"inputs\":\"'}}; INPUTS=${{rest%%'\"'*}}
  rest=${{line#*'\"case\":\"'}}; CASE=${{rest%%'\"'*}}
  (SEGARENA_SERVE=0; stand_in)
  {then}
  echo '{{\"segarena\": \"done\"}}'
done"
    )
}

#[test]
fn a_submission_that_forgets_predicts_the_same_when_it_is_kept_warm() {
    for (lifetime, starts) in [("case", "3"), ("run", "1")] {
        let options = ["--json", "--lifetime", lifetime];
        let checks = script(&warm(""), &options).ends_with(0).checks();
        let found = check(&checks, &format!("warm, {lifetime}"));
        assert_eq!(found["verdict"], "ok", "{found}");
        let seen = found["seen"].as_str().unwrap();
        assert!(seen.contains("predicts the same"), "{found}");
        assert!(seen.ends_with(&format!("there were {starts}")), "{found}");
    }
    // Of its own accord it is not kept warm.
    let checks = script(&warm("exit 4"), &["--json"]).ends_with(0).checks();
    let names = checks.iter().map(|check| check["name"].to_string());
    assert!(names.into_iter().all(|name| !name.contains("warm")));
}

#[test]
fn a_submission_that_remembers_is_told_the_first_voxel_that_differs() {
    // It gives its first answer about a case again and again.
    let remembers = "if test -e \"$memory/$CASE\"; then cp \"$memory/$CASE\" \"$OUTPUTS\"; \
                     else cp \"$OUTPUTS/$CASE\" \"$memory\"; fi";
    for lifetime in ["case", "run"] {
        let options = ["--json", "--lifetime", lifetime];
        let checks = script(&warm(remembers), &options).ends_with(3).checks();
        let found = check(&checks, &format!("warm, {lifetime}"));
        assert_eq!(found["verdict"], "failed", "{found}");
        let seen = found["seen"].as_str().unwrap();
        let named = seen.starts_with("vessels.npz, interaction 3: voxel (z, y, x) = (");
        assert!(named && seen.ends_with("kept warm"), "{found}");
    }
}

#[test]
fn a_submission_whose_cold_predictions_differ_is_told_that_nothing_can_be_said() {
    let folder = tempfile::tempdir().unwrap();
    // After the eight cold interactions it gives its first answer about a case again and again.
    let spoils = format!(
        "echo >> '{0}/asked'; f=$(ls \"$OUTPUTS\"); if test $(wc -l < '{0}/asked') -gt 8; then \
         cp \"{0}/$f\" \"$OUTPUTS\"; else test -e \"{0}/$f\" || cp \"$OUTPUTS/$f\" '{0}'; fi",
        folder.path().display()
    );
    let submission = warm(&spoils).replace(
        "{ stand_in; exit; }",
        &format!("{{ stand_in; {spoils}; exit; }}"),
    );
    let options = ["--json", "--lifetime", "case"];
    let checks = script(&submission, &options).checks();
    let found = check(&checks, "warm, case");
    assert_eq!(found["verdict"], "warning", "{found}");
    assert!(
        found["seen"].as_str().unwrap().contains("from itself"),
        "{found}"
    );
}

#[test]
fn a_submission_that_cannot_be_kept_warm_is_told_how_that_is_done() {
    let options = ["--json", "--lifetime", "case"];
    let cold_only = "SEGARENA_SERVE=0; stand_in";
    let checks = script(cold_only, &options).ends_with(3).checks();
    assert_eq!(check(&checks, "click 1")["verdict"], "ok");
    let found = check(&checks, "warm, case");
    let seen = found["seen"].as_str().unwrap();
    assert!(
        seen.contains("organs.npz, box: it ended before it was ready"),
        "{found}"
    );
    assert!(
        found["advice"].as_str().unwrap().contains("segarena new"),
        "{found}"
    );
}
