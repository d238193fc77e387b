//! Submissions on Apptainer, as an ordinary user: the official numbers, what a container sees, how
//! interactions end, and nothing left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::engine::{APPTAINER, Engine};
use crate::golden::{compare_text_with_golden, compare_with_golden, text_set};
use crate::image::{image, write_gzipped};
use crate::official_cases;
use crate::scenario::{self, ProgramOutput, Scenario};
use serde_json::Value;

/// A scenario with one small case, a box and a click, and a submission of this script.
fn small(name: &str, script: &str, more: &str) -> Scenario {
    let argv = Value::from(vec!["/bin/sh", "-c", script]);
    let scenario = APPTAINER
        .scenario(more)
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("team", "team.tar", &format!("command = {argv}"));
    fs::write(
        scenario.path().join("team.tar"),
        image(name).to_tar().unwrap(),
    )
    .unwrap();
    scenario
}

/// What a script prints at its first interaction.
fn printed_by(script: &str, more: &str) -> String {
    let scenario = small("printed", script, more);
    APPTAINER.evaluate(&scenario).ends_with(0);
    fs::read_to_string(scenario.result("team/logs/micro_tiny_objects.1.log")).unwrap()
}

fn first_interaction(scenario: &Scenario) -> Value {
    scenario.record("team", "micro_tiny_objects")["interactions"][0].clone()
}

/// The converted images of a scenario's results.
fn converted(scenario: &Scenario) -> Vec<PathBuf> {
    let entries = fs::read_dir(scenario.result(".segarena/images")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    // Beside them is noted which files were read.
    let is_note = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    paths.filter(|path| !is_note(path)).collect()
}

fn parity(form: &str, engine: Engine) {
    let (golden, scenario) = official_cases(engine);
    let scenario = scenario.archive("team", "team.tar.gz", "");
    let archive = scenario.path().join("team.tar.gz");
    // The name inside differs from the file's on purpose.
    write_gzipped(&image("parity_apptainer:v2"), &archive);
    // A case of the set is without boxes, which the stand-in takes for a failure.
    engine.evaluate(&scenario).ends_with(3);
    compare_with_golden(&golden, &scenario.result("team"), "team");
    let images = converted(&scenario);
    assert_eq!(images.len(), 1, "{images:?}");
    let name = images[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.ends_with(form), "{name}");
    // The next run finds the image again.
    let before = images[0].metadata().unwrap().modified().unwrap();
    let again = scenario.arguments(&["--restart", "--first", "1"]);
    engine.evaluate(&again);
    assert_eq!(converted(&again), images);
    assert_eq!(images[0].metadata().unwrap().modified().unwrap(), before);
}

pub(crate) fn a_gzipped_archive_scores_what_the_official_script_says_from_a_sandbox() {
    parity("-sandbox", APPTAINER);
}

pub(crate) fn a_gzipped_archive_scores_what_the_official_script_says_from_a_sif_where_one_can_be_mounted()
 {
    parity("-sif", crate::engine::APPTAINER_WITH_FUSE);
}

pub(crate) fn an_archive_on_the_text_track_scores_what_the_official_script_says() {
    let scenario = APPTAINER
        .scenario("")
        .every_case_of(&text_set())
        .arguments(&["--track", "cvpr25-text"])
        .archive("team", "team.tar.gz", "");
    write_gzipped(&image("text"), &scenario.path().join("team.tar.gz"));
    APPTAINER.evaluate(&scenario).ends_with(3);
    compare_text_with_golden(&scenario.result("team"), "team");
}

pub(crate) fn a_container_sees_its_two_folders_and_nothing_of_the_host() {
    let script = "set -f; env; pwd; cat /proc/self/mountinfo; ls -R / 2>&1 | head -c 3000000; \
                  stand_in";
    let scenario = small("walk", script, "");
    // What a site or a shell may have set.
    fs::create_dir(scenario.path().join("opened")).unwrap();
    let mut command = APPTAINER.evaluation(&scenario);
    command
        .env("APPTAINER_BIND", scenario.path().join("opened"))
        .env("APPTAINERENV_OPENED", "a variable for every container")
        .env("OPENED", "a variable of mine");
    ProgramOutput::of(command.output().unwrap()).ends_with(0);
    let log = scenario.result("team/logs/micro_tiny_objects.1.log");
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("/workspace/inputs"), "{log}");
    for secret in [
        "gts",
        "ground_truth",
        "config.toml",
        "opened",
        "OPENED",
        "of mine",
    ] {
        assert!(!log.contains(secret), "{secret} can be seen:\n{log}");
    }
    for setting in [
        "\n/workspace\n",
        "HOME=/root\n",
        "PATH=/usr/local/bin:/usr/bin:/bin",
    ] {
        assert!(
            log.contains(setting),
            "{setting} is not the image's:\n{log}"
        );
    }
}

