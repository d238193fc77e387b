//! The leaderboard: means with intervals, ranks with intervals.

use segarena_core::record::CaseRecord;
use segarena_core::run::PastSubmission;

use super::charts;
use super::text;
use crate::progress::count;
use crate::scores::{SCORES, common_cases, scores_of};
use crate::statistics::{Interval, mean_with_interval, ranks_with_intervals};

/// The submissions, best first.
pub(super) struct Leaderboard<'a> {
    /// Those that are in the order in which all of the page has them.
    pub(super) teams: Vec<&'a PastSubmission>,
    pub(super) rows: Vec<Standing>,
    pub(super) caption: String,
}

/// A row of the leaderboard.
pub(super) struct Standing {
    pub(super) name: String,
    pub(super) number: usize,
    pub(super) colour: &'static str,
    pub(super) cases: usize,
    pub(super) scores: Vec<Figure>,
    pub(super) rank: Figure,
    pub(super) failed: usize,
    pub(super) note: &'static str,
}

/// A number's text and that of its interval, and what to sort it by: empty where there is none.
pub(super) struct Figure {
    pub(super) key: String,
    pub(super) text: String,
    pub(super) interval: String,
}

impl Figure {
    fn none() -> Self {
        Self {
            key: String::new(),
            text: "–".to_owned(),
            interval: String::new(),
        }
    }

    fn of(interval: &Interval, digits: usize, digits_between: usize, has_spread: bool) -> Self {
        let Interval { value, low, high } = interval;
        Self {
            key: value.to_string(),
            text: format!("{value:.digits$}"),
            interval: if has_spread {
                format!("{low:.digits_between$}–{high:.digits_between$}")
            } else {
                String::new()
            },
        }
    }
}

impl<'a> Leaderboard<'a> {
    pub(super) fn of(submissions: &'a [PastSubmission]) -> Self {
        let records: Vec<&[CaseRecord]> = submissions.iter().map(|team| &team.cases[..]).collect();
        let common = common_cases(&records);
        let (ranked, unranked): (Vec<_>, Vec<_>) =
            submissions.iter().partition(|team| !team.cases.is_empty());
        let scores: Vec<_> = ranked
            .iter()
            .map(|team| scores_of(&team.cases, &common))
            .collect();
        // Without a case that all have, nothing can be said of ranks.
        let ranks = match common.len() {
            0 => vec![None; ranked.len()],
            _ => ranks_with_intervals(&scores)
                .into_iter()
                .map(Some)
                .collect(),
        };
        let mut places: Vec<(&PastSubmission, Option<Interval>)> =
            ranked.into_iter().zip(ranks).collect();
        places.sort_by(|(_, a), (_, b)| {
            let value = |rank: &Option<Interval>| rank.map_or(0.0, |rank| rank.value);
            value(a).total_cmp(&value(b))
        });
        places.extend(unranked.into_iter().map(|team| (team, None)));
        let rows = places.iter().enumerate();
        Self {
            rows: rows
                .map(|(index, (team, rank))| standing(index, team, *rank, common.len()))
                .collect(),
            teams: places.into_iter().map(|(team, _)| team).collect(),
            caption: format!(
                "Means over a submission's cases, with 95 % bootstrap intervals. The rank is that \
                 of the mean of the ranks in the four scores, over the {} that every ranked \
                 submission has finished.",
                count(common.len(), "case")
            ),
        }
    }
}

fn standing(
    index: usize,
    team: &PastSubmission,
    rank: Option<Interval>,
    common_cases: usize,
) -> Standing {
    let score = |score: fn(&CaseRecord) -> f64| {
        let values: Vec<f64> = team.cases.iter().map(score).collect();
        match values.len() {
            0 => Figure::none(),
            cases => Figure::of(&mean_with_interval(&values), 4, 3, cases > 1),
        }
    };
    Standing {
        name: text::line(&team.name),
        number: index + 1,
        colour: charts::css(index),
        cases: team.cases.len(),
        scores: SCORES.iter().map(|of| score(of.of)).collect(),
        rank: rank.map_or_else(Figure::none, |rank| {
            Figure::of(&rank, 0, 0, common_cases > 1)
        }),
        failed: team.cases.iter().filter(|case| case.has_failure()).count(),
        note: match (&team.error, team.finished) {
            (Some(_), _) => "could not be run",
            (None, false) => "not finished",
            (None, true) => "",
        },
    }
}
