//! Nothing undeclared is harmed: resources of generated shapes (`by_hand.rs`) are adopted by manifests that
//! declare a random part, edited and drifted. What no manifest declared is afterwards as it was, member by
//! member, whether the object became Ready or stalled.
//!
//! Which word declares which member is what docs/coverage.md says.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};
use trueup::model::{ConditionStatus, condition_type};

use super::by_hand::{FACETS, Leaves, Resource, make, read};
use super::generate::{any, pruned};
use super::members::{Row, rows};
use super::model::services;
use crate::harness::{statuses, try_parse};
use crate::proof::figure;
use crate::proof::seeds::{every_seed, part_of, seeds};
use crate::proof::specs::{proof, with};
use crate::proof::world::{ENVIRONMENT, documents, environment, object, world};

/// How long a refusal is tried again, and a little more.
const LASTS: Duration = Duration::from_secs(100 * 60);

/// Resources of a world, all of one kind.
const RESOURCES: usize = 10;

/// Members, by their beginnings, that cannot but follow the words of others, and why.
const ALONG: &[(&str, &[&str], &str)] = &[
    // https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html.
    (
        "LoggingConfig.ApplicationLogLevel",
        &["logging.logFormat"],
        "JSON logs have levels, text logs none",
    ),
    (
        "LoggingConfig.SystemLogLevel",
        &["logging.logFormat"],
        "JSON logs have levels, text logs none",
    ),
    // https://docs.aws.amazon.com/AmazonS3/latest/API/API_WebsiteConfiguration.html.
    (
        "WebsiteConfiguration.RedirectAllRequestsTo.",
        &["website.indexDocument", "website.errorDocument", "website.routingRules"],
        "a redirect of everything stands alone",
    ),
    (
        "WebsiteConfiguration.",
        &["website.redirectAllRequestsTo"],
        "a redirect of everything stands alone",
    ),
    (
        "WebsiteConfiguration.IndexDocument.",
        &["website.errorDocument", "website.routingRules"],
        "a website has one",
    ),
    (
        "ServerSideEncryptionConfiguration.Rules[].ApplyServerSideEncryptionByDefault.KMSMasterKeyID",
        &["encryption.algorithm"],
        "a key goes with KMS alone",
    ),
    (
        "ServerSideEncryptionConfiguration.Rules[].BucketKeyEnabled",
        &["encryption.algorithm"],
        "dual-layer encryption takes no bucket key",
    ),
    ("ProvisionedThroughput.", &["billing.mode"], "what is on demand has no capacity"),
    (
        "GlobalSecondaryIndexes[].ProvisionedThroughput.",
        &["billing.mode"],
        "what is on demand has no capacity",
    ),
    ("TimeToLiveSpecification.Enabled", &["ttl.attribute"], "on, where it is not given"),
    ("TimeToLiveSpecification.AttributeName", &["ttl.enabled"], "goes with the switch"),
    ("StreamSpecification.StreamViewType", &["stream.enabled"], "goes with the stream"),
    (
        "PointInTimeRecoverySpecification.RecoveryPeriodInDays",
        &["pointInTimeRecovery.enabled"],
        "goes with the recovery",
    ),
    ("SSESpecification.KMSMasterKeyId", &["encryption.type"], "AWS's own key, or none"),
    (
        "AttributeDefinitions[].",
        &["partitionKey", "globalSecondaryIndexes"],
        "the attributes of the keys",
    ),
];

/// Members that come along with the word of another where there was nothing before, and stay otherwise.
const MADE_ALONG: &[(&str, &[&str], &str)] = &[
    // https://docs.aws.amazon.com/lambda/latest/api/API_VpcConfig.html.
    ("VpcConfig.SubnetIds", &["vpc.securityGroupIds"], "both, or no VPC"),
    ("VpcConfig.SecurityGroupIds", &["vpc.subnetIds"], "both, or no VPC"),
];

/// Whether a manifest's spec declares a word: a value, an empty one, or a list on the way to it.
fn declares(spec: &Value, word: &str) -> bool {
    let mut at = spec;
    for field in word.split('.') {
        match at.get(field) {
            None => return false,
            Some(Value::Object(fields)) if !fields.is_empty() => at = &at[field],
            Some(_) => return true,
        }
    }
    true
}

/// The member of a path, as the coverage page writes it.
fn member(path: &str) -> String {
    let mut out = String::new();
    let mut depth = 0;
    for c in path.chars() {
        match c {
            '[' => depth += 1,
            ']' => {
                depth -= 1;
                out.push_str("[]");
            }
            c if depth == 0 => out.push(c),
            _ => {}
        }
    }
    out
}

/// What AWS does where a member is not there, and so the same as its absence.
fn usual(path: &str) -> Option<Value> {
    // "The default is false": https://docs.aws.amazon.com/lambda/latest/api/API_Cors.html.
    path.ends_with(" Cors.AllowCredentials").then(|| json!(false))
}

