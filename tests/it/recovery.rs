//! Backups of whole environments, and environments built again from nothing.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::primitives::ByteStream;
use trueup::aws::Sessions;
use trueup::engine::recovery::{Backup, Told, Vault, Wish, back_up, id_of, prepare};
use trueup::model::DataSource;

use crate::harness::{ARTIFACTS, Harness, TABLE, parse};

pub const VAULT: &str = "kept-elsewhere";

/// An environment with two tables, a bucket and a function that refers to one of the tables.
fn manifests(name: &str) -> String {
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: {name} }}\nspec:\n  \
         aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  artifacts: {{ bucket: {ARTIFACTS} }}\n  \
         reconcile: {{ interval: 10m }}\n  recovery: {{ rpo: 24h, rto: 1h, backups: {{ bucket: {VAULT}, schedule: \"0 * * * *\" }} }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: orders, namespace: {name} }}\nspec:\n  \
         partitionKey: {{ name: id, type: S }}\n  billing: {{ mode: PAY_PER_REQUEST }}\n  \
         pointInTimeRecovery: {{ enabled: true }}\n  ttl: {{ enabled: true, attribute: expires }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: carts, namespace: {name} }}\nspec:\n  \
         partitionKey: {{ name: id, type: S }}\n  billing: {{ mode: PAY_PER_REQUEST }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Bucket\nmetadata: {{ name: assets, namespace: {name} }}\nspec: {{}}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: api, namespace: {name} }}\nspec:\n  \
         runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  alias: live\n  \
         code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}\n  env:\n  - name: ORDERS\n    \
         valueFrom: {{ objectRef: {{ kind: Table, name: orders, field: arn }} }}\n"
    )
}

pub async fn sessions(harness: &Harness) -> Sessions {
    Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await
}

pub async fn put_item(harness: &Harness, table: &str, id: &str) {
    let put = harness.session.dynamodb().put_item().table_name(table);
    put.item("id", AttributeValue::S(id.to_owned())).send().await.unwrap();
}

pub async fn items(harness: &Harness, table: &str) -> Vec<String> {
    let scanned = harness.session.dynamodb().scan().table_name(table).send().await.unwrap();
    let id = |item: &std::collections::HashMap<String, AttributeValue>| {
        item["id"].as_s().unwrap().clone()
    };
    let mut ids: Vec<_> = scanned.items().iter().map(id).collect();
    ids.sort();
    ids
}

async fn put_object(harness: &Harness, key: &str, text: &str) {
    let put = harness.session.s3().put_object().bucket("production-assets").key(key);
    put.content_type("text/plain")
        .body(ByteStream::from(text.as_bytes().to_vec()))
        .send()
        .await
        .unwrap();
}

pub async fn objects(harness: &Harness, bucket: &str) -> BTreeMap<String, String> {
    let s3 = harness.session.s3();
    let listed = s3.list_objects_v2().bucket(bucket).send().await.unwrap();
    let mut all = BTreeMap::new();
    for object in listed.contents() {
        let key = object.key().unwrap();
        let got = s3.get_object().bucket(bucket).key(key).send().await.unwrap();
        let body = got.body.collect().await.unwrap().into_bytes();
        all.insert(key.to_owned(), String::from_utf8(body.to_vec()).unwrap());
    }
    all
}

/// A shop with data in it, and a daemon.
pub async fn shop() -> Harness {
    shop_of(&Shop { latency: Duration::ZERO, watch_every: Duration::from_secs(1) }).await
}

/// How a world of these tests is.
pub struct Shop {
    /// Of every call.
    pub latency: Duration,
    /// How often the daemon looks at its store.
    pub watch_every: Duration,
}

pub async fn shop_of(shop: &Shop) -> Harness {
    let mut harness = Harness::far(shop.latency).await;
    harness.look_every(shop.watch_every);
    harness.put_code("api.zip", b"one").await;
    harness.session.s3().create_bucket().bucket(VAULT).send().await.unwrap();
    harness.apply(&manifests("production")).await;
    harness.start().await;
    harness.until_ready("production").await;
    for id in ["o1", "o2", "o3"] {
        put_item(&harness, "production-orders", id).await;
    }
    put_item(&harness, "production-carts", "c1").await;
    put_object(&harness, "a.txt", "first").await;
    put_object(&harness, "folder/b c.txt", "second").await;
    harness
}

pub async fn backed_up(harness: &Harness) -> Backup {
    let id = id_of(harness.store.clock().now(), 1);
    back_up(&harness.store, &sessions(harness).await, "production", &id).await.unwrap()
}

pub async fn vault(harness: &Harness, environment: &str) -> Vault {
    let set = parse(&manifests(environment));
    let spec = set.objects().find(|o| o.kind == "Environment").unwrap();
    let spec = serde::Deserialize::deserialize(&*spec.spec).unwrap();
    Vault::of(&sessions(harness).await, environment, &spec).await.unwrap()
}

/// Everything is lost but what lies in the vault, and DynamoDB's backups.
pub async fn lose_everything(harness: &Harness) {
    let (dynamodb, s3, lambda) =
        (harness.session.dynamodb(), harness.session.s3(), harness.session.lambda());
    for table in ["production-orders", "production-carts", TABLE] {
        dynamodb.delete_table().table_name(table).send().await.unwrap();
    }
    for bucket in ["production-assets", ARTIFACTS] {
        for key in objects(harness, bucket).await.into_keys() {
            s3.delete_object().bucket(bucket).key(key).send().await.unwrap();
        }
    }
    s3.delete_bucket().bucket("production-assets").send().await.unwrap();
    lambda.delete_function().function_name("production-api").send().await.unwrap();
}

pub async fn state(harness: &Harness) -> Vec<String> {
    let export = harness.store.export("production").await.unwrap();
    // What exists, and since when, is not what was declared.
    let is_declared = |line: &&String| {
        ["spec#", "release#", "page#"]
            .iter()
            .any(|part| line.contains(&format!("\"sk\":{{\"S\":\"{part}")))
    };
    export.lines.iter().filter(is_declared).cloned().collect()
}

#[tokio::test(start_paused = true)]
async fn an_environment_comes_back_from_nothing_with_its_data_and_its_releases() {
    let mut harness = shop().await;
    let backup = backed_up(&harness).await;
    assert_eq!(backup.lacking, []);
    assert!(backup.is_whole());
    let before = state(&harness).await;
    let (assets, artifacts) =
        (objects(&harness, "production-assets").await, objects(&harness, ARTIFACTS).await);
    // What came after the backup is lost for who names that backup.
    put_item(&harness, "production-orders", "later").await;
    harness.kill();
    lose_everything(&harness).await;

    let sessions = sessions(&harness).await;
    let vault = vault(&harness, "production").await;
    let prepared = prepare(&sessions, vault, &backup.id, &Wish::default()).await.unwrap();
    assert_eq!((prepared.plan.tables(), prepared.plan.buckets()), (2, 1));
    assert_eq!(prepared.plan.empty, []);
    assert_eq!(prepared.plan.takes, Duration::from_secs(22 * 60));
    harness.start().await;
    let told = Mutex::new(Vec::new());
    let tell = |what: Told<'_>| {
        let text = match what {
            Told::Package(key) => format!("package {key}"),
            Told::Recorded => "recorded".to_owned(),
            Told::NoDaemon => "no daemon".to_owned(),
            Told::Stuck { object, why } => format!("stuck: {object}: {why}"),
            Told::Ready { object, .. } => format!("ready: {object}"),
            Told::Filled { object, restored } => format!("{object} got {}", restored.copied),
        };
        told.lock().unwrap().push(text);
    };
    let done = prepared.carry_out(&harness.store, &sessions, "sre", &tell).await.unwrap();
    let mut told = told.into_inner().unwrap();
    assert_eq!(told[..2], ["package api.zip", "recorded"]);
    // Which table is ready first is AWS's.
    told[2..].sort();
    insta::assert_yaml_snapshot!("rehydration_told", told);
    assert!(done.took < Duration::from_secs(21 * 60 + 30), "{done:?}");
    assert_eq!(items(&harness, "production-orders").await, ["o1", "o2", "o3"]);
    assert_eq!(items(&harness, "production-carts").await, ["c1"]);
    assert_eq!(objects(&harness, "production-assets").await, assets);
    assert_eq!(objects(&harness, ARTIFACTS).await, artifacts);
    assert_eq!(state(&harness).await, before, "to the letter");
    harness.until_ready("production").await;
    // The settings and the tags that a restore leaves out were put on.
    let calls = harness.sandbox.calls().counts();
    for (action, times) in
        [("UpdateTimeToLive", 2), ("UpdateContinuousBackups", 3), ("TagResource", 2)]
    {
        let made = calls[&format!("dynamodb:{action}")];
        assert!(made >= times, "{action}: {made}");
    }
    let ttl = harness.session.dynamodb().describe_time_to_live().table_name("production-orders");
    let ttl = ttl.send().await.unwrap().time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("expires"));
    assert!(harness.store.data_sources("production").await.unwrap().is_empty());
    let again = prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap();
    assert_eq!(again, done, "it is over");
    // A table that goes now is not restored to that time again, and no empty one takes its place.
    harness.session.dynamodb().delete_table().table_name("production-carts").send().await.unwrap();
    harness.store.request_reconcile("production", None).await.unwrap();
    let (reason, message) = harness.until_stalled("production", "Table/carts").await;
    assert_eq!(reason, "DataLost");
    assert!(message.contains("trueup restore production Table/carts"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_backup_of_a_table_that_somebody_deleted_is_no_recovery_point() {
    use trueup::engine::recovery::measure;
    let harness = shop().await;
    let first = backed_up(&harness).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let second = backed_up(&harness).await;
    let carts: trueup::model::ObjectId = "Table/carts".parse().unwrap();
    let sessions = sessions(&harness).await;
    let newest = || async {
        let measured = measure(&harness.store, &sessions, "production").await.unwrap().unwrap();
        measured.points[&carts].as_ref().map(|point| point.from.clone())
    };
    assert_ne!(newest().await, Some(first.id.clone()));
    let of_carts = |backup: &Backup| {
        let table = backup.tables.iter().find(|table| table.object == "Table/carts").unwrap();
        table.backup_arn.clone()
    };
    let dynamodb = harness.session.dynamodb();
    // The schedule may have made others meanwhile.
    let listed = dynamodb.list_backups().table_name("production-carts").send().await.unwrap();
    for summary in listed.backup_summaries() {
        let arn = summary.backup_arn().unwrap();
        if arn != of_carts(&first) {
            dynamodb.delete_backup().backup_arn(arn).send().await.unwrap();
        }
    }
    assert_ne!(of_carts(&second), of_carts(&first));
    assert_eq!(newest().await, Some(first.id), "what is left");
}

/// A release comes while the backup is made, and brings a table.
#[tokio::test(start_paused = true)]
async fn what_comes_while_a_backup_is_made_is_named_as_lacking() {
    let harness = shop().await;
    let id = id_of(harness.store.clock().now(), 1);
    let sessions = sessions(&harness).await;
    let work = back_up(&harness.store, &sessions, "production", &id);
    let newer = async {
        // DynamoDB makes its backups.
        tokio::time::sleep(Duration::from_millis(500)).await;
        let more = manifests("production").replace(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Bucket",
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: { name: late, namespace: production }\n\
             spec:\n  partitionKey: { name: id, type: S }\n---\napiVersion: trueup.dev/v1alpha1\nkind: Bucket",
        );
        harness.apply(&more).await;
    };
    let (backup, ()) = tokio::join!(work, newer);
    let backup = backup.unwrap();
    let lacking: Vec<_> = backup.lacking.iter().map(|lack| lack.object.as_str()).collect();
    assert_eq!((lacking, backup.release), (vec!["Table/late"], 2));
    let vault = vault(&harness, "production").await;
    let wish = Wish { into: Some("copy".to_owned()), ..Wish::default() };
    let refused = prepare(&sessions, vault, &backup.id, &wish).await.err().unwrap().to_string();
    assert!(refused.contains("Table/late: it came while"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_without_objects_is_no_damage() {
    let harness = shop().await;
    let s3 = harness.session.s3();
    for key in objects(&harness, "production-assets").await.into_keys() {
        s3.delete_object().bucket("production-assets").key(key).send().await.unwrap();
    }
    let backup = backed_up(&harness).await;
    let vault = vault(&harness, "production").await;
    let verified =
        trueup::engine::recovery::verify(&harness.store, &harness.session, &vault, &backup);
    assert_eq!(verified.await.unwrap().problems, [""; 0]);
    let wish = Wish { into: Some("copy".to_owned()), ..Wish::default() };
    let sessions = sessions(&harness).await;
    let prepared = prepare(&sessions, vault, &backup.id, &wish).await.unwrap();
    prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap();
    assert!(objects(&harness, "copy-assets").await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_copy_beside_the_first_has_its_data_and_leaves_it_alone() {
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    let wish = Wish { into: Some("copy".to_owned()), ..Wish::default() };
    let sessions = sessions(&harness).await;
    let vault = vault(&harness, "production").await;
    let prepared = prepare(&sessions, vault, &backup.id, &wish).await.unwrap();
    assert_eq!(prepared.mentions, [""; 0]);
    let before = harness.mutations().len();
    prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap();
    assert_eq!(items(&harness, "copy-orders").await, ["o1", "o2", "o3"]);
    assert_eq!(
        objects(&harness, "copy-assets").await,
        objects(&harness, "production-assets").await
    );
    let calls = harness.mutations().split_off(before);
    // The schedule's backups are no harm.
    let is_harm = |call: &&String| call.contains("production-") && !call.contains("CreateBackup");
    let touched: Vec<_> = calls.iter().filter(is_harm).collect();
    assert_eq!(touched, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_is_there_is_not_built_again() {
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    let sessions = sessions(&harness).await;
    let prepared =
        prepare(&sessions, vault(&harness, "production").await, &backup.id, &Wish::default())
            .await
            .unwrap();
    let refused = prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("production is there, at release 1"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_table_that_is_gone_comes_back_from_what_it_is_said_to_be_restored_from() {
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    let dynamodb = harness.session.dynamodb();
    dynamodb.delete_table().table_name("production-carts").send().await.unwrap();
    harness.store.request_reconcile("production", None).await.unwrap();
    let (reason, _) = harness.until_stalled("production", "Table/carts").await;
    assert_eq!(reason, "DataLost");
    let carts = backup.tables.iter().find(|table| table.object == "Table/carts").unwrap();
    let source = DataSource::TableBackup { arn: carts.backup_arn.clone() };
    let sources = BTreeMap::from([("Table/carts".parse().unwrap(), source)]);
    harness.store.put_data_sources("production", &sources).await.unwrap();
    harness.store.request_reconcile("production", None).await.unwrap();
    tokio::time::sleep(Duration::from_secs(22 * 60)).await;
    harness.until_ready("production").await;
    assert_eq!(items(&harness, "production-carts").await, ["c1"]);
    let events = harness.events("production").await;
    let reasons: Vec<_> =
        events.iter().filter(|e| e.object == "Table/carts").map(|e| e.reason.as_str()).collect();
    assert!(reasons.contains(&"Restoring") && reasons.contains(&"Restored"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn the_daemon_makes_backups_by_the_schedule_and_keeps_them_as_long_as_it_says() {
    let shop = Shop { latency: Duration::ZERO, watch_every: Duration::from_secs(30) };
    let mut harness = shop_of(&shop).await;
    let vault = vault(&harness, "production").await;
    // The first one does not wait for the schedule.
    tokio::time::sleep(Duration::from_secs(240)).await;
    assert_eq!(vault.sound_backups().await.unwrap().len(), 1);
    // A daemon that dies in the middle is succeeded by one that goes on.
    harness.kill();
    harness.start().await;
    tokio::time::sleep(Duration::from_secs(26 * 3600)).await;
    let all = vault.sound_backups().await.unwrap();
    assert!((26..=28).contains(&all.len()), "one an hour: {}", all.len());
    assert!(all.iter().all(Backup::is_whole));
    let yaml = manifests("production").replace("schedule:", "retention: 1d, schedule:");
    assert_ne!(yaml, manifests("production"));
    harness.apply(&yaml).await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    let kept = vault.sound_backups().await.unwrap();
    assert!((24..=26).contains(&kept.len()), "a day of them: {}", kept.len());
    assert!(kept[0].id > all[0].id, "the oldest are gone");
    let listed = harness.session.dynamodb().list_backups().send().await.unwrap();
    assert_eq!(listed.backup_summaries().len(), kept.len() * 2, "with those of their tables");
    // What is in the bucket was copied once.
    let copies = harness.session.s3().list_objects_v2().bucket(VAULT).prefix("production/data/");
    assert_eq!(copies.send().await.unwrap().contents().len(), 3, "two objects and a package");
    let reasons: Vec<_> =
        harness.events("production").await.into_iter().map(|e| e.reason).collect();
    assert!(reasons.iter().any(|reason| reason == "BackupMade"), "{reasons:?}");
    assert!(!reasons.iter().any(|reason| reason == "BackupFailed"), "{reasons:?}");
}

#[tokio::test(start_paused = true)]
async fn a_backup_is_proven_by_its_parts_and_by_putting_its_records_into_a_scratch_table() {
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    let vault = vault(&harness, "production").await;
    let check = || async {
        trueup::engine::recovery::verify(&harness.store, &harness.session, &vault, &backup)
            .await
            .unwrap()
    };
    let checked = check().await;
    assert_eq!(checked.problems, [""; 0]);
    assert_eq!((checked.tables, checked.objects, checked.packages), (2, 2, 1));
    assert!(checked.records > 8, "{checked:?}");
    let tables = harness.session.dynamodb().list_tables().send().await.unwrap();
    assert!(!tables.table_names().iter().any(|name| name.contains("verify")), "it is gone again");
    // Somebody puts something else where a copy lies.
    let s3 = harness.session.s3();
    let data = s3.list_objects_v2().bucket(VAULT).prefix("production/data/").send().await.unwrap();
    let copy =
        data.contents().iter().find(|object| object.size() == Some(5)).unwrap().key().unwrap();
    let body = ByteStream::from_static(b"wrong");
    let put = s3.put_object().bucket(VAULT).key(copy).body(body);
    use base64::Engine;
    use sha2::Digest;
    let sum = base64::prelude::BASE64_STANDARD.encode(sha2::Sha256::digest(b"wrong"));
    put.checksum_sha256(sum).send().await.unwrap();
    let carts = backup.tables.iter().find(|table| table.object == "Table/carts").unwrap();
    harness.session.dynamodb().delete_backup().backup_arn(&carts.backup_arn).send().await.unwrap();
    let state = &backup.state[0].key;
    s3.put_object()
        .bucket(VAULT)
        .key(state)
        .body(ByteStream::from_static(b"{}\n"))
        .send()
        .await
        .unwrap();
    let problems = check().await.problems;
    assert_eq!(problems.len(), 3, "{problems:#?}");
    for word in ["state-0000.jsonl", "Table/carts", "a.txt"] {
        assert!(problems.iter().any(|problem| problem.contains(word)), "{word}: {problems:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_was_deleted_comes_back_with_its_last_item() {
    let harness = shop().await;
    backed_up(&harness).await;
    put_item(&harness, "production-orders", "after the backup").await;
    harness.session.dynamodb().delete_table().table_name("production-orders").send().await.unwrap();
    harness.store.request_reconcile("production", None).await.unwrap();
    harness.until_stalled("production", "Table/orders").await;
    let sessions = sessions(&harness).await;
    let asked = trueup::engine::recovery::Restoring::default();
    let prepared =
        trueup::engine::recovery::prepare_restore(&harness.store, &sessions, "production", &asked)
            .await
            .unwrap();
    let ids: Vec<_> = prepared.restorations.iter().map(|r| r.id.to_string()).collect();
    assert_eq!(ids, ["Table/orders"], "what is gone");
    prepared.carry_out(&harness.store, "sre", &|_| {}).await.unwrap();
    // DynamoDB's own backup of a deleted table is newer than ours.
    assert_eq!(items(&harness, "production-orders").await.len(), 4);
    harness.until_ready("production").await;
}

/// What DynamoDB itself kept of a table that had point-in-time recovery is newer than any backup.
#[tokio::test(start_paused = true)]
async fn an_environment_comes_back_with_the_last_items_of_tables_that_were_deleted() {
    let mut harness = shop().await;
    let backup = backed_up(&harness).await;
    put_item(&harness, "production-orders", "after the backup").await;
    put_item(&harness, "production-carts", "after the backup").await;
    harness.kill();
    lose_everything(&harness).await;
    let sessions = sessions(&harness).await;
    let newest = Wish { newest: true, ..Wish::default() };
    let vault_of_it = vault(&harness, "production").await;
    let prepared = prepare(&sessions, vault_of_it, &backup.id, &newest).await.unwrap();
    let ids: Vec<_> = prepared.newer.iter().map(|(id, _)| id.to_string()).collect();
    assert_eq!(ids, ["Table/orders"], "carts has no point-in-time recovery");
    assert_eq!((prepared.plan.tables(), &prepared.plan.empty), (2, &Vec::new()));
    harness.start().await;
    prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap();
    let kept = items(&harness, "production-orders").await;
    assert_eq!(kept, ["after the backup", "o1", "o2", "o3"]);
    assert_eq!(items(&harness, "production-carts").await, ["c1"], "as in the backup");
    // What is there is not asked about.
    let vault_of_it = vault(&harness, "production").await;
    let again = prepare(&sessions, vault_of_it, &backup.id, &newest).await.unwrap();
    assert_eq!(again.newer, []);
}

#[tokio::test(start_paused = true)]
async fn a_table_comes_back_beside_itself_and_the_release_waits_for_it() {
    let harness = shop().await;
    let sessions = sessions(&harness).await;
    let asked = trueup::engine::recovery::Restoring {
        objects: vec!["Table/orders".parse().unwrap()],
        beside: Some("orders-then".to_owned()),
        ..Default::default()
    };
    let prepared =
        trueup::engine::recovery::prepare_restore(&harness.store, &sessions, "production", &asked)
            .await
            .unwrap();
    prepared.carry_out(&harness.store, "sre", &|_| {}).await.unwrap();
    assert_eq!(items(&harness, "production-orders-then").await, ["o1", "o2", "o3"]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    let rollout = harness.store.rollout("production", 2).await.unwrap().unwrap();
    assert_eq!(rollout.verdict, trueup::store::Verdict::Succeeded, "{}", rollout.message);
}

#[tokio::test(start_paused = true)]
async fn a_drill_builds_everything_and_leaves_nothing() {
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    let sessions = sessions(&harness).await;
    let vault = vault(&harness, "production").await;
    let drilled = trueup::engine::recovery::drill(
        &harness.store,
        &sessions,
        vault.clone(),
        &backup.id,
        "sre",
        &|_| {},
    )
    .await
    .unwrap();
    assert_eq!(drilled.environment, "production-drill");
    let tables = harness.session.dynamodb().list_tables().send().await.unwrap();
    assert!(!tables.table_names().iter().any(|name| name.contains("drill")), "{tables:?}");
    let buckets = harness.session.s3().list_buckets().send().await.unwrap();
    assert!(!buckets.buckets().iter().any(|b| b.name().unwrap().contains("drill")), "{buckets:?}");
    let measured = trueup::engine::recovery::measure(&harness.store, &sessions, "production");
    let measured = measured.await.unwrap().unwrap();
    let judged = measured.judge(harness.store.clock().now());
    assert_eq!(judged.reason, "ObjectivesMet", "{}", judged.message);
    // It can be done again.
    let id = backed_up(&harness).await.id;
    let again =
        trueup::engine::recovery::drill(&harness.store, &sessions, vault, &id, "sre", &|_| {});
    again.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_table_that_somebody_deletes_gets_a_last_backup_unless_told_otherwise() {
    for (annotations, expected) in [("{}", 1), ("{ trueup.dev/last-backup: \"false\" }", 0)] {
        let harness = shop().await;
        let yaml = manifests("production").replace(
            "name: carts, namespace: production }\nspec:\n",
            &format!(
                "name: carts, namespace: production, annotations: {annotations} }}\nspec:\n  deletionPolicy: Delete\n"
            ),
        );
        assert_ne!(yaml, manifests("production"));
        harness.apply(&yaml).await;
        harness.until_ready("production").await;
        let objects =
            parse(&yaml).objects().filter(|o| o.metadata.name != "carts").cloned().collect();
        harness.record("production", objects).await.unwrap();
        let gone = || async { harness.status("production", "Table/carts").await.is_none() };
        harness.until("the table is gone", gone).await;
        let listed = harness.session.dynamodb().list_backups().send().await.unwrap();
        let last = listed.backup_summaries().iter().filter(|backup| {
            backup.backup_name().unwrap().starts_with("trueup-last-production-carts-")
        });
        assert_eq!(last.count(), expected, "{annotations}");
        let tables = harness.session.dynamodb().list_tables().send().await.unwrap();
        assert!(!tables.table_names().contains(&"production-carts".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_backup_of_an_earlier_removal_does_not_count() {
    let harness = shop().await;
    let yaml = manifests("production").replace(
        "name: carts, namespace: production }\nspec:\n",
        "name: carts, namespace: production }\nspec:\n  deletionPolicy: Delete\n",
    );
    harness.apply(&yaml).await;
    harness.until_ready("production").await;
    let without =
        || parse(&yaml).objects().filter(|o| o.metadata.name != "carts").cloned().collect();
    let last = || async {
        let listed = harness.session.dynamodb().list_backups().send().await.unwrap();
        let names = listed.backup_summaries().iter().filter_map(|backup| backup.backup_name());
        names.filter(|name| name.starts_with("trueup-last-production-carts-")).count()
    };
    // It is taken out, and comes back before it could be deleted.
    let denied: trueup::sandbox::Fault = "dynamodb:DeleteTable=denied".parse().unwrap();
    harness.sandbox.faults().inject(denied.of(crate::harness::DAEMON));
    harness.record("production", without()).await.unwrap();
    harness.until("it is backed up", || async { last().await == 1 }).await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_ne!(harness.sandbox.faults().struck(), 0);
    assert_eq!(last().await, 1, "tries do not make more of them");
    harness.apply(&yaml).await;
    harness.until_ready("production").await;
    harness.sandbox.faults().clear();
    put_item(&harness, "production-carts", "a cart of later").await;

    harness.record("production", without()).await.unwrap();
    let gone = || async { harness.status("production", "Table/carts").await.is_none() };
    harness.until("the table is gone", gone).await;
    assert_eq!(last().await, 2, "what was written meanwhile is backed up, too");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_filling_was_interrupted_is_filled_and_not_backed_up_half() {
    use trueup::engine::recovery::{Restoring, prepare_restore};
    let harness = shop().await;
    let first = backed_up(&harness).await;
    let assets = objects(&harness, "production-assets").await;
    let s3 = harness.session.s3();
    for key in assets.keys() {
        s3.delete_object().bucket("production-assets").key(key).send().await.unwrap();
    }
    s3.delete_bucket().bucket("production-assets").send().await.unwrap();
    harness.store.request_reconcile("production", None).await.unwrap();
    harness.until_stalled("production", "Bucket/assets").await;
    let sessions = sessions(&harness).await;
    let prepare = || async {
        prepare_restore(&harness.store, &sessions, "production", &Restoring::default())
            .await
            .unwrap()
    };
    let prepared = prepare().await;
    assert_eq!(prepared.restorations.len(), 1);
    // Killed once the daemon has made the bucket, before anything is in it.
    let made = async {
        loop {
            if s3.head_bucket().bucket("production-assets").send().await.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        () = made => {}
        _ = prepared.carry_out(&harness.store, "sre", &|_| {}) => panic!("it was filled already"),
    }
    harness.until_ready("production").await;
    assert!(objects(&harness, "production-assets").await.is_empty(), "nobody has filled it");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let half = backed_up(&harness).await;
    assert_ne!(half.id, first.id);
    let lacking: Vec<_> = half.lacking.iter().map(|lacking| lacking.object.as_str()).collect();
    assert_eq!(lacking, ["Bucket/assets"], "it is no recovery point of the bucket");
    let tables_made = || harness.sandbox.calls().counts()["dynamodb:CreateTable"];
    let (before, vault) = (tables_made(), vault(&harness, "production").await);
    let verified =
        trueup::engine::recovery::verify(&harness.store, &harness.session, &vault, &half);
    assert_eq!(verified.await.unwrap().problems.len(), 1, "what it lacks");
    assert_eq!(tables_made(), before + 1, "its records were put into a scratch table all the same");
    // What somebody wrote meanwhile stays.
    put_object(&harness, "a.txt", "newer").await;
    let prepared = prepare().await;
    assert_eq!(prepared.restorations.len(), 1, "it is gone on with");
    prepared.carry_out(&harness.store, "sre", &|_| {}).await.unwrap();
    let now = objects(&harness, "production-assets").await;
    assert_eq!((now.len(), now["a.txt"].as_str()), (assets.len(), "newer"));
    assert!(harness.store.data_sources("production").await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_deletes_nothing_that_it_has_not_made() {
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    let sessions = sessions(&harness).await;
    let vault = vault(&harness, "production").await;
    // A person has built a copy of that name, or declared one.
    let wish = Wish { into: Some("production-drill".to_owned()), ..Wish::default() };
    let prepared = prepare(&sessions, vault.clone(), &backup.id, &wish).await.unwrap();
    prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap();
    let drilled = trueup::engine::recovery::drill(
        &harness.store,
        &sessions,
        vault,
        &backup.id,
        "sre",
        &|_| {},
    );
    let refused = drilled.await.unwrap_err().to_string();
    assert!(refused.contains("no rehearsal of production has made"), "{refused}");
    assert_eq!(items(&harness, "production-drill-orders").await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_backup_that_is_whole_is_not_written_anew_and_one_that_is_needed_is_not_deleted() {
    use trueup::engine::recovery::{delete, in_use};
    let harness = shop().await;
    let backup = backed_up(&harness).await;
    put_object(&harness, "later.txt", "later").await;
    let again = back_up(&harness.store, &sessions(&harness).await, "production", &backup.id).await;
    assert_eq!(again.unwrap(), backup, "its manifest stays as it is");
    let carts = backup.tables.iter().find(|table| table.object == "Table/carts").unwrap();
    let source = DataSource::TableBackup { arn: carts.backup_arn.clone() };
    let sources = BTreeMap::from([("Table/carts-then".parse().unwrap(), source)]);
    harness.store.put_data_sources("production", &sources).await.unwrap();
    let vault = vault(&harness, "production").await;
    let used = in_use(&harness.store).await.unwrap();
    let refused = delete(&vault, &harness.session, &backup, &used).await.unwrap_err().to_string();
    assert!(refused.contains("still to be restored"), "{refused}");
    assert!(vault.backup(&backup.id).await.unwrap().is_whole());
}

#[tokio::test(start_paused = true)]
async fn another_vault_leaves_the_backups_of_the_first_alone() {
    use trueup::engine::recovery::sweep;
    let shop = Shop { latency: Duration::ZERO, watch_every: Duration::from_secs(60) };
    let mut harness = shop_of(&shop).await;
    let backup = backed_up(&harness).await;
    harness.stop().await;
    tokio::time::sleep(Duration::from_secs(30 * 3600)).await;
    let policy = trueup::kinds::environment::BackupPolicy {
        bucket: VAULT.to_owned(),
        prefix: Some("another".to_owned()),
        ..Default::default()
    };
    let target = trueup::aws::Target::default();
    let sessions = sessions(&harness).await;
    let other = Vault::open(&sessions, "production", &target, &policy).await.unwrap();
    let swept = sweep(&harness.store, &other, &harness.session, "production").await.unwrap();
    assert_eq!((swept.tables, swept.copies), (0, 0));
    let first = vault(&harness, "production").await;
    let session = &harness.session;
    let checked = trueup::engine::recovery::verify(&harness.store, session, &first, &backup);
    assert_eq!(checked.await.unwrap().problems, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_bucket_whose_name_somebody_else_has_now_is_neither_backed_up_nor_filled() {
    use trueup::engine::recovery::{Restoring, prepare_restore};
    let mut harness = shop().await;
    let first = backed_up(&harness).await;
    harness.stop().await;
    let s3 = harness.session.s3();
    let theirs = "a.txt";
    s3.delete_object().bucket("production-assets").key(theirs).send().await.unwrap();
    harness.sandbox.give_away("production-assets", "999999999999");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let backup = backed_up(&harness).await;
    assert_ne!(backup.id, first.id);
    let lacking: Vec<_> = backup.lacking.iter().map(|lacking| lacking.object.as_str()).collect();
    assert_eq!(lacking, ["Bucket/assets"], "{:?}", backup.lacking);
    let asked =
        Restoring { objects: vec!["Bucket/assets".parse().unwrap()], ..Restoring::default() };
    let sessions = sessions(&harness).await;
    let prepared = prepare_restore(&harness.store, &sessions, "production", &asked).await;
    assert!(prepared.is_err(), "it is not ours");
    assert!(!objects(&harness, "production-assets").await.contains_key(theirs), "nothing came");
}

/// S3 copies it in parts only, and parts take nothing along.
#[tokio::test(start_paused = true)]
async fn an_object_of_more_than_5_gb_comes_back_with_all_that_belongs_to_it() {
    use trueup::engine::recovery::{Restoring, prepare_restore};
    let harness = shop().await;
    let s3 = harness.session.s3();
    let film = s3.put_object().bucket("production-assets").key("films/summer 1.mp4");
    let film = film.content_type("video/mp4").cache_control("max-age=60").tagging("team=a%26b");
    let film = film.expires(aws_sdk_s3::primitives::DateTime::from_secs(1_800_000_000));
    // What the sandbox says of its length; it has eight of them.
    let film = film.metadata("sandbox-bytes", "6000000000").metadata("by", "hand");
    film.body(ByteStream::from_static(b"the film")).send().await.unwrap();
    let faults = harness.sandbox.faults();
    // As a crash leaves it: a part is not copied, and nobody aborts.
    faults.inject("s3:UploadPartCopy=denied*1".parse().unwrap());
    faults.inject("s3:AbortMultipartUpload=denied*1".parse().unwrap());
    let first = backed_up(&harness).await;
    let lacking: Vec<_> = first.lacking.iter().map(|lacking| lacking.object.as_str()).collect();
    assert_eq!((lacking, faults.struck()), (vec!["Bucket/assets"], 2));
    faults.clear();
    let uploads = || async {
        let listed = s3.list_multipart_uploads().bucket(VAULT).send().await.unwrap();
        listed.uploads().len()
    };
    assert_eq!(uploads().await, 1, "left over");
    faults.inject("s3:UploadPartCopy=500*1".parse().unwrap());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let backup = backed_up(&harness).await;
    assert_eq!((backup.lacking.len(), faults.struck()), (0, 1), "a part was tried twice");
    assert_eq!(uploads().await, 0);
    let counts = harness.sandbox.calls().counts();
    assert!(counts["s3:UploadPartCopy"] > 90, "6 GB in parts of 64 MiB: {counts:?}");

    for key in objects(&harness, "production-assets").await.into_keys() {
        s3.delete_object().bucket("production-assets").key(key).send().await.unwrap();
    }
    s3.delete_bucket().bucket("production-assets").send().await.unwrap();
    harness.store.request_reconcile("production", None).await.unwrap();
    harness.until_stalled("production", "Bucket/assets").await;
    let sessions = sessions(&harness).await;
    let prepared =
        prepare_restore(&harness.store, &sessions, "production", &Restoring::default()).await;
    prepared.unwrap().carry_out(&harness.store, "sre", &|_| {}).await.unwrap();
    let get = s3.get_object().bucket("production-assets").key("films/summer 1.mp4");
    let got = get.send().await.unwrap();
    assert_eq!((got.content_type(), got.cache_control()), (Some("video/mp4"), Some("max-age=60")));
    assert!(got.expires_string().unwrap().contains("2027"), "{:?}", got.expires_string());
    assert_eq!(got.metadata().unwrap()["by"], "hand");
    assert_eq!(got.body.collect().await.unwrap().to_vec(), b"the film");
    let tags = s3.get_object_tagging().bucket("production-assets").key("films/summer 1.mp4");
    let tags = tags.send().await.unwrap();
    assert_eq!((tags.tag_set()[0].key(), tags.tag_set()[0].value()), ("team", "a&b"));
}
