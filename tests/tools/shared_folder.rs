//! What shards do to the folder that they share, as the kernel is asked for it: nothing that a file
//! server does badly. Each shard has a host of its own, with its own name and its own view of the
//! folder, in which for a while others' new files are not there and their old ones still are.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use segarena_harness::Requirement;
use tempfile::TempDir;

use crate::reproducible::results;
use crate::scenario::{PROGRAM, ProgramOutput, Scenario};

/// What makes hosts of one machine and tells what their programs ask the kernel for.
pub static HOSTS: Requirement = Requirement::new("hosts", || {
    let tried = Command::new("unshare")
        .args(["--mount", "--uts", "sh", "-c"])
        .arg("hostname test && bindfs --version && strace -f --seccomp-bpf true")
        .output();
    match tried {
        Ok(tried) if tried.status.success() => Ok(()),
        Ok(tried) => Err(format!(
            "needs root, bindfs and strace (tests/engines/setup.sh): {}",
            String::from_utf8_lossy(&tried.stderr).trim()
        )),
        Err(error) => Err(error.to_string()),
    }
});

/// Calls that lock, make, change, replace or remove a file.
const CALLS: &str = "flock,fcntl,open,openat,openat2,creat,truncate,ftruncate,rename,renameat,\
                     renameat2,link,linkat,unlink,unlinkat,rmdir";

/// A folder that hosts share, and where each of them sees it.
struct Shared {
    scenario: Scenario,
    seen: TempDir,
    logs: TempDir,
}

impl Shared {
    fn new() -> Self {
        let scenario = Scenario::new()
            .case("phantom_perfect")
            .case("micro_tiny_objects")
            .case_as("micro_tiny_objects", "micro_again")
            .table("[protocol]\nclicks = 1")
            .script("a", "stand_in")
            .script("b", "stand_in");
        scenario.command();
        Self {
            scenario,
            seen: tempfile::tempdir().unwrap(),
            logs: tempfile::tempdir().unwrap(),
        }
    }

    /// Starts the program on a host, where all calls are noted.
    fn start(&self, host: &str, arguments: &[&str]) -> Child {
        self.start_with(
            host,
            &["--seccomp-bpf", &format!("--trace={CALLS}")],
            arguments,
        )
    }

