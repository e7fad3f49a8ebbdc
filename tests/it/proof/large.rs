//! A large environment is lost as a whole and built again: in the time that AWS takes, and by an operator that is killed
//! at two hundred of its calls. Minutes of work, so by name only:
//! `cargo test --test it -- --ignored --nocapture proof::large`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use trueup::aws::{Sessions, Target};
use trueup::engine::recovery::{Backup, Done, Vault, Wish, prepare};
use trueup::kinds::environment::BackupPolicy;
use trueup::sandbox::Fault;

use super::seeds::in_virtual_time;
use crate::harness::{ARTIFACTS, Harness};
use crate::recovery::{VAULT, backed_up, items, objects, put_item, state};

const TABLES: usize = 50;
const BUCKETS: usize = 50;
const OBJECTS_PER_BUCKET: usize = 200;
const FUNCTIONS: usize = 200;
/// Of every call.
const LATENCY: Duration = Duration::from_millis(20);
/// What a restore of tables takes, all at once.
const AWS_TAKES: Duration = Duration::from_secs(20 * 60);
const KILLS: usize = 200;
const LATE_KILLS: usize = 30;
/// Who signs the operator's calls.
const OPERATOR: &str = "OPERATOR";

/// Each function refers to a table.
fn manifests() -> String {
    let mut yaml = format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: production }}\nspec:\n  \
         aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  artifacts: {{ bucket: {ARTIFACTS} }}\n  \
         reconcile: {{ interval: 1h }}\n  recovery: {{ backups: {{ bucket: {VAULT} }} }}\n"
    );
    let mut add = |kind: &str, name: String, spec: &str| {
        write!(
            yaml,
            "---\napiVersion: trueup.dev/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name}, namespace: production }}\n\
             spec: {{ {spec} }}\n"
        )
        .unwrap();
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

/// What there was before everything was lost.
struct Lost {
    backup: Backup,
    state: Vec<String>,
}

/// The environment with its data, backed up and lost, but for what lies in the vault and DynamoDB's backups; a daemon
/// waits.
async fn lost() -> (Harness, Lost) {
    let mut harness = Harness::far(LATENCY).await;
    harness.look_every(Duration::from_secs(5));
    harness.put_code("api.zip", b"one").await;
    let s3 = harness.session.s3().clone();
    s3.create_bucket().bucket(VAULT).send().await.unwrap();
    harness.apply(&manifests()).await;
    harness.start().await;
    harness.until_ready("production").await;
    for bucket in 0..BUCKETS {
        for (key, body) in contents(bucket) {
            let put = s3.put_object().bucket(format!("production-b{bucket}"));
            put.key(key).body(body.into_bytes().into()).send().await.unwrap();
        }
    }
    for table in 0..TABLES {
        put_item(&harness, &format!("production-t{table}"), &format!("i{table}")).await;
    }
    let backup = backed_up(&harness).await;
    assert!(backup.is_whole(), "{:?}", backup.lacking);
    let state = state(&harness).await;
    harness.kill();
    lose(&harness).await;
    harness.start().await;
    (harness, Lost { backup, state })
}

fn contents(bucket: usize) -> BTreeMap<String, String> {
    (0..OBJECTS_PER_BUCKET).map(|i| (format!("k{i}"), format!("{bucket} {i}"))).collect()
}

async fn lose(harness: &Harness) {
    let (dynamodb, s3) = (harness.session.dynamodb(), harness.session.s3());
    for table in (0..TABLES).map(|i| format!("production-t{i}")).chain(["trueup".to_owned()]) {
        dynamodb.delete_table().table_name(table).send().await.unwrap();
    }
    for bucket in 0..BUCKETS {
        let name = format!("production-b{bucket}");
        for key in contents(bucket).into_keys() {
            s3.delete_object().bucket(&name).key(key).send().await.unwrap();
        }
        s3.delete_bucket().bucket(&name).send().await.unwrap();
    }
    for function in 0..FUNCTIONS {
        let name = format!("production-f{function}");
        harness.session.lambda().delete_function().function_name(name).send().await.unwrap();
    }
}

/// One process of the operator, from its start to its end.
async fn operate(harness: &Harness, backup: &Backup) -> Done {
    let connection = harness.sandbox.connection_as(OPERATOR);
    let sessions = Sessions::new(&connection, harness.store.clock(), None).await;
    let store = trueup::store::Store::new(
        sessions.home().await.unwrap(),
        harness.store.table(),
        harness.store.clock(),
    );
    let policy = BackupPolicy { bucket: VAULT.to_owned(), ..Default::default() };
    let vault = Vault::open(&sessions, "production", &Target::default(), &policy).await.unwrap();
    let prepared = prepare(&sessions, vault, &backup.id, &Wish::default()).await.unwrap();
    prepared.carry_out(&store, &sessions, "sre", &|_| {}).await.unwrap()
}

/// Everything is as it was, and nothing is there twice.
async fn is_as_before(harness: &Harness, lost: &Lost) {
    harness.until_ready("production").await;
    assert_eq!(state(harness).await, lost.state);
    for table in 0..TABLES {
        let items = items(harness, &format!("production-t{table}")).await;
        assert_eq!(items, [format!("i{table}")]);
    }
    for bucket in 0..BUCKETS {
        let objects = objects(harness, &format!("production-b{bucket}")).await;
        assert_eq!(objects, contents(bucket), "b{bucket}");
    }
    let listed = harness.session.dynamodb().list_tables().send().await.unwrap();
    assert_eq!(listed.table_names().len(), TABLES + 1, "{:?}", listed.table_names());
    let buckets = harness.session.s3().list_buckets().send().await.unwrap();
    // With those of the packages and of the backups.
    assert_eq!(buckets.buckets().len(), BUCKETS + 2);
    let mut functions = harness.session.lambda().list_functions().into_paginator().items().send();
    let mut count = 0;
    while let Some(function) = functions.next().await {
        function.unwrap();
        count += 1;
    }
    assert_eq!(count, FUNCTIONS);
    assert!(harness.store.data_sources("production").await.unwrap().is_empty());
}

/// In percent of what AWS takes.
fn over(took: Duration) -> f64 {
    took.saturating_sub(AWS_TAKES).as_secs_f64() / AWS_TAKES.as_secs_f64() * 100.0
}

#[test]
#[ignore = "takes minutes"]
fn a_large_environment_comes_back_in_the_time_that_aws_takes() {
    in_virtual_time(async {
        let (harness, lost) = lost().await;
        let done = operate(&harness, &lost.backup).await;
        let over = over(done.took);
        println!(
            "{TABLES} tables, {BUCKETS} buckets with {} objects, {FUNCTIONS} functions: whole after {:?}, {over:.1} % \
             over AWS's {AWS_TAKES:?}",
            BUCKETS * OBJECTS_PER_BUCKET,
            done.took
        );
        is_as_before(&harness, &lost).await;
        assert!(over <= 5.0, "{over:.1} % over what AWS takes");
    });
}

/// When a process of the operator is killed.
enum Kill {
    /// At one of its calls, before or after its effect.
    AtCall(u64),
    After(Duration),
}

/// Calls that an operator makes at least until it has seen that every object of every bucket is there.
const CALLS_MIN: u64 = 110;
/// In one pass over the buckets most calls copy objects, so the times are short.
const LIVES_FOR_MAX: Duration = Duration::from_secs(8);

impl Kill {
    fn random(rng: &mut StdRng) -> Self {
        match rng.random_bool(0.7) {
            true => Self::AtCall(rng.random_range(0..CALLS_MIN)),
            false => Self::After(LIVES_FOR_MAX.mul_f64(rng.random())),
        }
    }

    async fn strikes(&self, harness: &Harness, rng: &mut StdRng) {
        match self {
            Self::After(lives_for) => tokio::time::sleep(*lives_for).await,
            Self::AtCall(call) => {
                let kind = if rng.random_bool(0.5) { "stop" } else { "stopafter" };
                let fault: Fault = format!("*:*={kind}@{call}").parse().unwrap();
                harness.sandbox.faults().inject_perhaps(fault.of(OPERATOR));
                while !harness.sandbox.faults().has_stopped(OPERATOR) {
                    tokio::time::sleep(LATENCY).await;
                }
            }
        }
    }
}

/// A process of the operator that does not come to its end, and whether it was killed.
async fn is_killed(harness: &Harness, lost: &Lost, kill: &Kill, rng: &mut StdRng) -> bool {
    let is_killed = tokio::select! {
        _ = operate(harness, &lost.backup) => false,
        () = kill.strikes(harness, rng) => true,
    };
    harness.sandbox.faults().clear();
    is_killed
}

async fn until_tables_come_back(harness: &Harness) {
    while tables_to_come(harness).await == TABLES {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn tables_to_come(harness: &Harness) -> usize {
    let waiting = harness.not_ready("production").await;
    waiting.iter().filter(|object| object.starts_with("Table/")).count()
}

#[test]
#[ignore = "takes minutes"]
fn a_large_environment_comes_back_though_its_operator_is_killed_two_hundred_times() {
    in_virtual_time(async {
        let mut rng = StdRng::seed_from_u64(1);
        let (mut harness, lost) = lost().await;
        let (mut at_calls, mut daemons) = (0, 0);
        for kill in 1..=KILLS {
            // The last ones while functions are made.
            if kill == KILLS - LATE_KILLS {
                assert_eq!(tables_to_come(&harness).await, TABLES, "the kills took as long as AWS");
                tokio::select! {
                    _ = operate(&harness, &lost.backup) => panic!("it was over"),
                    () = until_tables_come_back(&harness) => {}
                }
            }
            let how = match kill < KILLS - LATE_KILLS {
                true => Kill::random(&mut rng),
                false => Kill::AtCall(rng.random_range(0..CALLS_MIN)),
            };
            assert!(is_killed(&harness, &lost, &how, &mut rng).await, "over before kill {kill}");
            at_calls += usize::from(matches!(how, Kill::AtCall(_)));
            if kill % 10 == 0 {
                harness.kill();
                harness.start().await;
                daemons += 1;
            }
        }
        // What the records say of the restore is taken away at the end, call by call.
        let mut at_the_end = 0;
        for call in (CALLS_MIN..).step_by(25) {
            if !is_killed(&harness, &lost, &Kill::AtCall(call), &mut rng).await {
                break;
            }
            at_the_end += 1;
        }
        let done = operate(&harness, &lost.backup).await;
        println!(
            "killed {KILLS} times, {at_calls} of them at a call, {LATE_KILLS} while functions were made; {at_the_end} \
             times more until the end; the daemon {daemons} times: whole after {:?}, {:.1} % over AWS's",
            done.took,
            over(done.took)
        );
        is_as_before(&harness, &lost).await;
    });
}
