//! Signed releases: who writes the table, and has no key, changes nothing.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use trueup::aws::Sessions;
use trueup::engine::release::{
    Approving, MoveError, Rollback, approve, current_or_head, roll_back, submit,
};
use trueup::store::{SigningKeys, Store, StoreError};

use crate::harness::{Harness, TABLE, parse, release, shop};

const KEY: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "another key of somebody who has read the docs";

fn keys(keys: &[&str]) -> Option<SigningKeys> {
    Some(SigningKeys::of(keys))
}

fn signed_only() -> String {
    let policy = "requireSignature: true\n  rollout: { rollback: Manual }";
    let yaml = shop().replace("rollout: { rollback: Manual }", policy);
    assert_ne!(yaml, shop());
    yaml
}

impl Harness {
    /// The same world for somebody with these keys, or with none.
    fn holds(&mut self, keys: Option<SigningKeys>) -> Store {
        let builds_on_signed = keys.is_some();
        self.store = self.store.clone().with_keys(keys, builds_on_signed);
        self.store.clone()
    }

    fn stopped(&self) -> Option<String> {
        let checks = self.health.ready();
        let stopped = checks.into_iter().find(|(name, _)| name == "environment/shop");
        stopped.and_then(|(_, check)| check.err())
    }

    /// As `trueup apply --prune` does: nothing is taken over from a release that is not signed.
    async fn apply_whole(&self, yaml: &str) {
        let current = current_or_head(&self.store, "shop").await.unwrap();
        let new = release(parse(yaml).objects().cloned().collect());
        submit(&self.store, "shop", &current, new).await.unwrap();
    }

    async fn memory(&self) -> i32 {
        let seen = self.session.lambda().get_function_configuration().function_name("shop-api");
        seen.send().await.unwrap().memory_size().unwrap()
    }
}

/// A shop that takes signed releases only, with one.
async fn signed_shop() -> Harness {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.keys = keys(&[KEY]);
    harness.holds(keys(&[KEY]));
    harness.apply(&signed_only()).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_asks_for_signatures_takes_nothing_without_one() {
    let mut harness = signed_shop().await;
    harness.sandbox.calls().clear();
    // Without a key, the store says so before anything is recorded.
    harness.holds(None);
    let larger = signed_only().replace("memorySize: 512", "memorySize: 1024");
    let set = parse(&larger);
    let refused = harness.record("shop", set.objects().cloned().collect()).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoKey { .. }), "{refused}");
    // Who leaves the demand out of what is applied is refused by the daemon.
    let sly = shop().replace("memorySize: 512", "memorySize: 1024");
    harness.apply(&sly).await;
    harness.until("it is stopped", || async { harness.stopped().is_some() }).await;
    let why = harness.stopped().unwrap();
    assert!(why.contains("release 2 of shop is not taken: it is not signed"), "{why}");
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!((harness.memory().await, harness.mutations()), (512, vec![]));
    // Another key is none.
    harness.holds(keys(&[OTHER]));
    harness.apply_whole(&larger).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let why = harness.stopped().unwrap();
    assert!(why.contains("which this process was not given"), "{why}");
    assert_eq!(harness.memory().await, 512);
    // With the key it goes on.
    harness.holds(keys(&[KEY]));
    harness.apply_whole(&larger.replace("1024", "2048")).await;
    harness.until_ready("shop").await;
    assert_eq!((harness.memory().await, harness.stopped()), (2048, None));
}

#[tokio::test(start_paused = true)]
async fn a_signature_of_another_release_is_worth_nothing() {
    let mut harness = signed_shop().await;
    let signature = harness.store.release("shop", 1).await.unwrap().signature.unwrap();
    harness.holds(None);
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    // Who can write the table copies the signature.
    let update = harness.session.dynamodb().update_item().table_name(TABLE);
    let update = update.key("pk", AttributeValue::S("env#shop".to_owned()));
    let update = update.key("sk", AttributeValue::S("release#0000000002".to_owned()));
    let update = update.update_expression("SET signature = :signature");
    let update = update.expression_attribute_values(":signature", AttributeValue::S(signature));
    update.send().await.unwrap();
    assert!(harness.store.release("shop", 2).await.unwrap().signature.is_some());
    harness.until("it is stopped", || async { harness.stopped().is_some() }).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let why = harness.stopped().unwrap();
    assert!(why.contains("forged or altered"), "{why}");
    assert_eq!(harness.memory().await, 512);
}

