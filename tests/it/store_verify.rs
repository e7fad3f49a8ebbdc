//! `trueup store verify`: every record is checked, what nothing needs is mended, and the rest says what helps.

use aws_sdk_dynamodb::types::AttributeValue::{N, S};
use trueup::store::{Mend, Verified};

use crate::damage::{Item, keys, read, remove, write};
use crate::harness::{Harness, shop, with_shop};

/// Three releases, the newest current, and a daemon.
async fn three_releases() -> Harness {
    let harness = with_shop().await;
    for memory_mib in [1024, 2048] {
        harness
            .apply(&shop().replace("memorySize: 512", &format!("memorySize: {memory_mib}")))
            .await;
        harness.until_ready("shop").await;
    }
    harness
}

fn mends(verified: &Verified) -> Vec<&'static str> {
    let word = |mend: &Mend| match mend {
        Mend::Delete { .. } => "delete",
        Mend::Forget { .. } => "forget",
        Mend::Person { .. } => "person",
    };
    verified.findings.iter().map(|finding| word(&finding.mend)).collect()
}

type Damage = fn(&mut Item);

fn set_number(item: &mut Item, field: &str, number: u64) {
    assert!(item.insert(field.to_owned(), N(number.to_string())).is_some(), "{field} is there");
}

/// What is done to one record, who mends it, and what is said of it.
const DAMAGES: [(&str, &str, Damage, &str, &str); 9] = [
    ("leases", "shop", |item| set_number(item, "epoch", u64::MAX), "person", "the lease of shop"),
    (
        "members",
        "",
        |item| drop(item.insert("beats".to_owned(), S("x".to_owned()))),
        "delete",
        "members",
    ),
    ("env#shop", "rollout#0000000001", |item| set_number(item, "epoch", 99), "delete", "rollout"),
    ("env#shop", "rollout#0000000003", |item| set_number(item, "epoch", 99), "person", "rollout"),
    (
        "env#shop",
        "release#0000000001",
        |item| drop(item.insert("author".to_owned(), S("eve".to_owned()))),
        "forget",
        "release",
    ),
    // As a newer version might write it.
    (
        "env#shop",
        "release#0000000001",
        |item| drop(item.insert("new".to_owned(), S("field".to_owned()))),
        "person",
        "release",
    ),
    ("env#shop", "release#0000000003", |item| drop(item.remove("objects")), "person", "release"),
    (
        "env#shop",
        "status#Table/orders",
        |item| set_number(item, "epoch", 99),
        "person",
        "Table/orders",
    ),
    ("environments", "shop", |item| drop(item.remove("suspended")), "person", "environments shop"),
];

#[tokio::test(start_paused = true)]
async fn each_damaged_record_is_found_and_what_nothing_needs_is_mended() {
    for (pk, sk, damage, who, says) in DAMAGES {
        let what = format!("{pk} {sk}");
        let mut harness = three_releases().await;
        let sound = harness.store.verify().await.unwrap();
        assert!(sound.findings.is_empty(), "{what}: {:?}", sound.findings);
        assert_eq!((sound.environments, sound.releases), (1, 3), "{what}");
        // A daemon would write its records again.
        harness.kill();
        let mut item = match sk {
            "" => keys_of(&harness, pk).await,
            sk => read(&harness, pk, sk).await,
        };
        let before = item.clone();
        damage(&mut item);
        write(&harness, item).await;
        let found = harness.store.verify().await.unwrap();
        assert_eq!(mends(&found), [who], "{what}: {:?}", found.findings);
        let finding = &found.findings[0];
        assert!(finding.error.to_string().contains(says), "{what}: {}", finding.error);
        let is_mended = harness.store.mend(finding).await.unwrap();
        assert_eq!(is_mended, who != "person", "{what}");
        if !is_mended {
            write(&harness, before).await;
        }
        let after = harness.store.verify().await.unwrap();
        assert!(after.findings.is_empty(), "{what}: {:?}", after.findings);
        // The environment goes on.
        harness.start().await;
        harness.apply(&shop().replace("memorySize: 512", "memorySize: 640")).await;
        harness.until_ready("shop").await;
    }
}

/// The only record of a partition.
async fn keys_of(harness: &Harness, pk: &str) -> Item {
    let query = harness.session.dynamodb().query().table_name(crate::harness::TABLE);
    let query = query.key_condition_expression("pk = :pk");
    let query = query.expression_attribute_values(":pk", S(pk.to_owned()));
    let items = query.send().await.unwrap().items.unwrap();
    assert_eq!(items.len(), 1, "{items:?}");
    items[0].clone()
}

