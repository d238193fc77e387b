//! Environment variables in the paths of a configuration, such as the folder that a batch system
//! makes on a node's own disk.

/// `text` with `$NAME` and `${NAME}` replaced by what `value` gives for them. A `$` before anything
/// else stands for itself.
///
/// # Errors
/// When a variable is not set or empty, or a brace is not closed; the text says which.
pub(crate) fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        expanded.push_str(before);
        let (name, behind) = match after.strip_prefix('{') {
            Some(inside) => inside
                .split_once('}')
                .ok_or_else(|| format!("the brace of `${after}` is not closed"))?,
            None => after.split_at(
                after
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(after.len()),
            ),
        };
        if name.is_empty() {
            expanded.push('$');
        } else {
            let found = value(name).filter(|value| !value.is_empty());
            expanded.push_str(&found.ok_or_else(|| {
                format!("the environment variable `{name}` is not set (set it, or write a path)")
            })?);
        }
        rest = behind;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_and_what_is_none_stays() {
        let value = |name: &str| match name {
            "TMP" => Some("/scratch/7".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        for (text, expected) in [
            ("$TMP/work", "/scratch/7/work"),
            ("${TMP}work", "/scratch/7work"),
            ("/a/$TMP", "/a//scratch/7"),
            ("/plain", "/plain"),
            ("/a$/b", "/a$/b"),
        ] {
            assert_eq!(expand(text, value).as_deref(), Ok(expected));
        }
        for (text, said) in [
            ("$NONE/x", "NONE"),
            ("${EMPTY}", "EMPTY"),
            ("${TMP", "brace"),
        ] {
            let error = expand(text, value).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }
}
