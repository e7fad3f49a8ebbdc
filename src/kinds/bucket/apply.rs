//! Writes a bucket, one call a step. Decides nothing.

use std::collections::BTreeMap;

use aws_sdk_s3::types as aws;
use aws_smithy_types::error::operation::BuildError;
use serde_json::Value;

use crate::aws::{AwsError, Class, Session};
use crate::kinds::Outcome;

use super::plan::{BucketStep, Facet};
use super::spec::*;

pub(super) async fn apply(
    session: &Session,
    bucket: &str,
    step: &BucketStep,
) -> Result<Outcome, AwsError> {
    match step {
        BucketStep::Create => create(session, bucket).await?,
        BucketStep::Tag(tags) => tag(session, bucket, tags).await?,
        BucketStep::Put(facet, spec) => put(session, bucket, *facet, spec).await?,
        BucketStep::Clear(facet) => clear(session, bucket, *facet).await?,
        BucketStep::Delete => {
            let call = session.s3().delete_bucket().bucket(bucket).send();
            session.write("s3", "DeleteBucket", call).await?;
        }
    }
    Ok(Outcome::done())
}

fn incomplete(error: &BuildError) -> AwsError {
    AwsError::new(Class::Invalid, "s3", "PutBucket", error.to_string())
}

/// us-east-1 takes no location constraint:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateBucket.html>.
async fn create(session: &Session, bucket: &str) -> Result<(), AwsError> {
    let mut call = session.s3().create_bucket().bucket(bucket);
    if session.region() != "us-east-1" {
        let location = aws::BucketLocationConstraint::from(session.region());
        let configuration =
            aws::CreateBucketConfiguration::builder().location_constraint(location).build();
        call = call.create_bucket_configuration(configuration);
    }
    session.write("s3", "CreateBucket", call.send()).await.map(drop)
}

async fn tag(
    session: &Session,
    bucket: &str,
    tags: &BTreeMap<String, String>,
) -> Result<(), AwsError> {
    let mut tagging = aws::Tagging::builder();
    for (key, value) in tags {
        let tag = aws::Tag::builder().key(key).value(value).build();
        tagging = tagging.tag_set(tag.map_err(|e| incomplete(&e))?);
    }
    let tagging = tagging.build().map_err(|e| incomplete(&e))?;
    let call = session.s3().put_bucket_tagging().bucket(bucket).tagging(tagging).send();
    session.write("s3", "PutBucketTagging", call).await.map(drop)
}

async fn put(
    session: &Session,
    bucket: &str,
    facet: Facet,
    spec: &BucketSpec,
) -> Result<(), AwsError> {
    let s3 = session.s3();
    match facet {
        Facet::Versioning => {
            let status = match spec.versioning {
                Some(Versioning::Enabled) => aws::BucketVersioningStatus::Enabled,
                _ => aws::BucketVersioningStatus::Suspended,
            };
            let configuration = aws::VersioningConfiguration::builder().status(status).build();
            let call =
                s3.put_bucket_versioning().bucket(bucket).versioning_configuration(configuration);
            session.write("s3", "PutBucketVersioning", call.send()).await.map(drop)
        }
        Facet::Encryption => {
            let configuration = encryption(spec.encryption.as_ref())?;
            let call = s3
                .put_bucket_encryption()
                .bucket(bucket)
                .server_side_encryption_configuration(configuration);
            session.write("s3", "PutBucketEncryption", call.send()).await.map(drop)
        }
        Facet::PublicAccessBlock => {
            let wanted = spec.public_access_block.unwrap_or_default();
            let configuration = aws::PublicAccessBlockConfiguration::builder()
                .set_block_public_acls(wanted.block_public_acls)
                .set_ignore_public_acls(wanted.ignore_public_acls)
                .set_block_public_policy(wanted.block_public_policy)
                .set_restrict_public_buckets(wanted.restrict_public_buckets)
                .build();
            let call = s3
                .put_public_access_block()
                .bucket(bucket)
                .public_access_block_configuration(configuration);
            session.write("s3", "PutPublicAccessBlock", call.send()).await.map(drop)
        }
        Facet::ObjectOwnership => {
            let controls = ownership(spec.object_ownership)?;
            let call =
                s3.put_bucket_ownership_controls().bucket(bucket).ownership_controls(controls);
            session.write("s3", "PutBucketOwnershipControls", call.send()).await.map(drop)
        }
        Facet::Lifecycle => {
            let configuration = lifecycle(spec.lifecycle.as_deref().unwrap_or_default())?;
            let call = s3
                .put_bucket_lifecycle_configuration()
                .bucket(bucket)
                .lifecycle_configuration(configuration);
            session.write("s3", "PutBucketLifecycleConfiguration", call.send()).await.map(drop)
        }
        Facet::Cors => {
            let configuration = cors(spec.cors.as_deref().unwrap_or_default())?;
            let call = s3.put_bucket_cors().bucket(bucket).cors_configuration(configuration);
            session.write("s3", "PutBucketCors", call.send()).await.map(drop)
        }
        Facet::Policy => {
            let policy = Value::Object(spec.policy.clone().unwrap_or_default()).to_string();
            let call = s3.put_bucket_policy().bucket(bucket).policy(policy);
            session.write("s3", "PutBucketPolicy", call.send()).await.map(drop)
        }
        Facet::Website => {
            let configuration = website(spec.website.as_ref())?;
            let call = s3.put_bucket_website().bucket(bucket).website_configuration(configuration);
            session.write("s3", "PutBucketWebsite", call.send()).await.map(drop)
        }
        Facet::Logging => {
            let status = logging(spec.logging.as_ref())?;
            let call = s3.put_bucket_logging().bucket(bucket).bucket_logging_status(status);
            session.write("s3", "PutBucketLogging", call.send()).await.map(drop)
        }
        Facet::Notifications => {
            let configuration = notifications(spec.notifications.as_ref())?;
            put_notifications(session, bucket, configuration).await
        }
    }
}

