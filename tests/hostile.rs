//! Whatever a submission does costs itself its score, and nobody else anything.
//!
//! What a prediction can hold that it should not (bombs, pickles, odd types …) is tried in
//! `core/tests/formats/hostile`; here is what a running submission can do around it.
//!
//! They are a program of their own: Linux counts the peak memory of a process from that of its
//! parent, which has to be small for it.
#![allow(clippy::unwrap_used)]

mod scenario;

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use scenario::{Scenario, fixtures};
use segarena_core::npz::{NpzMembers, read_ground_truth};
use serde_json::Value;
use wait4::Wait4;

/// The most memory that a run may take, whatever a submission does: the program's own, and some.
const MOST_MEMORY: u64 = 128 << 20;

/// The case of these tests, on either track.
const CASE: &str = "phantom_perfect";

/// Evaluates one case with an evil submission and one with a sound one after it, on either track;
/// the evil one's record on the interactive track is returned when the sound one's is in order, and
/// the program took no more memory than it ever does.
#[track_caller]
fn misbehaves(script: &str) -> Value {
    let record = misbehaves_in(Scenario::new(), script, "").1;
    let by_text = misbehaves_by_text(script);
    let outcome = |record: &Value| record["interactions"][0]["outcome"].clone();
    assert_eq!(outcome(&by_text), outcome(&record), "on the text track");
    record
}

/// On the interactive track alone, in this scenario and with these options of the protocol.
#[track_caller]
fn misbehaves_in(scenario: Scenario, script: &str, protocol: &str) -> (Scenario, Value) {
    let scenario = scenario
        .case(CASE)
        .table(&format!("[protocol]\nclicks = 1\n{protocol}"));
    let scenario = runs_beside_a_sound_one(scenario, script);
    let sound = scenario.record("sound", CASE);
    assert_eq!(sound["interactions"][1]["dsc"], 1.0, "{sound}");
    let record = scenario.record("evil", CASE);
    (scenario, record)
}

/// On the text track alone: nuclei that are to be told apart.
#[track_caller]
fn misbehaves_by_text(script: &str) -> Value {
    let nuclei = "nuclei_predicted_as_instances.npz";
    let scenario = Scenario::new().arguments(&["--track", "cvpr25-text"]);
    for kind in ["imgs", "gts"] {
        let from = fixtures().join("text-parity").join(kind).join(nuclei);
        fs::copy(from, scenario.path().join(format!("{kind}/{CASE}.npz"))).unwrap();
    }
    let scenario = runs_beside_a_sound_one(scenario, script);
    let sound = &scenario.table_rows("sound")[0];
    assert_eq!((&*sound["F1"], &*sound["DSC_TP"]), ("0.5854", "0.8287"));
    scenario.record("evil", CASE)
}

/// Has the evil one and the sound one evaluated.
#[track_caller]
fn runs_beside_a_sound_one(scenario: Scenario, script: &str) -> Scenario {
    runs_beside(scenario, script, 3)
}

