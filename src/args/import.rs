//! The options of `import`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
#[command(after_help = IMPORT)]
pub(crate) struct ImportOptions {
    /// The folder with the images, .nii or .nii.gz
    #[arg(short, long, value_name = "DIR")]
    pub(crate) images: PathBuf,
    /// The folder with the label images: CASE.nii.gz for an image CASE.nii.gz or, as nnU-Net names
    /// them, CASE_0000.nii.gz
    #[arg(short, long, value_name = "DIR")]
    pub(crate) labels: PathBuf,
    /// The folder for the data set: imgs/, gts/ and groups.csv; what is there already stays
    #[arg(short, long, value_name = "DATA")]
    pub(crate) output: PathBuf,
    /// Which of nnU-Net's channels is the image
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) channel: u16,
    /// Brighten LEVEL ± WIDTH/2 to 0…255, for every image [default: 40,400 for CT, --percentiles
    /// for others; CT is what dataset.json calls so, or what is named CT_…]
    #[arg(long, value_name = "LEVEL,WIDTH", num_args = 0..=1, default_missing_value = "40,400",
          allow_hyphen_values = true, conflicts_with = "percentiles")]
    pub(crate) window: Option<Window>,
    /// Brighten the 0.5th to the 99.5th percentile of what is above 0 to 0…255, for every image
    #[arg(long)]
    pub(crate) percentiles: bool,
    /// The order of `spacing` in the files: zyx is the arrays' own and what scores are right with;
    /// the public converters of the challenge's data write xyz
    #[arg(long, value_name = "ORDER", value_enum, default_value_t = SpacingOrder::Zyx)]
    pub(crate) spacing_order: SpacingOrder,
    /// Widen each box by 0 to N pixels, for a side of 256, drawn by lot; the challenge's own: 5
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) box_jitter: u32,
    /// The seed of these lots
    #[arg(long, value_name = "N", default_value_t = 42)]
    pub(crate) seed: u64,
    /// A label that no box is given for, such as vessels: a case that has it begins with clicks;
    /// may be given more than once
    #[arg(long, value_name = "LABEL", allow_hyphen_values = true)]
    pub(crate) no_box: Vec<i64>,
    /// Make background of each connected piece of a label with fewer voxels
    #[arg(long, value_name = "VOXELS", default_value_t = 0)]
    pub(crate) drop_smaller_than: u64,
    /// The group of all these cases [default: the name up to its first `_`]
    #[arg(long, value_name = "NAME")]
    pub(crate) group: Option<String>,
    /// Cases side by side; each needs the memory of its image and labels [default: as many as
    /// there are cores]
    #[arg(short, long, value_name = "N")]
    pub(crate) jobs: Option<usize>,
    /// Show no progress, only what is left out or fails
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

const IMPORT: &str = "\
Examples:
  segarena import -i imagesTr -l labelsTr -o data
  segarena import -i ct -l ct-labels -o data --window 40,400 --group CT
  segarena import -i mr -l vessels -o data --no-box 1 --drop-smaller-than 100
  segarena evaluate -i data/imgs -g data/gts -d archives -o results

Arrays are (z, y, x), as they are stored: nothing is turned or resampled. `affine`
in an image file is where its voxels lie, for voxels (x, y, z), as nibabel has it.
An image and its labels must be on one grid. The same command goes on where an
earlier one stopped; another folder can be imported into the same DATA.

Exit status: 0 all was imported; 1 it could not be done; 2 wrong usage; 3 some case
could not be imported, which is said.";

/// The order in which a file says how large a voxel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SpacingOrder {
    Zyx,
    Xyz,
}

/// The intensities that are told apart, those of a CT window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Window {
    pub(crate) level: f64,
    pub(crate) width: f64,
}

impl Window {
    /// The window for soft tissue, the challenge's for CT.
    pub(crate) const SOFT_TISSUE: Self = Self {
        level: 40.0,
        width: 400.0,
    };
}

impl FromStr for Window {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| text.trim().parse().ok().filter(|n: &f64| n.is_finite());
        let parts = text.split_once(',').and_then(|(level, width)| {
            Some(Self {
                level: number(level)?,
                width: number(width)?,
            })
        });
        match parts {
            Some(window) if window.width > 0.0 => Ok(window),
            _ => Err("it must be LEVEL,WIDTH: two numbers, the second above 0, such as 40,400"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_two_numbers() {
        let window = "-600, 1500.5".parse::<Window>().unwrap();
        assert_eq!((window.level, window.width), (-600.0, 1500.5));
        for wrong in ["", "40", "40,0", "40,-1", "a,b", "nan,1", "1,inf", "1,2,3"] {
            assert!(wrong.parse::<Window>().is_err(), "{wrong}");
        }
    }
}
