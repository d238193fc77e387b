//! The report, read in a real browser.

use std::fs;
use std::time::{Duration, Instant};

use super::browser::{self, Page};
use crate::scenario::{Scenario, segarena};
use fantoccini::key::Key;
use serde_json::{Value, json};

/// A script in whatever a submission has a say in: its name, its log, its prediction.
const HOSTILE: &str = "<script>document.title='caught'<";

/// Two submissions, of which the second fails in several ways and tries to break the page.
fn two() -> Scenario {
    let scenario = Scenario::new()
        .case("micro_tiny_objects")
        .case("angio_no_box")
        .case("crash_at_click_2")
        .case("ct_organs_border")
        .stand_in("stand_in")
        .script(
            HOSTILE,
            "case $(ls $INPUTS) in
               micro*) stand_in ;;
               crash*) head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 7 ;;
               angio*) kill -9 $$ ;;
               *) printf '</pre><script>document.title=\"caught\"</script>\\033[31m\"red\\000\\n' >&2
                  exit 3 ;;
             esac",
        );
    scenario.evaluate().ends_with(3);
    scenario
}

pub(crate) fn tables_sort_and_filter_and_cases_step_with_mouse_and_keyboard() {
    browser::read(&two().result("report.html"), async |page| {
        assert_eq!(ranks(page).await, ["1", "2"]);
        sorts(page).await;
        filters(page).await;
        steps(page).await;
        no_script_but_its_own_ran(page).await;
    });
}

/// The first words of the leaderboard's first column.
async fn ranks(page: &Page) -> Vec<String> {
    let cells = page
        .texts("#leaderboard tbody tr:not([hidden]) td:first-child")
        .await;
    let first = cells
        .iter()
        .filter_map(|cell| cell.split_whitespace().next());
    first.map(str::to_owned).collect()
}

async fn sorts(page: &Page) {
    let heading = "#cases thead th:nth-child(6)";
    let column = "#cases tbody td:nth-child(7)";
    let button = page.one("#cases thead th:nth-child(7) button").await;
    button.click().await.unwrap();
    let up = numbers(&page.texts(column).await);
    assert_eq!(up.len(), 8);
    assert!(up.is_sorted(), "{up:?}");
    let sorted = page.one("#cases thead th:nth-child(7)").await;
    assert_eq!(
        sorted.attr("aria-sort").await.unwrap().as_deref(),
        Some("ascending")
    );
    assert_eq!(
        page.texts("#announcer").await,
        ["Sorted by NSD final, ascending"]
    );
    // The button keeps the focus, and the keyboard does what the mouse does.
    page.press(Key::Enter.into()).await;
    let down = numbers(&page.texts(column).await);
    assert!(
        down.iter().rev().is_sorted() && down[0] > down[7],
        "{down:?}"
    );
    assert_eq!(
        sorted.attr("aria-sort").await.unwrap().as_deref(),
        Some("descending")
    );
    assert_eq!(
        page.one(heading).await.attr("aria-sort").await.unwrap(),
        None
    );
}

fn numbers(texts: &[String]) -> Vec<f64> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

async fn filters(page: &Page) {
    let label = page.all("#cases .filter label").await;
    label[0].click().await.unwrap();
    let input = page.one("#cases .filter input").await;
    input.send_keys("stand_in CRASH").await.unwrap();
    assert_eq!(
        page.texts("#cases tbody th").await,
        ["crash_at_click_2.npz"]
    );
    assert_eq!(page.texts("#cases .filter span").await, ["1 of 8"]);
    input.clear().await.unwrap();
    input.send_keys("x").await.unwrap();
    page.press(Key::Backspace.into()).await;
    assert_eq!(page.texts("#cases tbody tr").await.len(), 8);
}

async fn steps(page: &Page) {
    // The image without boxes has no first interaction; its clicks begin at the second.
    let shown = "return document.querySelectorAll('#pictures .view .step.shown').length";
    let views = page.all("#pictures .view").await.len();
    assert_eq!(views, 8);
    assert_eq!(page.run(shown, vec![]).await, json!(views));
    let first = page.one("#view-0 .steps button").await;
    first.click().await.unwrap();
    let words = page.texts("#view-0 .words").await;
    assert!(
        words[0].starts_with("Interaction ") && words[0].contains("DSC"),
        "{words:?}"
    );
    let before = page.focused().await;
    page.press(Key::Right.into()).await;
    assert_ne!(page.focused().await, before);
    page.press(Key::End.into()).await;
    assert_eq!(page.focused().await, "Interaction 6");
    assert!(page.texts("#view-0 .words").await[0].starts_with("Interaction 6: DSC"));
    assert_eq!(page.run(shown, vec![]).await, json!(views));
    let pressed = page.texts("#view-0 [aria-pressed=true]").await;
    assert_eq!(pressed, ["6"]);
    // A case leads to its picture.
    page.one("#cases tbody a").await.click().await.unwrap();
    let target = page.run(
        "return document.querySelectorAll('.view:target').length",
        vec![],
    );
    assert_eq!(target.await, json!(1));
}

