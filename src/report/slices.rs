//! A case to look at: the slice through its last error, with the outlines of truth and prediction
//! and the clicks, interaction by interaction. Of every file only that slice is kept.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2, Axis, s};
use segarena_core::case::CaseFiles;
use segarena_core::npz::{NpzMembers, read_saved_segs};
use segarena_core::record::{CaseRecord, InteractionRecord, Outcome};
use segarena_core::run::PastSubmission;
use segarena_core::volume::{InstanceScores, split_single_mask};

use super::marks::Marks;
use super::outline::outlines;
use super::picture::{Picture, picture};
use super::text;

/// What the page shows of a case.
pub(super) struct Slice {
    /// The slice's index along z, and how many there are.
    pub(super) z: usize,
    pub(super) depth: usize,
    /// The part that is shown, in voxels.
    pub(super) width: usize,
    pub(super) height: usize,
    /// Where it is, where it is not the whole slice.
    pub(super) part: String,
    /// How wide the picture is for its height, with the voxels' real size.
    pub(super) aspect: f64,
    /// The image; none where it can't be read.
    pub(super) image: Option<Picture>,
    /// The outlines of the truth's labels.
    pub(super) truth: Vec<Outline>,
    /// What the colours mean, where there is more than one.
    pub(super) key: Vec<(String, String)>,
    /// Whether they tell instances apart, and not labels.
    pub(super) is_of_instances: bool,
    /// The interactions in order.
    pub(super) steps: Vec<Step>,
}

/// What an interaction looks like on the slice.
pub(super) struct Step {
    pub(super) index: usize,
    pub(super) words: String,
    /// The outlines of the predicted labels.
    pub(super) prediction: Vec<Outline>,
    /// All clicks so far, in order.
    pub(super) clicks: Vec<Dot>,
}

/// A label's outline.
pub(super) struct Outline {
    /// The class of its colour: empty where there is but one label.
    pub(super) colour: String,
    /// An SVG path in voxels.
    pub(super) path: String,
}

/// A click.
#[derive(Clone)]
pub(super) struct Dot {
    pub(super) x: usize,
    pub(super) y: usize,
    /// Whether it is for the object or for the background.
    pub(super) kind: &'static str,
    /// Whether it is on another slice.
    pub(super) is_away: bool,
    /// The number of its interaction.
    pub(super) number: usize,
    pub(super) words: String,
}

impl Slice {
    /// The height of a click's number, in voxels: a twentieth of the picture.
    pub(super) fn letters(&self) -> f64 {
        self.width.max(self.height) as f64 / 20.0
    }

