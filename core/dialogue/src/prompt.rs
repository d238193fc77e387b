//! What a submission is given at one interaction.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use ndarray::Array3;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::clicks::Click;
use crate::history::ClickHistory;

/// The name of a sort of prompt: `box`, `clicks`, `text`, or whatever a track calls its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PromptKind(Cow<'static, str>);

impl PromptKind {
    /// The image and its bounding boxes.
    pub const BOX: Self = Self::new("box");
    /// All clicks so far and the previous prediction.
    pub const CLICKS: Self = Self::new("clicks");
    /// What is to be found, in words.
    pub const TEXT: Self = Self::new("text");

    /// A kind of this name.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Its name, as in records.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PromptKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One interaction's prompt: what of the image a submission is given, and what besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Prompt {
    /// The interaction, from 1. A case may have no prompt for some; the numbers then have a gap.
    pub index: usize,
    /// What sort of prompt it is.
    pub kind: PromptKind,
    /// Which members of the image the model input has.
    pub image: ImageMembers,
    /// What the model input has besides, by key, in order.
    pub members: Vec<(&'static str, Member)>,
    /// The clicks that are new, one entry for each label, ascending; `None`: the label is
    /// perfect. Empty where the prompt has no clicks.
    pub clicks: Vec<(i64, Option<Click>)>,
    /// What is asked for in words, as the image has it. Empty where the prompt has no words.
    pub texts: Vec<TextPrompt>,
}

/// What a label is called: one text, or several that mean the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextPrompt {
    /// The label.
    pub label: i64,
    /// Its texts.
    pub texts: Vec<String>,
}

impl Prompt {
    /// The image with its bounding boxes.
    pub fn boxes(index: usize) -> Self {
        Self {
            index,
            kind: PromptKind::BOX,
            image: ImageMembers::All,
            members: Vec::new(),
            clicks: Vec::new(),
            texts: Vec::new(),
        }
    }

    /// The image with its text prompts, which are these.
    pub fn text(index: usize, texts: Vec<TextPrompt>) -> Self {
        Self {
            kind: PromptKind::TEXT,
            texts,
            ..Self::boxes(index)
        }
    }

    /// All clicks so far and the previous prediction, cast to uint8 (z, y, x).
    pub fn clicks(index: usize, history: &ClickHistory, previous: Arc<Array3<u8>>) -> Self {
        let [clicks, order] = history.members();
        Self {
            index,
            kind: PromptKind::CLICKS,
            image: ImageMembers::Only(&["imgs", "spacing", "boxes"]),
            members: vec![
                ("clicks", clicks),
                ("clicks_order", order),
                ("prev_pred", Member::Labels(previous)),
            ],
            clicks: Vec::new(),
            texts: Vec::new(),
        }
    }
}

/// Which of an image's members go into a model input. The ground truth never does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImageMembers {
    /// All.
    All,
    /// Those of them that the image has.
    Only(&'static [&'static str]),
}

/// An array that a prompt adds to a model input.
#[derive(Debug, Clone, PartialEq)]
pub enum Member {
    /// Python objects.
    Objects {
        /// The array's shape.
        shape: Vec<usize>,
        /// Its items in C order.
        items: Vec<Value>,
    },
    /// Strings of two characters (numpy's `<U2`).
    TwoLetters {
        /// The array's shape.
        shape: Vec<usize>,
        /// Its items in C order.
        items: Vec<&'static str>,
    },
    /// A label volume (z, y, x).
    Labels(Arc<Array3<u8>>),
}

/// A Python object: what `pickle` and JSON both can say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `None`.
    None,
    /// An `int`.
    Int(i64),
    /// A `str`.
    Text(String),
    /// A `list`.
    List(Vec<Value>),
    /// A `dict` with strings for keys, in order.
    Dict(Vec<(String, Value)>),
}

impl Value {
    /// What a dictionary has under `key`; `None` where this is no dictionary or has no such key.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Self::Dict(entries) => entries
                .iter()
                .find(|(known, _)| known == key)
                .map(|(_, value)| value),
            _ => None,
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::None => serializer.serialize_none(),
            Self::Int(value) => serializer.serialize_i64(*value),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(items) => serializer.collect_seq(items),
            Self::Dict(entries) => {
                let mut map = serializer.serialize_map(Some(entries.len()))?;
                for (key, value) in entries {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}
