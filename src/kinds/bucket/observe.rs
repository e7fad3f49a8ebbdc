//! Reads a bucket, one call a declared facet. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_s3::types as aws;
use serde_json::{Map, Value};

use crate::aws::{AwsError, Optional, Session, partition};
use crate::kinds::{Desired, Live};

use super::spec::*;

/// A bucket as it is, in the words of its spec.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LiveBucket {
    pub spec: BucketSpec,
    pub name: String,
    pub region: String,
    pub tags: BTreeMap<String, String>,
}

impl Live for LiveBucket {
    fn tags(&self) -> &BTreeMap<String, String> {
        &self.tags
    }

    fn outputs(&self) -> BTreeMap<String, String> {
        let (partition, suffix) = partition(&self.region);
        BTreeMap::from([
            ("name".to_owned(), self.name.clone()),
            ("arn".to_owned(), format!("arn:{partition}:s3:::{}", self.name)),
            ("domainName".to_owned(), format!("{}.s3.{}.{suffix}", self.name, self.region)),
        ])
    }
}

pub(super) async fn observe(
    session: &Session,
    desired: &Desired<BucketSpec>,
) -> Result<Option<LiveBucket>, AwsError> {
    let bucket = &desired.aws_name;
    let Some(tags) = tags(session, bucket).await? else {
        return Ok(None);
    };
    let asked = &desired.spec;
    let mut spec = BucketSpec::default();
    if asked.versioning.is_some() {
        spec.versioning = Some(versioning(session, bucket).await?);
    }
    if asked.encryption.is_some() {
        spec.encryption = encryption(session, bucket).await?;
    }
    if asked.public_access_block.is_some() {
        spec.public_access_block = public_access_block(session, bucket).await?;
    }
    if asked.object_ownership.is_some() {
        spec.object_ownership = object_ownership(session, bucket).await?;
    }
    if asked.lifecycle.is_some() {
        spec.lifecycle = Some(lifecycle(session, bucket).await?);
    }
    if asked.cors.is_some() {
        spec.cors = Some(cors(session, bucket).await?);
    }
    if asked.policy.is_some() {
        spec.policy = policy(session, bucket).await?;
    }
    if asked.website.is_some() {
        spec.website = website(session, bucket).await?;
    }
    if asked.logging.is_some() {
        spec.logging = logging(session, bucket).await?;
    }
    if asked.notifications.is_some() {
        spec.notifications = Some(notifications(session, bucket).await?);
    }
    Ok(Some(LiveBucket { spec, name: bucket.clone(), region: session.region().to_owned(), tags }))
}

/// The tags, and by them whether the bucket exists.
async fn tags(
    session: &Session,
    bucket: &str,
) -> Result<Option<BTreeMap<String, String>>, AwsError> {
    let read = session
        .read("s3", "GetBucketTagging", || session.s3().get_bucket_tagging().bucket(bucket).send())
        .await;
    match read {
        Ok(tagging) => {
            let pairs = tagging.tag_set().iter();
            Ok(Some(pairs.map(|t| (t.key().to_owned(), t.value().to_owned())).collect()))
        }
        Err(error) if error.code == "NoSuchTagSet" => Ok(Some(BTreeMap::new())),
        Err(error) if error.code == "NoSuchBucket" => Ok(None),
        Err(error) => Err(error),
    }
}

async fn versioning(session: &Session, bucket: &str) -> Result<Versioning, AwsError> {
    let read = session
        .read("s3", "GetBucketVersioning", || {
            session.s3().get_bucket_versioning().bucket(bucket).send()
        })
        .await?;
    Ok(match read.status() {
        Some(aws::BucketVersioningStatus::Enabled) => Versioning::Enabled,
        _ => Versioning::Suspended,
    })
}

async fn encryption(session: &Session, bucket: &str) -> Result<Option<BucketEncryption>, AwsError> {
    let read = session
        .read("s3", "GetBucketEncryption", || {
            session.s3().get_bucket_encryption().bucket(bucket).send()
        })
        .await
        .optional()?;
    let configuration = read.and_then(|r| r.server_side_encryption_configuration);
    let rule = configuration.and_then(|c| c.rules.into_iter().next());
    Ok(rule.and_then(|rule| {
        let default = rule.apply_server_side_encryption_by_default?;
        let algorithm = match default.sse_algorithm {
            aws::ServerSideEncryption::AwsKms => EncryptionAlgorithm::AwsKms,
            aws::ServerSideEncryption::AwsKmsDsse => EncryptionAlgorithm::AwsKmsDsse,
            _ => EncryptionAlgorithm::AES256,
        };
        Some(BucketEncryption {
            algorithm,
            kms_key_arn: default.kms_master_key_id,
            bucket_key_enabled: Some(rule.bucket_key_enabled.unwrap_or(false)),
        })
    }))
}