/// What stands beside releases: records that are damaged, and such as no version writes. What is said of each, and
/// who mends it.
#[tokio::test(start_paused = true)]
async fn what_stands_beside_releases_is_checked_too() {
    let mut harness = three_releases().await;
    harness.kill();
    let sound = harness.store.verify().await.unwrap();
    assert!(sound.findings.is_empty(), "{:?}", sound.findings);
    for (pk, sk, who, says) in [
        ("env#shop", "source#Table/orders", "person", "restore this record"),
        ("env#shop", "source#nothing", "person", "nothing that this version"),
        ("env#shop", "recovery", "person", "restore this record"),
        ("env#shop", "health", "person", "restore this record"),
        ("env#shop", "junk#1", "person", "delete the item `env#shop`/`junk#1`"),
        ("env#shop", "rollout#x", "person", "restore this record"),
        ("env#shop", "release#x", "person", "nothing that this version"),
        ("environment#shop", "health", "person", "nothing that this version"),
        ("store", "other", "person", "nothing that this version"),
        ("events#shop", "0", "delete", "the record events#shop 0"),
    ] {
        let key = [("pk", pk), ("sk", sk), ("x", "y")];
        let item: Item = key.map(|(name, value)| (name.to_owned(), S(value.to_owned()))).into();
        write(&harness, item.clone()).await;
        let found = harness.store.verify().await.unwrap();
        assert_eq!(mends(&found), [who], "{pk} {sk}: {:?}", found.findings);
        let finding = &found.findings[0];
        let told = format!("{} {:?}", finding.error, finding.mend);
        assert!(told.contains(says), "{pk} {sk}: {told}");
        assert_eq!(harness.store.mend(finding).await.unwrap(), who == "delete", "{pk} {sk}");
        remove(&harness, &item).await;
    }
    // An environment whose head and lease are gone, and a first apply that goes on or died.
    for (sk, damaged) in [("release#0000000001", 2), ("spec#0", 0)] {
        let key = [("pk", "env#lost"), ("sk", sk)];
        let item: Item = key.map(|(name, value)| (name.to_owned(), S(value.to_owned()))).into();
        write(&harness, item.clone()).await;
        let found = harness.store.verify().await.unwrap();
        assert_eq!(found.findings.len(), damaged, "{sk}: {:?}", found.findings);
        assert_eq!(found.orphans.get("lost").copied().unwrap_or(0), usize::from(damaged == 0));
        remove(&harness, &item).await;
    }
    assert!(harness.store.verify().await.unwrap().findings.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_form_that_is_gone_is_found_where_something_names_it() {
    let mut harness = three_releases().await;
    harness.kill();
    let first = harness.store.release("shop", 1).await.unwrap();
    let third = harness.store.release("shop", 3).await.unwrap();
    let digest = |release: &trueup::store::Release| {
        let entry = release.objects.iter().find(|entry| entry.kind == "Function").unwrap();
        entry.digest.clone()
    };
    // Of a release that is not current, and then of the one that is.
    for (release, who) in [(&first, vec!["forget"]), (&third, vec!["person", "person"])] {
        let spec = read(&harness, "env#shop", &format!("spec#{}", digest(release))).await;
        remove(&harness, &spec).await;
        let found = harness.store.verify().await.unwrap();
        // The object's record names the current form too.
        assert_eq!(mends(&found), who, "{:?}", found.findings);
        assert!(found.orphans.is_empty(), "what cannot be read may refer to anything");
        write(&harness, spec).await;
    }
    let specs = keys(&harness, "env#shop", "spec#").await;
    let mut orphan = specs[0].clone();
    orphan.insert("sk".to_owned(), S(format!("spec#{}", "0".repeat(64))));
    write(&harness, orphan).await;
    let found = harness.store.verify().await.unwrap();
    assert!(found.findings.is_empty(), "{:?}", found.findings);
    assert_eq!(found.orphans["shop"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_of_the_first_schema_is_moved_on_by_a_daemon_and_then_refused_by_older_ones() {
    let mut harness = with_shop().await;
    harness.stop().await;
    let mut identity = read(&harness, "store", "identity").await;
    set_number(&mut identity, "schema", 1);
    write(&harness, identity).await;
    // As a daemon of the first schema holds it.
    let mut lease = Item::new();
    for (field, value) in [
        ("pk", S("leases".to_owned())),
        ("sk", S("shop".to_owned())),
        ("environment", S("shop".to_owned())),
        ("holder", S("old".to_owned())),
        ("epoch", N("7".to_owned())),
        ("expiresAt", S("2026-01-01T01:00:00Z".to_owned())),
    ] {
        lease.insert(field.to_owned(), value);
    }
    write(&harness, lease.clone()).await;
    let begun = tokio::time::Instant::now();
    harness.start().await;
    tokio::time::sleep(std::time::Duration::from_secs(30)).await;
    assert_eq!(harness.store.lease("shop").await.unwrap().unwrap().owner, "old");
    // It renews once more, and stops.
    lease.insert("expiresAt".to_owned(), S("2026-01-01T01:00:15Z".to_owned()));
    write(&harness, lease).await;
    harness
        .until("the new daemon takes it", || async {
            harness.store.lease("shop").await.unwrap().unwrap().owner != "old"
        })
        .await;
    assert!(begun.elapsed().as_secs() >= 75, "45 s after the last renewal: {:?}", begun.elapsed());
    assert_eq!(harness.store.lease("shop").await.unwrap().unwrap().epoch, 8);
    assert_eq!(read(&harness, "store", "identity").await["schema"], N("2".to_owned()));
    // A version that knows less says so and does nothing.
    let mut identity = read(&harness, "store", "identity").await;
    set_number(&mut identity, "schema", 3);
    write(&harness, identity).await;
    let refused = harness.store.upgrade().await.unwrap_err().to_string();
    assert!(
        refused.contains("newer version of trueup") && refused.contains("Upgrade"),
        "{refused}"
    );
}
