//! The fields that every AWS kind has.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happens to the AWS resource when its object leaves the release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Delete the resource.
    Delete,
    /// Leave the resource as it is, and stop observing it.
    Retain,
}

/// Fields shared by every kind that stands for an AWS resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Common {
    /// The resource's name in AWS; `<environment>-<metadata.name>` where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// What happens to the AWS resource when this object leaves the release. Tables and buckets
    /// default to Retain, everything else to Delete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Paths below `spec` that are left out of the diff and of every write alike, such as
    /// `memorySize` or `env[FEATURE_FLAGS]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub ignore: Option<Vec<String>>,
    /// AWS tags. They are added to the environment's default tags; tags that are named in
    /// neither are left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 40))]
    pub tags: Option<BTreeMap<String, String>>,
}
