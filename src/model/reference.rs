//! What a spec may refer to: a field of another object, or a secret.
//!
//! References are found by their shape, anywhere in a spec, so that a kind declares them by using
//! the types below and nothing else.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ObjectId;

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
    let managed = collect(spec, "secretsManager").into_iter().map(SecretRef::SecretsManager);
    let parameters = collect(spec, "ssm").into_iter().map(SecretRef::Ssm);
    managed.chain(parameters).collect()
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
        assert_eq!(secret_references(&spec).len(), 2);
    }
}
