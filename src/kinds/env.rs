//! Environment variables: declared in a manifest, compared without printing secrets, and written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Resolved;
use crate::model::{Secret, ValueFrom};
use crate::plan::sensitive;

/// An environment variable, with a value or a place to take it from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnvVar {
    /// The variable's own name; no two variables of the list have the same.
    #[schemars(length(min = 1, max = 255))]
    pub name: String,
    /// The value as plain text; not with `valueFrom`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Where the value comes from: another object or a secret; not with `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
}

impl EnvVar {
    /// What is wrong with where the value comes from.
    pub fn problem(&self) -> Option<String> {
        let name = &self.name;
        match (&self.value, &self.value_from) {
            (Some(_), Some(_)) => Some(format!(
                "variable `{name}` has both value and valueFrom; take one of them out"
            )),
            (None, None) => Some(format!("variable `{name}` needs either value or valueFrom")),
            _ => None,
        }
    }
}

/// Variables by name, as AWS takes them.
pub type Variables = BTreeMap<String, Secret>;

/// Declared variables with their references resolved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeclaredEnv {
    values: Variables,
    secrets: Vec<String>,
}

impl DeclaredEnv {
    /// Declared variables with the values behind their references. One that is not resolved is empty.
    pub fn new(env: &[EnvVar], resolved: &Resolved) -> Self {
        let mut declared = Self::default();
        for variable in env {
            let (value, is_secret) =
                resolved.value(variable.value.as_deref(), variable.value_from.as_ref());
            if is_secret {
                declared.secrets.push(variable.name.clone());
            }
            declared.values.insert(variable.name.clone(), value);
        }
        declared
    }

    /// All of them by name, secrets too.
    pub fn values(&self) -> &Variables {
        &self.values
    }

    /// The declared side of a comparison, keyed by `name`.
    pub fn comparable(&self) -> Value {
        let is_secret = |name: &String| self.secrets.contains(name);
        self.values.iter().map(|(name, value)| entry(name, value, is_secret(name))).collect()
    }

    /// The live side. A value that is not the declared plain one may be a secret, put there by hand or
    /// by an earlier release: it is not shown.
    pub fn comparable_live(&self, live: &Variables) -> Value {
        let is_shown = |name: &String, value: &Secret| {
            self.values.get(name) == Some(value) && !self.secrets.contains(name)
        };
        live.iter().map(|(name, value)| entry(name, value, !is_shown(name, value))).collect()
    }

    /// What is written: the variables of an effective comparison. Those that equal the declared
    /// ones take the declared values; those that an ignored path filled in keep the live ones.
    pub fn effective(&self, effective: &Value, live: &Variables) -> Variables {
        let declared = self.comparable();
        let is_declared = |v: &Value| declared.as_array().is_some_and(|d| d.contains(v));
        let value_of = |v: &Value| {
            let name = v["name"].as_str()?;
            let source = if is_declared(v) { &self.values } else { live };
            Some((name.to_owned(), source.get(name)?.clone()))
        };
        effective.as_array().into_iter().flatten().filter_map(value_of).collect()
    }
}

fn entry(name: &str, value: &Secret, is_secret: bool) -> Value {
    let value = if is_secret { sensitive(value.reveal()) } else { json!(value.reveal()) };
    json!({"name": name, "value": value})
}
