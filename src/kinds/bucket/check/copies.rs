//! What the schema cannot say of replication and of the configurations that have an id.

use crate::kinds::SpecProblem;
use crate::kinds::bucket::spec::*;
use crate::model::{ObjectFieldRef, ValueFrom};

pub(super) fn validate(spec: &BucketSpec, name: &str) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    if let Some(replication) = &spec.replication {
        problems.extend(check_replication(replication, spec.versioning, name));
    }
    let tierings = spec.intelligent_tiering.as_deref().unwrap_or_default();
    problems.extend(repeated("intelligentTiering", tierings.iter().map(|t| &t.id)));
    for (i, tiering) in tierings.iter().enumerate() {
        problems.extend(check_tierings(&format!("intelligentTiering[{i}].tierings"), tiering));
    }
    let inventories = spec.inventory.as_deref().unwrap_or_default();
    problems.extend(repeated("inventory", inventories.iter().map(|inventory| &inventory.id)));
    for (i, inventory) in inventories.iter().enumerate() {
        let (arn, from) =
            (&inventory.destination.bucket_arn, &inventory.destination.bucket_arn_from);
        let at = format!("inventory[{i}].destination");
        if arn.as_ref().is_some_and(|arn| arn.contains('/')) {
            let message = "the ARN of a bucket has no slash; where in it stands in prefix";
            problems.push(SpecProblem::new(format!("{at}.bucketArn"), message));
        }
        problems.extend(check_bucket(&at, arn.as_ref(), from.as_ref()));
    }
    let metrics = spec.metrics.iter().flatten();
    problems.extend(repeated("metrics", metrics.map(|metrics| &metrics.id)));
    problems
}

fn repeated<'a>(at: &str, ids: impl Iterator<Item = &'a String>) -> Vec<SpecProblem> {
    let (mut seen, mut problems) = (Vec::new(), Vec::new());
    for (i, id) in ids.enumerate() {
        if seen.contains(&id) {
            let message = format!("the id `{id}` is used twice");
            problems.push(SpecProblem::new(format!("{at}[{i}].id"), message));
        }
        seen.push(id);
    }
    problems
}

/// One ARN of a bucket, given or taken from an object.
fn check_bucket(at: &str, arn: Option<&String>, from: Option<&ValueFrom>) -> Option<SpecProblem> {
    let fits = |r: &ObjectFieldRef| r.kind == "Bucket" && r.field == "arn";
    match (arn, from) {
        (Some(_), None) => None,
        (None, Some(from)) if from.object_ref.as_ref().is_some_and(fits) => None,
        (None, Some(_)) => {
            let path = format!("{at}.bucketArnFrom");
            let problem = SpecProblem::new(path, "the destination is the ARN of a Bucket");
            Some(problem.help("objectRef: { kind: Bucket, name: ..., field: arn }"))
        }
        _ => Some(SpecProblem::new(at, "give either bucketArn or bucketArnFrom")),
    }
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-add-config.html>.
fn check_replication(
    replication: &Replication,
    versioning: Option<Versioning>,
    name: &str,
) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    let rules = replication.rules.as_deref().unwrap_or_default();
    if replication.role.is_some() == rules.is_empty() {
        problems.push(SpecProblem::new("replication", "role and rules go together"));
    }
    if !rules.is_empty() && versioning == Some(Versioning::Suspended) {
        problems.push(SpecProblem::new("replication", "replication needs versioning: Enabled"));
    }
    problems.extend(repeated("replication.rules", rules.iter().map(|rule| &rule.id)));
    for (i, rule) in rules.iter().enumerate() {
        let at = format!("replication.rules[{i}]");
        let mut problem = |field: &str, message: &str| {
            problems.push(SpecProblem::new(format!("{at}.{field}"), message));
        };
        // The documentation asks for different priorities among rules to one destination alone:
        // https://docs.aws.amazon.com/AmazonS3/latest/API/API_ReplicationRule.html.
        let is_rival = |other: &ReplicationRule| {
            let to = |rule: &ReplicationRule| {
                (rule.destination.bucket_arn.clone(), rule.destination.bucket_arn_from.clone())
            };
            other.priority == rule.priority && to(other) == to(rule)
        };
        if rules[..i].iter().any(is_rival) {
            problem("priority", "another rule to the same bucket has the same priority");
        }
        // What S3 answers in the words of those that imitate it; it is not documented.
        let arn = rule.destination.bucket_arn.as_deref();
        if arn.and_then(|arn| arn.rsplit(':').next()) == Some(name) {
            problem("destination.bucketArn", "a bucket is not copied into itself");
        }
        let by_tags = rule.tags.as_ref().is_some_and(|tags| !tags.is_empty());
        if by_tags && rule.delete_marker_replication == Some(true) {
            problem("deleteMarkerReplication", "delete markers have no tags");
        }
        let destination = &rule.destination;
        if rule.sse_kms_encrypted_objects == Some(true) && destination.kms_key_arn.is_none() {
            problem("sseKmsEncryptedObjects", "it goes with destination.kmsKeyArn");
        }
        // "SseKmsEncryptedObjects must be specified if EncryptionConfiguration is present":
        // https://github.com/hashicorp/terraform-provider-aws/issues/26241.
        if destination.kms_key_arn.is_some() && rule.sse_kms_encrypted_objects != Some(true) {
            problem("destination.kmsKeyArn", "it goes with sseKmsEncryptedObjects: true");
        }
        if destination.owned_by_destination == Some(true) && destination.account.is_none() {
            problem("destination.ownedByDestination", "it goes with destination.account");
        }
        if destination.replication_time == Some(true) && destination.metrics == Some(false) {
            problem("destination.metrics", "replicationTime cannot be without metrics");
        }
        let (arn, from) = (destination.bucket_arn.as_ref(), destination.bucket_arn_from.as_ref());
        problems.extend(check_bucket(&format!("{at}.destination"), arn, from));
    }
    problems
}

