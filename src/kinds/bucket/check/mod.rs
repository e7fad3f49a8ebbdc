//! What the schema of a Bucket cannot say. Pure.

mod copies;
mod lifecycle;

use crate::kinds::{SpecProblem, policy};
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

/// `name` is the bucket's own.
pub(super) fn validate(spec: &BucketSpec, name: &str) -> Vec<SpecProblem> {
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
        problems.extend(lifecycle::check_rule(&format!("lifecycle[{i}]"), rule));
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
    problems.extend(copies::validate(spec, name));
    // "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names":
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/transfer-acceleration.html.
    if spec.accelerate == Some(Acceleration::Enabled) && name.contains('.') {
        let message = format!("S3 accelerates no bucket with a dot in its name, as `{name}`");
        problems.push(SpecProblem::new("accelerate", message));
    }
    if let Some(policy) = &spec.policy {
        problems.extend(policy::check("policy", policy, &policy::Of::bucket(name)));
    }
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
        // https://docs.aws.amazon.com/AmazonS3/latest/userguide/ManageCorsUsing.html.
        let mut allowed = rule.allowed_headers.iter().flatten();
        if let Some(header) = allowed.find(|header| header.matches('*').count() > 1) {
            let message = format!("`{header}` has more than one *");
            problems.push(SpecProblem::new(format!("cors[{i}].allowedHeaders"), message));
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
