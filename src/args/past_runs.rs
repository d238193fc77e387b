//! The options of the commands that look at past runs.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = "\
Ranks and groups are those of the evaluation's configuration, unless --config names another one.
A run that is still going on has a report of what was done so far.

Exported are every figure as SVG and PDF, every table as CSV and LaTeX, summary.json, and
challengeR.csv, the long table that the R package of that name reads.

Exit status: 0 the report was made; 1 it could not be; 2 wrong usage.")]
pub(crate) struct ReportOptions {
    /// The output folder of an evaluation
    #[arg(value_name = "OUT")]
    pub(crate) results: PathBuf,
    /// Write every figure and table into this folder as well, and link to them
    #[arg(long, value_name = "DIR")]
    pub(crate) export: Option<PathBuf>,
    /// Rank by the [ranking] and the groups of this configuration
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Make the report again whenever cases have ended, until the run, or every shard, is over
    #[arg(long)]
    pub(crate) watch: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
What is missing is told with its reason and the log of its shard. Running it while shards run is
harmless: they are neither waited for nor disturbed.

Exit status: 0 all is there; 1 nothing could be gathered; 2 wrong usage; 3 something is
missing, or some submission or case failed.")]
pub(crate) struct GatherOptions {
    /// The output folder that the shards share
    #[arg(value_name = "OUT")]
    pub(crate) results: PathBuf,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Said first is whether the runs may be compared: their scores, and their running times.
Every run is held beside the first one: submissions of one name, else the only ones of both.
Differences are second less first, over the cases that both have.

Exit status: 0 they were compared, whatever came of it; 1 a run could not be read;
2 wrong usage, or no submission is in both.")]
pub(crate) struct CompareOptions {
    /// The output folder of an evaluation
    #[arg(value_name = "OUT_A")]
    pub(crate) first: PathBuf,
    /// The output folders of others
    #[arg(value_name = "OUT_B", required = true)]
    pub(crate) others: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 scores and table are the same again and no file was changed; 1 the
run could not be read; 2 wrong usage; 3 something differs, which is said.")]
pub(crate) struct RescoreOptions {
    /// The output folder of an evaluation
    #[arg(value_name = "OUT")]
    pub(crate) results: PathBuf,
    /// Where the cases are now [default: where they were]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Where the labels are now [default: where they were]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) ground_truth: Option<PathBuf>,
    /// Write the tables of today into this folder
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segarena replay results team case_7 3            makes the folders and prints the command
  segarena replay results team case_7 3 --run      and runs it in this terminal: a debugger's prompt
                                                   works

Exit status: 0 done, and what was run ended well; 1 it could not be done; 2 wrong usage; 3 what was
run did not end well.")]
pub(crate) struct ReplayOptions {
    /// The output folder of an evaluation
    #[arg(value_name = "OUT")]
    pub(crate) results: PathBuf,
    /// The submission
    #[arg(value_name = "TEAM")]
    pub(crate) team: String,
    /// The case, with or without `.npz`
    #[arg(value_name = "CASE")]
    pub(crate) case: String,
    /// The interaction, from 1
    #[arg(value_name = "N")]
    pub(crate) interaction: usize,
    /// The configuration that the submission ran with [default: segarena.toml, where there is one]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Run the command, attached to this terminal
    #[arg(long)]
    pub(crate) run: bool,
    /// Where the cases are now [default: where they were]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// The folder to make; what is in it is removed [default: OUT/TEAM/replay/CASE.N]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}
