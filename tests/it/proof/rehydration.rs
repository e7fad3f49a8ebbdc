//! Environments that are built again from nothing, by an operator and a daemon that are killed again and again.

use std::collections::BTreeSet;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use trueup::engine::recovery::{Wish, prepare};

use super::seeds::{every_seed, part_of, seeds};
use crate::harness::ARTIFACTS;
use crate::recovery::{
    Shop, VAULT, backed_up, items, lose_everything, objects, put_item, sessions, shop_of, state,
    vault,
};

/// Kills of one world: after them it may end.
const KILLS_MAX: u32 = 8;
/// The first calls are made within this time; then AWS restores for twenty minutes.
const EARLY: Duration = Duration::from_secs(4);
const LATE: Duration = Duration::from_secs(23 * 60);

/// What came of one world.
struct Ended {
    kills: u32,
    daemons_killed: u32,
}

async fn world(seed: u64) -> Ended {
    let mut rng = StdRng::seed_from_u64(seed);
    let shop = Shop { latency: Duration::from_millis(20), watch_every: Duration::from_secs(5) };
    let mut harness = shop_of(&shop).await;
    let backup = backed_up(&harness).await;
    let before = state(&harness).await;
    let assets = objects(&harness, "production-assets").await;
    let artifacts = objects(&harness, ARTIFACTS).await;
    put_item(&harness, "production-orders", "after the backup").await;
    harness.kill();
    lose_everything(&harness).await;
    let lost_at = harness.sandbox.calls().all().len();
    harness.start_seeded(seed).await;
    let mut ended = Ended { kills: 0, daemons_killed: 0 };
    loop {
        // Each is a process of its own: nothing is remembered from the one before.
        let sessions = sessions(&harness).await;
        let store = harness.store.clone();
        let vault = vault(&harness, "production").await;
        let work = async {
            let prepared = prepare(&sessions, vault, &backup.id, &Wish::default()).await.unwrap();
            prepared.carry_out(&store, &sessions, "sre", &|_| {}).await.unwrap()
        };
        let longest = if rng.random_bool(0.7) { EARLY } else { LATE };
        let lives_for = match ended.kills < KILLS_MAX {
            true => longest.mul_f64(rng.random()),
            false => LATE * 4,
        };
        tokio::select! {
            _ = work => break,
            () = tokio::time::sleep(lives_for) => ended.kills += 1,
        }
        if rng.random_bool(0.4) {
            harness.kill();
            harness.start_seeded(rng.random()).await;
            ended.daemons_killed += 1;
        }
    }
    assert_eq!(items(&harness, "production-orders").await, ["o1", "o2", "o3"], "seed {seed}");
    assert_eq!(items(&harness, "production-carts").await, ["c1"], "seed {seed}");
    assert_eq!(objects(&harness, "production-assets").await, assets, "seed {seed}");
    assert_eq!(objects(&harness, ARTIFACTS).await, artifacts, "seed {seed}");
    assert_eq!(state(&harness).await, before, "seed {seed}");
    assert!(harness.store.data_sources("production").await.unwrap().is_empty(), "seed {seed}");
    harness.until_ready("production").await;
    let calls = harness.sandbox.calls().all().split_off(lost_at);
    let of = |operation: &str| {
        let calls = calls.iter().filter(|call| call.operation == operation);
        calls.map(|call| call.resource.clone()).collect::<Vec<_>>()
    };
    assert!(!of("CreateTable").iter().any(|table| table.starts_with("production")), "never empty");
    let listed = harness.session.dynamodb().list_tables().send().await.unwrap();
    let tables: BTreeSet<_> = listed.table_names().iter().map(String::as_str).collect();
    assert_eq!(tables, BTreeSet::from(["production-carts", "production-orders", "trueup"]));
    let functions = harness.session.lambda().list_functions().send().await.unwrap();
    assert_eq!(functions.functions().len(), 1, "seed {seed}");
    ended
}

#[test]
fn an_environment_comes_back_whoever_is_killed_while_it_is_built() {
    let seeds = seeds(part_of(60));
    let (ended, took) = every_seed(&seeds, world);
    let kills: u32 = ended.iter().map(|ended| ended.kills).sum();
    let daemons: u32 = ended.iter().map(|ended| ended.daemons_killed).sum();
    println!(
        "{} environments rebuilt from nothing, operators killed: {kills}, daemons killed: {daemons}: data, packages \
         and releases byte-equal, no empty table, no orphan ({took:.1?})",
        seeds.len()
    );
    assert!(kills as usize >= seeds.len(), "{kills} kills");
}

const TABLES: usize = 50;
const BUCKETS: usize = 50;
const OBJECTS_PER_BUCKET: usize = 200;
const FUNCTIONS: usize = 200;

