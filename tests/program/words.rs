//! What a user is told who has almost done it right.

use std::fs;

use crate::scenario::{Scenario, segarena, stand_in};

#[test]
fn what_is_in_outputs_is_listed_where_no_prediction_is() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", "touch $OUTPUTS/phantom_perfect.npy $OUTPUTS/pred.npz");
    let words = "outputs/ has phantom_perfect.npy, pred.npz, and no phantom_perfect.npz";
    scenario.evaluate().ends_with(3).prints(&[words]);
    let remarks = &scenario.record("s", "phantom_perfect")["interactions"][0]["remarks"];
    assert_eq!(remarks[0], words);
    let silent = Scenario::new()
        .case("phantom_perfect")
        .submission("s", &["true"]);
    silent
        .evaluate()
        .ends_with(3)
        .prints(&["outputs/ is empty"]);
}

#[test]
fn a_file_that_is_not_executable_is_called_that() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .submission("s", &["./predict.sh"]);
    fs::write(scenario.path().join("predict.sh"), "true\n").unwrap();
    scenario
        .evaluate()
        .ends_with(3)
        .says(&["predict.sh is not executable", "chmod +x"]);
}

#[test]
fn nifti_files_in_the_images_folder_are_told_with_how_they_come_in() {
    let scenario = Scenario::new().stand_in("s");
    for name in ["imgs/a.nii.gz", "imgs/b.nii"] {
        fs::write(scenario.path().join(name), "").unwrap();
    }
    scenario
        .evaluate()
        .ends_with(1)
        .says(&["it has 2 NIfTI files", "segarena import"]);
}

#[test]
fn ground_truths_that_are_missing_are_counted_with_the_nearest_name() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .stand_in("s");
    let gts = scenario.path().join("gts");
    let rename = |case: &str| {
        let to = gts.join(format!("{case}_gt.npz"));
        fs::rename(gts.join(format!("{case}.npz")), to).unwrap();
    };
    rename("micro_tiny_objects");
    scenario.evaluate().ends_with(1).says(&[
        "case micro_tiny_objects.npz: there is no ground truth",
        "it has micro_tiny_objects_gt.npz",
    ]);
    rename("phantom_perfect");
    scenario.evaluate().ends_with(1).says(&[
        "none of the 2 cases has a ground truth",
        "is it the right folder?",
    ]);
}

#[test]
fn a_plain_process_is_told_its_folders_without_any_configuration() {
    let scenario = Scenario::new().case("phantom_perfect");
    let submission = scenario.path().join("models/TeamA");
    fs::create_dir_all(&submission).unwrap();
    let script = format!("exec '{}'\n", stand_in().display());
    fs::write(submission.join("predict.sh"), script).unwrap();
    let line = "evaluate -b process -d models -i imgs -g gts -o out";
    let words: Vec<&str> = line.split(' ').collect();
    segarena(scenario.path(), &words)
        .ends_with(0)
        .says(&["TeamA is submission `teama`"]);
}

#[test]
fn a_case_whose_name_leaves_no_room_is_refused_before_anything_is_made() {
    let long = "x".repeat(251);
    let scenario = Scenario::new()
        .case_as("phantom_perfect", &long)
        .stand_in("s");
    scenario
        .evaluate()
        .ends_with(1)
        .says(&["its name is 255 bytes long", "rename it"]);
    assert!(!scenario.path().join("out").exists());
}

#[test]
fn escapes_and_turned_writing_in_names_never_reach_the_terminal_or_the_page_raw() {
    let name = "evil\u{202e}\u{1b}[31mcase";
    let scenario = Scenario::new().case_as("phantom_perfect", name).script(
        "s",
        "printf '\\033[31mred \\342\\200\\256turned\\n' >&2; exit 1",
    );
    let scenario = scenario.arguments(&["--verbose"]);
    let ran = scenario.evaluate().ends_with(3);
    let page = fs::read_to_string(scenario.result("report.html")).unwrap();
    let missing = format!("{name}2");
    let line = ["evaluate", "-c", "config.toml", "--case", &missing];
    let refused = segarena(scenario.path(), &line).ends_with(1);
    for text in [&ran.stdout, &ran.stderr, &refused.stderr, &page] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text:?}");
    }
}
