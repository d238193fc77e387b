//! `segarena compare`: runs beside each other, case by case, after whether they may be.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use segarena_core::record::CaseRecord;
use segarena_core::run::{PastRun, PastSubmission};
use serde::Serialize;
use serde_json::Value;

use crate::args::CompareOptions;
use crate::config::ConfigError;
use crate::exit::ExitStatus;
use crate::machines::Machines;
use crate::printable::printable;
use crate::progress::count;
use crate::ranking::{Column, scores_of};
use crate::statistics::{mean, mean_with_interval, sign_flip_test, signed_rank};
use crate::stdout;

/// The differences of one score between two submissions, second less first.
#[derive(Debug, Serialize)]
struct Difference {
    score: String,
    first: f64,
    second: f64,
    difference: f64,
    low: f64,
    high: f64,
    /// Of the sign-flip test.
    p: f64,
    /// Of Wilcoxon's signed-rank test.
    p_wilcoxon: f64,
}

/// The case in which a score differs most.
#[derive(Debug, Serialize)]
struct CaseDifference {
    case: String,
    /// The score: DSC, or F1 of instances.
    score: &'static str,
    first: f64,
    second: f64,
}

/// All that is said of the runs.
#[derive(Debug, Serialize)]
struct Compared {
    /// Whether scores may be held beside each other, and running times.
    scores_comparable: bool,
    times_comparable: bool,
    /// In what the runs differ besides their submissions, in words.
    remarks: Vec<String>,
    comparisons: Vec<Comparison>,
}

/// Two submissions held beside each other: one of the first run and one of a later run.
#[derive(Debug, Serialize)]
struct Comparison {
    first_run: PathBuf,
    second_run: PathBuf,
    first: String,
    second: String,
    cases: usize,
    only_first: Vec<String>,
    only_second: Vec<String>,
    differences: Vec<Difference>,
    /// The cases whose final DSC differs most, if it does.
    largest: Vec<CaseDifference>,
}

pub(crate) fn compare(options: &CompareOptions) -> anyhow::Result<ExitStatus> {
    let folders: Vec<&PathBuf> = [&options.first]
        .into_iter()
        .chain(&options.others)
        .collect();
    let runs = folders
        .iter()
        .map(|folder| PastRun::read(folder))
        .collect::<Result<Vec<_>, _>>()?;
    let named: Vec<(&Path, &PastRun)> = folders
        .iter()
        .map(|folder| folder.as_path())
        .zip(&runs)
        .collect();
    let mut comparisons = Vec::new();
    for &second in &named[1..] {
        for (a, b) in pairs(named[0], second)? {
            comparisons.push(hold((named[0].0, a), (second.0, b)));
        }
    }
    let found = differences(&named);
    let of = |concerns: Concerns| !found.iter().any(|found| found.concerns == concerns);
    let scores_comparable = of(Concerns::Scores);
    let compared = Compared {
        scores_comparable,
        // Other clicks or cases take another time as well.
        times_comparable: scores_comparable && of(Concerns::Times),
        remarks: found.into_iter().map(|found| found.words).collect(),
        comparisons,
    };
    if options.json {
        stdout::print(&(serde_json::to_string_pretty(&compared)? + "\n"));
        return Ok(ExitStatus::Done);
    }
    print_verdict(&compared);
    for comparison in &compared.comparisons {
        print(comparison);
    }
    Ok(ExitStatus::Done)
}

fn print_verdict(compared: &Compared) {
    let may = |is_so: bool| if is_so { "may" } else { "must not" };
    stdout::line(format_args!(
        "scores {} be compared; running times {} be compared",
        may(compared.scores_comparable),
        may(compared.times_comparable)
    ));
    for remark in &compared.remarks {
        stdout::line(format_args!("  {}", printable(remark)));
    }
}

/// The submissions to hold beside each other: those of one name, else the only ones.
fn pairs<'a>(
    (first_folder, first): (&Path, &'a PastRun),
    (second_folder, second): (&Path, &'a PastRun),
) -> Result<Vec<(&'a PastSubmission, &'a PastSubmission)>, ConfigError> {
    let names =
        |run: &PastRun| -> Vec<String> { run.submissions.iter().map(|s| s.name.clone()).collect() };
    let same: Vec<_> = first
        .submissions
        .iter()
        .filter_map(|a| Some((a, second.submissions.iter().find(|b| b.name == a.name)?)))
        .collect();
    match (&same[..], &first.submissions[..], &second.submissions[..]) {
        ([], [a], [b]) => Ok(vec![(a, b)]),
        ([], _, _) => Err(ConfigError::Usage {
            message: format!(
                "no submission is in both: {} has {}, {} has {} (runs of one submission each are \
                 compared whatever its name)",
                first_folder.display(),
                names(first).join(", "),
                second_folder.display(),
                names(second).join(", ")
            ),
        }),
        _ => Ok(same),
    }
}

/// What a difference between runs spoils.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Concerns {
    Scores,
    Times,
    /// Nothing that is measured.
    Nothing,
}

