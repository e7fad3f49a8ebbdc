//! What to do about a bucket.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::kinds::{Desired, comparable, policy, split_off};
use crate::model::ValueFrom;
use crate::plan::{ListRule, Plan, Shape, Verb};

use super::observe::LiveBucket;
use super::spec::*;

/// A sub-resource with a read and a write call of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Facet {
    PublicAccessBlock,
    ObjectOwnership,
    Versioning,
    Encryption,
    Lifecycle,
    Cors,
    Policy,
    Website,
    Logging,
    Notifications,
}

/// Facets, their fields, and how steps call them; in the order in which they are written: a policy
/// may need the public access block to be open first.
const FACETS: [(Facet, &str, &str); 10] = [
    (Facet::PublicAccessBlock, "publicAccessBlock", "public access block"),
    (Facet::ObjectOwnership, "objectOwnership", "object ownership"),
    (Facet::Versioning, "versioning", "versioning"),
    (Facet::Encryption, "encryption", "encryption"),
    (Facet::Lifecycle, "lifecycle", "lifecycle"),
    (Facet::Cors, "cors", "cors"),
    (Facet::Policy, "policy", "policy"),
    (Facet::Website, "website", "website"),
    (Facet::Logging, "logging", "logging"),
    (Facet::Notifications, "notifications", "notifications"),
];

/// One call to S3.
#[derive(Clone, Debug, PartialEq)]
pub enum BucketStep {
    Create,
    /// The whole set of tags that the bucket shall have.
    Tag(BTreeMap<String, String>),
    /// Writes a facet from the effective spec.
    Put(Facet, Box<BucketSpec>),
    /// Removes a facet.
    Clear(Facet),
    Delete,
}

const SHAPE: Shape = Shape {
    lists: &[
        ("lifecycle", ListRule::Keyed("id")),
        ("lifecycle.transitions", ListRule::Set),
        ("lifecycle.noncurrentVersionTransitions", ListRule::Set),
        ("cors.allowedOrigins", ListRule::Set),
        ("cors.allowedMethods", ListRule::Set),
        ("cors.allowedHeaders", ListRule::Set),
        ("cors.exposeHeaders", ListRule::Set),
        ("notifications.functions", ListRule::Keyed("id")),
        ("notifications.queues", ListRule::Keyed("id")),
        ("notifications.topics", ListRule::Keyed("id")),
        ("notifications.functions.events", ListRule::Set),
        ("notifications.queues.events", ListRule::Set),
        ("notifications.topics.events", ListRule::Set),
    ],
};

pub(super) fn plan(desired: &Desired<BucketSpec>, live: Option<&LiveBucket>) -> Plan<BucketStep> {
    let spec = resolved(desired);
    let nothing = LiveBucket::default();
    let seen = live.unwrap_or(&nothing);
    let declared = by_meaning(comparable(&spec, &desired.tags));
    let seen_value = by_meaning(comparable(&without_nothing(&seen.spec), &seen.tags));
    let compared = desired.compare(declared, &seen_value, &SHAPE);
    let mut effective = compared.effective_spec(&spec);
    effective.policy.clone_from(&spec.policy);
    settle_website(&mut effective, &spec);
    let wanted_tags = compared.tags(&desired.tags);
    let mut changes = compared.changes;
    let mut plan = Plan::default();
    if live.is_none() {
        plan.push(Verb::Create, "bucket", Vec::new(), BucketStep::Create);
    } else {
        plan.changes.clone_from(&changes);
    }
    let tags = split_off(&mut changes, &["tags"]);
    if !tags.is_empty() {
        let mut all = seen.tags.clone();
        all.extend(wanted_tags);
        plan.push(Verb::Update, "tags", tags, BucketStep::Tag(all));
    }
    for (facet, field, what) in FACETS {
        let taken = split_off(&mut changes, &[field]);
        if taken.is_empty() {
            continue;
        }
        if is_cleared(&compared.effective, field) {
            plan.push(Verb::Delete, what, taken, BucketStep::Clear(facet));
        } else {
            let step = BucketStep::Put(facet, Box::new(effective.clone()));
            plan.push(Verb::Update, what, taken, step);
        }
    }
    plan
}

/// A redirect of everything and documents exclude each other: what was declared wins over what the
/// live side completed.
fn settle_website(effective: &mut BucketSpec, declared: &BucketSpec) {
    let (Some(effective), Some(declared)) = (&mut effective.website, &declared.website) else {
        return;
    };
    // Validation refuses both at once.
    if declared.redirect_all_requests_to.is_some() {
        effective.index_document = None;
        effective.error_document = None;
    } else if declared.index_document.is_some() || declared.error_document.is_some() {
        effective.redirect_all_requests_to = None;
    }
}

/// S3 says that a bucket notifies nobody by a configuration that lists nobody.
fn without_nothing(live: &BucketSpec) -> BucketSpec {
    let mut live = live.clone();
    let is_empty = |list: &Option<Vec<Notification>>| list.iter().flatten().next().is_none();
    live.notifications = live.notifications.filter(|n| {
        let lists = [&n.functions, &n.queues, &n.topics];
        n.event_bridge == Some(true) || !lists.into_iter().all(is_empty)
    });
    live
}

