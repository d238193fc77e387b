//! A submission kept warm beside the same one started anew: they must predict the same, voxel for
//! voxel, or it remembers what it should not.

use std::path::Path;

use segarena_core::backend::Lifetime;
use segarena_core::npz::{NpzError, read_saved_segs};
use segarena_core::record::{InteractionRecord, Outcome};
use segarena_core::run::OutputFolder;

use super::Check;
use super::findings::prompt;
use super::trial::{Tried, TriedCase, TriedKind};

/// What was seen of a submission that was kept warm.
#[derive(Debug, Default)]
pub(crate) struct TriedWarm {
    /// How long it lived.
    pub(crate) lifetime: Lifetime,
    /// The cases, in order; none: it was not tried.
    pub(crate) cases: Vec<TriedCase>,
    /// Where it first predicted another thing than when it was started anew.
    pub(crate) difference: Option<Difference>,
    /// Where, started anew, it first predicted another thing than started anew before.
    pub(crate) unsteady: Option<Difference>,
}

/// The first voxel in which two predictions differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) case: String,
    pub(crate) interaction: usize,
    /// The index, (z, y, x).
    pub(crate) at: [usize; 3],
    /// The value that the first of the two has there.
    pub(crate) one: u8,
    /// The value that the second has.
    pub(crate) other: u8,
}

/// One run of a submission on the cases: what was seen, and the folder of its results.
pub(super) struct Attempt<'a> {
    pub(super) cases: &'a [TriedCase],
    pub(super) output: &'a Path,
}

/// The first voxel in which the predictions of two attempts differ, as far as none failed: what
/// comes after a failure or a difference is asked otherwise.
///
/// # Errors
/// When saved predictions can't be read.
pub(super) fn first_difference(
    submission: &str,
    one: &Attempt<'_>,
    other: &Attempt<'_>,
) -> Result<Option<Difference>, NpzError> {
    for (case, again) in one.cases.iter().zip(other.cases) {
        // What it predicts of that one is not looked at.
        if case.kind == TriedKind::Perfect {
            continue;
        }
        let saved = |attempt: &Attempt<'_>| {
            let files = OutputFolder::at(attempt.output).submission(submission);
            read_saved_segs(&files.predictions(case.name.trim_end_matches(".npz")))
        };
        let is_over = |case: &TriedCase| case.is_finished;
        if !(is_over(case) && is_over(again)) {
            continue;
        }
        let predictions = saved(one)?.zip(saved(other)?);
        for (records, (first, second)) in ran(case).zip(ran(again)).zip(predictions) {
            if records.0.outcome.is_failure() || records.1.outcome.is_failure() {
                break;
            }
            let (first, second) = (first?, second?);
            let mut voxels = first.indexed_iter().zip(&second);
            if let Some((((z, y, x), &one), &other)) = voxels.find(|((_, one), other)| one != other)
            {
                return Ok(Some(Difference {
                    case: case.name.clone(),
                    interaction: records.0.index,
                    at: [z, y, x],
                    one,
                    other,
                }));
            }
        }
    }
    Ok(None)
}

/// The interactions that were run, in the order in which their predictions are saved.
fn ran(case: &TriedCase) -> impl Iterator<Item = &InteractionRecord> {
    let all = case.interactions.iter();
    all.filter(|interaction| interaction.outcome != Outcome::Skipped)
}

/// What to say of a submission that was kept warm.
pub(super) fn kept_warm(tried: &Tried) -> Option<Check> {
    let warm = tried.warm.as_ref()?;
    let name = format!("warm, {}", warm.lifetime);
    if warm.cases.is_empty() {
        let seen = "not tried, as an interaction before it hung";
        return Some(Check::warning(&name, seen));
    }
    if let Some(check) = failure(&name, tried, warm) {
        return Some(check);
    }
    let Some(difference) = &warm.difference else {
        return Some(Check::ok(&name, times(tried, warm)));
    };
    if let Some(unsteady) = &warm.unsteady {
        let seen = format!(
            "{}, but started anew it differs from itself as well: {}",
            told(difference, ["started anew", "kept warm"]),
            told(unsteady, ["the first time", "the second time"])
        );
        return Some(Check::warning(&name, seen).advise(
            "whether being kept warm changes its predictions can't be told: set its seeds, and ask \
             its framework for deterministic algorithms",
        ));
    }
    let seen = told(difference, ["started anew", "kept warm"]);
    Some(Check::failed(&name, seen).advise(
        "it remembers something of an earlier interaction or case: forget all but the weights \
         before each answer; `segarena replay` makes an interaction again",
    ))
}

fn told(difference: &Difference, [one, other]: [&str; 2]) -> String {
    let Difference {
        case,
        interaction,
        at: [z, y, x],
        one: before,
        other: after,
    } = difference;
    format!(
        "{case}, interaction {interaction}: voxel (z, y, x) = ({z}, {y}, {x}) is {before} {one} \
         and {after} {other}"
    )
}

