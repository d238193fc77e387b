//! Whatever a submission does to its folders costs itself its score, and nobody else anything.

use super::Subject;
use super::forgery::{array, array_of, bomb, npz};
use super::stage::{Stage, octal, predict, prediction, prediction_of_another_shape, record, truth};
use segarena_core::npz::NpzMembers;
use segarena_core::record::{InteractionRecord, Outcome};

named![
    no_model_input_holds_the_ground_truth,
    a_link_is_not_followed,
    a_link_to_a_device_is_not_read,
    a_fifo_does_not_hang_the_evaluator,
    a_folder_in_the_predictions_place_is_refused,
    a_prediction_cut_short_is_refused,
    a_prediction_of_another_shape_is_refused,
    a_text_in_the_predictions_place_is_refused,
    arrays_of_other_axes_are_refused,
    values_that_are_no_labels_are_refused,
    values_beyond_a_byte_are_cast_and_remarked,
    arrays_that_are_no_numbers_are_refused_and_never_executed,
    archives_that_lie_are_refused,
    a_bomb_is_refused_before_it_is_inflated,
    a_huge_prediction_is_refused_before_it_is_read,
    folders_made_unreadable_are_opened_again,
    emptied_folders_are_filled_again,
    replaced_inputs_are_written_all_the_same,
    thousands_of_files_are_removed_with_their_folder,
    folders_nested_deep_are_removed_with_their_folder,
    a_prediction_that_changes_while_it_is_read_never_breaks_the_run,
];

/// Runs an evil submission and, after it, a sound one, which must be none the worse; gives the
/// evil one's interactions.
#[track_caller]
fn misbehaves(subject: &dyn Subject, script: &str) -> Vec<InteractionRecord> {
    let mut stage = Stage::new(subject);
    stage.protocol.clicks = 2;
    let summary = stage.evaluate(&[("evil", script.to_owned()), ("sound", predict())]);
    let sound = record(&summary, "sound", "only");
    assert!(!sound.has_failure(), "{sound:?}");
    assert_eq!(sound.interactions[2].dsc, 1.0);
    record(&summary, "evil", "only").interactions[1..].to_vec()
}

#[track_caller]
fn is_refused(subject: &dyn Subject, script: &str, because: &str) {
    let seen = &misbehaves(subject, script)[0];
    let Outcome::BadOutput { reason, .. } = &seen.outcome else {
        panic!("{seen:?}");
    };
    assert!(reason.contains(because), "no `{because}` in: {reason}");
    assert_eq!((seen.dsc, seen.nsd), (0.0, 0.0));
}

/// The image file holds it. What a submission prints is its whole input, byte for byte.
fn no_model_input_holds_the_ground_truth(subject: &dyn Subject) {
    let mut stage = Stage::new(subject);
    stage.protocol.clicks = 2;
    let script = format!("cat \"$INPUTS/$CASE\"; {}", predict());
    stage.evaluate(&[("team", script)]);
    for index in 2..=3 {
        let printed = stage.output().join(format!("team/logs/only.{index}.log"));
        let bytes = std::fs::read(&printed).unwrap();
        assert!(!bytes.windows(3).any(|word| word == b"gts"));
        let input = NpzMembers::open(&printed).unwrap();
        assert_ne!(input.byte_volume("imgs").unwrap(), truth());
        // The first prediction was perfect, and is the submission's own.
        let previous = input.byte_volume("prev_pred").unwrap();
        assert_eq!(previous == truth(), index == 3);
    }
}

fn a_link_is_not_followed(subject: &dyn Subject) {
    let script = format!(
        "{}; cd \"$OUTPUTS\"; rm -rf real; mkdir real; cat $CASE > real/$CASE; rm $CASE; \
         ln -s real/$CASE $CASE",
        predict()
    );
    is_refused(subject, &script, "link");
}

fn a_link_to_a_device_is_not_read(subject: &dyn Subject) {
    is_refused(subject, "ln -sf /dev/zero \"$OUTPUTS/$CASE\"", "link");
}

fn a_fifo_does_not_hang_the_evaluator(subject: &dyn Subject) {
    let script = "rm -f \"$OUTPUTS/$CASE\"; mkfifo \"$OUTPUTS/$CASE\"";
    is_refused(subject, script, "FIFO");
}

fn a_folder_in_the_predictions_place_is_refused(subject: &dyn Subject) {
    is_refused(subject, "mkdir -p \"$OUTPUTS/$CASE/x\"", "folder");
}

