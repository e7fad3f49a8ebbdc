//! What to do about a bucket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use schemars::schema_for;
use serde_json::{Value, json};

use super::check;
use super::facets::FACETS;
use super::observe::LiveBucket;
use super::spec::*;
use crate::kinds::{
    AnyFacet, Comparison, Desired, FacetStep, LiveSide, comparable, policy, push_facets, readable,
    split_off,
};
use crate::model::{Path, Segment, ValueFrom};
use crate::plan::{Change, PartlyBlocked, Plan, Shape, Verb, is_empty};

/// One call to S3.
#[derive(Clone, Debug, PartialEq)]
pub enum BucketStep {
    /// Makes the bucket with these tags.
    Create(BTreeMap<String, String>),
    /// The whole set of tags that the bucket shall have.
    Tag(BTreeMap<String, String>),
    /// Writes or removes a facet.
    Facet(FacetStep<str>),
    /// Deletes the bucket, which S3 does only while it is empty.
    Delete,
}

static SHAPE: LazyLock<Shape> = LazyLock::new(|| {
    Shape::of(
        schema_for!(BucketSpec).as_value(),
        &["website.indexDocument", "logging.targetBucket"],
    )
});

pub(super) fn plan(desired: &Desired<BucketSpec>, live: Option<&LiveBucket>) -> Plan<BucketStep> {
    let spec = resolved(desired);
    let by_meaning = |value| policy::by_meaning(value, "policy");
    let declared = by_meaning(comparable(&spec, &desired.tags));
    let Some(live) = live else {
        let given = desired.compare(declared, LiveSide::Nothing(&json!({})), &SHAPE).changes;
        let mut plan = Plan::default();
        let create = BucketStep::Create(desired.tags.clone());
        plan.push_whole(Verb::Create, "bucket", given, create);
        return plan;
    };
    let seen = by_meaning(live.words(&declared));
    let compared = desired.compare(declared.clone(), LiveSide::Resource(&seen), &SHAPE);
    let mut changes = compared.changes.clone();
    // S3 never turns a lock off, so that null says nothing there.
    changes.retain(|c| c.path.to_string() != "objectLock.enabled" || c.desired.is_some());
    let mut plan = Plan { changes: changes.clone(), ..Plan::default() };
    let widening = changes.iter().filter(|change| widens(change, &desired.spec));
    let policy_path = Path::default().field("policy");
    let live_policy = live.facets.get("policy").map(|seen| &seen.words);
    let mut unasked = desired.unasked(widening, &SHAPE);
    unasked.extend(desired.unasked_policy("policy", live_policy));
    plan.partly_blocked = desired.ask(unasked);
    if let Some(part) = &mut plan.partly_blocked {
        part.paths.iter_mut().for_each(to_whole);
        let beside: Vec<_> = changes.iter().filter(|c| weakens_beside(part, c)).collect();
        let paths: Vec<_> = beside.into_iter().map(|change| change.path.clone()).collect();
        part.paths.extend(paths);
    }
    let mut effective = compared.effective.clone();
    if let Some(part) = &mut plan.partly_blocked {
        let hold = |part: &PartlyBlocked| {
            let held = desired.holding(&part.paths);
            held.compare(declared.clone(), LiveSide::Resource(&seen), &SHAPE)
        };
        let facets = unwritable_facets(&hold(part), part, &desired.aws_name);
        part.paths.extend(facets.into_iter().map(|facet| Path::default().field(&facet)));
        effective = hold(part).effective;
        changes.retain(|change| !part.holds(&change.path));
    }
    settle_website(&mut effective, &declared);
    settle_retention(&mut effective, &declared);
    if let Some(policy) = effective.get_mut("policy").filter(|policy| policy.is_string()) {
        // It was one text to be compared by its meaning.
        *policy = json!(spec.policy);
    }
    let is_asked = plan.partly_blocked.as_ref().is_some_and(|part| part.holds(&policy_path));
    let beside = desired.policy_beside("policy", live_policy).filter(|_| is_asked);
    if let Some((written, of_statements)) = beside {
        effective["policy"] = written;
        plan.changes.extend(of_statements.iter().cloned());
        changes.extend(of_statements);
    }
    let tags = split_off(&mut changes, &["tags"]);
    if !tags.is_empty() {
        let mut all = live.tags.clone();
        all.extend(compared.tags(&desired.tags));
        plan.push(Verb::Update, "tags", tags, BucketStep::Tag(all)).stands_alone();
    }
    // Versioning cannot be suspended while replication needs it:
    // https://docs.aws.amazon.com/AmazonS3/latest/userguide/replication-and-other-bucket-configs.html
    let goes = |facet: &&dyn AnyFacet<str>| {
        facet.field() == "replication" && effective.get("replication").is_none_or(is_empty)
    };
    let (first, then): (Vec<_>, Vec<_>) = FACETS.into_iter().partition(goes);
    let facets = first.into_iter().chain(then);
    push_facets(&mut plan, facets, &live.facets, &effective, &mut changes, BucketStep::Facet);
    plan
}

