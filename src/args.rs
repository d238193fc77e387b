//! The command line: its words, and the official script's spellings of them.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Evaluates interactive 3-D medical image segmentation submissions.
#[derive(Debug, Parser)]
#[command(name = "segarena", version, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Evaluate submissions on a data set
    Evaluate(EvaluateOptions),
    /// Make a small data set and evaluate the built-in baseline on it
    Demo(DemoOptions),
    /// Score one prediction: DSC and NSD
    Score(ScoreOptions),
    /// Place the next click of each label
    Click(ClickOptions),
    /// The demo's submission: reads $INPUTS, writes $OUTPUTS
    #[command(hide = true)]
    Baseline,
}

#[derive(Debug, Default, Args)]
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
    /// What runs the submissions: docker, podman, process
    #[arg(short, long, value_name = "KIND")]
    pub(crate) backend: Option<String>,
    /// Only this case; may be given more than once
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,
    /// Only the first N cases
    #[arg(long, value_name = "N")]
    pub(crate) first: Option<usize>,
    /// Interactions with clicks [default: 5]
    #[arg(long, value_name = "N")]
    pub(crate) clicks: Option<usize>,
    /// Cases side by side; disturbs running times when not 1 [default: 1]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Threads for placing clicks and scoring [default: as many as there are cores]
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Discard what an earlier run left in the output folder instead of going on from it
    #[arg(long)]
    pub(crate) restart: bool,
    /// Show each click and score as it comes
    #[arg(short, long)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    /// The folder for the data set and the results
    #[arg(short, long, value_name = "DIR", default_value = "segarena-demo")]
    pub(crate) output: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ScoreOptions {
    /// The labels: member `gts`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) ground_truth: PathBuf,
    /// The prediction: member `segs`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) prediction: PathBuf,
    /// The image: member `spacing`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) image: PathBuf,
    /// The tolerance of the NSD in millimetres
    #[arg(long, value_name = "MM", default_value_t = 2.0)]
    pub(crate) tolerance: f64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ClickOptions {
    /// The labels: member `gts`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) ground_truth: PathBuf,
    /// The prediction: member `segs` [default: background everywhere]
    #[arg(short, long, value_name = "FILE")]
    pub(crate) prediction: Option<PathBuf>,
    /// The policy that places the clicks
    #[arg(long, value_name = "NAME", default_value = "challenge")]
    pub(crate) policy: String,
    /// The seed of a policy that draws lots
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Rewrites the one spelling of the official script that is no ordinary flag: `-val_gts DIR`, a
/// long name behind a single dash.
pub(crate) fn official_spellings(
    arguments: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    arguments
        .into_iter()
        .map(|argument| match argument.to_str() {
            Some("-val_gts") => OsString::from("--ground-truth"),
            Some(text) => match text.strip_prefix("-val_gts=") {
                Some(value) => OsString::from(format!("--ground-truth={value}")),
                None => argument,
            },
            None => argument,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(words: &[&str]) -> EvaluateOptions {
        let words = words.iter().map(OsString::from);
        match Arguments::try_parse_from(official_spellings(words))
            .unwrap()
            .command
        {
            Command::Evaluate(options) => options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_that_ran_the_official_script_is_understood() {
        for ground_truth in [["-val_gts", "g"], ["--validation_gts_path", "g"]] {
            for folder in ["--docker_folder", "--docker_folder_path", "-d"] {
                let line = [
                    &["segarena", "evaluate", folder, "d", "--test_img_path", "i"][..],
                    &["--save_path", "o", "--verbose"],
                    &ground_truth,
                ]
                .concat();
                let options = evaluate(&line);
                assert_eq!(options.submissions, Some("d".into()));
                assert_eq!(options.images, Some("i".into()));
                assert_eq!(options.output, Some("o".into()));
                assert_eq!(options.ground_truth, Some("g".into()));
                assert!(options.verbose);
            }
        }
        assert_eq!(
            evaluate(&["s", "evaluate", "-val_gts=g"]).ground_truth,
            Some("g".into())
        );
    }

    #[test]
    fn cases_can_be_named_one_by_one() {
        let options = evaluate(&["s", "evaluate", "--case", "a", "--case", "b.npz", "-j", "2"]);
        assert_eq!(
            (options.cases, options.jobs),
            (vec!["a".into(), "b.npz".into()], Some(2))
        );
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