    /// Looks at a case of a submission.
    ///
    /// # Errors
    /// When the data set or the predictions can't be read any more.
    pub(super) fn of(
        submission: &PastSubmission,
        record: &CaseRecord,
        files: &CaseFiles,
    ) -> Result<Self> {
        let last = record.interactions.last();
        let instances = last.and_then(|last| last.instances.as_deref());
        let z = match (last_error(record), instances) {
            (Some(z), _) => z,
            (None, Some(instances)) => least_matched(submission, instances, files)?,
            (None, None) => fullest(files)?,
        };
        let truth = NpzMembers::open(&files.ground_truth)?;
        let (truth, shape) = truth.slice("gts", z.min(record.shape[0].saturating_sub(1)))?;
        ensure!(
            shape == record.shape,
            "its ground truth has shape {shape:?}, the record {:?}",
            record.shape
        );
        let marks = match instances {
            Some(instances) => Marks::of_instances(instances),
            None => Marks::of_labels(&record.labels),
        };
        let truth = truth.mapv(|value| marks.of_truth(value));
        let predicted = predictions(submission, record, files, z)?;
        let predictions: Vec<Option<Array2<u16>>> = predicted
            .iter()
            .map(|slice| Some(slice.as_ref()?.mapv(|value| marks.of_prediction(value))))
            .collect();
        let clicks = clicks(record, z);

        let slices = std::iter::once(&truth).chain(predictions.iter().flatten());
        let [rows, columns] = part_to_show(slices.clone(), &clicks);
        let part = s![rows.clone(), columns.clone()];
        let drawn = |slice: ArrayView2<'_, u16>, class: &dyn Fn(u16) -> String| -> Vec<Outline> {
            let outlines = outlines(slice).into_iter();
            let coloured = outlines.map(|(mark, path)| Outline {
                colour: class(mark),
                path,
            });
            coloured.collect()
        };
        let seen: BTreeSet<u16> = slices
            .flat_map(|slice| slice.slice(part).iter().copied().collect::<Vec<_>>())
            .collect();
        let mut steps = Vec::new();
        for (number, interaction) in record.interactions.iter().enumerate() {
            let Some(prediction) = &predictions[number] else {
                continue;
            };
            let so_far = clicks.iter().filter(|(step, _)| *step <= number);
            let within =
                so_far.filter(|(_, dot)| rows.contains(&dot.y) && columns.contains(&dot.x));
            let moved = |dot: &Dot| Dot {
                x: dot.x - columns.start,
                y: dot.y - rows.start,
                ..dot.clone()
            };
            let failure = match interaction.outcome.is_failure() {
                true => format!(", {}", interaction.outcome.describe()),
                false => String::new(),
            };
            let found = predicted[number].iter().flatten().copied();
            let extra = marks.words(&found.collect());
            steps.push(Step {
                index: interaction.index,
                words: text::line(&format!("{}{failure}{extra}", measures(interaction))),
                prediction: drawn(prediction.slice(part), &|mark| marks.prediction_class(mark)),
                clicks: within.map(|(_, dot)| moved(dot)).collect(),
            });
        }
        let [_, y_mm, x_mm] = record.spacing;
        let (height, width) = (rows.len(), columns.len());
        let aspect = (width as f64 * x_mm) / (height as f64 * y_mm);
        let is_whole = [height, width] == shape[1..];
        Ok(Self {
            z,
            depth: shape[0],
            width,
            height,
            part: match is_whole {
                true => String::new(),
                false => format!(
                    ", y {} to {}, x {} to {}",
                    rows.start,
                    rows.end - 1,
                    columns.start,
                    columns.end - 1
                ),
            },
            aspect: if aspect.is_finite() && aspect > 0.0 {
                aspect
            } else {
                1.0
            },
            image: image(files, z).and_then(|image| picture(image.slice(part))),
            truth: drawn(truth.slice(part), &|mark| marks.truth_class(mark)),
            key: marks.key(&seen),
            is_of_instances: marks.are_instances(),
            steps,
        })
    }
}

/// The measures that the case defines, in words.
fn measures(interaction: &InteractionRecord) -> String {
    let measures = interaction.scores().measures.into_iter();
    let measures = measures.filter_map(|(name, value)| Some(format!("{name} {:.3}", value?)));
    measures.collect::<Vec<_>>().join(", ")
}

/// What was predicted on a slice at every interaction: labels, or the instances that were matched;
/// none where nothing ran.
fn predictions(
    submission: &PastSubmission,
    record: &CaseRecord,
    files: &CaseFiles,
    z: usize,
) -> Result<Vec<Option<Array2<u8>>>> {
    let path = submission.files.predictions(files.stem());
    let mut saved = read_saved_segs(&path)?;
    let was_run = |outcome: &Outcome| *outcome != Outcome::Skipped;
    let given = record
        .interactions
        .iter()
        .filter(|i| was_run(&i.outcome))
        .count();
    ensure!(
        saved.shape() == record.shape && saved.left() == given,
        "{} does not hold the {given} predictions of shape {:?} that the record tells of",
        path.display(),
        record.shape
    );
    let mut slices = Vec::new();
    for interaction in &record.interactions {
        slices.push(
            match (was_run(&interaction.outcome), &interaction.instances) {
                (false, _) => None,
                (true, None) => Some(saved.next_slice(z)?),
                // A single mask was matched by its parts, which lie across slices.
                (true, Some(_)) => {
                    let Some(volume) = saved.next().transpose()? else {
                        break;
                    };
                    let split = split_single_mask(volume.view()).unwrap_or(volume);
                    Some(split.index_axis(Axis(0), z).to_owned())
                }
            },
        );
    }
    Ok(slices)
}

/// All clicks, each with the number of its interaction, from 0.
fn clicks(record: &CaseRecord, z: usize) -> Vec<(usize, Dot)> {
    let interactions = record.interactions.iter().enumerate();
    let all = interactions.flat_map(|(number, interaction)| {
        interaction.clicks.iter().filter_map(move |click| {
            let ([at_z, y, x], kind) = (click.at?, click.kind?);
            let dot = Dot {
                x,
                y,
                kind: kind.name(),
                is_away: at_z != z,
                number: interaction.index,
                words: format!(
                    "interaction {}, label {}, {}, at z {at_z} y {y} x {x}",
                    interaction.index,
                    click.label,
                    kind.name()
                ),
            };
            Some((number, dot))
        })
    });
    all.collect()
}