/// The same, ending with this status.
#[track_caller]
fn runs_beside(scenario: Scenario, script: &str, status: i32) -> Scenario {
    let scenario = scenario.script("evil", script).stand_in("sound");
    let mut command = scenario.command();
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let mut pipe = run.stderr.take().unwrap();
    pipe.read_to_string(&mut said).unwrap();
    let used = run.wait4().unwrap();
    assert_eq!(used.status.code(), Some(status), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    let memory = used.rusage.maxrss;
    assert!(memory < MOST_MEMORY, "{memory} bytes of memory");
    assert_eq!(scenario.table_rows("evil").len(), 1);
    assert!(
        scenario.left_behind().is_empty(),
        "{:?}",
        scenario.left_behind()
    );
    scenario
}

#[track_caller]
fn outcome_is(record: &Value, index: usize, outcome: &str, reason: &str) {
    let interaction = &record["interactions"][index - 1];
    assert_eq!(interaction["outcome"], outcome, "{interaction}");
    let said = interaction["reason"].as_str().unwrap_or_default();
    assert!(said.contains(reason), "no `{reason}` in: {said}");
}

#[test]
fn a_link_to_the_ground_truth_is_not_followed() {
    let truth = fixtures().join("parity/gts/phantom_perfect.npz");
    let record = misbehaves(&format!(
        "ln -sf '{}' \"$OUTPUTS/phantom_perfect.npz\"",
        truth.display()
    ));
    outcome_is(&record, 1, "bad_output", "link");
    assert_eq!(record["interactions"][1]["dsc"], 0.0);
}

#[test]
fn a_fifo_does_not_hang_the_evaluator() {
    let record = misbehaves(
        "rm -f \"$OUTPUTS/phantom_perfect.npz\"; mkfifo \"$OUTPUTS/phantom_perfect.npz\"",
    );
    outcome_is(&record, 1, "bad_output", "FIFO");
}

#[test]
fn a_socket_is_refused() {
    let scenario = Scenario::new();
    let _socket = UnixListener::bind(scenario.path().join("socket")).unwrap();
    let script = "test -e socket && mv socket \"$OUTPUTS/phantom_perfect.npz\"; true";
    let (_, record) = misbehaves_in(scenario, script, "");
    outcome_is(&record, 1, "bad_output", "socket");
    outcome_is(&record, 2, "bad_output", "socket");
}

#[test]
fn a_folder_in_the_predictions_place_is_refused() {
    let record = misbehaves("mkdir -p \"$OUTPUTS/phantom_perfect.npz/x\"");
    outcome_is(&record, 1, "bad_output", "folder");
}

#[test]
fn a_link_to_a_device_is_refused() {
    let record = misbehaves("ln -sf /dev/zero \"$OUTPUTS/phantom_perfect.npz\"");
    outcome_is(&record, 1, "bad_output", "link");
}

#[test]
fn removed_folders_are_there_again_at_the_next_interaction() {
    let record = misbehaves("rm -rf \"$INPUTS\" \"$OUTPUTS\"");
    outcome_is(&record, 1, "no_output", "");
    outcome_is(&record, 2, "no_output", "");
}

#[test]
fn folders_replaced_by_links_elsewhere_are_put_right() {
    let record = misbehaves(
        "mkdir -p elsewhere; d=$(dirname \"$INPUTS\"); rm -rf \"$INPUTS\" \"$OUTPUTS\"; \
         ln -s \"$PWD/elsewhere\" \"$d/inputs\"; ln -s \"$PWD/elsewhere\" \"$d/outputs\"",
    );
    outcome_is(&record, 2, "no_output", "");
}

#[test]
fn a_work_folder_replaced_by_a_link_leads_nowhere() {
    let scenario = Scenario::new();
    let precious = scenario.path().join("precious");
    fs::create_dir_all(precious.join("outputs")).unwrap();
    fs::write(precious.join("outputs/phantom_perfect.npz"), "kept").unwrap();
    let script = "d=$(dirname \"$INPUTS\"); rm -rf \"$d\"; ln -s \"$PWD/precious\" \"$d\"";
    let (_arena, record) = misbehaves_in(scenario, script, "");
    outcome_is(&record, 1, "no_output", "");
    outcome_is(&record, 2, "no_output", "");
    assert_eq!(fs::read_dir(&precious).unwrap().count(), 1);
    let kept = fs::read(precious.join("outputs/phantom_perfect.npz"));
    assert_eq!(kept.unwrap(), b"kept");
}

#[test]
fn links_out_of_a_work_folder_and_names_of_any_bytes_are_removed_with_it() {
    let scenario = Scenario::new();
    let precious = scenario.path().join("precious");
    fs::create_dir_all(precious.join("inner")).unwrap();
    fs::write(precious.join("inner/file"), "kept").unwrap();
    let script = "cd \"$OUTPUTS\"; ln -s \"$OLDPWD/precious\" link; mkdir inner; \
                  ln -s \"$OLDPWD/precious/inner\" inner/link; ln -s / root; \
                  for n in '-rf' ' ' \"$(printf 'a\\nb')\" \"$(printf '\\377\\033[2J')\" '*' '..x'; \
                  do mkdir -- \"./$n\"; echo x > \"./$n/$n\"; done; exit 4";
    let (_arena, record) = misbehaves_in(scenario, script, "");
    outcome_is(&record, 1, "exit", "");
    assert_eq!(fs::read(precious.join("inner/file")).unwrap(), b"kept");
}

#[test]
fn unreadable_folders_are_opened_again() {
    let record = misbehaves("stand_in; chmod 000 \"$INPUTS\" \"$OUTPUTS\"; exit 9");
    outcome_is(&record, 1, "exit", "");
    // What it wrote before it failed counts.
    assert_eq!(record["interactions"][0]["dsc"], 1.0);
}

#[test]
fn a_model_input_replaced_by_something_else_is_written_all_the_same() {
    for instead in [
        "mkdir -p \"$f/x/y\"",
        "ln -s /etc/passwd \"$f\"",
        "mkfifo \"$f\"",
    ] {
        let record = misbehaves(&format!(
            "test -s \"$INPUTS/phantom_perfect.npz\" || exit 5; stand_in || exit 6; \
             f=\"$INPUTS/phantom_perfect.npz\"; rm -rf \"$f\"; {instead}; \
             test -e \"$OUTPUTS/second\" && exit 7; touch \"$OUTPUTS/second\"; exit 8"
        ));
        let codes = |index: usize| record["interactions"][index]["exit_code"].as_i64().unwrap();
        assert_eq!((codes(0), codes(1)), (8, 7), "{instead}");
    }
    assert!(fs::read_to_string("/etc/passwd").unwrap().contains("root"));
}

/// Links, since they are made faster than files; to remove they are the same.
#[test]
fn a_million_files_in_a_work_folder_are_removed_with_it() {
    let script = "cd \"$OUTPUTS\"; test -e 0 && exit 5; mkdir 0; (cd 0; seq 1000 | xargs touch); \
                  i=1; while [ $i -lt 1000 ]; do cp -al 0 $i || exit 6; i=$((i+1)); done; exit 4";
    let (_, record) = misbehaves_in(Scenario::new(), script, "");
    outcome_is(&record, 1, "exit", "");
    let codes = |index: usize| record["interactions"][index]["exit_code"].as_i64().unwrap();
    assert_eq!((codes(0), codes(1)), (4, 5));
}

#[test]
fn folders_nested_deep_are_removed_with_their_work_folder() {
    let script = "cd \"$OUTPUTS\"; i=0; while [ $i -lt 1500 ]; do mkdir d && cd d || exit 3; i=$((i+1)); done; exit 4";
    outcome_is(&misbehaves(script), 1, "exit", "");
}

#[test]
fn a_submission_that_ignores_sigterm_is_killed_in_time() {
    let script = "trap '' TERM INT HUP; while :; do sleep 1; done";
    let timeout = "interaction_timeout_seconds = 0.4";
    let (_, record) = misbehaves_in(Scenario::new(), script, timeout);
    outcome_is(&record, 1, "timed_out", "");
    assert!(record["interactions"][0]["seconds"].as_f64().unwrap() < 20.0);
}

#[test]
fn a_prediction_written_to_while_it_is_read_never_breaks_the_run() {
    // The writer leaves the group; it is killed at the interaction's end, with or without having
    // spoilt the file by then.
    let script = "stand_in; f=\"$OUTPUTS/phantom_perfect.npz\"; \
                  (setsid sh -c \"while :; do head -c 64 /dev/urandom >> '$f'; done\" &) ; sleep 0.05; exit 2";
    outcome_is(&misbehaves(script), 1, "exit", "");
}

#[test]
fn a_double_fork_does_not_outlive_its_interaction() {
    let marker = format!("segarena-stray-{}", std::process::id());
    let script = format!(
        "(setsid sh -c '(exec -a {marker} sleep 300 || sleep 300) & echo $! > pid' &) ; sleep 0.3; exit 2"
    );
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", &script);
    scenario.evaluate().ends_with(3);
    let pid = fs::read_to_string(scenario.path().join("pid")).unwrap();
    let status = Path::new("/proc").join(pid.trim()).join("cmdline");
    assert!(
        fs::read(status).unwrap_or_default().is_empty(),
        "process {pid} is still there"
    );
}

#[test]
fn ten_gigabytes_of_output_are_neither_kept_nor_held_in_memory() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .table("[protocol]\nclicks = 0")
        .script("s", "head -c 10G /dev/zero; echo the end >&2; stand_in");
    let mut command = scenario.command();
    let mut run = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let used = run.wait4().unwrap();
    assert_eq!(used.status.code(), Some(0));
    assert!(
        used.rusage.maxrss < 300 << 20,
        "{} bytes",
        used.rusage.maxrss
    );
    let record = scenario.record("s", "phantom_perfect");
    assert_eq!(record["interactions"][0]["stderr_tail"], "the end\n");
    let log = fs::metadata(scenario.result("s/logs/phantom_perfect.1.log")).unwrap();
    assert!(log.len() < 65 << 20, "{} bytes of log", log.len());
}

