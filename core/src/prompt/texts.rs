//! The member `text_prompts` of an image, as Python objects.

use segarena_dialogue::TextPrompt;

use crate::npz::pickle::{ObjectArray, Value};

const INSTANCE_LABEL: &str = "instance_label";

/// What an image's `text_prompts` ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextPrompts {
    /// The labels in the dictionary's order.
    pub labels: Vec<TextPrompt>,
    /// Whether instances are to be told apart.
    pub instances: bool,
}

impl TextPrompts {
    /// The member for these: an array without axes that holds one dictionary.
    pub fn member(&self) -> ObjectArray {
        let text = |text: &String| Value::from(text.as_str());
        let labels = self.labels.iter().map(|prompt| {
            let texts = match &prompt.texts[..] {
                [only] => text(only),
                many => Value::List(many.iter().map(text).collect()),
            };
            (Value::from(prompt.label.to_string().as_str()), texts)
        });
        let kind = Value::Int(i64::from(self.instances));
        let entries = labels.chain([(Value::from(INSTANCE_LABEL), kind)]);
        ObjectArray::scalar(Value::Dict(entries.collect()))
    }

    /// The prompts of a member; `None` where it is none of text prompts.
    pub fn of(member: &ObjectArray) -> Option<Self> {
        let [dictionary @ Value::Dict(entries)] = member.items() else {
            return None;
        };
        let instances = *dictionary.get(INSTANCE_LABEL)? == Value::Int(1);
        let labels = entries.iter().filter_map(|(key, texts)| match key {
            Value::Str(key) if key == INSTANCE_LABEL => None,
            key => Some(prompt(key, texts)),
        });
        Some(Self {
            labels: labels.collect::<Option<_>>()?,
            instances,
        })
    }
}

fn prompt(label: &Value, texts: &Value) -> Option<TextPrompt> {
    let text = |value: &Value| match value {
        Value::Str(text) => Some(text.clone()),
        _ => None,
    };
    Some(TextPrompt {
        label: text(label)?.parse().ok()?,
        texts: match texts {
            Value::List(items) => items.iter().map(text).collect::<Option<_>>()?,
            only => vec![text(only)?],
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_read_as_they_were_written() {
        let prompt = |label, texts: &[&str]| TextPrompt {
            label,
            texts: texts.iter().map(|&text| text.to_owned()).collect(),
        };
        let prompts = TextPrompts {
            labels: vec![prompt(3, &["liver"]), prompt(1, &["spleen", "lien"])],
            instances: true,
        };
        let member = prompts.member();
        assert_eq!((member.shape(), member.items().len()), (&[][..], 1));
        assert_eq!(TextPrompts::of(&member), Some(prompts));
        let no_dictionary = ObjectArray::from_items(vec![Value::from("liver")]);
        assert_eq!(TextPrompts::of(&no_dictionary), None);
    }
}
