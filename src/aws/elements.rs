//! Elements of settings that the SDK does not know.
//!
//! The SDK's reader passes over what it has no member for, and a setting is written as a whole: it would be lost. So
//! a reply that has such an element is an error of that setting, before anything is written. That holds for the
//! settings that are read by calls of their own: a bucket's, and a function's URL and async settings. Where one
//! call reads a whole resource, a new member of AWS would stop all of it, which harms more than it protects.

use thiserror::Error;

/// AWS says something that this version of trueup has no member for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "AWS says `{element}`, which this version of trueup does not know and would lose; upgrade trueup, or take the \
     setting out of the manifest"
)]
pub(super) struct UnknownElement {
    element: String,
}

/// Reads of settings that are written as wholes.
const SETTINGS: [&str; 15] = [
    "GetBucketAccelerateConfiguration",
    "GetBucketCors",
    "GetBucketEncryption",
    "GetBucketLifecycleConfiguration",
    "GetBucketLogging",
    "GetBucketNotificationConfiguration",
    "GetBucketOwnershipControls",
    "GetBucketReplication",
    "GetBucketVersioning",
    "GetBucketWebsite",
    "GetObjectLockConfiguration",
    "GetPublicAccessBlock",
    "ListBucketIntelligentTieringConfigurations",
    "ListBucketInventoryConfigurations",
    "ListBucketMetricsConfigurations",
];

/// What those replies hold, from botocore's model of S3 (2006-03-01); aws-sdk-s3 1.157 has a member for each.
const KNOWN: [&str; 132] = [
    "AbortIncompleteMultipartUpload",
    "AccessControlTranslation",
    "AccessPointArn",
    "AccessTier",
    "Account",
    "AccountId",
    "AllowedHeader",
    "AllowedMethod",
    "AllowedOrigin",
    "And",
    "ApplyServerSideEncryptionByDefault",
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "BlockedEncryptionTypes",
    "Bucket",
    "BucketKeyEnabled",
    "CORSRule",
    "CloudFunction",
    "CloudFunctionConfiguration",
    "Condition",
    "ContinuationToken",
    "Date",
    "Days",
    "DaysAfterInitiation",
    "DefaultRetention",
    "DeleteMarkerReplication",
    "Destination",
    "DisplayName",
    "EmailAddress",
    "Encryption",
    "EncryptionConfiguration",
    "EncryptionType",
    "ErrorDocument",
    "Event",
    "EventBridgeConfiguration",
    "EventThreshold",
    "ExistingObjectReplication",
    "Expiration",
    "ExpiredObjectDeleteMarker",
    "ExposeHeader",
    "Field",
    "Filter",
    "FilterRule",
    "Format",
    "Frequency",
    "Grant",
    "Grantee",
    "HostName",
    "HttpErrorCodeReturnedEquals",
    "HttpRedirectCode",
    "ID",
    "Id",
    "IgnorePublicAcls",
    "IncludedObjectVersions",
    "IndexDocument",
    "IntelligentTieringConfiguration",
    "InventoryConfiguration",
    "IsEnabled",
    "IsTruncated",
    "KMSMasterKeyID",
    "Key",
    "KeyId",
    "KeyPrefixEquals",
    "LoggingEnabled",
    "MaxAgeSeconds",
    "Metrics",
    "MetricsConfiguration",
    "MfaDelete",
    "Minutes",
    "Mode",
    "Name",
    "NewerNoncurrentVersions",
    "NextContinuationToken",
    "NoncurrentDays",
    "NoncurrentVersionExpiration",
    "NoncurrentVersionTransition",
    "ObjectLockConfiguration",
    "ObjectLockEnabled",
    "ObjectOwnership",
    "ObjectSizeGreaterThan",
    "ObjectSizeLessThan",
    "OptionalFields",
    "Owner",
    "OwnershipControls",
    "PartitionDateSource",
    "PartitionedPrefix",
    "Permission",
    "Prefix",
    "Priority",
    "Protocol",
    "PublicAccessBlockConfiguration",
    "Queue",
    "QueueConfiguration",
    "Redirect",
    "RedirectAllRequestsTo",
    "ReplaceKeyPrefixWith",
    "ReplaceKeyWith",
    "ReplicaKmsKeyID",
    "ReplicaModifications",
    "ReplicationConfiguration",
    "ReplicationTime",
    "RestrictPublicBuckets",
    "Role",
    "RoutingRule",
    "RoutingRules",
    "Rule",
    "S3BucketDestination",
    "S3Key",
    "SSE-KMS",
    "SSE-S3",
    "SSEAlgorithm",
    "Schedule",
    "ServerSideEncryptionConfiguration",
    "SimplePrefix",
    "SourceSelectionCriteria",
    "SseKmsEncryptedObjects",
    "Status",
    "StorageClass",
    "Suffix",
    "Tag",
    "TargetBucket",
    "TargetGrants",
    "TargetObjectKeyFormat",
    "TargetPrefix",
    "Tiering",
    "Time",
    "Topic",
    "TopicConfiguration",
    "Transition",
    "URI",
    "Value",
    "Years",
];

