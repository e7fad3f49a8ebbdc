//! What a Bucket manifest may say. An empty value, or null, of a facet removes it from the bucket; null
//! within a facet clears the field. A rule in a list is a whole: what it leaves out, it does not have.

mod replication;
mod reports;

pub use replication::*;
pub use reports::*;

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::{Common, ValueFrom};

/// An S3 bucket.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "trueup.dev", version = "v1alpha1", kind = "Bucket", namespaced, shortname = "bkt")]
#[kube(status = "crate::kinds::CrdStatus")]
#[kube(doc = "An S3 bucket.")]
#[serde(rename_all = "camelCase")]
pub struct BucketSpec {
    /// What the manifests of all kinds have: `name`, `deletionPolicy`, `ignore` and `tags`.
    #[serde(flatten)]
    pub common: Common,
    /// Whether S3 keeps the earlier versions of objects that are overwritten or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    /// How S3 encrypts new objects, where an upload does not say it itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<BucketEncryption>,
    /// Keeps the bucket and its objects from being public. A new bucket has all four switches on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    /// Who owns the objects that other accounts upload, and whether ACLs count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ownership: Option<ObjectOwnership>,
    /// When objects expire or move to other storage classes: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub lifecycle: Option<Vec<LifecycleRule>>,
    /// What browsers may do with the bucket from pages of other origins: the whole list. S3 takes the first rule that
    /// fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cors: Option<Vec<CorsRule>>,
    /// The bucket policy. Compared by meaning: order and single-element lists do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub policy: Option<Map<String, Value>>,
    /// Serves the bucket as a static website.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Website>,
    /// Access logs: where S3 writes a record of each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// Who is told of events in the bucket: functions, queues, topics and EventBridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
    /// S3 Transfer Acceleration: transfers may go by an edge location near the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accelerate: Option<Acceleration>,
    /// Needs `versioning: Enabled`. S3 never takes it away again: `{}` takes away the default retention.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_lock: Option<ObjectLock>,
    /// Copies of the objects in another bucket. Needs `versioning: Enabled` here and in the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replication: Option<Replication>,
    /// When objects of the class INTELLIGENT_TIERING that nobody reads are archived: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub intelligent_tiering: Option<Vec<IntelligentTiering>>,
    /// Lists of the bucket's objects that S3 writes into another bucket, every day or every week: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub inventory: Option<Vec<Inventory>>,
    /// Requests that CloudWatch counts, of all objects or of a part of them: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub metrics: Option<Vec<RequestMetrics>>,
}

/// Whether transfers may go by S3 Transfer Acceleration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum Acceleration {
    Enabled,
    /// Also what a bucket is that never had acceleration.
    Suspended,
}

/// Keeps versions of objects from being deleted for some time. Needs `versioning: Enabled`. S3 never takes it away
/// again: `{}` takes away the default retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ObjectLock {
    /// Only `true`: S3 never turns it off.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = [true]))]
    pub enabled: Option<bool>,
    /// What new objects get that say nothing of it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_retention: Option<DefaultRetention>,
}

/// Either `days` or `years`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultRetention {
    /// Under COMPLIANCE nobody can delete an object before its time, not even the root user.
    pub mode: RetentionMode,
    /// How many days a new object is kept; not with `years`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub days: Option<i32>,
    /// How many years a new object is kept; not with `days`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub years: Option<i32>,
}

/// Who may delete an object before its time: under GOVERNANCE those with a permission for it, under COMPLIANCE nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum RetentionMode {
    Governance,
    Compliance,
}

/// Whether S3 keeps the earlier versions of objects. What was on can only be suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum Versioning {
    Enabled,
    /// Also what a bucket is that never had versioning.
    Suspended,
}

/// How S3 encrypts new objects, where an upload does not say it itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketEncryption {
    /// AES256 is S3's own keys, aws:kms a KMS key, and aws:kms:dsse a KMS key in two layers.
    pub algorithm: EncryptionAlgorithm,
    /// Only with aws:kms and aws:kms:dsse; null goes back to the key that AWS manages for S3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:kms:[a-z0-9-]+:\d{12}:(key|alias)/.+$"))]
    pub kms_key_arn: Option<String>,
    /// S3 derives a key of the bucket from the KMS key and so calls KMS less often; not with aws:kms:dsse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_key_enabled: Option<bool>,
    /// Kinds of encryption that S3 refuses for new objects; `[NONE]` refuses none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub blocked_encryption_types: Option<Vec<BlockedEncryptionType>>,
}

