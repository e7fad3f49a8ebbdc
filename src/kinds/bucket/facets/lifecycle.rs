//! Rules by which objects move and expire.
//!
//! A put replaces all rules, and resets the smallest size that moves where it does not name it
//! (<https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutBucketLifecycleConfiguration.html>), so that
//! goes along as it was read.

use std::collections::BTreeMap;

use aws_sdk_s3::types as aws;
use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use aws_smithy_types::error::operation::BuildError;

use super::Built;
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{LifecycleRule, NoncurrentTransition, Transition};
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct Lifecycle;

/// The rules, and what stands beside them in a header.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    rules: Vec<aws::LifecycleRule>,
    minimum_object_size: Option<aws::TransitionDefaultMinimumObjectSize>,
}

impl Facet for Lifecycle {
    type Of = str;
    const FIELD: &'static str = "lifecycle";
    const WHAT: &'static str = "lifecycle";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketLifecycleConfiguration");
    type Sdk = Rules;
    type Words = Vec<LifecycleRule>;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Rules>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_lifecycle_configuration().bucket(bucket).send()
        });
        let read = read.await.absent("NoSuchLifecycleConfiguration")?;
        let Some(read) = read else { return Ok(None) };
        let rules = AwsError::required(service, operation, read.rules)?;
        let minimum_object_size = read.transition_default_minimum_object_size;
        Ok(Some(Rules { rules, minimum_object_size }))
    }

    fn words(sdk: &Rules) -> Result<Option<Vec<LifecycleRule>>, UnknownWord> {
        sdk.rules.iter().map(in_words).collect::<Result<_, _>>().map(Some)
    }

    fn overlay(words: Vec<LifecycleRule>, live: Option<Rules>) -> Built<Rules> {
        let live = live.unwrap_or_default();
        let rules = words.into_iter().map(|rule| {
            let before = live.rules.iter().find(|before| before.id() == Some(&rule.id)).cloned();
            match before {
                // A rule that says what its words say goes back as it came.
                Some(before) if in_words(&before).is_ok_and(|words| words == rule) => Ok(before),
                before => overlay_rule(rule, before),
            }
        });
        let rules = rules.collect::<Built<_>>()?;
        Ok(Rules { rules, minimum_object_size: live.minimum_object_size })
    }

    async fn write(session: &Session, bucket: &str, sdk: Rules) -> Result<(), AwsError> {
        let operation = "PutBucketLifecycleConfiguration";
        let rules = aws::BucketLifecycleConfiguration::builder().set_rules(Some(sdk.rules)).build();
        let rules = rules.map_err(|error| AwsError::incomplete(Service::S3, operation, &error))?;
        let call = session
            .s3()
            .put_bucket_lifecycle_configuration()
            .bucket(bucket)
            .set_transition_default_minimum_object_size(sdk.minimum_object_size)
            .lifecycle_configuration(rules);
        session.write(Service::S3, operation, call.send()).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_lifecycle().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketLifecycle", call).await.map(drop)
    }
}

/// What a rule is limited to.
#[derive(Clone, Debug, Default, PartialEq)]
struct Limits {
    prefix: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    greater_than: Option<i64>,
    less_than: Option<i64>,
}

impl Limits {
    fn of(rule: &aws::LifecycleRule) -> Self {
        let filter = rule.filter();
        let and = filter.and_then(|f| f.and());
        // Rules made long ago carry the prefix outside of the filter.
        #[allow(deprecated)]
        let bare = rule.prefix();
        let prefix = filter.and_then(|f| f.prefix()).or(and.and_then(|a| a.prefix())).or(bare);
        let one = filter.and_then(|f| f.tag()).map(std::slice::from_ref);
        let tags = one.or(and.map(|a| a.tags())).unwrap_or_default().iter();
        let tags: BTreeMap<_, _> = tags.map(|t| (t.key.clone(), t.value.clone())).collect();
        let size = |of_filter: Option<i64>, of_and: Option<i64>| of_filter.or(of_and);
        Self {
            prefix: prefix.filter(|prefix| !prefix.is_empty()).map(str::to_owned),
            tags: Some(tags).filter(|tags| !tags.is_empty()),
            greater_than: size(
                filter.and_then(|f| f.object_size_greater_than()),
                and.and_then(|a| a.object_size_greater_than()),
            ),
            less_than: size(
                filter.and_then(|f| f.object_size_less_than()),
                and.and_then(|a| a.object_size_less_than()),
            ),
        }
    }