/// Something in which runs differ.
struct Found {
    concerns: Concerns,
    words: String,
}

/// What concerns a run alone, or is said otherwise.
const OWN: [&str; 8] = [
    "run_id",
    "started",
    "finished",
    "cases",
    "submissions",
    "images",
    "ground_truth",
    "schema",
];

/// What a field of a run's record decides. One that is not known here may be of the machine or of
/// how submissions are run, which is what times depend on.
fn concerns(key: &str) -> Concerns {
    match key.split('.').next().unwrap_or(key) {
        "segarena" => Concerns::Nothing,
        "track" | "click_policy" => Concerns::Scores,
        "protocol" => match key {
            // These cost a case its scores only where it runs into them, which is then a failure.
            "protocol.seconds_per_class" | "protocol.interaction_timeout" => Concerns::Times,
            _ => Concerns::Scores,
        },
        _ => Concerns::Times,
    }
}

/// All in which the runs differ besides their submissions: first what spoils scores.
fn differences(runs: &[(&Path, &PastRun)]) -> Vec<Found> {
    let fields: Vec<BTreeMap<String, String>> = runs.iter().map(|(_, run)| fields(run)).collect();
    let keys: BTreeSet<&String> = fields.iter().flat_map(BTreeMap::keys).collect();
    let mut found = Vec::new();
    for key in keys {
        let values = fields
            .iter()
            .map(|fields| fields.get(key).map_or("nothing", |v| v));
        let values: Vec<&str> = values.collect();
        if values.iter().any(|value| *value != values[0]) {
            let told = runs.iter().zip(&values);
            let told: Vec<String> = told
                .map(|((folder, _), value)| format!("{value} in {}", folder.display()))
                .collect();
            found.push(Found {
                concerns: concerns(key),
                words: format!("{key} is {}", told.join(", ")),
            });
        }
    }
    found.extend(different_files(runs));
    found.extend(unlike_machines(runs));
    found.sort_by_key(|found| match found.concerns {
        Concerns::Scores => 0,
        Concerns::Times => 1,
        Concerns::Nothing => 2,
    });
    found
}

/// The fields of a run's record, those within others by `outer.inner`.
fn fields(run: &PastRun) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let Ok(Value::Object(record)) = serde_json::to_value(&run.record) else {
        return fields;
    };
    for (key, value) in record.into_iter().filter(|(key, _)| !OWN.contains(&&**key)) {
        match value {
            Value::Object(inner) => fields.extend(
                inner
                    .into_iter()
                    .map(|(name, value)| (format!("{key}.{name}"), value.to_string())),
            ),
            Value::String(text) => drop(fields.insert(key, text)),
            other => drop(fields.insert(key, other.to_string())),
        }
    }
    fields
}

/// Machines whose times can't be held beside each other, of one run or of several.
fn unlike_machines(runs: &[(&Path, &PastRun)]) -> Option<Found> {
    let cases = |run: &'_ PastRun| Machines::of(run.submissions.iter().flat_map(|s| &s.cases));
    let machines: Vec<Machines> = runs.iter().map(|(_, run)| cases(run)).collect();
    let is_alike = |other: &Machines| other.kinds().eq(machines[0].kinds());
    if machines.iter().all(is_alike) && !machines[0].differ() {
        return None;
    }
    let told = runs.iter().zip(&machines);
    let told: Vec<String> = told
        .map(|((folder, _), machines)| format!("{} in {}", machines.words(), folder.display()))
        .collect();
    Some(Found {
        concerns: Concerns::Times,
        words: format!("machines differ: {}", told.join("; ")),
    })
}

/// Cases whose files are others than in the first run.
fn different_files(runs: &[(&Path, &PastRun)]) -> Vec<Found> {
    let (_, first) = runs[0];
    let known: BTreeMap<&str, &str> = first
        .record
        .cases
        .iter()
        .map(|case| (&*case.name, &*case.sha256))
        .collect();
    let mut found = Vec::new();
    for (folder, run) in &runs[1..] {
        let differing = run.record.cases.iter().filter(|case| {
            known
                .get(&*case.name)
                .is_some_and(|sha256| *sha256 != case.sha256)
        });
        let names: Vec<&str> = differing.map(|case| &*case.name).collect();
        if !names.is_empty() {
            found.push(Found {
                concerns: Concerns::Scores,
                words: format!(
                    "the files of {} are not those of the first run in {}: {}",
                    count(names.len(), "case"),
                    folder.display(),
                    names.join(", ")
                ),
            });
        }
    }
    found
}

