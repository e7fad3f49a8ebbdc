//! What a spec may refer to: a field of another object, or a secret.
//!
//! References are found by their shape, anywhere in a spec, so that a kind declares them by using
//! the types below and nothing else.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ObjectId, Path};

/// A value that comes from elsewhere. Exactly one of the fields is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1, "maxProperties" = 1))]
pub struct ValueFrom {
    /// A field of another object of the same environment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ref: Option<ObjectFieldRef>,
    /// A secret in AWS Secrets Manager.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secrets_manager: Option<SecretsManagerRef>,
    /// A parameter in AWS Systems Manager's Parameter Store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ssm: Option<SsmRef>,
}

impl ValueFrom {
    /// The secret that is referred to; `None` where the value is a field of another object.
    pub fn secret(&self) -> Option<SecretRef> {
        match (&self.secrets_manager, &self.ssm) {
            (Some(s), _) => Some(SecretRef::SecretsManager(s.clone())),
            (_, Some(s)) => Some(SecretRef::Ssm(s.clone())),
            _ => None,
        }
    }
}

/// Refers to a field of another object: what is referred to is made first.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct ObjectFieldRef {
    /// The kind of the object.
    pub kind: String,
    /// The object's name in its manifest.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
    /// One of the fields that the kind publishes, such as `name` or `arn`.
    #[schemars(length(min = 1, max = 63))]
    pub field: String,
}

impl ObjectFieldRef {
    /// Names the object that is referred to. It is in the same environment.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.name.as_str())
    }
}

/// Refers to a secret in AWS Secrets Manager, or to one key of it.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct SecretsManagerRef {
    /// The secret's name or ARN.
    #[schemars(length(min = 1, max = 2048))]
    pub secret_id: String,
    /// A key of the secret's JSON; without it the whole text is the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// Refers to a parameter in AWS Systems Manager's Parameter Store.
#[derive(
    Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "camelCase")]
pub struct SsmRef {
    /// The parameter's name; a SecureString is decrypted.
    #[schemars(length(min = 1, max = 2048))]
    pub name: String,
}

/// A secret that a spec refers to, by the service that keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SecretRef {
    /// AWS Secrets Manager keeps it.
    SecretsManager(SecretsManagerRef),
    /// AWS Systems Manager's Parameter Store keeps it.
    Ssm(SsmRef),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretsManager(reference) => f.write_str(&reference.secret_id),
            Self::Ssm(reference) => f.write_str(&reference.name),
        }
    }
}

/// Every `objectRef` of a spec, in the order of the document.
pub fn object_references(spec: &Value) -> Vec<ObjectFieldRef> {
    collect(spec, "objectRef")
}

/// Every secret that a spec refers to.
pub fn secret_references(spec: &Value) -> Vec<SecretRef> {
    secrets_by_field(spec).into_iter().map(|(_, reference)| reference).collect()
}

/// Every secret that a spec refers to, with the field that gets its value, as `env[API_KEY]`.
pub fn secrets_by_field(spec: &Value) -> Vec<(Path, SecretRef)> {
    let mut found = Vec::new();
    collect_secrets(spec, &Path::default(), &mut found);
    found
}

fn collect_secrets(value: &Value, at: &Path, found: &mut Vec<(Path, SecretRef)>) {
    match value {
        Value::Object(fields) => {
            for (name, inner) in fields {
                let secret = match name.as_str() {
                    "secretsManager" => {
                        SecretsManagerRef::deserialize(inner).ok().map(SecretRef::SecretsManager)
                    }
                    "ssm" => SsmRef::deserialize(inner).ok().map(SecretRef::Ssm),
                    _ => None,
                };
                match secret {
                    Some(secret) => found.push((at.clone(), secret)),
                    // It only says that the value comes from elsewhere.
                    None if name == "valueFrom" => collect_secrets(inner, at, found),
                    None => collect_secrets(inner, &at.field(name), found),
                }
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                let name = item.get("name").or_else(|| item.get("id")).and_then(Value::as_str);
                let key = name.map_or_else(|| place.to_string(), str::to_owned);
                collect_secrets(item, &at.element(&key), found);
            }
        }
        _ => {}
    }
}

fn collect<T: serde::de::DeserializeOwned>(value: &Value, field: &str) -> Vec<T> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, inner)| {
                let found = (key == field).then(|| T::deserialize(inner).ok()).flatten();
                found.map_or_else(|| collect(inner, field), |found| vec![found])
            })
            .collect(),
        Value::Array(items) => items.iter().flat_map(|item| collect(item, field)).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn references_are_found_wherever_they_stand() {
        let spec = json!({
            "env": [
                {"name": "A", "value": "plain"},
                {"name": "B", "valueFrom": {"objectRef": {"kind": "Table", "name": "orders", "field": "name"}}},
                {"name": "C", "valueFrom": {"secretsManager": {"secretId": "pay", "key": "k"}}},
            ],
            "basicAuth": {"ssm": {"name": "/auth"}},
        });
        assert_eq!(object_references(&spec)[0].id().to_string(), "Table/orders");
        let fields: Vec<_> =
            secrets_by_field(&spec).iter().map(|(at, secret)| format!("{at}: {secret}")).collect();
        assert_eq!(fields, ["env[C]: pay", "basicAuth: /auth"]);
        assert_eq!(secret_references(&spec).len(), 2);
    }
}