async fn no_script_but_its_own_ran(page: &Page) {
    let scripts = "return [document.scripts.length, document.title]";
    assert_eq!(
        page.run(scripts, vec![]).await,
        json!([2, "2 submissions – segarena report"])
    );
    for summary in page.all("#failures summary").await {
        summary.click().await.unwrap();
    }
    let logs = page.texts("#failures pre").await;
    let script = "</pre><script>document.title=\"caught\"</script>\"red\u{fffd}";
    assert!(logs.contains(&script.to_owned()), "{logs:?}");
    let long = logs.iter().find(|log| log.ends_with("xxx")).unwrap();
    assert!(long.len() < 5000, "{}", long.len());
    let reasons = page.texts("#failures summary").await;
    assert!(
        reasons[0].contains("6 interactions in 1 case"),
        "{reasons:?}"
    );
    assert!(
        reasons
            .iter()
            .any(|reason| reason.starts_with("ended by signal 9")),
        "{reasons:?}"
    );
}

pub(crate) fn the_page_fits_a_phone_and_a_desk_in_light_dark_and_on_paper() {
    browser::read(&two().result("report.html"), async |page| {
        for (width, scheme) in [
            (390, "light"),
            (1280, "light"),
            (1280, "dark"),
            (390, "dark"),
        ] {
            page.set_width(width).await;
            page.set_media("screen", scheme).await;
            page.open().await;
            let overflow = page
                .run(
                    "const page = document.documentElement; \
                     return page.scrollWidth - page.clientWidth",
                    vec![],
                )
                .await;
            assert_eq!(overflow, json!(0), "{width} {scheme}");
            assert_eq!(page.run(FAINT_TEXT, vec![]).await, json!([]), "{scheme}");
            assert_eq!(page.run(UNNAMED, vec![]).await, json!([]));
            page.keep_picture(&format!("two-{width}-{scheme}")).await;
        }
        page.set_media("print", "light").await;
        for control in [".steps", ".filter", "nav", ".skip"] {
            assert_eq!(page.texts(control).await, [""; 0], "{control}");
        }
        page.run("dispatchEvent(new Event('beforeprint'))", vec![])
            .await;
        assert!(!page.texts("#failures pre").await.is_empty());
        page.set_media("", "light").await;
        let pdf = page.keep_print("two").await;
        assert!(pdf.starts_with(b"%PDF"));
    });
}

pub(crate) fn the_heatmap_is_walked_by_keys_and_opens_pictures() {
    browser::read(&two().result("report.html"), async |page| {
        page.set_width(1280).await;
        let canvas = page.one("#heat canvas").await;
        page.run("document.querySelector('#heat canvas').focus()", vec![])
            .await;
        let words = page.texts("#heat-words").await.concat();
        assert!(
            words.starts_with("stand_in, angio_no_box.npz (angio): DSC AUC "),
            "{words}"
        );
        page.press(Key::End.into()).await;
        let words = page.texts("#heat-words").await.concat();
        assert!(
            words.starts_with("stand_in, micro_tiny_objects.npz (micro): "),
            "{words}"
        );
        assert!(words.ends_with("ok its picture"), "{words}");
        page.press(Key::Down.into()).await;
        page.press(Key::Left.into()).await;
        page.press(Key::Left.into()).await;
        let words = page.texts("#heat-words").await.concat();
        assert!(words.contains("crash_at_click_2.npz (crash)"), "{words}");
        assert!(words.contains("exit at 1, 2, 3, 4, 5, 6"), "{words}");
        page.press(Key::Enter.into()).await;
        let opened = "return document.querySelectorAll('.view:target').length";
        assert_eq!(page.run(opened, vec![]).await, json!(1));
        // A click into the middle of the first cell.
        canvas.click().await.unwrap();
        assert!(!page.texts("#heat-words").await.concat().is_empty());
        // One score of two and six steps: each draws another picture.
        let picture = "return document.querySelector('#heat canvas').toDataURL()";
        let choose = "const e = document.getElementById(arguments[0]); e.value = arguments[1]; \
                      e.dispatchEvent(new Event('change'))";
        let last = page.run(picture, vec![]).await;
        page.run(choose, vec![json!("heat-step"), json!("1")]).await;
        assert_ne!(page.run(picture, vec![]).await, last);
    });
}