fn a_prediction_cut_short_is_refused(subject: &dyn Subject) {
    let bytes = prediction();
    let half = octal(&bytes[..bytes.len() / 2]);
    is_refused(
        subject,
        &format!("printf '{half}' > \"$OUTPUTS/$CASE\""),
        "",
    );
}

fn a_prediction_of_another_shape_is_refused(subject: &dyn Subject) {
    let bytes = octal(&prediction_of_another_shape());
    is_refused(
        subject,
        &format!("printf '{bytes}' > \"$OUTPUTS/$CASE\""),
        "shape",
    );
}

fn a_text_in_the_predictions_place_is_refused(subject: &dyn Subject) {
    is_refused(subject, "echo sorry > \"$OUTPUTS/$CASE\"", "");
}

/// Leaves one of these files at each interaction; each must be refused for its reason.
#[track_caller]
fn each_is_refused(subject: &dyn Subject, files: &[(Vec<u8>, &str)]) {
    for (seen, (_, because)) in leave_each(subject, files).iter().zip(files) {
        let Outcome::BadOutput { reason, .. } = &seen.outcome else {
            panic!("{because}: {seen:?}");
        };
        assert!(reason.contains(because), "no `{because}` in: {reason}");
        assert_eq!((seen.dsc, seen.nsd), (0.0, 0.0));
    }
}

#[track_caller]
fn leave_each(subject: &dyn Subject, files: &[(Vec<u8>, &str)]) -> Vec<InteractionRecord> {
    let mut stage = Stage::new(subject);
    stage.protocol.clicks = files.len();
    let mut script = String::from(
        "cd \"$OUTPUTS\"; n=0; while test -e turn$n; do n=$((n+1)); done; touch turn$n; case $n in\n",
    );
    for (turn, (bytes, _)) in files.iter().enumerate() {
        script.push_str(&format!(
            "{turn}) printf '{}' > \"$CASE\";;\n",
            octal(bytes)
        ));
    }
    script.push_str("esac");
    let summary = stage.evaluate(&[("evil", script)]);
    record(&summary, "evil", "only").interactions[1..].to_vec()
}

fn arrays_of_other_axes_are_refused(subject: &dyn Subject) {
    let of_shape = |shape| npz(&[("segs.npy", array_of("'|u1'", shape, &[0; 120]))]);
    let wanted = "must be the ground truth's, (4, 5, 6)";
    each_is_refused(
        subject,
        &[
            (of_shape("(120,)"), wanted),
            (of_shape("(1, 4, 5, 6)"), wanted),
            (of_shape("(18446744073709551615, 2, 3)"), "shape"),
        ],
    );
}

fn values_that_are_no_labels_are_refused(subject: &dyn Subject) {
    let with = |value: f32| {
        let mut voxels = [1.0; 120];
        voxels[7] = value;
        let bytes: Vec<u8> = voxels.iter().flat_map(|v| v.to_le_bytes()).collect();
        npz(&[("segs.npy", array("<f4", &bytes))])
    };
    each_is_refused(
        subject,
        &[
            (with(f32::NAN), "NaN at [0, 1, 1]"),
            (with(f32::NEG_INFINITY), "-inf at [0, 1, 1]"),
            (with(-3e30), "finite numbers"),
        ],
    );
}

fn values_beyond_a_byte_are_cast_and_remarked(subject: &dyn Subject) {
    let all = |value: i64| npz(&[("segs.npy", array("<i8", &value.to_le_bytes().repeat(120)))]);
    let seen = leave_each(subject, &[(all(-1), ""), (all(i64::MIN + 1), "")]);
    for seen in seen {
        assert_eq!(seen.outcome, Outcome::Ok { exit_code: 0 }, "{seen:?}");
        assert!(seen.remarks[0].contains("outside 0…255"), "{seen:?}");
        assert_eq!(seen.dsc, 0.0);
    }
}

fn arrays_that_are_no_numbers_are_refused_and_never_executed(subject: &dyn Subject) {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("executed");
    let command = format!("touch {}", trace.display());
    let mut pickle = b"\x80\x03cos\nsystem\nX".to_vec();
    pickle.extend((command.len() as u32).to_le_bytes());
    pickle.extend(command.as_bytes());
    pickle.extend(b"\x85R.");
    let structured = "[('a', '<i4'), ('b', '<f4')]";
    each_is_refused(
        subject,
        &[
            (
                npz(&[("segs.npy", array("|O", &pickle))]),
                "pickled Python objects",
            ),
            (
                npz(&[("segs.npy", pickle)]),
                "does not begin as a .npy array",
            ),
            (npz(&[("segs.npy", array("<U1", &[0; 480]))]), "strings"),
            (
                npz(&[("segs.npy", array_of(structured, "(4, 5, 6)", &[0; 960]))]),
                "structured type",
            ),
        ],
    );
    assert!(!trace.exists());
}