async fn public_access_block(
    session: &Session,
    bucket: &str,
) -> Result<Option<PublicAccessBlock>, AwsError> {
    let read = session
        .read("s3", "GetPublicAccessBlock", || {
            session.s3().get_public_access_block().bucket(bucket).send()
        })
        .await
        .optional()?;
    let block = read.and_then(|r| r.public_access_block_configuration);
    Ok(block.map(|b| PublicAccessBlock {
        block_public_acls: b.block_public_acls,
        ignore_public_acls: b.ignore_public_acls,
        block_public_policy: b.block_public_policy,
        restrict_public_buckets: b.restrict_public_buckets,
    }))
}

async fn object_ownership(
    session: &Session,
    bucket: &str,
) -> Result<Option<ObjectOwnership>, AwsError> {
    let read = session
        .read("s3", "GetBucketOwnershipControls", || {
            session.s3().get_bucket_ownership_controls().bucket(bucket).send()
        })
        .await
        .optional()?;
    let rule = read.and_then(|r| r.ownership_controls).and_then(|c| c.rules.into_iter().next());
    Ok(rule.map(|rule| match rule.object_ownership {
        aws::ObjectOwnership::BucketOwnerPreferred => ObjectOwnership::BucketOwnerPreferred,
        aws::ObjectOwnership::ObjectWriter => ObjectOwnership::ObjectWriter,
        _ => ObjectOwnership::BucketOwnerEnforced,
    }))
}

async fn lifecycle(session: &Session, bucket: &str) -> Result<Vec<LifecycleRule>, AwsError> {
    let read = session
        .read("s3", "GetBucketLifecycleConfiguration", || {
            session.s3().get_bucket_lifecycle_configuration().bucket(bucket).send()
        })
        .await
        .optional()?;
    Ok(read.and_then(|r| r.rules).unwrap_or_default().iter().map(lifecycle_rule).collect())
}

fn lifecycle_rule(rule: &aws::LifecycleRule) -> LifecycleRule {
    // Rules made long ago carry the prefix outside of the filter.
    #[allow(deprecated)]
    let bare_prefix = rule.prefix();
    let prefix = rule
        .filter()
        .and_then(|f| f.prefix().or_else(|| f.and().and_then(|and| and.prefix())))
        .or(bare_prefix)
        .filter(|p| !p.is_empty());
    let transitions = rule.transitions().iter().map(|t| Transition {
        days: t.days().unwrap_or(0),
        storage_class: transition_class(t.storage_class()),
    });
    let noncurrent = rule.noncurrent_version_transitions().iter().map(|t| Transition {
        days: t.noncurrent_days().unwrap_or(0),
        storage_class: transition_class(t.storage_class()),
    });
    LifecycleRule {
        id: rule.id().unwrap_or_default().to_owned(),
        enabled: Some(*rule.status() == aws::ExpirationStatus::Enabled),
        prefix: prefix.map(str::to_owned),
        expiration_days: rule.expiration().and_then(|e| e.days()).filter(|d| *d > 0),
        expired_object_delete_marker: rule
            .expiration()
            .and_then(|e| e.expired_object_delete_marker())
            .filter(|on| *on),
        noncurrent_version_expiration_days: rule
            .noncurrent_version_expiration()
            .and_then(|e| e.noncurrent_days()),
        abort_incomplete_multipart_upload_days: rule
            .abort_incomplete_multipart_upload()
            .and_then(|a| a.days_after_initiation()),
        transitions: Some(transitions.collect()),
        noncurrent_version_transitions: Some(noncurrent.collect()),
    }
}

fn transition_class(class: Option<&aws::TransitionStorageClass>) -> TransitionClass {
    match class {
        Some(aws::TransitionStorageClass::DeepArchive) => TransitionClass::DeepArchive,
        Some(aws::TransitionStorageClass::Glacier) => TransitionClass::Glacier,
        Some(aws::TransitionStorageClass::GlacierIr) => TransitionClass::GlacierIr,
        Some(aws::TransitionStorageClass::IntelligentTiering) => {
            TransitionClass::IntelligentTiering
        }
        Some(aws::TransitionStorageClass::OnezoneIa) => TransitionClass::OnezoneIa,
        _ => TransitionClass::StandardIa,
    }
}

