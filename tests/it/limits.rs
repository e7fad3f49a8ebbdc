//! AWS's quotas and outages: what has to wait for a limit or a breaker holds up nobody else.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use jiff::SignedDuration;
use tokio::time::Instant;
use trueup::engine::Config;

use crate::harness::{DAEMON, Harness, shop, with_shop};

const TABLES: usize = 300;
const BUCKETS: usize = 40;

/// Many tables, whose tags AWS gives ten a second of, and some buckets. The second table has a stream where asked.
fn fleet(has_stream: bool) -> String {
    let mut yaml = "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: shop }\n\
         spec: { reconcile: { interval: 10m }, rollout: { rollback: Manual } }\n"
        .to_owned();
    let mut add = |kind: &str, name: String, spec: &str| {
        yaml += &format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\n\
             metadata: {{ name: {name}, namespace: shop }}\nspec: {{ {spec} }}\n"
        );
    };
    for i in 0..TABLES {
        let stream = if has_stream && i == 1 {
            ", stream: { enabled: true, viewType: KEYS_ONLY }"
        } else {
            ""
        };
        add("Table", format!("t{i}"), &format!("partitionKey: {{ name: id, type: S }}{stream}"));
    }
    for i in 0..BUCKETS {
        add("Bucket", format!("b{i}"), "versioning: Enabled");
    }
    yaml
}

/// An environment of tables that are looked at more often than AWS allows.
fn impatient(name: &str) -> String {
    let mut yaml = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\n\
         spec: {{ aws: {{ region: us-east-1, accountId: \"123456789012\" }}, reconcile: {{ interval: 2s }} }}\n"
    );
    for i in 0..50 {
        yaml += &format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: t{i}, namespace: {name} }}\n\
             spec: {{ partitionKey: {{ name: id, type: S }} }}\n"
        );
    }
    yaml
}

#[tokio::test(start_paused = true)]
async fn two_daemons_keep_one_quota_together() {
    let harness = Harness::new().await;
    let names = ["first", "second"];
    for name in names {
        harness.apply(&impatient(name)).await;
    }
    let replica = |name| harness.replica(Config::new(name, 7), name, SignedDuration::ZERO);
    let (a, b) = (replica("a"), replica("b"));
    for name in names {
        harness.until_ready(name).await;
    }
    let shared = || async {
        let leases = harness.store.leases().await.unwrap();
        let owners: BTreeSet<_> =
            leases.into_iter().map(|(_, lease)| lease.unwrap().owner).collect();
        owners.len() == 2
    };
    harness.until("each has one", shared).await;
    // What both had saved up is spent.
    tokio::time::sleep(Duration::from_secs(60)).await;
    harness.sandbox.calls().clear();
    const SECONDS: u64 = 120;
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let calls = harness.sandbox.calls().all();
    let of = |caller: &str| {
        let reads = calls.iter().filter(|c| c.action() == "dynamodb:ListTagsOfResource");
        reads.filter(|call| call.caller == caller).count() as u64
    };
    let (first, second) = (of("a"), of("b"));
    // Eight a second of AWS's ten, whoever makes them.
    assert!(first + second <= 8 * SECONDS + 10, "{first} and {second} in {SECONDS} s");
    let half = 4 * SECONDS * 9 / 10;
    assert!(first >= half && second >= half, "{first} and {second}: each has its half");
    drop((a, b));
}

/// The tables that the daemon has looked at since the calls were cleared.
fn tables_looked_at(harness: &Harness) -> usize {
    let calls = harness.sandbox.calls().all();
    let looked = calls
        .iter()
        .filter(|call| call.caller == DAEMON && call.action() == "dynamodb:ListTagsOfResource");
    looked.map(|call| call.resource.clone()).collect::<BTreeSet<_>>().len()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_is_paused_and_named_and_the_others_go_on() {
    let harness = with_shop().await;
    harness.until_ready("shop").await;
    harness.sandbox.faults().inject("amplify:*=500".parse().unwrap());
    harness.store.request_reconcile("shop", None).await.unwrap();
    let breakers = || {
        let ready = harness.health.ready();
        assert!(ready.iter().all(|(_, check)| check.is_ok()), "it is ready: {ready:?}");
        ready.into_iter().find(|(check, _)| check.starts_with("breakers")).unwrap().0
    };
    assert_eq!(breakers(), "breakers: closed");
    harness
        .until("the breaker opens", || async {
            harness.store.request_reconcile("shop", None).await.unwrap();
            breakers().starts_with("breakers: open for amplify in us-east-1 of 123456789012")
        })
        .await;
    let shown = |reason: &'static str| {
        let harness = &harness;
        async move {
            let status = harness.status("shop", "Frontend/web").await.unwrap();
            status.conditions.get("Ready").unwrap().reason == reason
        }
    };
    harness.until("the object says so", || shown("CallsPaused")).await;

    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness
        .until("the function is changed meanwhile", || async {
            let counts = harness.sandbox.calls().counts();
            counts.contains_key("lambda:UpdateFunctionConfiguration")
        })
        .await;
    assert!(breakers().contains("amplify"), "which is still down");
    harness.sandbox.faults().clear();
    harness.until_ready("shop").await;
    assert_eq!(breakers(), "breakers: closed");
}

#[tokio::test(start_paused = true)]
async fn objects_that_wait_for_a_slow_quota_hold_up_neither_others_nor_edits() {
    let mut harness = Harness::new().await;
    harness.apply(&fleet(false)).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness.stop().await;
    let off = VersioningConfiguration::builder().status(BucketVersioningStatus::Suspended).build();
    for i in 0..BUCKETS {
        let put = harness.session.s3().put_bucket_versioning().bucket(format!("shop-b{i}"));
        put.versioning_configuration(off.clone()).send().await.unwrap();
    }

    harness.sandbox.calls().clear();
    harness.start().await;
    let begun = Instant::now();
    harness
        .until("every bucket is mended", || async {
            harness.sandbox.calls().counts().get("s3:PutBucketVersioning")
                == Some(&(BUCKETS as u64))
        })
        .await;
    let (took, looked) = (begun.elapsed(), tables_looked_at(&harness));
    assert!(looked < TABLES / 2, "the tables wait for their quota: {looked} were looked at");
    assert!(took < Duration::from_secs(10), "the buckets waited for the tables: {took:?}");

    harness.apply(&fleet(true)).await;
    let begun = Instant::now();
    harness
        .until("the edit is carried out", || async {
            harness.sandbox.calls().counts().contains_key("dynamodb:UpdateTable")
        })
        .await;
    let (took, looked) = (begun.elapsed(), tables_looked_at(&harness));
    assert!(looked < TABLES * 2 / 3, "the other tables still wait: {looked} were looked at");
    assert!(took < Duration::from_secs(8), "the edit waited for resyncs: {took:?}");
    println!("an edit was carried out after {took:?}, while {} tables waited", TABLES - looked);
    harness.until_ready("shop").await;
}
