//! What the page says, in the words and figures in which it says it.

use askama::Template;
use base64::Engine as _;
use segarena_core::backend::Enforcement;
use segarena_core::protocol::OverTime;
use segarena_core::record::CaseRecord;
use segarena_core::run::{PastRun, PastSubmission};
use sha2::{Digest, Sha256};

use super::charts::{self, Bars, Curve, Named};
use super::failures::{FailureGroup, failures};
use super::leaderboard::{Leaderboard, Standing};
use super::slices::Slice;
use super::tables::{
    CaseRow, CurveRow, LabelRow, TimeRow, at_interactions, case_rows, curve_rows, label_rows,
    share_of_limit, time_row,
};
use super::text;
use crate::progress::count;

const SCRIPT: &str = include_str!("../../templates/report.js");
const STYLE: &str = include_str!("../../templates/report.css");

/// The template's data. Askama escapes every text but the charts, the script and the style.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page {
    title: String,
    script: &'static str,
    script_hash: String,
    style: &'static str,
    facts: Vec<(&'static str, String)>,
    cautions: Vec<String>,
    board: Vec<Standing>,
    board_caption: String,
    charts: Vec<String>,
    own_charts: Vec<String>,
    curves: Vec<CurveRow>,
    interactions: Vec<usize>,
    labels: Vec<LabelRow>,
    times: Vec<TimeRow>,
    time_chart: Option<String>,
    failures: Vec<FailureGroup>,
    further_failures: usize,
    cases: Vec<CaseRow>,
    views: Vec<CaseView>,
}

/// A case with its picture.
pub(super) struct CaseView {
    pub(super) submission: String,
    pub(super) case: String,
    pub(super) place: String,
    pub(super) slice: Option<Slice>,
    pub(super) problem: String,
}

impl Page {
    pub(super) fn of(run: &PastRun, board: Leaderboard<'_>, mut views: Vec<CaseView>) -> Self {
        let teams = &board.teams;
        let (failures, further_failures) = failures(teams);
        let (curves, interactions) = curve_rows(teams);
        let view = |submission: &str, case: &str| {
            let is_it = |view: &CaseView| view.submission == submission && view.case == case;
            views.iter().position(is_it)
        };
        let cases = case_rows(teams, view);
        for view in &mut views {
            view.submission = text::line(&view.submission);
            view.case = text::line(&view.case);
            view.problem = text::line(&view.problem);
        }
        let hash = Sha256::digest(SCRIPT.as_bytes());
        Self {
            title: title(teams),
            script: SCRIPT,
            script_hash: base64::engine::general_purpose::STANDARD.encode(hash),
            style: STYLE,
            facts: facts(run),
            cautions: cautions(run),
            charts: score_charts(teams),
            own_charts: own_charts(teams),
            curves,
            interactions,
            labels: label_rows(teams),
            times: teams.iter().filter_map(|team| time_row(team)).collect(),
            time_chart: time_chart(teams),
            failures,
            further_failures,
            cases,
            views,
            board: board.rows,
            board_caption: board.caption,
        }
    }
}

fn title(teams: &[&PastSubmission]) -> String {
    match teams {
        [only] => text::line(&only.name),
        many => count(many.len(), "submission"),
    }
}

fn facts(run: &PastRun) -> Vec<(&'static str, String)> {
    let record = &run.record;
    let protocol = &record.protocol;
    let mut facts = vec![
        ("begun", record.started.clone()),
        (
            "ended",
            record.finished.clone().unwrap_or("not yet".to_owned()),
        ),
        ("cases", record.cases.len().to_string()),
        (
            "protocol",
            format!(
                "box and {}, policy {}, NSD at {} mm",
                count(protocol.clicks, "click"),
                record.click_policy,
                protocol.nsd_tolerance_mm
            ),
        ),
        (
            "time limit",
            format!(
                "{} s for each class of a case, over it: {}",
                protocol.seconds_per_class,
                match protocol.over_time {
                    OverTime::Warn => "a warning",
                    OverTime::Zero => "scores of 0",
                }
            ),
        ),
        ("run on", format!("{} ({})", record.backend, record.engine)),
        ("cases at once", record.jobs.to_string()),
        ("segarena", record.segarena.clone()),
    ];
    for (_, value) in &mut facts {
        *value = text::line(value);
    }
    facts
}

