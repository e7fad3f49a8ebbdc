//! Three daemons that share four environments, whatever happens to them.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::RngExt;
use serde_json::Value;

use super::crowd::{Crowd, REPLICAS};
use super::figure;
use super::live::{Live, difference, live, rest};
use super::seeds::{every_seed, in_virtual_time, part_of, seeds};
use crate::harness::{Harness, shop};

const ENVIRONMENTS: [&str; 4] = ["one", "two", "three", "four"];
/// A lease, what it takes to notice, and a look at everything.
const LONG: Duration = Duration::from_secs(120);

fn manifests(environment: &str, memory_mib: u32) -> String {
    shop()
        .replace("namespace: shop", &format!("namespace: {environment}"))
        .replace("metadata: { name: shop }", &format!("metadata: {{ name: {environment} }}"))
        .replace("memorySize: 512", &format!("memorySize: {memory_mib}"))
        .replace("rollout: {", "reconcile: { interval: 20s }\n  rollout: {")
}

async fn world() -> Harness {
    let harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness
}

/// What the world comes to with one daemon that nobody disturbs.
async fn undisturbed() -> Live {
    let mut harness = world().await;
    for name in ENVIRONMENTS {
        harness.apply(&manifests(name, 1024)).await;
    }
    harness.start().await;
    for name in ENVIRONMENTS {
        harness.until_ready(name).await;
    }
    live(&harness.sandbox).await
}

async fn simulate(seed: u64, reference: &Live) -> (usize, u64) {
    let names = ENVIRONMENTS.map(str::to_owned).to_vec();
    let mut crowd = Crowd::new(world().await, seed, names, manifests);
    crowd.apply(512).await;
    crowd.start_all();
    for _ in 0..crowd.dice.random_range(8..20) {
        crowd.step().await;
    }
    crowd.start_all();
    crowd.apply(1024).await;
    for name in ENVIRONMENTS {
        crowd.harness.until_ready(name).await;
    }
    tokio::time::sleep(LONG).await;
    crowd.check_epochs().await;
    // Whoever is left finds nothing to do.
    crowd.harness.sandbox.calls().clear();
    tokio::time::sleep(LONG).await;
    let writes = crowd.harness.sandbox.calls().mutations(crate::harness::TABLE);
    assert!(writes.is_empty(), "{writes:?}: {:#?}", crowd.story);
    let apps = rest(&crowd.harness.sandbox, "amplify", "GET", "/apps", &Value::Null).await.unwrap();
    let apps = apps["apps"].as_array().unwrap().len();
    assert_eq!(apps, ENVIRONMENTS.len(), "{:#?}", crowd.story);
    if let Some(difference) = difference(reference, &live(&crowd.harness.sandbox).await) {
        panic!("{difference}\n{:#?}", crowd.story);
    }
    let mut owners = BTreeMap::new();
    for (_, lease) in crowd.harness.store.leases().await.unwrap() {
        let lease = lease.unwrap();
        assert!(!lease.is_released, "somebody has it: {lease:?}");
        *owners.entry(lease.owner).or_insert(0) += 1;
    }
    assert!(owners.values().all(|has| *has <= 2), "{owners:?}: {:#?}", crowd.story);
    (crowd.story.len(), crowd.started)
}

#[test]
fn whatever_happens_to_three_daemons_nothing_is_double_or_behind() {
    let seeds = seeds(part_of(200));
    let reference = in_virtual_time(undisturbed());
    let (told, took) = every_seed(&seeds, |seed| simulate(seed, &reference));
    let started: u64 = told.iter().map(|(_, started)| started).sum();
    assert!(started > REPLICAS as u64 * seeds.len() as u64, "no daemon ended");
    figure(
        "members",
        &format!(
            "{} seeds of three daemons, {} disturbances, {started} daemons started, {} s: 0 duplicates, 0 epochs that went back, everything as declared",
            seeds.len(),
            told.iter().map(|(steps, _)| steps).sum::<usize>(),
            took.as_secs(),
        ),
    );
}
