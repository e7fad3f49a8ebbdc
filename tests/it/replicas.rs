//! More than one daemon: who has what, who takes over, and that nobody does what is another's.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use trueup::engine::Config;
use trueup::sandbox::Fault;
use trueup::store::Lease;

use crate::harness::{Harness, Replica, TABLE};

/// Every environment's number of tables.
const SIZES: [usize; 20] = [12, 3, 1, 7, 5, 2, 9, 4, 6, 1, 8, 3, 2, 5, 10, 1, 4, 6, 2, 3];

fn environment(name: &str, tables: usize) -> String {
    let table = |i| {
        format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\n\
             metadata: {{ name: t{i}, namespace: {name} }}\n\
             spec: {{ partitionKey: {{ name: id, type: S }} }}\n"
        )
    };
    let tables: String = (0..tables).map(table).collect();
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\n\
         spec: {{ reconcile: {{ interval: 60s }} }}\n{tables}"
    )
}

fn names() -> impl Iterator<Item = String> {
    (0..SIZES.len()).map(|i| format!("e{i}"))
}

async fn twenty_environments() -> Harness {
    let harness = Harness::new().await;
    for (name, tables) in names().zip(SIZES) {
        harness.apply(&environment(&name, tables)).await;
    }
    harness
}

fn replica(harness: &Harness, name: &str) -> Replica {
    skewed(harness, name, SignedDuration::ZERO)
}

fn skewed(harness: &Harness, name: &str, ahead: SignedDuration) -> Replica {
    harness.replica(Config::new(name, 7), name, ahead)
}

async fn leases(harness: &Harness) -> BTreeMap<String, Lease> {
    let leases = harness.store.leases().await.unwrap().into_iter();
    leases.map(|(name, lease)| (name, lease.unwrap())).collect()
}

/// Objects by who has them; what was given back is nobody's.
async fn loads(harness: &Harness) -> BTreeMap<String, usize> {
    let mut loads = BTreeMap::new();
    for (lease, tables) in leases(harness).await.into_values().zip(sorted_sizes()) {
        if !lease.is_released {
            *loads.entry(lease.owner).or_default() += tables + 1;
        }
    }
    loads
}

/// In the order of the names, as leases are read.
fn sorted_sizes() -> Vec<usize> {
    let by_name: BTreeMap<String, usize> = names().zip(SIZES).collect();
    by_name.into_values().collect()
}

/// Nobody has a fifth more or less than an even share.
async fn assert_even(harness: &Harness, replicas: &[&str]) {
    let loads = loads(harness).await;
    let even = (SIZES.iter().sum::<usize>() + SIZES.len()) as f64 / replicas.len() as f64;
    assert_eq!(loads.keys().collect::<Vec<_>>(), replicas, "{loads:?}");
    for (owner, load) in &loads {
        let off = (*load as f64 - even) / even;
        assert!(off.abs() <= 0.2, "{owner} has {load} where {even} is even: {loads:?}");
    }
}

async fn epochs(harness: &Harness) -> u64 {
    leases(harness).await.values().map(|lease| lease.epoch).sum()
}