    /// One limit stands alone in a filter, several in its `And`.
    fn filter(self) -> Built<aws::LifecycleRuleFilter> {
        let tag =
            |(key, value): (String, String)| aws::Tag::builder().key(key).value(value).build();
        let tags = self.tags.into_iter().flatten().map(tag).collect::<Built<Vec<_>>>()?;
        let sizes =
            usize::from(self.greater_than.is_some()) + usize::from(self.less_than.is_some());
        let filter = aws::LifecycleRuleFilter::builder();
        if usize::from(self.prefix.is_some()) + tags.len() + sizes > 1 {
            let and = aws::LifecycleRuleAndOperator::builder()
                .set_prefix(self.prefix)
                .set_tags(Some(tags).filter(|tags| !tags.is_empty()))
                .set_object_size_greater_than(self.greater_than)
                .set_object_size_less_than(self.less_than);
            return Ok(filter.and(and.build()).build());
        }
        let is_unlimited = self.prefix.is_none() && tags.is_empty() && sizes == 0;
        Ok(filter
            .set_prefix(if is_unlimited { Some(String::new()) } else { self.prefix })
            .set_tag(tags.into_iter().next())
            .set_object_size_greater_than(self.greater_than)
            .set_object_size_less_than(self.less_than)
            .build())
    }
}

fn in_words(rule: &aws::LifecycleRule) -> Result<LifecycleRule, UnknownWord> {
    let limits = Limits::of(rule);
    let class = |field, class: Option<&aws::TransitionStorageClass>| {
        word(field, class.map_or("", |class| class.as_str()))
    };
    let transitions = rule.transitions().iter().map(|t| {
        Ok(Transition {
            days: t.days,
            date: t.date.as_ref().map(day),
            storage_class: class("lifecycle.transitions.storageClass", t.storage_class())?,
        })
    });
    let noncurrent = rule.noncurrent_version_transitions().iter().map(|t| {
        let field = "lifecycle.noncurrentVersionTransitions.storageClass";
        Ok(NoncurrentTransition {
            days: t.noncurrent_days.unwrap_or(0),
            newer_noncurrent_versions: t.newer_noncurrent_versions.filter(|n| *n > 0),
            storage_class: class(field, t.storage_class())?,
        })
    });
    let expiration = rule.expiration();
    let versions = rule.noncurrent_version_expiration();
    let newer = versions.and_then(|v| v.newer_noncurrent_versions).filter(|newer| *newer > 0);
    let transitions = transitions.collect::<Result<Vec<_>, _>>()?;
    let noncurrent = noncurrent.collect::<Result<Vec<_>, _>>()?;
    Ok(LifecycleRule {
        id: rule.id().unwrap_or_default().to_owned(),
        enabled: Some(super::is_enabled("lifecycle.enabled", rule.status().as_str())?),
        prefix: limits.prefix,
        tags: limits.tags,
        object_size_greater_than: limits.greater_than,
        object_size_less_than: limits.less_than,
        expiration_days: expiration.and_then(|e| e.days()).filter(|days| *days > 0),
        expiration_date: expiration.and_then(|e| e.date()).map(day),
        expired_object_delete_marker: expiration
            .and_then(|e| e.expired_object_delete_marker())
            .filter(|on| *on),
        noncurrent_version_expiration_days: versions.and_then(|v| v.noncurrent_days),
        newer_noncurrent_versions: newer,
        abort_incomplete_multipart_upload_days: rule
            .abort_incomplete_multipart_upload()
            .and_then(|a| a.days_after_initiation()),
        transitions: Some(transitions).filter(|list| !list.is_empty()),
        noncurrent_version_transitions: Some(noncurrent).filter(|list| !list.is_empty()),
    })
}

