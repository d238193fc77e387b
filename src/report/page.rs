//! What the page says, in the words and figures in which it says it.

use askama::Template;
use base64::Engine as _;
use segarena_core::backend::{Enforcement, Lifetime};
use segarena_core::dialogue::PromptKind;
use segarena_core::protocol::OverTime;
use segarena_core::run::{PastRun, RunRecord};
use sha2::{Digest, Sha256};

use super::data::PageData;
use super::export::Links;
use super::failures::{FailureGroup, failures};
use super::figures::{Figure, LEVEL, Part};
use super::slices::Slice;
use super::table::Table;
use super::views::Team;
use super::{Contents, ongoing, text};
use crate::machines::Machines;
use crate::progress::count;

const SCRIPT: &str = include_str!("../../templates/report.js");
const STYLE: &str = include_str!("../../templates/report.css");

/// The template's data. Askama escapes every text but the charts, the data, the script and the
/// style.
#[derive(Template)]
#[template(path = "report.html")]
pub(super) struct Page<'a> {
    title: String,
    script: &'static str,
    script_hash: String,
    style: &'static str,
    data: String,
    facts: Vec<(&'static str, String)>,
    cautions: Vec<String>,
    /// The names of the choices of cases, where there is a choice.
    views: Vec<String>,
    board: Shown<'a>,
    rankings: Vec<Drawing<'a>>,
    ranking_tables: Vec<Shown<'a>>,
    level: String,
    scores: Vec<Drawing<'a>>,
    own: Vec<Drawing<'a>>,
    curves: Option<Shown<'a>>,
    clicks: Option<Shown<'a>>,
    labels: Option<Shown<'a>>,
    instances: Option<Shown<'a>>,
    times: Option<Shown<'a>>,
    time_figures: Vec<Drawing<'a>>,
    failures: Vec<FailureGroup>,
    further_failures: usize,
    has_cases: bool,
    pictures: Vec<CaseView>,
    case_files: Vec<(&'static str, String)>,
    heatmap_files: Vec<(&'static str, String)>,
}

/// A table with the files that it was exported to.
struct Shown<'a> {
    table: &'a Table,
    files: Vec<(&'static str, String)>,
}

/// A figure with the files that it was exported to.
struct Drawing<'a> {
    svg: &'a str,
    view: Option<usize>,
    files: Vec<(&'static str, String)>,
}

/// A case with its picture.
pub(super) struct CaseView {
    pub(super) submission: String,
    pub(super) case: String,
    pub(super) place: String,
    pub(super) slice: Option<Slice>,
    pub(super) problem: String,
}

/// A table of more rows than this is a file to read by machines.
const MOST_PAIRS: usize = 400;

impl<'a> Page<'a> {
    pub(super) fn of(
        contents: &'a Contents<'_>,
        mut pictures: Vec<CaseView>,
        links: Option<&Links>,
    ) -> Self {
        let board = &contents.board;
        let teams = board.teams.iter().map(|team| team.past);
        let (failures, further_failures) = failures(teams);
        let data = PageData::of(board, &pictures).json();
        for picture in &mut pictures {
            picture.submission = text::line(&picture.submission);
            picture.case = text::line(&picture.case);
            picture.problem = text::line(&picture.problem);
        }
        let shown = |table: &'a Table| Shown {
            table,
            files: links.map_or(Vec::new(), |links| links.of_table(table.id)),
        };
        let table = |id| {
            let table = contents.table(id).filter(|table| !table.rows.is_empty());
            table.map(shown)
        };
        let has_ranking = board.ranked > 1 && !board.field.is_empty();
        let ranking_tables = ["schemes", "stability", "significance"].into_iter();
        let ranking_tables = ranking_tables
            .filter_map(table)
            .filter(|shown| has_ranking && shown.table.rows.len() <= MOST_PAIRS);
        let drawings = |part: Part| -> Vec<Drawing<'a>> {
            let figures = contents.figures.iter().filter(|figure| figure.part == part);
            figures.map(|figure| drawing(figure, links)).collect()
        };
        let hash = Sha256::digest(SCRIPT.as_bytes());
        Self {
            title: title(&board.teams),
            script: SCRIPT,
            script_hash: base64::engine::general_purpose::STANDARD.encode(hash),
            style: STYLE,
            data,
            facts: facts(contents.run, &board.machines),
            cautions: cautions(contents.run, &board.machines),
            views: match board.views.len() {
                1 => Vec::new(),
                _ => board.views.iter().map(|view| view.name()).collect(),
            },
            board: shown(&contents.tables[0]),
            rankings: drawings(Part::Ranking),
            ranking_tables: ranking_tables.collect(),
            level: LEVEL.to_string(),
            scores: drawings(Part::Scores),
            own: drawings(Part::Own),
            curves: table("curves"),
            clicks: table("clicks"),
            labels: table("labels"),
            instances: table("instances"),
            times: table("times"),
            time_figures: drawings(Part::Times),
            failures,
            further_failures,
            has_cases: board.ranked > 0,
            pictures,
            case_files: links.map_or(Vec::new(), Links::of_cases),
            heatmap_files: links.map_or(Vec::new(), |links| links.of_figure("heatmap")),
        }
    }
}

