//! Copies of a bucket's objects in another bucket:
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ValueFrom;

/// Needs `versioning: Enabled` here and in the destination.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Replication {
    /// The ARN of the role that S3 copies with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:iam::\d{12}:role/.+$"))]
    pub role: Option<String>,
    /// Which objects are copied, and where to: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub rules: Option<Vec<ReplicationRule>>,
}

/// Which objects are copied into which bucket. A rule has what is given here, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct ReplicationRule {
    /// The rule's own name; no two rules of the list have the same.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// Of two rules for one object and destination the higher wins. No two rules have the same.
    #[schemars(range(min = 0))]
    pub priority: i32,
    /// On, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only objects whose key begins so; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub prefix: Option<String>,
    /// Only objects that carry all of these tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 10))]
    pub tags: Option<BTreeMap<String, String>>,
    /// The bucket that gets the copies, and what they are like there.
    pub destination: ReplicationDestination,
    /// Delete markers are copied too; not with `tags`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_marker_replication: Option<bool>,
    /// Objects that were there before are copied; AWS's support turns it on for an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub existing_object_replication: Option<bool>,
    /// Objects that a KMS key encrypts are copied; with `destination.kmsKeyArn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sse_kms_encrypted_objects: Option<bool>,
    /// What changes on a copy is copied back by the destination's own rules.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replica_modifications: Option<bool>,
}

/// Either `bucketArn` or `bucketArnFrom`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationDestination {
    /// The ARN of the bucket that gets the copies, as `arn:aws:s3:::copies`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:s3:::.+$"))]
    pub bucket_arn: Option<String>,
    /// The ARN of another object, instead of `bucketArn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_arn_from: Option<ValueFrom>,
    /// The account of the destination, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub account: Option<String>,
    /// The source's own class, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<ReplicaClass>,
    /// The destination's account owns the copies; with `account`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owned_by_destination: Option<bool>,
    /// The key in the destination's region that encrypts the copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$"))]
    pub kms_key_arn: Option<String>,
    /// Copies are there within 15 minutes, and what takes longer is told; S3 bills it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication_time: Option<bool>,
    /// What is still to be copied is measured; part of `replicationTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<bool>,
}

/// The storage class of the copies: the source's own class, where it is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ReplicaClass {
    Standard,
    ReducedRedundancy,
    StandardIa,
    OnezoneIa,
    IntelligentTiering,
    GlacierIr,
    Glacier,
    DeepArchive,
}

impl ReplicationRule {
    /// The same rule as S3 shows it: what is off is not there, and what is on by itself is said.
    pub fn settled(mut self) -> Self {
        self.enabled.get_or_insert(true);
        let destination = &mut self.destination;
        if destination.replication_time == Some(true) {
            destination.metrics = Some(true);
        }
        for switch in [
            &mut self.delete_marker_replication,
            &mut self.existing_object_replication,
            &mut self.sse_kms_encrypted_objects,
            &mut self.replica_modifications,
            &mut destination.owned_by_destination,
            &mut destination.replication_time,
            &mut destination.metrics,
        ] {
            switch.take_if(|on| !*on);
        }
        self.prefix.take_if(|prefix| prefix.is_empty());
        self.tags.take_if(|tags| tags.is_empty());
        self
    }
}
