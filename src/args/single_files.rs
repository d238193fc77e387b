//! The options of the commands for one file at a time.

use std::path::PathBuf;

use clap::Args;

use super::BuiltInTrack;

#[derive(Debug, Args)]
pub(crate) struct ScoreOptions {
    /// The labels: member `gts`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) ground_truth: PathBuf,
    /// The prediction: member `segs`
    #[arg(short, long, value_name = "FILE")]
    pub(crate) prediction: PathBuf,
    /// The image: member `spacing`, and `text_prompts` on the text track
    #[arg(
        short,
        long,
        value_name = "FILE",
        required_unless_present = "instances"
    )]
    pub(crate) image: Option<PathBuf>,
    /// The track by whose rules it is scored; cvpr25-text goes by the image's `text_prompts`
    #[arg(long, value_name = "NAME", value_enum, default_value_t)]
    pub(crate) track: BuiltInTrack,
    /// Score instances as the text track does, whatever `text_prompts` the image has
    #[arg(long)]
    pub(crate) instances: bool,
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
    /// How far a hand that shakes misses, in voxels
    #[arg(long, value_name = "VOXELS", default_value_t = 2.0)]
    pub(crate) sigma: f64,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}