pub(crate) fn what_a_submission_writes_beside_its_outputs_is_its_own_and_goes() {
    // Twice what the memory for the container's own files holds.
    let script = "test -e /tmp/there || test -e /root/there && echo seen; touch /root/there; \
                  dd if=/dev/zero of=/tmp/there bs=1M count=128 2>/dev/null && echo written; \
                  mkdir /tmp/closed; touch /tmp/closed/x; chmod 000 /tmp/closed; stand_in";
    let before = scratch_folders(&std::env::temp_dir());
    let scenario = small("writes", script, "");
    APPTAINER.evaluate(&scenario).ends_with(0);
    for index in [1, 2] {
        let log = scenario.result(&format!("team/logs/micro_tiny_objects.{index}.log"));
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("written") && !log.contains("seen"), "{log}");
    }
    let left: Vec<PathBuf> = scratch_folders(&std::env::temp_dir())
        .into_iter()
        .filter(|path| !before.contains(path) && path.join("tmp/there").exists())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

fn scratch_folders(temporary: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(temporary).unwrap().flatten();
    let paths = entries.map(|entry| entry.path());
    let is_scratch = |path: &PathBuf| path.to_string_lossy().contains("segarena-scratch-");
    paths.filter(is_scratch).collect()
}

pub(crate) fn endings_are_told_apart() {
    let endings = [
        ("crashes", "echo told >&2; exit 7", "exit", 7, "told"),
        ("ends as apptainer does", "exit 255", "exit", 255, ""),
        // Words that would be the engine's failure are the submission's if a container stands.
        (
            "forges",
            "echo 'FATAL:   container creation failed: no room' >&2; exit 255",
            "exit",
            255,
            "no room",
        ),
        ("killed", "sh -c 'kill -9 $$'", "exit", 137, ""),
        ("silent", "true", "no_output", 0, ""),
    ];
    for (name, script, outcome, code, said) in endings {
        let scenario = small("endings", script, "");
        APPTAINER.evaluate(&scenario).ends_with(3);
        let seen = first_interaction(&scenario);
        assert_eq!(seen["outcome"], outcome, "{name}: {seen}");
        assert_eq!(seen["exit_code"], code, "{name}: {seen}");
        let log = seen["log_tail"].as_str().unwrap_or_default();
        assert!(log.contains(said), "{name}: {seen}");
    }
}

pub(crate) fn a_program_that_is_not_there_is_told_as_a_shell_would() {
    let scenario = APPTAINER
        .scenario("")
        .case("micro_tiny_objects")
        .arguments(&["--clicks", "1"])
        .archive("team", "team.tar", "command = [\"/nowhere\"]");
    let tar = image("missing").to_tar().unwrap();
    fs::write(scenario.path().join("team.tar"), tar).unwrap();
    APPTAINER.evaluate(&scenario).ends_with(3);
    let seen = first_interaction(&scenario);
    assert_eq!(seen["exit_code"], 127, "{seen}");
    assert!(
        seen["log_tail"].as_str().unwrap().contains("/nowhere"),
        "{seen}"
    );
}