async fn put_notifications(
    session: &Session,
    bucket: &str,
    configuration: aws::NotificationConfiguration,
) -> Result<(), AwsError> {
    let call = session
        .s3()
        .put_bucket_notification_configuration()
        .bucket(bucket)
        .notification_configuration(configuration);
    session.write("s3", "PutBucketNotificationConfiguration", call.send()).await.map(drop)
}

/// Removes a facet. Versioning, logging and notifications have no delete call: off is a value.
async fn clear(session: &Session, bucket: &str, facet: Facet) -> Result<(), AwsError> {
    let s3 = session.s3();
    match facet {
        Facet::Versioning => put(session, bucket, facet, &BucketSpec::default()).await,
        Facet::Encryption => {
            let call = s3.delete_bucket_encryption().bucket(bucket).send();
            session.write("s3", "DeleteBucketEncryption", call).await.map(drop)
        }
        Facet::PublicAccessBlock => {
            let call = s3.delete_public_access_block().bucket(bucket).send();
            session.write("s3", "DeletePublicAccessBlock", call).await.map(drop)
        }
        Facet::ObjectOwnership => {
            let call = s3.delete_bucket_ownership_controls().bucket(bucket).send();
            session.write("s3", "DeleteBucketOwnershipControls", call).await.map(drop)
        }
        Facet::Lifecycle => {
            let call = s3.delete_bucket_lifecycle().bucket(bucket).send();
            session.write("s3", "DeleteBucketLifecycle", call).await.map(drop)
        }
        Facet::Cors => {
            let call = s3.delete_bucket_cors().bucket(bucket).send();
            session.write("s3", "DeleteBucketCors", call).await.map(drop)
        }
        Facet::Policy => {
            let call = s3.delete_bucket_policy().bucket(bucket).send();
            session.write("s3", "DeleteBucketPolicy", call).await.map(drop)
        }
        Facet::Website => {
            let call = s3.delete_bucket_website().bucket(bucket).send();
            session.write("s3", "DeleteBucketWebsite", call).await.map(drop)
        }
        Facet::Logging => {
            let off = aws::BucketLoggingStatus::builder().build();
            let call = s3.put_bucket_logging().bucket(bucket).bucket_logging_status(off).send();
            session.write("s3", "PutBucketLogging", call).await.map(drop)
        }
        Facet::Notifications => {
            let none = aws::NotificationConfiguration::builder().build();
            put_notifications(session, bucket, none).await
        }
    }
}

fn encryption(
    wanted: Option<&BucketEncryption>,
) -> Result<aws::ServerSideEncryptionConfiguration, AwsError> {
    let algorithm = match wanted.map(|w| w.algorithm) {
        Some(EncryptionAlgorithm::AwsKms) => aws::ServerSideEncryption::AwsKms,
        Some(EncryptionAlgorithm::AwsKmsDsse) => aws::ServerSideEncryption::AwsKmsDsse,
        _ => aws::ServerSideEncryption::Aes256,
    };
    // A key goes with KMS only, a bucket key not with its dual-layer form.
    let is_kms = algorithm != aws::ServerSideEncryption::Aes256;
    let is_dsse = algorithm == aws::ServerSideEncryption::AwsKmsDsse;
    let default = aws::ServerSideEncryptionByDefault::builder()
        .sse_algorithm(algorithm)
        .set_kms_master_key_id(wanted.filter(|_| is_kms).and_then(|w| w.kms_key_arn.clone()))
        .build()
        .map_err(|e| incomplete(&e))?;
    let rule = aws::ServerSideEncryptionRule::builder()
        .apply_server_side_encryption_by_default(default)
        .set_bucket_key_enabled(wanted.filter(|_| !is_dsse).and_then(|w| w.bucket_key_enabled))
        .build();
    aws::ServerSideEncryptionConfiguration::builder()
        .rules(rule)
        .build()
        .map_err(|e| incomplete(&e))
}

