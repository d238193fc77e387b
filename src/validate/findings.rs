//! From what was seen to checks with a verdict, each with what to do.

use segarena_core::backend::{ImageFacts, SubmissionFacts, SubmissionSource};
use segarena_core::dialogue::PromptKind;
use segarena_core::record::{InteractionRecord, Outcome};

use super::Check;
use super::image::{image, name, script};
use super::output::{memory, prediction, time};
use super::trial::{CLICKS, Tried, TriedCase, TriedKind};
use super::warm::kept_warm;

/// Everything there is to say of a submission that was tried.
pub(crate) fn findings(submission: &str, source: &SubmissionSource, tried: &Tried) -> Vec<Check> {
    let caution = tried.caution.as_ref();
    let caution = caution.map(|caution| Check::ok("backend", caution));
    let mut checks: Vec<Check> = caution.into_iter().collect();
    checks.push(runnable(source, tried));
    if tried.error.is_some() {
        return checks;
    }
    if let SubmissionFacts::Image(facts) = &tried.facts {
        if matches!(source, SubmissionSource::Archive { .. }) {
            checks.push(name(submission, facts));
        }
        checks.extend(image(facts));
        if has_challenges_command(source) {
            checks.extend(script(tried, facts));
        }
    }
    for case in &tried.cases {
        checks.extend(interactions(case));
        checks.extend(clicks_that_harm(case));
    }
    checks.extend(kept_warm(tried));
    checks.extend(prediction(tried));
    checks.extend(time(tried));
    checks.extend(memory(tried));
    checks
}

fn has_challenges_command(source: &SubmissionSource) -> bool {
    matches!(
        source,
        SubmissionSource::Archive { argv: None, .. } | SubmissionSource::Image { argv: None, .. }
    )
}

/// Whether there is something to run at all, and what.
fn runnable(source: &SubmissionSource, tried: &Tried) -> Check {
    let (name, what) = match source {
        SubmissionSource::Archive { path, .. } => ("archive", path.display().to_string()),
        SubmissionSource::Image { reference, .. } => ("image", reference.clone()),
        SubmissionSource::Command { argv, .. } => ("command", argv.join(" ")),
    };
    if let Some(error) = &tried.error {
        return Check::failed(name, error);
    }
    let seconds = tried.preparation.as_secs_f64();
    match &tried.facts {
        SubmissionFacts::Image(image) => {
            let size = bytesize::ByteSize(image.size).display().si();
            if !matches!(source, SubmissionSource::Archive { .. }) {
                return Check::ok(name, format!("{what}, {size}"));
            }
            let reference = &image.reference;
            let seen = format!("{what}: loaded in {seconds:.1} s; {reference}, {size}");
            which_of_several(name, seen, image)
        }
        SubmissionFacts::Program(found) => {
            let (program, workdir) = (found.program.display(), found.workdir.display());
            Check::ok(name, format!("{what}: {program} in {workdir}"))
        }
        _ => Check::ok(name, what),
    }
}

/// That the archive was loaded, with a warning where it names several images.
fn which_of_several(name: &str, seen: String, image: &ImageFacts) -> Check {
    let names = &image.archive_names;
    if names.len() < 2 {
        return Check::ok(name, seen);
    }
    Check::warning(name, seen).advise(format!(
        "the archive names {} images ({}); {} is run; save only the one that is meant",
        names.len(),
        names.join(", "),
        image.reference
    ))
}

/// All interactions that were run.
pub(super) fn ran(tried: &Tried) -> impl Iterator<Item = &InteractionRecord> {
    let all = tried.cases.iter().flat_map(|case| &case.interactions);
    all.filter(|interaction| interaction.outcome != Outcome::Skipped)
}

/// A check for each interaction of a case.
fn interactions(case: &TriedCase) -> Vec<Check> {
    let asked: Vec<(usize, String)> = match case.kind {
        TriedKind::Box => (1..=CLICKS + 1)
            .map(|index| (index, prompt(index)))
            .collect(),
        // The box is as that of the first case.
        TriedKind::Perfect => (2..=CLICKS + 1)
            .map(|index| (index, format!("perfect, {}", prompt(index))))
            .collect(),
        TriedKind::NoBox => (2..=CLICKS + 1)
            .map(|index| (index, format!("no box, {}", prompt(index))))
            .collect(),
        TriedKind::Labels | TriedKind::Instances => vec![(1, case.kind.check("text"))],
    };
    let check = |(index, label): (usize, String)| {
        let mut records = case.interactions.iter();
        match records.find(|record| record.index == index) {
            Some(record) => interaction(&label, case, record),
            None => Check::warning(&label, "not tried, as an interaction before it hung"),
        }
    };
    asked.into_iter().map(check).collect()
}

/// What an interaction with clicks, or the box before, is called.
pub(super) fn prompt(index: usize) -> String {
    match index {
        1 => "box".to_owned(),
        _ => format!("click {}", index - 1),
    }
}