fn is_cleared(effective: &Value, field: &str) -> bool {
    match effective.get(field) {
        Some(Value::Array(items)) => items.is_empty(),
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::String(text)) => text.is_empty(),
        _ => true,
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
    for rule in spec.lifecycle.iter_mut().flatten() {
        rule.enabled.get_or_insert(true);
        rule.expired_object_delete_marker = rule.expired_object_delete_marker.filter(|on| *on);
    }
    spec
}

/// The policy as one text, equal for policies that mean the same.
fn by_meaning(mut value: Value) -> Value {
    if let Some(policy) = value.get_mut("policy")
        && policy.as_object().is_some_and(|p| !p.is_empty())
    {
        *policy = Value::String(policy::canonical(policy));
    }
    value
}

pub(super) fn plan_deletion() -> Plan<BucketStep> {
    let mut plan = Plan::default();
    plan.push(Verb::Delete, "bucket", Vec::new(), BucketStep::Delete);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::render_plan;
    use serde_json::json;

    fn planned(declared: Value, live: Value) -> Plan<BucketStep> {
        let desired = Desired::sample("Bucket", declared);
        let live = LiveBucket {
            spec: serde_json::from_value(live).unwrap(),
            name: "dev-it".to_owned(),
            region: "us-east-1".to_owned(),
            tags: desired.tags.clone(),
        };
        plan(&desired, Some(&live))
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
        let BucketStep::Put(Facet::PublicAccessBlock, spec) = &plan.steps[0].call else {
            panic!("{:?}", plan.steps[0].call)
        };
        assert_eq!(spec.public_access_block.unwrap().ignore_public_acls, Some(true));
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
        let live = LiveBucket {
            tags: BTreeMap::from([("by-hand".to_owned(), "1".to_owned())]),
            ..LiveBucket::default()
        };
        let plan = plan(&desired, Some(&live));
        let BucketStep::Tag(tags) = &plan.steps[0].call else { panic!("{:?}", plan.steps) };
        assert_eq!(tags.len(), 4, "{tags:?}");
    }

    #[test]
    fn a_redirect_gives_way_to_documents_and_the_other_way_round() {
        let documents = json!({"website": {"indexDocument": "index.html"}});
        let redirect = json!({"website": {"redirectAllRequestsTo": {"hostName": "x.com"}}});
        for (declared, seen) in [(&documents, &redirect), (&redirect, &documents)] {
            let plan = planned(declared.clone(), seen.clone());
            let BucketStep::Put(Facet::Website, spec) = &plan.steps[0].call else {
                panic!("{:?}", plan.steps)
            };
            assert_eq!(json!(spec.website), declared["website"]);
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
        for (declared, seen, expected) in [
            (json!({}), website("index.html"), vec![]),
            (cors("*"), cors("a.com"), vec!["Update cors"]),
            (website("a.html"), website("b.html"), vec!["Update website"]),
            (json!({"versioning": "Enabled"}), json!({}), vec!["Update versioning"]),
            (policy("a"), policy("b"), vec!["Update policy"]),
            (json!({"policy": {}}), policy("b"), vec!["Delete policy"]),
            (nobody.clone(), notifies.clone(), vec!["Delete notifications"]),
            (
                nobody.clone(),
                json!({"notifications": {"eventBridge": true}}),
                vec!["Delete notifications"],
            ),
            (
                nobody.clone(),
                json!({"notifications": {"eventBridge": false, "queues": []}}),
                vec![],
            ),
            (notifies.clone(), notifies, vec![]),
        ] {
            let plan = planned(declared.clone(), seen.clone());
            assert_eq!(plan.outline(), expected, "{declared} over {seen}");
            assert_eq!(plan.changes.is_empty(), expected.is_empty(), "{:?}", plan.changes);
        }
    }

    #[test]
    fn a_new_bucket_is_made_tagged_and_furnished() {
        let desired = Desired::sample("Bucket", json!({"versioning": "Enabled"}));
        let plan = plan(&desired, None);
        assert_eq!(plan.outline(), ["Create bucket", "Update tags", "Update versioning"]);
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
        let plan = plan(
            &desired,
            Some(&LiveBucket { tags: desired.tags.clone(), ..LiveBucket::default() }),
        );
        assert_eq!(plan.outline(), ["Update logging", "Update notifications"]);
        let BucketStep::Put(_, spec) = &plan.steps[1].call else { panic!("{:?}", plan.steps) };
        let logging = spec.logging.as_ref().unwrap();
        assert_eq!(
            (logging.target_bucket.as_deref(), &logging.target_bucket_from),
            (Some("dev-logs"), &None)
        );
        let queue = &spec.notifications.as_ref().unwrap().queues.as_ref().unwrap()[0];
        assert_eq!((queue.arn.as_deref(), &queue.arn_from), (Some("arn:it"), &None));
    }

    #[test]
    fn a_bucket_goes_as_a_whole() {
        let plan = plan_deletion();
        assert_eq!(plan.outline(), ["Delete bucket"]);
        assert_eq!(plan.steps[0].call, BucketStep::Delete);
    }
}