fn drawing<'a>(figure: &'a Figure, links: Option<&Links>) -> Drawing<'a> {
    Drawing {
        svg: &figure.svg,
        view: figure.view,
        files: links.map_or(Vec::new(), |links| links.of_figure(&figure.id)),
    }
}

impl Drawing<'_> {
    /// Whether it is hidden until its cases are chosen.
    fn is_hidden(&self) -> bool {
        self.view.is_some_and(|view| view > 0)
    }

    fn files(&self) -> &[(&'static str, String)] {
        &self.files
    }
}

impl Shown<'_> {
    fn files(&self) -> &[(&'static str, String)] {
        &self.files
    }
}

fn title(teams: &[Team<'_>]) -> String {
    match teams {
        [only] => only.name.clone(),
        many => count(many.len(), "submission"),
    }
}

fn facts(run: &PastRun, machines: &Machines) -> Vec<(&'static str, String)> {
    let record = &run.record;
    let mut facts = vec![
        ("begun", record.started.clone()),
        (
            "ended",
            record.finished.clone().unwrap_or("not yet".to_owned()),
        ),
        ("cases", record.cases.len().to_string()),
        ("track", record.track.clone()),
        ("protocol", protocol_words(record)),
        ("time limit", limit_words(record)),
        ("run on", format!("{} ({})", record.backend, record.engine)),
        ("started", started(record.lifetime).to_owned()),
        ("cases at once", record.jobs.to_string()),
        ("segarena", record.segarena.clone()),
        ("page made", ongoing::now()),
    ];
    if machines.are_known() {
        facts.push(("machines", machines.words()));
    }
    for (_, value) in &mut facts {
        *value = text::line(value);
    }
    facts
}

/// What a case's interactions are.
fn protocol_words(record: &RunRecord) -> String {
    let protocol = &record.protocol;
    let track = record.track();
    let prompts = track.map(|track| track.prompts()).unwrap_or_default();
    let prompts = match &prompts[..] {
        [] => record.track.clone(),
        [only] if *only == PromptKind::TEXT => "one prompt in words".to_owned(),
        _ => format!(
            "box and {}, policy {}",
            count(protocol.clicks, "click"),
            record.click_policy
        ),
    };
    format!("{prompts}, NSD at {} mm", protocol.nsd_tolerance_mm)
}

fn limit_words(record: &RunRecord) -> String {
    let protocol = &record.protocol;
    let track = record.track();
    if track.is_some_and(|track| track.seconds_allowed(1).is_none()) {
        return "none for a case".to_owned();
    }
    format!(
        "{} s for each class of a case, over it: {}",
        protocol.seconds_per_class,
        match protocol.over_time {
            OverTime::Warn => "a warning",
            OverTime::Zero => "scores of 0",
        }
    )
}

fn cautions(run: &PastRun, machines: &Machines) -> Vec<String> {
    let mut cautions = Vec::new();
    if run.record.finished.is_none() {
        cautions.push(text::line(&ongoing::words(run)));
    }
    if run.record.jobs > 1 {
        cautions.push(format!(
            "{} ran side by side, so running times disturbed each other.",
            count(run.record.jobs, "case")
        ));
    }
    if machines.differ() {
        cautions.push(text::line(&format!(
            "Machines differ, so running times are shown for each kind by itself, and a ranking by \
             them is not fair: {}.",
            machines.words()
        )));
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
/// How often submissions were started, which says what their times are made of.
fn started(lifetime: Lifetime) -> &'static str {
    match lifetime {
        Lifetime::Interaction => "anew for each interaction",
        Lifetime::Case => "once for each case and kept warm: its times are without loading",
        Lifetime::Run => "once for all cases and kept warm: its times are without loading",
    }
}
