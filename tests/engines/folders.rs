//! Folders that a submission leaves as nobody expects them: its own failure, and nobody else's.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::IFlags;

use super::*;

const CASE: &str = "micro_tiny_objects";

/// Runs a program of the system's that must do what it is told.
#[track_caller]
fn system(words: &[&str]) {
    let ran = Command::new(words[0]).args(&words[1..]).output().unwrap();
    assert!(ran.status.success(), "{words:?}: {ran:?}");
}

/// Something mounted on a folder for the length of a test.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, options: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        system(&["mount", "-t", "tmpfs", "-o", options, "tmpfs", text(at)]);
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["-l", text(&self.0)]).output();
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A plain process of an ordinary user, beside a sound one.
fn two(script: &str) -> Scenario {
    PLAIN_USER
        .scenario("")
        .case(CASE)
        .arguments(&["--clicks", "1"])
        .script("evil", script)
        .stand_in("sound")
}

#[track_caller]
fn the_sound_one_is_sound(scenario: &Scenario) {
    for interaction in 0..2 {
        let record = scenario.record("sound", CASE);
        let outcome = &record["interactions"][interaction]["outcome"];
        assert_eq!(outcome, "ok", "{record}");
    }
}

/// What a submission wrote before it failed counts.
#[track_caller]
fn predictions_count(record: &Value) {
    assert_eq!(record["interactions"][1]["nsd"], 0.6, "{record}");
}

#[track_caller]
fn fails(record: &Value, interaction: usize, words: &str) {
    let failed = &record["interactions"][interaction];
    assert_eq!(failed["outcome"], "bad_output", "{record}");
    let reason = failed["reason"].as_str().unwrap();
    assert!(reason.contains(words), "{reason}");
}

/// What somebody with more rights than the run has done to a folder of the submission's.
struct Deed {
    name: &'static str,
    act: fn(&Path, precious: &Path),
    undo: fn(&Path),
    /// Which interaction fails, and in which words.
    fails: (usize, &'static str),
}

const DEEDS: [Deed; 3] = [
    Deed {
        name: "another's folder in outputs",
        act: |folder, _| fs::create_dir_all(folder.join("outputs/anothers/inner")).unwrap(),
        undo: |_| {},
        fails: (1, "can't be removed: Permission denied"),
    },
    Deed {
        name: "inputs that nobody may change",
        act: |folder, _| freeze(&folder.join("inputs"), true),
        undo: |folder| freeze(&folder.join("inputs"), false),
        fails: (1, "could not be put in order"),
    },
    Deed {
        name: "a mount on outputs",
        act: |folder, precious| {
            let outputs = folder.join("outputs");
            system(&["mount", "--bind", text(precious), text(&outputs)]);
        },
        undo: |folder| system(&["umount", text(&folder.join("outputs"))]),
        fails: (
            0,
            "could not be put in order, and were begun anew: something is mounted",
        ),
    },
];

fn freeze(folder: &Path, frozen: bool) {
    let flags = if frozen {
        IFlags::IMMUTABLE
    } else {
        IFlags::empty()
    };
    rustix::fs::ioctl_setflags(fs::File::open(folder).unwrap(), flags).unwrap();
}

/// The submission can't do these things to an ordinary user's run; somebody else can.
pub(crate) fn folders_that_cannot_be_put_in_order_cost_one_interaction() {
    let _mine = PLAIN_USER.lock();
    let script = "stand_in; test -e waiting && exit; touch waiting; \
                  while ! test -e go; do sleep 0.02; done";
    for deed in DEEDS {
        let scenario = two(script);
        let precious = scenario.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("kept"), "kept").unwrap();
        let mut running = PLAIN_USER.spawn(&scenario);
        let mode = precious.metadata().unwrap().mode();
        while !scenario.path().join("waiting").exists() {
            assert!(running.try_wait().unwrap().is_none(), "{}", deed.name);
            std::thread::sleep(Duration::from_millis(20));
        }
        let work = scenario.result(".segarena/work/evil");
        (deed.act)(&work.join(CASE), &precious);
        fs::write(scenario.path().join("go"), "").unwrap();
        ends_with(&mut running, 3, &scenario);
        let record = scenario.record("evil", CASE);
        fails(&record, deed.fails.0, deed.fails.1);
        let other = &record["interactions"][1 - deed.fails.0];
        assert_eq!(other["outcome"], "ok", "{}: {record}", deed.name);
        the_sound_one_is_sound(&scenario);
        // Set aside, and looked into by nobody.
        let aside = work.join(".unremovable-0");
        assert!(aside.is_dir(), "{}", deed.name);
        assert_eq!(fs::read(precious.join("kept")).unwrap(), b"kept");
        assert_eq!(precious.metadata().unwrap().mode(), mode);
        (deed.undo)(&aside);
    }
}