/// A kind of encryption that S3 refuses for new objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum BlockedEncryptionType {
    #[serde(rename = "NONE")]
    None,
    /// With keys that the caller brings.
    #[serde(rename = "SSE-C")]
    SseC,
}

/// What encrypts new objects: S3's own keys or a KMS key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum EncryptionAlgorithm {
    AES256,
    #[serde(rename = "aws:kms")]
    AwsKms,
    #[serde(rename = "aws:kms:dsse")]
    AwsKmsDsse,
}

/// Keeps the bucket and its objects from being public. A new bucket has all four switches on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicAccessBlock {
    /// S3 refuses new ACLs that would make the bucket or an object public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_acls: Option<bool>,
    /// S3 ignores the ACLs that make the bucket or an object public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_public_acls: Option<bool>,
    /// S3 refuses a bucket policy that would make the bucket public.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_policy: Option<bool>,
    /// While the bucket policy is public, only AWS services and the bucket's own account may use the bucket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrict_public_buckets: Option<bool>,
}

/// Who owns the objects that other accounts upload. ACLs count with all but BucketOwnerEnforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum ObjectOwnership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

/// When some of the objects expire or move to other storage classes. A rule has what is given here, and nothing else.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct LifecycleRule {
    /// The rule's own name; no two rules of the list have the same.
    #[schemars(length(min = 1, max = 255))]
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
    /// Only objects of more bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub object_size_greater_than: Option<i64>,
    /// Only objects of fewer bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub object_size_less_than: Option<i64>,
    /// Objects expire when they are so old; not with `expirationDate`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub expiration_days: Option<i32>,
    /// Objects expire on this day, at midnight UTC, as `2027-01-31`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub expiration_date: Option<String>,
    /// Delete markers without any version behind them go; not with an expiration, tags or sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
    /// A version is deleted so many days after a newer one took its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub noncurrent_version_expiration_days: Option<i32>,
    /// So many noncurrent versions stay, however old; with `noncurrentVersionExpirationDays`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub newer_noncurrent_versions: Option<i32>,
    /// A multipart upload that is not complete is given up so many days after it began; not with tags or sizes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub abort_incomplete_multipart_upload_days: Option<i32>,
    /// Moves of the objects to other storage classes, by days or by dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub transitions: Option<Vec<Transition>>,
    /// Moves of noncurrent versions to other storage classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub noncurrent_version_transitions: Option<Vec<NoncurrentTransition>>,
}

/// Objects move to another storage class, after some days or on a day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Transition {
    /// So many days after an object was made; at least 30 for STANDARD_IA and ONEZONE_IA.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub days: Option<i32>,
    /// At midnight UTC, as `2027-01-31`; not with `days`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^\d{4}-\d{2}-\d{2}$"))]
    pub date: Option<String>,
    /// The class that the objects move to.
    pub storage_class: TransitionClass,
}

/// Noncurrent versions move to another storage class.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct NoncurrentTransition {
    /// So many days after a newer version took the place of this one; at least 30 for STANDARD_IA and ONEZONE_IA.
    #[schemars(range(min = 0))]
    pub days: i32,
    /// So many newer versions stay where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub newer_noncurrent_versions: Option<i32>,
    /// The class that the versions move to.
    pub storage_class: TransitionClass,
}

/// A storage class that objects can move to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum TransitionClass {
    StandardIa,
    OnezoneIa,
    IntelligentTiering,
    GlacierIr,
    Glacier,
    DeepArchive,
}