/// What changed and was declared by nobody.
fn harmed(kind: &str, spec: &Value, before: &Leaves, after: &Leaves) -> Vec<String> {
    let rows = rows();
    let words_of = |row: &Row| -> Vec<String> {
        row.says.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    };
    let mut harmed = Vec::new();
    let paths: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    for path in paths {
        let shown = |leaves: &Leaves| leaves.get(path).cloned().or_else(|| usual(path));
        if shown(before) == shown(after) {
            continue;
        }
        let (call, at) = path.split_once(' ').unwrap();
        let at_member = member(at);
        let row = rows.iter().find(|row| row.kind == kind && row.names(call, &at_member));
        let words = row.map(words_of).unwrap_or_default();
        // What was not there at all could not be harmed: AWS fills in what it makes.
        let of_facet = rows.iter().filter(|row| row.kind == kind && row.calls.contains(&call));
        let is_declared =
            of_facet.flat_map(words_of).any(|word| word != "name" && declares(spec, &word));
        let is_new = !before.keys().any(|path| path.starts_with(&format!("{call} ")));
        if is_new && is_declared {
            continue;
        }
        let made_along = MADE_ALONG.iter().filter(|_| !before.contains_key(path));
        let along = ALONG.iter().chain(made_along).any(|(begins, words, _)| {
            at_member.starts_with(begins) && words.iter().any(|word| declares(spec, word))
        });
        if along || words.iter().any(|word| declares(spec, word)) {
            continue;
        }
        // An element that comes or goes takes its members along; so does a facet that is removed.
        let of_call = rows.iter().filter(|row| row.kind == kind && row.calls.contains(&call));
        let element = at.rfind(']').map(|end| &at[..=end]);
        let is_whole = |leaves: &Leaves| {
            element.is_some_and(|element| {
                leaves.keys().any(|p| p.starts_with(&format!("{call} {element}")))
            })
        };
        let element_moves = element.is_some() && !(is_whole(before) && is_whole(after));
        let declared_list = of_call.clone().any(|row| {
            let list = element.map(member).unwrap_or_default();
            row.member.starts_with(&list) && words_of(row).iter().any(|w| declares(spec, w))
        });
        let removed = of_call.clone().flat_map(words_of).any(|word| {
            let root = word.split('.').next().unwrap().to_owned();
            spec.get(&root).is_some_and(|v| v.is_null() || *v == json!({}) || *v == json!([]))
        });
        if !(removed || element_moves && declared_list) {
            harmed.push(format!("{path}: {:?} -> {:?}", before.get(path), after.get(path)));
        }
    }
    harmed
}

/// A random part of a random manifest of the kind.
fn declared(kind: &str, dice: &mut StdRng) -> Value {
    let mut proof = proof(kind);
    if kind == "Table" {
        // Keys are for life, and so are local indexes.
        for field in ["sortKey", "localSecondaryIndexes"] {
            proof.bare[field] = proof.full[field].clone();
        }
    }
    // What would have to be made anew is not adopted.
    proof.variants.retain(|(name, _)| !["an image", "a repository"].contains(name));
    loop {
        let variant = &any(dice, &proof.variants).1;
        let spec = with(
            &with(&proof.bare, &pruned(variant, dice)),
            &json!({"ignore": null, "deletionPolicy": "Retain", "name": null}),
        );
        // A list without the index that the table was made with is asked about, and nothing else of that table is
        // tried then: most manifests say nothing of indexes.
        let says_no_index = kind == "Table" && dice.random_bool(0.7);
        let spec = match says_no_index {
            true => with(&spec, &json!({"globalSecondaryIndexes": null})),
            false => spec,
        };
        let spec = ignoring(spec, dice);
        let it = object(kind, "it", &spec);
        if try_parse(&documents(&environment(json!({})), &[it])).is_ok() {
            return spec;
        }
    }
}

/// Two manifests out of five ignore one of the fields that they declare.
fn ignoring(mut spec: Value, dice: &mut StdRng) -> Value {
    let mut paths = Vec::new();
    for (field, value) in spec.as_object().into_iter().flatten() {
        // What a resource is, and what says something to trueup alone.
        let is_fixed = ["code", "artifact", "branch", "partitionKey", "sortKey", "deletionPolicy"];
        if is_fixed.contains(&field.as_str()) {
            continue;
        }
        paths.push(field.clone());
        let inner = value.as_object().into_iter().flatten();
        paths.extend(inner.map(|(name, _)| format!("{field}.{name}")));
    }
    if dice.random_bool(0.4) && !paths.is_empty() {
        spec["ignore"] = json!([any(dice, &paths)]);
    }
    spec
}

/// The spec without what it ignores: what is ignored is declared by nobody.
fn without_ignored(spec: &Value) -> Value {
    let mut declared = spec.clone();
    for path in spec["ignore"].as_array().into_iter().flatten() {
        let (outer, inner) =
            path.as_str().unwrap().split_once('.').unwrap_or(("", path.as_str().unwrap()));
        let at = if outer.is_empty() { Some(&mut declared) } else { declared.get_mut(outer) };
        if let Some(fields) = at.and_then(Value::as_object_mut) {
            fields.remove(inner);
        }
    }
    declared
}