    fn start_with(&self, host: &str, tracing: &[&str], arguments: &[&str]) -> Child {
        // Names, there or not, are taken for what they were for three seconds; what is in a file,
        // once it was opened, is not, as file servers keep that promise.
        let script = "set -e; hostname \"$1\"; \
             bindfs -o entry_timeout=3,negative_timeout=3,attr_timeout=0 \"$2\" \"$3\"; cd \"$3\"; \
             log=$4; shift 4; set +e; strace -ff -qq -y -o \"$log\" \"$@\"; ended=$?; \
             cd /; umount \"$OLDPWD\"; exit $ended";
        Command::new("unshare")
            .args([
                "--mount",
                "--uts",
                "--propagation=private",
                "sh",
                "-c",
                script,
                "sh",
                host,
            ])
            .args([
                self.scenario.path(),
                self.seen.path(),
                &self.logs.path().join(host),
            ])
            .args(tracing)
            .arg(PROGRAM)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn run(&self, host: &str, arguments: &[&str]) -> ProgramOutput {
        ProgramOutput::of(self.start(host, arguments).wait_with_output().unwrap())
    }

    fn shard(&self, host: &str, share: &str) -> Child {
        let arguments = [
            "evaluate",
            "--config",
            "config.toml",
            "--quiet",
            "--shard",
            share,
        ];
        self.start(host, &arguments)
    }

    /// What each host has done below the output folder.
    fn done(&self) -> BTreeMap<String, Done> {
        let mut done: BTreeMap<String, Done> = BTreeMap::new();
        let below = self.seen.path().join("out");
        for entry in fs::read_dir(self.logs.path()).unwrap() {
            let path = entry.unwrap().path();
            let host = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let calls = fs::read_to_string(path).unwrap();
            let done = done.entry(host).or_default();
            for line in calls.lines() {
                done.note(line, self.seen.path(), &below);
            }
        }
        done
    }
}

/// The places below the output folder that a host did something to.
#[derive(Default)]
struct Done {
    locked: BTreeSet<PathBuf>,
    opened: BTreeSet<PathBuf>,
    written: BTreeSet<PathBuf>,
    removed: BTreeSet<PathBuf>,
    replaced: BTreeSet<PathBuf>,
}

impl Done {
    /// A line of strace's: `openat(AT_FDCWD</seen>, "out/x", O_RDONLY|O_CLOEXEC) = 3</seen/out/x>`.
    fn note(&mut self, line: &str, folder: &Path, below: &Path) {
        let Some((call, rest)) = line.split_once('(') else {
            return;
        };
        let Some((arguments, result)) = rest.rsplit_once(" = ") else {
            return;
        };
        if result.starts_with('-') && !["flock", "fcntl"].contains(&call) {
            return;
        }
        let places = places(arguments, folder);
        let places: Vec<&PathBuf> = places
            .iter()
            .filter(|place| place.starts_with(below))
            .collect();
        let Some(&last) = places.last() else { return };
        let is_lock = call == "flock" || call == "fcntl" && arguments.contains("LK");
        let to = match call {
            _ if is_lock => &mut self.locked,
            "fcntl" => return,
            "rename" | "renameat" | "renameat2" | "link" | "linkat" => {
                self.removed.insert(places[0].clone());
                // What is renamed to a new name is in nobody's place.
                if self.written.insert(last.clone()) {
                    return;
                }
                &mut self.replaced
            }
            "unlink" | "unlinkat" | "rmdir" => &mut self.removed,
            "truncate" | "ftruncate" | "creat" => &mut self.written,
            _ => {
                if ["O_WRONLY", "O_RDWR", "O_CREAT"]
                    .iter()
                    .any(|flag| arguments.contains(flag))
                {
                    self.written.insert(last.clone());
                }
                &mut self.opened
            }
        };
        to.insert(last.clone());
    }
}

/// The places that arguments name: texts in quotes, each at the descriptor before it, or
/// descriptors alone.
fn places(arguments: &str, folder: &Path) -> Vec<PathBuf> {
    let mut places = Vec::new();
    let mut at = folder.to_owned();
    let mut rest = arguments;
    while let Some(start) = rest.find(['<', '"']) {
        let (closing, is_text) = match &rest[start..=start] {
            "<" => ('>', false),
            _ => ('"', true),
        };
        let (word, after) = rest[start + 1..]
            .split_once(closing)
            .unwrap_or((&rest[start + 1..], ""));
        match is_text {
            true => places.push(at.join(word)),
            false => at = PathBuf::from(word),
        }
        rest = after;
    }
    if places.is_empty() {
        places.push(at);
    }
    places
}

/// Whether a shard replaces it only by a newer one of its own, whole each time, for others to read.
fn is_word_of_a_shard(place: &Path) -> bool {
    place.ends_with("shard.json")
}

pub(crate) fn shards_on_hosts_that_see_each_other_late_neither_lock_nor_touch_what_is_another_s() {
    let shared = Shared::new();
    let undisturbed = Shared::new();
    undisturbed.scenario.evaluate().ends_with(0);
    shared
        .run(
            "prepares",
            &["evaluate", "--config", "config.toml", "--prepare"],
        )
        .ends_with(0);
    // By mistake two hosts have one shard.
    let shards = [
        ("one", "0/3"),
        ("two", "1/3"),
        ("twin", "1/3"),
        ("three", "2/3"),
    ];
    let running = shards.map(|(host, share)| shared.shard(host, share));
    for (number, shard) in running.into_iter().enumerate() {
        if number == 1 {
            let early = shared.run("gathers", &["gather", "out"]);
            assert!(matches!(early.status, 0 | 1 | 3), "{}", early.stderr);
        }
        ProgramOutput::of(shard.wait_with_output().unwrap()).ends_with(0);
    }
    shared.run("gathers", &["gather", "out"]).ends_with(0);
    let found = results(&shared.scenario);
    let expected = results(&undisturbed.scenario);
    for (name, bytes) in &expected {
        // Each scenario's folder has another name.
        if !name.ends_with("run.json") {
            assert_eq!(found.get(name), Some(bytes), "{name}");
        }
    }

    let done = shared.done();
    assert!(
        done["one"]
            .written
            .iter()
            .any(|place| is_word_of_a_shard(place))
    );
    assert!(
        done["gathers"]
            .opened
            .iter()
            .any(|place| is_word_of_a_shard(place))
    );
    for (host, own) in &done {
        assert_eq!(own.locked, BTreeSet::new(), "{host} locks");
        let others = done.iter().filter(|(other, _)| *other != host);
        for (other, theirs) in others {
            let both = |a: &BTreeSet<PathBuf>, b: &BTreeSet<PathBuf>| -> Vec<PathBuf> {
                let both = a.intersection(b).filter(|place| !is_word_of_a_shard(place));
                both.cloned().collect()
            };
            let nothing: [PathBuf; 0] = [];
            let what = format!("{host} and {other}");
            assert_eq!(
                both(&own.removed, &theirs.opened),
                nothing,
                "{what}: removed and open"
            );
            let are_twins = [host, other]
                .iter()
                .all(|host| ["two", "twin"].contains(&host.as_str()));
            if !are_twins {
                assert_eq!(
                    both(&own.replaced, &theirs.opened),
                    nothing,
                    "{what}: replaced and open"
                );
                assert_eq!(
                    both(&own.written, &theirs.written),
                    nothing,
                    "{what}: written by both"
                );
            }
        }
    }
}

pub(crate) fn a_word_of_a_shard_that_is_replaced_while_it_is_read_is_read_again() {
    let shared = Shared::new();
    for share in ["0/2", "1/2"] {
        let shard = shared.shard("one", share).wait_with_output().unwrap();
        ProgramOutput::of(shard).ends_with(0);
    }
    // A file server that has forgotten the file says so.
    let word = shared
        .seen
        .path()
        .join("out/.segarena/shards/0-of-2/shard.json");
    let tracing = [
        "-P",
        word.to_str().unwrap(),
        "--trace=read",
        "--inject=read:error=ESTALE:when=1",
    ];
    let gathered = shared.start_with("gathers", &tracing, &["gather", "out"]);
    ProgramOutput::of(gathered.wait_with_output().unwrap()).ends_with(0);
    let noted = fs::read_dir(shared.logs.path()).unwrap();
    let noted = noted.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    assert!(noted.collect::<String>().contains("ESTALE"));
}