/// S3 takes midnights only; another time, should it show one, is shown whole.
fn day(date: &DateTime) -> String {
    let text = date.fmt(Format::DateTime).unwrap_or_default();
    text.strip_suffix("T00:00:00Z").map_or_else(|| text.clone(), str::to_owned)
}

fn midnight(day: &str) -> Built<DateTime> {
    let time = if day.contains('T') { day.to_owned() } else { format!("{day}T00:00:00Z") };
    DateTime::from_str(&time, Format::DateTime)
        .map_err(|error| BuildError::other(format!("`{day}` is no day: {error}")))
}

fn overlay_rule(
    words: LifecycleRule,
    before: Option<aws::LifecycleRule>,
) -> Built<aws::LifecycleRule> {
    let status = aws::ExpirationStatus::from(super::status(words.enabled));
    let mut rule = match before {
        Some(rule) => rule,
        None => aws::LifecycleRule::builder().id(&words.id).status(status.clone()).build()?,
    };
    rule.status = status;
    let limits = Limits {
        prefix: words.prefix.filter(|prefix| !prefix.is_empty()),
        tags: words.tags.filter(|tags| !tags.is_empty()),
        greater_than: words.object_size_greater_than,
        less_than: words.object_size_less_than,
    };
    // There are several ways to write the same limits: what means the same is left as it is. One of them is the
    // prefix outside of the filter, which AWS still shows and its SDK calls deprecated.
    #[allow(deprecated)]
    if limits != Limits::of(&rule) || (rule.filter.is_none() && rule.prefix.is_none()) {
        rule.prefix = None;
        rule.filter = Some(limits.filter()?);
    }
    rule.expiration = expiration(
        words.expiration_days,
        words.expiration_date.as_deref(),
        words.expired_object_delete_marker,
    )?;
    rule.noncurrent_version_expiration = words.noncurrent_version_expiration_days.map(|days| {
        aws::NoncurrentVersionExpiration::builder()
            .noncurrent_days(days)
            .set_newer_noncurrent_versions(words.newer_noncurrent_versions)
            .build()
    });
    rule.abort_incomplete_multipart_upload =
        words.abort_incomplete_multipart_upload_days.map(|days| {
            aws::AbortIncompleteMultipartUpload::builder().days_after_initiation(days).build()
        });
    let transitions = words.transitions.into_iter().flatten().map(|t| {
        let date = t.date.as_deref().map(midnight).transpose()?;
        let class: aws::TransitionStorageClass = as_aws(t.storage_class);
        let built = aws::Transition::builder().set_days(t.days).set_date(date);
        Ok(built.storage_class(class).build())
    });
    let transitions = transitions.collect::<Built<Vec<_>>>()?;
    rule.transitions = Some(transitions).filter(|list| !list.is_empty());
    let noncurrent = words.noncurrent_version_transitions.into_iter().flatten().map(|t| {
        aws::NoncurrentVersionTransition::builder()
            .noncurrent_days(t.days)
            .set_newer_noncurrent_versions(t.newer_noncurrent_versions)
            .storage_class(as_aws(t.storage_class))
            .build()
    });
    let noncurrent: Vec<_> = noncurrent.collect();
    rule.noncurrent_version_transitions = Some(noncurrent).filter(|list| !list.is_empty());
    Ok(rule)
}

fn expiration(
    days: Option<i32>,
    date: Option<&str>,
    marker: Option<bool>,
) -> Built<Option<aws::LifecycleExpiration>> {
    let marker = marker.filter(|on| *on);
    if days.is_none() && date.is_none() && marker.is_none() {
        return Ok(None);
    }
    let expiration = aws::LifecycleExpiration::builder()
        .set_days(days)
        .set_date(date.map(midnight).transpose()?)
        .set_expired_object_delete_marker(marker);
    Ok(Some(expiration.build()))
}