async fn cors(session: &Session, bucket: &str) -> Result<Vec<CorsRule>, AwsError> {
    let read = session
        .read("s3", "GetBucketCors", || session.s3().get_bucket_cors().bucket(bucket).send())
        .await
        .optional()?;
    let rules = read.and_then(|r| r.cors_rules).unwrap_or_default();
    Ok(rules
        .into_iter()
        .map(|rule| CorsRule {
            id: rule.id,
            allowed_methods: rule.allowed_methods.iter().filter_map(|m| method(m)).collect(),
            allowed_origins: rule.allowed_origins,
            allowed_headers: rule.allowed_headers,
            expose_headers: rule.expose_headers,
            max_age_seconds: rule.max_age_seconds,
        })
        .collect())
}

fn method(name: &str) -> Option<CorsMethod> {
    serde_json::from_value(Value::String(name.to_owned())).ok()
}

async fn policy(session: &Session, bucket: &str) -> Result<Option<Map<String, Value>>, AwsError> {
    let read = session
        .read("s3", "GetBucketPolicy", || session.s3().get_bucket_policy().bucket(bucket).send())
        .await
        .optional()?;
    Ok(read.and_then(|r| r.policy).and_then(|text| serde_json::from_str(&text).ok()))
}

async fn website(session: &Session, bucket: &str) -> Result<Option<Website>, AwsError> {
    let read = session
        .read("s3", "GetBucketWebsite", || session.s3().get_bucket_website().bucket(bucket).send())
        .await
        .optional()?;
    Ok(read.map(|r| Website {
        index_document: r.index_document.map(|d| d.suffix),
        error_document: r.error_document.map(|d| d.key),
        redirect_all_requests_to: r.redirect_all_requests_to.map(|to| Redirect {
            host_name: to.host_name,
            protocol: to.protocol.map(|p| p.to_string()),
        }),
    }))
}

async fn logging(session: &Session, bucket: &str) -> Result<Option<Logging>, AwsError> {
    let read = session
        .read("s3", "GetBucketLogging", || session.s3().get_bucket_logging().bucket(bucket).send())
        .await?;
    Ok(read.logging_enabled.map(|l| Logging {
        target_bucket: Some(l.target_bucket),
        target_bucket_from: None,
        target_prefix: Some(l.target_prefix),
    }))
}

async fn notifications(session: &Session, bucket: &str) -> Result<Notifications, AwsError> {
    let read = session
        .read("s3", "GetBucketNotificationConfiguration", || {
            session.s3().get_bucket_notification_configuration().bucket(bucket).send()
        })
        .await?;
    let functions = read
        .lambda_function_configurations()
        .iter()
        .map(|n| notification(n.id(), n.lambda_function_arn(), n.events(), n.filter()));
    let queues = read
        .queue_configurations()
        .iter()
        .map(|n| notification(n.id(), n.queue_arn(), n.events(), n.filter()));
    let topics = read
        .topic_configurations()
        .iter()
        .map(|n| notification(n.id(), n.topic_arn(), n.events(), n.filter()));
    Ok(Notifications {
        functions: Some(functions.collect()),
        queues: Some(queues.collect()),
        topics: Some(topics.collect()),
        event_bridge: Some(read.event_bridge_configuration().is_some()),
    })
}

fn notification(
    id: Option<&str>,
    arn: &str,
    events: &[aws::Event],
    filter: Option<&aws::NotificationConfigurationFilter>,
) -> Notification {
    let rules = filter.and_then(|f| f.key()).map(|k| k.filter_rules()).unwrap_or_default();
    let rule = |name: &str| {
        let found =
            rules.iter().find(|r| r.name().is_some_and(|n| n.as_str().eq_ignore_ascii_case(name)));
        found.and_then(|r| r.value()).map(str::to_owned)
    };
    Notification {
        id: id.unwrap_or_default().to_owned(),
        arn: Some(arn.to_owned()),
        arn_from: None,
        events: events.iter().map(ToString::to_string).collect(),
        prefix: rule("prefix"),
        suffix: rule("suffix"),
    }
}