#[tokio::test(start_paused = true)]
async fn a_new_key_takes_over_while_the_old_one_is_still_accepted() {
    let mut harness = signed_shop().await;
    harness.stop().await;
    harness.keys = keys(&[OTHER, KEY]);
    harness.start().await;
    harness.holds(keys(&[OTHER, KEY]));
    harness.apply(&signed_only().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.until_ready("shop").await;
    assert_eq!(harness.memory().await, 1024);
    // What is signed with the new one needs the old one no more.
    harness.stop().await;
    harness.keys = keys(&[OTHER]);
    harness.holds(keys(&[OTHER]));
    harness.start().await;
    harness.apply(&signed_only()).await;
    harness.until_ready("shop").await;
    assert_eq!((harness.memory().await, harness.stopped()), (512, None));
}

/// Releases 1 and 3 are signed; 2 was put into the table by somebody without a key.
async fn with_a_forged_release() -> (Harness, Sessions) {
    let mut harness = signed_shop().await;
    harness.holds(None);
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.holds(keys(&[KEY]));
    harness.apply_whole(&signed_only().replace("memorySize: 512", "memorySize: 2048")).await;
    harness.until_ready("shop").await;
    assert_eq!(harness.memory().await, 2048);
    let sessions = Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await;
    (harness, sessions)
}

#[tokio::test(start_paused = true)]
async fn whoever_has_a_key_does_not_sign_what_somebody_without_one_made() {
    let (mut harness, sessions) = with_a_forged_release().await;
    let current = current_or_head(&harness.store, "shop").await.unwrap();
    let head = current.head.clone().unwrap();
    let back = |to| Rollback { to: Some(to), ..Rollback::default() };
    let new = || release(Vec::new());
    let (store, forged) = (harness.store.clone(), back(2));
    let refused = roll_back(&store, &sessions, &head, &current, forged, new()).await.unwrap_err();
    assert!(matches!(refused, MoveError::Store(StoreError::Unsigned { .. })), "{refused}");
    roll_back(&store, &sessions, &head, &current, back(1), new()).await.unwrap();
    harness.until_ready("shop").await;
    assert_eq!(harness.memory().await, 512, "what is signed may be gone back to");

    // A daemon with a key and without the flag: what follows from an unsigned release stays unsigned.
    let lenient = store.clone().with_keys(keys(&[KEY]), false);
    let head = lenient.head("shop").await.unwrap().unwrap();
    let forged = lenient.release("shop", 2).await.unwrap();
    let objects = parse(&signed_only()).objects().cloned().collect();
    let recorded = lenient.record("shop", Some(&head), Some(&forged), release(objects)).await;
    assert_eq!(recorded.unwrap().signature, None);
    harness.holds(None);
    harness.until("it is stopped", || async { harness.stopped().is_some() }).await;
}

#[tokio::test(start_paused = true)]
async fn an_approver_signs_only_what_somebody_with_a_key_proposed() {
    let mut harness = signed_shop().await;
    harness.apply_whole(&signed_only().replace("rollout:", "approval: Required\n  rollout:")).await;
    harness.until_ready("shop").await;
    let sessions = Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await;
    let sly = shop().replace("memorySize: 512", "memorySize: 1024");
    let head = harness.store.head("shop").await.unwrap().unwrap();
    let before = harness.store.release("shop", head.release).await.unwrap();
    let keyless = harness.holds(None);
    let new = release(parse(&sly).objects().cloned().collect());
    let proposed = keyless.propose("shop", &head, Some(&before), new).await.unwrap();
    let asked =
        Approving { release: proposed.number, by: "grace", said: "grace", overrides_window: false };
    let holder = harness.holds(keys(&[KEY]));
    let refused = approve(&holder, &sessions, "shop", asked).await.unwrap_err();
    assert!(matches!(refused, MoveError::Store(StoreError::Unsigned { .. })), "{refused}");
    let refused = approve(&keyless, &sessions, "shop", asked).await.unwrap_err();
    assert!(matches!(refused, MoveError::Store(StoreError::NoKey { .. })), "{refused}");
    assert_eq!(harness.store.head("shop").await.unwrap().unwrap().release, head.release);
}