/// A warning where the score was higher before a click than after it.
fn clicks_that_harm(case: &TriedCase) -> Option<Check> {
    const NOTICEABLE: f64 = 0.01;
    let fall = case.interactions.windows(2).find(|pair| {
        let [before, after] = pair else { return false };
        let both_ran = [before, after]
            .iter()
            .all(|i| i.outcome != Outcome::Skipped && !i.outcome.is_failure());
        both_ran && after.dsc + NOTICEABLE < before.dsc
    })?;
    let (before, after) = (&fall[0], &fall[1]);
    let seen = format!(
        "click {} made the DSC fall from {:.2} to {:.2}",
        after.index - 1,
        before.dsc,
        after.dsc
    );
    Some(Check::warning(&case.kind.check("clicks"), seen).advise(
        "a click marks the middle of the largest error that is left: begin from `prev_pred`, and \
         check the axes of the clicks, which are (z, y, x)",
    ))
}

fn interaction(label: &str, case: &TriedCase, record: &InteractionRecord) -> Check {
    let seconds = record.seconds;
    if !record.outcome.is_failure() {
        let seen = match case.kind {
            // What it predicted was not looked at.
            TriedKind::Perfect => format!("{seconds:.1} s"),
            _ => match record.main_score() {
                Some((name, value)) => format!("{seconds:.1} s, {name} {value:.2}"),
                None => format!("{seconds:.1} s"),
            },
        };
        return match record.remarks.is_empty() {
            true => Check::ok(label, seen),
            false => Check::warning(label, format!("{seen}; {}", record.remarks.join("; ")))
                .advise(WHOLE_LABELS),
        };
    }
    let seen = format!("{} after {seconds:.1} s", record.outcome.describe());
    let words = match record.log_tail.trim().is_empty() {
        true => "; it printed nothing",
        false => "; its own words:",
    };
    let advice = format!("{}{words}", advice(case, record));
    let mut check = Check::failed(label, seen).advise(advice);
    record.log_tail.trim_end().clone_into(&mut check.log);
    check
}

pub(super) const WHOLE_LABELS: &str =
    "write the labels themselves as uint8: segs.astype(numpy.uint8)";

/// What to do about a failure.
fn advice(case: &TriedCase, record: &InteractionRecord) -> String {
    let given = match (record.index, case.kind) {
        (_, TriedKind::Labels | TriedKind::Instances) => {
            "the input has `imgs`, `spacing` and `text_prompts`, whose `.item()` is a dictionary: a \
             text or a list of texts by label, and `instance_label` 0 or 1"
        }
        (_, TriedKind::Perfect) => {
            "at this interaction nothing is left to mend: no label has a click, all of \
             `clicks_order` is None, and `fg` and `bg` are empty lists; answer with `prev_pred`"
        }
        (1, _) => {
            "the first input has `imgs`, `spacing` and `boxes`, and neither `clicks`, \
             `clicks_order` nor `prev_pred`"
        }
        (2, TriedKind::NoBox) => {
            "this image has no `boxes`, so the submission's first input has `clicks` and a \
             `prev_pred` of zeros"
        }
        _ => {
            "this input has `clicks` ([{\"fg\": […], \"bg\": […]}, …] by class), `clicks_order` \
             and `prev_pred`, and `boxes` only if the image has them"
        }
    };
    match &record.outcome {
        Outcome::TimedOut if record.prompt == PromptKind::TEXT => {
            "it was killed at the limit of an interaction; the challenge knows none on this track"
                .to_owned()
        }
        Outcome::TimedOut => format!(
            "it was killed; all six interactions of such a case have {:.0} s together",
            case.seconds_allowed
        ),
        Outcome::OutOfMemory { .. } => "it took more memory than it may: 32 GiB in the \
             challenge, or `memory` of the configuration; real cases are much larger than this one"
            .to_owned(),
        Outcome::NoOutput { .. } => format!(
            "it ended well without a prediction{}: write outputs/{}, named as the input is, with \
             the array `segs`",
            record
                .remarks
                .first()
                .map(|remark| format!(" ({remark})"))
                .unwrap_or_default(),
            case.name
        ),
        Outcome::BadOutput { .. } => {
            "write `segs` as uint8, of the shape of `imgs` (z, y, x), with \
             numpy.savez_compressed(path, segs=segs)"
                .to_owned()
        }
        Outcome::Exit {
            exit_code: 126 | 127,
            ..
        } => "a program that it starts is not there or can't be executed".to_owned(),
        _ => given.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Verdict;

    fn case(scores: &[f64]) -> TriedCase {
        let interaction = |(at, dsc): (usize, &f64)| InteractionRecord {
            index: at + 1,
            dsc: *dsc,
            outcome: Outcome::Ok { exit_code: 0 },
            ..InteractionRecord::skipped(&[1])
        };
        TriedCase {
            interactions: scores.iter().enumerate().map(interaction).collect(),
            ..TriedCase::default()
        }
    }

    #[test]
    fn a_click_that_makes_the_score_fall_is_warned_about() {
        let check = clicks_that_harm(&case(&[0.5, 0.8, 0.7])).unwrap();
        assert_eq!(check.verdict, Verdict::Warning);
        assert!(
            check.seen.contains("click 2") && check.seen.contains("0.80 to 0.70"),
            "{}",
            check.seen
        );
        for fine in [&[0.5, 0.6][..], &[0.5, 0.495], &[1.0], &[]] {
            assert!(clicks_that_harm(&case(fine)).is_none(), "{fine:?}");
        }
        let mut failed = case(&[0.5, 0.0]);
        failed.interactions[1].outcome = Outcome::TimedOut;
        assert!(clicks_that_harm(&failed).is_none());
    }
}