/// Where a rule's objects go is held as a whole: an account, a key and a bucket belong together.
fn to_whole(path: &mut Path) {
    let whole = path.0.iter().position(|segment| segment.name() == "destination");
    path.0.truncate(whole.map_or(usize::MAX, |at| at + 1));
}

/// Facets that cannot be written around what waits in them: what waits would be written, too, or S3 would refuse the rest
/// beside it. They wait as a whole.
fn unwritable_facets(held: &Comparison, part: &PartlyBlocked, name: &str) -> BTreeSet<String> {
    // A policy is written around its limits by its statements.
    let waiting = part.paths.iter().map(|path| path.root().to_owned());
    let waiting: BTreeSet<_> = waiting.filter(|root| root != "policy").collect();
    let still = held.changes.iter().filter(|change| part.holds(&change.path));
    let mut unwritable: BTreeSet<_> = still.map(|change| change.path.root().to_owned()).collect();
    // What cannot be read as a spec is told by the facet's own step.
    let spec: Option<BucketSpec> = readable(&held.effective).ok();
    let problems = spec.map(|spec| check::validate(&spec, name)).unwrap_or_default();
    let root = |path: &str| path.split(['.', '[']).next().unwrap_or_default().to_owned();
    unwritable.extend(problems.iter().map(|problem| root(&problem.path)));
    unwritable.retain(|root| waiting.contains(root));
    unwritable
}

/// A change that does harm while another one waits: a bucket is not opened to a policy that stays as it is, and its
/// versions do not end while a lifecycle stays that deletes objects.
fn weakens_beside(part: &PartlyBlocked, change: &Change) -> bool {
    let waits = |field: &str| part.holds(&Path::default().field(field));
    match change.path.root() {
        "publicAccessBlock" => waits("policy") && change.desired != Some(json!(true)),
        "versioning" => waits("lifecycle") && change.desired != Some(json!("Enabled")),
        _ => false,
    }
}

/// A change by which a rule acts on more than it does now, and that no manifest spells out.
fn widens(change: &Change, spec: &BucketSpec) -> bool {
    let (root, id, field) = match &change.path.0[..] {
        [Segment::Field(root), Segment::Element(id), Segment::Field(field), ..] => {
            (root.as_str(), id, field.as_str())
        }
        // The rules of a replication, and whom notifications tell, stand one deeper.
        [
            Segment::Field(root),
            Segment::Field(_),
            Segment::Element(id),
            Segment::Field(field),
            ..,
        ] => (root.as_str(), id, field.as_str()),
        _ => return false,
    };
    let is_taken_away = change.live.is_some() && change.desired.is_none();
    match (root, field) {
        ("lifecycle" | "intelligentTiering" | "replication", "prefix" | "tags") => is_taken_away,
        (
            "lifecycle",
            "objectSizeGreaterThan" | "objectSizeLessThan" | "newerNoncurrentVersions",
        ) => is_taken_away,
        ("lifecycle" | "intelligentTiering" | "replication", "enabled") => {
            change.live == Some(json!(false)) && !says_enabled(spec, root, id)
        }
        // Without them copies have another owner or key, or are not made.
        ("replication", "sseKmsEncryptedObjects") => is_taken_away,
        ("replication", "destination") => {
            let of_copies = ["account", "kmsKeyArn", "ownedByDestination"];
            let field = change.path.0.last().map(Segment::name);
            is_taken_away && field.is_some_and(|field| of_copies.contains(&field))
        }
        // Without them every object is listed or told of, and lists are written unencrypted.
        ("inventory", "prefix") | ("notifications", "prefix" | "suffix") => is_taken_away,
        // Without it every request is sent elsewhere.
        ("website", "condition") => is_taken_away,
        ("inventory", "destination") => {
            let field = change.path.0.last().map(Segment::name);
            is_taken_away && field.is_some_and(|field| ["account", "kmsKeyArn"].contains(&field))
        }
        ("lifecycle", "noncurrentVersionTransitions") => {
            keeps_newer(&change.live) && !keeps_newer(&change.desired)
        }
        _ => false,
    }
}

