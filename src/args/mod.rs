//! The command line: its words, and the official script's spellings of them.

mod built_in_track;
mod evaluate;
mod export;
mod import;
mod past_runs;
mod preparations;
mod single_files;

use std::ffi::OsString;

use clap::{Parser, Subcommand};
use tracing_subscriber::filter::Targets;

use crate::doctor::probe::Attempt;

pub(crate) use built_in_track::BuiltInTrack;
pub(crate) use evaluate::{DemoOptions, EvaluateOptions, ProgressOptions, SlurmOptions};
pub(crate) use export::ExportOptions;
pub(crate) use import::{ImportOptions, SpacingOrder, Window};
pub(crate) use past_runs::{
    CompareOptions, GatherOptions, ReplayOptions, ReportOptions, RescoreOptions,
};
pub(crate) use preparations::{
    CompletionsOptions, DoctorOptions, InitOptions, ManOptions, NewOptions, ValidateOptions,
};
pub(crate) use single_files::{ClickOptions, ScoreOptions};

/// Evaluates interactive 3-D medical image segmentation submissions as the CVPR 2025 challenge
/// does, on Docker, Podman or a plain process.
#[derive(Debug, Parser)]
#[command(name = "segarena", version, max_term_width = 100, after_help = AFTER)]
pub(crate) struct Arguments {
    /// Tell on standard error what happens inside: a level (error, warn, info, debug, trace), or
    /// PART=LEVEL,…; the variable RUST_LOG does the same
    #[arg(long, global = true, value_name = "FILTER")]
    pub(crate) log: Option<Targets>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const AFTER: &str = "\
First steps:
  segarena demo                     see it work; needs nothing
  segarena new my-model             write a submission that works
  segarena validate team.tar.gz     try a submission before it is sent in
  segarena init                     write a configuration for this folder
  segarena evaluate -c segarena.toml

Exit status: 0 all was done; 1 it could not be done; 2 wrong usage;
3 some submission or case failed.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Evaluate submissions on a data set
    Evaluate(EvaluateOptions),
    /// Make a small data set and evaluate the built-in baseline on it
    Demo(DemoOptions),
    /// Try one submission on a small built-in case and say what to do about what fails
    Validate(ValidateOptions),
    /// Write a submission that works, to begin from
    New(NewOptions),
    /// Write a configuration for what is in a folder
    Init(InitOptions),
    /// Say what runs here, and which limits hold, by trying to break them
    Doctor(DoctorOptions),
    /// Evaluate on a Slurm cluster: check the data set, a shard per task, gather
    Slurm(SlurmOptions),
    /// Put together what the shards of a run have left, and say what is missing
    Gather(GatherOptions),
    /// Make the report of a past run anew
    Report(ReportOptions),
    /// Hold two runs beside each other, case by case
    Compare(CompareOptions),
    /// Score the saved predictions of a past run again; finds what was changed
    Rescore(RescoreOptions),
    /// Make the folders of one interaction of a past run again, and run it by hand
    Replay(ReplayOptions),
    /// Make a data set of a folder of NIfTI images and one of their labels
    Import(ImportOptions),
    /// Write the predictions of a past run as NIfTI files, for viewers
    Export(ExportOptions),
    /// Score one prediction: DSC and NSD
    Score(ScoreOptions),
    /// Place the next click of each label
    Click(ClickOptions),
    /// Print what a shell needs to complete segarena's commands
    Completions(CompletionsOptions),
    /// Print the manual page
    Man(ManOptions),
    /// The demo's submission: reads $INPUTS, writes $OUTPUTS
    #[command(hide = true)]
    Baseline,
    /// What `doctor` runs in a container
    #[command(hide = true)]
    Probe {
        #[command(subcommand)]
        attempt: Attempt,
    },
}

/// Rewrites the one spelling of the official script that is no ordinary flag: `-val_gts DIR`, a
/// long name behind a single dash. What comes after `--` is somebody else's.
pub(crate) fn official_spellings(
    arguments: impl IntoIterator<Item = OsString>,
) -> impl Iterator<Item = OsString> {
    let mut ours = true;
    arguments.into_iter().map(move |argument| {
        ours &= argument != "--";
        match argument.to_str() {
            Some("-val_gts") if ours => OsString::from("--ground-truth"),
            Some(text) if ours => match text.strip_prefix("-val_gts=") {
                Some(value) => OsString::from(format!("--ground-truth={value}")),
                None => argument,
            },
            _ => argument,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::Jobs;

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
                assert!(options.progress.verbose);
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
            (vec!["a".into(), "b.npz".into()], Some(Jobs::Count(2)))
        );
    }

    #[test]
    fn the_words_of_a_submissions_command_stay_as_they_are() {
        let line = ["s", "validate", "--", "predict", "-val_gts", "--json"].map(OsString::from);
        match Arguments::try_parse_from(official_spellings(line))
            .unwrap()
            .command
        {
            Command::Validate(options) => {
                assert_eq!(options.command, ["predict", "-val_gts", "--json"]);
                assert!(!options.json);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
