//! The demo's data set: small volumes drawn from formulas, the same on every machine.

use std::path::Path;

use anyhow::Context;
use ndarray::{Array3, arr1};
use segarena_core::case::CaseFiles;
use segarena_core::dialogue::TextPrompt;
use segarena_core::npz::{NpzFile, write_volume};
use segarena_core::prompt::{BoundingBox, TextPrompts, boxes_member};
use segarena_core::volume::Voxel;

/// A phantom: an image, its labels, and what it comes with for the first interaction.
pub(crate) struct Phantom {
    /// The case's name without `.npz`.
    pub(crate) name: &'static str,
    /// Intensities, shape (z, y, x).
    pub(crate) image: Array3<u8>,
    /// Labels, the same shape.
    pub(crate) labels: Array3<u8>,
    /// Millimetres along z, y, x.
    pub(crate) spacing: [f64; 3],
    /// What the image brings for the first interaction.
    pub(crate) prompts: Prompts,
}

/// What an image brings for the first interaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Prompts {
    /// Nothing: the first interaction has clicks.
    None,
    /// A bounding box for each label.
    Boxes,
    /// Words for each label, or for all instances.
    Texts(TextPrompts),
}

impl Phantom {
    /// Writes the phantom as a case into `imgs` and `gts` of this folder, which are made.
    ///
    /// # Errors
    /// When they can't be written.
    pub(crate) fn write(&self, folder: &Path) -> anyhow::Result<CaseFiles> {
        let name = format!("{}.npz", self.name);
        let (images, labels) = (folder.join("imgs"), folder.join("gts"));
        for folder in [&images, &labels] {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot make the folder {}", folder.display()))?;
        }
        let (image, ground_truth) = (images.join(&name), labels.join(&name));
        let mut file = NpzFile::create(&image)?;
        file.array("imgs", &self.image)?;
        file.array("spacing", &arr1(&self.spacing))?;
        match &self.prompts {
            Prompts::None => {}
            Prompts::Boxes => file.objects("boxes", &boxes_member(&self.boxes()))?,
            Prompts::Texts(texts) => file.objects("text_prompts", &texts.member())?,
        }
        file.finish()?;
        write_volume(&ground_truth, "gts", self.labels.view())?;
        Ok(CaseFiles {
            name,
            image,
            ground_truth,
        })
    }

    /// A box for each label in ascending order.
    fn boxes(&self) -> Vec<BoundingBox> {
        self.label_values()
            .into_iter()
            .filter_map(|label| BoundingBox::around(self.labels.view(), label))
            .collect()
    }

    /// The labels, ascending.
    pub(crate) fn label_values(&self) -> Vec<u8> {
        let highest = self.labels.iter().copied().max().unwrap_or(0);
        (1..=highest).collect()
    }
}

/// The demo's phantoms: organs, vessels without boxes, lesions on thick slices.
pub(crate) fn phantoms() -> Vec<Phantom> {
    vec![organs(), vessels(), lesions()]
}

/// Those of the text track: organs, and nodules to be told apart.
pub(crate) fn text_phantoms() -> Vec<Phantom> {
    vec![organs_in_words(), nodules()]
}

/// The organs, asked for in words; one has two names.
fn organs_in_words() -> Phantom {
    let prompt = |label, texts: &[&str]| TextPrompt {
        label,
        texts: texts.iter().map(|&text| text.to_owned()).collect(),
    };
    let labels = vec![
        prompt(1, &["the largest organ, of intensity 120"]),
        prompt(
            2,
            &[
                "the organ beside the largest, of intensity 170",
                "the second organ, of intensity 170",
            ],
        ),
        prompt(3, &["the smallest organ, of intensity 215"]),
    ];
    Phantom {
        prompts: Prompts::Texts(TextPrompts {
            labels,
            instances: false,
        }),
        ..organs()
    }
}

/// Twelve spheres of one intensity, each an instance; two of them touch.
fn nodules() -> Phantom {
    let shape = [24, 80, 80];
    let nodules = [
        ([4.0, 20.0, 20.0], 4.0),
        ([9.0, 52.0, 18.0], 6.0),
        ([14.0, 30.0, 60.0], 5.0),
        ([4.0, 66.0, 66.0], 3.0),
        ([11.0, 60.0, 50.0], 8.0),
        ([6.0, 14.0, 44.0], 5.0),
        ([17.0, 10.0, 70.0], 4.0),
        ([18.0, 44.0, 40.0], 4.0),
        ([18.0, 44.0, 47.0], 4.0),
        ([12.0, 34.0, 12.0], 6.0),
        ([19.0, 70.0, 16.0], 4.0),
        ([6.0, 36.0, 36.0], 5.0),
    ];
    let labels = draw(shape, |at| {
        let inside = |&(centre, radius): &([f64; 3], f64)| {
            let radii = [radius; 3];
            Ellipsoid { centre, radii }.contains(at)
        };
        let nodule = nodules.iter().position(inside);
        nodule.map_or(0, |index| index as u8 + 1)
    });
    let texts = TextPrompts {
        labels: vec![TextPrompt {
            label: 1,
            texts: vec!["nodules, of intensity 190".to_owned()],
        }],
        instances: true,
    };
    Phantom {
        name: "nodules",
        image: intensities(&labels.mapv(|label| label.min(1)), [80, 190, 0, 0], 15),
        labels,
        spacing: [1.0; 3],
        prompts: Prompts::Texts(texts),
    }
}

