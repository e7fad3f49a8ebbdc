//! Signed releases: who writes the table, and has no key, changes nothing.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use trueup::store::{SigningKeys, Store, StoreError};

use crate::harness::{Harness, TABLE, shop};

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
        self.store = self.store.clone().with_keys(keys);
        self.store.clone()
    }

    fn stopped(&self) -> Option<String> {
        let checks = self.health.ready();
        let stopped = checks.into_iter().find(|(name, _)| name == "environment/shop");
        stopped.and_then(|(_, check)| check.err())
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
    let set = crate::harness::parse(&larger);
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
    harness.apply(&larger).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let why = harness.stopped().unwrap();
    assert!(why.contains("which this process was not given"), "{why}");
    assert_eq!(harness.memory().await, 512);
    // With the key it goes on.
    harness.holds(keys(&[KEY]));
    harness.apply(&larger.replace("1024", "2048")).await;
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
    harness.holds(keys(&[OTHER]));
    harness.apply(&signed_only().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.until_ready("shop").await;
    assert_eq!(harness.memory().await, 1024);
}
