//! One manifest document, and how objects are named.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::digest_of;

/// The only API version so far.
pub const API_VERSION: &str = "trueup.dev/v1alpha1";

/// Annotations that change how an object is reconciled.
pub mod annotation {
    /// `"true"`: take over an existing AWS resource that does not carry our tags.
    pub const ADOPT: &str = "trueup.dev/adopt";
    /// The uid of another trueup object: take its resource over. Only beside [`ADOPT`].
    pub const ADOPT_FROM: &str = "trueup.dev/adopt-from";
    /// `"true"`: observe the object and report, but write nothing.
    pub const SUSPEND: &str = "trueup.dev/suspend";
    /// `"false"`: a table that leaves its environment is deleted without a last backup.
    pub const LAST_BACKUP: &str = "trueup.dev/last-backup";
    /// `"optional"`: where the object fails, its environment is degraded, and its release does not fail.
    pub const CRITICALITY: &str = "trueup.dev/criticality";
    /// `"true"`: a change that AWS cannot make in place may delete and create the resource
    /// again. Never honoured for tables and buckets: data is not replaced.
    pub const ALLOW_REPLACE: &str = "trueup.dev/allow-replace";
}

/// Names an object within its environment; written `Kind/name`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The kind as manifests write it, such as `Table`.
    pub kind: Arc<str>,
    /// The name in the manifest, which need not be the name in AWS.
    pub name: Arc<str>,
}

impl ObjectId {
    /// Joins a kind and a name. Neither is checked.
    pub fn new(kind: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind: kind.into(), name: name.into() }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for ObjectId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((kind, name)) if !kind.is_empty() && !name.is_empty() => Ok(Self::new(kind, name)),
            _ => Err(format!(
                "`{text}` does not name an object; write Kind/name, as in Table/orders"
            )),
        }
    }
}

/// Names an object among all environments.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey {
    /// The environment that the object belongs to.
    pub environment: Arc<str>,
    /// The object within that environment.
    pub id: ObjectId,
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.environment, self.id)
    }
}

/// The part of Kubernetes' object metadata that trueup reads and writes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    /// The name in the manifest. Within an environment, a kind has each name once.
    pub name: String,
    /// The environment that the object belongs to. Empty for an Environment, whose own name that is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Labels by key, by which commands select objects.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations by key. Those that change how the object is reconciled stand in [`annotation`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// One manifest document after validation. `spec` conforms to its kind's schema.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Object {
    /// The API version of the manifest; only [`API_VERSION`] is known.
    pub api_version: String,
    /// The kind, such as `Table`.
    pub kind: String,
    /// The name, the environment, the labels and the annotations.
    pub metadata: Metadata,
    /// The part that the kind's schema describes. Clones share it.
    pub spec: Arc<Value>,
}

impl Object {
    /// Names the object within its environment.
    pub fn id(&self) -> ObjectId {
        ObjectId::new(self.kind.as_str(), self.metadata.name.as_str())
    }

    /// The environment that the object belongs to: an Environment's own name, otherwise the
    /// namespace.
    pub fn environment(&self) -> &str {
        if self.kind == "Environment" { &self.metadata.name } else { &self.metadata.namespace }
    }

    /// Whether an annotation is `"true"`. Every other value counts as absent.
    pub fn annotated(&self, annotation: &str) -> bool {
        self.metadata.annotations.get(annotation).map(String::as_str) == Some("true")
    }

    /// The manifest says no to what an annotation switches.
    pub fn denies(&self, annotation: &str) -> bool {
        self.metadata.annotations.get(annotation).map(String::as_str) == Some("false")
    }

    /// Its environment does without it where it fails.
    pub fn is_optional(&self) -> bool {
        self.metadata.annotations.get(annotation::CRITICALITY).is_some_and(|c| c == "optional")
    }

    /// The object's content address. Nothing that the store adds takes part in it.
    pub fn digest(&self) -> String {
        digest_of(&json!({
            "kind": self.kind,
            "metadata": self.metadata,
            "spec": self.spec,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_id_reads_back_what_it_writes() {
        let id = ObjectId::new("Table", "orders");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["orders", "/orders", "Table/", ""] {
            assert!(wrong.parse::<ObjectId>().is_err(), "{wrong:?}");
        }
    }
}
