//! What failed, by its reason, with the ends of the logs.

use std::collections::{BTreeMap, BTreeSet};

use segarena_core::record::{CaseRecord, InteractionRecord};
use segarena_core::run::PastSubmission;

use super::text;
use crate::progress::count;

/// So many examples of each kind of failure have their log's end on the page …
const EXAMPLES: usize = 5;
/// … of so many kinds.
const KINDS: usize = 30;

/// Failures with one reason.
pub(super) struct FailureGroup {
    pub(super) reason: String,
    pub(super) extent: String,
    pub(super) submissions: Vec<String>,
    pub(super) examples: Vec<FailureExample>,
}

/// One failed interaction.
pub(super) struct FailureExample {
    pub(super) place: String,
    pub(super) log: Option<String>,
    pub(super) tail: String,
}

type Failure<'a> = (&'a PastSubmission, &'a CaseRecord, &'a InteractionRecord);

/// The failures, the most frequent reason first, and how many further reasons there are.
pub(super) fn failures<'a>(
    teams: impl Iterator<Item = &'a PastSubmission>,
) -> (Vec<FailureGroup>, usize) {
    let mut by_reason: BTreeMap<String, Vec<Failure<'_>>> = BTreeMap::new();
    for team in teams {
        for case in &team.cases {
            for interaction in case.interactions.iter().filter(|i| i.outcome.is_failure()) {
                let reason = text::line(&interaction.outcome.describe());
                let group = by_reason.entry(reason).or_default();
                group.push((team, case, interaction));
            }
        }
    }
    let mut by_reason: Vec<_> = by_reason.into_iter().collect();
    by_reason.sort_by_key(|(_, failures)| std::cmp::Reverse(failures.len()));
    let further = by_reason.len().saturating_sub(KINDS);
    by_reason.truncate(KINDS);
    let groups = by_reason.into_iter();
    let groups = groups.map(|(reason, failures)| FailureGroup {
        reason,
        extent: extent(&failures),
        submissions: shares(&failures),
        examples: examples(&failures).into_iter().map(example).collect(),
    });
    (groups.collect(), further)
}

fn extent(failures: &[Failure<'_>]) -> String {
    format!(
        "{} in {}",
        count(failures.len(), "interaction"),
        count(cases_of(failures), "case")
    )
}

fn cases_of(failures: &[Failure<'_>]) -> usize {
    let cases = failures
        .iter()
        .map(|(team, case, _)| (&team.name, &case.case));
    cases.collect::<BTreeSet<_>>().len()
}

/// Each submission's share in the failures, the largest first.
fn shares(failures: &[Failure<'_>]) -> Vec<String> {
    let mut by_team: BTreeMap<&str, Vec<Failure<'_>>> = BTreeMap::new();
    for failure in failures {
        by_team.entry(&failure.0.name).or_default().push(*failure);
    }
    let mut by_team: Vec<_> = by_team.into_iter().collect();
    by_team.sort_by_key(|(_, failures)| std::cmp::Reverse(failures.len()));
    let words = by_team.into_iter();
    words
        .map(|(name, failures)| format!("{}: {}", text::line(name), extent(&failures)))
        .collect()
}

/// Those that tell most: of different submissions and with different logs before more of the same.
fn examples<'a>(failures: &[Failure<'a>]) -> Vec<Failure<'a>> {
    let mut submissions = BTreeSet::new();
    let mut logs = BTreeSet::new();
    let mut ordered: Vec<(u8, &Failure<'a>)> = failures
        .iter()
        .map(|failure| {
            let (team, _, interaction) = failure;
            let is_new_team = submissions.insert(&team.name);
            let is_new_log = logs.insert(&interaction.log_tail);
            (2 * u8::from(!is_new_team) + u8::from(!is_new_log), failure)
        })
        .collect();
    ordered.sort_by_key(|(novelty, _)| *novelty);
    let chosen = ordered.into_iter().take(EXAMPLES);
    chosen.map(|(_, failure)| *failure).collect()
}

fn example((team, case, interaction): Failure<'_>) -> FailureExample {
    FailureExample {
        place: text::line(&format!(
            "{}, {}, interaction {}",
            team.name, case.case, interaction.index
        )),
        log: interaction
            .log
            .as_ref()
            .map(|log| text::line(&format!("{}/{log}", team.name))),
        tail: text::tail(&interaction.log_tail),
    }
}
