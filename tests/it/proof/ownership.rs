//! Generated accounts with resources of others, of the same or similar names and tags: nothing that is
//! not ours is changed, and no table or bucket is ever replaced.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::figure;
use super::live::{Live, dynamodb, rest};
use super::seeds::{every_seed, part_of, seeds};
use super::world::{ENVIRONMENT, environment, object, set, world};
use crate::harness::{DAEMON, Harness, TABLE};

pub const KINDS: [&str; 4] = ["Function", "Table", "Bucket", "Frontend"];

/// Whose a foreign resource says that it is.
fn foreign_tags(dice: &mut StdRng, kind: &str, name: &str) -> BTreeMap<String, String> {
    let ours = |environment: &str, object: &str, uid: &str| {
        let tags = [
            ("trueup.dev/environment", environment),
            ("trueup.dev/object", object),
            ("trueup.dev/uid", uid),
        ];
        BTreeMap::from(tags.map(|(k, v)| (k.to_owned(), v.to_owned())))
    };
    let object = format!("{kind}/{name}");
    match dice.random_range(0..7) {
        0 => BTreeMap::new(),
        1 => BTreeMap::from([("team".to_owned(), "others".to_owned())]),
        // Another store with an environment and an object of these names.
        2 => ours(ENVIRONMENT, &object, "0123456789abcdef0123456789abcdef"),
        3 => ours("another", &object, "0123456789abcdef0123456789abcdef"),
        4 => ours(ENVIRONMENT, "Function/other", "fedcba9876543210fedcba9876543210"),
        5 => BTreeMap::from([("trueup.dev/object".to_owned(), object)]),
        _ => BTreeMap::from([("kubernetes.io/cluster/x".to_owned(), "owned".to_owned())]),
    }
}

/// Names that are, or look like, the one that the object takes.
fn foreign_name(dice: &mut StdRng, name: &str) -> String {
    let exact = format!("{ENVIRONMENT}-{name}");
    let similar = [
        format!("{exact}-2"),
        format!("{ENVIRONMENT}{name}"),
        name.to_owned() + "-x",
        format!("x-{exact}"),
    ];
    if dice.random_bool(0.5) { exact } else { similar.choose(dice).unwrap().clone() }
}

async fn make_foreign(harness: &Harness, kind: &str, name: &str, tags: &BTreeMap<String, String>) {
    let sandbox = &harness.sandbox;
    let pairs: Vec<_> = tags.iter().map(|(k, v)| json!({"Key": k, "Value": v})).collect();
    match kind {
        "Function" => {
            let body = json!({
                "FunctionName": name, "Role": "arn:aws:iam::123456789012:role/theirs", "Runtime": "nodejs20.x",
                "Handler": "a.b", "Code": {"S3Bucket": crate::harness::ARTIFACTS, "S3Key": "api.zip"}, "Tags": tags,
            });
            rest(sandbox, "lambda", "POST", "/2015-03-31/functions", &body).await.unwrap();
        }
        "Table" => {
            let mut body = json!({
                "TableName": name, "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "theirs", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "theirs", "AttributeType": "S"}],
            });
            if !pairs.is_empty() {
                body["Tags"] = json!(pairs);
            }
            dynamodb(sandbox, "CreateTable", body).await.unwrap();
        }
        "Bucket" => {
            sandbox.ask("s3", "PUT", &format!("/{name}"), "", "").await;
            let tag =
                |(k, v): (&String, &String)| format!("<Tag><Key>{k}</Key><Value>{v}</Value></Tag>");
            let set: String = tags.iter().map(tag).collect();
            let body = format!("<Tagging><TagSet>{set}</TagSet></Tagging>");
            if !tags.is_empty() {
                sandbox.ask("s3", "PUT", &format!("/{name}?tagging"), "", &body).await;
            }
        }
        _ => {
            let body = json!({"name": name, "tags": tags});
            rest(sandbox, "amplify", "POST", "/apps", &body).await.unwrap();
        }
    }
}

