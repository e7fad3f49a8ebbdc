//! `-l`: objects by their labels, as kubectl's equality-based selectors choose them.
//!
//! Source: the Kubernetes documentation, "Labels and selectors": `key=value`, `key==value`, `key!=value` (which
//! also chooses what lacks the key), `key`, `!key`; commas mean "and".

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::model::Object;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Requirement {
    Is(String, String),
    IsNot(String, String),
    Has(String),
    Lacks(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Labels(Vec<Requirement>);

impl FromStr for Labels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.split(',').map(|part| requirement(part.trim())).collect::<Result<_, _>>().map(Self)
    }
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let pair = |key: &str, value: &str| (key.trim().to_owned(), value.trim().to_owned());
    let read = if let Some((key, value)) = text.split_once("!=") {
        let (key, value) = pair(key, value);
        Requirement::IsNot(key, value)
    } else if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        let (key, value) = pair(key, value);
        Requirement::Is(key, value)
    } else if let Some(key) = text.strip_prefix('!') {
        Requirement::Lacks(key.trim().to_owned())
    } else {
        Requirement::Has(text.to_owned())
    };
    let (Requirement::Is(key, _)
    | Requirement::IsNot(key, _)
    | Requirement::Has(key)
    | Requirement::Lacks(key)) = &read;
    named(key, text).map(|()| read)
}

fn named(key: &str, text: &str) -> Result<(), String> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    match !key.is_empty() && key.chars().all(is_name) {
        true => Ok(()),
        false => {
            Err(format!("`{text}` chooses by no label; write key=value, key!=value, key or !key"))
        }
    }
}

impl Labels {
    pub(super) fn choose(&self, object: &Object) -> bool {
        self.are_met(&object.metadata.labels)
    }

    fn are_met(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|requirement| match requirement {
            Requirement::Is(key, value) => labels.get(key) == Some(value),
            Requirement::IsNot(key, value) => labels.get(key) != Some(value),
            Requirement::Has(key) => labels.contains_key(key),
            Requirement::Lacks(key) => !labels.contains_key(key),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_choose_as_with_kubectl() {
        let labels = BTreeMap::from([("app", "web"), ("tier", "front")]);
        let labels = labels.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        for (text, expected) in [
            ("app=web", Ok(true)),
            ("app==web, tier=front", Ok(true)),
            ("app=web,tier=back", Ok(false)),
            ("tier!=back", Ok(true)),
            ("other!=x", Ok(true)),
            ("app", Ok(true)),
            ("!app", Ok(false)),
            ("!other", Ok(true)),
            ("", Err(())),
            ("=x", Err(())),
            ("app in (web)", Err(())),
        ] {
            let met = text.parse::<Labels>().map(|wanted| wanted.are_met(&labels));
            assert_eq!(met.map_err(drop), expected, "{text}");
        }
    }
}
