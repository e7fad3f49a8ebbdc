//! A store that is far away, or slow: environments do not wait for each other, and loading comes to its end.

use std::time::Duration;

use crate::harness::{Harness, shop};

fn environment(name: &str) -> String {
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\n\
         spec: {{ reconcile: {{ interval: 60s }} }}\n"
    )
}

fn table(environment: &str, name: &str) -> String {
    format!(
        "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\n\
         metadata: {{ name: {name}, namespace: {environment} }}\n\
         spec: {{ partitionKey: {{ name: id, type: S }} }}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn sixty_environments_keep_their_leases_and_become_ready() {
    let mut harness = Harness::far(Duration::from_millis(300)).await;
    let names: Vec<_> = (0..60).map(|i| format!("e{i}")).collect();
    for name in &names {
        harness.apply(&(environment(name) + &table(name, "t"))).await;
    }
    harness.start().await;
    for name in &names {
        harness.until_ready(name).await;
    }
    tokio::time::sleep(Duration::from_secs(600)).await;
    for name in &names {
        let lease = harness.store.lease(name).await.unwrap().unwrap();
        assert_eq!(lease.epoch, 1, "{name}: the lease was never lost");
        let observed = lease.oldest_observation.unwrap();
        let age = harness.store.clock().now().duration_since(observed).as_secs();
        assert!(age < 200, "{name} was observed {age} s ago");
    }
}

#[tokio::test(start_paused = true)]
async fn a_release_that_takes_longer_to_load_than_a_lease_lasts_is_loaded() {
    // 26 batches of objects, at 15 seconds a call: 60 seconds, 8 of them at once.
    let mut harness = Harness::far(Duration::from_secs(12)).await;
    harness.lease_for = Duration::from_secs(45);
    let tables: String = (0..2500).map(|i| table("shop", &format!("t{i}"))).collect();
    harness.apply(&(environment("shop") + &tables)).await;
    harness.start().await;
    let begun = tokio::time::Instant::now();
    harness
        .until("the release is loaded", || async {
            harness.health.ready().iter().all(|(_, check)| check.is_ok())
        })
        .await;
    assert!(begun.elapsed() > Duration::from_secs(60), "it was slow: {:?}", begun.elapsed());
    let lease = harness.store.lease("shop").await.unwrap().unwrap();
    assert_eq!(lease.epoch, 1, "the lease was kept meanwhile");
    harness.kill();
}

#[tokio::test(start_paused = true)]
async fn a_resume_waits_for_the_release_that_was_applied_before_it() {
    let mut harness = Harness::far(Duration::from_secs(1)).await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness.store.set_suspended("shop", true).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    // What the suspended release would repair.
    let by_hand = "{\"MemorySize\":333}";
    let path = "/2015-03-31/functions/shop-api/configuration";
    let (status, body) = harness.sandbox.ask("lambda", "PUT", path, "", by_hand).await;
    assert_eq!(status, 200, "{body}");
    harness.sandbox.calls().clear();
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.store.set_suspended("shop", false).await.unwrap();
    harness.until_ready("shop").await;
    let counts = harness.sandbox.calls().counts();
    assert_eq!(counts["lambda:UpdateFunctionConfiguration"], 1, "the new release, and no other");
}
