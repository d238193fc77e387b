//! A case to look at: the slice through its last error, with the outlines of truth and prediction
//! and the clicks, interaction by interaction. Of every file only that slice is kept.

use std::collections::BTreeSet;
use std::ops::Range;

use anyhow::{Result, ensure};
use ndarray::{Array2, ArrayView2, s};
use segarena_core::case::{Case, CaseFiles};
use segarena_core::npz::{NpzMembers, read_saved_segs};
use segarena_core::record::{CaseRecord, Outcome};
use segarena_core::run::PastSubmission;

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
    /// What the colours mean, where there is more than one label.
    pub(super) key: Vec<(String, String)>,
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
        let z = match last_error(record) {
            Some(z) => z,
            None => fullest(files)?,
        };
        let truth = NpzMembers::open(&files.ground_truth)?;
        let (truth, shape) = truth.slice("gts", z.min(record.shape[0].saturating_sub(1)))?;
        ensure!(
            shape == record.shape,
            "its ground truth has shape {shape:?}, the record {:?}",
            record.shape
        );
        let truth = truth.mapv(|value| marked(&record.labels, value));
        let Predictions {
            slices: predictions,
            found,
        } = predictions(submission, record, files, z)?;
        let clicks = clicks(record, z);

        let slices = std::iter::once(&truth).chain(predictions.iter().flatten());
        let [rows, columns] = part_to_show(slices.clone(), &clicks);
        let part = s![rows.clone(), columns.clone()];
        let is_one = record.labels.len() < 2;
        let drawn = |slice: ArrayView2<'_, u16>| -> Vec<Outline> {
            let outlines = outlines(slice).into_iter();
            let coloured = outlines.map(|(mark, path)| Outline {
                colour: class(mark, is_one),
                path,
            });
            coloured.collect()
        };
        let seen: BTreeSet<u16> = match is_one {
            true => BTreeSet::new(),
            false => slices
                .flat_map(|slice| slice.slice(part).iter().copied().collect::<Vec<_>>())
                .collect(),
        };
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
            let extra = extra_labels(&found[number], &record.labels);
            let failure = match interaction.outcome.is_failure() {
                true => format!(", {}", interaction.outcome.describe()),
                false => String::new(),
            };
            steps.push(Step {
                index: interaction.index,
                words: text::line(&format!(
                    "DSC {:.3}, NSD {:.3}{failure}{extra}",
                    interaction.dsc, interaction.nsd
                )),
                prediction: drawn(prediction.slice(part)),
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
            truth: drawn(truth.slice(part)),
            key: key(&record.labels, seen),
            steps,
        })
    }
}

/// The mark of a predicted value that is no label of the case.
const EXTRA: u16 = u16::MAX;
/// So many labels have a colour of their own on a picture; then they begin again.
const COLOURS: u16 = 8;

/// The class of a mark's colour.
fn class(mark: u16, is_one: bool) -> String {
    match mark {
        EXTRA => "extra".to_owned(),
        _ if is_one => String::new(),
        mark => format!("l{}", (mark - 1) % COLOURS),
    }
}

/// The labels that are seen, with their colours.
fn key(labels: &[i64], seen: BTreeSet<u16>) -> Vec<(String, String)> {
    let marks = seen.into_iter().filter(|mark| *mark != 0 && *mark != EXTRA);
    let named = marks.filter_map(|mark| {
        let label = labels.get(usize::from(mark) - 1)?;
        Some((class(mark, false), label.to_string()))
    });
    named.collect()
}

/// Words for predicted labels that the truth does not have.
fn extra_labels(found: &[u8], labels: &[i64]) -> String {
    let extra = found
        .iter()
        .filter(|value| **value != 0 && !labels.contains(&i64::from(**value)));
    let extra: Vec<String> = extra.map(u8::to_string).collect();
    match extra.len() {
        0 => String::new(),
        1..=6 => format!(
            ", predicts labels that the truth has not: {}",
            extra.join(", ")
        ),
        many => format!(", predicts {many} labels that the truth has not"),
    }
}

/// A label's number, from 1; 0 for the background and for what is no label of the case.
fn marked(labels: &[i64], value: f64) -> u16 {
    let place = labels.iter().position(|&label| label as f64 == value);
    place.map_or(0, |place| place as u16 + 1)
}

/// What was predicted on a slice.
struct Predictions {
    /// The marks of every interaction, none where nothing ran.
    slices: Vec<Option<Array2<u16>>>,
    /// The values that were found on the slice at each interaction, ascending.
    found: Vec<Vec<u8>>,
}

fn predictions(
    submission: &PastSubmission,
    record: &CaseRecord,
    files: &CaseFiles,
    z: usize,
) -> Result<Predictions> {
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
    let marks: Vec<u16> = (0..=u8::MAX)
        .map(|value| match marked(&record.labels, f64::from(value)) {
            0 if value != 0 => EXTRA,
            mark => mark,
        })
        .collect();
    let (mut slices, mut found) = (Vec::new(), Vec::new());
    for interaction in &record.interactions {
        if was_run(&interaction.outcome) {
            let slice = saved.next_slice(z)?;
            let values: BTreeSet<u8> = slice.iter().copied().collect();
            found.push(values.into_iter().collect());
            slices.push(Some(slice.mapv(|value| marks[usize::from(value)])));
        } else {
            found.push(Vec::new());
            slices.push(None);
        }
    }
    Ok(Predictions { slices, found })
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

/// The slice with the most labelled voxels, for a case that never had an error.
fn fullest(files: &CaseFiles) -> Result<usize> {
    let case = Case::load(files)?;
    let labelled = |slice: ArrayView2<'_, u8>| slice.iter().filter(|&&key| key != 0).count();
    let slices = case.truth.voxels();
    let counts = slices.outer_iter().map(labelled).enumerate();
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

    #[test]
    fn predicted_labels_that_the_truth_has_not_are_said() {
        assert_eq!(extra_labels(&[0, 1, 3], &[1, 3]), "");
        let words = extra_labels(&[0, 1, 7, 9], &[1]);
        assert_eq!(words, ", predicts labels that the truth has not: 7, 9");
        let many: Vec<u8> = (0..=255).collect();
        assert!(extra_labels(&many, &[1]).contains("predicts 254 labels"));
        assert_eq!(
            (class(EXTRA, true), class(1, true)),
            ("extra".to_owned(), String::new())
        );
        assert_eq!(class(9, false), "l0");
    }

    #[test]
    fn a_value_that_is_no_label_is_not_marked() {
        assert_eq!(
            [0.0, 3.0, 7.0, 0.5].map(|v| marked(&[3, 7], v)),
            [0, 1, 2, 0]
        );
    }
}