/// Structures of JSON replies that are written as wholes, and their members, from botocore's model of Lambda
/// (2015-03-31).
const STRUCTURES: [(&str, &str, &[&str]); 2] = [
    (
        "GetFunctionUrlConfig",
        "/Cors",
        &[
            "AllowCredentials",
            "AllowHeaders",
            "AllowMethods",
            "AllowOrigins",
            "ExposeHeaders",
            "MaxAge",
        ],
    ),
    ("GetFunctionEventInvokeConfig", "/DestinationConfig", &["OnFailure", "OnSuccess"]),
];

/// The first element of a reply, below its root, that is not known.
pub(super) fn unknown(operation: &str, document: &[u8]) -> Option<UnknownElement> {
    if let Some((_, path, known)) = STRUCTURES.iter().find(|(name, ..)| *name == operation) {
        let document: serde_json::Value = serde_json::from_slice(document).ok()?;
        let members = document.pointer(path)?.as_object()?;
        let element = members.keys().find(|member| !known.contains(&member.as_str()))?;
        return Some(UnknownElement { element: element.clone() });
    }
    if !SETTINGS.contains(&operation) {
        return None;
    }
    let document = String::from_utf8_lossy(document);
    let names = document.split('<').skip(1).map(|tag| tag.split(['>', ' ', '/', '\n']).next());
    // What ends an element, a declaration and a comment begin otherwise.
    let mut names = names.flatten().filter(|name| name.starts_with(char::is_alphabetic));
    names.next();
    let element = names.find(|name| KNOWN.binary_search(name).is_err())?;
    Some(UnknownElement { element: element.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_element_that_the_sdk_does_not_know_is_named() {
        let lifecycle = "GetBucketLifecycleConfiguration";
        let with = |inner: &str| {
            format!(
                "<?xml version=\"1.0\"?>\n<LifecycleConfiguration xmlns=\"x\"><Rule><ID>a</ID><Filter>{inner}</Filter>\
                 <Status>Enabled</Status></Rule></LifecycleConfiguration>"
            )
        };
        for (operation, document, expected) in [
            (lifecycle, with("<Prefix/>"), None),
            (lifecycle, with("<Prefix>a&lt;b</Prefix>"), None),
            (lifecycle, with("<!-- --><Prefix></Prefix>"), None),
            (lifecycle, with("<Owner2><ID>x</ID></Owner2>"), Some("Owner2")),
            (
                lifecycle,
                with("<ObjectAgeGreaterThan>1</ObjectAgeGreaterThan>"),
                Some("ObjectAgeGreaterThan"),
            ),
            ("GetBucketPolicy", with("<ObjectAgeGreaterThan/>"), None),
            ("GetFunctionUrlConfig", r#"{"AuthType": "NONE", "Cors": {"MaxAge": 0}}"#.into(), None),
            ("GetFunctionUrlConfig", r#"{"Cors": {"AllowAll": true}}"#.into(), Some("AllowAll")),
            ("GetFunctionUrlConfig", r#"{"AuthType": "NONE", "New": 1}"#.into(), None),
        ] {
            let found = unknown(operation, document.as_bytes()).map(|unknown| unknown.element);
            assert_eq!(found.as_deref(), expected, "{document}");
        }
    }

    #[test]
    fn the_known_elements_are_sorted() {
        assert!(KNOWN.is_sorted());
    }
}