/// What root's own submission has mounted or frozen, root takes away.
pub(crate) fn what_a_submission_of_roots_mounts_and_freezes_is_cleared_away_and_not_followed() {
    let _mine = PLAIN_USER.lock();
    let hosts = tempfile::tempdir().unwrap();
    let outer = hosts.path().join("outer");
    let _outer = Mounted::tmpfs(&outer, "size=1m");
    // As the system's own mounts are: what happens to one happens to its copies.
    system(&["mount", "--make-rshared", text(&outer)]);
    let inner = outer.join("inner");
    let _inner = Mounted::tmpfs(&inner, "size=1m");
    fs::write(inner.join("kept"), "kept").unwrap();
    let script = format!(
        "stand_in || exit 9; test -e done && exit; touch done; cd \"$OUTPUTS\"; mkdir -p d/e && \
         touch d/file d/m && mount --bind '{0}/inner/kept' d/m && chattr +i d/file && \
         chattr +a d && cd / && mount --bind '{0}' \"$OUTPUTS\" && mkdir \"$INPUTS/m\" && \
         mount --rbind '{0}' \"$INPUTS/m\" && chattr +i \"$INPUTS\" || exit 8",
        outer.display()
    );
    let scenario = Scenario::new()
        .case(CASE)
        .arguments(&["--clicks", "1"])
        .script("evil", &script)
        .stand_in("sound");
    scenario.evaluate().ends_with(0);
    the_sound_one_is_sound(&scenario);
    let record = scenario.record("evil", CASE);
    assert_eq!(record["interactions"][0]["outcome"], "ok", "{record}");
    assert_eq!(fs::read(inner.join("kept")).unwrap(), b"kept");
    assert_eq!(scenario.left_behind(), [] as [PathBuf; 0]);
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(text(scenario.path())), "{mounts}");
    // The host's own are as they were.
    assert!(mounts.contains(text(&inner)), "{mounts}");
}

/// The disk of the work folders is that of the results as well.
pub(crate) fn a_disk_that_a_submission_fills_is_emptied_before_anything_else_is_written() {
    let _mine = PLAIN_USER.lock();
    let fill = "stand_in || exit 7; mkdir -p \"$OUTPUTS/locked\"; \
                cat /dev/zero > \"$OUTPUTS/locked/fill\" 2>/dev/null; chmod 0 \"$OUTPUTS/locked\"";
    for (script, outcome) in [
        (fill.to_owned(), "bad_output"),
        (format!("{fill}; exit 5"), "exit"),
    ] {
        let scenario = two(&script);
        let _disk = Mounted::tmpfs(&scenario.path().join("out"), "size=24m");
        PLAIN_USER.evaluate(&scenario).ends_with(3);
        the_sound_one_is_sound(&scenario);
        let record = scenario.record("evil", CASE);
        for interaction in record["interactions"].as_array().unwrap() {
            assert_eq!(interaction["outcome"], outcome, "{record}");
            assert!(
                interaction
                    .to_string()
                    .contains("its files filled the disk"),
                "{record}"
            );
        }
        predictions_count(&record);
        assert_eq!(scenario.left_behind(), [] as [PathBuf; 0]);
    }
}

