//! The configuration as text, and what is said about it.

use std::fmt::Write as _;
use std::path::Path;

use segarena_core::dialogue::tracks::TextTrack;
use segarena_process::ProcessBackend;

use super::contents::{FolderContents, Submissions};
use crate::progress::count;
use crate::registry::BackendSection;

/// Every option, with its default.
const EXAMPLE: &str = include_str!("../../config.example.toml");

/// What runs the submissions that were found, and these.
fn choice(contents: &FolderContents) -> (&str, Option<&Submissions>) {
    match (&contents.archives, &contents.programs, contents.engine()) {
        _ if contents.itself.is_some() => (ProcessBackend::KIND, None),
        (Some(archives), _, engine) => {
            let kind = engine.map_or(segarena_docker::KIND, |engine| &engine.kind);
            (kind, Some(archives))
        }
        (None, Some(programs), _) => (ProcessBackend::KIND, Some(programs)),
        (None, None, Some(engine)) => (&engine.kind, None),
        (None, None, None) => (ProcessBackend::KIND, None),
    }
}

/// The configuration.
pub(crate) fn config(contents: &FolderContents) -> String {
    let mut text = String::from(
        "# Made by `segarena init` from what it found here. Paths are relative to this file. What\n\
         # stands behind a # is an option that is left out, with its default or an example.\n\n",
    );
    cases(contents, &mut text);
    text.push_str("\n[output]\ndir = \"results\"                  # where the results go\n");
    text.push('\n');
    protocol(contents, &mut text);
    let (kind, submissions) = choice(contents);
    run(kind, submissions, &mut text);
    backend(contents, kind, &mut text);
    if let Some(slurm) = &contents.slurm {
        let _ = writeln!(
            text,
            "\n# Here: {slurm}. `segarena slurm` submits the evaluation to it."
        );
        text.push_str(&as_comments("[slurm]"));
    }
    match (&contents.itself, submissions) {
        (Some(name), _) => {
            let name = quoted(Path::new(name));
            let _ = writeln!(
                text,
                "\n[[submission]]\nname = {name}\ncommand = [\"sh\", \"predict.sh\"]"
            );
        }
        (None, Some(_)) => {}
        (None, None) => text.push_str(SUBMISSION),
    }
    text
}

fn cases(contents: &FolderContents, text: &mut String) {
    text.push_str("[cases]\n");
    match &contents.images {
        Some(images) => {
            let note = count(images.count, "case");
            line("images", &images.folder, &note, text);
        }
        None => text.push_str(
            "# images = \"data/imgs\"           # none found: a folder of CASE.npz with imgs, \
             spacing, boxes\n",
        ),
    }
    match (&contents.ground_truth, &contents.images) {
        (Some(truth), _) => {
            let note = format!("labels of {}", count(truth.count, "case"));
            line("ground_truth", &truth.folder, &note, text);
        }
        (None, Some(images)) if images.has_labels => {
            text.push_str(
                "# ground_truth = \"data/gts\"      # left out: `gts` inside each image\n",
            );
        }
        _ => text.push_str(
            "# ground_truth = \"data/gts\"      # none found: a folder of CASE.npz with gts\n",
        ),
    }
}

