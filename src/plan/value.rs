//! Values as they are compared and shown: a secret takes part as a digest and is never printed.

use serde_json::{Value, json};

use crate::model::sha256_hex;

const SENSITIVE: &str = "$sensitive";

/// Stands for a secret in a comparison: equal secrets are equal, and nothing prints them.
pub fn sensitive(text: &str) -> Value {
    json!({ SENSITIVE: sha256_hex(text) })
}

pub(super) fn is_sensitive(value: &Value) -> bool {
    value.as_object().is_some_and(|map| map.contains_key(SENSITIVE))
}

/// The most characters of one value that are shown.
const VALUE_CHARS_MAX: usize = 120;

/// A value as people see it: compact, cut when long, masked when sensitive.
pub fn show(value: &Value) -> String {
    let text = match value {
        Value::String(text) => format!("{text:?}"),
        other => mask(other).to_string(),
    };
    let text = text.replace("\"(sensitive)\"", "(sensitive)");
    if text.chars().count() <= VALUE_CHARS_MAX {
        return text;
    }
    let cut: String = text.chars().take(VALUE_CHARS_MAX).collect();
    format!("{cut}... ({} characters)", text.chars().count())
}

fn mask(value: &Value) -> Value {
    match value {
        _ if is_sensitive(value) => Value::String("(sensitive)".to_owned()),
        Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), mask(v))).collect(),
        Value::Array(items) => items.iter().map(mask).collect(),
        other => other.clone(),
    }
}

/// An object that holds nothing but absent things.
fn is_hollow(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.is_empty()) && is_empty(value)
}

/// What an explicit empty value and an absent one have in common.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        // What asks for nothing but absent things asks for nothing.
        Value::Object(map) => map.values().all(|value| value.is_null() || is_hollow(value)),
        _ => false,
    }
}