/// The memory limit of a job is its control group's: the test makes one, as a scheduler would.
pub(crate) fn memory_that_runs_out_in_a_job_is_told_from_any_other_kill() {
    let group = JobGroup::new(256 << 20);
    // A larger child is killed and its parent lives to tell, as in a pipeline.
    let script = "dd if=/dev/zero of=/dev/null bs=400M count=1";
    let scenario = small("greedy", script, "memory = \"1GiB\"");
    let prepared = scenario.command();
    APPTAINER.own(&scenario);
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo $$ > \"$0\"/cgroup.procs; exec \"$@\""])
        .arg(&group.0);
    let inner = APPTAINER.command_in(scenario.path(), scenario::PROGRAM);
    command.arg(inner.get_program()).args(inner.get_args());
    command.args(prepared.get_args());
    ProgramOutput::of(command.output().unwrap()).ends_with(3);
    let seen = first_interaction(&scenario);
    assert_eq!(seen["outcome"], "out_of_memory", "{seen}");
    // The job's limit is within what was asked for, so it holds.
    let record = scenario.run_record();
    let limits = record["limits"].as_array().unwrap();
    let memory = limits.iter().find(|limit| limit["limit"] == "memory");
    assert_eq!(
        memory.unwrap()["enforcement"]["state"],
        "enforced",
        "{record}"
    );
}

/// A control group with a memory limit and no swap, of either version.
struct JobGroup(PathBuf);

impl JobGroup {
    fn new(limit: u64) -> Self {
        let name = format!("segarena-test-job-{}", std::process::id());
        let (root, file, swap) = match Path::new("/sys/fs/cgroup/memory").is_dir() {
            true => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.memsw.limit_in_bytes",
            ),
            false => ("/sys/fs/cgroup", "memory.max", "memory.swap.max"),
        };
        let path = Path::new(root).join(name);
        fs::create_dir(&path).unwrap();
        fs::write(path.join(file), limit.to_string()).unwrap();
        // Not every kernel counts swap.
        let swap_limit = if swap.contains("memsw") { limit } else { 0 };
        let _ = fs::write(path.join(swap), swap_limit.to_string());
        Self(path)
    }
}

