//! From an image's intensities to a byte each, as the challenge's data were made.

use anyhow::{Context, bail};
use ndarray::Array3;
use segarena_core::nifti::NiftiVolume;

use super::ranks::percentiles;
use crate::args::Window;

/// The share of the foreground that is cut off at either end, in percent.
const CUT: f64 = 0.5;

/// Which intensities become 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Intensity {
    /// Those of a window.
    Window(Window),
    /// Those between two percentiles of what is above 0; 0 stays 0.
    Percentiles,
}

impl Intensity {
    /// In words, for people and for telling one import from another.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Window(Window { level, width }) => format!("window {level},{width}"),
            Self::Percentiles => format!("percentiles {CUT} to {}", 100.0 - CUT),
        }
    }

    /// The image in bytes: values are cut off at the bounds, and what then is the least and the
    /// greatest becomes 0 and 255, the rest in proportion, rounded down. A value that is no number
    /// becomes 0.
    ///
    /// # Errors
    /// When there is nothing to tell apart: no value above 0 for percentiles, or all are one.
    pub(crate) fn bytes(self, volume: &NiftiVolume) -> anyhow::Result<Array3<u8>> {
        let (lower, upper) = self.bounds(volume)?;
        let (mut least, mut greatest) = (f64::INFINITY, f64::NEG_INFINITY);
        volume.each_value(|value| {
            least = least.min(value);
            greatest = greatest.max(value);
        });
        if least > greatest {
            bail!("the image has no value that is a number");
        }
        let (low, high) = (least.clamp(lower, upper), greatest.clamp(lower, upper));
        if low == high {
            bail!(
                "the image is one value when it is cut off at {lower} to {upper} ({}); it has {least} \
                 to {greatest} (choose another --window, or --percentiles)",
                self.describe()
            );
        }
        let keeps_zero = self == Self::Percentiles;
        let mut bytes = Vec::with_capacity(volume.header().voxels());
        volume.each_value(|value| {
            // A cast of what is no number is 0.
            let shade = (value.clamp(lower, upper) - low) / (high - low) * 255.0;
            bytes.push(if keeps_zero && value == 0.0 {
                0
            } else {
                shade as u8
            });
        });
        Array3::from_shape_vec(volume.header().geometry.shape, bytes)
            .context("the image does not fill its shape")
    }

    fn bounds(self, volume: &NiftiVolume) -> anyhow::Result<(f64, f64)> {
        match self {
            Self::Window(Window { level, width }) => Ok((level - width / 2.0, level + width / 2.0)),
            Self::Percentiles => {
                let each = |take: &mut dyn FnMut(f64)| volume.each_value(take);
                let [lower, upper] = percentiles([CUT, 100.0 - CUT], each).context(
                    "no voxel of the image is above 0, as percentiles need it: give a --window",
                )?;
                Ok((lower, upper))
            }
        }
    }
}
