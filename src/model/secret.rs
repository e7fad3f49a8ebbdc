//! Text that must not be printed.

use std::fmt;

use super::conceal::conceal;

/// A secret's text. Neither `Debug` nor any serialization shows it; [`Secret::reveal`] marks the
/// few places where it leaves for AWS.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a text that must not be printed from now on.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for what is sent or compared. It must not reach a log, a message or the store.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A text without the secret, in whatever form somebody repeats it: escaped for JSON, a URL, a form or XML,
    /// once or twice, in hexadecimal or in base64.
    pub fn concealed_in(&self, text: &str) -> String {
        conceal(text, &self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(sensitive)")
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

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
            "pa\\u0022ss\\u005cw\\u00F6rd\\u000A\\u003C\\u0026\\u0027/ +1".to_owned(),
            "pa%22ss%5Cw%C3%B6rd%0A%3C%26'/%20%2B1".to_owned(),
            "pa%2522ss%255Cw%25C3%25B6rd%250A%253C%2526%2527%252F%2520%252B1".to_owned(),
            "pa&#34;ss\\wörd&#10;&#x3C;&amp;&#39;/ +1".to_owned(),
            "pa\"ss\\wörd\n<&''/ +1".to_owned(),
            "pa\\x22ss\\x5cw\\xc3\\xb6rd\\x0a<&\\x27/ +1".to_owned(),
            secret.replace('\n', "\r\n"),
            secret.replace('\n', " "),
            BASE64_STANDARD.encode(serde_json::Value::from(secret).to_string()),
            BASE64_STANDARD.encode(serde_json::json!({"password": secret}).to_string()),
            hex::encode(secret),
            hex::encode(secret).to_uppercase(),
            BASE64_STANDARD.encode(secret),
            BASE64_URL_SAFE_NO_PAD.encode(secret),
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
    fn parts_of_a_secret_and_what_stands_around_it_are_told_apart() {
        let login = r#"{"user":"shop","password":"correct horse"}"#;
        let around = BASE64_STANDARD.encode("user:correct horse battery:x");
        let broken = format!("{}\n{}", &around[..20], &around[20..]);
        for (secret, text, kept) in [
            (login, "invalid password correct horse for shop".to_owned(), "invalid password"),
            ("correct horse\n", "correct horse is no key".to_owned(), "is no key"),
            ("correct horse battery", format!("Basic {around}"), "Basic dXNlc"),
            ("correct horse battery", format!("Basic {broken}"), "Basic dXNlc"),
            ("a", "a value of a map".to_owned(), "value of"),
        ] {
            let concealed = Secret::new(secret).concealed_in(&text);
            assert!(concealed.contains("(sensitive)") && concealed.contains(kept), "{concealed}");
            assert!(
                !concealed.contains("horse") && !concealed.contains(&around[9..]),
                "{concealed}"
            );
        }
    }

    #[test]
    fn an_empty_secret_conceals_nothing() {
        assert_eq!(Secret::new("").concealed_in("as it was"), "as it was");
    }
}
