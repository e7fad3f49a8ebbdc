use serde_json::{Value, json};

use super::{Body, Proof, Request, Row, bucket_copies, ours, with};
use crate::harness::ARTIFACTS;

pub(super) fn put(path: &'static str, root: &str, inner: &str) -> Request {
    let body =
        format!(r#"<{root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inner}</{root}>"#);
    Request { service: "s3", method: "PUT", path, body: Body::Xml(body) }
}

pub(super) fn delete(path: &'static str) -> Request {
    Request { service: "s3", method: "DELETE", path, body: Body::Xml(String::new()) }
}

/// A row that puts a whole facet whose XML is `whole` with one part replaced.
pub(super) fn row(
    field: &'static str,
    named: &'static str,
    facet: Facet,
    part: &str,
    changed: &str,
) -> Row {
    assert!(facet.inner.contains(part), "{field}: {part}");
    Row::new(field, named, put(facet.path, facet.root, &facet.inner.replace(part, changed)))
}

#[derive(Clone, Copy)]
pub(super) struct Facet {
    pub path: &'static str,
    pub root: &'static str,
    /// As the full spec declares it.
    pub inner: &'static str,
}

const BLOCK: Facet = Facet {
    path: "/{name}?publicAccessBlock",
    root: "PublicAccessBlockConfiguration",
    inner: "<BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>true</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets>",
};
const LIFECYCLE: Facet = Facet {
    path: "/{name}?lifecycle",
    root: "LifecycleConfiguration",
    inner: "<Rule><ID>old</ID><Status>Enabled</Status><Filter><Prefix>logs/</Prefix></Filter><Expiration><Days>365</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionExpiration><AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload><Transition><Days>60</Days><StorageClass>STANDARD_IA</StorageClass></Transition><NoncurrentVersionTransition><NoncurrentDays>10</NoncurrentDays><StorageClass>GLACIER</StorageClass></NoncurrentVersionTransition></Rule><Rule><ID>markers</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter><Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration></Rule><Rule><ID>small</ID><Status>Enabled</Status><Filter><And><Prefix>small/</Prefix><Tag><Key>kind</Key><Value>draft</Value></Tag><ObjectSizeGreaterThan>10</ObjectSizeGreaterThan><ObjectSizeLessThan>1000</ObjectSizeLessThan></And></Filter><Expiration><Date>2027-01-31T00:00:00Z</Date></Expiration><NoncurrentVersionExpiration><NewerNoncurrentVersions>3</NewerNoncurrentVersions><NoncurrentDays>90</NoncurrentDays></NoncurrentVersionExpiration><Transition><Date>2026-12-01T00:00:00Z</Date><StorageClass>INTELLIGENT_TIERING</StorageClass></Transition><NoncurrentVersionTransition><NewerNoncurrentVersions>2</NewerNoncurrentVersions><NoncurrentDays>40</NoncurrentDays><StorageClass>ONEZONE_IA</StorageClass></NoncurrentVersionTransition></Rule>",
};
const CORS: Facet = Facet {
    path: "/{name}?cors",
    root: "CORSConfiguration",
    inner: "<CORSRule><ID>web</ID><AllowedOrigin>https://a.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedMethod>PUT</AllowedMethod><AllowedHeader>x-a</AllowedHeader><ExposeHeader>x-b</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>",
};
const WEBSITE: Facet = Facet {
    path: "/{name}?website",
    root: "WebsiteConfiguration",
    inner: "<IndexDocument><Suffix>index.html</Suffix></IndexDocument><ErrorDocument><Key>404.html</Key></ErrorDocument><RoutingRules><RoutingRule><Condition><KeyPrefixEquals>docs/</KeyPrefixEquals><HttpErrorCodeReturnedEquals>403</HttpErrorCodeReturnedEquals></Condition><Redirect><HostName>docs.com</HostName><HttpRedirectCode>301</HttpRedirectCode><Protocol>https</Protocol><ReplaceKeyPrefixWith>documents/</ReplaceKeyPrefixWith></Redirect></RoutingRule><RoutingRule><Redirect><ReplaceKeyWith>error.htm</ReplaceKeyWith></Redirect></RoutingRule></RoutingRules>",
};
const REDIRECT: Facet = Facet {
    path: "/{name}?website",
    root: "WebsiteConfiguration",
    inner: "<RedirectAllRequestsTo><HostName>a.com</HostName><Protocol>https</Protocol></RedirectAllRequestsTo>",
};
const LOGGING: Facet = Facet {
    path: "/{name}?logging",
    root: "BucketLoggingStatus",
    inner: "<LoggingEnabled><TargetBucket>artifacts</TargetBucket><TargetPrefix>logs/</TargetPrefix><TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat></LoggingEnabled>",
};
const NOTIFICATION: Facet = Facet {
    path: "/{name}?notification",
    root: "NotificationConfiguration",
    inner: "<CloudFunctionConfiguration><Id>resize</Id><CloudFunction>arn:aws:lambda:us-east-1:123456789012:function:resize</CloudFunction><Event>s3:ObjectCreated:Put</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>in/</Value></FilterRule><FilterRule><Name>suffix</Name><Value>.png</Value></FilterRule></S3Key></Filter></CloudFunctionConfiguration><QueueConfiguration><Id>queue</Id><Queue>arn:aws:sqs:us-east-1:123456789012:q</Queue><Event>s3:ObjectRemoved:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>q/</Value></FilterRule><FilterRule><Name>suffix</Name><Value>.q</Value></FilterRule></S3Key></Filter></QueueConfiguration><TopicConfiguration><Id>topic</Id><Topic>arn:aws:sns:us-east-1:123456789012:t</Topic><Event>s3:ObjectRestore:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>t/</Value></FilterRule><FilterRule><Name>suffix</Name><Value>.t</Value></FilterRule></S3Key></Filter></TopicConfiguration>",
};

fn full() -> Value {
    json!({
        "versioning": "Enabled",
        "encryption": {"algorithm": "aws:kms", "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/a", "bucketKeyEnabled": true, "blockedEncryptionTypes": ["SSE-C"]},
        "publicAccessBlock": {"blockPublicAcls": true, "ignorePublicAcls": true, "blockPublicPolicy": false, "restrictPublicBuckets": false},
        "objectOwnership": "BucketOwnerEnforced",
        "lifecycle": [
            {
                "id": "old", "enabled": true, "prefix": "logs/", "expirationDays": 365, "noncurrentVersionExpirationDays": 30,
                "abortIncompleteMultipartUploadDays": 7, "transitions": [{"days": 60, "storageClass": "STANDARD_IA"}],
                "noncurrentVersionTransitions": [{"days": 10, "storageClass": "GLACIER"}],
            },
            {"id": "markers", "expiredObjectDeleteMarker": true},
            {
                "id": "small", "prefix": "small/", "tags": {"kind": "draft"}, "objectSizeGreaterThan": 10, "objectSizeLessThan": 1000,
                "expirationDate": "2027-01-31", "noncurrentVersionExpirationDays": 90, "newerNoncurrentVersions": 3,
                "transitions": [{"date": "2026-12-01", "storageClass": "INTELLIGENT_TIERING"}],
                "noncurrentVersionTransitions": [{"days": 40, "newerNoncurrentVersions": 2, "storageClass": "ONEZONE_IA"}],
            },
        ],
        "cors": [{"id": "web", "allowedOrigins": ["https://a.com"], "allowedMethods": ["GET", "PUT"], "allowedHeaders": ["x-a"], "exposeHeaders": ["x-b"], "maxAgeSeconds": 60}],
        "policy": policy("s3:GetObject"),
        "website": {"indexDocument": "index.html", "errorDocument": "404.html", "routingRules": [
            {"condition": {"keyPrefixEquals": "docs/", "httpErrorCodeReturnedEquals": "403"},
             "redirect": {"hostName": "docs.com", "httpRedirectCode": "301", "protocol": "https", "replaceKeyPrefixWith": "documents/"}},
            {"redirect": {"replaceKeyWith": "error.htm"}},
        ]},
        "logging": {"targetBucket": ARTIFACTS, "targetPrefix": "logs/", "partitionDateSource": "EventTime"},
        "notifications": {
            "functions": [{"id": "resize", "arn": "arn:aws:lambda:us-east-1:123456789012:function:resize", "events": ["s3:ObjectCreated:Put"], "prefix": "in/", "suffix": ".png"}],
            "queues": [{"id": "queue", "arn": "arn:aws:sqs:us-east-1:123456789012:q", "events": ["s3:ObjectRemoved:*"], "prefix": "q/", "suffix": ".q"}],
            "topics": [{"id": "topic", "arn": "arn:aws:sns:us-east-1:123456789012:t", "events": ["s3:ObjectRestore:*"], "prefix": "t/", "suffix": ".t"}],
            "eventBridge": false,
        },
        "accelerate": "Enabled",
        "replication": {"role": "arn:aws:iam::123456789012:role/copy", "rules": [
            {
                "id": "copies", "priority": 1, "enabled": true, "prefix": "docs/", "deleteMarkerReplication": true,
                "existingObjectReplication": true, "sseKmsEncryptedObjects": true, "replicaModifications": true,
                "destination": {
                    "bucketArn": "arn:aws:s3:::copies", "account": "210987654321", "storageClass": "STANDARD_IA",
                    "ownedByDestination": true, "kmsKeyArn": "arn:aws:kms:eu-west-1:210987654321:key/a", "replicationTime": true,
                },
            },
            {
                "id": "drafts", "priority": 2, "prefix": "a/", "tags": {"kind": "draft"},
                "destination": {"bucketArn": "arn:aws:s3:::others", "metrics": true},
            },
        ]},
        "intelligentTiering": [
            {"id": "old", "enabled": true, "prefix": "in/", "tags": {"kind": "draft"}, "tierings": [{"days": 90, "accessTier": "ARCHIVE_ACCESS"}, {"days": 200, "accessTier": "DEEP_ARCHIVE_ACCESS"}]},
        ],
        "inventory": [{
            "id": "weekly", "prefix": "in/", "includedObjectVersions": "All", "frequency": "Weekly", "optionalFields": ["Size", "ETag"],
            "destination": {"bucketArn": "arn:aws:s3:::lists", "format": "CSV", "account": "123456789012", "prefix": "of-it", "kmsKeyArn": "arn:aws:kms:us-east-1:123456789012:key/a"},
        }],
        "metrics": [
            {"id": "all"},
            {"id": "part", "prefix": "in/", "tags": {"kind": "draft"}, "accessPointArn": "arn:aws:s3:us-east-1:123456789012:accesspoint/web"},
        ],
        "tags": {"team": "storefront"},
    })
}

fn policy(action: &str) -> Value {
    json!({"Version": "2012-10-17", "Statement": [{"Sid": "read", "Effect": "Allow", "Principal": "*", "Action": action, "Resource": "arn:aws:s3:::proof-*/*"}]})
}

fn variants() -> Vec<(&'static str, Value)> {
    let full = full();
    let changed = [
        ("full", json!({})),
        (
            "no versioning",
            json!({"versioning": "Suspended", "replication": {}, "encryption": {"algorithm": "AES256", "bucketKeyEnabled": false, "blockedEncryptionTypes": ["NONE"]}}),
        ),
        ("open", json!({"publicAccessBlock": {}, "objectOwnership": "ObjectWriter"})),
        (
            "other ownership",
            json!({"objectOwnership": "BucketOwnerPreferred", "publicAccessBlock": {"blockPublicAcls": false, "ignorePublicAcls": false, "blockPublicPolicy": false, "restrictPublicBuckets": false}}),
        ),
        ("no lifecycle", json!({"lifecycle": [], "cors": []})),
        (
            "another lifecycle",
            json!({"lifecycle": [{"id": "tmp", "enabled": false, "prefix": "tmp/", "expirationDays": 1, "transitions": [], "noncurrentVersionTransitions": []}]}),
        ),
        (
            "more CORS",
            json!({"cors": [{"allowedOrigins": ["*"], "allowedMethods": ["GET"]}, {"allowedOrigins": ["https://b.com"], "allowedMethods": ["POST", "DELETE", "HEAD"], "maxAgeSeconds": 5}]}),
        ),
        ("no policy", json!({"policy": {}, "website": {}})),
        ("another policy", json!({"policy": policy("s3:GetObjectVersion")})),
        (
            "a redirect",
            json!({"website": {"redirectAllRequestsTo": {"hostName": "a.com", "protocol": "https"}}}),
        ),
        ("no logging", json!({"logging": {}, "notifications": {}})),
        (
            "other notifications",
            json!({"notifications": {
                "functions": [{"id": "thumb", "arn": "arn:aws:lambda:us-east-1:123456789012:function:thumb", "events": ["s3:ObjectCreated:*"]}],
                "queues": [], "topics": [], "eventBridge": true,
            }}),
        ),
        (
            "other tags",
            json!({"tags": {"team": "other"}, "logging": {"targetBucket": ARTIFACTS, "targetPrefix": "other/", "partitionDateSource": "DeliveryTime"}}),
        ),
        ("no acceleration", json!({"accelerate": "Suspended"})),
        ("no reports", json!({"intelligentTiering": [], "inventory": [], "metrics": []})),
        (
            "other copies",
            json!({"replication": {"role": "arn:aws:iam::123456789012:role/other", "rules": [
                {"id": "copies", "priority": 3, "enabled": false, "prefix": "docs/", "destination": {"bucketArn": "arn:aws:s3:::others", "replicationTime": false}},
            ]}}),
        ),
        (
            "other reports",
            json!({
                "intelligentTiering": [{"id": "old", "enabled": false, "prefix": "in/", "tags": {"kind": "draft"}, "tierings": [{"days": 91, "accessTier": "ARCHIVE_ACCESS"}]}],
                "inventory": [{"id": "daily", "includedObjectVersions": "Current", "frequency": "Daily", "destination": {"bucketArn": "arn:aws:s3:::lists", "format": "Parquet"}}],
                "metrics": [{"id": "part", "prefix": "out/"}, {"id": "tagged", "tags": {"kind": "final"}}],
            }),
        ),
    ];
    changed.into_iter().map(|(name, fields)| (name, with(&full, &fields))).collect()
}

fn encryption(named: &'static str, algorithm: &str, key: &str, bucket_key: bool) -> Row {
    let key = if key.is_empty() {
        String::new()
    } else {
        format!("<KMSMasterKeyID>{key}</KMSMasterKeyID>")
    };
    let inner = format!(
        "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>{algorithm}</SSEAlgorithm>{key}</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>{bucket_key}</BucketKeyEnabled>{BLOCKED}</Rule>"
    );
    Row::new(named, named, put("/{name}?encryption", "ServerSideEncryptionConfiguration", &inner))
}

const BLOCKED: &str =
    "<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>";

fn rows() -> Vec<Row> {
    let redirect =
        json!({"website": {"redirectAllRequestsTo": {"hostName": "a.com", "protocol": "https"}}});
    let one_lifecycle =
        |field, named, part: &str, changed: &str| row(field, named, LIFECYCLE, part, changed);
    let lock = |days: &str, years: &str| {
        let retention = json!({"mode": "GOVERNANCE", "days": days.parse::<i32>().ok(), "years": years.parse::<i32>().ok()});
        let retention: serde_json::Map<_, _> = retention
            .as_object()
            .unwrap()
            .clone()
            .into_iter()
            .filter(|(_, v)| !v.is_null())
            .collect();
        json!({"objectLock": {"enabled": true, "defaultRetention": retention}})
    };
    let locked = |field, mode: &str, time: &str| {
        let rule = format!(
            "<ObjectLockEnabled>Enabled</ObjectLockEnabled><Rule><DefaultRetention><Mode>{mode}</Mode>{time}</DefaultRetention></Rule>"
        );
        Row::new(field, field, put("/{name}?object-lock", "ObjectLockConfiguration", &rule))
    };
    let mut rows = vec![
        Row::new(
            "accelerate",
            "accelerate",
            put("/{name}?accelerate", "AccelerateConfiguration", "<Status>Suspended</Status>"),
        ),
        locked("objectLock.defaultRetention.mode", "COMPLIANCE", "<Days>30</Days>")
            .on(&lock("30", "")),
        locked("objectLock.defaultRetention.days", "GOVERNANCE", "<Days>1</Days>")
            .on(&lock("30", "")),
        locked("objectLock.defaultRetention.years", "GOVERNANCE", "<Years>1</Years>")
            .on(&lock("", "2")),
        Row::new(
            "versioning",
            "versioning",
            put("/{name}?versioning", "VersioningConfiguration", "<Status>Suspended</Status>"),
        )
        // S3 refuses it of a bucket that is copied.
        .on(&json!({"replication": {}})),
        encryption("encryption.algorithm", "AES256", "", true),
        encryption(
            "encryption.kmsKeyArn",
            "aws:kms",
            "arn:aws:kms:us-east-1:123456789012:key/b",
            true,
        ),
        encryption(
            "encryption.bucketKeyEnabled",
            "aws:kms",
            "arn:aws:kms:us-east-1:123456789012:key/a",
            false,
        ),
        Row::new(
            "encryption.blockedEncryptionTypes[]",
            "encryption.blockedEncryptionTypes",
            put(
                "/{name}?encryption",
                "ServerSideEncryptionConfiguration",
                "<Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>aws:kms</SSEAlgorithm><KMSMasterKeyID>arn:aws:kms:us-east-1:123456789012:key/a</KMSMasterKeyID></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule>",
            ),
        ),
        row(
            "publicAccessBlock.blockPublicAcls",
            "publicAccessBlock.blockPublicAcls",
            BLOCK,
            "<BlockPublicAcls>true",
            "<BlockPublicAcls>false",
        ),
        row(
            "publicAccessBlock.ignorePublicAcls",
            "publicAccessBlock.ignorePublicAcls",
            BLOCK,
            "<IgnorePublicAcls>true",
            "<IgnorePublicAcls>false",
        ),
        row(
            "publicAccessBlock.blockPublicPolicy",
            "publicAccessBlock.blockPublicPolicy",
            BLOCK,
            "<BlockPublicPolicy>false",
            "<BlockPublicPolicy>true",
        ),
        row(
            "publicAccessBlock.restrictPublicBuckets",
            "publicAccessBlock.restrictPublicBuckets",
            BLOCK,
            "<RestrictPublicBuckets>false",
            "<RestrictPublicBuckets>true",
        ),
        Row::new(
            "publicAccessBlock.blockPublicAcls",
            "publicAccessBlock",
            delete("/{name}?publicAccessBlock"),
        ),
        Row::new(
            "objectOwnership",
            "objectOwnership",
            put(
                "/{name}?ownershipControls",
                "OwnershipControls",
                "<Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule>",
            ),
        ),
        one_lifecycle("lifecycle[].id", "lifecycle[old]", "<ID>old</ID>", "<ID>by-hand</ID>"),
        one_lifecycle(
            "lifecycle[].enabled",
            "lifecycle[old].enabled",
            "<ID>old</ID><Status>Enabled",
            "<ID>old</ID><Status>Disabled",
        ),
        one_lifecycle("lifecycle[].prefix", "lifecycle[old].prefix", "logs/", "tmp/"),
        one_lifecycle(
            "lifecycle[].expirationDays",
            "lifecycle[old].expirationDays",
            "<Days>365",
            "<Days>366",
        ),
        one_lifecycle(
            "lifecycle[].expiredObjectDeleteMarker",
            "lifecycle[markers].expiredObjectDeleteMarker",
            "<ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker>",
            "<Days>9</Days>",
        ),
        one_lifecycle(
            "lifecycle[].noncurrentVersionExpirationDays",
            "lifecycle[old].noncurrentVersionExpirationDays",
            "<NoncurrentDays>30",
            "<NoncurrentDays>31",
        ),
        one_lifecycle(
            "lifecycle[].abortIncompleteMultipartUploadDays",
            "lifecycle[old].abortIncompleteMultipartUploadDays",
            "<DaysAfterInitiation>7",
            "<DaysAfterInitiation>8",
        ),
        one_lifecycle(
            "lifecycle[].transitions[].days",
            "lifecycle[old].transitions",
            "<Days>60",
            "<Days>61",
        ),
        one_lifecycle(
            "lifecycle[].transitions[].storageClass",
            "lifecycle[old].transitions",
            "STANDARD_IA",
            "ONEZONE_IA",
        ),
        one_lifecycle(
            "lifecycle[].noncurrentVersionTransitions[].days",
            "lifecycle[old].noncurrentVersionTransitions",
            "<NoncurrentDays>10",
            "<NoncurrentDays>11",
        ),
        one_lifecycle(
            "lifecycle[].noncurrentVersionTransitions[].storageClass",
            "lifecycle[old].noncurrentVersionTransitions",
            "GLACIER",
            "DEEP_ARCHIVE",
        ),
        one_lifecycle("lifecycle[].tags.*", "lifecycle[small].tags.kind", "draft", "final"),
        one_lifecycle(
            "lifecycle[].objectSizeGreaterThan",
            "lifecycle[small].objectSizeGreaterThan",
            "<ObjectSizeGreaterThan>10<",
            "<ObjectSizeGreaterThan>11<",
        ),
        one_lifecycle(
            "lifecycle[].objectSizeLessThan",
            "lifecycle[small].objectSizeLessThan",
            "<ObjectSizeLessThan>1000<",
            "<ObjectSizeLessThan>1001<",
        ),
        one_lifecycle(
            "lifecycle[].expirationDate",
            "lifecycle[small].expirationDate",
            "2027-01-31",
            "2027-02-01",
        ),
        one_lifecycle(
            "lifecycle[].newerNoncurrentVersions",
            "lifecycle[small].newerNoncurrentVersions",
            "<NewerNoncurrentVersions>3<",
            "<NewerNoncurrentVersions>4<",
        ),
        one_lifecycle(
            "lifecycle[].transitions[].date",
            "lifecycle[small].transitions",
            "2026-12-01",
            "2026-12-02",
        ),
        one_lifecycle(
            "lifecycle[].noncurrentVersionTransitions[].newerNoncurrentVersions",
            "lifecycle[small].noncurrentVersionTransitions",
            "<NewerNoncurrentVersions>2<",
            "<NewerNoncurrentVersions>1<",
        ),
        Row::new("lifecycle[].id", "lifecycle", delete("/{name}?lifecycle")),
        row("cors[].id", "cors[0].id", CORS, "<ID>web", "<ID>by-hand"),
        row("cors[].allowedOrigins[]", "cors[0].allowedOrigins", CORS, "https://a.com", "*"),
        row(
            "cors[].allowedMethods[]",
            "cors[0].allowedMethods",
            CORS,
            "<AllowedMethod>PUT</AllowedMethod>",
            "",
        ),
        row("cors[].allowedHeaders[]", "cors[0].allowedHeaders", CORS, "x-a", "x-c"),
        row("cors[].exposeHeaders[]", "cors[0].exposeHeaders", CORS, "x-b", "x-d"),
        row("cors[].maxAgeSeconds", "cors[0].maxAgeSeconds", CORS, "60", "61"),
        Row::new(
            "policy",
            "policy",
            Request {
                service: "s3",
                method: "PUT",
                path: "/{name}?policy",
                body: Body::Json(policy("s3:*")),
            },
        ),
        Row::new("policy", "policy", delete("/{name}?policy")),
        row("website.indexDocument", "website.indexDocument", WEBSITE, "index.html", "main.html"),
        row("website.errorDocument", "website.errorDocument", WEBSITE, "404.html", "500.html"),
        row(
            "website.routingRules[].condition.keyPrefixEquals",
            "website.routingRules[0].condition.keyPrefixEquals",
            WEBSITE,
            "docs/",
            "images/",
        ),
        row(
            "website.routingRules[].condition.httpErrorCodeReturnedEquals",
            "website.routingRules[0].condition.httpErrorCodeReturnedEquals",
            WEBSITE,
            "403",
            "404",
        ),
        row(
            "website.routingRules[].redirect.hostName",
            "website.routingRules[0].redirect.hostName",
            WEBSITE,
            "docs.com",
            "evil.com",
        ),
        row(
            "website.routingRules[].redirect.httpRedirectCode",
            "website.routingRules[0].redirect.httpRedirectCode",
            WEBSITE,
            "301",
            "302",
        ),
        row(
            "website.routingRules[].redirect.protocol",
            "website.routingRules[0].redirect.protocol",
            WEBSITE,
            "<Protocol>https",
            "<Protocol>http",
        ),
        row(
            "website.routingRules[].redirect.replaceKeyPrefixWith",
            "website.routingRules[0].redirect.replaceKeyPrefixWith",
            WEBSITE,
            "documents/",
            "papers/",
        ),
        row(
            "website.routingRules[].redirect.replaceKeyWith",
            "website.routingRules[1].redirect.replaceKeyWith",
            WEBSITE,
            "error.htm<",
            "sorry.htm<",
        ),
        Row::new("website.indexDocument", "website", delete("/{name}?website")),
        row(
            "website.redirectAllRequestsTo.hostName",
            "website.redirectAllRequestsTo.hostName",
            REDIRECT,
            "a.com",
            "b.com",
        )
        .on(&redirect),
        row(
            "website.redirectAllRequestsTo.protocol",
            "website.redirectAllRequestsTo.protocol",
            REDIRECT,
            "https",
            "http",
        )
        .on(&redirect),
        row("logging.targetBucket", "logging.targetBucket", LOGGING, "artifacts", "proof-other"),
        row("logging.targetPrefix", "logging.targetPrefix", LOGGING, "logs/", "tmp/"),
        row(
            "logging.partitionDateSource",
            "logging.partitionDateSource",
            LOGGING,
            "EventTime",
            "DeliveryTime",
        ),
        Row::new(
            "tags.*",
            "tags.team",
            put(
                "/{name}?tagging",
                "Tagging",
                "<TagSet>{other tags}<Tag><Key>team</Key><Value>by hand</Value></Tag></TagSet>",
            ),
        ),
        Row::new(
            "notifications.eventBridge",
            "notifications.eventBridge",
            put(
                NOTIFICATION.path,
                NOTIFICATION.root,
                &format!(
                    "{}<EventBridgeConfiguration></EventBridgeConfiguration>",
                    NOTIFICATION.inner
                ),
            ),
        ),
    ];
    let notifications = [
        (
            "notifications.functions[].id",
            "notifications.functions[resize]",
            "<Id>resize",
            "<Id>by-hand",
        ),
        (
            "notifications.functions[].arn",
            "notifications.functions[resize].arn",
            "function:resize",
            "function:other",
        ),
        (
            "notifications.functions[].events[]",
            "notifications.functions[resize].events",
            "ObjectCreated:Put",
            "ObjectCreated:Post",
        ),
        (
            "notifications.functions[].prefix",
            "notifications.functions[resize].prefix",
            "in/",
            "out/",
        ),
        (
            "notifications.functions[].suffix",
            "notifications.functions[resize].suffix",
            ".png",
            ".jpg",
        ),
        ("notifications.queues[].id", "notifications.queues[queue]", "<Id>queue", "<Id>by-hand"),
        ("notifications.queues[].arn", "notifications.queues[queue].arn", "012:q<", "012:other<"),
        (
            "notifications.queues[].events[]",
            "notifications.queues[queue].events",
            "ObjectRemoved:*",
            "ObjectRemoved:Delete",
        ),
        ("notifications.queues[].prefix", "notifications.queues[queue].prefix", "q/", "other/"),
        ("notifications.queues[].suffix", "notifications.queues[queue].suffix", ".q<", ".other<"),
        ("notifications.topics[].id", "notifications.topics[topic]", "<Id>topic", "<Id>by-hand"),
        ("notifications.topics[].arn", "notifications.topics[topic].arn", "012:t<", "012:other<"),
        (
            "notifications.topics[].events[]",
            "notifications.topics[topic].events",
            "ObjectRestore:*",
            "ObjectRestore:Post",
        ),
        ("notifications.topics[].prefix", "notifications.topics[topic].prefix", ">t/", ">other/"),
        ("notifications.topics[].suffix", "notifications.topics[topic].suffix", ".t<", ".other<"),
    ];
    rows.extend(bucket_copies::rows());
    rows.extend(
        notifications
            .map(|(field, named, part, changed)| row(field, named, NOTIFICATION, part, changed)),
    );
    rows
}

pub fn proof() -> Proof {
    let mut exempt = ours();
    exempt.extend([
        ("objectLock.enabled", "S3 never turns it off"),
        ("logging.targetBucketFrom", "is resolved to logging.targetBucket"),
        ("replication.rules[].destination.bucketArnFrom", "is resolved to the arn"),
        ("inventory[].destination.bucketArnFrom", "is resolved to the arn"),
        ("notifications.functions[].arnFrom", "is resolved to the arn"),
        ("notifications.queues[].arnFrom", "is resolved to the arn"),
        ("notifications.topics[].arnFrom", "is resolved to the arn"),
    ]);
    Proof {
        kind: "Bucket",
        full: full(),
        bare: json!({}),
        variants: variants(),
        rows: rows(),
        exempt,
    }
}
