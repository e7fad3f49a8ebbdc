//! What a bucket loses by going from one declared form to another. Pure.

use serde_json::json;

use super::spec::{
    BucketSpec, DefaultRetention, EncryptionAlgorithm, LifecycleRule, ObjectLock, ObjectOwnership,
    PublicAccessBlock, RetentionMode, Versioning,
};
use crate::kinds::policy;

pub(super) fn losses(before: &BucketSpec, after: &BucketSpec) -> Vec<String> {
    let mut losses = Vec::new();
    if before.versioning == Some(Versioning::Enabled)
        && after.versioning == Some(Versioning::Suspended)
    {
        losses.push("what is overwritten or deleted leaves no version any more".to_owned());
    }
    let earlier = before.lifecycle.iter().flatten();
    for rule in after.lifecycle.iter().flatten().filter(|rule| expires(rule)) {
        // The same filter, and no sooner.
        let is_no_worse =
            earlier.clone().any(|other| other.id == rule.id && !is_sooner(other, rule));
        if !is_no_worse {
            losses.push(format!("lifecycle rule {} deletes objects, or sooner than now", rule.id));
        }
    }
    if is_kept_shorter(before.object_lock.as_ref(), after.object_lock.as_ref()) {
        losses.push("new objects are locked for less time, or not at all".to_owned());
    }
    let is_kms = |spec: &BucketSpec| {
        let encryption = spec.encryption.as_ref();
        encryption.map(|encryption| encryption.algorithm != EncryptionAlgorithm::AES256)
    };
    if is_kms(before) == Some(true) && is_kms(after) == Some(false) {
        losses.push("new objects are encrypted by no KMS key any more".to_owned());
    }
    let copies = |spec: &BucketSpec| {
        spec.replication.as_ref().map(|replication| replication.rules.iter().flatten().count())
    };
    if copies(before) > Some(0) && copies(after) == Some(0) {
        losses.push("new objects are copied nowhere any more".to_owned());
    }
    losses.extend(opened(before, after));
    losses
}

/// What keeps others out now and does not afterwards. What a form does not declare stays as it is.
fn opened(before: &BucketSpec, after: &BucketSpec) -> Vec<String> {
    let mut opened = Vec::new();
    if let (Some(before), Some(after)) = (before.public_access_block, after.public_access_block) {
        let is_removed = after == PublicAccessBlock::default();
        let opens = |(name, before, after): (&str, Option<bool>, Option<bool>)| {
            let opens = before == Some(true) && (after == Some(false) || is_removed);
            opens.then(|| format!("publicAccessBlock.{name} goes off"))
        };
        let switches = [
            ("blockPublicAcls", before.block_public_acls, after.block_public_acls),
            ("ignorePublicAcls", before.ignore_public_acls, after.ignore_public_acls),
            ("blockPublicPolicy", before.block_public_policy, after.block_public_policy),
            (
                "restrictPublicBuckets",
                before.restrict_public_buckets,
                after.restrict_public_buckets,
            ),
        ];
        opened.extend(switches.into_iter().filter_map(opens));
    }
    let enforced = Some(ObjectOwnership::BucketOwnerEnforced);
    if before.object_ownership == enforced
        && after.object_ownership.is_some_and(|after| Some(after) != enforced)
    {
        opened.push("ACLs count again".to_owned());
    }
    if let (Some(before), Some(after)) = (&before.policy, &after.policy) {
        opened.extend(policy::weakened(&json!(before), &json!(after), "policy"));
    }
    opened
}

fn is_kept_shorter(before: Option<&ObjectLock>, after: Option<&ObjectLock>) -> bool {
    let Some(before) = before.and_then(|lock| lock.default_retention) else { return false };
    // An empty lock takes the retention away; none leaves it as it is.
    let Some(after) = after else { return false };
    let Some(after) = after.default_retention else { return *after == ObjectLock::default() };
    let days = |retention: DefaultRetention| {
        retention.days.unwrap_or_default() + retention.years.unwrap_or_default() * DAYS_A_YEAR
    };
    let is_weaker = before.mode == RetentionMode::Compliance && after.mode != before.mode;
    is_weaker || days(after) < days(before)
}

/// As S3 counts the years of a retention; a leap day matters to nobody here.
const DAYS_A_YEAR: i32 = 365;

fn expires(rule: &LifecycleRule) -> bool {
    rule.enabled != Some(false)
        && (rule.expiration_days.is_some()
            || rule.expiration_date.is_some()
            || rule.noncurrent_version_expiration_days.is_some())
}

