//! Environments that are built in another region or account: their tables come from exports in the vault.

use std::collections::BTreeSet;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use trueup::aws::{Session, Target};
use trueup::engine::recovery::{Backup, Elsewhere, Prepared, RecoveryError, Vault, Wish, prepare};
use trueup::kinds::environment::BackupPolicy;

use crate::harness::{ARTIFACTS, Harness, parse, try_parse};
use crate::recovery::{VAULT, backed_up, put_item, sessions};

const REGION: &str = "eu-west-1";
const PACKAGES_THERE: &str = "artifacts-there";

/// A table with an index, one that DynamoDB cannot import, a bucket, and a function that names a table.
fn manifests(carts: &str) -> String {
    format!(
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: {{ name: production }}\nspec:\n  \
         aws: {{ region: us-east-1, accountId: \"123456789012\" }}\n  artifacts: {{ bucket: {ARTIFACTS} }}\n  \
         recovery: {{ backups: {{ bucket: {VAULT}, exportTables: true }} }}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: orders, namespace: production }}\nspec:\n  \
         partitionKey: {{ name: id, type: S }}\n  billing: {{ mode: PAY_PER_REQUEST }}\n  \
         globalSecondaryIndexes: [{{ name: by-day, partitionKey: {{ name: day, type: N }}, projection: {{ type: ALL }} }}]\n  \
         pointInTimeRecovery: {{ enabled: true }}\n  ttl: {{ attribute: expires }}\n  deletionProtection: true\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: carts, namespace: production }}\nspec:\n  \
         partitionKey: {{ name: id, type: S }}\n  billing: {{ mode: PAY_PER_REQUEST }}\n  \
         pointInTimeRecovery: {{ enabled: true }}\n{carts}---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Bucket\nmetadata: {{ name: assets, namespace: production }}\nspec: {{}}\n---\n\
         apiVersion: trueup.dev/v1alpha1\nkind: Function\nmetadata: {{ name: api, namespace: production }}\nspec:\n  \
         runtime: nodejs22.x\n  handler: main.handler\n  role: arn:aws:iam::123456789012:role/api\n  alias: live\n  \
         code: {{ s3: {{ bucket: {ARTIFACTS}, key: api.zip }} }}\n  env:\n  - name: ORDERS\n    \
         valueFrom: {{ objectRef: {{ kind: Table, name: orders, field: arn }} }}\n"
    )
}

async fn shop(carts: &str) -> Harness {
    let mut harness = Harness::new().await;
    harness.look_every(Duration::from_secs(5));
    harness.put_code("api.zip", b"one").await;
    make_buckets(&harness).await;
    harness.apply(&manifests(carts)).await;
    harness.start().await;
    harness.until_ready("production").await;
    for id in ["o1", "o2", "o3"] {
        put_item(&harness, "production-orders", id).await;
    }
    put_item(&harness, "production-carts", "c1").await;
    let put = harness.session.s3().put_object().bucket("production-assets").key("a.txt");
    put.body(b"first".to_vec().into()).send().await.unwrap();
    harness
}

/// That of the packages has to be where the functions are.
async fn make_buckets(harness: &Harness) {
    harness.session.s3().create_bucket().bucket(VAULT).send().await.unwrap();
    let there = CreateBucketConfiguration::builder();
    let there = there.location_constraint(BucketLocationConstraint::from(REGION)).build();
    let session = session_there(harness).await;
    let make = session.s3().create_bucket().bucket(PACKAGES_THERE);
    make.create_bucket_configuration(there).send().await.unwrap();
}

async fn vault(harness: &Harness) -> Vault {
    let policy = BackupPolicy { bucket: VAULT.to_owned(), ..BackupPolicy::default() };
    let sessions = sessions(harness).await;
    Vault::open(&sessions, "production", &Target::default(), &policy).await.unwrap()
}

fn there() -> Wish {
    let elsewhere = Elsewhere {
        region: Some(REGION.to_owned()),
        artifacts: Some(PACKAGES_THERE.to_owned()),
        ..Elsewhere::default()
    };
    Wish { into: Some("copy".to_owned()), elsewhere: Some(elsewhere), ..Wish::default() }
}

async fn prepared(
    harness: &Harness,
    backup: &Backup,
    wish: &Wish,
) -> Result<Prepared, RecoveryError> {
    prepare(&sessions(harness).await, vault(harness).await, &backup.id, wish).await
}

/// Within the time that AWS takes.
async fn carry_out(harness: &Harness, prepared: &Prepared) {
    let sessions = sessions(harness).await;
    let work = prepared.carry_out(&harness.store, &sessions, "sre", &|_| {});
    match tokio::time::timeout(Duration::from_secs(3600), work).await {
        Ok(done) => drop(done.unwrap()),
        Err(_) => panic!("not whole: {:#?}", harness.not_ready("copy").await),
    }
}

async fn session_there(harness: &Harness) -> Session {
    let target = Target { region: Some(REGION.to_owned()), ..Target::default() };
    sessions(harness).await.get(&target).await.unwrap()
}

async fn items_there(harness: &Harness, table: &str) -> Vec<String> {
    let session = session_there(harness).await;
    let scanned = session.dynamodb().scan().table_name(table).send().await.unwrap();
    let id = |item: &std::collections::HashMap<String, AttributeValue>| {
        item["id"].as_s().unwrap().clone()
    };
    let mut ids: Vec<_> = scanned.items().iter().map(id).collect();
    ids.sort();
    ids
}

fn calls(harness: &Harness, operation: &str) -> Vec<String> {
    let calls = harness.sandbox.calls().all();
    let of = calls.iter().filter(|call| call.operation == operation && call.region == REGION);
    of.map(|call| call.resource.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_environment_is_built_in_another_region_from_its_exports() {
    let harness = shop("").await;
    let backup = backed_up(&harness).await;
    assert!(backup.has_exports(), "{:?}", backup.missing().collect::<Vec<_>>());
    // What came after the backup is not in it.
    put_item(&harness, "production-orders", "later").await;
    let prepared = prepared(&harness, &backup, &there()).await.unwrap();
    assert_eq!((prepared.plan.tables(), prepared.plan.buckets()), (2, 1));
    assert_eq!((&prepared.plan.empty[..], &prepared.needed[..]), (&[][..], &[][..]), "one account");
    let before = harness.mutations().len();
    carry_out(&harness, &prepared).await;
    harness.until_ready("copy").await;
    assert_eq!(items_there(&harness, "copy-orders").await, ["o1", "o2", "o3"]);
    assert_eq!(items_there(&harness, "copy-carts").await, ["c1"]);
    let session = session_there(&harness).await;
    let copied = session.s3().get_object().bucket("copy-assets").key("a.txt").send().await.unwrap();
    assert_eq!(copied.body.collect().await.unwrap().into_bytes(), "first");
    let mut imported = calls(&harness, "ImportTable");
    imported.sort();
    assert_eq!(imported, ["copy-carts", "copy-orders"]);
    assert_eq!(calls(&harness, "CreateTable"), [""; 0], "none was made empty");
    // What an import has no word for was put on afterwards.
    let dynamodb = session.dynamodb();
    let table = dynamodb.describe_table().table_name("copy-orders").send().await.unwrap();
    let table = table.table.unwrap();
    assert_eq!(table.deletion_protection_enabled(), Some(true));
    assert_eq!(table.global_secondary_indexes().len(), 1);
    let ttl = dynamodb.describe_time_to_live().table_name("copy-orders").send().await.unwrap();
    let ttl = ttl.time_to_live_description.unwrap();
    assert_eq!(ttl.attribute_name(), Some("expires"));
    let function = session.lambda().get_function_configuration().function_name("copy-api");
    let function = function.send().await.unwrap();
    let orders = &function.environment().unwrap().variables().unwrap()["ORDERS"];
    assert!(orders.contains(":eu-west-1:") && orders.ends_with("table/copy-orders"), "{orders}");
    assert!(harness.store.data_sources("copy").await.unwrap().is_empty());
    let calls = harness.mutations().split_off(before);
    let touched: Vec<_> = calls.iter().filter(|call| call.contains("production-")).collect();
    assert_eq!(touched, [""; 0], "the first one is left alone");
}

#[tokio::test(start_paused = true)]
async fn an_import_whose_answer_is_lost_is_not_begun_again() {
    let mut harness = shop("").await;
    let backup = backed_up(&harness).await;
    harness.sandbox.faults().inject("dynamodb:ImportTable=lost*1".parse().unwrap());
    let prepared = prepared(&harness, &backup, &there()).await.unwrap();
    let sessions = sessions(&harness).await;
    // The daemon is killed, too, while DynamoDB reads.
    tokio::select! {
        _ = prepared.carry_out(&harness.store, &sessions, "sre", &|_| {}) => panic!("it was over"),
        () = harness.until("both imports are begun", || async {
            calls(&harness, "ImportTable").len() == 2
        }) => {}
    }
    harness.kill();
    harness.start().await;
    carry_out(&harness, &prepared).await;
    harness.until_ready("copy").await;
    assert_eq!(calls(&harness, "ImportTable").len(), 2);
    assert_eq!(items_there(&harness, "copy-orders").await, ["o1", "o2", "o3"]);
    assert_eq!(items_there(&harness, "copy-carts").await, ["c1"]);
}

/// Its data file, by its key in the vault.
async fn data_of(harness: &Harness, backup: &Backup, object: &str) -> (String, Vec<u8>) {
    let table = backup.tables.iter().find(|table| table.object == object).unwrap();
    let data = table.export.as_ref().unwrap().data();
    let s3 = harness.session.s3();
    let listed = s3.list_objects_v2().bucket(VAULT).prefix(&data).send().await.unwrap();
    let key = listed.contents()[0].key().unwrap().to_owned();
    let found = s3.get_object().bucket(VAULT).key(&key).send().await.unwrap();
    (key, found.body.collect().await.unwrap().to_vec())
}

fn zipped(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// DynamoDB makes the table of an import that fails all the same, and it is ACTIVE.
#[tokio::test(start_paused = true)]
async fn a_table_that_lacks_items_is_not_ready_and_comes_back_once_it_is_deleted() {
    let one = r#"{"Item":{"id":{"S":"c1"}}}"#;
    for (spoiled, expected) in [
        (b"no gzip".to_vec(), "is not in gzip"),
        (zipped(&format!("{one}\nno item\n")), "could not import 1 of 1 items"),
        (zipped(""), "DynamoDB imported 0 items, and the export had 1"),
    ] {
        let harness = shop("").await;
        let backup = backed_up(&harness).await;
        let (key, content) = data_of(&harness, &backup, "Table/carts").await;
        let s3 = harness.session.s3();
        let put = |body: Vec<u8>| s3.put_object().bucket(VAULT).key(&key).body(body.into()).send();
        put(spoiled).await.unwrap();
        let vault = vault(&harness).await;
        let verified =
            trueup::engine::recovery::verify(&harness.store, &harness.session, &vault, &backup);
        let problems = verified.await.unwrap().problems;
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains("is not what DynamoDB wrote"), "{problems:?}");

        let prepared = prepared(&harness, &backup, &there()).await.unwrap();
        let sessions = sessions(&harness).await;
        let work = prepared.carry_out(&harness.store, &sessions, "sre", &|_| {});
        let mended = async {
            tokio::time::sleep(Duration::from_secs(25 * 60)).await;
            let (reason, message) = harness.until_stalled("copy", "Table/carts").await;
            assert_eq!(reason, "ImportIncomplete");
            assert!(message.contains(expected), "{message}");
            put(content).await.unwrap();
            let session = session_there(&harness).await;
            session.dynamodb().delete_table().table_name("copy-carts").send().await.unwrap();
            harness.store.request_reconcile("copy", None).await.unwrap();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            done = work => drop(done.unwrap()),
            () = mended => {}
        }
        harness.until_ready("copy").await;
        assert_eq!(items_there(&harness, "copy-carts").await, ["c1"]);
        assert_eq!(calls(&harness, "ImportTable").len(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_exported_or_imported_is_named() {
    let local = "  sortKey: { name: at, type: N }\n  localSecondaryIndexes: [{ name: by-sum, sortKey: { name: sum, type: N }, projection: { type: ALL } }]\n";
    let mut harness = Harness::new().await;
    harness.look_every(Duration::from_secs(5));
    harness.put_code("api.zip", b"one").await;
    make_buckets(&harness).await;
    harness.apply(&manifests(local)).await;
    harness.start().await;
    harness.until_ready("production").await;
    harness.sandbox.faults().inject("dynamodb:ExportTableToPointInTime=denied*1".parse().unwrap());
    let half = backed_up(&harness).await;
    let missing: Vec<_> = half.missing().collect();
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(missing[0].contains("need dynamodb:ExportTableToPointInTime"), "{missing:?}");
    assert_eq!(half.points().count(), 3, "it is a recovery point all the same");
    assert!(half.is_whole() && !half.has_exports());
    let refused = |error: RecoveryError| error.to_string();
    let message = prepared(&harness, &half, &there()).await.err().map(refused).unwrap();
    assert!(message.contains("Table/orders: it is not exported (dynamodb"), "{message}");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let whole = backed_up(&harness).await;
    assert!(whole.has_exports(), "{:?}", whole.missing().collect::<Vec<_>>());
    let message = prepared(&harness, &whole, &there()).await.err().map(refused).unwrap();
    assert!(
        message.contains("Table/carts: DynamoDB makes no table with local indexes"),
        "{message}"
    );
    let allow_empty = BTreeSet::from(["Table/carts".parse().unwrap()]);
    let wish = Wish { allow_empty, ..there() };
    let prepared = prepared(&harness, &whole, &wish).await.unwrap();
    assert_eq!((prepared.plan.tables(), prepared.plan.empty.len()), (1, 1));
    carry_out(&harness, &prepared).await;
    assert_eq!(calls(&harness, "CreateTable"), ["copy-carts"], "what was said to begin empty");
}

/// A second try with other words is another copy.
#[tokio::test(start_paused = true)]
async fn a_copy_that_was_begun_in_one_region_is_not_gone_on_with_in_another() {
    let harness = shop("").await;
    let backup = backed_up(&harness).await;
    let first = prepared(&harness, &backup, &there()).await.unwrap();
    let sessions = sessions(&harness).await;
    tokio::select! {
        _ = first.carry_out(&harness.store, &sessions, "sre", &|_| {}) => panic!("it was over"),
        () = harness.until("it is recorded", || async {
            harness.store.head("copy").await.unwrap().is_some()
        }) => {}
    }
    let wish = Wish { elsewhere: None, ..there() };
    let other = prepared(&harness, &backup, &wish).await.unwrap();
    let refused = other.carry_out(&harness.store, &sessions, "sre", &|_| {}).await.unwrap_err();
    assert!(refused.to_string().contains("in another account or region"), "{refused}");
    carry_out(&harness, &first).await;
    assert_eq!(items_there(&harness, "copy-orders").await, ["o1", "o2", "o3"]);
}

#[tokio::test(start_paused = true)]
async fn without_exports_nothing_is_built_elsewhere_and_tables_without_recovery_have_none() {
    let mut harness = Harness::new().await;
    harness.look_every(Duration::from_secs(5));
    harness.put_code("api.zip", b"one").await;
    harness.session.s3().create_bucket().bucket(VAULT).send().await.unwrap();
    harness.apply(&manifests("").replace(", exportTables: true", "")).await;
    harness.start().await;
    harness.until_ready("production").await;
    let backup = backed_up(&harness).await;
    let refused = prepared(&harness, &backup, &there()).await.err().unwrap().to_string();
    assert!(refused.contains("exportTables: true"), "{refused}");
    let without = manifests("").replace("  pointInTimeRecovery: { enabled: true }\n---", "---");
    assert_ne!(without, manifests(""));
    let problems = try_parse(&without).unwrap().check_with(&[]).unwrap_err().to_string();
    assert!(
        problems.contains("backups of production cannot have the items of Table/carts"),
        "{problems}"
    );
    parse(&manifests("")).check_with(&[]).unwrap();
    // More tables than come back within the objective.
    let fast = manifests("").replace("recovery: {", "recovery: { rto: 20m,");
    parse(&fast).check_with(&[]).unwrap();
    let table = |i: usize| {
        format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: t{i}, namespace: production }}\n\
             spec: {{ partitionKey: {{ name: id, type: S }}, pointInTimeRecovery: {{ enabled: true }} }}\n"
        )
    };
    let many = fast + &(0..50).map(table).collect::<String>();
    let problems = parse(&many).check_with(&[]).unwrap_err().to_string();
    assert!(problems.contains("the rto of production cannot hold for 52 tables"), "{problems}");
}

#[tokio::test(start_paused = true)]
async fn credentials_of_another_account_build_nothing_there() {
    let harness = shop("").await;
    let backup = backed_up(&harness).await;
    let elsewhere = Elsewhere {
        account_id: Some("210987654321".to_owned()),
        artifacts: Some(PACKAGES_THERE.to_owned()),
        ..Elsewhere::default()
    };
    let wish = Wish { elsewhere: Some(elsewhere), ..there() };
    let refused = prepared(&harness, &backup, &wish).await.err().unwrap().to_string();
    assert!(refused.contains("123456789012") && refused.contains("210987654321"), "{refused}");
}
