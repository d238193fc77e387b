//! Text of strangers (a submission's words, an image's configuration, a file's name), made fit for
//! a terminal and for a page.

/// The text without what a terminal would obey and what turns the direction of writing.
pub(crate) fn printable(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        other => visible(other),
    };
    text.chars().map(shown).collect()
}

/// A letter, or a mark of its own for one that is not seen but obeyed: control characters, those
/// that turn the direction of writing, and those that break a line unseen.
pub(crate) fn visible(letter: char) -> char {
    match letter {
        '\u{061c}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_obeyed_is_shown_as_a_mark() {
        assert_eq!(
            printable("a\u{1b}[31m\u{202e}b\u{2066}\u{061c}\r\n\tc é"),
            "a\u{fffd}[31m\u{fffd}b\u{fffd}\u{fffd}\u{fffd}\n\tc é"
        );
    }
}