#[test]
fn the_ground_truth_is_in_nothing_that_a_submission_is_given() {
    // The labels are inside the image file, where the official script lets them through.
    let case = "ct_organs_border";
    let scenario = Scenario::new();
    let images = scenario.path().join("imgs");
    let truth = fixtures().join(format!("parity/gts/{case}.npz"));
    let source = fixtures().join(format!("parity/imgs/{case}.npz"));
    scenario::merge(&source, &truth, &images.join(format!("{case}.npz")));
    // Everything below the work folder, what it inherits, and what it can learn of its own log.
    let script = "mkdir -p seen; n=$(ls seen | wc -l); mkdir seen/$n; env > seen/$n/env; \
                  cp -r \"$INPUTS/..\" seen/$n/work; ls -l /proc/self/fd/ > seen/$n/handles; \
                  tr '\\0' ' ' < /proc/self/cmdline > seen/$n/line; stand_in";
    let scenario = scenario.script("s", script);
    scenario.command();
    let config = scenario.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("ground_truth = \"gts\"\n", "")).unwrap();
    scenario::segarena(scenario.path(), &["evaluate", "-c", "config.toml"]).ends_with(0);

    let labels = read_ground_truth(&truth, "gts").unwrap().voxels;
    let secrets = [
        // The voxels as they are, and as they lie compressed in the image file.
        labels.as_slice().unwrap()[..].to_vec(),
        stored_member(&images.join(format!("{case}.npz")), b"gts.npy"),
    ];
    let mut inputs = 0;
    for path in files_below(&scenario.path().join("seen")) {
        let bytes = fs::read(&path).unwrap();
        let shown = path.display();
        assert!(!contains(&bytes, b"gts"), "{shown} names the ground truth");
        for secret in &secrets {
            assert!(!contains(&bytes, secret), "{shown} holds the ground truth");
        }
        if !path.ends_with(format!("inputs/{case}.npz")) {
            continue;
        }
        inputs += 1;
        let input = NpzMembers::open(&path).unwrap();
        for key in ["imgs", "prev_pred"]
            .into_iter()
            .filter(|key| input.has(key))
        {
            assert_ne!(input.byte_volume(key).unwrap(), labels, "{key} of {shown}");
        }
    }
    assert_eq!(inputs, 6);
    let handles = fs::read_to_string(scenario.path().join("seen/0/handles")).unwrap();
    assert!(handles.contains("pipe:"), "{handles}");
    assert!(
        !handles.contains(".npz") && !handles.contains("/imgs"),
        "{handles}"
    );
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut waiting = vec![folder.to_owned()];
    while let Some(folder) = waiting.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// A stretch of a member's compressed bytes, from the file that holds it.
