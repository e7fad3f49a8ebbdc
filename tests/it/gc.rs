//! Old releases are forgotten, with the packages that only they name.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest, Sha256};
use trueup::aws::Sessions;
use trueup::engine::release::{Collected, collect_garbage, garbage};
use trueup::model::Object;
use trueup::store::Verdict;

use crate::harness::{ARTIFACTS, Harness, parse, release};

fn key(code: &[u8]) -> String {
    format!("{}.zip", hex::encode(Sha256::digest(code)))
}

/// An environment with one function that runs this code.
fn environment(name: &str, code: &[u8], more: &str) -> Vec<Object> {
    let (key, sha256) = (key(code), hex::encode(Sha256::digest(code)));
    let yaml = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\nspec:\n  \
         aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  artifacts: {{ bucket: {ARTIFACTS} }}\n  \
         reconcile: {{ interval: 1h }}\n{more}---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: api, namespace: {name} }}\nspec:\n  \
         runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  alias: live\n  \
         code: {{ s3: {{ bucket: {ARTIFACTS}, key: {key}, sha256: {sha256} }} }}\n"
    );
    parse(&yaml).objects().cloned().collect()
}

const CODES: [&[u8]; 5] = [b"one", b"two", b"three", b"four", b"five"];

async fn packages(harness: &Harness) -> BTreeSet<String> {
    let listed = harness.session.s3().list_objects_v2().bucket(ARTIFACTS).send().await.unwrap();
    listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
}

async fn releases(harness: &Harness) -> Vec<u64> {
    let history = harness.store.history("shop", 100).await.unwrap();
    history.into_iter().map(|release| release.unwrap().number).collect()
}

fn keys(codes: &[&[u8]]) -> BTreeSet<String> {
    codes.iter().map(|code| key(code)).collect()
}

async fn apply(harness: &Harness, code: &[u8], more: &str) -> u64 {
    harness.record("shop", environment("shop", code, more)).await.unwrap().number
}

/// Five releases with a code each.
async fn five(more: &str) -> Harness {
    let harness = Harness::new().await;
    for code in CODES {
        harness.put_code(&key(code), code).await;
        apply(&harness, code, more).await;
    }
    harness
}

async fn sessions(harness: &Harness) -> Sessions {
    Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await
}

#[tokio::test(start_paused = true)]
async fn the_daemon_forgets_what_is_beyond_the_limit_once_a_day() {
    let mut harness = five("  revisionHistoryLimit: 2\n").await;
    // Another environment runs the second code, and a person's own object lies beside.
    harness.record("other", environment("other", b"two", "")).await.unwrap();
    harness.put_code("somebodys.zip", b"somebody's").await;
    // Days go by.
    harness.look_every(Duration::from_secs(60));
    harness.start().await;
    harness.until_ready("shop").await;
    assert_eq!(releases(&harness).await, [5, 4, 3, 2, 1]);
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    // An hour after the start: packages are younger than a day, and those of the second release are in use.
    assert_eq!(releases(&harness).await, [5, 4, 3, 1]);
    assert_eq!(packages(&harness).await.len(), 6, "somebody may be about to release them");
    tokio::time::sleep(Duration::from_secs(48 * 3600)).await;
    assert_eq!(releases(&harness).await, [5, 4]);
    let mut left = keys(&[b"two", b"four", b"five"]);
    left.insert("somebodys.zip".to_owned());
    assert_eq!(packages(&harness).await, left);
    let rollouts = harness.store.rollouts("shop", 100).await.unwrap();
    assert_eq!(rollouts.len(), 1, "only the last one was begun");
}

#[tokio::test(start_paused = true)]
async fn packages_go_that_only_forgotten_releases_name() {
    let harness = five("").await;
    harness.record("other", environment("other", b"two", "")).await.unwrap();
    harness.put_code("somebodys.zip", b"somebody's").await;
    tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
    // Somebody uploads the third one again, to apply it.
    harness.put_code(&key(b"three"), b"three").await;
    let found = garbage(&harness.store, "shop", 2).await.unwrap();
    assert_eq!(found.releases, [3, 2, 1]);
    let sessions = sessions(&harness).await;
    let collected = collect_garbage(&harness.store, &sessions, "shop", &found).await.unwrap();
    assert_eq!(collected, Collected { releases: 2, packages: 1 }, "the third one has its package");
    let mut left = keys(&[b"two", b"three", b"four", b"five"]);
    left.insert("somebodys.zip".to_owned());
    assert_eq!(packages(&harness).await, left);
    assert_eq!(releases(&harness).await, [5, 4, 3]);
    assert_eq!(garbage(&harness.store, "shop", 2).await.unwrap().releases, [3]);
    // What is left is whole.
    let kept = harness.store.release("shop", 4).await.unwrap();
    let digests = kept.objects.iter().map(|entry| entry.digest.clone()).collect();
    harness.store.collect("shop").await.unwrap();
    harness.store.objects("shop", &digests).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_release_would_go_back_to_is_kept_however_old() {
    let mut harness = Harness::new().await;
    harness.put_code(&key(b"one"), b"one").await;
    apply(&harness, b"one", "").await;
    harness.start().await;
    let succeeded = || async {
        let rollout = harness.store.rollout("shop", 1).await.unwrap();
        rollout.is_some_and(|rollout| rollout.verdict == Verdict::Succeeded)
    };
    harness.until("the first one succeeds", succeeded).await;
    // None of the others can: their code is not there.
    for code in [&b"two"[..], b"three", b"four"] {
        apply(&harness, code, "  rollout: { rollback: Manual }\n").await;
    }
    let failed = || async {
        let rollout = harness.store.rollout("shop", 4).await.unwrap();
        rollout.is_some_and(|rollout| rollout.verdict == Verdict::Failed)
    };
    harness.until("the last one fails", failed).await;
    let found = garbage(&harness.store, "shop", 2).await.unwrap();
    assert_eq!(found.releases, [2], "the first one is what there is to go back to");
}

#[tokio::test(start_paused = true)]
async fn where_a_release_cannot_be_read_nothing_goes() {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let harness = five("").await;
    harness.record("other", environment("other", b"two", "")).await.unwrap();
    let broken = harness.session.dynamodb().update_item().table_name(crate::harness::TABLE);
    let broken = broken.key("pk", S("env#other".to_owned()));
    let broken = broken.key("sk", S("release#0000000001".to_owned()));
    let broken = broken.update_expression("SET later = :later");
    broken.expression_attribute_values(":later", S("x".to_owned())).send().await.unwrap();
    let refused = garbage(&harness.store, "shop", 2).await.unwrap_err();
    assert!(refused.to_string().contains("release#0000000001"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_an_approval_keeps_its_package() {
    let harness = five("").await;
    let head = harness.store.head("shop").await.unwrap().unwrap();
    let before = harness.store.current(&head).await.unwrap();
    let new = release(environment("shop", b"one", ""));
    harness.store.propose("shop", &head, Some(&before), new).await.unwrap();
    let found = garbage(&harness.store, "shop", 2).await.unwrap();
    let names: BTreeSet<_> = found.packages.iter().map(|package| package.key.clone()).collect();
    assert_eq!(names, keys(&[b"two", b"three"]));
}