/// The first interaction that failed only where it was kept warm.
fn failure(name: &str, tried: &Tried, warm: &TriedWarm) -> Option<Check> {
    let cases = tried.cases.iter().zip(&warm.cases);
    let mut pairs = cases.flat_map(|(case, again)| {
        let records = case.interactions.iter().zip(&again.interactions);
        records.map(move |(record, again)| (case, record, again))
    });
    let (case, _, failed) =
        pairs.find(|(_, cold, warm)| warm.outcome.is_failure() && !cold.outcome.is_failure())?;
    let seen = format!(
        "{}, {}: {}",
        case.name,
        match case.kind {
            TriedKind::Labels | TriedKind::Instances => "text".to_owned(),
            _ => prompt(failed.index),
        },
        failed.outcome.describe()
    );
    let mut check = Check::failed(name, seen).advise(
        "started anew for each interaction it did not fail; `segarena new` writes a predict.py \
         that can do both",
    );
    failed.log_tail.trim_end().clone_into(&mut check.log);
    Some(check)
}

/// How often it was started, and what that spared.
fn times(tried: &Tried, warm: &TriedWarm) -> String {
    let seconds = |cases: &[TriedCase]| {
        let all: Vec<f64> = cases.iter().flat_map(ran).map(|one| one.seconds).collect();
        all.iter().sum::<f64>() / all.len().max(1) as f64
    };
    let loads: Vec<f64> = warm
        .cases
        .iter()
        .flat_map(ran)
        .filter_map(|one| one.load_seconds)
        .collect();
    format!(
        "it predicts the same; an interaction takes {:.2} s and not {:.2} s, a start {:.2} s, of \
         which there were {}",
        seconds(&warm.cases),
        seconds(&tried.cases),
        loads.iter().sum::<f64>() / loads.len().max(1) as f64,
        loads.len()
    )
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;
    use segarena_core::npz::ResultWriter;

    use super::*;
    use crate::validate::Verdict;

    const SHAPE: [usize; 3] = [2, 3, 4];

    /// Saves these predictions of a case, each with one voxel that has this value.
    fn attempt(output: &Path, voxels: &[([usize; 3], u8)]) -> Vec<TriedCase> {
        let files = OutputFolder::at(output).submission("team");
        std::fs::create_dir_all(files.folder()).unwrap();
        let path = files.predictions("organs");
        let mut writer = ResultWriter::create(&path, SHAPE, voxels.len()).unwrap();
        let mut last = Array3::<u8>::zeros(SHAPE);
        for &(at, value) in voxels {
            last = Array3::zeros(SHAPE);
            last[at] = value;
            writer.push(last.view()).unwrap();
        }
        writer.finish(last.view()).unwrap();
        let record = |at| InteractionRecord {
            index: at + 1,
            outcome: Outcome::Ok { exit_code: 0 },
            ..InteractionRecord::skipped(&[1])
        };
        vec![TriedCase {
            name: "organs.npz".to_owned(),
            interactions: (0..voxels.len()).map(record).collect(),
            is_finished: true,
            ..TriedCase::default()
        }]
    }

    fn difference(one: &[([usize; 3], u8)], other: &[([usize; 3], u8)]) -> Option<Difference> {
        let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let [first, second] = folders.each_ref().map(|folder| folder.path());
        let cases = [attempt(first, one), attempt(second, other)];
        let attempt = |at: usize| Attempt {
            cases: &cases[at],
            output: folders[at].path(),
        };
        first_difference("team", &attempt(0), &attempt(1)).unwrap()
    }

    #[test]
    fn the_first_voxel_that_differs_is_named() {
        let same = ([0, 1, 2], 1);
        assert_eq!(difference(&[same, same], &[same, same]), None);
        let found = difference(&[same, ([1, 2, 3], 2)], &[same, ([1, 2, 3], 3)]);
        let expected = Difference {
            case: "organs.npz".to_owned(),
            interaction: 2,
            at: [1, 2, 3],
            one: 2,
            other: 3,
        };
        assert_eq!(found, Some(expected.clone()));
        let text = told(&expected, ["started anew", "kept warm"]);
        assert_eq!(
            text,
            "organs.npz, interaction 2: voxel (z, y, x) = (1, 2, 3) is 2 started anew and 3 kept \
             warm"
        );
    }

    fn check(warm: TriedWarm) -> Check {
        let tried = Tried {
            warm: Some(warm),
            ..Tried::default()
        };
        kept_warm(&tried).unwrap()
    }

    #[test]
    fn a_submission_that_differs_from_itself_is_only_warned_about() {
        let differing = |unsteady| TriedWarm {
            lifetime: Lifetime::Case,
            cases: vec![TriedCase::default()],
            difference: Some(Difference {
                case: "organs.npz".to_owned(),
                interaction: 1,
                at: [0; 3],
                one: 1,
                other: 2,
            }),
            unsteady,
        };
        let found = check(differing(None));
        assert_eq!(found.verdict, Verdict::Failed);
        let found = check(differing(differing(None).difference));
        assert_eq!(found.verdict, Verdict::Warning);
        assert_eq!(check(TriedWarm::default()).verdict, Verdict::Warning);
    }
}