pub(crate) fn tables_and_curves_are_over_the_cases_that_are_chosen() {
    browser::read(&two().result("report.html"), async |page| {
        let options = "return [...document.querySelectorAll('#view option')].map((e) => e.text)";
        let names = page.run(options, vec![]).await;
        let expected = [
            "all cases",
            "mean of the groups",
            "angio",
            "crash",
            "ct",
            "micro",
        ];
        assert_eq!(names, json!(expected));
        let titles = async || -> Vec<String> {
            let script = "return [...document.querySelectorAll('#scores .charts figure svg')]\
                          .filter((e) => e.checkVisibility()).map((e) => e.ariaLabel)";
            serde_json::from_value(page.run(script, vec![]).await).unwrap()
        };
        let all = titles().await;
        assert!(all.contains(&"Mean DSC after each interaction, cases with a box".to_owned()));
        assert!(all.contains(&"Mean DSC after each interaction, cases without a box".to_owned()));
        let choose = "const e = document.getElementById('view'); e.value = arguments[0]; \
                      e.dispatchEvent(new Event('change'))";
        page.run(choose, vec![json!("3")]).await;
        let crash = titles().await;
        assert!(
            crash.contains(&"Mean DSC after each interaction, cases with a box, crash".to_owned()),
            "{crash:?}"
        );
        assert!(
            !crash
                .iter()
                .any(|title| title.ends_with("without a box, crash")),
            "{crash:?}"
        );
        let cases = page
            .texts("#leaderboard tbody tr:not([hidden]) td:nth-last-child(2)")
            .await;
        assert_eq!(cases, ["1", "1"]);
    });
}

pub(crate) fn four_submissions_print_on_few_pages_with_their_headings() {
    let scenario = many(4, 8);
    segarena(scenario.path(), &["report", "out"]).ends_with(0);
    browser::read(&scenario.result("report.html"), async |page| {
        let pdf = page.keep_print("four").await;
        let text = String::from_utf8_lossy(&pdf);
        let pages = text.matches("/Type /Page\n").count();
        println!("4 × 8: {pages} pages");
        assert!((1..=8).contains(&pages), "{pages} pages");
    });
}

