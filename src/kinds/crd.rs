//! Custom resource definitions, so that kubeconform, kustomize and editors know the kinds.

use kube::CustomResourceExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::Condition;

/// The status that every object has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrdStatus {
    /// What is known of the object: Ready, Synced and others, each with its reason.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The generation of the manifest that this status is about.
    #[serde(default)]
    pub observed_generation: u64,
}

/// The definition of a kind, as kubectl would apply it.
pub(super) fn crd<T: CustomResourceExt>() -> Value {
    let mut crd = serde_json::to_value(T::crd()).unwrap_or_default();
    let columns = [
        ("Ready", r#".status.conditions[?(@.type=="Ready")].status"#, "string"),
        ("Synced", r#".status.conditions[?(@.type=="Synced")].status"#, "string"),
        ("Age", ".metadata.creationTimestamp", "date"),
    ];
    if let Some(version) = crd.pointer_mut("/spec/versions/0") {
        version["additionalPrinterColumns"] = columns
            .iter()
            .map(|(name, path, kind)| json!({"name": name, "jsonPath": path, "type": kind}))
            .collect();
    }
    crd
}