/// A rule deletes what another one left, or earlier.
fn is_sooner(before: &LifecycleRule, after: &LifecycleRule) -> bool {
    let days = |before: Option<i32>, after: Option<i32>| match (before, after) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(before), Some(after)) => after < before,
    };
    let filter = |rule: &LifecycleRule| {
        let LifecycleRule { prefix, tags, object_size_greater_than, object_size_less_than, .. } =
            rule;
        (prefix.clone(), tags.clone(), *object_size_greater_than, *object_size_less_than)
    };
    before.enabled == Some(false)
        || filter(before) != filter(after)
        || before.expiration_date != after.expiration_date && after.expiration_date.is_some()
        || days(before.expiration_days, after.expiration_days)
        || days(before.noncurrent_version_expiration_days, after.noncurrent_version_expiration_days)
        || after.newer_noncurrent_versions < before.newer_noncurrent_versions
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_is_kept_for_less_time_or_opened_is_a_loss() {
        let spec = |spec: Value| -> BucketSpec { serde_json::from_value(spec).unwrap() };
        let rule = |more: Value| {
            let mut rule = json!({"id": "logs", "prefix": "logs/"});
            rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({"lifecycle": [rule]})
        };
        let sooner = vec!["lifecycle rule logs deletes objects, or sooner than now"];
        let versioning = |state: &str| json!({"versioning": state});
        let shorter = vec!["new objects are locked for less time, or not at all"];
        let lock = |mode: &str, days: i32| json!({"objectLock": {"enabled": true, "defaultRetention": {"mode": mode, "days": days}}});
        let off = vec!["publicAccessBlock.blockPublicPolicy goes off"];
        let block = |on: bool| json!({"publicAccessBlock": {"blockPublicPolicy": on}});
        let encryption = |algorithm: &str| json!({"encryption": {"algorithm": algorithm}});
        let owner = |of: &str| json!({"objectOwnership": of});
        let statement = |sid: &str, effect: &str| json!({"Sid": sid, "Effect": effect, "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"});
        let policy = |statements: &[Value]| json!({"policy": {"Version": "2012-10-17", "Statement": statements}});
        for (before, after, expected) in [
            (
                rule(json!({"expirationDays": 90})),
                rule(json!({"expirationDays": 30})),
                sooner.clone(),
            ),
            (rule(json!({"expirationDays": 30})), rule(json!({"expirationDays": 90})), vec![]),
            (json!({}), rule(json!({"expirationDays": 90})), sooner.clone()),
            (
                rule(json!({"expirationDays": 30})),
                rule(json!({"expirationDays": 30, "prefix": ""})),
                sooner,
            ),
            (rule(json!({"expirationDays": 30})), json!({}), vec![]),
            (json!({}), rule(json!({"expirationDays": 3, "enabled": false})), vec![]),
            (
                versioning("Enabled"),
                versioning("Suspended"),
                vec!["what is overwritten or deleted leaves no version any more"],
            ),
            (versioning("Suspended"), versioning("Enabled"), vec![]),
            (lock("COMPLIANCE", 30), lock("GOVERNANCE", 30), shorter.clone()),
            (lock("GOVERNANCE", 30), lock("GOVERNANCE", 29), shorter.clone()),
            (lock("GOVERNANCE", 30), lock("COMPLIANCE", 30), vec![]),
            (lock("GOVERNANCE", 30), json!({"objectLock": {}}), shorter),
            (lock("GOVERNANCE", 30), json!({}), vec![]),
            (block(true), block(false), off.clone()),
            (block(true), json!({"publicAccessBlock": {}}), off),
            (block(true), json!({}), vec![]),
            (block(false), block(true), vec![]),
            (owner("BucketOwnerEnforced"), owner("ObjectWriter"), vec!["ACLs count again"]),
            (owner("ObjectWriter"), owner("BucketOwnerEnforced"), vec![]),
            (
                policy(&[statement("no", "Deny")]),
                policy(&[]),
                vec!["the policy has no Statement[no] any more"],
            ),
            (policy(&[statement("no", "Deny")]), json!({}), vec![]),
            (policy(&[]), policy(&[statement("no", "Deny")]), vec![]),
            (
                policy(&[]),
                policy(&[statement("all", "Allow")]),
                vec!["Statement[all] of the policy lets everybody in"],
            ),
            (policy(&[statement("all", "Allow")]), policy(&[]), vec![]),
            (
                encryption("aws:kms"),
                encryption("AES256"),
                vec!["new objects are encrypted by no KMS key any more"],
            ),
            (encryption("AES256"), encryption("aws:kms"), vec![]),
            (encryption("aws:kms"), json!({}), vec![]),
        ] {
            assert_eq!(
                losses(&spec(before.clone()), &spec(after.clone())),
                expected,
                "{before} {after}"
            );
        }
    }
}