fn cautions(run: &PastRun) -> Vec<String> {
    let mut cautions = Vec::new();
    if run.record.finished.is_none() {
        cautions.push("The run is not over: this is what was done so far.".to_owned());
    }
    if run.record.jobs > 1 {
        cautions.push(format!(
            "{} ran side by side, so running times disturbed each other.",
            count(run.record.jobs, "case")
        ));
    }
    let unlimited: Vec<String> = run
        .record
        .limits
        .iter()
        .filter_map(|limit| match &limit.enforcement {
            Enforcement::NotEnforced { reason } => Some(reason.clone()),
            _ => None,
        })
        .collect();
    if !unlimited.is_empty() {
        cautions.push(text::line(&format!(
            "Not limited: {}.",
            unlimited.join("; ")
        )));
    }
    for team in &run.submissions {
        if let Some(error) = &team.error {
            cautions.push(text::line(&format!(
                "{} could not be run: {error}",
                team.name
            )));
        }
    }
    cautions
}

/// A submission as the charts name it; its number is its place on the leaderboard.
fn named(teams: &[&PastSubmission]) -> Vec<(usize, Named)> {
    let with_cases = teams
        .iter()
        .enumerate()
        .filter(|(_, t)| !t.cases.is_empty());
    let named = with_cases.map(|(index, team)| {
        let name = text::line(&team.name);
        (index, Named { index, name })
    });
    named.collect()
}

/// Curves over the interactions, then distributions over the cases, of DSC and NSD.
fn score_charts(teams: &[&PastSubmission]) -> Vec<String> {
    let curves = |score| {
        let curve = |(index, named)| Curve::of(named, &at_interactions(teams[index], score));
        named(teams).into_iter().map(curve).collect::<Vec<_>>()
    };
    let bars = |score: fn(&CaseRecord) -> f64| {
        let bar = |(index, named): (usize, Named)| {
            (named, teams[index].cases.iter().map(score).collect())
        };
        named(teams).into_iter().map(bar).collect::<Vec<_>>()
    };
    let drawn = [
        charts::curves("Mean DSC after each interaction", &curves(|i| i.dsc)),
        charts::curves("Mean NSD after each interaction", &curves(|i| i.nsd)),
        charts::bars(
            "Final DSC of each case",
            &bars(CaseRecord::dsc_final),
            Bars::Score,
        ),
        charts::bars(
            "Final NSD of each case",
            &bars(CaseRecord::nsd_final),
            Bars::Score,
        ),
    ];
    drawn.into_iter().flatten().collect()
}

/// Each submission by itself, with the spread over its cases.
fn own_charts(teams: &[&PastSubmission]) -> Vec<String> {
    let chart = |(index, name): (usize, Named)| {
        let team = teams[index];
        let title = format!("{} {}", index + 1, name.name);
        let scores = [
            at_interactions(team, |i| i.dsc),
            at_interactions(team, |i| i.nsd),
        ];
        charts::spread(&title, &scores)
    };
    named(teams).into_iter().filter_map(chart).collect()
}

fn time_chart(teams: &[&PastSubmission]) -> Option<String> {
    let shares = |(index, named): (usize, Named)| {
        (
            named,
            teams[index].cases.iter().map(share_of_limit).collect(),
        )
    };
    let shares: Vec<_> = named(teams).into_iter().map(shares).collect();
    charts::bars(
        "Running time of each case, of its limit",
        &shares,
        Bars::Share,
    )
}
