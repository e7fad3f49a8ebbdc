//! A store whose records are missing, altered, or of a newer version: the environment, or the object, is
//! left alone and says so. Nothing is deleted for it.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue::{self, Bool, L, M, N, S};
use trueup::model::{ConditionStatus, condition_type};
use trueup::sandbox::Fault;
use trueup::store::Verdict;

use crate::delivery::{delivered, succeeded, until_verdict};
use crate::harness::{DAEMON, Harness, TABLE, parse, release, shop, with_shop};

pub type Item = HashMap<String, AttributeValue>;

/// What an object that was not confirmed would lose: every kind is to be deleted when it leaves.
fn deleting() -> String {
    shop()
        .replace("  partitionKey:", "  deletionPolicy: Delete\n  partitionKey:")
        .replace("  versioning:", "  deletionPolicy: Delete\n  versioning:")
}

async fn deleting_shop() -> Harness {
    let harness = with_shop().await;
    harness.apply(&deleting()).await;
    harness.until_ready("shop").await;
    harness.sandbox.calls().clear();
    harness
}

pub async fn read(harness: &Harness, pk: &str, sk: &str) -> Item {
    let get = harness.session.dynamodb().get_item().table_name(TABLE).consistent_read(true);
    let got = get.key("pk", S(pk.to_owned())).key("sk", S(sk.to_owned())).send().await.unwrap();
    got.item.unwrap_or_else(|| panic!("{pk} {sk} is there"))
}

pub async fn write(harness: &Harness, item: Item) {
    let put = harness.session.dynamodb().put_item().table_name(TABLE);
    put.set_item(Some(item)).send().await.unwrap();
}

pub async fn remove(harness: &Harness, item: &Item) {
    let delete = harness.session.dynamodb().delete_item().table_name(TABLE);
    let delete = delete.key("pk", item["pk"].clone()).key("sk", item["sk"].clone());
    delete.send().await.unwrap();
}

/// The whole partition of a kind of record.
pub async fn keys(harness: &Harness, pk: &str, prefix: &str) -> Vec<Item> {
    let query = harness.session.dynamodb().query().table_name(TABLE);
    let query = query.key_condition_expression("pk = :pk AND begins_with(sk, :sk)");
    let query = query.expression_attribute_values(":pk", S(pk.to_owned()));
    query
        .expression_attribute_values(":sk", S(prefix.to_owned()))
        .send()
        .await
        .unwrap()
        .items
        .unwrap()
}

async fn ready_checks(harness: &Harness) -> Vec<String> {
    let failed = harness.health.ready().into_iter();
    failed.filter_map(|(name, check)| check.err().map(|why| format!("{name}: {why}"))).collect()
}

/// What is done to an item; `None` removes it.
type Damage = fn(Item) -> Option<Item>;

