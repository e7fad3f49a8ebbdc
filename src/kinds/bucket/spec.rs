//! What a Bucket manifest may say. An empty value of a facet removes it from the bucket.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::kinds::Problem;
use crate::model::{Common, ObjectFieldRef, ValueFrom};

/// An S3 bucket.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(group = "trueup.dev", version = "v1alpha1", kind = "Bucket", namespaced)]
#[kube(status = "crate::kinds::CrdStatus")]
#[kube(doc = "An S3 bucket.")]
#[serde(rename_all = "camelCase")]
pub struct BucketSpec {
    #[serde(flatten)]
    pub common: Common,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versioning: Option<Versioning>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<BucketEncryption>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_access_block: Option<PublicAccessBlock>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object_ownership: Option<ObjectOwnership>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000))]
    pub lifecycle: Option<Vec<LifecycleRule>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 100))]
    pub cors: Option<Vec<CorsRule>>,
    /// The bucket policy. Compared by meaning: order and single-element lists do not matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-preserve-unknown-fields" = true))]
    pub policy: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub website: Option<Website>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<Notifications>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Versioning {
    Enabled,
    /// Also what a bucket is that never had versioning.
    Suspended,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BucketEncryption {
    pub algorithm: EncryptionAlgorithm,
    /// Only with aws:kms and aws:kms:dsse.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bucket_key_enabled: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EncryptionAlgorithm {
    AES256,
    #[serde(rename = "aws:kms")]
    AwsKms,
    #[serde(rename = "aws:kms:dsse")]
    AwsKmsDsse,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PublicAccessBlock {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_acls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ignore_public_acls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_public_policy: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrict_public_buckets: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ObjectOwnership {
    BucketOwnerEnforced,
    BucketOwnerPreferred,
    ObjectWriter,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LifecycleRule {
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    /// On, where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Only keys that begin so; all where it is not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub expiration_days: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expired_object_delete_marker: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub noncurrent_version_expiration_days: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub abort_incomplete_multipart_upload_days: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<Vec<Transition>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub noncurrent_version_transitions: Option<Vec<Transition>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    #[schemars(range(min = 0))]
    pub days: i32,
    pub storage_class: TransitionClass,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TransitionClass {
    StandardIa,
    OnezoneIa,
    IntelligentTiering,
    GlacierIr,
    Glacier,
    DeepArchive,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CorsRule {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    #[schemars(length(min = 1))]
    pub allowed_origins: Vec<String>,
    #[schemars(length(min = 1))]
    pub allowed_methods: Vec<CorsMethod>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expose_headers: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub max_age_seconds: Option<i32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum CorsMethod {
    Get,
    Put,
    Post,
    Delete,
    Head,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Website {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index_document: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_document: Option<String>,
    /// Redirects every request; nothing else may be given beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_all_requests_to: Option<Redirect>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Redirect {
    pub host_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^https?$"))]
    pub protocol: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bucket: Option<String>,
    /// The name of another Bucket object, instead of `targetBucket`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_bucket_from: Option<ValueFrom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_prefix: Option<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notifications {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub functions: Option<Vec<Notification>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queues: Option<Vec<Notification>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topics: Option<Vec<Notification>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_bridge: Option<bool>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification {
    #[schemars(length(min = 1, max = 255))]
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The ARN of another object, instead of `arn`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arn_from: Option<ValueFrom>,
    /// As `s3:ObjectCreated:*`.
    #[schemars(length(min = 1))]
    pub events: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suffix: Option<String>,
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let forbidden = name.contains("..")
        || name.starts_with("xn--")
        || name.ends_with("-s3alias")
        || name.parse::<std::net::Ipv4Addr>().is_ok();
    if (3..=63).contains(&name.len())
        && name.chars().all(legal)
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !forbidden
    {
        return Ok(());
    }
    Err("a bucket's name has 3 to 63 lower-case letters, digits, `-` or `.`, begins and ends with \
         a letter or digit, and is the only one of its name in the world"
        .to_owned())
}

pub(super) fn validate(spec: &BucketSpec) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(encryption) = &spec.encryption
        && encryption.algorithm == EncryptionAlgorithm::AES256
        && encryption.kms_key_arn.is_some()
    {
        let message = "kmsKeyArn goes with aws:kms and aws:kms:dsse";
        problems.push(Problem::new("encryption.kmsKeyArn", message));
    }
    let mut seen = Vec::new();
    for (i, rule) in spec.lifecycle.iter().flatten().enumerate() {
        if seen.contains(&&rule.id) {
            let message = format!("rule id `{}` is used twice", rule.id);
            problems.push(Problem::new(format!("lifecycle[{i}].id"), message));
        }
        seen.push(&rule.id);
        let acts = rule.expiration_days.is_some()
            || rule.expired_object_delete_marker.is_some()
            || rule.noncurrent_version_expiration_days.is_some()
            || rule.abort_incomplete_multipart_upload_days.is_some()
            || rule.transitions.as_ref().is_some_and(|t| !t.is_empty())
            || rule.noncurrent_version_transitions.as_ref().is_some_and(|t| !t.is_empty());
        if !acts {
            let message = format!("rule `{}` does nothing", rule.id);
            let problem = Problem::new(format!("lifecycle[{i}]"), message);
            problems.push(problem.help("give it an expiration or a transition"));
        }
    }
    if let Some(website) = &spec.website
        && website.redirect_all_requests_to.is_some()
        && (website.index_document.is_some() || website.error_document.is_some())
    {
        let message = "redirectAllRequestsTo stands alone";
        problems.push(Problem::new("website", message));
    }
    if let Some(logging) = &spec.logging
        && logging.target_bucket.is_some()
        && logging.target_bucket_from.is_some()
    {
        problems.push(Problem::new("logging", "give targetBucket or targetBucketFrom, not both"));
    }
    let from = spec.logging.as_ref().and_then(|l| l.target_bucket_from.as_ref());
    let fits = |r: &ObjectFieldRef| r.kind == "Bucket" && r.field == "name";
    if from.is_some_and(|from| !from.object_ref.as_ref().is_some_and(fits)) {
        let problem =
            Problem::new("logging.targetBucketFrom", "a log bucket is the name of a Bucket");
        problems.push(problem.help("objectRef: { kind: Bucket, name: ..., field: name }"));
    }
    problems.extend(check_notifications(spec));
    problems
}

/// Functions are the only objects that can be notified, by either of their ARNs.
fn is_arn(list: &str, from: &ValueFrom) -> bool {
    let fits =
        |r: &ObjectFieldRef| r.kind == "Function" && ["arn", "functionArn"].contains(&&*r.field);
    list == "functions" && from.object_ref.as_ref().is_some_and(fits)
}

fn check_notifications(spec: &BucketSpec) -> Vec<Problem> {
    let Some(notifications) = &spec.notifications else {
        return Vec::new();
    };
    let lists = [
        ("functions", &notifications.functions),
        ("queues", &notifications.queues),
        ("topics", &notifications.topics),
    ];
    let mut problems = Vec::new();
    for (name, list) in lists {
        for (i, notification) in list.iter().flatten().enumerate() {
            if notification.arn.is_some() == notification.arn_from.is_some() {
                let path = format!("notifications.{name}[{i}]");
                problems.push(Problem::new(path, "give either arn or arnFrom"));
            } else if notification.arn_from.as_ref().is_some_and(|from| !is_arn(name, from)) {
                let problem = Problem::new(
                    format!("notifications.{name}[{i}].arnFrom"),
                    "it is notified by the ARN of an object",
                );
                problems.push(problem.help("objectRef: { kind: Function, name: ..., field: arn }"));
            }
        }
    }
    problems
}
