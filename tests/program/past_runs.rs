//! Past runs read again: compared with each other, scored again, and told when they can't be read.

use std::fs;
use std::path::{Path, PathBuf};

use crate::scenario::{ProgramOutput, Scenario, segarena};
use serde_json::Value;

/// A folder with two runs: `out` of the stand-in on two cases, `other` of one that writes nothing,
/// on one of them and with fewer clicks.
fn two_runs() -> Scenario {
    let scenario = Scenario::new()
        .case("angio_no_box")
        .case("micro_tiny_objects")
        .stand_in("team");
    scenario.evaluate().ends_with(0);
    let config = fs::read_to_string(scenario.path().join("config.toml")).unwrap();
    let silent = config.split("[[submission]]").next().unwrap();
    let silent = format!("{silent}[[submission]]\nname = \"team\"\ncommand = [\"true\"]\n");
    fs::write(scenario.path().join("other.toml"), silent).unwrap();
    let line = "evaluate -c other.toml -o other --case micro_tiny_objects --clicks 4";
    let words: Vec<&str> = line.split(' ').collect();
    segarena(scenario.path(), &words).ends_with(3);
    scenario
}

fn one_run() -> Scenario {
    let scenario = Scenario::new()
        .case("angio_no_box")
        .case("micro_tiny_objects")
        .stand_in("team");
    scenario.evaluate().ends_with(0);
    scenario
}

fn rescored(scenario: &Scenario, more: &[&str]) -> ProgramOutput {
    segarena(scenario.path(), &[&["rescore", "out"], more].concat())
}