/// Three ellipsoids, two of which touch.
pub(crate) fn organs() -> Phantom {
    let shape = [40, 72, 72];
    let organs = [
        Ellipsoid {
            centre: [19.0, 30.0, 24.0],
            radii: [13.0, 16.0, 14.0],
        },
        Ellipsoid {
            centre: [21.0, 38.0, 48.0],
            radii: [11.0, 13.0, 11.0],
        },
        Ellipsoid {
            centre: [14.0, 57.0, 33.0],
            radii: [7.0, 6.0, 9.0],
        },
    ];
    let labels = draw(shape, |at| {
        organs
            .iter()
            .position(|organ| organ.contains(at))
            .map_or(0, |index| index as u8 + 1)
    });
    let image = intensities(&labels, [40, 120, 170, 215], 12);
    Phantom {
        name: "organs",
        image,
        labels,
        spacing: [2.0, 1.0, 1.0],
        prompts: Prompts::Boxes,
    }
}

/// A box in a box, which `validate` takes every prediction of for perfect.
pub(crate) fn perfect() -> Phantom {
    let inside = |at: usize, size: usize| at * 4 >= size && at * 4 < 3 * size;
    let shape = [24, 48, 48];
    let labels = draw(shape, |[z, y, x]| {
        let core = [(z, 24), (y, 48), (x, 48)];
        u8::from(core.iter().all(|&(at, size)| inside(at, size)))
    });
    let image = intensities(&labels, [50, 180, 0, 0], 0);
    Phantom {
        name: "perfect",
        image,
        labels,
        spacing: [1.0; 3],
        prompts: Prompts::Boxes,
    }
}

/// Two winding tubes.
pub(crate) fn vessels() -> Phantom {
    let shape = [48, 64, 64];
    let labels = draw(shape, |[z, y, x]| {
        let turn = z as f64 / 8.0;
        let near = |cy: f64, cx: f64, radius: f64| {
            (y as f64 - cy).powi(2) + (x as f64 - cx).powi(2) <= radius * radius
        };
        let first = near(32.0 + 14.0 * turn.sin(), 32.0 + 14.0 * turn.cos(), 3.5);
        let second = near(32.0 - 18.0 * turn.sin(), 30.0 - 9.0 * turn.cos(), 2.5);
        u8::from(first || second)
    });
    let image = intensities(&labels, [60, 190, 0, 0], 18);
    Phantom {
        name: "vessels",
        image,
        labels,
        spacing: [0.7; 3],
        prompts: Prompts::None,
    }
}

/// Seven small spheres of two kinds in few thick slices.
fn lesions() -> Phantom {
    let shape = [20, 80, 80];
    let lesions = [
        ([4.0, 20.0, 20.0], 5.0, 1),
        ([9.0, 52.0, 18.0], 7.0, 1),
        ([14.0, 30.0, 60.0], 4.0, 1),
        ([2.0, 66.0, 66.0], 3.0, 1),
        ([11.0, 60.0, 50.0], 8.0, 2),
        ([6.0, 14.0, 44.0], 5.0, 2),
        ([17.0, 10.0, 70.0], 4.0, 2),
    ];
    let labels = draw(shape, |at| {
        let inside = |&&(centre, radius, _): &&([f64; 3], f64, u8)| {
            Ellipsoid {
                centre,
                radii: [radius / 3.0, radius, radius],
            }
            .contains(at)
        };
        lesions
            .iter()
            .find(inside)
            .map_or(0, |&(_, _, label)| label)
    });
    let image = intensities(&labels, [80, 150, 220, 0], 15);
    Phantom {
        name: "lesions",
        image,
        labels,
        spacing: [3.0, 1.0, 1.0],
        prompts: Prompts::Boxes,
    }
}

struct Ellipsoid {
    centre: [f64; 3],
    radii: [f64; 3],
}

impl Ellipsoid {
    fn contains(&self, at: Voxel) -> bool {
        let term = |axis: usize| ((at[axis] as f64 - self.centre[axis]) / self.radii[axis]).powi(2);
        term(0) + term(1) + term(2) <= 1.0
    }
}

fn draw(shape: [usize; 3], label: impl Fn(Voxel) -> u8) -> Array3<u8> {
    Array3::from_shape_fn(shape, |(z, y, x)| label([z, y, x]))
}

/// Each label's mean intensity, with noise of this amplitude.
fn intensities(labels: &Array3<u8>, means: [u8; 4], amplitude: u8) -> Array3<u8> {
    let mut number = 0_u32;
    labels.map(|&label| {
        number += 1;
        let span = 2 * u32::from(amplitude) + 1;
        let noise = scramble(number) % span;
        let mean = u32::from(means[usize::from(label)]);
        (mean + noise).saturating_sub(u32::from(amplitude)).min(255) as u8
    })
}

/// A fixed, patternless number for each number (the finaliser of the MurmurHash3 family).
fn scramble(number: u32) -> u32 {
    let mut bits = number;
    bits = (bits ^ (bits >> 16)).wrapping_mul(0x85eb_ca6b);
    bits = (bits ^ (bits >> 13)).wrapping_mul(0xc2b2_ae35);
    bits ^ (bits >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_phantom_has_labels_and_is_the_same_each_time() {
        let all = || phantoms().into_iter().chain(text_phantoms());
        for (first, second) in all().zip(all()) {
            assert!(
                first.labels.iter().any(|&label| label > 0),
                "{}",
                first.name
            );
            assert_eq!(first.image, second.image);
            assert_eq!(first.image.dim(), first.labels.dim());
        }
    }
}
