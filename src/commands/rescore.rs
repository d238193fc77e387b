//! `segarena rescore`: the scores of a past run again, from the saved predictions alone.

use std::path::Path;

use anyhow::Context;
use segarena_core::case::CaseFiles;
use segarena_core::record::CaseRecord;
use segarena_core::results::{SubmissionFiles, create_folder, metrics_table, write_whole};
use segarena_core::run::{PastRun, PastSubmission, Progress, rescore_case};

use crate::args::RescoreOptions;
use crate::exit::ExitStatus;
use crate::printable::printable;
use crate::progress::count;
use crate::report::case_files;
use crate::stdout;

pub(crate) fn rescore(options: &RescoreOptions) -> anyhow::Result<ExitStatus> {
    let mut run = PastRun::read(&options.results)?;
    if let Some(images) = &options.images {
        run.record.images = images.to_string_lossy().into_owned();
    }
    if let Some(folder) = &options.ground_truth {
        run.record.ground_truth = Some(folder.to_string_lossy().into_owned());
    }
    let track = run.record.track().with_context(|| {
        format!(
            "this version of segarena does not know the track {}",
            run.record.track
        )
    })?;
    let mut all_the_same = true;
    for submission in &run.submissions {
        let Again { records, findings } = Again::of(&run, submission);
        let table = metrics_table(&*track, &records);
        let path = submission.files.table();
        let was = std::fs::read(&path).ok();
        let same_table = was.as_ref() == Some(&table);
        if !same_table {
            let what = if was.is_none() {
                "is missing or can't be read"
            } else if records.len() < submission.cases.len() {
                "could not be checked"
            } else {
                "is not what the predictions give"
            };
            stdout::line(format_args!(
                "{}: {} {what}",
                printable(&submission.name),
                path.display()
            ));
        }
        for finding in &findings {
            stdout::line(format_args!(
                "{}: {}",
                printable(&submission.name),
                printable(finding)
            ));
        }
        if same_table && findings.is_empty() {
            let cases = count(records.len(), "case");
            stdout::line(format_args!(
                "{}: the same scores and the same table, {cases}",
                printable(&submission.name)
            ));
        } else {
            all_the_same = false;
        }
        if let Some(folder) = &options.output {
            write_table(folder, submission, &table)?;
        }
    }
    Ok(if all_the_same {
        ExitStatus::Done
    } else {
        ExitStatus::SomeFailed
    })
}

/// A submission scored again.
struct Again {
    /// The records, with the scores of today, of the cases that could be scored.
    records: Vec<CaseRecord>,
    /// What is not as it was.
    findings: Vec<String>,
}

impl Again {
    fn of(run: &PastRun, submission: &PastSubmission) -> Self {
        let mut records = Vec::new();
        let mut findings = missing_cases(run, submission);
        for record in &submission.cases {
            let files = case_files(run, &record.case);
            let rescored = match missing_file(submission, &files) {
                Some(missing) => Err(missing),
                None => rescore_case(run, submission, record, &files),
            };
            match rescored {
                Ok(rescored) => {
                    let of_case = rescored.findings.iter();
                    findings.extend(of_case.map(|finding| format!("{}: {finding}", record.case)));
                    records.push(rescored.record);
                }
                Err(problem) => {
                    findings.push(format!(
                        "{}: cannot be scored again: {problem}",
                        record.case
                    ));
                }
            }
        }
        Self { records, findings }
    }
}

/// Which of a case's files is not there.
fn missing_file(submission: &PastSubmission, files: &CaseFiles) -> Option<String> {
    let predictions = submission.files.predictions(files.stem());
    let places = [
        (&files.image, " (--images says where the images are now)"),
        (
            &files.ground_truth,
            " (--ground-truth says where the ground truth is now)",
        ),
        (&predictions, ""),
    ];
    places
        .iter()
        .find(|(path, _)| !path.exists())
        .map(|(path, advice)| format!("there is no file {}{advice}", path.display()))
}

/// A finished submission has a record of every case of its run.
fn missing_cases(run: &PastRun, submission: &PastSubmission) -> Vec<String> {
    let states = &run.record.submissions;
    let is_over = states
        .iter()
        .any(|state| state.name == submission.name && state.state == Progress::Done);
    let has = |name: &str| submission.cases.iter().any(|record| record.case == name);
    let cases = run.record.cases.iter();
    cases
        .filter(|case| is_over && !has(&case.name))
        .map(|case| {
            format!(
                "{}: its record is missing, though the run is over",
                case.name
            )
        })
        .collect()
}

fn write_table(folder: &Path, submission: &PastSubmission, table: &[u8]) -> anyhow::Result<()> {
    let files = SubmissionFiles::new(folder, &submission.name);
    create_folder(files.folder())?;
    write_whole(&files.table(), table)
        .with_context(|| format!("the table of {} is lost", submission.name))
}
