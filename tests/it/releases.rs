//! The store: immutable releases, one head, leases and fences.

use aws_sdk_dynamodb::types::AttributeValue::S;
use trueup::aws::Sessions;
use trueup::engine::release::{MoveError, Refused, Rollback, current, roll_back};
use trueup::store::{Renewal, StatusRecord, StoreError};

use crate::harness::{ARTIFACTS, Harness, TABLE, parse, release, shop, statuses};

#[tokio::test(start_paused = true)]
async fn of_two_applies_at_once_exactly_one_wins() {
    let harness = Harness::new().await;
    harness.apply(&shop()).await;
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.release("shop", 1).await.unwrap();
    let edited = |memory: u32| {
        let yaml = shop().replace("memorySize: 512", &format!("memorySize: {memory}"));
        release(parse(&yaml).objects().cloned().collect())
    };
    let (first, second) = tokio::join!(
        harness.store.record("shop", head.as_ref(), Some(&before), edited(1024)),
        harness.store.record("shop", head.as_ref(), Some(&before), edited(2048)),
    );
    let lost: Vec<_> = [&first, &second].into_iter().filter_map(|r| r.as_ref().err()).collect();
    assert_eq!(lost.len(), 1, "{first:?} {second:?}");
    assert!(matches!(lost[0], StoreError::HeadMoved { seen: 1, .. }), "{}", lost[0]);
    let head = harness.store.head("shop").await.unwrap().unwrap();
    assert_eq!(head.release, 2);
    assert_eq!(harness.store.history("shop", 10).await.unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_object_keeps_its_generation() {
    let harness = Harness::new().await;
    harness.apply(&shop()).await;
    let second = harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    let generations: Vec<_> =
        second.objects.iter().map(|e| (e.kind.as_str(), e.generation)).collect();
    assert_eq!(
        generations,
        [("Bucket", 1), ("Environment", 1), ("Frontend", 1), ("Function", 2), ("Table", 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_release_of_thousands_of_objects_lands_whole() {
    let harness = Harness::new().await;
    let mut yaml = shop().split("---").next().unwrap().to_owned();
    for i in 0..2500 {
        yaml.push_str(&format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: t{i}, namespace: shop }}\nspec: {{ partitionKey: {{ name: id, type: S }} }}\n"
        ));
    }
    harness.apply(&yaml).await;
    let read = harness.store.release("shop", 1).await.unwrap();
    assert_eq!((read.objects.len(), read.pages.len()), (2501, 3));
    let digests = read.objects.iter().map(|e| e.digest.clone()).collect();
    assert_eq!(harness.store.objects("shop", &digests).await.unwrap().len(), 2501);
}

#[tokio::test(start_paused = true)]
async fn statuses_are_read_to_the_last_page() {
    let harness = Harness::new().await;
    for i in 0..2500 {
        let (kind, name) = ("Table".to_owned(), format!("t{i:04}"));
        let record = StatusRecord { kind, name, epoch: 1, ..StatusRecord::default() };
        harness.store.put_status("shop", &record).await.unwrap();
    }
    let read = statuses(&harness.store, "shop").await;
    assert_eq!(read.len(), 2500);
}

#[tokio::test(start_paused = true)]
async fn init_is_idempotent_and_keeps_the_stores_identity() {
    let harness = Harness::new().await;
    let id = harness.store.id().await.unwrap();
    assert!(!harness.store.init().await.unwrap());
    assert_eq!(harness.store.id().await.unwrap(), id);
}

#[tokio::test(start_paused = true)]
async fn a_missing_table_says_to_run_init() {
    let harness = Harness::new().await;
    let store =
        trueup::store::Store::new(harness.session.clone(), "elsewhere", harness.store.clock());
    let error = store.heads().await.unwrap_err();
    assert!(error.to_string().contains("trueup init"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_lease_is_taken_once_and_fences_the_one_before() {
    let harness = Harness::new().await;
    let store = &harness.store;
    let lasts = std::time::Duration::from_secs(20);
    let first = store.acquire_lease("shop", "a", lasts, None).await.unwrap().unwrap();
    assert!(store.acquire_lease("shop", "b", lasts, None).await.unwrap().is_none(), "there is one");
    let renewed = store.renew_lease(&first, Renewal::default()).await.unwrap();
    let taken = store.acquire_lease("shop", "b", lasts, Some(&first)).await.unwrap();
    assert!(taken.is_none(), "it was renewed since it was seen");
    let second = store.acquire_lease("shop", "b", lasts, Some(&renewed)).await.unwrap().unwrap();
    assert_eq!((first.epoch, second.epoch), (1, 2));
    let lost = store.renew_lease(&renewed, Renewal::default()).await;
    assert!(matches!(lost, Err(StoreError::LeaseLost { .. })));
    let status = |epoch| StatusRecord {
        kind: "Table".to_owned(),
        name: "orders".to_owned(),
        epoch,
        ..StatusRecord::default()
    };
    store.put_status("shop", &status(second.epoch)).await.unwrap();
    let fenced = store.put_status("shop", &status(first.epoch)).await;
    assert!(matches!(fenced, Err(StoreError::LeaseLost { .. })), "{fenced:?}");
}

#[tokio::test(start_paused = true)]
async fn a_hold_is_kept_with_the_head_until_other_content_comes() {
    let harness = Harness::new().await;
    let first = harness.apply(&shop()).await;
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    let head = harness.store.head("shop").await.unwrap().unwrap();
    let mut back = release(parse(&shop()).objects().cloned().collect());
    back.holds = head.holds_after_rollback(None);
    let before = harness.store.release("shop", 2).await.unwrap();
    let third = harness.store.record("shop", Some(&head), Some(&before), back).await.unwrap();
    assert_eq!((third.number, &third.digest), (3, &first.digest));
    let head = harness.store.head("shop").await.unwrap().unwrap();
    assert_eq!(head.holds.iter().map(|h| h.release).collect::<Vec<_>>(), [2]);
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 2048")).await;
    assert_eq!(harness.store.head("shop").await.unwrap().unwrap().holds, []);
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_moves_all_its_objects_gives_all_a_new_generation() {
    let harness = Harness::new().await;
    harness.apply(&shop()).await;
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.release("shop", 1).await.unwrap();
    let tagged = shop().replace("  artifacts:", "  tags: { team: a }\n  artifacts:");
    let mut new = release(parse(&tagged).objects().cloned().collect());
    new.moves_all = true;
    let second = harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    assert!(second.objects.iter().all(|e| e.generation == 2), "{:?}", second.objects);
}

#[tokio::test(start_paused = true)]
async fn an_apply_does_not_undo_what_was_set_meanwhile() {
    let harness = Harness::new().await;
    harness.apply(&shop()).await;
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.release("shop", 1).await.unwrap();
    harness.store.set_suspended("shop", true).await.unwrap();
    let edited = release(parse(&shop().replace("512", "1024")).objects().cloned().collect());
    harness.store.record("shop", head.as_ref(), Some(&before), edited).await.unwrap();
    let head = harness.store.head("shop").await.unwrap().unwrap();
    assert!(head.suspended && head.release == 2, "{head:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_whose_write_failed_is_written_by_the_next_pass() {
    let mut harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.apply(&shop()).await;
    harness.start().await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    harness.sandbox.faults().inject("dynamodb:PutItem=500*12".parse().unwrap());
    harness.until_ready("shop").await;
}

#[tokio::test(start_paused = true)]
async fn an_apply_whose_reply_is_lost_is_found_to_have_landed() {
    let harness = Harness::new().await;
    harness.sandbox.faults().inject("dynamodb:TransactWriteItems=lost*1".parse().unwrap());
    assert_eq!(harness.apply(&shop()).await.number, 1);
    let again = harness.apply(&shop().replace("512", "1024")).await;
    assert_eq!(again.number, 2);
}

/// The sort keys of an environment's records that begin so.
async fn keys(harness: &Harness, environment: &str, prefix: &str) -> Vec<String> {
    let query = harness.session.dynamodb().query().table_name(TABLE);
    let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
    let query = query.expression_attribute_values(":pk", S(format!("env#{environment}")));
    let found = query.expression_attribute_values(":sk", S(prefix.to_owned())).send().await;
    let items = found.unwrap().items.unwrap_or_default();
    items.iter().map(|item| item["sk"].as_s().unwrap().clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_an_apply_that_died_left_behind_is_collected_and_nothing_that_is_referred_to() {
    let mut harness = Harness::new().await;
    // Days go by here: looking once a minute, and observing hourly, is enough.
    harness.look_every(std::time::Duration::from_secs(60));
    harness.put_code("api.zip", b"code").await;
    harness.put_code("web.zip", b"site").await;
    harness.start().await;
    let shop = || shop().replace("  artifacts:", "  reconcile: { interval: 1h }\n  artifacts:");
    harness.apply(&shop().replace("512", "640")).await;
    harness.until_ready("shop").await;
    let used = keys(&harness, "shop", "spec#").await;
    // It dies before it moves the head.
    let died = |memory: &str| shop().replace("512", memory);
    let fault = || "dynamodb:TransactWriteItems=500*1".parse().unwrap();
    for memory in ["768", "896"] {
        harness.sandbox.faults().inject(fault());
        let objects = parse(&died(memory)).objects().cloned().collect();
        harness.record("shop", objects).await.unwrap_err();
    }
    let orphans = keys(&harness, "shop", "spec#").await.len() - used.len();
    assert_eq!(orphans, 2);
    // What is young may be an apply's that is at work.
    assert_eq!(harness.store.collect("shop").await.unwrap(), 0);
    tokio::time::sleep(std::time::Duration::from_secs(20 * 3600)).await;
    // One of them is applied after all, and so written again.
    harness.apply(&died("896")).await;
    harness.until_ready("shop").await;
    tokio::time::sleep(std::time::Duration::from_secs(30 * 3600)).await;
    let mut left = keys(&harness, "shop", "spec#").await;
    assert_eq!(left.len(), used.len() + 1, "the daemon collected the other: {left:?}");
    left.retain(|key| !used.contains(key));
    assert_eq!(left.len(), 1, "nothing that a release of the history has is gone");
    assert_eq!(harness.store.collect("shop").await.unwrap(), 0);
    harness.stop().await;
    // A release that cannot be read may refer to anything.
    let broken = harness.session.dynamodb().update_item().table_name(TABLE);
    let broken = broken.key("pk", S("env#shop".to_owned()));
    let broken = broken.key("sk", S("release#0000000001".to_owned()));
    let broken = broken.update_expression("SET later = :later");
    broken.expression_attribute_values(":later", S("x".to_owned())).send().await.unwrap();
    harness.sandbox.faults().inject(fault());
    let objects = parse(&died("1152")).objects().cloned().collect();
    harness.record("shop", objects).await.unwrap_err();
    tokio::time::sleep(std::time::Duration::from_secs(30 * 3600)).await;
    harness.store.collect("shop").await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_release_whose_artifact_is_gone_is_not_gone_back_to() {
    let harness = Harness::new().await;
    harness.put_code("api.zip", b"code").await;
    harness.put_code("new.zip", b"new code").await;
    harness.apply(&shop()).await;
    harness.apply(&shop().replace("key: api.zip", "key: new.zip")).await;
    let sessions = Sessions::new(&harness.sandbox.connection(), harness.store.clock(), None).await;
    let back = async || {
        let head = harness.store.head("shop").await.unwrap().unwrap();
        let now = current(&harness.store, "shop").await.unwrap();
        let new = release(Vec::new());
        roll_back(
            &harness.store,
            &sessions,
            &head,
            &now,
            Rollback { to: Some(1), ..Rollback::default() },
            new,
        )
        .await
    };
    let gone = harness.session.s3().delete_object().bucket(ARTIFACTS).key("api.zip");
    gone.send().await.unwrap();
    let error = back().await.unwrap_err();
    let MoveError::Refused(Refused::NeedsGone { gone, .. }) = &error else { panic!("{error}") };
    assert_eq!(*gone, [format!("Function/api: s3://{ARTIFACTS}/api.zip is not there")]);
    assert_eq!(harness.store.head("shop").await.unwrap().unwrap().release, 2, "nothing moved");
    harness.put_code("api.zip", b"code").await;
    back().await.unwrap();
    assert_eq!(harness.store.head("shop").await.unwrap().unwrap().release, 3);
}
