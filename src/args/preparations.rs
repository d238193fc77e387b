//! The options of the commands for what comes before an evaluation.

use std::path::PathBuf;

use clap::Args;
use segarena_core::backend::Lifetime;

use super::BuiltInTrack;
use super::evaluate::lifetime;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segarena doctor                   every backend
  segarena doctor -b podman         one
  segarena doctor -c segarena.toml  the one of a configuration, with its options")]
pub(crate) struct DoctorOptions {
    /// The configuration whose backend is examined
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only this kind: docker, podman, apptainer, singularity, process [default: all]
    #[arg(short, long, value_name = "KIND")]
    pub(crate) backend: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = VALIDATE)]
pub(crate) struct ValidateOptions {
    /// The saved image, `team.tar.gz`; `team.sif`, for Apptainer; or a folder with a predict.sh, run
    /// without a container
    #[arg(value_name = "ARCHIVE", conflicts_with = "image")]
    pub(crate) archive: Option<PathBuf>,
    /// What is run [default: the challenge's line in a container, predict.sh in a folder]
    #[arg(last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
    /// An image that the engine has already, in the place of an archive
    #[arg(long, value_name = "NAME")]
    pub(crate) image: Option<String>,
    /// Where a plain command runs [default: here]
    #[arg(long, value_name = "DIR")]
    pub(crate) workdir: Option<PathBuf>,
    /// What runs it: docker, podman, apptainer, process [default: the first of these that can run
    /// it here; process for a plain command]
    #[arg(short, long, value_name = "KIND")]
    pub(crate) backend: Option<String>,
    /// The configuration whose [backend] section is used
    #[arg(short, long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The track that it is for
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub(crate) track: BuiltInTrack,
    /// Try it kept warm for a case or for the run as well, and compare with what it predicts when
    /// it is started anew for each interaction
    #[arg(long, value_name = "SCOPE", value_parser = lifetime)]
    pub(crate) lifetime: Option<Lifetime>,
    /// Kill an interaction after so long [default: the time limit of the whole case]
    #[arg(long, value_name = "SECONDS")]
    pub(crate) timeout: Option<f64>,
    /// Keep the cases, inputs, outputs and logs in this folder, which must be new or empty
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

const VALIDATE: &str = "\
Examples:
  segarena validate team.tar.gz
  segarena validate --image team:latest
  segarena validate my-model/                a folder with a predict.sh
  segarena validate --workdir my-model -- python3 predict.py
  segarena validate --track cvpr25-text team.tar.gz
  segarena validate --lifetime case my-model/   kept warm as well, and compared

A plain command finds its folders in $INPUTS and $OUTPUTS; {inputs}, {outputs}
and {case} in it are replaced.

Exit status: 0 nothing failed; 1 it could not be tried; 2 wrong usage;
3 something failed.";

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segarena init                     for this folder
  segarena init /data/challenge --force")]
pub(crate) struct InitOptions {
    /// The folder with the archives and the data set
    #[arg(value_name = "DIR", default_value = ".")]
    pub(crate) folder: PathBuf,
    /// Replace a segarena.toml that is there
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segarena completions bash > /etc/bash_completion.d/segarena
  segarena completions zsh > ~/.zfunc/_segarena
  segarena completions fish > ~/.config/fish/completions/segarena.fish")]
pub(crate) struct CompletionsOptions {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segarena man | man -l -
  segarena man evaluate | man -l -
  segarena man --output /usr/local/share/man/man1")]
pub(crate) struct ManOptions {
    /// The page of this command [default: of segarena itself]
    #[arg(value_name = "COMMAND")]
    pub(crate) command: Option<String>,
    /// Write all pages into this folder
    #[arg(short, long, value_name = "DIR", conflicts_with = "command")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  segarena new my-model
  segarena new my-model --track cvpr25-text
  segarena validate my-model        it works already")]
pub(crate) struct NewOptions {
    /// The folder to write it into; its name becomes the submission's
    #[arg(value_name = "DIR")]
    pub(crate) folder: PathBuf,
    /// The track that it is for
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub(crate) track: BuiltInTrack,
}
