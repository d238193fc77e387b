//! The options of the commands that run submissions on cases.

use std::path::PathBuf;

use clap::Args;
use segarena_core::backend::Lifetime;
use segarena_core::run::Shard;

use super::BuiltInTrack;
use crate::jobs::Jobs;

#[derive(Debug, Default, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EvaluateOptions {
    /// The configuration; flags override it
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The folder with the cases
    #[arg(short, long, alias = "test_img_path", value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// The folder with the labels [default: `gts` inside each image]
    #[arg(short, long, alias = "validation_gts_path", value_name = "DIR")]
    pub(crate) ground_truth: Option<PathBuf>,
    /// The folder for the results
    #[arg(short, long, alias = "save_path", value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// A folder of archives, each a submission
    #[arg(short = 'd', long, aliases = ["docker_folder", "docker_folder_path"], value_name = "DIR")]
    pub(crate) submissions: Option<PathBuf>,
    /// What runs the submissions: docker, podman, apptainer, process
    #[arg(short, long, value_name = "KIND")]
    pub(crate) backend: Option<String>,
    /// How long a submission that was started lives: interaction, as in the challenge; case or run,
    /// kept warm [default: interaction]
    #[arg(long, value_name = "SCOPE", value_parser = lifetime)]
    pub(crate) lifetime: Option<Lifetime>,
    /// Only this case; may be given more than once
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,
    /// Only the first N cases
    #[arg(long, value_name = "N")]
    pub(crate) first: Option<usize>,
    /// The track: what is asked of a submission [default: cvpr25-interactive]
    #[arg(long, value_name = "NAME")]
    pub(crate) track: Option<String>,
    /// Interactions with clicks [default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) clicks: Option<usize>,
    /// Cases side by side, or `gpus`: one on each graphics card of this machine or job; disturbs
    /// running times when not 1 [default: 1]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<Jobs>,
    /// Threads for placing clicks and scoring [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Discard what an earlier run left in the output folder instead of going on from it
    #[arg(long, conflicts_with = "shard")]
    pub(crate) restart: bool,
    /// Only this share of all pairs of submission and case, I from 0 to N-1, into the same output
    /// folder as the others; `gather` puts them together
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Only check the data set and, for Apptainer, convert the archives, once for all shards to
    /// come
    #[arg(long, conflicts_with_all = ["shard", "restart"])]
    pub(crate) prepare: bool,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
}

/// A lifetime by its name.
pub(crate) fn lifetime(name: &str) -> Result<Lifetime, String> {
    let known = Lifetime::ALL.into_iter().find(|known| known.name() == name);
    known.ok_or_else(|| {
        let names = Lifetime::ALL.map(Lifetime::name).join(", ");
        format!("there is no lifetime `{name}`; there are {names}")
    })
}

/// What is told while a run is under way, and to whom.
#[derive(Debug, Default, Clone, Args)]
pub(crate) struct ProgressOptions {
    /// Show each click and score as it comes
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// Show no progress, only what failed and the ranking at the end
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Write what happens as lines of JSON; `-`: to standard output, the ranking then to standard
    /// error. A file that is there already is added to. See segarena evaluate --help
    #[arg(long, value_name = "FILE")]
    pub(crate) events: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  segarena evaluate -c segarena.toml
  segarena evaluate -d archives -i data/imgs -g data/gts -o results
  segarena evaluate -c segarena.toml --first 2 --clicks 1    a quick look
  segarena evaluate -c segarena.toml --events - | jq .event

The official script's line runs as it is:
  segarena evaluate --docker_folder D --test_img_path I -val_gts G --save_path O

The same command goes on where an earlier run stopped.

Many machines, one shared folder, any scheduler:
  segarena evaluate -c segarena.toml --shard 0/40            and 1/40, 2/40 …, anywhere
  segarena gather results

Events: a line each, an object with `schema` (1), `at` (UTC) and `event`:
  case_checked          case, done, total
  caution               backend, text
  run_started           run_id, submissions, cases, interactions, jobs
  submission_preparing  submission
  preparation_progress  submission, what, done, total (bytes)
  note                  subject, text
  submission_started    submission, facts, finished_before, and the mean final
                        scores of those: dsc_before, nsd_before,
                        means_before (name, mean, cases)
  case_started          submission, case
  interaction_running   submission, case, index
  interaction_scoring   submission, case, index
  interaction_finished  submission, case, record (as in CASE.json)
  case_finished         submission, record (all of CASE.json)
  engine_retry          error, attempt, after_seconds
  submission_failed     submission, error
  submission_finished   submission
  stopping
  run_finished          interrupted
A reader skips events and fields that it does not know.

Exit status: 0 all was evaluated; 1 it could not be done, or not to the end;
2 wrong usage; 3 done, but some submission or case failed; 75 a shard was told to
stop (SIGTERM, Ctrl-C) and the same command goes on with it.";

#[derive(Debug, Args)]
#[command(after_help = "\
Three jobs are submitted: one checks the data set, an array does the shards, one gathers when all of
them have ended. [slurm] in the configuration says how many shards there are and what sbatch is told.
The same command again submits only the shards that have something left to do.

Exit status: 0 submitted, or nothing is missing; 1 it could not be done; 2 wrong usage.")]
pub(crate) struct SlurmOptions {
    /// The configuration, with a table [slurm]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: PathBuf,
    /// Write the scripts into `slurm/` of the output folder and submit nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// The folder for the data set and the results [default: segarena-demo, or
    /// segarena-text-demo]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// The track that is shown
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub(crate) track: BuiltInTrack,
    #[command(flatten)]
    pub(crate) progress: ProgressOptions,
}