fn stored_member(file: &Path, name: &[u8]) -> Vec<u8> {
    let bytes = fs::read(file).unwrap();
    let at = bytes.windows(name.len()).position(|window| window == name);
    let start = at.unwrap() + name.len() + 64;
    bytes[start..start + 64].to_vec()
}

/// Does this at each request, and says that it is done; it lives on meanwhile.
fn serve(each: &str) -> String {
    format!(
        "echo '{{\"segarena\": \"ready\"}}'; here=$PWD
while read -r line; do
  rest=${{line#*'\"outputs\":\"'}}; OUTPUTS=${{rest%%'\"'*}}
  rest=${{line#*'\"inputs\":\"'}}; INPUTS=${{rest%%'\"'*}}
  f=\"$OUTPUTS/{CASE}.npz\"
  {each}
  cd \"$here\"; printf '\\n{{\"segarena\": \"done\"}}\\n'
done"
    )
}

#[test]
fn a_submission_that_is_kept_warm_misbehaves_in_vain() {
    let elsewhere = tempfile::tempdir().unwrap();
    let precious = elsewhere.path().join("precious");
    fs::create_dir_all(precious.join("outputs")).unwrap();
    fs::write(precious.join(format!("outputs/{CASE}.npz")), "kept").unwrap();
    let precious = precious.display();
    let tried = [
        ("ln -sf /dev/zero \"$f\"".to_owned(), "bad_output"),
        ("rm -f \"$f\"; mkfifo \"$f\"".to_owned(), "bad_output"),
        ("mkdir -p \"$f/x\"".to_owned(), "bad_output"),
        ("rm -rf \"$INPUTS\" \"$OUTPUTS\"".to_owned(), "no_output"),
        (
            format!("d=$(dirname \"$INPUTS\"); rm -rf \"$d\"; ln -s '{precious}' \"$d\""),
            "no_output",
        ),
        (
            "(SEGARENA_SERVE=0; stand_in); chmod 000 \"$INPUTS\" \"$OUTPUTS\"".to_owned(),
            "ok",
        ),
        (
            "head -c 1G /dev/zero; (SEGARENA_SERVE=0; stand_in)".to_owned(),
            "ok",
        ),
    ];
    for ((each, outcome), lifetime) in tried.iter().zip(["run", "case"].iter().cycle()) {
        let scenario = Scenario::new().arguments(&["--lifetime", lifetime]);
        let scenario = scenario.case(CASE).table("[protocol]\nclicks = 1");
        let status = if *outcome == "ok" { 0 } else { 3 };
        let scenario = runs_beside(scenario, &serve(each), status);
        let sound = scenario.record("sound", CASE);
        assert_eq!(sound["interactions"][1]["dsc"], 1.0, "{sound}");
        let evil = scenario.record("evil", CASE);
        for index in [1, 2] {
            outcome_is(&evil, index, outcome, "");
        }
    }
    let kept = elsewhere
        .path()
        .join(format!("precious/outputs/{CASE}.npz"));
    assert_eq!(fs::read(kept).unwrap(), b"kept");
}

/// It may spoil its prediction or not; it goes on changing its folders after its answer.
#[test]
fn folders_that_a_living_submission_keeps_changing_never_break_the_run() {
    let changes = "(SEGARENA_SERVE=0; stand_in)
  test -e started || { touch started; d=$(dirname \"$INPUTS\"); (while :; do
    head -c 64 /dev/urandom >> \"$f\"; mv \"$OUTPUTS\" \"$d/aside\"; ln -s / \"$OUTPUTS\"
    rm \"$OUTPUTS\"; mv \"$d/aside\" \"$OUTPUTS\"; chmod 000 \"$INPUTS\"
  done) >/dev/null 2>&1 & }";
    for lifetime in ["case", "run"] {
        let scenario = Scenario::new()
            .case(CASE)
            .table("[protocol]\nclicks = 5")
            .arguments(&["--lifetime", lifetime])
            .script("evil", &serve(changes))
            .stand_in("sound");
        let ran = scenario.evaluate();
        assert!([0, 3].contains(&ran.status), "{}", ran.stderr);
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        assert_eq!(
            scenario.record("sound", CASE)["interactions"][5]["dsc"],
            1.0
        );
        assert_eq!(scenario.table_rows("evil").len(), 1);
    }
}