/// The manifest of a resource. Its alias, or that it has none, is for life: with another one, what hangs on
/// it is made anew of what is declared.
fn adopting(resource: &Resource, spec: &Value) -> Value {
    let mut spec = spec.clone();
    if resource.kind == "Function" {
        let has_alias = resource.object.ends_with(['1', '3', '5', '7', '9']);
        spec = with(&spec, &json!({"alias": has_alias.then_some("live")}));
        if !has_alias {
            // There is nothing that it would describe, and no version that would have executions.
            let nothing = json!({"aliasDescription": null, "provisionedConcurrency": null});
            spec = with(&spec, &nothing);
        }
    }
    let mut object = object(resource.kind, &resource.object, &spec);
    object["metadata"]["annotations"] = json!({"trueup.dev/adopt": "true"});
    object
}

/// What came of a world.
#[derive(Default)]
struct Tally {
    facets: usize,
    ready: usize,
    stalled: usize,
    changed: usize,
}

async fn lives(kind: &'static str, seed: u64) -> Tally {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut harness = world().await;
    let mut resources = Vec::new();
    for index in 0..RESOURCES {
        resources.push(make(&harness, kind, index, &mut dice).await);
    }
    let mut tally = Tally::default();
    let mut specs: Vec<_> = resources.iter().map(|_| declared(kind, &mut dice)).collect();
    for step in ["adopted", "edited", "drifted"] {
        if step == "edited" {
            specs = resources.iter().map(|_| declared(kind, &mut dice)).collect();
        }
        if step == "drifted" {
            for resource in &resources {
                let facets: Vec<_> = FACETS.iter().filter(|facet| facet.kind == kind).collect();
                any(&mut dice, &facets).put(&harness, resource, &mut dice).await;
            }
        }
        let mut before = Vec::new();
        for resource in &resources {
            before.push(read(&harness, resource).await);
        }
        if step != "drifted" {
            let objects: Vec<_> =
                resources.iter().zip(&specs).map(|(r, spec)| adopting(r, spec)).collect();
            let set = try_parse(&documents(&environment(json!({})), &objects)).unwrap();
            harness.apply_set(set).await;
        }
        if step == "adopted" {
            harness.start().await;
        }
        harness.observe(ENVIRONMENT).await;
        tokio::time::sleep(Duration::from_secs(150)).await;
        for ((resource, spec), before) in resources.iter().zip(&specs).zip(&before) {
            let after = read(&harness, resource).await;
            tally.changed += usize::from(*before != after);
            let harmed = harmed(kind, &without_ignored(spec), before, &after);
            assert!(
                harmed.is_empty(),
                "{kind} {} {step}: {harmed:#?}\ndeclared: {spec:#}\nseed {seed}",
                resource.object
            );
        }
    }
    // A refusal is final only once it has lasted.
    tokio::time::sleep(LASTS).await;
    tally.facets = resources.len() * FACETS.iter().filter(|facet| facet.kind == kind).count();
    for status in statuses(&harness.store, ENVIRONMENT).await {
        tally.ready += usize::from(status.conditions.is_true(condition_type::READY));
        let stalled = status.conditions.get(condition_type::STALLED);
        let stalled = stalled.filter(|c| c.status == ConditionStatus::True);
        let is_ready = status.conditions.is_true(condition_type::READY);
        assert!(
            is_ready || stalled.is_some(),
            "{}: {:#?}\nseed {seed}",
            status.id(),
            status.conditions
        );
        let Some(stalled) = stalled else { continue };
        tally.stalled += 1;
        // What is written must read back as it was written.
        assert_ne!(stalled.reason, "Flapping", "{}: {}\nseed {seed}", status.id(), stalled.message);
    }
    tally
}

/// Worlds of a kind, each with ten resources: a hundred generated values of each facet in the suite.
const WORLDS: u64 = 10;

fn unharmed(kind: &'static str) {
    if services().is_none() {
        return;
    }
    let seeds = seeds(part_of(WORLDS));
    let (tallies, _) = every_seed(&seeds, |seed| lives(kind, seed));
    let sum = |of: fn(&Tally) -> usize| tallies.iter().map(of).sum::<usize>();
    let (resources, ready) = (seeds.len() * RESOURCES, sum(|t| t.ready));
    let (stalled, changed) = (sum(|t| t.stalled), sum(|t| t.changed));
    assert!(ready * 2 > resources, "{kind}: {ready} of {resources} became ready");
    assert!(changed * 2 > resources, "{kind}: trueup changed {changed} of {resources}");
    figure(
        "unharmed",
        &format!(
            "{kind}: {resources} generated resources, {} facets, each adopted, edited and drifted: {changed} were changed, \
             in what was declared alone; {ready} ready at the end, {stalled} stalled with the reason",
            sum(|t| t.facets)
        ),
    );
}

#[test]
fn what_no_bucket_manifest_declares_stays_as_it_was() {
    unharmed("Bucket");
}

#[test]
fn what_no_function_manifest_declares_stays_as_it_was() {
    unharmed("Function");
}

#[test]
fn what_no_frontend_manifest_declares_stays_as_it_was() {
    unharmed("Frontend");
}

#[test]
fn what_no_table_manifest_declares_stays_as_it_was() {
    unharmed("Table");
}