/// Texts with less contrast than WCAG 2.1 asks for at level AA.
const FAINT_TEXT: &str = r#"
const rgb = (text) => text.match(/[\d.]+/g).map(Number);
const light = (text) => {
  const [r, g, b] = rgb(text).slice(0, 3).map((v) => {
    const part = v / 255;
    return part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const ground = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const colour = getComputedStyle(e).backgroundColor;
    if (rgb(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
const faint = [];
for (const e of document.body.querySelectorAll("*")) {
  const has = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
  if (!has || !e.checkVisibility() || e.closest("svg, script, .mark")) continue;
  const [a, b] = [light(getComputedStyle(e).color), light(ground(e))];
  const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) faint.push([e.tagName, e.textContent.slice(0, 40), contrast]);
}
return faint;"#;

/// Controls, pictures and tables that a screen reader has no name for, and repeated ids.
const UNNAMED: &str = r#"
const named = (e) => e.ariaLabel || e.getAttribute("aria-labelledby") || e.innerText?.trim()
  || e.labels?.length || e.caption?.innerText.trim();
const without = [...document.querySelectorAll("button, input, select, canvas, table, svg, a, [role=region]")]
  .filter((e) => e.checkVisibility() && !named(e)).map((e) => e.outerHTML.slice(0, 80));
const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
return without.concat(ids.filter((id, at) => ids.indexOf(id) !== at));"#;

pub(crate) fn one_submission_has_its_own_page() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .case("micro_tiny_objects")
        .stand_in("stand_in");
    scenario.evaluate().ends_with(0);
    browser::read(&scenario.result("report.html"), async |page| {
        assert_eq!(page.texts("h1").await, ["stand_in segarena report"]);
        assert_eq!(page.texts("#failures p").await, ["None."]);
        assert_eq!(page.texts("#leaderboard tbody th").await, ["●1 stand_in"]);
        assert_eq!(page.all("#pictures .view image").await.len(), 2);
        page.set_width(1280).await;
        page.keep_picture("one").await;
    });
}

pub(crate) fn a_killed_run_has_a_page_that_says_so() {
    let scenario = Scenario::new()
        .case("phantom_perfect")
        .script("slow", "sleep 60")
        .stand_in("never_begun");
    let mut run = scenario.command().spawn().unwrap();
    let began = Instant::now();
    while !scenario.result(".segarena/work/slow").exists() {
        assert!(began.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(10));
    }
    run.kill().unwrap();
    run.wait().unwrap();
    let report = segarena(scenario.path(), &["report", "out"]).ends_with(0);
    assert_eq!(report.stdout, "out/report.html\n");
    browser::read(&scenario.result("report.html"), async |page| {
        let cautions = page.texts(".caution").await;
        assert!(cautions[0].contains("not over"), "{cautions:?}");
        assert!(cautions[0].contains("0 of 2 cases"), "{cautions:?}");
        assert!(cautions[0].contains("No run is writing"), "{cautions:?}");
        assert_eq!(ranks(page).await, ["–", "–"]);
        assert_eq!(
            page.texts("#leaderboard tbody small").await.concat(),
            "(not finished)(not finished)"
        );
        assert_eq!(page.all("#cases tbody tr").await.len(), 0);
        assert_eq!(page.all("svg").await.len(), 0);
        page.set_width(390).await;
        page.keep_picture("killed").await;
    });
}

pub(crate) fn fifty_submissions_of_a_hundred_cases_stay_usable() {
    let scenario = many(50, 100);
    segarena(scenario.path(), &["report", "out"]).ends_with(0);
    let size = fs::metadata(scenario.result("report.html")).unwrap().len();
    println!("50 × 100: {size} bytes");
    assert!(size < 3_000_000, "{size} bytes");
    browser::read(&scenario.result("report.html"), async |page| {
        assert_eq!(page.all("#leaderboard tbody tr").await.len(), 50);
        let input = page.one("#cases .filter input").await;
        input.send_keys("team-07").await.unwrap();
        assert_eq!(page.texts("#cases .filter span").await, ["100 of 5000"]);
        page.one("#cases thead th:nth-child(5) button")
            .await
            .click()
            .await
            .unwrap();
        let scores = numbers(&page.texts("#cases tbody td:nth-child(5)").await);
        assert!(scores.len() == 100 && scores.is_sorted(), "{scores:?}");
        page.set_width(1280).await;
        page.keep_picture("many").await;
    });
}

/// Records of a run that never was, from one that was: other names, other scores.
fn many(teams: usize, cases: usize) -> Scenario {
    let scenario = Scenario::new().case("micro_tiny_objects").stand_in("team");
    scenario.evaluate().ends_with(0);
    let record = scenario.record("team", "micro_tiny_objects");
    let mut run = scenario.run_record();
    let names: Vec<String> = (0..cases)
        .map(|case| format!("CT_abdomen_case_{case:03}.npz"))
        .collect();
    run["cases"] = names
        .iter()
        .map(|name| json!({"name": name, "sha256": ""}))
        .collect();
    let state = run["submissions"][0].clone();
    let mut states = Vec::new();
    for team in 0..teams {
        let name = format!("team-{team:02}");
        fs::create_dir(scenario.result(&name)).unwrap();
        let mut state = state.clone();
        state["name"] = json!(name);
        states.push(state);
        for (number, case) in names.iter().enumerate() {
            let lot = ((team * 7919 + number * 104_729) % 1000) as f64 / 1000.0;
            let path = scenario.result(&format!("{name}/{case}.json"));
            fs::write(
                path,
                altered(&record, case, lot, team as f64 / 100.0).to_string(),
            )
            .unwrap();
        }
    }
    run["submissions"] = json!(states);
    fs::remove_dir_all(scenario.result("team")).unwrap();
    fs::write(scenario.result("run.json"), run.to_string()).unwrap();
    scenario
}

fn altered(record: &Value, case: &str, lot: f64, skill: f64) -> Value {
    let mut record = record.clone();
    record["case"] = json!(case);
    record["total_seconds"] = json!(90.0 * lot * 1.1);
    for interaction in record["interactions"].as_array_mut().unwrap() {
        let index = interaction["index"].as_f64().unwrap();
        let score = (0.3 + skill + lot * 0.2) * (1.0 - 0.5 / index);
        interaction["dsc"] = json!(score);
        interaction["nsd"] = json!(score * score);
        if lot > 0.95 && index > 3.0 {
            interaction["outcome"] = json!("exit");
            interaction["exit_code"] = json!(1);
            interaction["log_tail"] = json!(format!("Traceback of {case}\n").repeat(50));
        }
    }
    record
}