/// Whether the manifest says of a rule that it is on or off.
fn says_enabled(spec: &BucketSpec, root: &str, id: &str) -> bool {
    let replication = spec.replication.iter().flat_map(|r| r.rules.iter().flatten());
    let mut said: Box<dyn Iterator<Item = (&String, Option<bool>)>> = match root {
        "lifecycle" => Box::new(spec.lifecycle.iter().flatten().map(|r| (&r.id, r.enabled))),
        "replication" => Box::new(replication.map(|r| (&r.id, r.enabled))),
        _ => Box::new(spec.intelligent_tiering.iter().flatten().map(|t| (&t.id, t.enabled))),
    };
    said.any(|(rule, enabled)| rule == id && enabled.is_some())
}

/// Whether a transition of noncurrent versions leaves some of them where they are.
fn keeps_newer(transitions: &Option<Value>) -> bool {
    let list = transitions.as_ref().and_then(Value::as_array);
    list.into_iter().flatten().any(|t| t.get("newerNoncurrentVersions").is_some())
}

/// A redirect of everything excludes all else: what was declared wins over what the live side completed.
fn settle_website(effective: &mut Value, declared: &Value) {
    const REDIRECT: &str = "redirectAllRequestsTo";
    let says = |field: &str| declared["website"].get(field).is_some_and(|v| !v.is_null());
    let Some(website) = effective.get_mut("website").and_then(Value::as_object_mut) else {
        return;
    };
    // Validation refuses both at once.
    if says(REDIRECT) {
        website.retain(|field, _| field == REDIRECT);
    } else if ["indexDocument", "errorDocument", "routingRules"].into_iter().any(says) {
        website.remove(REDIRECT);
    }
}

/// A retention is in days or in years: the one that is declared takes the place of the other.
fn settle_retention(effective: &mut Value, declared: &Value) {
    const RETENTION: &str = "/objectLock/defaultRetention";
    let Some(Value::Object(retention)) = effective.pointer_mut(RETENTION) else { return };
    for (one, other) in [("days", "years"), ("years", "days")] {
        if retention.contains_key(one)
            && retention.contains_key(other)
            && declared.pointer(&format!("{RETENTION}/{one}")).is_some_and(Value::is_i64)
        {
            retention.remove(other);
        }
    }
}