/// A disk that somebody else has filled is never held against a submission.
pub(crate) fn a_disk_that_is_full_without_a_submission_stops_the_run() {
    let _mine = PLAIN_USER.lock();
    let fill =
        "test -e filled || { touch filled; cat /dev/zero > out/others 2>/dev/null; }; stand_in";
    let scenario = two(fill);
    let _disk = Mounted::tmpfs(&scenario.path().join("out"), "size=24m");
    let ran = PLAIN_USER.evaluate(&scenario).ends_with(1);
    ran.says(&["No space left on device"]);
    fs::remove_file(scenario.path().join("out/others")).unwrap();
    PLAIN_USER.evaluate(&scenario).ends_with(0);
    the_sound_one_is_sound(&scenario);
}

/// One that is kept for a run is given the folder that its cases' folders are made in.
pub(crate) fn a_submission_kept_for_a_run_cannot_lock_the_next_case_out() {
    for (engine, lock) in [
        (PLAIN_USER, "chmod 0 \"$OUTPUTS/../..\""),
        (
            DOCKER_GROUP,
            "chown 0:0 /workspace/cases; chmod 700 /workspace/cases",
        ),
    ] {
        let _mine = engine.lock();
        let serve = format!(
            "unset SEGARENA_SERVE; echo '{{\"segarena\": \"ready\"}}'; while read -r line; do \
             rest=${{line#*'\"outputs\":\"'}}; export OUTPUTS=${{rest%%'\"'*}}; \
             rest=${{line#*'\"inputs\":\"'}}; export INPUTS=${{rest%%'\"'*}}; \
             stand_in >&2 < /dev/null && {lock}; echo '{{\"segarena\": \"done\"}}'; done"
        );
        let scenario = engine
            .scenario("")
            .case(CASE)
            .case("phantom_perfect")
            .arguments(&["--clicks", "1", "--lifetime", "run"]);
        let scenario = match engine.kind {
            "process" => scenario.script("evil", &serve),
            _ => scenario.archive("evil", "team.tar", &command(&serve)),
        };
        let tar = image("locking").to_tar().unwrap();
        fs::write(scenario.path().join("team.tar"), tar).unwrap();
        engine.evaluate(&scenario).ends_with(0);
        let record = scenario.record("evil", "phantom_perfect");
        assert_eq!(record["interactions"][1]["dsc"], 1.0, "{record}");
        assert_eq!(scenario.left_behind(), [] as [PathBuf; 0]);
        if engine.kind != "process" {
            assert_eq!(engine.left("locking"), "");
        }
    }
}

/// What a container's root writes is Podman's to remove, which opens a file for each level. As long
/// as that fails, so does whatever Podman is asked.
pub(crate) fn a_root_nested_deeper_than_podman_removes_costs_one_submission(engine: Engine) {
    let nest = "mkdir -p /deep && cd /deep || exit 8; i=0; while [ $i -lt 600 ]; do \
                mkdir d && cd d || exit 9; i=$((i+1)); done; stand_in";
    let scenario = small(engine, "")
        .archive("evil", "team.tar", &command(nest))
        .archive("sound", "team.tar", "");
    let tar = image("nested").to_tar().unwrap();
    fs::write(scenario.path().join("team.tar"), tar).unwrap();
    let prepared = scenario.command();
    engine.own(&scenario);
    let ran = engine
        .command_in(scenario.path(), "prlimit")
        .args(["--nofile=400:400", scenario::PROGRAM])
        .args(prepared.get_args())
        .output();
    ProgramOutput::of(ran.unwrap()).ends_with(3);
    the_sound_one_is_sound(&scenario);
    let record = scenario.record("evil", CASE);
    for interaction in record["interactions"].as_array().unwrap() {
        assert_eq!(interaction["exit_code"], 125, "{record}");
        let said = interaction["log_tail"].as_str().unwrap();
        assert!(
            said.contains("the container could not be removed"),
            "{said}"
        );
    }
    predictions_count(&record);
    assert_eq!(engine.left("nested"), "");
    assert_eq!(engine.left("segarena-"), "");
}
