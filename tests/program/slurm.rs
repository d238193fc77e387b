//! What `slurm`, `init` and `doctor` do beside a scheduler that runs whatever it is given at once.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use segarena::{Registry, check_configuration};
use serde_json::{Value, json};

use crate::scenario::{PROGRAM, ProgramOutput, Scenario};

/// `sbatch`: notes its arguments, runs the script for each number of its array, and prints a
/// number; `sbatch --version` says which Slurm it would be.
const SBATCH: &str = r#"#!/bin/sh
[ "$1" != --version ] || { echo "slurm 22.05.8"; exit; }
here=$(dirname "$0")
echo "$@" >> "$here/asked"
for script; do :; done
echo x >> "$here/jobs"
job=$(wc -l < "$here/jobs")
array=$(sed -n 's/^#SBATCH --array=\([0-9-]*\).*/\1/p' "$script")
for task in $(seq "${array%-*}" "${array#*-}" 2>/dev/null || echo 0); do
  SLURM_JOB_ID=$job SLURM_ARRAY_TASK_ID=$task bash "$script" >> "$here/said" 2>&1
done
echo "$job"
"#;

/// `squeue`, asked for the time that a job has and has left.
const SQUEUE: &str = "#!/bin/sh\necho '4:00:00|3:59:00'\n";

/// A folder with the scheduler's programs and segarena itself, to go before all others on PATH.
fn programs(folder: &Path) -> PathBuf {
    let programs = folder.join("bin");
    fs::create_dir(&programs).unwrap();
    for (name, script) in [("sbatch", SBATCH), ("squeue", SQUEUE)] {
        let program = programs.join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(PROGRAM, programs.join("segarena")).unwrap();
    programs
}

/// A command of the shell with these programs, outside of any job.
fn shell(line: &str, scenario: &Scenario, programs: &Path) -> Command {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(scenario.path());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SLURM_")) {
        command.env_remove(name);
    }
    command
        .env("PATH", format!("{}:{path}", programs.display()))
        .env("TMPDIR", scenario.path())
        .env("DOCKER_HOST", "unix:///nowhere")
        .env("CONTAINER_HOST", "unix:///nowhere")
        .env("CUDA_VISIBLE_DEVICES", "0");
    command
}

/// The blocks of the page in this language.
fn blocks(language: &str) -> Vec<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/slurm.md");
    let page = fs::read_to_string(page).unwrap();
    let fence = format!("```{language}\n");
    let rest = page.split(fence.as_str()).skip(1);
    rest.map(|rest| rest.split("```").next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_command_of_the_page_on_slurm_runs_as_it_stands() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .stand_in("team");
    let programs = programs(scenario.path());
    scenario.command();
    let own = fs::read_to_string(scenario.path().join("config.toml")).unwrap();
    let own = own.replace("[output]\ndir = \"out\"\n", "[protocol]\nclicks = 1\n");
    let config = format!("{own}\n{}", blocks("toml").join("\n"));
    let file = scenario.path().join("segarena.toml");
    fs::write(&file, &config).unwrap();
    assert!(
        check_configuration(&Registry::built_in(), &file).is_ok(),
        "{config}"
    );
    let mut commands = 0;
    for block in blocks("sh") {
        for line in block.lines().filter(|line| !line.trim().is_empty()) {
            let output = ProgramOutput::of(shell(line, &scenario, &programs).output().unwrap());
            let said = fs::read_to_string(programs.join("said")).unwrap_or_default();
            assert_eq!(output.status, 0, "{line}\n{}\n{said}", output.stderr);
            commands += 1;
        }
    }
    assert!(commands >= 7, "{commands} commands");
    // One sbatch for each of the three jobs, none for what was only looked at, none when nothing
    // is missing any more.
    let asked = fs::read_to_string(programs.join("asked")).unwrap();
    let asked: Vec<&str> = asked.lines().collect();
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[1].contains("--dependency=afterok:1"), "{asked:?}");
    assert!(asked[2].contains("--dependency=afterany:2"), "{asked:?}");
}

#[test]
fn where_there_is_a_scheduler_init_offers_its_table_and_doctor_says_which_it_is() {
    let scenario = Scenario::new().case("phantom_perfect");
    let programs = programs(scenario.path());
    let run = |line: &str| shell(line, &scenario, &programs);
    let line = "segarena init && grep -A1 '^\\[slurm\\]' segarena.toml";
    ProgramOutput::of(run(line).output().unwrap())
        .ends_with(0)
        .prints(&["slurm 22.05.8", "[slurm]\n"]);
    let line = "segarena doctor --backend process";
    ProgramOutput::of(run(line).output().unwrap())
        .ends_with(0)
        .prints(&["slurm: slurm 22.05.8, outside any job"]);
    let variables = [
        ("SLURM_JOB_ID", "12"),
        ("SLURM_ARRAY_JOB_ID", "11"),
        ("SLURM_ARRAY_TASK_ID", "3"),
        ("SLURMD_NODENAME", "n1"),
        ("SLURM_JOB_PARTITION", "gpu"),
        ("SLURM_CPUS_ON_NODE", "8"),
        ("SLURM_MEM_PER_NODE", "40960"),
    ];
    let inside = |line: &str| run(line).envs(variables).output().unwrap();
    ProgramOutput::of(inside(line)).ends_with(0).prints(&[
        "inside job 12 (task 3 of array 11) on n1, partition gpu",
        "8 processors, 40.0 GiB of memory, 4h of time (3h 59m left), graphics cards 0",
    ]);
    let told = ProgramOutput::of(inside(&format!("{line} --json"))).ends_with(0);
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told[0]["kind"], "process");
    let slurm = &told[1];
    assert_eq!(slurm["kind"], "slurm");
    assert_eq!(slurm["status"]["version"], "slurm 22.05.8");
    let job = &slurm["job"];
    assert_eq!(job["processors"], 8);
    assert_eq!(job["memory_bytes"], 40_u64 << 30);
    assert_eq!(job["time_limit_seconds"], 4 * 60 * 60);
    assert_eq!(job["graphics_cards"], json!(["0"]));
}
