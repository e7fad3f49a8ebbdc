//! The call log: what was asked of the sandbox, in order.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use winterbaume_core::MockRequest;
use winterbaume_core::auth::{extract_region_from_headers, extract_service_from_headers};

use super::REGION;
use super::uri::{Query, path_of};

/// Calls that are kept; older ones only count.
const KEPT_MAX: usize = 100_000;

/// One call, by its IAM name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// The access key that it is signed with: who calls.
    pub caller: String,
    /// The service, by its IAM name, such as `dynamodb`.
    pub service: String,
    /// The operation, by its name in AWS's API, such as `PutItem`.
    pub operation: String,
    /// The region that the request was signed for.
    pub region: String,
    /// The resource, where the request names one.
    pub resource: String,
    /// It changes something.
    pub mutates: bool,
}

impl Call {
    /// Reads what a request asks for.
    pub(super) fn of(request: &MockRequest) -> Self {
        let query = Query::of(&request.uri);
        let presigned = query.get("X-Amz-Credential").map(|c| c.replace("%2F", "/"));
        let scope: Vec<_> = presigned.iter().flat_map(|c| c.split('/')).collect();
        let service = extract_service_from_headers(&request.headers)
            .or_else(|| scope.get(3).map(ToString::to_string))
            .or_else(|| winterbaume_core::auth::extract_service_from_uri(&request.uri))
            .unwrap_or_default();
        // Requests are signed for another name than IAM's.
        let service = if service == "monitoring" { "cloudwatch".to_owned() } else { service };
        let region = extract_region_from_headers(&request.headers)
            .or_else(|| scope.get(2).map(ToString::to_string))
            .unwrap_or_else(|| REGION.to_owned());
        let (operation, resource) = match service.as_str() {
            "s3" => s3(request, &query),
            "sts" => (form_action(&request.body), String::new()),
            "lambda" | "amplify" => {
                let (operation, named) = super::rest::operation(&service, request);
                // A version that goes is not the function that goes.
                let version = query.get("Qualifier").filter(|_| operation == "DeleteFunction");
                let named = version.map_or(named.clone(), |version| format!("{named}:{version}"));
                (operation.to_owned(), named)
            }
            "cloudwatch" => rpc(request),
            _ => target(request),
        };
        let mutates = !["Get", "List", "Describe", "Head", "Query", "Scan", "BatchGet", "Assume"]
            .iter()
            .any(|reading| operation.starts_with(reading));
        Self { caller: caller(&request.headers), service, operation, region, resource, mutates }
    }

    /// As `dynamodb:PutItem`.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }
}

/// The access key of a signature: `Credential=<key>/<date>/...`.
fn caller(headers: &HeaderMap) -> String {
    let header = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let scope = header.split_once("Credential=").map_or("", |(_, rest)| rest);
    scope.split('/').next().unwrap_or_default().to_owned()
}

/// DynamoDB, Application Auto Scaling, Secrets Manager and SSM name the operation in a header.
fn target(request: &MockRequest) -> (String, String) {
    let target = request.headers.get("x-amz-target").and_then(|t| t.to_str().ok());
    let operation = target.and_then(|t| t.rsplit('.').next()).unwrap_or_default().to_owned();
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let named = [
        "TableName",
        "TargetTableName",
        "BackupArn",
        "TableArn",
        "SecretId",
        "Name",
        "ResourceArn",
        "ResourceId",
    ]
    .iter()
    .find_map(|f| body[f].as_str())
    .or_else(|| body["TableCreationParameters"]["TableName"].as_str());
    (operation, named.unwrap_or_default().to_owned())
}

/// CloudWatch names it in the path, or for its older protocol in a header.
fn rpc(request: &MockRequest) -> (String, String) {
    match path_of(&request.uri).rsplit_once("/operation/") {
        Some((_, operation)) => (operation.to_owned(), String::new()),
        None => target(request),
    }
}

