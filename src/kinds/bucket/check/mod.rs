//! What the schema of a Bucket cannot say. Pure.

mod copies;

use crate::kinds::SpecProblem;
use crate::model::{ObjectFieldRef, ValueFrom};

use super::spec::*;

/// What names of buckets do not begin or end with:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html>.
const RESERVED_PREFIXES: [&str; 3] = ["xn--", "sthree-", "amzn-s3-demo-"];
const RESERVED_SUFFIXES: [&str; 6] =
    ["-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3", "-an"];

/// The same page.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let prefix = RESERVED_PREFIXES.iter().find(|prefix| name.starts_with(**prefix));
    let suffix = RESERVED_SUFFIXES.iter().find(|suffix| name.ends_with(**suffix));
    if let Some(reserved) = prefix.or(suffix) {
        return Err(format!("names of buckets with `{reserved}` are reserved by AWS"));
    }
    if (3..=63).contains(&name.len())
        && name.chars().all(legal)
        && edge(name.chars().next())
        && edge(name.chars().last())
        && !name.contains("..")
        && name.parse::<std::net::Ipv4Addr>().is_err()
    {
        return Ok(());
    }
    Err("a bucket's name has 3 to 63 lower-case letters, digits, `-` or `.`, begins and ends with \
         a letter or digit, and is the only one of its name in the world"
        .to_owned())
}

pub(super) fn validate(spec: &BucketSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if let Some(encryption) = &spec.encryption
        && encryption.algorithm == EncryptionAlgorithm::AES256
        && encryption.kms_key_arn.is_some()
    {
        let message = "kmsKeyArn goes with aws:kms and aws:kms:dsse";
        problems.push(SpecProblem::new("encryption.kmsKeyArn", message));
    }
    if let Some(encryption) = &spec.encryption
        && encryption.algorithm == EncryptionAlgorithm::AwsKmsDsse
        && encryption.bucket_key_enabled == Some(true)
    {
        let message = "dual-layer encryption (aws:kms:dsse) takes no bucket key";
        problems.push(SpecProblem::new("encryption.bucketKeyEnabled", message));
    }
    let mut seen = Vec::new();
    for (i, rule) in spec.lifecycle.iter().flatten().enumerate() {
        if seen.contains(&&rule.id) {
            let message = format!("rule id `{}` is used twice", rule.id);
            problems.push(SpecProblem::new(format!("lifecycle[{i}].id"), message));
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
        problems.push(SpecProblem::new("website", message));
    }
    if let Some(logging) = &spec.logging
        && logging.target_bucket.is_some()
        && logging.target_bucket_from.is_some()
    {
        problems
            .push(SpecProblem::new("logging", "give targetBucket or targetBucketFrom, not both"));
    }
    let from = spec.logging.as_ref().and_then(|l| l.target_bucket_from.as_ref());
    let fits = |r: &ObjectFieldRef| r.kind == "Bucket" && r.field == "name";
    if from.is_some_and(|from| !from.object_ref.as_ref().is_some_and(fits)) {
        let problem =
            SpecProblem::new("logging.targetBucketFrom", "a log bucket is the name of a Bucket");
        problems.push(problem.help("objectRef: { kind: Bucket, name: ..., field: name }"));
    }
    problems.extend(check_notifications(spec));
    problems.extend(check_cors(spec));
    problems.extend(check_routing(spec));
    problems.extend(copies::validate(spec));
    if let Some(lock) = &spec.object_lock {
        let retention = lock.default_retention.as_ref();
        if retention.is_some_and(|r| r.days.is_some() == r.years.is_some()) {
            let message = "a retention is so many days or so many years: give one of the two";
            problems.push(SpecProblem::new("objectLock.defaultRetention", message));
        }
        if *lock != ObjectLock::default() && spec.versioning == Some(Versioning::Suspended) {
            let message = "object lock needs versioning: Enabled";
            problems.push(SpecProblem::new("objectLock", message));
        }
    }
    if let Some(website) = &spec.website
        && website.index_document.as_ref().is_some_and(|suffix| suffix.contains('/'))
    {
        let message = "the index document's name has no slash: S3 looks for it in every folder";
        problems.push(SpecProblem::new("website.indexDocument", message));
    }
    problems
}

/// One `*` in an origin, and none in the headers that are shown: versity/versitygw issue 1870 and
/// noobaa/noobaa-core issue 8954 have S3's own answers.
fn check_cors(spec: &BucketSpec) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (i, rule) in spec.cors.iter().flatten().enumerate() {
        let origins = rule.allowed_origins.iter().filter(|origin| origin.matches('*').count() > 1);
        for origin in origins {
            let message = format!("`{origin}` has more than one *");
            problems.push(SpecProblem::new(format!("cors[{i}].allowedOrigins"), message));
        }
        if rule.expose_headers.iter().flatten().any(|header| header.contains('*')) {
            let message = "headers that are shown are named one by one, without *";
            problems.push(SpecProblem::new(format!("cors[{i}].exposeHeaders"), message));
        }
    }
    problems
}

