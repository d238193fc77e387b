//! Text of strangers, made fit to be read. Askama escapes it besides.

/// The most letters of a name or a reason.
const LONGEST_LINE: usize = 400;
/// The most letters of a log's end: as many as a record keeps.
const LONGEST_TAIL: usize = 4096;

/// A name or a reason: one line of bounded length.
pub(super) fn line(text: &str) -> String {
    let mut shown = String::new();
    for (at, letter) in text.trim().chars().map(visible).enumerate() {
        if at == LONGEST_LINE {
            shown.push('…');
            break;
        }
        shown.push(letter);
    }
    shown
}

/// The end of a log: lines and tabs stay, what steered a terminal goes.
pub(super) fn tail(text: &str) -> String {
    let length = text.chars().count();
    let mut letters = text.chars().skip(length.saturating_sub(LONGEST_TAIL));
    let mut shown = String::new();
    if length > LONGEST_TAIL {
        shown.push('…');
    }
    let mut after_return = false;
    while let Some(letter) = letters.next() {
        match letter {
            '\u{1b}' => skip_sequence(&mut letters),
            // A progress bar writes over its line; here each state has its own.
            '\n' if after_return => {}
            '\n' | '\r' => shown.push('\n'),
            '\t' => shown.push('\t'),
            other => shown.push(visible(other)),
        }
        after_return = letter == '\r';
    }
    shown.trim_end().to_owned()
}

/// What follows an escape: up to the letter that ends a control sequence, or one letter.
fn skip_sequence(letters: &mut impl Iterator<Item = char>) {
    if letters.next() == Some('[') {
        let _end = letters.find(|letter| ('@'..='~').contains(letter));
    }
}

/// A letter of one line.
fn visible(letter: char) -> char {
    match letter {
        '\n' | '\t' => ' ',
        other => crate::printable::visible(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short_and_has_nothing_that_steers() {
        assert_eq!(
            line(" a\tb\nc\u{1b}d\u{0}\u{202e}e "),
            "a b c\u{fffd}d\u{fffd}\u{fffd}e"
        );
        let long = line(&"é".repeat(1 << 20));
        assert_eq!(long.chars().count(), LONGEST_LINE + 1);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn a_tail_is_the_end_without_a_terminals_colours() {
        assert_eq!(tail("\u{1b}[1;31mred\u{1b}[0m\tx\n"), "red\tx");
        assert_eq!(tail("10 %\r20 %\r\ndone"), "10 %\n20 %\ndone");
        let long = tail(&format!("{}end", "x".repeat(1 << 20)));
        assert!(long.starts_with("…x") && long.ends_with("xend"));
        assert_eq!(long.chars().count(), LONGEST_TAIL + 1);
    }
}
