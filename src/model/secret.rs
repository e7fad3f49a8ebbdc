//! Text that must not be printed.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

/// A secret's text. Neither `Debug` nor any serialization shows it; [`Secret::reveal`] marks the
/// few places where it leaves for AWS.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the secret, in whatever form somebody repeats it: as it is, escaped for JSON once or
    /// twice, for XML or for a URL, or in base64.
    pub fn concealed_in(&self, text: &str) -> String {
        let mut concealed = text.to_owned();
        // The longest first: one form may be a part of another.
        let mut forms: Vec<_> = self.forms().into_iter().filter(|form| !form.is_empty()).collect();
        forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        for form in forms {
            concealed = concealed.replace(&form, "(sensitive)");
        }
        concealed
    }

    fn forms(&self) -> BTreeSet<String> {
        let plain = self.0.clone();
        let json = in_json(&plain);
        let ascii = in_ascii_json(&plain);
        BTreeSet::from([
            in_json(&json),
            in_json(&ascii),
            BASE64_STANDARD.encode(&plain),
            BASE64_STANDARD.encode(&plain).trim_end_matches('=').to_owned(),
            BASE64_URL_SAFE_NO_PAD.encode(&plain),
            in_url(&plain, '+'),
            in_url(&plain, ' '),
            with_small_escapes(&in_url(&plain, ' ')),
            in_xml(&plain),
            format!("{plain:?}").trim_matches('"').to_owned(),
            json.replace('/', "\\/"),
            json,
            ascii,
            plain,
        ])
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

/// As it stands between the quotes of a JSON string.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// The same, with everything that is no ASCII escaped, as many servers do.
fn in_ascii_json(text: &str) -> String {
    let mut out = String::new();
    for c in in_json(text).chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let mut units = [0; 2];
            for unit in c.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    out
}

/// Percent-encoded, with `space` for a space: itself for `%20`.
fn in_url(text: &str, space: char) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        b' ' if space != ' ' => space.to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// Percent escapes with small letters, as some servers write them.
fn with_small_escapes(encoded: &str) -> String {
    let mut parts = encoded.split('%');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |out, part| {
        let (escape, rest) = part.split_at(part.len().min(2));
        format!("{out}%{}{rest}", escape.to_lowercase())
    })
}

fn in_xml(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_concealed_in_every_form() {
        let secret = "pa\"ss\\wörd\n<&'/ +1";
        let json = serde_json::Value::from(secret).to_string();
        let twice = serde_json::Value::from(json.clone()).to_string();
        for form in [
            secret.to_owned(),
            json,
            twice,
            format!("{secret:?}"),
            "pa\\\"ss\\\\w\\u00f6rd\\n<&'/ +1".to_owned(),
            "pa\\\"ss\\\\wörd\\n<&'\\/ +1".to_owned(),
            "pa%22ss%5Cw%C3%B6rd%0A%3C%26%27%2F%20%2B1".to_owned(),
            "pa%22ss%5cw%c3%b6rd%0a%3c%26%27%2f%20%2b1".to_owned(),
            "pa%22ss%5Cw%C3%B6rd%0A%3C%26%27%2F+%2B1".to_owned(),
            "pa&quot;ss\\wörd\n&lt;&amp;&apos;/ +1".to_owned(),
            BASE64_STANDARD.encode(secret),
        ] {
            let text = format!("value [{form}] is not valid");
            let concealed = Secret::new(secret).concealed_in(&text);
            assert!(
                !concealed.contains("pa") && concealed.contains("(sensitive)"),
                "{form}: {concealed}"
            );
            assert!(
                concealed.starts_with("value [") && concealed.ends_with("] is not valid"),
                "{concealed}"
            );
        }
    }

    #[test]
    fn an_empty_secret_conceals_nothing() {
        assert_eq!(Secret::new("").concealed_in("as it was"), "as it was");
    }
}