fn check_routing(spec: &BucketSpec) -> Vec<SpecProblem> {
    let rules = spec.website.iter().flat_map(|website| website.routing_rules.iter().flatten());
    let both = rules.enumerate().filter(|(_, rule)| {
        rule.redirect.replace_key_with.is_some() && rule.redirect.replace_key_prefix_with.is_some()
    });
    both.map(|(i, _)| {
        let path = format!("website.routingRules[{i}].redirect");
        SpecProblem::new(path, "give replaceKeyWith or replaceKeyPrefixWith, not both")
    })
    .collect()
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_LifecycleRule.html>.
fn check_rule(at: &str, rule: &LifecycleRule) -> Vec<SpecProblem> {
    let against = expiration_problems(rule)
        .into_iter()
        .chain(transition_problems(rule))
        .chain(date_and_tag_problems(rule));
    let problem = |(field, message): (String, String)| {
        let path = if field.is_empty() { at.to_owned() } else { format!("{at}.{field}") };
        SpecProblem::new(path, message)
    };
    against.map(problem).collect()
}

/// What is against a rule: the field, empty for the whole rule, and why.
type Against = Vec<(String, String)>;

fn expiration_problems(rule: &LifecycleRule) -> Against {
    let mut problems = Against::new();
    let mut problem = |field: &str, message: String| problems.push((field.to_owned(), message));
    let marker = rule.expired_object_delete_marker == Some(true);
    let moves = |list: Option<usize>| list.is_some_and(|length| length > 0);
    let acts = rule.expiration_days.is_some()
        || rule.expiration_date.is_some()
        || marker
        || rule.noncurrent_version_expiration_days.is_some()
        || rule.abort_incomplete_multipart_upload_days.is_some()
        || moves(rule.transitions.as_ref().map(Vec::len))
        || moves(rule.noncurrent_version_transitions.as_ref().map(Vec::len));
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
    problems
}

fn transition_problems(rule: &LifecycleRule) -> Against {
    let mut problems = Against::new();
    let mut problem = |field: &str, message: String| problems.push((field.to_owned(), message));
    for (i, transition) in rule.transitions.iter().flatten().enumerate() {
        let at = format!("transitions[{i}]");
        if transition.days.is_some() == transition.date.is_some() {
            problem(&at, "give either days or date".to_owned());
        }
        if transition.days.is_some_and(|days| days < 30) && is_infrequent(transition.storage_class)
        {
            problem(&at, "objects move to this class after 30 days or later".to_owned());
        }
        if let (Some(moved), Some(expired)) = (transition.days, rule.expiration_days)
            && moved >= expired
        {
            let message = format!("objects move after {moved} days and expire after {expired}");
            problem(&at, message);
        }
    }
    let moved = || rule.transitions.iter().flatten();
    let by_days = rule.expiration_days.is_some() || moved().any(|t| t.days.is_some());
    let by_date = rule.expiration_date.is_some() || moved().any(|t| t.date.is_some());
    // Both S3's answer to a mixed rule and who met it:
    // https://github.com/hashicorp/terraform-provider-aws/issues/23674.
    if by_days && by_date {
        let message = "a rule goes by days or by dates, not by both; make two rules";
        problem("", message.to_owned());
    }
    for (i, transition) in rule.noncurrent_version_transitions.iter().flatten().enumerate() {
        let at = format!("noncurrentVersionTransitions[{i}]");
        if transition.days < 30 && is_infrequent(transition.storage_class) {
            problem(&at, "versions move to this class after 30 days or later".to_owned());
        }
    }
    problems
}

fn date_and_tag_problems(rule: &LifecycleRule) -> Against {
    let moved = rule.transitions.iter().flatten();
    let dates = rule.expiration_date.iter().chain(moved.filter_map(|t| t.date.as_ref()));
    let is_none = |date: &&String| date.parse::<jiff::civil::Date>().is_err();
    let dates = dates
        .filter(is_none)
        .map(|date| (String::new(), format!("`{date}` is not a date; write it as 2027-01-31")));
    let is_too_long = |(name, value): &(&String, &String)| {
        name.is_empty() || name.chars().count() > 128 || value.chars().count() > 256
    };
    let message = "the name of a tag has 1 to 128 characters, its value up to 256";
    let tags = rule.tags.iter().flatten().filter(is_too_long);
    dates.chain(tags.map(|_| ("tags".to_owned(), message.to_owned()))).collect()
}

/// Classes that take objects from 30 days on:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/lifecycle-transition-general-considerations.html>.
fn is_infrequent(class: TransitionClass) -> bool {
    matches!(class, TransitionClass::StandardIa | TransitionClass::OnezoneIa)
}

/// Functions are the only objects that can be notified, by either of their ARNs.
fn is_arn(list: &str, from: &ValueFrom) -> bool {
    let fits =
        |r: &ObjectFieldRef| r.kind == "Function" && ["arn", "functionArn"].contains(&&*r.field);
    list == "functions" && from.object_ref.as_ref().is_some_and(fits)
}

fn check_notifications(spec: &BucketSpec) -> Vec<SpecProblem> {
    let Some(notifications) = &spec.notifications else {
        return Vec::new();
    };
    let lists = [
        ("functions", &notifications.functions),
        ("queues", &notifications.queues),
        ("topics", &notifications.topics),
    ];
    let mut problems = check_overlaps(&lists);
    let mut seen = Vec::new();
    for (name, list) in lists {
        for (i, notification) in list.iter().flatten().enumerate() {
            if seen.contains(&&notification.id) {
                let message = format!("the id `{}` is used twice", notification.id);
                problems.push(SpecProblem::new(format!("notifications.{name}[{i}].id"), message));
            }
            seen.push(&notification.id);
            problems.extend(check_target(name, i, notification));
            if let Some(event) = notification.events.iter().find(|event| !is_event(event)) {
                let path = format!("notifications.{name}[{i}].events");
                let problem = SpecProblem::new(path, format!("`{event}` is not an event of S3"));
                problems.push(problem.help("events are written as s3:ObjectCreated:*"));
            }
            if notification.arn.is_some() == notification.arn_from.is_some() {
                let path = format!("notifications.{name}[{i}]");
                problems.push(SpecProblem::new(path, "give either arn or arnFrom"));
            } else if notification.arn_from.as_ref().is_some_and(|from| !is_arn(name, from)) {
                let problem = SpecProblem::new(
                    format!("notifications.{name}[{i}].arnFrom"),
                    "it is notified by the ARN of an object",
                );
                problems.push(problem.help("objectRef: { kind: Function, name: ..., field: arn }"));
            }
        }
    }
    problems
}

/// S3 refuses two notifications of one event for objects that both mean:
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html>.
fn check_overlaps(lists: &[(&str, &Option<Vec<Notification>>)]) -> Vec<SpecProblem> {
    let all = lists.iter().flat_map(|(name, list)| {
        list.iter().flatten().enumerate().map(move |(i, notification)| (*name, i, notification))
    });
    let all: Vec<_> = all.collect();
    let mut problems = Vec::new();
    for (place, (name, i, one)) in all.iter().enumerate() {
        let other = all[..place].iter().find(|(_, _, other)| {
            let shares = |event: &String| other.events.iter().any(|o| are_alike(event, o));
            one.events.iter().any(shares) && filters_meet(one, other)
        });
        if let Some((other_name, other, _)) = other {
            let message = format!(
                "S3 takes an event of an object once, and {other_name}[{other}] has the same events for objects \
                 that both mean"
            );
            problems.push(SpecProblem::new(format!("notifications.{name}[{i}]"), message));
        }
    }
    problems
}

/// `s3:ObjectCreated:*` and `s3:ObjectCreated:Put` are about the same event.
fn are_alike(one: &str, other: &str) -> bool {
    let begins = |pattern: &str, event: &str| {
        pattern.strip_suffix('*').is_some_and(|start| event.starts_with(start))
    };
    one == other || begins(one, other) || begins(other, one)
}

/// Whether an object's name can have both prefixes and both suffixes.
fn filters_meet(one: &Notification, other: &Notification) -> bool {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let (a, b) = (text(&one.prefix), text(&other.prefix));
    let (c, d) = (text(&one.suffix), text(&other.suffix));
    (a.starts_with(&b) || b.starts_with(&a)) && (c.ends_with(&d) || d.ends_with(&c))
}

/// A list of one sort of destination takes no ARN of another.
fn check_target(list: &str, i: usize, notification: &Notification) -> Option<SpecProblem> {
    let service = match list {
        "functions" => "lambda",
        "queues" => "sqs",
        _ => "sns",
    };
    let arn = notification.arn.as_ref()?;
    let is_it = arn.split(':').nth(2) == Some(service);
    let message = if !is_it {
        format!("{list} are notified by ARNs of {service}")
    } else if arn.ends_with(".fifo") {
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html.
        "S3 does not notify FIFO queues and topics".to_owned()
    } else {
        return None;
    };
    Some(SpecProblem::new(format!("notifications.{list}[{i}].arn"), message))
}

/// The events that S3 notifies of: botocore's service model, and the families of
/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-event-types-and-destinations.html>.
const EVENTS: [(&str, &[&str]); 11] = [
    ("ReducedRedundancyLostObject", &[""]),
    ("ObjectCreated", &["*", "Put", "Post", "Copy", "CompleteMultipartUpload"]),
    ("ObjectRemoved", &["*", "Delete", "DeleteMarkerCreated"]),
    ("ObjectRestore", &["*", "Post", "Completed", "Delete"]),
    (
        "Replication",
        &[
            "*",
            "OperationFailedReplication",
            "OperationNotTracked",
            "OperationMissedThreshold",
            "OperationReplicatedAfterThreshold",
        ],
    ),
    ("LifecycleTransition", &[""]),
    ("IntelligentTiering", &[""]),
    ("ObjectAcl", &["Put"]),
    ("LifecycleExpiration", &["*", "Delete", "DeleteMarkerCreated"]),
    ("ObjectTagging", &["*", "Put", "Delete"]),
    ("ObjectAnnotation", &["*", "Put", "Delete"]),
];

fn is_event(event: &str) -> bool {
    let Some(name) = event.strip_prefix("s3:") else { return false };
    let (family, kind) = name.split_once(':').unwrap_or((name, ""));
    EVENTS.iter().any(|(known, kinds)| *known == family && kinds.contains(&kind))
}