/// What a browser may do with the bucket from pages of some origins.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct CorsRule {
    /// A name for the rule; S3 needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub id: Option<String>,
    /// The origins of the pages, as `https://shop.example.com`; each may have one `*`.
    #[schemars(length(min = 1))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allowed_origins: Vec<String>,
    /// The HTTP methods that these pages may use.
    #[schemars(length(min = 1))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allowed_methods: Vec<CorsMethod>,
    /// The headers that these pages may send; one may have a `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub allowed_headers: Option<Vec<String>>,
    /// The headers of the answer that these pages may read, named one by one, without `*`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub expose_headers: Option<Vec<String>>,
    /// How many seconds a browser may keep the answer to its preflight request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_age_seconds: Option<i32>,
}

/// An HTTP method that a rule can allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum CorsMethod {
    Get,
    Put,
    Post,
    Delete,
    Head,
}

/// How the bucket is served as a static website.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Website {
    /// The object that is served for a folder, as `index.html`: a name without a slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub index_document: Option<String>,
    /// The key of the object that is served with an error, as `error.html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1))]
    pub error_document: Option<String>,
    /// Redirects every request; nothing else may be given beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_all_requests_to: Option<Redirect>,
    /// Redirects of some requests, in the order in which they are tried: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 50))]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub routing_rules: Option<Vec<RoutingRule>>,
}

/// Which requests are redirected, and where to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct RoutingRule {
    /// Every request, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<RoutingCondition>,
    /// What changes in the address of the request.
    pub redirect: RoutingRedirect,
}

/// Which requests are redirected: every request, where it is not given. Where both fields are given, both have to hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct RoutingCondition {
    /// As `404`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[45][0-9]{2}$"))]
    pub http_error_code_returned_equals: Option<String>,
    /// The object's key begins so, as `docs/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_prefix_equals: Option<String>,
}

/// What changes in the address of a request; at least one field is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("minProperties" = 1))]
pub struct RoutingRedirect {
    /// The host that the browser is sent to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_name: Option<String>,
    /// As `301`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^3(0[1-9]|[1-9][0-9])$"))]
    pub http_redirect_code: Option<String>,
    /// That of the request, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?$"))]
    pub protocol: Option<String>,
    /// Not with `replaceKeyWith`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace_key_prefix_with: Option<String>,
    /// The key that takes the place of the whole requested one, as `error.html`; not with `replaceKeyPrefixWith`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace_key_with: Option<String>,
}

/// Where every request is redirected to; nothing else may be given beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    /// The host that the browser is sent to.
    pub host_name: String,
    /// That of the request, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?$"))]
    pub protocol: Option<String>,
}

/// Where S3 writes the access logs: one of `targetBucket` and `targetBucketFrom`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// The name of the bucket that gets the logs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 63))]
    pub target_bucket: Option<String>,
    /// The name of another Bucket object, instead of `targetBucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bucket_from: Option<ValueFrom>,
    /// What the keys of the log objects begin with, as `logs/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_prefix: Option<String>,
    /// The keys of log objects are partitioned by the date of the event, or of the delivery; null goes back
    /// to keys that are not partitioned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition_date_source: Option<PartitionDateSource>,
}

/// The date that the keys of log objects are partitioned by; null goes back to keys that are not partitioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[expect(missing_docs, reason = "AWS's own words")]
pub enum PartitionDateSource {
    EventTime,
    DeliveryTime,
}

/// Who is told of events in the bucket.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notifications {
    /// Lambda functions that are called with an event: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub functions: Option<Vec<Notification>>,
    /// SQS queues that get an event: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub queues: Option<Vec<Notification>>,
    /// SNS topics that get an event: the whole list.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub topics: Option<Vec<Notification>>,
    /// Whether all events of the bucket go to Amazon EventBridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_bridge: Option<bool>,
}

/// The events that one function, queue or topic gets: by `arn` or by `arnFrom`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct Notification {
    /// The notification's own name; no two of the bucket's have the same.
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// The ARN of the function, queue or topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^arn:aws[a-zA-Z0-9-]*:(lambda|sqs|sns):[a-z0-9-]+:\d{12}:.+$"))]
    pub arn: Option<String>,
    /// The ARN of another object, instead of `arn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn_from: Option<ValueFrom>,
    /// As `s3:ObjectCreated:*`.
    #[schemars(length(min = 1))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub events: Vec<String>,
    /// Only objects whose key begins so; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Only objects whose key ends so, as `.jpg`; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}