fn form_action(body: &[u8]) -> String {
    let body = String::from_utf8_lossy(body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    action.unwrap_or_default().to_owned()
}

/// Sub-resources of a bucket by their query: read, write and delete.
const SUBRESOURCES: [(&str, [&str; 3]); 19] = [
    ("versions", ["ListObjectVersions", "", ""]),
    ("tagging", ["GetBucketTagging", "PutBucketTagging", "DeleteBucketTagging"]),
    ("versioning", ["GetBucketVersioning", "PutBucketVersioning", ""]),
    ("encryption", ["GetBucketEncryption", "PutBucketEncryption", "DeleteBucketEncryption"]),
    (
        "publicAccessBlock",
        ["GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"],
    ),
    (
        "ownershipControls",
        [
            "GetBucketOwnershipControls",
            "PutBucketOwnershipControls",
            "DeleteBucketOwnershipControls",
        ],
    ),
    (
        "lifecycle",
        [
            "GetBucketLifecycleConfiguration",
            "PutBucketLifecycleConfiguration",
            "DeleteBucketLifecycle",
        ],
    ),
    ("cors", ["GetBucketCors", "PutBucketCors", "DeleteBucketCors"]),
    ("policy", ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"]),
    ("website", ["GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"]),
    ("logging", ["GetBucketLogging", "PutBucketLogging", ""]),
    (
        "notification",
        ["GetBucketNotificationConfiguration", "PutBucketNotificationConfiguration", ""],
    ),
    ("accelerate", ["GetBucketAccelerateConfiguration", "PutBucketAccelerateConfiguration", ""]),
    ("replication", ["GetBucketReplication", "PutBucketReplication", "DeleteBucketReplication"]),
    ("object-lock", ["GetObjectLockConfiguration", "PutObjectLockConfiguration", ""]),
    (
        "intelligent-tiering",
        [
            "GetBucketIntelligentTieringConfiguration",
            "PutBucketIntelligentTieringConfiguration",
            "DeleteBucketIntelligentTieringConfiguration",
        ],
    ),
    (
        "inventory",
        [
            "GetBucketInventoryConfiguration",
            "PutBucketInventoryConfiguration",
            "DeleteBucketInventoryConfiguration",
        ],
    ),
    (
        "metrics",
        [
            "GetBucketMetricsConfiguration",
            "PutBucketMetricsConfiguration",
            "DeleteBucketMetricsConfiguration",
        ],
    ),
    ("location", ["GetBucketLocation", "", ""]),
];

/// What a read of these without an `id` does.
const LISTS: [(&str, &str); 3] = [
    ("intelligent-tiering", "ListBucketIntelligentTieringConfigurations"),
    ("inventory", "ListBucketInventoryConfigurations"),
    ("metrics", "ListBucketMetricsConfigurations"),
];

fn s3(request: &MockRequest, query: &Query) -> (String, String) {
    let host =
        request.uri.split("://").nth(1).and_then(|r| r.split(['/', '?']).next()).unwrap_or("");
    let virtual_bucket = host.find(".s3.").map(|cut| &host[..cut]);
    let path = path_of(&request.uri).trim_start_matches('/');
    let (bucket, key) = match virtual_bucket {
        Some(bucket) => (bucket, path),
        None => path.split_once('/').unwrap_or((path, "")),
    };
    let method = match request.method.as_str() {
        "GET" | "HEAD" => 0,
        "DELETE" => 2,
        _ => 1,
    };
    let subresource = SUBRESOURCES.iter().find(|(name, _)| query.get(name).is_some());
    let operation = match (subresource, key.is_empty(), request.method.as_str()) {
        (Some((name, operations)), true, _) => {
            let lists = method == 0 && query.get("id").is_none();
            let list = LISTS.iter().find(|(listed, _)| lists && listed == name);
            list.map_or(operations[method], |(_, operation)| *operation)
        }
        (_, true, "GET") if bucket.is_empty() => "ListBuckets",
        (_, true, "GET") if query.get("uploads").is_some() => "ListMultipartUploads",
        (_, true, "GET") => "ListObjectsV2",
        (_, true, "HEAD") => "HeadBucket",
        (_, true, "DELETE") => "DeleteBucket",
        (_, true, "POST") if query.get("delete").is_some() => "DeleteObjects",
        (_, true, _) => "CreateBucket",
        (_, false, "POST") if query.get("uploads").is_some() => "CreateMultipartUpload",
        (_, false, "POST") if query.get("uploadId").is_some() => "CompleteMultipartUpload",
        (_, false, "DELETE") if query.get("uploadId").is_some() => "AbortMultipartUpload",
        (_, false, "PUT") if query.get("uploadId").is_some() => {
            let is_copy = request.headers.contains_key("x-amz-copy-source");
            if is_copy { "UploadPartCopy" } else { "UploadPart" }
        }
        (Some(("tagging", _)), false, "GET") => "GetObjectTagging",
        (Some(("tagging", _)), false, "PUT") => "PutObjectTagging",
        (_, false, "GET") => "GetObject",
        (_, false, "HEAD") => "HeadObject",
        (_, false, "DELETE") => "DeleteObject",
        (_, false, _) if request.headers.contains_key("x-amz-copy-source") => "CopyObject",
        (_, false, _) => "PutObject",
    };
    (operation.to_owned(), bucket.to_owned())
}

/// Calls in order, and counts by action. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct CallLog(Arc<Mutex<Calls>>);

#[derive(Debug, Default)]
struct Calls {
    kept: VecDeque<Call>,
    total: u64,
    counts: BTreeMap<String, u64>,
}

impl CallLog {
    pub(super) fn push(&self, call: Call) {
        let mut calls = self.lock();
        calls.total += 1;
        *calls.counts.entry(call.action()).or_default() += 1;
        if calls.kept.len() >= KEPT_MAX {
            calls.kept.pop_front();
        }
        calls.kept.push_back(call);
    }

    /// Forgets everything so far.
    pub fn clear(&self) {
        *self.lock() = Calls::default();
    }

    /// How many calls there were.
    pub(super) fn total(&self) -> u64 {
        self.lock().total
    }

    /// How often each action was called, such as `dynamodb:PutItem`.
    pub fn counts(&self) -> BTreeMap<String, u64> {
        self.lock().counts.clone()
    }

    /// The calls that changed something, but for those to the table `store`.
    pub fn mutations(&self, store: &str) -> Vec<Call> {
        let calls = self.lock();
        let changes = calls.kept.iter().filter(|c| c.mutates);
        let is_store =
            |c: &Call| c.service == "dynamodb" && (c.resource == store || c.resource.is_empty());
        changes.filter(|c| !is_store(c)).cloned().collect()
    }

    /// The calls that are kept, oldest first.
    pub fn all(&self) -> Vec<Call> {
        self.lock().kept.iter().cloned().collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