/// The spec with references to other objects put in as plain values.
fn resolved(desired: &Desired<BucketSpec>) -> BucketSpec {
    let mut spec = desired.spec.clone();
    let value = |from: &Option<ValueFrom>| {
        let reference = from.as_ref()?.object_ref.as_ref()?;
        desired.resolved.field(reference).map(str::to_owned)
    };
    if let Some(logging) = &mut spec.logging
        && let Some(name) = value(&logging.target_bucket_from)
    {
        logging.target_bucket = Some(name);
        logging.target_bucket_from = None;
    }
    if let Some(notifications) = &mut spec.notifications {
        let lists =
            [&mut notifications.functions, &mut notifications.queues, &mut notifications.topics];
        for notification in lists.into_iter().flatten().flatten() {
            if let Some(arn) = value(&notification.arn_from) {
                notification.arn = Some(arn);
                notification.arn_from = None;
            }
        }
    }
    if let Some(rules) = spec.replication.as_mut().and_then(|r| r.rules.as_mut()) {
        for rule in rules.iter_mut() {
            *rule = rule.clone().settled();
            if let Some(arn) = value(&rule.destination.bucket_arn_from) {
                (rule.destination.bucket_arn, rule.destination.bucket_arn_from) = (Some(arn), None);
            }
        }
    }
    for tiering in spec.intelligent_tiering.iter_mut().flatten() {
        tiering.enabled.get_or_insert(true);
    }
    for inventory in spec.inventory.iter_mut().flatten() {
        inventory.enabled.get_or_insert(true);
        if let Some(arn) = value(&inventory.destination.bucket_arn_from) {
            let destination = &mut inventory.destination;
            (destination.bucket_arn, destination.bucket_arn_from) = (Some(arn), None);
        }
    }
    if let Some(kinds) = spec.encryption.as_mut().and_then(|e| e.blocked_encryption_types.as_mut())
        && kinds.is_empty()
    {
        // Nothing is blocked, in S3's words.
        kinds.push(BlockedEncryptionType::None);
    }
    for rule in spec.lifecycle.iter_mut().flatten() {
        rule.enabled.get_or_insert(true);
        rule.expired_object_delete_marker = rule.expired_object_delete_marker.filter(|on| *on);
    }
    spec
}