#[test]
fn two_runs_are_held_beside_each_other_case_by_case() {
    let scenario = two_runs();
    let ran = segarena(scenario.path(), &["compare", "out", "other"]).ends_with(0);
    ran.prints(&[
        "scores must not be compared; running times must not be compared",
        "protocol.clicks is 5 in out, 4 in other",
        "team (out) and team (other): 1 case in both",
        "the case sets differ: 1 case only in out: angio_no_box.npz",
        "DSC final",
        "95 % interval",
        "sign-flip test",
    ]);
    let ran = segarena(scenario.path(), &["compare", "out", "other", "--json"]).ends_with(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    let pair = &found["comparisons"][0];
    assert_eq!(pair["only_first"], serde_json::json!(["angio_no_box.npz"]));
    let of_score = |name: &str| {
        let rows = pair["differences"].as_array().unwrap();
        rows.iter()
            .find(|row| row["score"] == name)
            .unwrap()
            .clone()
    };
    let row = of_score("DSC final");
    let record = scenario.record("team", "micro_tiny_objects");
    assert_eq!(row["first"], record["interactions"][5]["dsc"]);
    assert_eq!(row["second"], 0.0);
    assert_eq!(
        row["difference"].as_f64().unwrap(),
        -row["first"].as_f64().unwrap()
    );
}

#[test]
fn any_number_of_runs_are_held_beside_the_first() {
    let scenario = one_run();
    let words = ["compare", "out", "out", "out", "--json"];
    let ran = segarena(scenario.path(), &words).ends_with(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["comparisons"].as_array().unwrap().len(), 2);
    let path = scenario.path().join("out/run.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    fs::create_dir(scenario.path().join("four")).unwrap();
    record["jobs"] = 4.into();
    fs::write(scenario.path().join("four/run.json"), record.to_string()).unwrap();
    segarena(scenario.path(), &["compare", "out", "out", "four"])
        .ends_with(0)
        .prints(&[
            "scores may be compared; running times must not be compared",
            "jobs is 1 in out, 1 in out, 4 in four",
        ]);
    segarena(scenario.path(), &["compare", "out"]).ends_with(2);
}

#[test]
fn figures_and_tables_are_exported_for_a_paper_and_for_machines() {
    let scenario = one_run();
    let words = ["report", "out", "--export", "out/paper"];
    segarena(scenario.path(), &words).ends_with(0);
    let read = |name: &str| fs::read(scenario.path().join("out/paper").join(name)).unwrap();
    let page = fs::read_to_string(scenario.path().join("out/report.html")).unwrap();
    for name in [
        "curve_dsc.pdf",
        "cases_dsc_final.pdf",
        "heatmap.pdf",
        "times.pdf",
    ] {
        assert!(read(name).starts_with(b"%PDF"), "{name}");
        let svg = String::from_utf8(read(&name.replace(".pdf", ".svg"))).unwrap();
        assert!(svg.contains("<path") && !svg.contains("<text"), "{name}");
        assert!(page.contains(&format!("./paper/{name}")), "{name}");
    }
    for name in [
        "leaderboard",
        "schemes",
        "stability",
        "curves",
        "clicks",
        "labels",
        "times",
    ] {
        let csv = read(&format!("{name}.csv"));
        let rows = csv::Reader::from_reader(&csv[..]).into_records().count();
        assert!(rows > 0, "{name}");
        let latex = String::from_utf8(read(&format!("{name}.tex"))).unwrap();
        assert!(latex.contains("\\begin{longtable}"), "{name}");
    }
    let summary: Value = serde_json::from_slice(&read("summary.json")).unwrap();
    let record = scenario.record("team", "micro_tiny_objects");
    let other = scenario.record("team", "angio_no_box");
    let last = |record: &Value| record["interactions"][5]["dsc"].as_f64().unwrap();
    let row = &summary["tables"]["leaderboard"][0];
    assert_eq!(row["Submission"], "team");
    let mean = (last(&other) + last(&record)) / 2.0;
    assert_eq!(row["DSC final"]["value"].as_f64().unwrap(), mean);
    // What challengeR reads: four columns and two cases of one algorithm.
    let long = String::from_utf8(read("challengeR.csv")).unwrap();
    assert_eq!(long.lines().count(), 9);
    assert!(
        long.starts_with("task,case,algorithm,value,group\n"),
        "{long}"
    );
    let line = format!(
        "dsc_final,micro_tiny_objects.npz,team,{},micro",
        last(&record)
    );
    assert!(long.lines().any(|found| found == line), "{long}");
}

#[test]
fn a_report_ranks_as_the_configuration_says_and_later_as_it_was_kept() {
    let scenario = one_run();
    let groups = "case,group\nangio_no_box,vessels\nmicro_tiny_objects,cells\n";
    fs::write(scenario.path().join("groups.csv"), groups).unwrap();
    let config = fs::read_to_string(scenario.path().join("config.toml")).unwrap();
    let config = config.replacen("[cases]\n", "[cases]\ngroups = \"groups.csv\"\n", 1);
    let config = format!(
        "{config}\n[ranking]\nscheme = \"rank-then-mean\"\nweights = {{ dsc_final = 2 }}\n"
    );
    fs::write(scenario.path().join("ranked.toml"), &config).unwrap();
    let page = |words: &[&str]| {
        segarena(scenario.path(), words).ends_with(0);
        fs::read_to_string(scenario.path().join("out/report.html")).unwrap()
    };
    assert!(page(&["report", "out"]).contains(">angio</option>"));
    let ranked = page(&["report", "out", "--config", "ranked.toml"]);
    assert!(ranked.contains(">vessels</option>") && ranked.contains("DSC final × 2"));
    // An evaluation keeps what it was told.
    segarena(scenario.path(), &["evaluate", "-c", "ranked.toml"]).ends_with(0);
    assert!(page(&["report", "out"]).contains(">vessels</option>"));

    for (from, to, said) in [
        ("dsc_final = 2", "dice = 2", "there is no column `dice`"),
        ("dsc_final = 2", "dsc_final = -1", "must be 0 or more"),
        ("groups.csv", "none.csv", "cannot read the groups"),
        ("rank-then-mean", "by-lot", "unknown variant"),
    ] {
        fs::write(scenario.path().join("wrong.toml"), config.replace(from, to)).unwrap();
        segarena(scenario.path(), &["evaluate", "-c", "wrong.toml"])
            .ends_with(1)
            .says(&["wrong.toml", said]);
    }
    fs::write(scenario.path().join("groups.csv"), "case,group\nother,a\n").unwrap();
    segarena(scenario.path(), &["evaluate", "-c", "ranked.toml"])
        .ends_with(1)
        .says(&["names no group for angio_no_box.npz"]);
}

#[test]
fn a_run_compared_with_itself_differs_in_nothing() {
    let scenario = one_run();
    let ran = segarena(scenario.path(), &["compare", "out", "out", "--json"]).ends_with(0);
    let found: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(found["remarks"], serde_json::json!([]));
    for row in found["comparisons"][0]["differences"].as_array().unwrap() {
        assert_eq!(
            (&row["difference"], &row["p"]),
            (&0.0.into(), &1.0.into()),
            "{row}"
        );
    }
}

#[test]
fn saved_predictions_give_the_same_scores_and_the_same_table() {
    let scenario = one_run();
    rescored(&scenario, &["--output", "again"])
        .ends_with(0)
        .prints(&["team: the same scores and the same table, 2 cases"]);
    let table = |folder: &str| fs::read(scenario.path().join(folder).join("team/team_metrics.csv"));
    assert_eq!(table("again").unwrap(), table("out").unwrap());
}

/// Changes a file of the run and gives what scoring again finds.
#[track_caller]
fn finds(change: impl Fn(PathBuf), file: &str, words: &[&str]) {
    let scenario = one_run();
    change(scenario.path().join(file));
    rescored(&scenario, &[]).ends_with(3).prints(words);
}

#[test]
fn whatever_was_changed_afterwards_is_found() {
    let appended = |path: PathBuf| {
        let mut bytes = fs::read(&path).unwrap();
        bytes.push(b'\n');
        fs::write(path, bytes).unwrap();
    };
    finds(
        appended,
        "out/team/angio_no_box.npz",
        &["angio_no_box.npz: its predictions were changed after they were scored"],
    );
    finds(
        appended,
        "out/team/team_metrics.csv",
        &["team_metrics.csv is not what the predictions give"],
    );
    finds(
        appended,
        "gts/angio_no_box.npz",
        &["angio_no_box.npz: its image or ground truth is not the file that was evaluated"],
    );
    finds(
        |path| {
            let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            record["interactions"][5]["dsc"] = 0.99.into();
            fs::write(path, record.to_string()).unwrap();
        },
        "out/team/micro_tiny_objects.json",
        &["micro_tiny_objects.npz: interaction 6: the record has DSC 0.990000"],
    );
    finds(
        |path| fs::remove_file(path).unwrap(),
        "out/team/angio_no_box.npz",
        &[
            "angio_no_box.npz: cannot be scored again: there is no file",
            "team_metrics.csv could not be checked",
        ],
    );
}

#[test]
fn a_data_set_that_has_moved_is_named() {
    let scenario = one_run();
    for kind in ["imgs", "gts"] {
        let to = scenario.path().join(format!("moved_{kind}"));
        fs::rename(scenario.path().join(kind), to).unwrap();
    }
    rescored(&scenario, &[]).ends_with(3).prints(&[
        "cannot be scored again: there is no file",
        "--images says where",
    ]);
    rescored(
        &scenario,
        &["--images", "moved_imgs", "--ground-truth", "moved_gts"],
    )
    .ends_with(0);
}

/// Every command that reads a past run says what is wrong with its folder.
#[track_caller]
fn is_told(folder: &Path, out: &str, words: &[&str]) {
    for command in [
        &["report", out][..],
        &["rescore", out],
        &["compare", out, out],
    ] {
        segarena(folder, command).ends_with(1).says(words);
    }
}

#[test]
fn a_folder_that_is_no_runs_is_told_with_what_to_do() {
    let scenario = one_run();
    let folder = scenario.path();
    fs::create_dir(folder.join("empty")).unwrap();
    is_told(folder, "nowhere", &["there is no folder nowhere"]);
    is_told(folder, "config.toml", &["config.toml"]);
    is_told(
        folder,
        "empty",
        &[
            "empty has no run.json",
            "give the folder that `evaluate` wrote to",
        ],
    );
    let path = folder.join("out/run.json");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    is_told(
        folder,
        "out",
        &["out/run.json is damaged", "evaluate again"],
    );
    fs::write(&path, whole.replacen("\"schema\": 1", "\"schema\": 99", 1)).unwrap();
    is_told(
        folder,
        "out",
        &["out/run.json has form 99", "use the version that wrote it"],
    );
    fs::write(&path, &whole).unwrap();
    fs::write(folder.join("out/team/angio_no_box.json"), "{").unwrap();
    is_told(folder, "out", &["angio_no_box.json is damaged"]);
}

#[test]
fn a_run_with_the_ground_truth_inside_its_images_is_reported_and_scored_again() {
    let scenario = Scenario::new().case("micro_tiny_objects").stand_in("team");
    let image = scenario.path().join("imgs/micro_tiny_objects.npz");
    let truth = scenario.path().join("gts/micro_tiny_objects.npz");
    crate::scenario::merge(&image, &truth, &image);
    fs::remove_dir_all(scenario.path().join("gts")).unwrap();
    scenario.command();
    let config = scenario.path().join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace("ground_truth = \"gts\"\n", "")).unwrap();
    segarena(scenario.path(), &["evaluate", "-c", "config.toml"]).ends_with(0);
    rescored(&scenario, &[]).ends_with(0);
    let page = fs::read_to_string(scenario.result("report.html")).unwrap();
    assert!(page.contains("<image "), "the case has a picture");
}

#[test]
fn times_of_unlike_machines_are_shown_apart_and_said_to_differ() {
    let scenario = one_run();
    let host = scenario.record("team", "micro_tiny_objects")["interactions"][0]["machine"].clone();
    assert!(!host["host"].as_str().unwrap().is_empty(), "{host}");
    // Of the other case nothing was run at the first interaction.
    let skipped = scenario.record("team", "angio_no_box")["interactions"][0].clone();
    assert_eq!(skipped.get("machine"), None);
    segarena(scenario.path(), &["report", "out"]).ends_with(0);
    let page = || fs::read_to_string(scenario.result("report.html")).unwrap();
    assert!(!page().contains("Machines differ"));

    let path = scenario.result("team/micro_tiny_objects.json");
    let mut record = scenario.record("team", "micro_tiny_objects");
    for interaction in record["interactions"].as_array_mut().unwrap() {
        interaction["machine"] = serde_json::json!({
            "host": "node-7", "cpu": "Intel Xeon 6", "gpu": "NVIDIA A100-SXM4-40GB"
        });
    }
    fs::write(path, record.to_string()).unwrap();
    segarena(scenario.path(), &["report", "out", "--export", "files"]).ends_with(0);
    let page = page();
    for words in [
        "Machines differ, so running times are shown for each kind by itself",
        "Intel Xeon 6, NVIDIA A100-SXM4-40GB (node-7)",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("Seconds per click"));
    let times = fs::read_to_string(scenario.path().join("files/times.csv")).unwrap();
    let rows: Vec<&str> = times.lines().collect();
    assert!(rows[0].contains("Machine"), "{times}");
    let one = rows
        .iter()
        .find(|row| row.contains("Intel Xeon 6"))
        .unwrap();
    assert!(one.contains("micro_tiny_objects.npz"), "{one}");
    segarena(scenario.path(), &["compare", "out", "out"])
        .ends_with(0)
        .prints(&["running times must not be compared", "machines differ"]);
}