fn ownership(wanted: Option<ObjectOwnership>) -> Result<aws::OwnershipControls, AwsError> {
    let ownership = match wanted {
        Some(ObjectOwnership::BucketOwnerPreferred) => aws::ObjectOwnership::BucketOwnerPreferred,
        Some(ObjectOwnership::ObjectWriter) => aws::ObjectOwnership::ObjectWriter,
        _ => aws::ObjectOwnership::BucketOwnerEnforced,
    };
    let rule = aws::OwnershipControlsRule::builder()
        .object_ownership(ownership)
        .build()
        .map_err(|e| incomplete(&e))?;
    aws::OwnershipControls::builder().rules(rule).build().map_err(|e| incomplete(&e))
}

fn lifecycle(rules: &[LifecycleRule]) -> Result<aws::BucketLifecycleConfiguration, AwsError> {
    let rules: Result<Vec<_>, _> = rules.iter().map(lifecycle_rule).collect();
    aws::BucketLifecycleConfiguration::builder()
        .set_rules(Some(rules?))
        .build()
        .map_err(|e| incomplete(&e))
}

fn lifecycle_rule(rule: &LifecycleRule) -> Result<aws::LifecycleRule, AwsError> {
    let status = match rule.enabled {
        Some(false) => aws::ExpirationStatus::Disabled,
        _ => aws::ExpirationStatus::Enabled,
    };
    let prefix = rule.prefix.clone().unwrap_or_default();
    let marker = rule.expired_object_delete_marker.filter(|on| *on);
    // The two exclude each other; the marker may have been declared over live days.
    let days = rule.expiration_days.filter(|_| marker.is_none());
    let expires = days.is_some() || marker.is_some();
    let expiration = aws::LifecycleExpiration::builder()
        .set_days(days)
        .set_expired_object_delete_marker(marker)
        .build();
    let noncurrent = rule
        .noncurrent_version_expiration_days
        .map(|days| aws::NoncurrentVersionExpiration::builder().noncurrent_days(days).build());
    let abort = rule.abort_incomplete_multipart_upload_days.map(|days| {
        aws::AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build()
    });
    let transitions = rule.transitions.iter().flatten().map(|t| {
        aws::Transition::builder().days(t.days).storage_class(transition_class(t)).build()
    });
    let noncurrent_transitions = rule.noncurrent_version_transitions.iter().flatten().map(|t| {
        aws::NoncurrentVersionTransition::builder()
            .noncurrent_days(t.days)
            .storage_class(transition_class(t))
            .build()
    });
    let some = |empty: bool| !empty;
    let transitions: Vec<_> = transitions.collect();
    let noncurrent_transitions: Vec<_> = noncurrent_transitions.collect();
    aws::LifecycleRule::builder()
        .id(&rule.id)
        .status(status)
        .filter(aws::LifecycleRuleFilter::builder().prefix(prefix).build())
        .set_expiration(Some(expiration).filter(|_| expires))
        .set_noncurrent_version_expiration(noncurrent)
        .set_abort_incomplete_multipart_upload(abort)
        .set_transitions(Some(transitions).filter(|t| some(t.is_empty())))
        .set_noncurrent_version_transitions(
            Some(noncurrent_transitions).filter(|t| some(t.is_empty())),
        )
        .build()
        .map_err(|e| incomplete(&e))
}

fn transition_class(transition: &Transition) -> aws::TransitionStorageClass {
    match transition.storage_class {
        TransitionClass::StandardIa => aws::TransitionStorageClass::StandardIa,
        TransitionClass::OnezoneIa => aws::TransitionStorageClass::OnezoneIa,
        TransitionClass::IntelligentTiering => aws::TransitionStorageClass::IntelligentTiering,
        TransitionClass::GlacierIr => aws::TransitionStorageClass::GlacierIr,
        TransitionClass::Glacier => aws::TransitionStorageClass::Glacier,
        TransitionClass::DeepArchive => aws::TransitionStorageClass::DeepArchive,
    }
}

fn cors(rules: &[CorsRule]) -> Result<aws::CorsConfiguration, AwsError> {
    let rules: Result<Vec<_>, _> = rules
        .iter()
        .map(|rule| {
            let methods = rule.allowed_methods.iter().map(|method| method_name(*method).to_owned());
            aws::CorsRule::builder()
                .set_id(rule.id.clone())
                .set_allowed_origins(Some(rule.allowed_origins.clone()))
                .set_allowed_methods(Some(methods.collect()))
                .set_allowed_headers(rule.allowed_headers.clone())
                .set_expose_headers(rule.expose_headers.clone())
                .set_max_age_seconds(rule.max_age_seconds)
                .build()
                .map_err(|e| incomplete(&e))
        })
        .collect();
    aws::CorsConfiguration::builder()
        .set_cors_rules(Some(rules?))
        .build()
        .map_err(|e| incomplete(&e))
}

