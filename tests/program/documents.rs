//! What the documents say, held against what is there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use segarena::{Registry, check_configuration};
use walkdir::WalkDir;

const DOCUMENTS: [&str; 7] = [
    "README.md",
    "ARCHITECTURE.md",
    "SECURITY.md",
    "CHANGELOG.md",
    "docs/slurm.md",
    "benches/README.md",
    "fuzz/README.md",
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(document: &str) -> String {
    let path = root().join(document);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{document}: {error}"))
}

/// What stands between single backticks, line by line.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter(|line| !line.starts_with("```"))
        .flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The text of the blocks in this language.
fn blocks<'t>(text: &'t str, language: &str) -> Vec<&'t str> {
    let fence = format!("```{language}\n");
    text.split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect()
}

/// The words of all sources.
fn sources() -> BTreeSet<String> {
    words_of(&["src", "core", "backends"])
}

/// The words of the sources in these folders.
fn words_of(folders: &[&str]) -> BTreeSet<String> {
    folders
        .iter()
        .flat_map(|folder| WalkDir::new(root().join(folder)))
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .flat_map(|path| {
            let text = fs::read_to_string(path).unwrap();
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

/// Whether a path of the map is there: from the root, or from the room it is told of.
fn is_there(path: &str) -> bool {
    ["", "core/src", "core/kernels/src", "src/validate"]
        .iter()
        .map(|room| root().join(room).join(path.trim_end_matches('/')))
        .any(|path| path.exists() || path.with_extension("rs").exists())
}

#[test]
fn the_map_names_rooms_and_types_that_are_there() {
    let map = read("ARCHITECTURE.md");
    let words = sources();
    let mut named = 0;
    for span in spans(&map).filter(|span| !span.contains([' ', '→'])) {
        let is_path = span.contains('/') || span.ends_with(".rs") || span.ends_with(".toml");
        let mut parts = span.split(|c: char| !c.is_alphanumeric() && c != '_');
        let is_known = if is_path {
            is_there(span)
        } else {
            parts.all(|word| !word.starts_with(char::is_uppercase) || words.contains(word))
        };
        assert!(is_known, "ARCHITECTURE.md names `{span}`");
        named += 1;
    }
    assert!(named > 60, "{named} names");
}

#[test]
fn every_claim_about_security_names_a_test_that_is_there() {
    let security = read("SECURITY.md");
    let words = words_of(&["src", "core", "backends", "tests"]);
    let is_a_sentence = |span: &&str| {
        span.matches('_').count() >= 3
            && span
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let mut named = 0;
    for test in spans(&security).filter(is_a_sentence) {
        assert!(words.contains(test), "SECURITY.md names `{test}`");
        named += 1;
    }
    assert!(named > 40, "{named} tests");
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let mut links = 0;
    for document in DOCUMENTS {
        let folder = root().join(document).parent().unwrap().to_owned();
        for rest in read(document).split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            let target = target.split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(folder.join(target).exists(), "{document} links to {target}");
            links += 1;
        }
    }
    assert!(links > 8, "{links} links");
}

#[test]
fn the_configurations_of_the_readme_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for place in ["imgs", "gts", "models/mine"] {
        fs::create_dir_all(path(place)).unwrap();
    }
    for file in ["imgs/a.npz", "gts/a.npz", "team.tar.gz"] {
        fs::write(path(file), "").unwrap();
    }
    let readme = read("README.md");
    let configurations = blocks(&readme, "toml");
    assert!(configurations.len() >= 4, "{}", configurations.len());
    for configuration in configurations {
        let mut whole =
            format!("[cases]\nimages = \"imgs\"\nground_truth = \"gts\"\n{configuration}");
        if !configuration.contains("[output]") {
            whole += "\n[output]\ndir = \"results\"\n";
        }
        if !configuration.contains("[[submission]]") {
            whole += "\n[[submission]]\nname = \"team\"\narchive = \"team.tar.gz\"\n";
        }
        let file: PathBuf = path("segarena.toml");
        fs::write(&file, &whole).unwrap();
        let checked = check_configuration(&Registry::built_in(), &file);
        assert!(checked.is_ok(), "{:#}\n{whole}", checked.unwrap_err());
    }
}

#[test]
fn the_commands_and_long_flags_of_the_readme_exist() {
    let readme = read("README.md");
    let shell = blocks(&readme, "sh").join("\n");
    let lines = shell.lines().chain(spans(&readme));
    let mut commands = 0;
    for line in lines {
        let line = line.split('#').next().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["segarena", command, arguments @ ..] = words.as_slice() else {
            continue;
        };
        let help = help(command);
        let own = arguments.iter().take_while(|word| **word != "--");
        for flag in own.filter(|word| word.starts_with("--")) {
            assert!(help.contains(flag), "`{line}`: {command} has no {flag}");
        }
        commands += 1;
    }
    assert!(commands > 12, "{commands} commands");
}

fn help(command: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_segarena"))
        .args([command, "--help"])
        .output()
        .unwrap();
    assert!(output.status.success(), "there is no command {command}");
    String::from_utf8(output.stdout).unwrap()
}
