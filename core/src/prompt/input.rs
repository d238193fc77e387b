//! A model input as the submission sees it, for submissions written in Rust.

use std::path::Path;

use ndarray::Array3;

use segarena_kernels::BoundingBox;

use super::bounds::boxes_of;
use super::texts::TextPrompts;
use crate::clicks::{Click, ClickKind};
use crate::npz::pickle::Value;
use crate::npz::{NpzError, NpzMembers};
use crate::volume::Voxel;

/// Why a model input can't be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// The file or one of its members is not readable.
    #[error(transparent)]
    File(#[from] NpzError),
    /// A box or a click is not as the protocol says.
    #[error("{}: {what} is not as the protocol says", path.display())]
    Form {
        /// The file.
        path: std::path::PathBuf,
        /// `boxes`, `clicks` or `clicks_order`.
        what: &'static str,
    },
}

/// A model input.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInput {
    /// `imgs`, as floats.
    pub image: Array3<f32>,
    /// `boxes`, one for each label; empty where the image has none.
    pub boxes: Vec<BoundingBox>,
    /// `text_prompts`; absent where the image has none or at interactions with clicks.
    pub texts: Option<TextPrompts>,
    /// For each label its last click (`None`: it was perfect); absent at interaction 1.
    pub last_clicks: Option<Vec<Option<Click>>>,
    /// How many interactions with clicks there have been.
    pub click_count: usize,
    /// `prev_pred`; absent at interaction 1.
    pub previous: Option<Array3<u8>>,
}

impl ModelInput {
    /// Reads `inputs/CASE.npz`.
    ///
    /// # Errors
    /// If it is not what segarena writes.
    pub fn read(path: &Path) -> Result<Self, InputError> {
        let members = NpzMembers::open(path)?;
        let form = |what| InputError::Form {
            path: path.to_owned(),
            what,
        };
        let boxes = match members.has("boxes") {
            false => Some(Vec::new()),
            true => boxes_of(&members.objects("boxes")?),
        };
        let texts = match members.has("text_prompts") {
            true => TextPrompts::of(&members.objects("text_prompts")?),
            false => None,
        };
        let mut input = Self {
            image: members.volume("imgs")?,
            boxes: boxes.ok_or_else(|| form("boxes"))?,
            texts,
            last_clicks: None,
            click_count: 0,
            previous: None,
        };
        if members.has("clicks") {
            let clicks = members.objects("clicks")?;
            let (kinds, count) = last_kinds(&members)?.ok_or_else(|| form("clicks_order"))?;
            input.click_count = count;
            let last = clicks
                .items()
                .iter()
                .zip(kinds)
                .map(|(clicks, kind)| last_click(clicks, kind));
            input.last_clicks = Some(last.collect::<Option<_>>().ok_or_else(|| form("clicks"))?);
            input.previous = Some(members.byte_volume("prev_pred")?);
        }
        Ok(input)
    }
}

/// The kind of each label's last click, and how many interactions with clicks there were.
type LastKinds = (Vec<Option<ClickKind>>, usize);

/// The last column of `clicks_order` and the number of its columns: an array of strings where every label has its click, of
/// Python objects where some has none.
fn last_kinds(members: &NpzMembers) -> Result<Option<LastKinds>, NpzError> {
    let (shape, kinds) = if members.has_objects("clicks_order") {
        let order = members.objects("clicks_order")?;
        let kinds = order
            .items()
            .iter()
            .map(kind_of_value)
            .collect::<Option<Vec<_>>>();
        (order.shape().to_vec(), kinds)
    } else {
        let (shape, texts) = members.strings("clicks_order")?;
        (
            shape,
            texts
                .iter()
                .map(|text| kind_of_text(text).map(Some))
                .collect(),
        )
    };
    let (&[_, clicks], Some(kinds)) = (&shape[..], kinds) else {
        return Ok(None);
    };
    let last = kinds
        .chunks_exact(clicks.max(1))
        .filter_map(|row| row.last().copied())
        .collect();
    Ok(Some((last, clicks)))
}

fn kind_of_value(value: &Value) -> Option<Option<ClickKind>> {
    match value {
        Value::None => Some(None),
        Value::Str(text) => kind_of_text(text).map(Some),
        _ => None,
    }
}

fn kind_of_text(text: &str) -> Option<ClickKind> {
    match text {
        "fg" => Some(ClickKind::Fg),
        "bg" => Some(ClickKind::Bg),
        _ => None,
    }
}

/// The last click of this kind; the outer `None` where there is none though there should be.
fn last_click(clicks: &Value, kind: Option<ClickKind>) -> Option<Option<Click>> {
    let Some(kind) = kind else { return Some(None) };
    let Some(Value::List(list)) = clicks.get(kind.name()) else {
        return None;
    };
    let Some(Value::List(at)) = list.last() else {
        return None;
    };
    let at: Option<Vec<usize>> = at.iter().map(index).collect();
    let at: Voxel = at?.try_into().ok()?;
    Some(Some(Click { kind, at }))
}

/// A voxel index.
pub(super) fn index(value: &Value) -> Option<usize> {
    match value {
        Value::Int(index) => usize::try_from(*index).ok(),
        _ => None,
    }
}
