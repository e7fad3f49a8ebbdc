//! AWS's words as the spec's, which are the same: one conversion each way for every enum.
//!
//! Guarantees: a word that this version does not know is an error, never another word.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use thiserror::Error;

use crate::aws::{AwsError, Class, Service};

/// AWS says something that this version of trueup has no word for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "AWS says `{word}` for {field}, which this version of trueup does not know; upgrade trueup, or take \
     the field out of the manifest"
)]
pub struct UnknownWord {
    field: &'static str,
    word: String,
}

impl UnknownWord {
    /// The error of a word that AWS says for a field; the message names both.
    pub fn new(field: &'static str, word: &str) -> Self {
        Self { field, word: word.to_owned() }
    }

    /// As the error of the call whose reply it stood in.
    pub fn in_reply(&self, service: Service, operation: &'static str) -> AwsError {
        AwsError::new(Class::Invalid, service, operation, self.to_string())
    }
}

/// A word of AWS as the spec's own. `field` names it in the error.
pub fn word<T: DeserializeOwned>(
    field: &'static str,
    text: impl AsRef<str>,
) -> Result<T, UnknownWord> {
    let word = || text.as_ref().to_owned();
    serde_json::from_value(Value::String(word())).map_err(|_| UnknownWord { field, word: word() })
}

/// A word of the spec as the SDK's own type of it.
pub fn as_aws<T: for<'a> From<&'a str>>(word: impl Serialize) -> T {
    T::from(&text(&word))
}

/// A word of the spec as AWS's own. What is no word is empty, which AWS refuses.
pub fn text(word: &impl Serialize) -> String {
    match serde_json::to_value(word) {
        Ok(Value::String(text)) => text,
        _ => String::new(),
    }
}