/// Damage to the record of the current release, the head, or a spec, by where it stands.
const DAMAGES: [(&str, &str, &str, Damage); 17] = [
    ("an object is of another generation", "env#shop", "release#0000000003", |mut item| {
        let L(mut objects) = item.remove("objects").unwrap() else { panic!("a list") };
        let M(entry) = &mut objects[0] else { panic!("an entry") };
        entry.insert("generation".to_owned(), N("99".to_owned()));
        item.insert("objects".to_owned(), L(objects));
        Some(item)
    }),
    ("the release has lost what was taken out", "env#shop", "release#0000000003", |mut item| {
        item.remove("left");
        Some(item)
    }),
    ("the head does not say whether it is suspended", "environments", "shop", |mut item| {
        item.remove("suspended");
        Some(item)
    }),
    ("the release has lost its objects", "env#shop", "release#0000000003", |mut item| {
        item.remove("objects");
        Some(item)
    }),
    ("the release has an empty list", "env#shop", "release#0000000003", |mut item| {
        item.insert("objects".to_owned(), L(Vec::new()));
        Some(item)
    }),
    ("the release has one object less", "env#shop", "release#0000000003", |mut item| {
        let L(mut objects) = item.remove("objects").unwrap() else { panic!("a list") };
        objects.remove(1);
        item.insert("objects".to_owned(), L(objects));
        Some(item)
    }),
    ("an object is another's form", "env#shop", "release#0000000003", |mut item| {
        let L(mut objects) = item.remove("objects").unwrap() else { panic!("a list") };
        let M(other) = objects[0].clone() else { panic!("an entry") };
        let M(entry) = &mut objects[1] else { panic!("an entry") };
        entry.insert("digest".to_owned(), other["digest"].clone());
        item.insert("objects".to_owned(), L(objects));
        Some(item)
    }),
    ("a newer version keeps the list elsewhere", "env#shop", "release#0000000003", |mut item| {
        item.insert("objects".to_owned(), L(Vec::new()));
        item.insert("shards".to_owned(), L(vec![S("shard#1".to_owned())]));
        Some(item)
    }),
    ("a newer version says more of an object", "env#shop", "release#0000000003", |mut item| {
        let L(mut objects) = item.remove("objects").unwrap() else { panic!("a list") };
        let M(entry) = &mut objects[0] else { panic!("an entry") };
        entry.insert("phase".to_owned(), S("Canary".to_owned()));
        item.insert("objects".to_owned(), L(objects));
        Some(item)
    }),
    ("the release is gone", "env#shop", "release#0000000003", |_| None),
    ("the release is another's", "env#shop", "release#0000000003", |mut item| {
        item.insert("number".to_owned(), N("2".to_owned()));
        Some(item)
    }),
    ("the head has another digest", "environments", "shop", |mut item| {
        item.insert("digest".to_owned(), S("00".repeat(32)));
        Some(item)
    }),
    ("the head points to nothing", "environments", "shop", |mut item| {
        item.insert("release".to_owned(), N("0".to_owned()));
        Some(item)
    }),
    ("the head points to the largest number", "environments", "shop", |mut item| {
        item.insert("release".to_owned(), N(u64::MAX.to_string()));
        Some(item)
    }),
    ("the head cannot be read", "environments", "shop", |mut item| {
        item.insert("release".to_owned(), Bool(true));
        Some(item)
    }),
    ("a newer version says more in the head", "environments", "shop", |mut item| {
        item.insert("rollout".to_owned(), S("paused".to_owned()));
        Some(item)
    }),
    ("the head is gone", "environments", "shop", |_| None),
];

/// A daemon that starts on the damage, and one that runs already when it comes.
#[tokio::test(start_paused = true)]
async fn a_damaged_environment_is_left_alone_says_so_and_goes_on_once_it_is_sound() {
    for (what, pk, sk, damage) in DAMAGES {
        for runs_already in [true, false] {
            let what = format!("{what}, the daemon runs already: {runs_already}");
            let mut harness = deleting_shop().await;
            if !runs_already {
                harness.stop().await;
            }
            // Something newer, so that the daemon reads the release again.
            harness.apply(&deleting().replace("memorySize: 512", "memorySize: 1024")).await;
            let sound = read(&harness, pk, sk).await;
            match damage(sound.clone()) {
                Some(item) => write(&harness, item).await,
                None => remove(&harness, &sound).await,
            }
            if !runs_already {
                harness.start().await;
            }
            tokio::time::sleep(Duration::from_secs(120)).await;
            let deletes: Vec<_> =
                harness.mutations().into_iter().filter(|c| c.contains("Delete")).collect();
            assert_eq!(deletes, [""; 0], "{what}");
            assert!(everything_is_there(&harness).await, "{what}");
            let said = ready_checks(&harness).await.join("\n");
            // A daemon that starts cannot know that there was an environment whose head is gone.
            if runs_already || damage(sound.clone()).is_some() || pk != "environments" {
                assert!(said.contains("environment/shop: "), "{what}: {said}");
                let told = harness.events("shop").await;
                assert!(told.iter().any(|e| e.reason == "StoreDamaged"), "{what}");
            }
            write(&harness, sound).await;
            tokio::time::sleep(Duration::from_secs(400)).await;
            assert_eq!(ready_checks(&harness).await, [""; 0], "{what}");
            harness.until_ready("shop").await;
            let function = harness.session.lambda().get_function_configuration();
            let function = function.function_name("shop-api").send().await.unwrap();
            assert_eq!(function.memory_size(), Some(1024), "{what}: it goes on");
        }
    }
}

