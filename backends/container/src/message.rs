//! What an engine says, fit to be shown: parts of it are a stranger's, who has written the image.

/// So many characters of an engine's message are shown.
const LONGEST: usize = 1000;

/// The text in one line, cut to a length, with what a terminal or a page would obey (control
/// characters, changes of writing direction) spelt out.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (number, c) in text.trim().chars().enumerate() {
        if number == LONGEST {
            shown.push('…');
            break;
        }
        match c {
            '\n' | '\t' => shown.push(' '),
            c if c.is_control() || changes_direction(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// Unicode's marks, embeddings, overrides and isolates of bidirectional text (UAX #9), and its
/// line separators.
fn changes_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_spelt_out_and_a_flood_is_cut() {
        assert_eq!(
            shown("unable to find user \x1b[2Jx"),
            "unable to find user \\u{1b}[2Jx"
        );
        assert_eq!(shown("a\u{202e}b\nc"), "a\\u{202e}b c");
        assert_eq!(shown(&"x".repeat(5000)).chars().count(), LONGEST + 1);
        assert_eq!(shown("größer"), "größer");
    }
}