fn method_name(method: CorsMethod) -> &'static str {
    match method {
        CorsMethod::Get => "GET",
        CorsMethod::Put => "PUT",
        CorsMethod::Post => "POST",
        CorsMethod::Delete => "DELETE",
        CorsMethod::Head => "HEAD",
    }
}

fn website(wanted: Option<&Website>) -> Result<aws::WebsiteConfiguration, AwsError> {
    let mut configuration = aws::WebsiteConfiguration::builder();
    let Some(wanted) = wanted else {
        return Ok(configuration.build());
    };
    if let Some(to) = &wanted.redirect_all_requests_to {
        let redirect = aws::RedirectAllRequestsTo::builder()
            .host_name(&to.host_name)
            .set_protocol(to.protocol.as_deref().map(aws::Protocol::from))
            .build();
        configuration =
            configuration.redirect_all_requests_to(redirect.map_err(|e| incomplete(&e))?);
    }
    if let Some(suffix) = &wanted.index_document {
        let document = aws::IndexDocument::builder().suffix(suffix).build();
        configuration = configuration.index_document(document.map_err(|e| incomplete(&e))?);
    }
    if let Some(key) = &wanted.error_document {
        let document = aws::ErrorDocument::builder().key(key).build();
        configuration = configuration.error_document(document.map_err(|e| incomplete(&e))?);
    }
    Ok(configuration.build())
}

fn logging(wanted: Option<&Logging>) -> Result<aws::BucketLoggingStatus, AwsError> {
    let mut status = aws::BucketLoggingStatus::builder();
    if let Some(Logging { target_bucket: Some(target), target_prefix, .. }) = wanted {
        let enabled = aws::LoggingEnabled::builder()
            .target_bucket(target)
            .target_prefix(target_prefix.clone().unwrap_or_default())
            .build()
            .map_err(|e| incomplete(&e))?;
        status = status.logging_enabled(enabled);
    }
    Ok(status.build())
}

fn notifications(
    wanted: Option<&Notifications>,
) -> Result<aws::NotificationConfiguration, AwsError> {
    let mut configuration = aws::NotificationConfiguration::builder();
    let Some(wanted) = wanted else {
        return Ok(configuration.build());
    };
    for n in wanted.functions.iter().flatten() {
        let built = aws::LambdaFunctionConfiguration::builder()
            .id(&n.id)
            .lambda_function_arn(n.arn.clone().unwrap_or_default())
            .set_events(Some(events(n)))
            .set_filter(filter(n))
            .build();
        configuration =
            configuration.lambda_function_configurations(built.map_err(|e| incomplete(&e))?);
    }
    for n in wanted.queues.iter().flatten() {
        let built = aws::QueueConfiguration::builder()
            .id(&n.id)
            .queue_arn(n.arn.clone().unwrap_or_default())
            .set_events(Some(events(n)))
            .set_filter(filter(n))
            .build();
        configuration = configuration.queue_configurations(built.map_err(|e| incomplete(&e))?);
    }
    for n in wanted.topics.iter().flatten() {
        let built = aws::TopicConfiguration::builder()
            .id(&n.id)
            .topic_arn(n.arn.clone().unwrap_or_default())
            .set_events(Some(events(n)))
            .set_filter(filter(n))
            .build();
        configuration = configuration.topic_configurations(built.map_err(|e| incomplete(&e))?);
    }
    if wanted.event_bridge == Some(true) {
        let bridge = aws::EventBridgeConfiguration::builder().build();
        configuration = configuration.event_bridge_configuration(bridge);
    }
    Ok(configuration.build())
}

fn events(notification: &Notification) -> Vec<aws::Event> {
    notification.events.iter().map(|event| aws::Event::from(event.as_str())).collect()
}

fn filter(notification: &Notification) -> Option<aws::NotificationConfigurationFilter> {
    let rule = |name: aws::FilterRuleName, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(aws::FilterRule::builder().name(name).value(value).build())
    };
    let rules: Vec<_> = [
        rule(aws::FilterRuleName::Prefix, &notification.prefix),
        rule(aws::FilterRuleName::Suffix, &notification.suffix),
    ]
    .into_iter()
    .flatten()
    .collect();
    let key = aws::S3KeyFilter::builder().set_filter_rules(Some(rules.clone())).build();
    let filter = aws::NotificationConfigurationFilter::builder().key(key).build();
    Some(filter).filter(|_| !rules.is_empty())
}
