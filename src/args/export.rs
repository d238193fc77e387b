//! The options of `export`.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
#[command(after_help = EXPORT)]
pub(crate) struct ExportOptions {
    /// The output folder of an evaluation
    #[arg(value_name = "OUT")]
    pub(crate) results: PathBuf,
    /// Write NIfTI files into this folder: TEAM/CASE.nii.gz, TEAM/errors/CASE.nii.gz
    #[arg(long, value_name = "DIR")]
    pub(crate) nifti: PathBuf,
    /// The predictions of this interaction, 1 being the box [default: the last]
    #[arg(long, value_name = "N")]
    pub(crate) interaction: Option<usize>,
    /// Only this submission; may be given more than once
    #[arg(long = "submission", value_name = "NAME")]
    pub(crate) submissions: Vec<String>,
    /// Only this case; may be given more than once
    #[arg(long = "case", value_name = "NAME")]
    pub(crate) cases: Vec<String>,
    /// Where the cases are now [default: where they were]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) images: Option<PathBuf>,
    /// Where the labels are now [default: where they were]
    #[arg(short, long, value_name = "DIR")]
    pub(crate) ground_truth: Option<PathBuf>,
}

const EXPORT: &str = "\
Examples:
  segarena export results --nifti nifti
  segarena export results --nifti nifti --submission team --case CT_0001

Each file lies on its image as the image's `affine` says, which `segarena import`
keeps; without one it has only the size of its voxels. In errors/ a voxel is
  0  right
  1  missed: labelled, and predicted as background
  2  too much: background, and predicted as a label
  3  another label

Exit status: 0 all was written; 1 it could not be done; 2 wrong usage; 3 some case
could not be written, which is said.";