impl Drop for JobGroup {
    fn drop(&mut self) {
        for _ in 0..50 {
            if fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

pub(crate) fn a_limit_that_cannot_hold_stops_the_run_unless_it_is_allowed_to() {
    let scenario = small("unlimited", "stand_in", "").backend("kind = \"apptainer\"");
    let ran = APPTAINER.evaluate(&scenario);
    if ran.status == 0 {
        return; // a machine with systemd and cgroup v2, where everything holds
    }
    ran.ends_with(1).says(&[
        "Apptainer cannot limit memory, pids here",
        "allow_unenforced = [\"memory\", \"pids\"]",
    ]);
    let scenario = small("unlimited", "stand_in", "");
    APPTAINER.evaluate(&scenario).ends_with(0);
    let record = scenario.run_record();
    let limits = record["limits"].as_array().unwrap().iter();
    let unenforced = limits.filter(|limit| limit["enforcement"]["state"] == "not_enforced");
    assert_eq!(unenforced.count(), 2, "{record}");
}

pub(crate) fn the_doctor_proves_each_limit_or_says_that_it_cannot_be_had() {
    let examined = APPTAINER
        .command(scenario::PROGRAM)
        .args(["doctor", "--json", "--backend", "apptainer"])
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&examined.stdout).unwrap();
    let proofs = found[0]["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 8, "{found}");
    for proof in proofs {
        let allowed: &[&str] = match proof["limit"].as_str().unwrap() {
            "time" | "network" | "filesystem" | "privileges" => &["holds"],
            "shared_memory" => &["cannot_be_had"],
            _ => &["holds", "cannot_be_had"],
        };
        assert!(
            allowed.contains(&proof["verdict"].as_str().unwrap()),
            "{proof}"
        );
    }
    let caution = found[0]["status"]["caution"].as_str().unwrap();
    assert!(caution.contains("real root"), "{caution}");
}

pub(crate) fn a_killed_run_leaves_no_process() {
    for engine in [APPTAINER, crate::engine::APPTAINER_WITH_FUSE] {
        let number = format!("600.{:06}", std::process::id());
        let script = format!("(setsid sleep {number} &); trap '' TERM; sleep {number} & wait");
        let scenario = small("killed", &script, "");
        let mut running = engine.spawn(&scenario);
        waits(
            || processes_with(&number).len() == 2,
            "the submission never ran",
        );
        let segarena = segarena_of(&scenario);
        assert_eq!(segarena.len(), 1, "{segarena:?}");
        kill(&segarena[0]);
        running.wait().unwrap();
        waits(|| processes_with(&number).is_empty(), "a process is left");
        let mounting = scenario.path().to_string_lossy().into_owned();
        waits(
            || processes_with(&mounting).is_empty(),
            "what mounted the image is left",
        );
    }
}

pub(crate) fn what_a_killed_run_left_in_tmp_is_swept_by_the_next_one() {
    let number = format!("601.{:06}", std::process::id());
    // One that is kept warm, which has its folder for longer.
    let script = format!(
        "echo '{{\"segarena\": \"ready\"}}'; read -r line; echo {number} > /tmp/whose; \
         mkdir /tmp/closed; touch /tmp/closed/x; chmod 000 /tmp/closed; sleep {number}"
    );
    let scenario = small("swept", &script, "lifetime = \"case\"");
    // Not the machine's, which the runs of other tests sweep as well.
    let temporary = scenario.path().join("tmp");
    fs::create_dir(&temporary).unwrap();
    let is_there = || {
        scratch_folders(&temporary).iter().any(|folder| {
            let whose = fs::read_to_string(folder.join("tmp/whose"));
            whose.is_ok_and(|whose| whose.trim() == number)
        })
    };
    let mut running = APPTAINER
        .evaluation(&scenario)
        .env("TMPDIR", &temporary)
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    waits(is_there, "the submission never ran");
    kill(&segarena_of(&scenario)[0]);
    running.wait().unwrap();
    waits(|| processes_with(&number).is_empty(), "a process is left");
    assert!(is_there(), "there is nothing to sweep");
    let next = small("sweeps", "stand_in", "");
    let mut sweeping = APPTAINER.evaluation(&next);
    ProgramOutput::of(sweeping.env("TMPDIR", &temporary).output().unwrap()).ends_with(0);
    assert!(!is_there(), "what a killed run left is still there");
}

pub(crate) fn a_run_killed_while_it_converts_leaves_nothing_after_the_next_one() {
    let engine = crate::engine::APPTAINER_WITH_FUSE;
    let scenario = small("converts", "stand_in", "");
    // Enough that nothing compresses, for the conversion to be seen.
    let noise: Vec<u8> = (0..48u64 << 20)
        .scan(1u64, |state, _| {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            Some(*state as u8)
        })
        .collect();
    let large = image("converts").file("/weights", 0o644, &noise);
    fs::write(scenario.path().join("team.tar"), large.to_tar().unwrap()).unwrap();
    let mut running = engine.spawn(&scenario);
    let folder = scenario.path().to_string_lossy().into_owned();
    waits(
        || {
            processes_with(&folder)
                .iter()
                .any(|line| line.contains(" build "))
        },
        "nothing was converted",
    );
    kill(&segarena_of(&scenario)[0]);
    running.wait().unwrap();
    waits(|| processes_with(&folder).is_empty(), "a process is left");
    engine.evaluate(&scenario).ends_with(0);
    let images = converted(&scenario);
    assert_eq!(images.len(), 1, "{images:?}");
    assert!(
        !images[0]
            .file_name()
            .unwrap()
            .to_string_lossy()
            .starts_with('.')
    );
}

/// The command lines of the processes that name this.
fn processes_with(word: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| {
        let line = fs::read(process.path().join("cmdline")).ok()?;
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let id = process.file_name().to_string_lossy().into_owned();
        // A shell names it in its script.
        let is_shell = line.contains("setsid sleep");
        (line.contains(word) && !is_shell).then(|| format!("{id} {line}"))
    });
    lines.collect()
}

/// The segarena that evaluates in this scenario.
fn segarena_of(scenario: &Scenario) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let ours = processes.filter(|process| {
        let folder = fs::read_link(process.path().join("cwd"));
        let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
        folder.is_ok_and(|folder| folder.ends_with(scenario.path().strip_prefix("/").unwrap()))
            && name.trim() == "segarena"
    });
    ours.map(|process| process.file_name().to_string_lossy().into_owned())
        .collect()
}

fn kill(process: &str) {
    let killed = Command::new("kill").args(["-KILL", process]).status();
    assert!(killed.unwrap().success());
}

#[track_caller]
fn waits(until: impl Fn() -> bool, problem: &str) {
    let end = Instant::now() + Duration::from_secs(60);
    while !until() {
        assert!(Instant::now() < end, "{problem}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

pub(crate) fn a_sif_file_and_a_sandbox_folder_are_images_by_their_paths() {
    let scenario = small("named", "stand_in", "");
    APPTAINER.own(&scenario);
    for [form, to] in [["team.sif", ""], ["sandbox", "--sandbox"]] {
        let made = APPTAINER
            .command_in(scenario.path(), "apptainer")
            .args(["-s", "build"])
            .args((!to.is_empty()).then_some(to))
            .args([form, "docker-archive:team.tar"])
            .stderr(Stdio::inherit())
            .status();
        assert!(made.unwrap().success());
        // The image's own predict.sh, in the challenge's folder; the path is the file's.
        let config = format!(
            "[cases]\nimages = \"imgs\"\nground_truth = \"gts\"\n[output]\ndir = \"out-{form}\"\n\
             [backend]\nkind = \"apptainer\"\nallow_unenforced = [\"memory\", \"pids\"]\n\
             env = {{ INPUTS = \"{{inputs}}\", OUTPUTS = \"{{outputs}}\" }}\n\
             [[submission]]\nname = \"team\"\nimage = {form:?}\n"
        );
        fs::write(scenario.path().join("named.toml"), config).unwrap();
        let path = scenario.path().join("named.toml");
        let evaluated = APPTAINER
            .command(scenario::PROGRAM)
            .args(["evaluate", "--clicks", "1", "--config"])
            .arg(&path)
            .output();
        ProgramOutput::of(evaluated.unwrap()).ends_with(0);
    }
}

pub(crate) fn what_is_wrong_with_an_image_is_told_with_what_to_do() {
    let whole = image("broken").to_tar().unwrap();
    let foreign = image("foreign").for_architecture("s390x").to_tar().unwrap();
    for (tar, words) in [
        (whole[..whole.len() / 2].to_vec(), "docker save"),
        (
            b"no archive".to_vec(),
            "neither a tar nor a gzip nor a zstd",
        ),
        (foreign, "its image is for s390x"),
    ] {
        let scenario = small("broken", "stand_in", "");
        fs::write(scenario.path().join("team.tar"), tar).unwrap();
        APPTAINER.evaluate(&scenario).ends_with(3).says(&[words]);
        assert!(scenario.left_behind().is_empty());
    }
    let log = printed_by("echo here; stand_in", "");
    assert!(log.contains("here"), "{log}");
}

pub(crate) fn validate_tries_an_image_and_says_that_root_is_not_root() {
    let scenario = small("validated", "stand_in", "");
    APPTAINER.own(&scenario);
    let config = "[backend]\nkind = \"apptainer\"\nallow_unenforced = [\"memory\", \"pids\"]\n\
                  env = { INPUTS = \"{inputs}\", OUTPUTS = \"{outputs}\" }\n";
    fs::write(scenario.path().join("with.toml"), config).unwrap();
    let validated = APPTAINER
        .command_in(scenario.path(), scenario::PROGRAM)
        .args(["validate", "-c", "with.toml", "--json", "team.tar"])
        .output()
        .unwrap();
    let found: Value = serde_json::from_slice(&validated.stdout).unwrap();
    let checks = found["checks"].as_array().unwrap();
    let seen = |name: &str| {
        let check = checks.iter().find(|check| check["name"] == name);
        check.unwrap_or_else(|| panic!("no {name}: {found}"))["seen"].to_string()
    };
    assert_eq!(found["verdict"], "warning", "{found}"); // the archive's name is another than the rule's
    assert!(seen("backend").contains("real root"), "{found}");
    assert!(seen("predict.sh").contains("/workspace"), "{found}");
    assert!(seen("architecture").len() > 2, "{found}");
}
