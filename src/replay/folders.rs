//! The two folders of an interaction, as far as what was saved tells.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use ndarray::Array3;
use segarena_core::clicks::Click;
use segarena_core::dialogue::{Prompt, PromptKind};
use segarena_core::npz::{Folder, Image, read_saved_segs, write_volume};
use segarena_core::prompt::{ClickHistory, write_input};
use segarena_core::record::{CaseRecord, InteractionRecord, Outcome};
use segarena_core::work::WorkFolder;

/// The folders, made again.
#[derive(Debug)]
pub(crate) struct Replayed {
    /// Where the submission finds its model input.
    pub(crate) inputs: PathBuf,
    /// Where it puts its prediction.
    pub(crate) outputs: PathBuf,
    /// What is in `outputs`.
    pub(crate) left: &'static str,
}

/// Makes the folders of interaction `index` of a case below `folder`; what is there is removed.
///
/// `predictions` is the case's saved `CASE.npz`, `kept` the folder of its interactions' folders,
/// where these were kept.
///
/// # Errors
/// When there was no such interaction, the image or the predictions can't be read, or the folders
/// not be made.
pub(crate) fn make(
    record: &CaseRecord,
    index: usize,
    image: &Path,
    predictions: &Path,
    kept: &Path,
    folder: &Path,
) -> anyhow::Result<Replayed> {
    let before = before(record, index)?;
    let mut image = Image::open(image)?;
    if let Some(track) = record.track() {
        image.decode_objects(track.objects())?;
    }
    let previous = previous(record, before, predictions)?;
    let work = WorkFolder::create(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?
        .kept();
    let inputs = Folder::open(work.inputs())
        .with_context(|| format!("cannot open {}", work.inputs().display()))?;
    let name = OsStr::new(&record.case);
    let has_clicks = record
        .interactions
        .iter()
        .any(|asked| asked.index == index && asked.prompt == PromptKind::CLICKS);
    let prompt = if has_clicks {
        let previous = previous.clone();
        let previous = previous.unwrap_or_else(|| Array3::zeros(record.shape));
        Prompt::clicks(index, &clicks(record, index), Arc::new(previous))
    } else {
        Prompt::boxes(index)
    };
    write_input(&inputs, name, &image, &prompt)?;
    let kept = before.last().map(|last| kept.join(last.index.to_string()));
    let left = match (kept.filter(|kept| kept.is_dir()), previous) {
        (Some(kept), _) => {
            let taken = work.take_outputs_of(&kept);
            taken.with_context(|| format!("cannot read {}", kept.display()))?;
            "what the interaction before left"
        }
        (None, Some(previous)) => {
            write_volume(&work.outputs().join(&record.case), "segs", previous.view())?;
            "the prediction before, as uint8; what else a submission keeps in either folder is not \
             saved"
        }
        (None, None) => "empty; what a submission keeps in either folder is not saved",
    };
    Ok(Replayed {
        inputs: work.inputs().to_owned(),
        outputs: work.outputs().to_owned(),
        left,
    })
}

/// The interactions before this one, of a case that had it.
fn before(record: &CaseRecord, index: usize) -> anyhow::Result<&[InteractionRecord]> {
    let at = record.interactions.iter().position(|i| i.index == index);
    let Some(at) = at else {
        anyhow::bail!(
            "{} has interactions 1 to {}, and no {index}",
            record.case,
            record.interactions.len()
        );
    };
    if record.interactions[at].outcome == Outcome::Skipped {
        anyhow::bail!(
            "interaction {index} of {} was skipped, as its image has no boxes (the first that ran \
             is {})",
            record.case,
            index + 1
        );
    }
    Ok(&record.interactions[..at])
}

/// The prediction that interaction began from; none where nothing had been written.
fn previous(
    record: &CaseRecord,
    before: &[InteractionRecord],
    predictions: &Path,
) -> anyhow::Result<Option<Array3<u8>>> {
    let ran = before.iter().filter(|i| i.outcome != Outcome::Skipped);
    let Some(last) = ran.clone().count().checked_sub(1) else {
        return Ok(None);
    };
    let mut saved = read_saved_segs(predictions)
        .with_context(|| format!("the predictions of {} are lost", record.case))?;
    let previous = saved.nth(last).with_context(|| {
        let file = predictions.display();
        format!("{file} holds fewer predictions than its record has interactions")
    })??;
    // A submission that failed may have written before it did; one that ended well has.
    let has_written = ran.clone().any(|i| !i.outcome.is_failure());
    Ok((has_written || previous.iter().any(|&value| value != 0)).then_some(previous))
}

/// The clicks that interaction was given: its own and all before.
fn clicks(record: &CaseRecord, index: usize) -> ClickHistory {
    let mut history = ClickHistory::new(record.labels.len());
    let given = record
        .interactions
        .iter()
        .filter(|i| (2..=index).contains(&i.index));
    for interaction in given {
        let placed = record.labels.iter().map(|label| {
            let click = interaction
                .clicks
                .iter()
                .find(|click| click.label == *label)?;
            Some(Click {
                kind: click.kind?,
                at: click.at?,
            })
        });
        history.push(&placed.collect::<Vec<_>>());
    }
    history
}