/// The time until nobody has anything but those named.
async fn taken_over_by(harness: &Harness, replicas: &[&str]) -> Duration {
    let begun = tokio::time::Instant::now();
    loop {
        let leases = leases(harness).await;
        let is_theirs = |lease: &Lease| !lease.is_released && replicas.contains(&&*lease.owner);
        if leases.len() == SIZES.len() && leases.values().all(is_theirs) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{leases:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn wait(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn replicas_share_the_environments_evenly_and_take_over_from_each_other() {
    let harness = twenty_environments().await;
    let a = replica(&harness, "a");
    assert!(taken_over_by(&harness, &["a"]).await < Duration::from_secs(2));
    for name in names() {
        harness.until_ready(&name).await;
    }
    let (b, c) = (replica(&harness, "b"), replica(&harness, "c"));
    wait(30).await;
    assert_even(&harness, &["a", "b", "c"]).await;
    let readyz: Vec<_> = b.health.ready().into_iter().map(|(check, _)| check).collect();
    assert!(readyz.iter().any(|check| check.ends_with("members: 3 (a, b, c)")), "{readyz:?}");
    let own: Vec<_> = leases(&harness).await.into_iter().filter(|(_, l)| l.owner == "b").collect();
    let own: Vec<_> = own.into_iter().map(|(name, _)| name).collect();
    let expected = format!("leases: {} ({}) of 20 environments, ", own.len(), own.join(", "));
    assert!(readyz.iter().any(|check| check.starts_with(&expected)), "{expected}: {readyz:?}");
    // Nothing moves while nobody comes or goes.
    let before = epochs(&harness).await;
    wait(300).await;
    assert_eq!(epochs(&harness).await, before);
    drop(a);
    let took = taken_over_by(&harness, &["b", "c"]).await;
    assert!(took > Duration::from_secs(10) && took < Duration::from_secs(20), "{took:?}");
    wait(30).await;
    assert_even(&harness, &["b", "c"]).await;
    let (stopped, took) = tokio::join!(b.stop(), taken_over_by(&harness, &["c"]));
    let () = stopped;
    assert!(took < Duration::from_secs(2), "{took:?}");
    let members: Vec<_> = harness.store.members().await.unwrap();
    let members: Vec<_> = members.iter().map(|member| member.owner.as_str()).collect();
    assert!(!members.contains(&"b"), "{members:?}");
    wait(400).await;
    let members = harness.store.members().await.unwrap();
    assert_eq!(members.len(), 1, "what died is forgotten: {members:?}");
    let creates = harness.sandbox.calls().counts()["dynamodb:CreateTable"];
    // And the store's own.
    assert_eq!(creates as usize, SIZES.iter().sum::<usize>() + 1);
    c.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rolling_restart_leaves_everybody_an_even_share() {
    let harness = twenty_environments().await;
    let mut replicas: Vec<_> = ["a", "b", "c"].map(|name| replica(&harness, name)).into();
    wait(60).await;
    for name in ["d", "e", "f"] {
        replicas.push(replica(&harness, name));
        wait(10).await;
        replicas.remove(0).stop().await;
        wait(5).await;
    }
    wait(30).await;
    assert_even(&harness, &["d", "e", "f"]).await;
}

#[tokio::test(start_paused = true)]
async fn clocks_may_be_ten_minutes_apart() {
    let harness = twenty_environments().await;
    let minutes = SignedDuration::from_mins;
    let a = skewed(&harness, "a", minutes(0));
    wait(10).await;
    let b = skewed(&harness, "b", minutes(10));
    let c = skewed(&harness, "c", minutes(-10));
    wait(60).await;
    assert_even(&harness, &["a", "b", "c"]).await;
    let before = epochs(&harness).await;
    wait(300).await;
    assert_eq!(epochs(&harness).await, before, "nobody took what was held");
    // Given back by a clock that is ahead: free at once all the same.
    let ((), took) = tokio::join!(b.stop(), taken_over_by(&harness, &["a", "c"]));
    assert!(took < Duration::from_secs(2), "{took:?}");
    drop(a);
    let took = taken_over_by(&harness, &["c"]).await;
    assert!(took < Duration::from_secs(20), "{took:?}");
    c.stop().await;
}

/// DynamoDB does not answer one daemon, and the rest of AWS does.
#[tokio::test(start_paused = true)]
async fn a_daemon_that_does_not_reach_the_store_writes_nothing_once_its_lease_is_over() {
    let mut harness = Harness::new().await;
    harness.lease_for = Duration::from_secs(15);
    let bucket = |versioning: &str| {
        format!(
            "{}---\napiVersion: trueup.dev/v1alpha1\nkind: Bucket\n\
             metadata: {{ name: assets, namespace: shop }}\nspec: {{ versioning: {versioning} }}\n",
            environment("shop", 0).replace("60s", "10s")
        )
    };
    harness.apply(&bucket("Enabled")).await;
    let a = replica(&harness, "a");
    harness.until_ready("shop").await;
    let b = replica(&harness, "b");
    wait(20).await;
    assert_eq!(leases(&harness).await["shop"].owner, "a");
    let cut: Fault = "dynamodb:*=timeout".parse().unwrap();
    harness.sandbox.faults().inject(cut.of("a"));
    let cut_at = tokio::time::Instant::now();
    while leases(&harness).await["shop"].owner == "a" {
        wait(1).await;
        assert!(cut_at.elapsed() < Duration::from_secs(20));
    }
    // Somebody changes what it would repair, if it still took it for its own.
    harness.sandbox.calls().clear();
    let off = aws_sdk_s3::types::VersioningConfiguration::builder()
        .status(aws_sdk_s3::types::BucketVersioningStatus::Suspended)
        .build();
    let s3 = harness.session.s3();
    s3.put_bucket_versioning()
        .bucket("shop-assets")
        .versioning_configuration(off)
        .send()
        .await
        .unwrap();
    wait(120).await;
    let writes = |by: &str| {
        let calls = harness.sandbox.calls().mutations(TABLE);
        calls.iter().filter(|call| call.caller == by).count()
    };
    assert_eq!(writes("a"), 0, "{:?}", harness.sandbox.calls().mutations(TABLE));
    assert_eq!(writes("b"), 1, "repaired once: {:?}", harness.sandbox.calls().mutations(TABLE));
    let said = a.health.ready();
    assert!(said.iter().any(|(check, result)| check == "store" && result.is_err()), "{said:?}");
    harness.sandbox.faults().clear();
    wait(60).await;
    assert_eq!(leases(&harness).await["shop"].epoch, 2, "who comes back takes nothing away");
    assert!(a.health.ready().iter().all(|(_, result)| result.is_ok()));
    b.stop().await;
    wait(3).await;
    assert_eq!(leases(&harness).await["shop"].owner, "a");
}

/// A write of the daemon before, which was on its way when the next one read the records.
#[tokio::test(start_paused = true)]
async fn what_a_dead_daemon_wrote_late_does_not_stay() {
    let harness = Harness::new().await;
    harness.apply(&environment("shop", 1)).await;
    let a = replica(&harness, "a");
    harness.until_ready("shop").await;
    drop(a);
    let b = replica(&harness, "b");
    while leases(&harness).await["shop"].owner != "b" {
        wait(1).await;
    }
    wait(2).await;
    let sound = harness.status("shop", "Table/t0").await.unwrap();
    assert_eq!(sound.epoch, 1, "nothing has changed since");
    let mut late = sound.clone();
    late.outputs.clear();
    harness.store.put_status("shop", &late).await.unwrap();
    wait(120).await;
    let mended = harness.status("shop", "Table/t0").await.unwrap();
    assert_eq!((mended.epoch, mended.outputs), (2, sound.outputs));
    b.stop().await;
}