/// The options of the protocol, and the track where the images ask for another than the default.
fn protocol(contents: &FolderContents, text: &mut String) {
    let images = contents.images.as_ref();
    let options = as_comments("[protocol]");
    if !images.is_some_and(|images| images.is_prompted_by_texts) {
        text.push_str(&options);
        return;
    }
    for line in options.lines() {
        if line.starts_with("# track = ") {
            let setting = format!("track = {:?}", TextTrack::NAME);
            let _ = writeln!(
                text,
                "{setting:<32} # the images have `text_prompts` and no `boxes`"
            );
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
}

fn run(kind: &str, submissions: Option<&Submissions>, text: &mut String) {
    text.push_str("\n[run]\n");
    match submissions {
        Some(found) => {
            let what = match kind {
                ProcessBackend::KIND => "folder with a predict.sh",
                _ => "archive",
            };
            line(
                "submissions",
                &found.folder,
                &count(found.names.len(), what),
                text,
            );
            for name in found.names.iter().take(MOST_NAMES) {
                let _ = writeln!(text, "#   {}", name.escape_debug());
            }
            if found.names.len() > MOST_NAMES {
                let _ = writeln!(text, "#   and {} more", found.names.len() - MOST_NAMES);
            }
        }
        None => text.push_str(
            "# submissions = \"archives\"       # a folder of archives, each a submission\n",
        ),
    }
    text.push_str(
        "# jobs = 1                       # cases side by side; more than 1 disturbs running \
         times\n",
    );
}

/// So many submissions are named.
const MOST_NAMES: usize = 50;

fn backend(contents: &FolderContents, kind: &str, text: &mut String) {
    text.push_str("\n[backend]\n");
    let mut notes = Vec::new();
    for engine in &contents.engines {
        notes.push(match &engine.answer {
            Ok(name) => format!("{name} answers"),
            Err(_) => format!("{} does not answer", engine.kind),
        });
    }
    let _ = writeln!(text, "kind = {}", quoted(Path::new(kind)));
    if !notes.is_empty() {
        let _ = writeln!(text, "# Here: {}.", notes.join("; "));
    }
    if kind == ProcessBackend::KIND {
        text.push_str(
            "# Each submission runs as a plain process, contained by nothing, and finds its \
             folders here:\n\
             env = { INPUTS = \"{inputs}\", OUTPUTS = \"{outputs}\" }\n",
        );
    } else {
        let has_image_files = BackendSection::has_image_files(kind);
        for option in EXAMPLE.lines().filter_map(|line| line.strip_prefix("#: ")) {
            // Apptainer has fewer of them.
            if !has_image_files || toml::from_str::<segarena_apptainer::Config>(option).is_ok() {
                let _ = writeln!(text, "# {option}");
            }
        }
        if has_image_files {
            for option in EXAMPLE.lines().filter_map(|line| line.strip_prefix("#. ")) {
                let _ = writeln!(text, "# {option}");
            }
        }
    }
}

/// For somebody with no submission yet.
const SUBMISSION: &str = "
# No submission was found. One by one, in the place of a folder:
# [[submission]]
# name = \"team\"                   # names the folder of its results
# archive = \"team.tar.gz\"         # a saved image, for docker and podman
# image = \"team:latest\"           # or one that the engine has already
# command = [\"python3\", \"predict.py\"]   # or a program, for kind = \"process\"
# workdir = \"models/team\"         # where it runs
";

/// A table of the example with all its options commented out.
fn as_comments(table: &str) -> String {
    let lines = EXAMPLE.lines().skip_while(|line| !line.starts_with(table));
    let lines = lines.take_while(|line| !line.trim().is_empty());
    let lines = lines.map(|line| match line.starts_with(table) {
        true => format!("{table}\n"),
        false => format!("# {line}\n"),
    });
    lines.collect()
}

/// `key = "path"   # note`
fn line(key: &str, path: &Path, note: &str, text: &mut String) {
    let path = match path.as_os_str().is_empty() {
        true => Path::new("."),
        false => path,
    };
    let setting = format!("{key} = {}", quoted(path));
    let _ = writeln!(text, "{setting:<32} # {note}");
}

/// The path as a TOML string.
fn quoted(path: &Path) -> String {
    toml::Value::String(path.to_string_lossy().into_owned()).to_string()
}

/// What was found, what was written, and what comes next.
pub(crate) fn summary(contents: &FolderContents, file: &Path) -> String {
    let folder = |path: &Path| match path.as_os_str().is_empty() {
        true => "this folder".to_owned(),
        false => path.display().to_string(),
    };
    let mut text = String::new();
    let mut say = |what: &str, found: String| {
        let _ = writeln!(text, "{what:<13} {found}");
    };
    let images = contents.images.as_ref().map(|images| {
        format!(
            "{} in {}",
            count(images.count, "case"),
            folder(&images.folder)
        )
    });
    say(
        "images",
        images.clone().unwrap_or_else(|| "none found".to_owned()),
    );
    let truth = match (&contents.ground_truth, &contents.images) {
        (Some(truth), Some(images)) if truth.count < images.count => Some(format!(
            "{} in {}: {} without labels, which evaluate refuses",
            count(truth.count, "case"),
            folder(&truth.folder),
            images.count - truth.count
        )),
        (Some(truth), _) => Some(folder(&truth.folder)),
        (None, Some(images)) if images.has_labels => Some("inside the images".to_owned()),
        _ => None,
    };
    say(
        "ground truth",
        truth.clone().unwrap_or_else(|| "none found".to_owned()),
    );
    let (kind, submissions) = choice(contents);
    let found = match (&contents.itself, submissions) {
        (Some(_), _) => Some("the predict.sh of this folder".to_owned()),
        (None, found) => found.map(|found| {
            let number = count(found.names.len(), "submission");
            format!("{number} in {}", folder(&found.folder))
        }),
    };
    let has_submission = found.is_some();
    say(
        "submissions",
        found.unwrap_or_else(|| "none found".to_owned()),
    );
    for engine in &contents.engines {
        let answer = match &engine.answer {
            Ok(name) => format!("{name} answers"),
            Err(reason) => reason.lines().next().unwrap_or_default().to_owned(),
        };
        say(&engine.kind, answer);
    }
    say("backend", kind.to_owned());
    if let Some(slurm) = &contents.slurm {
        say(
            "slurm",
            format!("{slurm}: segarena slurm -c {}", file.display()),
        );
    }
    let file = file.display();
    let _ = writeln!(text, "\nwritten: {file}");
    let next = match images.is_some() && truth.is_some() && has_submission {
        true => format!("next: segarena evaluate -c {file} --first 1"),
        false => {
            format!("next: fill in what was not found in {file}, then segarena evaluate -c {file}")
        }
    };
    text.push_str(&next);
    text.push('\n');
    text
}
