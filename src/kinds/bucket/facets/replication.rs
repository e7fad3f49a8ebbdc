//! Copies of objects in another bucket.
//!
//! A rule with a filter says what becomes of delete markers, too:
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html>.

use aws_sdk_s3::types as aws;

use super::Built;
use super::filter::{Filter, Parts};
use crate::aws::{Absent, AwsError, Service, Session};
use crate::kinds::bucket::spec::{Replication, ReplicationDestination, ReplicationRule};
use crate::kinds::{Facet, UnknownWord, as_aws, word};

pub(super) struct Copies;

/// S3 takes 15 minutes and nothing else:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationTimeValue.html>.
const REPLICATION_MINUTES: i32 = 15;

impl Facet for Copies {
    type Of = str;
    const FIELD: &'static str = "replication";
    const WHAT: &'static str = "replication";
    const READ: (Service, &'static str) = (Service::S3, "GetBucketReplication");
    type Sdk = aws::ReplicationConfiguration;
    type Words = Replication;

    async fn read(session: &Session, bucket: &str) -> Result<Option<Self::Sdk>, AwsError> {
        let (service, operation) = Self::READ;
        let read = session.read(service, operation, || {
            session.s3().get_bucket_replication().bucket(bucket).send()
        });
        let read = read.await.absent("ReplicationConfigurationNotFoundError")?;
        let Some(read) = read else { return Ok(None) };
        AwsError::required(service, operation, read.replication_configuration).map(Some)
    }

    fn words(sdk: &Self::Sdk) -> Result<Option<Replication>, UnknownWord> {
        let rules = sdk.rules.iter().map(in_words).collect::<Result<_, _>>()?;
        Ok(Some(Replication { role: Some(sdk.role.clone()), rules: Some(rules) }))
    }

    fn overlay(words: Replication, live: Option<Self::Sdk>) -> Built<Self::Sdk> {
        let before = live.as_ref().map(|live| &live.rules[..]).unwrap_or_default();
        // A rule of the first version goes back as it came only beside others of its kind.
        let stays = |rule: &ReplicationRule| {
            let before = before.iter().find(|before| before.id() == Some(&rule.id));
            before.is_some_and(|before| in_words(before).is_ok_and(|words| words == *rule))
        };
        let all_stay = words.rules.iter().flatten().all(stays);
        let may_stay = |rule: &aws::ReplicationRule| all_stay || rule.filter.is_some();
        let rules = words.rules.into_iter().flatten().map(|rule| {
            let before = before.iter().find(|before| before.id() == Some(&rule.id)).cloned();
            match before {
                // A rule that says what its words say goes back as it came.
                Some(before) if stays(&rule) && may_stay(&before) => Ok(before),
                before => overlay_rule(rule, before),
            }
        });
        let rules = rules.collect::<Built<Vec<_>>>()?;
        let role = words.role.or(live.map(|live| live.role)).unwrap_or_default();
        aws::ReplicationConfiguration::builder().role(role).set_rules(Some(rules)).build()
    }

    async fn write(session: &Session, bucket: &str, sdk: Self::Sdk) -> Result<(), AwsError> {
        let call = session.s3().put_bucket_replication().bucket(bucket);
        let call = call.replication_configuration(sdk).send();
        session.write(Service::S3, "PutBucketReplication", call).await.map(drop)
    }

    async fn clear(session: &Session, bucket: &str, _: Option<Self::Sdk>) -> Result<(), AwsError> {
        let call = session.s3().delete_bucket_replication().bucket(bucket).send();
        session.write(Service::S3, "DeleteBucketReplication", call).await.map(drop)
    }
}

fn filter_of(rule: &aws::ReplicationRule) -> Filter {
    let filter = rule.filter();
    let and = filter.and_then(|f| f.and());
    // Rules of the first version carry the prefix outside of the filter.
    #[allow(deprecated)]
    let bare = rule.prefix();
    Filter::of(&Parts {
        prefix: filter.and_then(|f| f.prefix()).or(bare),
        tag: filter.and_then(|f| f.tag()),
        and_prefix: and.and_then(|a| a.prefix()),
        and_tags: and.map(|a| a.tags()).unwrap_or_default(),
    })
}

fn in_words(rule: &aws::ReplicationRule) -> Result<ReplicationRule, UnknownWord> {
    let filter = filter_of(rule);
    let on = |field, status: Option<&str>| {
        let is_on = status.map(|status| super::is_enabled(field, status)).transpose()?;
        Ok(is_on.filter(|on| *on))
    };
    let selection = rule.source_selection_criteria();
    let encrypted = selection.and_then(|s| s.sse_kms_encrypted_objects());
    let modified = selection.and_then(|s| s.replica_modifications());
    let markers = rule.delete_marker_replication().and_then(|d| d.status());
    // Rules of the first version, which have no filter, copy the delete markers of users:
    // https://aws.amazon.com/blogs/storage/managing-delete-marker-replication-in-amazon-s3/.
    let is_of_first_version = rule.filter().is_none() && markers.is_none();
    let existing = rule.existing_object_replication();
    let destination =
        rule.destination().ok_or_else(|| UnknownWord::new("replication.destination", "none"))?;
    let time = destination.replication_time().map(|t| t.status.as_str());
    let metrics = destination.metrics().map(|m| m.status.as_str());
    let class = destination.storage_class().map(|class| class.as_str());
    let owner = destination.access_control_translation().map(|a| a.owner.as_str());
    Ok(ReplicationRule {
        id: rule.id().unwrap_or_default().to_owned(),
        priority: rule.priority.unwrap_or(0),
        enabled: Some(super::is_enabled("replication.rules.enabled", rule.status.as_str())?),
        prefix: filter.prefix,
        tags: filter.tags,
        delete_marker_replication: on(
            "replication.rules.deleteMarkerReplication",
            markers.map(|status| status.as_str()),
        )?
        .or(is_of_first_version.then_some(true)),
        existing_object_replication: on(
            "replication.rules.existingObjectReplication",
            existing.map(|e| e.status.as_str()),
        )?,
        sse_kms_encrypted_objects: on(
            "replication.rules.sseKmsEncryptedObjects",
            encrypted.map(|e| e.status.as_str()),
        )?,
        replica_modifications: on(
            "replication.rules.replicaModifications",
            modified.map(|m| m.status.as_str()),
        )?,
        destination: ReplicationDestination {
            bucket_arn: Some(destination.bucket.clone()),
            bucket_arn_from: None,
            account: destination.account.clone(),
            storage_class: class
                .map(|class| word("replication.rules.destination.storageClass", class))
                .transpose()?,
            owned_by_destination: match owner {
                None => None,
                Some("Destination") => Some(true),
                Some(other) => {
                    let field = "replication.rules.destination.ownedByDestination";
                    return Err(UnknownWord::new(field, other));
                }
            },
            kms_key_arn: destination
                .encryption_configuration()
                .and_then(|e| e.replica_kms_key_id.clone()),
            replication_time: on("replication.rules.destination.replicationTime", time)?,
            metrics: on("replication.rules.destination.metrics", metrics)?,
        },
    })
}

fn overlay_rule(
    words: ReplicationRule,
    before: Option<aws::ReplicationRule>,
) -> Built<aws::ReplicationRule> {
    let status = aws::ReplicationRuleStatus::from(super::status(words.enabled));
    let mut rule = match before {
        Some(rule) => rule,
        None => aws::ReplicationRule::builder().id(&words.id).status(status.clone()).build()?,
    };
    rule.status = status;
    rule.priority = Some(words.priority);
    let wanted = Filter::wanted(words.prefix, words.tags);
    if wanted != filter_of(&rule) || rule.filter.is_none() {
        // Of the first version of rules, which AWS's SDK calls deprecated.
        #[allow(deprecated)]
        {
            rule.prefix = None;
        }
        rule.filter = Some(filter(wanted)?);
    }
    let switch = |on: Option<bool>| super::status(Some(on == Some(true)));
    rule.delete_marker_replication = Some(
        aws::DeleteMarkerReplication::builder()
            .status(switch(words.delete_marker_replication).into())
            .build(),
    );
    rule.existing_object_replication = words
        .existing_object_replication
        .map(|on| aws::ExistingObjectReplication::builder().status(switch(Some(on)).into()).build())
        .transpose()?;
    let encrypted = words
        .sse_kms_encrypted_objects
        .map(|on| aws::SseKmsEncryptedObjects::builder().status(switch(Some(on)).into()).build());
    let modified = words
        .replica_modifications
        .map(|on| aws::ReplicaModifications::builder().status(switch(Some(on)).into()).build());
    let selects = encrypted.is_some() || modified.is_some();
    let selection = aws::SourceSelectionCriteria::builder()
        .set_sse_kms_encrypted_objects(encrypted.transpose()?)
        .set_replica_modifications(modified.transpose()?)
        .build();
    rule.source_selection_criteria = selects.then_some(selection);
    rule.destination = Some(destination(words.destination)?);
    Ok(rule)
}

fn filter(wanted: Filter) -> Built<aws::ReplicationRuleFilter> {
    let (tags, filter) = (wanted.tags()?, aws::ReplicationRuleFilter::builder());
    if wanted.is_composed() {
        let and = aws::ReplicationRuleAndOperator::builder();
        let and = and.set_prefix(wanted.prefix).set_tags(Some(tags)).build();
        return Ok(filter.and(and).build());
    }
    let prefix = if wanted.is_empty() { Some(String::new()) } else { wanted.prefix };
    Ok(filter.set_prefix(prefix).set_tag(tags.into_iter().next()).build())
}

/// The words say all that a destination has.
fn destination(words: ReplicationDestination) -> Built<aws::Destination> {
    let minutes = || aws::ReplicationTimeValue::builder().minutes(REPLICATION_MINUTES).build();
    let in_time = words.replication_time == Some(true);
    let time = in_time.then(|| {
        let on = aws::ReplicationTimeStatus::Enabled;
        aws::ReplicationTime::builder().status(on).time(minutes()).build()
    });
    let metrics = (in_time || words.metrics == Some(true)).then(|| {
        let threshold = in_time.then(minutes);
        let on = aws::MetricsStatus::Enabled;
        aws::Metrics::builder().status(on).set_event_threshold(threshold).build()
    });
    let owner = (words.owned_by_destination == Some(true)).then(|| {
        aws::AccessControlTranslation::builder().owner(aws::OwnerOverride::Destination).build()
    });
    let class = words.storage_class.map(as_aws);
    let encryption = words
        .kms_key_arn
        .map(|key| aws::EncryptionConfiguration::builder().replica_kms_key_id(key).build());
    aws::Destination::builder()
        .bucket(words.bucket_arn.unwrap_or_default())
        .set_account(words.account)
        .set_storage_class(class)
        .set_access_control_translation(owner.transpose()?)
        .set_encryption_configuration(encryption)
        .set_replication_time(time.transpose()?)
        .set_metrics(metrics.transpose()?)
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_first_version() -> aws::ReplicationRule {
        let to = aws::Destination::builder().bucket("arn:aws:s3:::copies").build().unwrap();
        #[allow(deprecated)]
        let rule = aws::ReplicationRule::builder().id("all").prefix("in/").destination(to);
        rule.status(aws::ReplicationRuleStatus::Enabled).build().unwrap()
    }

    #[test]
    fn a_rule_of_the_first_version_copies_delete_markers_and_is_written_so() {
        let live = aws::ReplicationConfiguration::builder().role("r").rules(of_first_version());
        let live = live.build().unwrap();
        let mut words = Copies::words(&live).unwrap().unwrap();
        assert_eq!(Copies::overlay(words.clone(), Some(live.clone())).unwrap(), live);
        let rule = &mut words.rules.as_mut().unwrap()[0];
        assert_eq!(rule.delete_marker_replication, Some(true));
        assert_eq!(rule.prefix.as_deref(), Some("in/"));
        let beside = ReplicationRule { id: "more".to_owned(), priority: 2, ..rule.clone() };
        let both =
            Replication { rules: Some(vec![rule.clone(), beside]), ..Replication::default() };
        let both = Copies::overlay(both, Some(live.clone())).unwrap().rules;
        assert!(both.iter().all(|rule| rule.filter.is_some()), "S3 takes no two versions at once");
        rule.enabled = Some(false);
        let written = Copies::overlay(words, Some(live)).unwrap().rules.remove(0);
        let markers = written.delete_marker_replication.unwrap().status.unwrap();
        assert_eq!(markers, aws::DeleteMarkerReplicationStatus::Enabled);
        assert_eq!(written.filter.unwrap().prefix.as_deref(), Some("in/"));
    }
}