async fn everything_is_there(harness: &Harness) -> bool {
    let session = &harness.session;
    let function = session.lambda().get_function().function_name("shop-api").send().await;
    let table = session.dynamodb().describe_table().table_name("shop-orders").send().await;
    let bucket = session.s3().head_bucket().bucket("shop-assets").send().await;
    let apps = session.amplify().list_apps().send().await.unwrap();
    function.is_ok() && table.is_ok() && bucket.is_ok() && apps.apps().len() == 1
}

#[tokio::test(start_paused = true)]
async fn an_altered_page_or_spec_stops_its_environment_and_no_other() {
    let mut harness = Harness::new().await;
    let mut yaml =
        "apiVersion: trueup.dev/v1alpha1\nkind: Environment\nmetadata: { name: shop }\nspec: {}\n"
            .to_owned();
    for i in 0..1200 {
        yaml += &format!(
            "---\napiVersion: trueup.dev/v1alpha1\nkind: Table\nmetadata: {{ name: t{i:04}, namespace: shop }}\nspec:\n  \
             partitionKey: {{ name: id, type: S }}\n"
        );
    }
    harness.apply(&yaml).await;
    harness
        .apply(
            &yaml
                .replace("namespace: shop", "namespace: other")
                .replace("name: shop", "name: other"),
        )
        .await;
    let pages = keys(&harness, "env#shop", "page#").await;
    let specs = keys(&harness, "env#shop", "spec#").await;
    let emptied: fn(Item) -> Item = |mut item| {
        item.insert("entries".to_owned(), L(Vec::new()));
        item
    };
    let cut: fn(Item) -> Item = |mut item| {
        let S(body) = item["body"].clone() else { panic!("a text") };
        item.insert("body".to_owned(), S(body.replace("\"type\":\"S\"", "\"type\":\"N\"")));
        item
    };
    let newer: fn(Item) -> Item = |mut item| {
        let S(body) = item["body"].clone() else { panic!("a text") };
        item.insert("body".to_owned(), S(body.replacen('{', "{\"owner\":\"team\",", 1)));
        item
    };
    for (sound, damage) in [(&pages[0], emptied), (&specs[7], cut), (&specs[7], newer)] {
        write(&harness, damage(sound.clone())).await;
        harness.start().await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let said = ready_checks(&harness).await.join("\n");
        assert!(said.contains("environment/shop: ") && !said.contains("other"), "{said}");
        let made = harness.mutations();
        assert!(!made.iter().any(|c| c.contains("shop-")), "{made:?}");
        assert!(made.iter().any(|c| c.contains("other-")), "the other one is worked on");
        harness.stop().await;
        write(&harness, sound.clone()).await;
    }
}

