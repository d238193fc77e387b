//! `segarena import`: a data set made of NIfTI files.

use std::io::IsTerminal;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

use crate::args::ImportOptions;
use crate::exit::ExitStatus;
use crate::import::{Import, Imported, Pair, Pairs};
use crate::printable::printable;
use crate::progress::count;
use crate::stderr;
use crate::stdout;

pub(crate) fn import(options: &ImportOptions) -> anyhow::Result<ExitStatus> {
    let pairs = Pairs::find(options)?;
    let import = Import::begin(options)?;
    let mut threads = rayon::ThreadPoolBuilder::new();
    if let Some(jobs) = options.jobs {
        threads = threads.num_threads(jobs);
    }
    let threads = threads.build().context("cannot start threads")?;

    let telling = Telling::new(pairs.pairs.len(), options.quiet);
    let results: Vec<_> = threads.install(|| {
        let each = |pair: &Pair| {
            let result = import.case(pair);
            telling.case(pair, &result);
            result
        };
        pairs.pairs.par_iter().map(each).collect()
    });
    for orphan in &pairs.orphans {
        telling.failure(orphan);
    }
    if !pairs.unlabelled.is_empty() {
        let names = pairs.unlabelled.join(", ");
        telling.remark(&format!("images without labels are left alone: {names}"));
    }
    telling.end();

    let notes = results.iter().flatten().map(Imported::note);
    let with_labels = notes.filter(|note| !note.label_values.is_empty());
    import.write_groups(with_labels.map(|note| note.case.as_str()))?;

    let counts = Counts::of(&results, pairs.orphans.len());
    stdout::print(&counts.words(options));
    Ok(match counts.failed {
        0 => ExitStatus::Done,
        _ => ExitStatus::SomeFailed,
    })
}

/// How many cases came to which end.
#[derive(Default)]
struct Counts {
    now: usize,
    before: usize,
    empty: usize,
    failed: usize,
}

impl Counts {
    fn of(results: &[anyhow::Result<Imported>], orphans: usize) -> Self {
        let mut counts = Self {
            failed: orphans,
            ..Self::default()
        };
        for result in results {
            match result {
                Err(_) => counts.failed += 1,
                Ok(imported) if imported.note().label_values.is_empty() => counts.empty += 1,
                Ok(Imported::Now(_)) => counts.now += 1,
                Ok(Imported::Before(_)) => counts.before += 1,
            }
        }
        counts
    }

    fn words(&self, options: &ImportOptions) -> String {
        let data = options.output.display();
        let mut text = format!("{data}: {} imported", count(self.now, "case"));
        for (cases, what) in [
            (self.before, "there already"),
            (self.empty, "left out without a label"),
            (self.failed, "failed"),
        ] {
            if cases > 0 {
                text.push_str(&format!(", {cases} {what}"));
            }
        }
        if self.now + self.before > 0 {
            text.push_str(&format!(
                "\nnext: segarena evaluate --images {data}/imgs --ground-truth {data}/gts \
                 --submissions ARCHIVES --output RESULTS"
            ));
        }
        text.push('\n');
        text
    }
}

/// What a person sees meanwhile: a bar on a terminal, lines elsewhere.
struct Telling {
    bar: ProgressBar,
    quiet: bool,
}

impl Telling {
    fn new(cases: usize, quiet: bool) -> Self {
        let bar = ProgressBar::new(cases as u64);
        let template = "{bar:30} {pos} of {len} cases, {eta} left: {msg}";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        if quiet || !std::io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        Self { bar, quiet }
    }

    fn case(&self, pair: &Pair, result: &anyhow::Result<Imported>) {
        self.bar.set_message(printable(&pair.case));
        match result {
            Err(error) => self.failure(&format!("{}: {error:#}", pair.case)),
            Ok(imported) => {
                let note = imported.note();
                for remark in &note.remarks {
                    self.remark(&format!("{}: {remark}", pair.case));
                }
                match (imported, note.label_values.len()) {
                    (_, 0) => self.remark(&format!("{}: no label, left out", pair.case)),
                    (Imported::Now(_), labels) if self.bar.is_hidden() && !self.quiet => {
                        let labels = count(labels, "label");
                        self.line(&format!("{}: {labels}, {}", pair.case, note.intensity));
                    }
                    _ => {}
                }
            }
        }
        self.bar.inc(1);
    }

    fn failure(&self, words: &str) {
        self.line(&format!("FAILED   {words}"));
    }

    fn remark(&self, words: &str) {
        self.line(&format!("warning  {words}"));
    }

    fn line(&self, words: &str) {
        let words = printable(words);
        if self.bar.is_hidden() {
            stderr::line(format_args!("{words}"));
        } else {
            self.bar.println(words);
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