/// The slice of the last click: the centre of the largest error there was.
fn last_error(record: &CaseRecord) -> Option<usize> {
    let clicks = record.interactions.iter().rev();
    clicks
        .flat_map(|interaction| &interaction.clicks)
        .find_map(|click| click.at.map(|[z, _, _]| z))
}

/// The slice with most of the instances that were missed or are false; where every one was matched,
/// the fullest.
fn least_matched(
    submission: &PastSubmission,
    instances: &InstanceScores,
    files: &CaseFiles,
) -> Result<usize> {
    let truth = NpzMembers::open(&files.ground_truth)?.byte_volume("gts")?;
    let mut saved = read_saved_segs(&submission.files.predictions(files.stem()))?;
    let predicted = saved.next().transpose()?;
    let predicted = predicted.map(|mask| split_single_mask(mask.view()).unwrap_or(mask));
    let marks = Marks::of_instances(instances);
    let is_unmatched = |class: &dyn Fn(u16) -> String| -> [bool; 256] {
        std::array::from_fn(|value| value != 0 && class(value as u16) != "matched")
    };
    let missed = is_unmatched(&|mark| marks.truth_class(mark));
    let wrong = is_unmatched(&|mark| marks.prediction_class(mark));
    let mut counts = vec![0_usize; truth.dim().0];
    for (volume, counted) in [(Some(truth), missed), (predicted, wrong)] {
        for (count, slice) in counts
            .iter_mut()
            .zip(volume.iter().flat_map(|v| v.outer_iter()))
        {
            *count += slice.iter().filter(|&&v| counted[usize::from(v)]).count();
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    match counts.iter().position(|&count| count == most && most > 0) {
        Some(z) => Ok(z),
        None => fullest(files),
    }
}

/// The slice with the most labelled voxels, for a case without clicks.
fn fullest(files: &CaseFiles) -> Result<usize> {
    let truth = NpzMembers::open(&files.ground_truth)?.byte_volume("gts")?;
    let labelled = |slice: ArrayView2<'_, u8>| slice.iter().filter(|&&label| label != 0).count();
    let counts = truth.outer_iter().map(labelled).enumerate();
    Ok(counts.max_by_key(|&(_, count)| count).map_or(0, |(z, _)| z))
}

/// A part that is shown has this many voxels on each side, where the slice has.
const LEAST: usize = 96;

/// The rows and columns in which there is anything to see, with some space around.
fn part_to_show<'a>(
    outlines: impl Iterator<Item = &'a Array2<u16>> + Clone,
    clicks: &[(usize, Dot)],
) -> [Range<usize>; 2] {
    let seen = outlines.clone().flat_map(|slice| {
        let voxels = slice.indexed_iter().filter(|(_, mark)| **mark != 0);
        voxels.map(|(at, _)| at)
    });
    let here = clicks.iter().filter(|(_, dot)| !dot.is_away);
    let seen: Vec<_> = seen.chain(here.map(|(_, dot)| (dot.y, dot.x))).collect();
    let (height, width) = outlines.clone().next().map_or((0, 0), |slice| slice.dim());
    [
        with_margin(seen.iter().map(|at| at.0), height),
        with_margin(seen.iter().map(|at| at.1), width),
    ]
}

/// From the first to the last with a quarter more on each side, within `0..size`; everything where
/// there is nothing.
fn with_margin(seen: impl Iterator<Item = usize>, size: usize) -> Range<usize> {
    let ends = seen.fold(None, |ends: Option<(usize, usize)>, at| {
        Some(ends.map_or((at, at), |(low, high)| (low.min(at), high.max(at))))
    });
    let Some((low, high)) = ends.filter(|(_, high)| *high < size) else {
        return 0..size;
    };
    let length = high + 1 - low;
    let wanted = (length + length / 2).max(LEAST).min(size);
    let start = low.saturating_sub((wanted - length) / 2).min(size - wanted);
    start..start + wanted
}

fn image(files: &CaseFiles, z: usize) -> Option<Array2<f64>> {
    let members = NpzMembers::open(&files.image).ok()?;
    members.slice("imgs", z).ok().map(|(slice, _)| slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_space_around_and_stays_inside() {
        assert_eq!(with_margin([200, 210].into_iter(), 512), 158..254);
        assert_eq!(with_margin([0, 210].into_iter(), 512), 0..316);
        assert_eq!(with_margin([500].into_iter(), 512), 416..512);
        assert_eq!(with_margin([3].into_iter(), 40), 0..40);
        assert_eq!(with_margin([].into_iter(), 40), 0..40);
        // A click that a damaged record puts outside.
        assert_eq!(with_margin([90].into_iter(), 40), 0..40);
    }
}