/// A large environment. Each function refers to a table.
fn large() -> String {
    let mut yaml = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: production }}\nspec:\n  \
         aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  artifacts: {{ bucket: {ARTIFACTS} }}\n  \
         reconcile: {{ interval: 1h }}\n  recovery: {{ backups: {{ bucket: {VAULT} }} }}\n"
    );
    let mut add = |kind: &str, name: String, spec: &str| {
        yaml.push_str(&format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: production }}\n\
             spec: {{ {spec} }}\n"
        ));
    };
    for i in 0..TABLES {
        add("Table", format!("t{i}"), "partitionKey: { name: id, type: S }");
    }
    for i in 0..BUCKETS {
        add("Bucket", format!("b{i}"), "");
    }
    for i in 0..FUNCTIONS {
        let table = i % TABLES;
        add(
            "Function",
            format!("f{i}"),
            &format!(
                "runtime: nodejs22.x, handler: main.handler, role: \"arn:aws:iam::123456789012:role/api\", alias: live, \
                 code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}, env: [{{ name: ORDERS, valueFrom: {{ objectRef: \
                 {{ kind: Table, name: t{table}, field: arn }} }} }}]"
            ),
        );
    }
    yaml
}

/// Everything that a large environment has, after it came back, and how long that took over what AWS takes.
/// `cargo test --test it -- --ignored --nocapture a_large_environment`
#[test]
#[ignore = "takes minutes"]
fn a_large_environment_comes_back_in_the_time_that_aws_takes() {
    super::seeds::in_virtual_time(async {
        let mut harness = crate::harness::Harness::new().await;
        harness.watch_every = Duration::from_secs(5);
        harness.put_code("api.zip", b"one").await;
        let s3 = harness.session.s3().clone();
        s3.create_bucket().bucket(VAULT).send().await.unwrap();
        harness.apply(&large()).await;
        harness.start().await;
        harness.until_ready("production").await;
        for bucket in 0..BUCKETS {
            for object in 0..OBJECTS_PER_BUCKET {
                let put = s3.put_object().bucket(format!("production-b{bucket}"));
                let body = format!("{bucket} {object}").into_bytes();
                put.key(format!("k{object}")).body(body.into()).send().await.unwrap();
            }
        }
        for table in 0..TABLES {
            put_item(&harness, &format!("production-t{table}"), &format!("i{table}")).await;
        }
        let backup = backed_up(&harness).await;
        assert!(backup.is_whole(), "{:?}", backup.lacking);
        let before = state(&harness).await;
        harness.kill();
        let dynamodb = harness.session.dynamodb().clone();
        for table in (0..TABLES).map(|i| format!("production-t{i}")).chain(["trueup".to_owned()]) {
            dynamodb.delete_table().table_name(table).send().await.unwrap();
        }
        for bucket in 0..BUCKETS {
            let name = format!("production-b{bucket}");
            for object in 0..OBJECTS_PER_BUCKET {
                s3.delete_object().bucket(&name).key(format!("k{object}")).send().await.unwrap();
            }
            s3.delete_bucket().bucket(&name).send().await.unwrap();
        }
        for function in 0..FUNCTIONS {
            let name = format!("production-f{function}");
            harness.session.lambda().delete_function().function_name(name).send().await.unwrap();
        }
        harness.start().await;
        let sessions = sessions(&harness).await;
        let policy = trueup::kinds::environment::BackupPolicy {
            bucket: VAULT.to_owned(),
            ..Default::default()
        };
        let target = trueup::aws::Target::default();
        let vault =
            trueup::engine::recovery::Vault::open(&sessions, "production", &target, &policy);
        let prepared =
            prepare(&sessions, vault.await.unwrap(), &backup.id, &Wish::default()).await.unwrap();
        let done = prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap();
        let aws = Duration::from_secs(20 * 60);
        let over = done.took.saturating_sub(aws).as_secs_f64() / aws.as_secs_f64() * 100.0;
        println!(
            "{TABLES} tables, {BUCKETS} buckets with {} objects, {FUNCTIONS} functions: whole after {:?}, {over:.1} % \
             over AWS's 20 min",
            BUCKETS * OBJECTS_PER_BUCKET,
            done.took
        );
        assert_eq!(state(&harness).await, before);
        for table in 0..TABLES {
            assert_eq!(
                items(&harness, &format!("production-t{table}")).await,
                [format!("i{table}")]
            );
        }
        for bucket in 0..BUCKETS {
            let objects = objects(&harness, &format!("production-b{bucket}")).await;
            assert_eq!(objects.len(), OBJECTS_PER_BUCKET);
            assert_eq!(objects["k7"], format!("{bucket} 7"));
        }
        assert!(over <= 5.0, "{over:.1} % over what AWS takes");
    });
}