fn spec(kind: &str, dice: &mut StdRng) -> Value {
    let any = |dice: &mut StdRng, values: &[Value]| values.choose(dice).unwrap().clone();
    let mut spec = match kind {
        "Function" => {
            let memory = any(dice, &[json!(128), json!(512)]);
            let mut spec = super::specs::proof(kind).bare;
            spec["memorySize"] = memory;
            spec
        }
        "Table" => {
            let key = any(dice, &[json!("id"), json!("theirs")]);
            json!({"partitionKey": {"name": key, "type": "S"}})
        }
        "Bucket" => json!({"versioning": any(dice, &[json!("Enabled"), json!("Suspended")])}),
        _ => super::specs::proof(kind).bare,
    };
    spec["deletionPolicy"] = any(dice, &[json!("Delete"), json!("Retain")]);
    spec
}

/// The foreign resources as they are; those made under a name that is ours too are told by the count.
async fn foreign(harness: &Harness, names: &[String]) -> Live {
    let mut live = harness.live().await;
    live.retain(|key, _| {
        names.iter().any(|name| key == name || key.starts_with(&format!("{name} #")))
    });
    live
}

/// Returns how many foreign resources stood in the way.
async fn account(seed: u64) -> usize {
    let mut dice = StdRng::seed_from_u64(seed);
    let mut harness = world().await;
    harness.watch_every = Duration::from_secs(10);
    let kind = KINDS[dice.random_range(0..KINDS.len())];
    let mut names = Vec::new();
    for _ in 0..dice.random_range(1..3) {
        let name = foreign_name(&mut dice, "it");
        let key = format!("{}/{name}", kind.to_lowercase());
        if !names.contains(&key) {
            make_foreign(&harness, kind, &name, &foreign_tags(&mut dice, kind, "it")).await;
            names.push(key);
        }
    }
    // AWS is done with them.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = foreign(&harness, &names).await;
    let of =
        |objects: &[Value]| set(environment(json!({"reconcile": {"interval": "10s"}})), objects);
    let it = |dice: &mut StdRng| object(kind, "it", &spec(kind, dice));
    harness.apply_set(of(&[it(&mut dice)])).await;
    let mut left = 0;
    harness.start_seeded(seed).await;
    for _ in 0..dice.random_range(1..4) {
        tokio::time::sleep(Duration::from_secs(dice.random_range(1..25))).await;
        match dice.random_range(0..3) {
            0 => drop(harness.apply_set(of(&[it(&mut dice)])).await),
            1 => {
                harness.apply_set(of(&[])).await;
                left += 1;
            }
            _ => {
                harness.kill();
                harness.start_seeded(seed + 1).await;
            }
        }
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut after = foreign(&harness, &names).await;
    // An app of ours may have the same name as one of theirs, which is listed by its id.
    if kind == "Frontend" {
        let theirs: Vec<_> = before.values().cloned().collect();
        after.retain(|_, app| theirs.contains(app));
        assert_eq!(after.len(), before.len(), "seed {seed}: an app of others was changed");
    } else {
        assert_eq!(before, after, "seed {seed}: a {kind} of others was changed");
    }
    let calls = harness.sandbox.calls().mutations(TABLE);
    let ours: Vec<_> = calls.iter().filter(|c| c.caller == DAEMON).collect();
    // Not even a write that fails or changes nothing.
    let of_theirs = |resource: &str| {
        let name = resource.rsplit([':', '/']).next().unwrap_or_default();
        names.contains(&format!("{}/{name}", kind.to_lowercase()))
    };
    let touched: Vec<_> = ours.iter().filter(|c| of_theirs(&c.resource)).collect();
    assert!(touched.is_empty(), "seed {seed}: {touched:?}");
    // What is deleted left the release first: nothing is deleted to make room for itself.
    let deletes = ours.iter().filter(|c| ["DeleteTable", "DeleteBucket"].contains(&&*c.operation));
    assert!(deletes.count() <= left, "seed {seed}: replaced; the object left {left} times");
    names.len()
}

#[test]
fn what_is_not_ours_is_never_touched() {
    let seeds = seeds(part_of(1000));
    let (foreign, _) = every_seed(&seeds, account);
    let foreign: usize = foreign.iter().sum();
    figure(
        "ownership",
        &format!("{} accounts with {foreign} resources of others, none touched", seeds.len()),
    );
}
