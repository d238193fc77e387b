//! `segarena export`: the predictions of a past run for viewers.

use std::path::Path;

use anyhow::{Context, bail};
use ndarray::{Array3, Zip};
use rayon::prelude::*;
use segarena_core::case::{CaseFiles, stem};
use segarena_core::nifti::{Affine, Geometry, write_nifti};
use segarena_core::npz::{GroundTruth, Image, NpzMembers, read_ground_truth, read_saved_segs};
use segarena_core::record::{CaseRecord, Outcome};
use segarena_core::results::create_folder;
use segarena_core::run::{PastRun, PastSubmission};

use crate::args::ExportOptions;
use crate::exit::ExitStatus;
use crate::printable::printable;
use crate::progress::count;
use crate::report::case_files;
use crate::stderr;
use crate::stdout;

pub(crate) fn export(options: &ExportOptions) -> anyhow::Result<ExitStatus> {
    let mut run = PastRun::read(&options.results)?;
    if let Some(images) = &options.images {
        run.record.images = images.to_string_lossy().into_owned();
    }
    if let Some(folder) = &options.ground_truth {
        run.record.ground_truth = Some(folder.to_string_lossy().into_owned());
    }
    let wanted = wanted(&run, options)?;
    for (submission, _) in &wanted {
        create_folder(&options.nifti.join(&submission.name).join("errors"))?;
    }
    let write = |&(submission, record): &(&PastSubmission, &CaseRecord)| {
        let files = case_files(&run, &record.case);
        let written = export_case(submission, record, &files, options);
        if let Err(error) = &written {
            let words = format!("FAILED   {}, {}: {error:#}", submission.name, record.case);
            stderr::line(printable(&words));
        }
        written.is_ok()
    };
    let written = wanted
        .par_iter()
        .map(write)
        .filter(|written| *written)
        .count();
    stdout::print(&format!(
        "{}: {} written\n",
        options.nifti.display(),
        count(written, "prediction")
    ));
    Ok(if written == wanted.len() {
        ExitStatus::Done
    } else {
        ExitStatus::SomeFailed
    })
}

/// The finished cases that are asked for, each of its submission.
fn wanted<'r>(
    run: &'r PastRun,
    options: &ExportOptions,
) -> anyhow::Result<Vec<(&'r PastSubmission, &'r CaseRecord)>> {
    let names = |name: &str, among: &[String]| {
        among.is_empty() || among.iter().any(|one| stem(one) == stem(name))
    };
    let submissions = run.submissions.iter();
    let submissions = submissions.filter(|past| names(&past.name, &options.submissions));
    let wanted: Vec<_> = submissions
        .flat_map(|past| past.cases.iter().map(move |record| (past, record)))
        .filter(|(_, record)| names(&record.case, &options.cases))
        .collect();
    if wanted.is_empty() {
        bail!(
            "{} has no finished case of that name and submission",
            options.results.display()
        );
    }
    Ok(wanted)
}

fn export_case(
    submission: &PastSubmission,
    record: &CaseRecord,
    files: &CaseFiles,
    options: &ExportOptions,
) -> anyhow::Result<()> {
    let geometry = geometry(&files.image)?;
    let prediction = prediction(&submission.files.predictions(files.stem()), record, options)?;
    let truth = read_ground_truth(&files.ground_truth, "gts")?;
    if truth.shape() != geometry.shape || prediction.shape() != geometry.shape {
        bail!(
            "the prediction has shape {:?}, the ground truth {:?}, the image {:?} (give the --images \
             and --ground-truth of the run)",
            prediction.shape(),
            truth.shape(),
            geometry.shape
        );
    }
    let folder = options.nifti.join(&submission.name);
    let name = format!("{}.nii.gz", files.stem());
    write_nifti(&folder.join(&name), prediction.view(), &geometry)?;
    let errors = errors(&truth, &prediction);
    Ok(write_nifti(
        &folder.join("errors").join(&name),
        errors.view(),
        &geometry,
    )?)
}

/// Where the image lies: by its `affine`, else only as large as its spacing says.
fn geometry(image: &Path) -> anyhow::Result<Geometry> {
    let checked = Image::open(image)?;
    let members = NpzMembers::open(image)?;
    let affine = match members.has("affine") {
        false => None,
        true => {
            let numbers = members.numbers("affine")?;
            let affine = matrix(&numbers).and_then(Affine::new);
            Some(affine.with_context(|| {
                let image = image.display();
                format!("{image}: `affine` is no 4 × 4 matrix of numbers")
            })?)
        }
    };
    Ok(Geometry {
        shape: checked.shape(),
        spacing: checked.spacing().mm(),
        affine,
    })
}

/// The three upper rows of a 4 × 4 matrix.
fn matrix(numbers: &[f64]) -> Option<[[f64; 4]; 3]> {
    let (rows, rest) = numbers.as_chunks::<4>();
    match (rows, rest) {
        (&[x, y, z, _], []) => Some([x, y, z]),
        _ => None,
    }
}

/// The saved prediction of an interaction, the last one without a choice.
fn prediction(
    path: &Path,
    record: &CaseRecord,
    options: &ExportOptions,
) -> anyhow::Result<Array3<u8>> {
    let mut saved = read_saved_segs(path)?;
    let ran = record
        .interactions
        .iter()
        .filter(|one| one.outcome != Outcome::Skipped);
    let place = match options.interaction {
        None => saved.left().checked_sub(1),
        Some(wanted) => ran.map(|one| one.index).position(|index| index == wanted),
    };
    let prediction = place.and_then(|place| saved.nth(place));
    let prediction = prediction.with_context(|| match options.interaction {
        Some(wanted) => format!("there is no prediction of interaction {wanted}"),
        None => "no prediction was saved".to_owned(),
    })?;
    Ok(prediction?)
}

/// 0 where a prediction is right, 1 where a label was missed, 2 where there is one too many, 3 where
/// it is another.
fn errors(truth: &GroundTruth, prediction: &Array3<u8>) -> Array3<u8> {
    // Predictions are saved in a byte each, so labels are held against them as their bytes.
    let mut byte_of = [0; 256];
    for (label, key) in truth.keys.iter() {
        byte_of[usize::from(key)] = label as u8;
    }
    Zip::from(&truth.voxels)
        .and(prediction)
        .map_collect(|&key, &predicted| match (key, predicted) {
            (0, 0) => 0,
            (0, _) => 2,
            (key, predicted) if byte_of[usize::from(key)] == predicted => 0,
            (_, 0) => 1,
            _ => 3,
        })
}

#[cfg(test)]
mod tests {
    use segarena_core::volume::LabelKeys;

    use super::*;

    #[test]
    fn errors_are_told_apart_by_what_is_wrong() {
        let row = |keys: Vec<u8>| Array3::from_shape_vec((1, 1, keys.len()), keys).unwrap();
        let truth = GroundTruth {
            voxels: row(vec![0, 0, 1, 1, 1, 2]),
            keys: LabelKeys::new(vec![1, 2]).unwrap(),
        };
        let errors = errors(&truth, &row(vec![0, 9, 1, 0, 2, 2]));
        assert_eq!(errors, row(vec![0, 2, 0, 1, 3, 0]));
    }
}