fn hold(
    (first_run, first): (&Path, &PastSubmission),
    (second_run, second): (&Path, &PastSubmission),
) -> Comparison {
    let by_name = |submission: &'_ PastSubmission| -> BTreeMap<String, CaseRecord> {
        submission
            .cases
            .iter()
            .map(|record| (record.case.clone(), record.clone()))
            .collect()
    };
    let (a, b) = (by_name(first), by_name(second));
    let common: Vec<&String> = a.keys().filter(|name| b.contains_key(*name)).collect();
    let columns = scores_of(a.values().chain(b.values())).into_iter();
    let columns = columns.chain([Column::seconds()]);
    let only = |one: &BTreeMap<String, CaseRecord>, other: &BTreeMap<String, CaseRecord>| {
        let missing = one.keys().filter(|name| !other.contains_key(*name));
        missing.cloned().collect()
    };
    let difference = |column: Column| {
        let pairs = common
            .iter()
            .filter_map(|name| Some((column.of(&a[*name])?, column.of(&b[*name])?)));
        let (x, y): (Vec<f64>, Vec<f64>) = pairs.unzip();
        if x.is_empty() {
            return None;
        }
        let differences: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - x).collect();
        let interval = mean_with_interval(&differences);
        Some(Difference {
            score: column.name,
            first: mean(&x),
            second: mean(&y),
            difference: interval.value,
            low: interval.low,
            high: interval.high,
            p: sign_flip_test(&differences),
            p_wilcoxon: signed_rank(&differences).p,
        })
    };
    Comparison {
        first_run: first_run.to_owned(),
        second_run: second_run.to_owned(),
        first: first.name.clone(),
        second: second.name.clone(),
        cases: common.len(),
        only_first: only(&a, &b),
        only_second: only(&b, &a),
        differences: columns.filter_map(difference).collect(),
        largest: largest(common.iter().map(|name| (&a[*name], &b[*name]))),
    }
}

/// So many cases are named one by one.
const NAMED: usize = 5;

fn largest<'a>(
    pairs: impl Iterator<Item = (&'a CaseRecord, &'a CaseRecord)>,
) -> Vec<CaseDifference> {
    let mut differing: Vec<CaseDifference> = pairs
        .filter_map(|(a, b)| {
            let (score, first) = a.main_score()?;
            let (_, second) = b.main_score()?;
            Some(CaseDifference {
                case: a.case.clone(),
                score,
                first,
                second,
            })
        })
        .filter(|case| case.first != case.second)
        .collect();
    let distance = |case: &CaseDifference| (case.second - case.first).abs();
    differing.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    differing.truncate(NAMED);
    differing
}

fn print(comparison: &Comparison) {
    let Comparison {
        first_run,
        second_run,
        first: a,
        second: b,
        ..
    } = comparison;
    let (first, second) = (first_run.as_path(), second_run.as_path());
    stdout::line(format_args!(
        "\n{} ({}) and {} ({}): {} in both",
        printable(a),
        first.display(),
        printable(b),
        second.display(),
        count(comparison.cases, "case")
    ));
    for (names, folder) in [
        (&comparison.only_first, first),
        (&comparison.only_second, second),
    ] {
        if !names.is_empty() {
            stdout::line(format_args!(
                "the case sets differ: {} only in {}: {}",
                count(names.len(), "case"),
                folder.display(),
                printable(&names.join(", "))
            ));
        }
    }
    if comparison.cases == 0 {
        stdout::line("nothing to compare");
        return;
    }
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY).set_header([
        "mean",
        "first",
        "second",
        "difference",
        "95 % interval",
        "p",
        "Wilcoxon",
    ]);
    for row in &comparison.differences {
        table.add_row([
            row.score.clone(),
            format!("{:.4}", row.first),
            format!("{:.4}", row.second),
            format!("{:+.4}", row.difference),
            format!("{:+.4} to {:+.4}", row.low, row.high),
            format!("{:.4}", row.p),
            format!("{:.4}", row.p_wilcoxon),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    stdout::line(format_args!("{table}"));
    stdout::line("differences are second less first, case by case; the intervals are bootstrap's");
    stdout::line("p: how often chance alone would make a difference this large (sign-flip test);");
    stdout::line("Wilcoxon: the same by his signed-rank test");
    for case in &comparison.largest {
        stdout::line(format_args!(
            "{}: final {} {:.4} and {:.4}, {:+.4}",
            printable(&case.case),
            case.score,
            case.first,
            case.second,
            case.second - case.first
        ));
    }
}
