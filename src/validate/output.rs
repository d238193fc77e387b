//! What to say of what a submission wrote, and of the time and memory that it took.

use segarena_core::dialogue::PromptKind;
use segarena_core::record::{InteractionRecord, Outcome};

use super::Check;
use super::findings::{WHOLE_LABELS, ran};
use super::trial::{Tried, TriedCase, TriedKind};

/// The interactions of a case in a real evaluation.
const INTERACTIONS: f64 = 6.0;

/// The form of what it wrote: element type and labels.
pub(super) fn prediction(tried: &Tried) -> Vec<Check> {
    let mut checks = Vec::new();
    let wrote = tried.cases.iter().filter_map(|case| case.dtype.as_deref());
    let mut dtypes: Vec<&str> = wrote.collect();
    dtypes.dedup();
    match dtypes[..] {
        [] => {}
        ["uint8"] => checks.push(Check::ok("segs", "uint8")),
        _ => {
            let seen = format!("{}: read as it is", dtypes.join(", "));
            checks.push(
                match dtypes.iter().any(|dtype| dtype.starts_with("float")) {
                    true => Check::warning("segs", seen).advise(WHOLE_LABELS),
                    false => Check::ok("segs", seen),
                },
            );
        }
    }
    // What was never written has been told.
    let wrote = tried.cases.iter().filter(|case| case.dtype.is_some());
    // Instances have any numbers, and what is taken for perfect is not looked at.
    let has_labels =
        |case: &&TriedCase| !matches!(case.kind, TriedKind::Instances | TriedKind::Perfect);
    for case in wrote.filter(has_labels) {
        if let Some(values) = &case.values {
            checks.push(labels(case, values));
        }
    }
    checks
}

fn labels(case: &TriedCase, values: &[u8]) -> Check {
    let list = |values: &[u8]| {
        let words: Vec<String> = values.iter().map(u8::to_string).collect();
        words.join(", ")
    };
    let name = &case.kind.check("labels");
    let foreign: Vec<u8> = values
        .iter()
        .copied()
        .filter(|v| !case.labels.contains(v))
        .collect();
    let wanted = list(&case.labels);
    if values.is_empty() {
        return Check::warning(name, "the last prediction is empty: every voxel is 0").advise(
            format!(
                "the case has labels {wanted}{}",
                match case.kind {
                    TriedKind::Labels => ", the keys of its prompts",
                    _ => ": the n-th box and the n-th clicks are of the n-th",
                }
            ),
        );
    }
    if !foreign.is_empty() {
        let seen = format!("{} where the case has {wanted}", list(values));
        return Check::warning(name, seen)
            .advise(format!("{} count as background", list(&foreign)));
    }
    if values.len() < case.labels.len() {
        let seen = format!("{} where the case has {wanted}", list(values));
        return Check::warning(name, seen).advise("each label that is missing scores 0");
    }
    Check::ok(name, list(values))
}

/// The running times against the limit, as if all six interactions had been run.
pub(super) fn time(tried: &Tried) -> Vec<Check> {
    let check = |case: &TriedCase| {
        let ran = case
            .interactions
            .iter()
            .filter(|i| i.outcome != Outcome::Skipped);
        let sound = ran.filter(|i| !i.outcome.is_failure());
        let (boxes, clicks): (Vec<&InteractionRecord>, Vec<&InteractionRecord>) =
            sound.partition(|i| i.prompt == PromptKind::BOX);
        if clicks.is_empty() {
            return None;
        }
        let per_click = clicks.iter().map(|i| i.seconds).sum::<f64>() / clicks.len() as f64;
        let first: f64 = boxes.iter().map(|i| i.seconds).sum();
        let all = first + per_click * (INTERACTIONS - 1.0);
        let allowed = case.seconds_allowed;
        let classes = case.labels.len();
        let name = &case.kind.check("time");
        let seen = format!(
            "a whole case would take about {all:.1} s; the limit is {allowed:.0} s (90 s for each \
             of {classes})"
        );
        Some(if all > allowed {
            Check::failed(name, seen).advise(
                "over the limit all scores of a case become 0 in the final ranking; this case is \
                 small, real ones take longer",
            )
        } else if all > allowed / 2.0 {
            Check::warning(name, seen).advise("this case is small, real ones take longer")
        } else {
            Check::ok(name, seen)
        })
    };
    tried.cases.iter().filter_map(check).collect()
}

pub(super) fn memory(tried: &Tried) -> Option<Check> {
    let peak = ran(tried).filter_map(|record| record.peak_memory).max()?;
    let peak = bytesize::ByteSize(peak).display().si();
    let seen = format!("at most {peak} on this small case");
    Some(Check::ok("memory", seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::Verdict;

    fn case(values: &[u8]) -> TriedCase {
        TriedCase {
            name: "organs.npz".into(),
            labels: vec![1, 2],
            seconds_allowed: 180.0,
            dtype: Some("uint8".into()),
            values: Some(values.to_vec()),
            ..TriedCase::default()
        }
    }

    #[test]
    fn labels_that_are_foreign_missing_or_none_are_warned_about() {
        let verdict = |values: &[u8]| labels(&case(values), values).verdict;
        assert_eq!(verdict(&[1, 2]), Verdict::Ok);
        for odd in [&[][..], &[1], &[1, 2, 255]] {
            assert_eq!(verdict(odd), Verdict::Warning, "{odd:?}");
        }
        let check = labels(&case(&[1, 255]), &[1, 255]);
        assert_eq!(check.advice.as_deref(), Some("255 count as background"));
    }

    #[test]
    fn the_time_of_a_whole_case_is_held_against_the_limit() {
        let verdict = |seconds: [f64; 3]| {
            let records = seconds.into_iter().enumerate().map(|(at, seconds)| {
                let mut record = InteractionRecord::skipped(&[1, 2]);
                record.outcome = Outcome::Ok { exit_code: 0 };
                (record.index, record.seconds) = (at + 1, seconds);
                if at > 0 {
                    record.prompt = PromptKind::CLICKS;
                }
                record
            });
            let case = TriedCase {
                interactions: records.collect(),
                ..case(&[1, 2])
            };
            let tried = Tried {
                cases: vec![case],
                ..Tried::default()
            };
            time(&tried)[0].verdict
        };
        // Five clicks in a real evaluation, two here.
        assert_eq!(verdict([10.0, 10.0, 10.0]), Verdict::Ok);
        assert_eq!(verdict([10.0, 20.0, 20.0]), Verdict::Warning);
        assert_eq!(verdict([10.0, 40.0, 40.0]), Verdict::Failed);
    }

    #[test]
    fn floats_are_read_and_advised_against() {
        let mut float = case(&[1, 2]);
        float.dtype = Some("float32".into());
        let tried = Tried {
            cases: vec![float],
            ..Tried::default()
        };
        let check = &prediction(&tried)[0];
        assert_eq!(
            (check.name.as_str(), check.verdict),
            ("segs", Verdict::Warning)
        );
    }
}
