//! What the schema of a Bucket cannot say. Pure.

use crate::kinds::Problem;
use crate::model::{ObjectFieldRef, ValueFrom};

use super::spec::*;

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
        problems.extend(check_rule(&format!("lifecycle[{i}]"), rule));
    }
    if let Some(website) = &spec.website
        && website.redirect_all_requests_to.is_some()
        && (website.index_document.is_some()
            || website.error_document.is_some()
            || website.routing_rules.is_some())
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

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html>.
fn check_rule(at: &str, rule: &LifecycleRule) -> Vec<Problem> {
    let marker = rule.expired_object_delete_marker == Some(true);
    let moves = |list: Option<usize>| list.is_some_and(|length| length > 0);
    let acts = rule.expiration_days.is_some()
        || rule.expiration_date.is_some()
        || marker
        || rule.noncurrent_version_expiration_days.is_some()
        || rule.abort_incomplete_multipart_upload_days.is_some()
        || moves(rule.transitions.as_ref().map(Vec::len))
        || moves(rule.noncurrent_version_transitions.as_ref().map(Vec::len));
    let mut problems = Vec::new();
    let mut problem = |field: &str, message: String| {
        let path = if field.is_empty() { at.to_owned() } else { format!("{at}.{field}") };
        problems.push(Problem::new(path, message));
    };
    if !acts {
        let message =
            format!("rule `{}` does nothing; give it an expiration or a transition", rule.id);
        problem("", message);
    }
    let expirations = [rule.expiration_days.is_some(), rule.expiration_date.is_some(), marker];
    if expirations.iter().filter(|given| **given).count() > 1 {
        let message =
            "a rule has one of expirationDays, expirationDate and expiredObjectDeleteMarker";
        problem("", message.to_owned());
    }
    let by_tags = rule.tags.as_ref().is_some_and(|tags| !tags.is_empty());
    let by_size = rule.object_size_greater_than.is_some() || rule.object_size_less_than.is_some();
    if marker && (by_tags || by_size) {
        let message = "delete markers have no tags and no size";
        problem("expiredObjectDeleteMarker", message.to_owned());
    }
    if rule.abort_incomplete_multipart_upload_days.is_some() && (by_tags || by_size) {
        let message = "uploads that are not complete have no tags and no size";
        problem("abortIncompleteMultipartUploadDays", message.to_owned());
    }
    if rule.newer_noncurrent_versions.is_some() && rule.noncurrent_version_expiration_days.is_none()
    {
        let message = "it goes with noncurrentVersionExpirationDays";
        problem("newerNoncurrentVersions", message.to_owned());
    }
    for (i, transition) in rule.transitions.iter().flatten().enumerate() {
        if transition.days.is_some() == transition.date.is_some() {
            problem(&format!("transitions[{i}]"), "give either days or date".to_owned());
        }
    }
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