pub(super) fn plan_deletion() -> Plan<BucketStep> {
    let mut plan = Plan::default();
    plan.push_whole(Verb::Delete, "bucket", Vec::new(), BucketStep::Delete);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::render_plan;

    /// A bucket whose facets say these words.
    fn bucket(words: &Value, tags: &BTreeMap<String, String>) -> LiveBucket {
        let seen = |facet: &'static dyn AnyFacet<str>| {
            let words = words.get(facet.field());
            (facet.field(), words.map_or_else(|| facet.unset(), |words| facet.saying(words)))
        };
        LiveBucket {
            facets: FACETS.into_iter().map(seen).collect(),
            name: "dev-it".to_owned(),
            region: "us-east-1".to_owned(),
            tags: tags.clone(),
            unread: Vec::new(),
        }
    }

    fn planned(declared: Value, live: Value) -> Plan<BucketStep> {
        let desired = Desired::sample("Bucket", declared);
        plan(&desired, Some(&bucket(&live, &desired.tags)))
    }

    /// What each step sends, in the SDK's words.
    fn sent(plan: &Plan<BucketStep>) -> Vec<String> {
        plan.steps.iter().map(|step| format!("{:?}", step.call)).collect()
    }

    #[test]
    fn a_facet_is_written_whole_and_an_empty_one_is_removed() {
        let declared = json!({
            "versioning": "Enabled",
            "publicAccessBlock": {"blockPublicAcls": true},
            "cors": [],
            "website": {},
        });
        let live = json!({
            "versioning": "Suspended",
            "publicAccessBlock": {"blockPublicAcls": false, "ignorePublicAcls": true},
            "cors": [{"allowedOrigins": ["*"], "allowedMethods": ["GET"]}],
            "website": {"indexDocument": "index.html"},
        });
        let plan = planned(declared, live);
        insta::assert_snapshot!(render_plan(&plan));
        assert!(sent(&plan)[0].contains("ignore_public_acls: Some(true)"), "{:?}", sent(&plan));
    }

    #[test]
    fn what_a_partial_block_leaves_out_stays_beside_a_policy_too() {
        let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}]});
        let closed = json!({"blockPublicAcls": true, "ignorePublicAcls": true, "blockPublicPolicy": true, "restrictPublicBuckets": true});
        let declared = json!({"policy": policy, "publicAccessBlock": {"blockPublicPolicy": false}});
        for live in [
            json!({"publicAccessBlock": closed}),
            json!({"publicAccessBlock": closed, "policy": policy}),
        ] {
            let plan = planned(declared.clone(), live);
            assert_eq!(
                sent(&plan)[0],
                "Facet(public access block PublicAccessBlockConfiguration { block_public_acls: Some(true), \
                 ignore_public_acls: Some(true), block_public_policy: Some(false), restrict_public_buckets: \
                 Some(true) })"
            );
        }
    }

    #[test]
    fn a_policy_that_means_the_same_is_left_alone() {
        let policy = |action: Value| json!({"policy": {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}]}});
        let same = planned(policy(json!(["s3:GetObject"])), policy(json!("s3:GetObject")));
        assert!(same.is_settled(), "{}", render_plan(&same));
        let other = planned(policy(json!("s3:*")), policy(json!("s3:GetObject")));
        assert_eq!(other.steps.len(), 1);
    }

    #[test]
    fn tags_that_nobody_declared_are_carried_along() {
        let desired: Desired<BucketSpec> = Desired::sample("Bucket", json!({}));
        let by_hand = BTreeMap::from([("by-hand".to_owned(), "1".to_owned())]);
        let plan = plan(&desired, Some(&bucket(&json!({}), &by_hand)));
        let BucketStep::Tag(tags) = &plan.steps[0].call else { panic!("{:?}", plan.steps) };
        assert_eq!(tags.len(), 4, "{tags:?}");
    }

    #[test]
    fn a_retention_in_days_takes_the_place_of_one_in_years_and_the_other_way_round() {
        let lock = |time: &str, number: i32| json!({"objectLock": {"enabled": true, "defaultRetention": {"mode": "GOVERNANCE", time: number}}});
        for (declared, live, kept, gone) in [
            (lock("days", 30), lock("years", 1), "days: Some(30)", "years: Some"),
            (lock("years", 2), lock("days", 7), "years: Some(2)", "days: Some"),
        ] {
            let sent = sent(&planned(declared, live)).join("");
            assert!(sent.contains(kept) && !sent.contains(gone), "{sent}");
        }
    }

    #[test]
    fn a_redirect_gives_way_to_documents_and_the_other_way_round() {
        let documents = json!({"website": {"indexDocument": "index.html"}});
        let redirect = json!({"website": {"redirectAllRequestsTo": {"hostName": "x.com"}}});
        for (declared, seen, kept, gone) in [
            (&documents, &redirect, "suffix: \"index.html\"", "x.com"),
            (&redirect, &documents, "host_name: \"x.com\"", "index.html"),
        ] {
            let plan = planned(declared.clone(), seen.clone());
            let sent = sent(&plan).join("");
            assert!(sent.contains(kept) && !sent.contains(gone), "{sent}");
        }
    }

    #[test]
    fn each_facet_is_written_or_removed_and_only_when_it_differs() {
        let cors = |origin: &str| json!({"cors": [{"allowedOrigins": [origin], "allowedMethods": ["GET"]}]});
        let website = |page: &str| json!({"website": {"indexDocument": page}});
        let policy =
            |sid: &str| json!({"policy": {"Version": "2012-10-17", "Statement": [{"Sid": sid}]}});
        let notifies = json!({"notifications": {"functions": [{"id": "a", "arn": "arn:a", "events": ["s3:ObjectCreated:*"]}]}});
        let nobody = json!({"notifications": {}});
        let keyed = json!({"encryption": {"algorithm": "aws:kms", "kmsKeyArn": "arn:k", "bucketKeyEnabled": true}});
        for (declared, seen, expected) in [
            (json!({}), website("index.html"), vec![]),
            (cors("*"), cors("a.com"), vec!["Update cors"]),
            (website("a.html"), website("b.html"), vec!["Update website"]),
            (json!({"versioning": "Enabled"}), json!({}), vec!["Update versioning"]),
            (policy("a"), policy("b"), vec!["Update policy"]),
            (json!({"policy": {}}), policy("b"), vec!["Delete policy"]),
            (json!({"policy": null}), policy("b"), vec!["Delete policy"]),
            (json!({"website": null}), website("index.html"), vec!["Delete website"]),
            (json!({"versioning": null}), json!({"versioning": "Suspended"}), vec![]),
            (
                json!({"versioning": null}),
                json!({"versioning": "Enabled"}),
                vec!["Delete versioning"],
            ),
            (
                json!({"encryption": null}),
                json!({"encryption": {"algorithm": "AES256", "bucketKeyEnabled": false}}),
                vec![],
            ),
            (json!({"encryption": null}), keyed.clone(), vec!["Delete encryption"]),
            (json!({"encryption": {"algorithm": "aws:kms"}}), keyed.clone(), vec![]),
            (
                json!({"encryption": {"algorithm": "aws:kms", "kmsKeyArn": null}}),
                keyed,
                vec!["Update encryption"],
            ),
            (nobody.clone(), notifies.clone(), vec!["Delete notifications"]),
            (
                nobody.clone(),
                json!({"notifications": {"eventBridge": true}}),
                vec!["Delete notifications"],
            ),
            (notifies.clone(), notifies, vec![]),
        ] {
            let plan = planned(declared.clone(), seen.clone());
            assert_eq!(plan.outline(), expected, "{declared} over {seen}");
            assert_eq!(plan.changes.is_empty(), expected.is_empty(), "{:?}", plan.changes);
        }
    }

    /// A live rule, the manifest's, the one that it was in accord with, and what comes of it.
    #[test]
    fn a_rule_reaches_more_objects_only_when_somebody_said_so() {
        let rule = |extra: Value| {
            let mut rule = json!({"id": "tmp", "expirationDays": 1});
            for (field, value) in extra.as_object().unwrap() {
                rule[field] = value.clone();
            }
            json!({"lifecycle": [rule]})
        };
        let all = rule(json!({}));
        let stays = rule(json!({"noncurrentVersionExpirationDays": 7}));
        for limit in [
            json!({"prefix": "logs/"}),
            json!({"tags": {"temporary": "true"}}),
            json!({"objectSizeGreaterThan": 1000}),
            json!({"objectSizeLessThan": 1000}),
            json!({"noncurrentVersionExpirationDays": 7, "newerNoncurrentVersions": 3}),
            json!({"noncurrentVersionTransitions": [{"days": 1, "newerNoncurrentVersions": 2, "storageClass": "GLACIER"}]}),
        ] {
            let limited = rule(limit.clone());
            let field = limit.as_object().unwrap().keys().next_back().unwrap().clone();
            let wider = match field.as_str() {
                "newerNoncurrentVersions" => &stays,
                "noncurrentVersionTransitions" => &rule(
                    json!({"noncurrentVersionTransitions": [{"days": 1, "storageClass": "GLACIER"}]}),
                ),
                _ => &all,
            };
            let mut desired: Desired<BucketSpec> = Desired::sample("Bucket", wider.clone());
            let live = bucket(&limited, &desired.tags);
            let found = plan(&desired, Some(&live));
            let blocked = found.obstacle().cloned().unwrap_or_else(|| panic!("{limit}"));
            assert_eq!(blocked.reason, "ConfirmationNeeded", "{limit}");
            assert!(
                blocked.message.starts_with(&format!("lifecycle[tmp].{field} ")),
                "{}",
                blocked.message
            );
            assert_eq!(found.changes[0].path.to_string(), format!("lifecycle[tmp].{field}"));
            desired.confirmed = true;
            assert_eq!(
                plan(&desired, Some(&live)).outline(),
                ["Update lifecycle"],
                "confirmed: {limit}"
            );
            desired.confirmed = false;
            desired.previous = Some(limited.clone().into());
            assert_eq!(
                plan(&desired, Some(&live)).outline(),
                ["Update lifecycle"],
                "declared before: {limit}"
            );
        }
    }

    #[test]
    fn lists_stay_encrypted_and_notifications_as_narrow_as_somebody_made_them() {
        let list = |destination: Value| {
            let mut all = json!({"bucketArn": "arn:aws:s3:::lists", "format": "CSV"});
            all.as_object_mut().unwrap().extend(destination.as_object().unwrap().clone());
            json!({"inventory": [{
                "id": "all", "frequency": "Daily", "includedObjectVersions": "All", "destination": all,
            }]})
        };
        let told = |filter: Value| {
            let mut told = json!({
                "id": "resize", "arn": "arn:aws:sqs:us-east-1:123456789012:q", "events": ["s3:ObjectCreated:*"],
            });
            told.as_object_mut().unwrap().extend(filter.as_object().unwrap().clone());
            json!({"notifications": {"queues": [told]}})
        };
        let key = "arn:aws:kms:us-east-1:123456789012:key/lists";
        for (declared, live, path) in [
            (
                list(json!({})),
                list(json!({"kmsKeyArn": key})),
                "inventory[all].destination.kmsKeyArn",
            ),
            (
                told(json!({})),
                told(json!({"prefix": "in/"})),
                "notifications.queues[resize].prefix",
            ),
            (
                told(json!({})),
                told(json!({"suffix": ".jpg"})),
                "notifications.queues[resize].suffix",
            ),
        ] {
            let mut desired: Desired<BucketSpec> = Desired::sample("Bucket", declared);
            let live_bucket = bucket(&live, &desired.tags);
            let blocked = plan(&desired, Some(&live_bucket)).obstacle().cloned().expect(path);
            assert!(blocked.message.starts_with(&format!("{path} is set")), "{}", blocked.message);
            desired.previous = Some(live.into());
            assert_eq!(plan(&desired, Some(&live_bucket)).obstacle(), None, "{path} was declared");
        }
    }

    #[test]
    fn a_tag_that_somebody_added_to_a_declared_filter_is_asked_about() {
        let rule =
            |tags: Value| json!({"lifecycle": [{"id": "tmp", "expirationDays": 1, "tags": tags}]});
        let all = json!({"lifecycle": [{"id": "tmp", "expirationDays": 1}]});
        let mut desired: Desired<BucketSpec> = Desired::sample("Bucket", all);
        desired.previous = Some(rule(json!({"a": "1"})).into());
        for (live, expected) in [
            (json!({"a": "1"}), "Update lifecycle"),
            (json!({"a": "1", "hand": "x"}), "! ConfirmationNeeded"),
        ] {
            let seen = bucket(&rule(live.clone()), &desired.tags);
            let outline = plan(&desired, Some(&seen)).outline();
            assert_eq!(outline.last().map(String::as_str), Some(expected), "{live}");
        }
    }

    #[test]
    fn a_limit_that_waits_stays_and_everything_beside_it_is_written() {
        let declared = json!([{"id": "tmp", "expirationDays": 3}, {"id": "new", "expirationDays": 7, "prefix": "new/"}]);
        let live = json!([{"id": "tmp", "expirationDays": 1, "prefix": "tmp/"}, {"id": "old", "expirationDays": 9}]);
        let planned = planned(json!({"lifecycle": declared}), json!({"lifecycle": live}));
        assert_eq!(planned.outline(), ["Update lifecycle", "! ConfirmationNeeded"]);
        let changed: Vec<_> = planned.steps[0].changes.iter().map(|c| c.path.to_string()).collect();
        assert_eq!(changed, ["lifecycle[tmp].expirationDays", "lifecycle[new]", "lifecycle[old]"]);
        let written = format!("{:?}", planned.steps[0].call);
        for part in ["tmp/", "days: Some(3)", "new/", "days: Some(7)"] {
            assert!(written.contains(part), "{part}: {written}");
        }
        for part in ["days: Some(1)", "\"old\""] {
            assert!(!written.contains(part), "{part}: {written}");
        }
    }

    #[test]
    fn a_list_that_s3_would_refuse_with_the_rule_that_waits_waits_as_a_whole() {
        let rule = |id: &str, bucket: &str, priority: i32, account: Option<&str>| {
            let mut destination = json!({"bucketArn": format!("arn:aws:s3:::{bucket}")});
            if let Some(account) = account {
                destination["account"] = json!(account);
            }
            json!({"id": id, "priority": priority, "enabled": true, "destination": destination})
        };
        let copied = |rules: Value| json!({"replication": {"role": "arn:aws:iam::123456789012:role/copy", "rules": rules}});
        let by_hand = Some("210987654321");
        let live = copied(json!([rule("a", "one", 1, by_hand), rule("b", "two", 1, None)]));
        for (what, second, expected) in [
            ("both would go to one", rule("b", "one", 1, None), &["! ConfirmationNeeded"][..]),
            (
                "they have two priorities",
                rule("b", "one", 2, None),
                &["Update replication", "! ConfirmationNeeded"],
            ),
        ] {
            let declared = json!([rule("a", "two", 1, None), second]);
            let planned = planned(copied(declared), live.clone());
            assert_eq!(planned.outline(), expected, "{what}");
        }
    }

    #[test]
    fn a_rule_that_somebody_turned_off_is_turned_on_only_by_a_manifest_that_says_so() {
        let off = json!({"lifecycle": [{"id": "tmp", "expirationDays": 1, "enabled": false}]});
        let silent = json!({"lifecycle": [{"id": "tmp", "expirationDays": 1}]});
        let on = json!({"lifecycle": [{"id": "tmp", "expirationDays": 1, "enabled": true}]});
        assert_eq!(planned(silent, off.clone()).outline(), ["! ConfirmationNeeded"]);
        assert_eq!(planned(on, off).outline(), ["Update lifecycle"]);
    }

    #[test]
    fn rules_say_all_that_they_have_and_go_back_as_they_came() {
        let rules = json!([
            {"id": "a", "enabled": true, "prefix": "a/", "tags": {"t": "1", "u": "2"}, "objectSizeGreaterThan": 1, "objectSizeLessThan": 9,
             "expirationDate": "2027-01-31", "noncurrentVersionExpirationDays": 3, "newerNoncurrentVersions": 2,
             "transitions": [{"date": "2026-12-01", "storageClass": "GLACIER"}],
             "noncurrentVersionTransitions": [{"days": 1, "newerNoncurrentVersions": 1, "storageClass": "STANDARD_IA"}]},
            {"id": "b", "enabled": false, "expiredObjectDeleteMarker": true},
            {"id": "c", "enabled": true, "tags": {"t": "1"}, "expirationDays": 5},
        ]);
        let live = bucket(&json!({"lifecycle": rules}), &BTreeMap::new());
        assert_eq!(live.words(&json!({"lifecycle": rules}))["lifecycle"], rules);
        let edited = json!({"lifecycle": [rules[0], rules[1], {"id": "c", "tags": {"t": "1"}, "expirationDays": 6}]});
        let plan = planned(edited, json!({"lifecycle": rules}));
        assert_eq!(plan.outline(), ["Update lifecycle"]);
        let paths: Vec<_> = plan.changes.iter().map(|c| c.path.to_string()).collect();
        assert_eq!(paths, ["lifecycle[c].expirationDays"], "the other rules are as they were");
    }

    #[test]
    fn a_new_bucket_is_made_with_its_tags_and_furnished_once_it_can_be_read() {
        let desired = Desired::sample("Bucket", json!({"versioning": "Enabled"}));
        let plan = plan(&desired, None);
        assert_eq!(plan.outline(), ["Create bucket"]);
        assert_eq!(plan.steps[0].call, BucketStep::Create(desired.tags.clone()));
        assert_eq!(plan.steps[0].changes.len(), 2, "what it will be like is shown");
        assert_eq!(plan.changes, [], "what does not exist has not drifted");
    }

    #[test]
    fn references_are_written_as_what_they_stand_for() {
        let from = |kind: &str, field: &str| json!({"objectRef": {"kind": kind, "name": "it", "field": field}});
        let mut desired: Desired<BucketSpec> = Desired::sample(
            "Bucket",
            json!({
                "logging": {"targetBucketFrom": from("Bucket", "name")},
                "notifications": {"queues": [{"id": "a", "arnFrom": from("Function", "arn"), "events": ["s3:ObjectCreated:*"]}]},
            }),
        );
        for (kind, field, value) in [("Bucket", "name", "dev-logs"), ("Function", "arn", "arn:it")]
        {
            let reference = serde_json::from_value(from(kind, field)["objectRef"].clone()).unwrap();
            desired.resolved.fields.insert(reference, value.to_owned());
        }
        let plan = plan(&desired, Some(&bucket(&json!({}), &desired.tags)));
        assert_eq!(plan.outline(), ["Update logging", "Update notifications"]);
        let sent = sent(&plan);
        assert!(sent[0].contains("target_bucket: \"dev-logs\""), "{}", sent[0]);
        assert!(sent[1].contains("queue_arn: \"arn:it\""), "{}", sent[1]);
    }

    #[test]
    fn a_bucket_goes_as_a_whole() {
        let plan = plan_deletion();
        assert_eq!(plan.outline(), ["Delete bucket"]);
        assert_eq!(plan.steps[0].call, BucketStep::Delete);
    }
}