/// Records of one object, each with what is wrong.
#[tokio::test(start_paused = true)]
async fn a_damaged_record_of_an_object_stops_that_object_alone() {
    let damages: [(&str, Damage); 6] = [
        ("it has lost when the resource was made", |mut item| {
            item.remove("createdAt");
            Some(item)
        }),
        ("it says that nothing was made of it", |mut item| {
            item.insert("specDigest".to_owned(), S(String::new()));
            Some(item)
        }),
        ("it cannot be read", |mut item| {
            item.insert("observedGeneration".to_owned(), S("three".to_owned()));
            Some(item)
        }),
        ("a newer version says more in it", |mut item| {
            item.insert("rollout".to_owned(), S("step 2".to_owned()));
            Some(item)
        }),
        ("it is another's", |mut item| {
            item.insert("name".to_owned(), S("other".to_owned()));
            Some(item)
        }),
        ("its epoch is the largest number", |mut item| {
            item.insert("epoch".to_owned(), N(u64::MAX.to_string()));
            Some(item)
        }),
    ];
    for (what, damage) in damages {
        let mut harness = deleting_shop().await;
        harness.stop().await;
        let sound = read(&harness, "env#shop", "status#Table/orders").await;
        write(&harness, damage(sound.clone()).unwrap()).await;
        // The table leaves, and the frontend changes.
        let edited =
            deleting().replace("branch: { name: main }", "branch: { name: main, stage: BETA }");
        let without_table = edited.replace("    - { name: ORDERS", "    # - { name: ORDERS");
        let without_table: Vec<_> = without_table
            .split("---")
            .filter(|doc| !doc.contains("kind: Table\nmetadata"))
            .collect();
        harness.apply(&without_table.join("---").replace("  env:\n", "")).await;
        harness.start().await;
        harness.until_ready("shop").await;
        assert!(everything_is_there(&harness).await, "{what}");
        let told = harness.events("shop").await;
        let told: Vec<_> = told.iter().filter(|e| e.reason == "RecordDamaged").collect();
        assert!(!told.is_empty() && told.iter().all(|e| e.object == "Table/orders"), "{what}");
        assert_eq!(ready_checks(&harness).await, [""; 0], "{what}");
        // Backed off, not every second.
        let reads = harness.sandbox.calls().all();
        let reads = reads.iter().filter(|c| c.caller == DAEMON && c.operation == "GetItem").count();
        assert!(reads < 100, "{what}: {reads}");
        write(&harness, sound).await;
        harness
            .until("it is deleted once its record is sound", || async {
                harness.status("shop", "Table/orders").await.is_none()
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_deleted_or_damaged_does_not_fence_the_environment_for_ever() {
    let mut harness = deleting_shop().await;
    for _ in 0..3 {
        harness.stop().await;
        harness.start().await;
        harness.until_ready("shop").await;
    }
    harness.stop().await;
    let lease = read(&harness, "leases", "shop").await;
    remove(&harness, &lease).await;
    harness.apply(&deleting().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.start().await;
    harness.until_ready("shop").await;
    harness.stop().await;
    let mut lease = read(&harness, "leases", "shop").await;
    lease.insert("epoch".to_owned(), N(u64::MAX.to_string()));
    write(&harness, lease).await;
    harness.start().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let said = ready_checks(&harness).await.join("\n");
    assert!(said.contains("the lease of shop is damaged"), "{said}");
}

/// `protected` and confirmations count where the deletion is made, and the newest manifest protects.
#[tokio::test(start_paused = true)]
async fn what_protects_a_resource_is_what_was_declared_last() {
    let retained = deleting().replace(
        "deletionPolicy: Delete\n  partitionKey",
        "deletionPolicy: Retain\n  partitionKey",
    );
    let suspended = deleting().replace(
        "metadata: { name: orders, namespace: shop }",
        "metadata: { name: orders, namespace: shop, annotations: { trueup.dev/suspend: \"true\" } }",
    );
    let without_table = |yaml: &str| {
        let yaml =
            yaml.replace("  env:\n", "").replace("    - { name: ORDERS", "    # - { name: ORDERS");
        let kept: Vec<_> =
            yaml.split("---").filter(|doc| !doc.contains("kind: Table\nmetadata")).collect();
        kept.join("---")
    };
    for (what, last, is_confirmed, expected) in [
        ("retained in the last form", retained, true, "Retained"),
        ("suspended in the last form", suspended, true, "Suspended"),
        ("not confirmed", deleting(), false, "Unconfirmed"),
        ("deleted", deleting(), true, "Deleted"),
    ] {
        let mut harness = deleting_shop().await;
        // The last form, and then none: the daemon sees neither in between.
        harness.stop().await;
        harness.apply(&last).await;
        let head = harness.store.head("shop").await.unwrap().unwrap();
        let before = harness.store.current(&head).await.unwrap();
        let mut new = crate::harness::release(
            crate::harness::parse(&without_table(&last)).objects().cloned().collect(),
        );
        if is_confirmed {
            new.confirmed = ["Table/orders".parse().unwrap()].into();
        }
        harness.store.record("shop", Some(&head), Some(&before), new).await.unwrap();
        harness.start().await;
        tokio::time::sleep(Duration::from_secs(120)).await;
        let stays = harness
            .session
            .dynamodb()
            .describe_table()
            .table_name("shop-orders")
            .send()
            .await
            .is_ok();
        assert_eq!(stays, expected != "Deleted", "{what}");
        let told = harness.events("shop").await;
        assert!(told.iter().any(|e| e.object == "Table/orders" && e.reason == expected), "{what}");
        if let Some(status) = harness.status("shop", "Table/orders").await {
            let stalled = status.conditions.get(condition_type::STALLED).unwrap();
            assert_eq!(
                (stalled.status, stalled.reason.as_str()),
                (ConditionStatus::True, expected),
                "{what}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_names_no_object_stops_nobody() {
    let mut harness = with_shop().await;
    let mut item = read(&harness, "env#shop", "status#Table/orders").await;
    item.insert("sk".to_owned(), S("status#garbage".to_owned()));
    write(&harness, item).await;
    harness.kill();
    harness.start().await;
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 1024")).await;
    harness.until_ready("shop").await;
    assert_eq!(ready_checks(&harness).await, [""; 0]);
}

/// Every resource would be somebody else's.
#[tokio::test(start_paused = true)]
async fn another_id_of_the_store_is_damage_and_nothing_is_forgotten() {
    let mut harness = deleting_shop().await;
    let mut identity = read(&harness, "store", "identity").await;
    identity.insert("id".to_owned(), S("another".to_owned()));
    write(&harness, identity).await;
    harness.kill();
    harness.start().await;
    harness.observe("shop").await;
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert_eq!(harness.mutations(), [""; 0]);
    let events = harness.events("shop").await;
    let told = events.iter().filter(|event| event.reason == "RecordDamaged");
    assert!(told.count() > 0, "{events:#?}");
    assert!(harness.status("shop", "Table/orders").await.is_some(), "it is not forgotten");
}

/// The newest rollout is damaged, and an older one says what succeeded: a release that fails goes back to that, and
/// has deleted nothing by then.
#[tokio::test(start_paused = true)]
async fn a_damaged_rollout_of_before_takes_no_rollback_away() {
    let yaml =
        delivered("{}").replace("  partitionKey:", "  deletionPolicy: Delete\n  partitionKey:");
    let mut harness = succeeded(&yaml).await;
    harness.apply(&yaml.replace("memorySize: 512", "memorySize: 640")).await;
    until_verdict(&harness, 2, Verdict::Succeeded).await;
    harness.stop().await;
    let mut rollout = read(&harness, "env#shop", "rollout#0000000002").await;
    rollout.insert("message".to_owned(), S("altered".to_owned()));
    write(&harness, rollout).await;
    let fault: Fault = "lambda:UpdateFunctionConfiguration=invalid".parse().unwrap();
    harness.sandbox.faults().inject(fault.of(DAEMON));
    let env = "  env:\n    - { name: ORDERS, valueFrom: { objectRef: { kind: Table, name: orders, field: name } } }\n";
    let pruned = yaml.replace(env, "").replace("memorySize: 512", "memorySize: 1024");
    let kept = parse(&pruned).objects().filter(|object| object.kind != "Table").cloned().collect();
    let head = harness.store.head("shop").await.unwrap();
    let before = harness.store.current(head.as_ref().unwrap()).await.unwrap();
    let mut new = release(kept);
    new.confirmed = ["Table/orders".parse().unwrap()].into();
    harness.store.record("shop", head.as_ref(), Some(&before), new).await.unwrap();
    harness.start().await;
    let failed = until_verdict(&harness, 3, Verdict::RolledBack).await;
    assert_eq!(failed.good.map(|good| good.release), Some(1), "the newest that is sound");
    let deletes = harness.mutations().iter().filter(|call| call.contains("DeleteTable")).count();
    assert_eq!(deletes, 0);
    harness.sandbox.faults().clear();
    until_verdict(&harness, 4, Verdict::Succeeded).await;
}
