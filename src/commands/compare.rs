//! `segarena compare`: two runs, case by case.

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};
use segarena_core::record::CaseRecord;
use segarena_core::run::{PastRun, PastSubmission};
use serde::Serialize;

use crate::args::CompareOptions;
use crate::config::ConfigError;
use crate::exit::ExitStatus;
use crate::progress::{count, printable};
use crate::scores::{SCORES, SECONDS, Score};
use crate::statistics::{mean, mean_with_interval, sign_flip_test};

/// The differences of one score between two submissions, second less first.
#[derive(Debug, Serialize)]
struct Difference {
    score: &'static str,
    first: f64,
    second: f64,
    difference: f64,
    low: f64,
    high: f64,
    p: f64,
}

/// The case in which a score differs most.
#[derive(Debug, Serialize)]
struct CaseDifference {
    case: String,
    first: f64,
    second: f64,
}

/// All that is said of two runs.
#[derive(Debug, Serialize)]
struct Compared {
    /// In what the runs differ besides their submissions, in words.
    remarks: Vec<String>,
    comparisons: Vec<Comparison>,
}

/// Two submissions held beside each other.
#[derive(Debug, Serialize)]
struct Comparison {
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
    let first = PastRun::read(&options.first)?;
    let second = PastRun::read(&options.second)?;
    let pairs = pairs(&first, &second, options)?;
    let compared = Compared {
        remarks: different_protocols(&first, &second),
        comparisons: pairs.iter().map(|(a, b)| hold(a, b)).collect(),
    };
    if options.json {
        println!("{}", serde_json::to_string_pretty(&compared)?);
        return Ok(ExitStatus::Done);
    }
    for remark in &compared.remarks {
        println!("{}", printable(remark));
    }
    for comparison in &compared.comparisons {
        print(comparison, &options.first, &options.second);
    }
    Ok(ExitStatus::Done)
}

/// The submissions to hold beside each other: those of one name, else the only ones.
fn pairs<'a>(
    first: &'a PastRun,
    second: &'a PastRun,
    options: &CompareOptions,
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
                options.first.display(),
                names(first).join(", "),
                options.second.display(),
                names(second).join(", ")
            ),
        }),
        _ => Ok(same),
    }
}

fn different_protocols(first: &PastRun, second: &PastRun) -> Vec<String> {
    let mut remarks = Vec::new();
    let fields = |run: &PastRun| -> BTreeMap<String, String> {
        match serde_json::to_value(&run.record.protocol) {
            Ok(serde_json::Value::Object(fields)) => fields
                .into_iter()
                .map(|(key, value)| (key, value.to_string()))
                .collect(),
            _ => BTreeMap::new(),
        }
    };
    let (a, b) = (fields(first), fields(second));
    for (key, value) in &a {
        let other = b.get(key).map_or("nothing", String::as_str);
        if value != other {
            remarks.push(format!(
                "the protocols differ: {key} is {value} in the first and {other} in the second"
            ));
        }
    }
    if first.record.click_policy != second.record.click_policy {
        remarks.push(format!(
            "the click policies differ: {} and {}",
            first.record.click_policy, second.record.click_policy
        ));
    }
    for case in &first.record.cases {
        let same = second
            .record
            .cases
            .iter()
            .find(|other| other.name == case.name);
        if same.is_some_and(|other| other.sha256 != case.sha256) {
            remarks.push(format!("{}: its files differ between the runs", case.name));
        }
    }
    remarks
}

fn hold(first: &PastSubmission, second: &PastSubmission) -> Comparison {
    let by_name = |submission: &'_ PastSubmission| -> BTreeMap<String, CaseRecord> {
        submission
            .cases
            .iter()
            .map(|record| (record.case.clone(), record.clone()))
            .collect()
    };
    let (a, b) = (by_name(first), by_name(second));
    let common: Vec<&String> = a.keys().filter(|name| b.contains_key(*name)).collect();
    let only = |one: &BTreeMap<String, CaseRecord>, other: &BTreeMap<String, CaseRecord>| {
        let missing = one.keys().filter(|name| !other.contains_key(*name));
        missing.cloned().collect()
    };
    let difference = |Score { name, of }: Score| {
        let values = |records: &BTreeMap<String, CaseRecord>| -> Vec<f64> {
            common.iter().map(|name| of(&records[*name])).collect()
        };
        let (x, y) = (values(&a), values(&b));
        let differences: Vec<f64> = x.iter().zip(&y).map(|(x, y)| y - x).collect();
        let interval = mean_with_interval(&differences);
        Difference {
            score: name,
            first: mean(&x),
            second: mean(&y),
            difference: interval.value,
            low: interval.low,
            high: interval.high,
            p: sign_flip_test(&differences),
        }
    };
    Comparison {
        first: first.name.clone(),
        second: second.name.clone(),
        cases: common.len(),
        only_first: only(&a, &b),
        only_second: only(&b, &a),
        differences: SCORES
            .into_iter()
            .chain([SECONDS])
            .map(difference)
            .collect(),
        largest: largest(common.iter().map(|name| (&a[*name], &b[*name]))),
    }
}

/// So many cases are named one by one.
const NAMED: usize = 5;

fn largest<'a>(
    pairs: impl Iterator<Item = (&'a CaseRecord, &'a CaseRecord)>,
) -> Vec<CaseDifference> {
    let mut differing: Vec<CaseDifference> = pairs
        .map(|(a, b)| CaseDifference {
            case: a.case.clone(),
            first: a.dsc_final(),
            second: b.dsc_final(),
        })
        .filter(|case| case.first != case.second)
        .collect();
    let distance = |case: &CaseDifference| (case.second - case.first).abs();
    differing.sort_by(|a, b| distance(b).total_cmp(&distance(a)));
    differing.truncate(NAMED);
    differing
}

fn print(comparison: &Comparison, first: &Path, second: &Path) {
    let Comparison {
        first: a,
        second: b,
        ..
    } = comparison;
    println!(
        "\n{} ({}) and {} ({}): {} in both",
        printable(a),
        first.display(),
        printable(b),
        second.display(),
        count(comparison.cases, "case")
    );
    for (names, folder) in [
        (&comparison.only_first, first),
        (&comparison.only_second, second),
    ] {
        if !names.is_empty() {
            println!(
                "the case sets differ: {} only in {}: {}",
                count(names.len(), "case"),
                folder.display(),
                printable(&names.join(", "))
            );
        }
    }
    if comparison.cases == 0 {
        println!("nothing to compare");
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
    ]);
    for row in &comparison.differences {
        table.add_row([
            row.score.to_owned(),
            format!("{:.4}", row.first),
            format!("{:.4}", row.second),
            format!("{:+.4}", row.difference),
            format!("{:+.4} to {:+.4}", row.low, row.high),
            format!("{:.4}", row.p),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
    println!("differences are second less first, case by case; the intervals are bootstrap's");
    println!("p: how often chance alone would make a difference this large (sign-flip test)");
    for case in &comparison.largest {
        println!(
            "{}: final DSC {:.4} and {:.4}, {:+.4}",
            printable(&case.case),
            case.first,
            case.second,
            case.second - case.first
        );
    }
}
