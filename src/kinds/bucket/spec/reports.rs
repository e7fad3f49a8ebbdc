//! What S3 does with a bucket's objects by itself, by configurations that each have an id: archiving what
//! nobody reads, listing what is there, counting requests.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::ValueFrom;

/// Objects in the class INTELLIGENT_TIERING that nobody reads are archived:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_IntelligentTieringConfiguration.html>.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct IntelligentTiering {
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
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
    #[schemars(length(min = 1, max = 2))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub tierings: Vec<Tiering>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Tiering {
    /// Days without a read: from 90 to the one, from 180 to the other.
    #[schemars(range(min = 90, max = 730))]
    pub days: i32,
    pub access_tier: AccessTier,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccessTier {
    ArchiveAccess,
    DeepArchiveAccess,
}

/// Requests are counted in CloudWatch under this id:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_MetricsConfiguration.html>.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct RequestMetrics {
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// Only objects whose key begins so; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub prefix: Option<String>,
    /// Only objects that carry all of these tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 10))]
    pub tags: Option<BTreeMap<String, String>>,
    /// Only requests through this access point.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:s3:[a-z0-9-]+:\d{12}:accesspoint/.+$"))]
    pub access_point_arn: Option<String>,
}

/// A list of the bucket's objects is written into another bucket:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_InventoryConfiguration.html>.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Inventory {
    #[schemars(length(min = 1, max = 64))]
    pub id: String,
    /// On, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only objects whose key begins so; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub prefix: Option<String>,
    pub included_object_versions: IncludedVersions,
    pub frequency: InventoryFrequency,
    /// What is listed of each object besides its bucket and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub optional_fields: Option<Vec<InventoryField>>,
    pub destination: InventoryDestination,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum IncludedVersions {
    All,
    Current,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InventoryFrequency {
    Daily,
    Weekly,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InventoryField {
    Size,
    LastModifiedDate,
    StorageClass,
    ETag,
    IsMultipartUploaded,
    ReplicationStatus,
    EncryptionStatus,
    ObjectLockRetainUntilDate,
    ObjectLockMode,
    ObjectLockLegalHoldStatus,
    IntelligentTieringAccessTier,
    BucketKeyStatus,
    ChecksumAlgorithm,
    ObjectAccessControlList,
    ObjectOwner,
    LifecycleExpirationDate,
}

/// Either `bucketArn` or `bucketArnFrom`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InventoryDestination {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:s3:::.+$"))]
    pub bucket_arn: Option<String>,
    /// The ARN of another object, instead of `bucketArn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_arn_from: Option<ValueFrom>,
    pub format: InventoryFormat,
    /// The account of the destination, which S3 checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub prefix: Option<String>,
    /// The key that encrypts the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$"))]
    pub kms_key_arn: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum InventoryFormat {
    #[serde(rename = "CSV")]
    Csv,
    #[serde(rename = "ORC")]
    Orc,
    Parquet,
}
