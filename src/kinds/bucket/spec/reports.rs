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
    /// The configuration's own name; no two of the list have the same.
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
    /// After how long without a read objects move to which archive tier.
    #[schemars(length(min = 1, max = 2))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub tierings: Vec<Tiering>,
}

/// An archive tier, and after how long objects move to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Tiering {
    /// Days without a read: from 90 to the one, from 180 to the other.
    #[schemars(range(min = 90, max = 730))]
    pub days: i32,
    /// The tier that the objects move to. They have to be restored before they can be read again.
    pub access_tier: AccessTier,
}

/// An archive tier of the class INTELLIGENT_TIERING.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
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
    /// The configuration's own name; CloudWatch shows it as the dimension `FilterId` of the metrics.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-zA-Z0-9_.-]+$"))]
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
    /// The configuration's own name; no two of the list have the same.
    #[schemars(length(min = 1, max = 64), regex(pattern = "^[a-zA-Z0-9_.-]+$"))]
    pub id: String,
    /// On, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only objects whose key begins so; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub prefix: Option<String>,
    /// All lists every version of an object, Current only the newest.
    pub included_object_versions: IncludedVersions,
    /// How often a list is written: every day or every week.
    pub frequency: InventoryFrequency,
    /// What is listed of each object besides its bucket and key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub optional_fields: Option<Vec<InventoryField>>,
    /// Where the lists are written, and in which format.
    pub destination: InventoryDestination,
}

/// Which versions of an object are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum IncludedVersions {
    All,
    Current,
}

/// How often a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum InventoryFrequency {
    Daily,
    Weekly,
}

/// What a list can say of each object besides its bucket and key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
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
    /// The ARN of the bucket that gets the lists, as `arn:aws:s3:::lists`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:s3:::.+$"))]
    pub bucket_arn: Option<String>,
    /// The ARN of another object, instead of `bucketArn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_arn_from: Option<ValueFrom>,
    /// The format of the lists: CSV, Apache ORC or Apache Parquet.
    pub format: InventoryFormat,
    /// The account of the destination, which S3 checks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{12}$"))]
    pub account: Option<String>,
    /// What the keys of the lists begin with, as `inventory`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub prefix: Option<String>,
    /// The key that encrypts the lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$"))]
    pub kms_key_arn: Option<String>,
}

/// The format of the files of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum InventoryFormat {
    #[serde(rename = "CSV")]
    Csv,
    #[serde(rename = "ORC")]
    Orc,
    Parquet,
}
