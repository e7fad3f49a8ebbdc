//! Text of others on a terminal, in a log or on a page.
//!
//! Manifests, arguments and AWS's messages may hold characters that are not seen and do something: they
//! colour a terminal, set its title, or show text in another order than it has.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character does something else than to be seen. Line ends and tabs are what they seem.
fn is_hidden(c: char) -> bool {
    let is_control = c.is_control() && c != '\n' && c != '\t';
    // Those that change the direction of text (Unicode's Bidi_Control), and those that have no width.
    let is_bidi = matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}');
    // Those that show nothing, or a blank that is no space.
    let is_blank = matches!(c, '\u{00ad}' | '\u{034f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180e}' | '\u{3164}' | '\u{ffa0}' | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e007f}');
    is_control || is_bidi || is_blank || matches!(c, '\u{2028}' | '\u{2029}')
}

/// Whether a text has a character that does something else than to be seen. Line ends and tabs do not count.
pub fn has_hidden(text: &str) -> bool {
    text.chars().any(is_hidden)
}

/// The text with what is hidden written as JSON writes it: `\u001b`. A JSON text stays the same value.
pub fn visible(text: &str) -> Cow<'_, str> {
    if !has_hidden(text) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_hidden(c) {
            // Writing to a String cannot fail.
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

/// The same for a text that a renderer of ours has coloured: the sequences of colours stay.
pub fn visible_in_colour(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let mut out = visible(parts.next().unwrap_or_default()).into_owned();
    for part in parts {
        let is_colour = part.strip_prefix('[').is_some_and(|rest| {
            rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m')
        });
        out.push_str(if is_colour { "\u{1b}" } else { "\\u001b" });
        out.push_str(&visible(part));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_hidden_is_shown() {
        for (text, shown) in [
            ("plain: Ü, 日本 \u{1f600}\n\tindented", "plain: Ü, 日本 \u{1f600}\n\tindented"),
            ("\u{1b}[31mred\u{1b}[0m", "\\u001b[31mred\\u001b[0m"),
            ("\u{1b}]0;title\u{7}", "\\u001b]0;title\\u0007"),
            ("\u{202e}gnp.exe", "\\u202egnp.exe"),
            ("a\u{e0041}\u{ad}b", "a\\udb40\\udc41\\u00adb"),
            ("a\rb\u{8}c\u{9b}31m", "a\\u000db\\u0008c\\u009b31m"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn colours_of_ours_stay() {
        let coloured = "\u{1b}[1;31merror\u{1b}[0m: \u{1b}]0;title\u{7}\u{1b}[2J";
        let shown = "\u{1b}[1;31merror\u{1b}[0m: \\u001b]0;title\\u0007\\u001b[2J";
        assert_eq!(visible_in_colour(coloured), shown);
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"name": "\u{202e}\u{9b}\u{1b}"});
        let text = serde_json::to_string(&value).unwrap();
        let shown = visible(&text).into_owned();
        assert_ne!(shown, text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