fn archives_that_lie_are_refused(subject: &dyn Subject) {
    let good = || array("|u1", &[0; 120]);
    let absurd = b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'".to_vec();
    each_is_refused(
        subject,
        &[
            (Vec::new(), "the file is empty"),
            (npz(&[("seg.npy", good())]), "`segs` is missing"),
            (
                npz(&[("segs.npy", good()), ("segs.npy", good())]),
                "several members are named `segs`",
            ),
            (npz(&[("segs.npy", absurd)]), "claims 4294967295 bytes"),
        ],
    );
}

fn a_bomb_is_refused_before_it_is_inflated(subject: &dyn Subject) {
    let [first, piece, last] = bomb().map(|part| octal(&part));
    let script = format!(
        "cd \"$OUTPUTS\"; printf '{piece}' > a; i=0; \
         while test $i -lt 12; do cat a a > b; cat b > a; i=$((i+1)); done; \
         printf '{first}' > \"$CASE\"; cat a >> \"$CASE\"; printf '{last}' >> \"$CASE\"; rm a b"
    );
    let mut stage = Stage::new(subject);
    stage.protocol.clicks = 1;
    let seen = stage.interaction(&script);
    let Outcome::BadOutput { reason, .. } = &seen.outcome else {
        panic!("{seen:?}");
    };
    assert!(reason.contains("cannot inflate"), "{reason}");
}

fn a_huge_prediction_is_refused_before_it_is_read(subject: &dyn Subject) {
    // 10 GB of nothing, which takes no room on the disk.
    let script = "dd if=/dev/zero of=\"$OUTPUTS/$CASE\" bs=1 count=1 seek=10G 2>/dev/null";
    is_refused(subject, script, "");
}

fn folders_made_unreadable_are_opened_again(subject: &dyn Subject) {
    let script = format!("{}; chmod 000 \"$INPUTS\" \"$OUTPUTS\"; exit 9", predict());
    let seen = misbehaves(subject, &script);
    assert_eq!(seen[0].outcome.name(), "exit");
    // What it wrote before it failed counts.
    assert_eq!(seen[0].dsc, 1.0);
}

fn emptied_folders_are_filled_again(subject: &dyn Subject) {
    // A process can take the folders away, a container only what is in them.
    let script = "test -s \"$INPUTS/$CASE\" || exit 5; rm -rf \"$INPUTS\" \"$OUTPUTS\" \
                  \"$INPUTS\"/* \"$OUTPUTS\"/*; true";
    for seen in misbehaves(subject, script) {
        assert_eq!(seen.outcome, Outcome::NoOutput { exit_code: 0 }, "{seen:?}");
    }
}

fn replaced_inputs_are_written_all_the_same(subject: &dyn Subject) {
    for instead in [
        "mkdir -p \"$f/x/y\"",
        "ln -s /etc/passwd \"$f\"",
        "mkfifo \"$f\"",
    ] {
        let script = format!(
            "f=\"$INPUTS/$CASE\"; test -f \"$f\" || exit 5; test -s \"$f\" || exit 6; \
             rm -rf \"$f\"; {instead}; exit 8"
        );
        for seen in misbehaves(subject, &script) {
            let Outcome::Exit { exit_code, .. } = seen.outcome else {
                panic!("{seen:?}");
            };
            assert_eq!(exit_code, 8, "{instead}");
        }
    }
}

fn thousands_of_files_are_removed_with_their_folder(subject: &dyn Subject) {
    let script =
        "cd \"$OUTPUTS\" && mkdir -p many && cd many && seq 1 5000 | xargs touch && exit 4";
    assert_eq!(misbehaves(subject, script)[0].outcome.name(), "exit");
}

fn folders_nested_deep_are_removed_with_their_folder(subject: &dyn Subject) {
    let script = "cd \"$OUTPUTS\"; i=0; while [ $i -lt 1500 ]; do mkdir -p d && cd d || exit 3; \
                  i=$((i+1)); done; exit 4";
    assert_eq!(misbehaves(subject, script)[0].outcome.name(), "exit");
}

fn a_prediction_that_changes_while_it_is_read_never_breaks_the_run(subject: &dyn Subject) {
    let script = format!(
        "{}; (setsid sh -c 'while :; do echo x >> \"$OUTPUTS/$CASE\"; done' &); exit 2",
        predict()
    );
    assert_eq!(misbehaves(subject, &script)[0].outcome.name(), "exit");
}