/// Days from which on objects are archived:
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/API_Tiering.html>.
fn check_tierings(at: &str, tiering: &IntelligentTiering) -> Vec<SpecProblem> {
    let mut problems = Vec::new();
    for (i, one) in tiering.tierings.iter().enumerate() {
        if one.access_tier == AccessTier::DeepArchiveAccess && one.days < 180 {
            let message = "objects move to DEEP_ARCHIVE_ACCESS after 180 days or later";
            problems.push(SpecProblem::new(format!("{at}[{i}].days"), message));
        }
        let is_sooner = |other: &Tiering| {
            other.access_tier == AccessTier::ArchiveAccess && one.days <= other.days
        };
        if one.access_tier == AccessTier::DeepArchiveAccess
            && tiering.tierings.iter().any(is_sooner)
        {
            // "... and be greater than days specified in ARCHIVE_ACCESS": S3's answer.
            let message = "objects move to DEEP_ARCHIVE_ACCESS later than to ARCHIVE_ACCESS";
            problems.push(SpecProblem::new(format!("{at}[{i}].days"), message));
        }
        if tiering.tierings[..i].iter().any(|other| other.access_tier == one.access_tier) {
            let message = "an access tier is given once";
            problems.push(SpecProblem::new(format!("{at}[{i}].accessTier"), message));
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn copies_are_checked_for_what_the_schema_cannot_say() {
        let role = "arn:aws:iam::123456789012:role/copy";
        let rule = |extra: Value| {
            let mut rule =
                json!({"id": "a", "priority": 1, "destination": {"bucketArn": "arn:aws:s3:::b"}});
            for (field, value) in extra.as_object().unwrap() {
                rule[field] = value.clone();
            }
            rule
        };
        let copied = |extra: Value| json!({"replication": {"role": role, "rules": [rule(extra)]}});
        let tiered =
            |tierings: Value| json!({"intelligentTiering": [{"id": "a", "tierings": tierings}]});
        let from = |kind: &str| json!({"bucketArnFrom": {"objectRef": {"kind": kind, "name": "x", "field": "arn"}}});
        for (spec, expected) in [
            (copied(json!({})), None),
            (json!({"replication": {}}), None),
            (json!({"replication": {"role": role}}), Some("replication")),
            (
                json!({"versioning": "Suspended", "replication": {"role": role, "rules": [rule(json!({}))]}}),
                Some("replication"),
            ),
            (
                json!({"replication": {"role": role, "rules": [rule(json!({})), rule(json!({"id": "b"}))]}}),
                Some("replication.rules[1].priority"),
            ),
            (
                json!({"replication": {"role": role, "rules": [rule(json!({})), rule(json!({"priority": 2}))]}}),
                Some("replication.rules[1].id"),
            ),
            (
                copied(json!({"tags": {"a": "b"}, "deleteMarkerReplication": true})),
                Some("replication.rules[0].deleteMarkerReplication"),
            ),
            (
                copied(json!({"sseKmsEncryptedObjects": true})),
                Some("replication.rules[0].sseKmsEncryptedObjects"),
            ),
            (copied(json!({"destination": {}})), Some("replication.rules[0].destination")),
            (copied(json!({"destination": from("Bucket")})), None),
            (
                copied(json!({"destination": from("Table")})),
                Some("replication.rules[0].destination.bucketArnFrom"),
            ),
            (
                json!({"replication": {"role": role, "rules": [rule(json!({})), rule(json!({"id": "b", "destination": {"bucketArn": "arn:aws:s3:::c"}}))]}}),
                None,
            ),
            (
                copied(json!({"destination": {"bucketArn": "arn:aws:s3:::shop"}})),
                Some("replication.rules[0].destination.bucketArn"),
            ),
            (tiered(json!([{"days": 90, "accessTier": "ARCHIVE_ACCESS"}])), None),
            (
                tiered(
                    json!([{"days": 180, "accessTier": "DEEP_ARCHIVE_ACCESS"}, {"days": 180, "accessTier": "ARCHIVE_ACCESS"}]),
                ),
                Some("intelligentTiering[0].tierings[0].days"),
            ),
            (
                tiered(json!([{"days": 179, "accessTier": "DEEP_ARCHIVE_ACCESS"}])),
                Some("intelligentTiering[0].tierings[0].days"),
            ),
            (
                tiered(
                    json!([{"days": 90, "accessTier": "ARCHIVE_ACCESS"}, {"days": 91, "accessTier": "ARCHIVE_ACCESS"}]),
                ),
                Some("intelligentTiering[0].tierings[1].accessTier"),
            ),
            (
                copied(json!({"destination": {"bucketArn": "arn:aws:s3:::b", "kmsKeyArn": "k"}})),
                Some("replication.rules[0].destination.kmsKeyArn"),
            ),
            (
                json!({"inventory": [{
                    "id": "all", "includedObjectVersions": "All", "frequency": "Daily",
                    "destination": {"bucketArn": "arn:aws:s3:::lists/all", "format": "CSV"},
                }]}),
                Some("inventory[0].destination.bucketArn"),
            ),
            (json!({"metrics": [{"id": "all"}, {"id": "all"}]}), Some("metrics[1].id")),
        ] {
            let problems = validate(&serde_json::from_value(spec.clone()).unwrap(), "shop");
            let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
            assert_eq!(paths, expected.iter().copied().collect::<Vec<_>>(), "{spec}");
        }
    }
}
