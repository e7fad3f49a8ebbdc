//! Somebody has written over copies in the vault: nothing of that comes back, everything else does, and the next backup
//! makes the copies again.

use std::collections::BTreeMap;

use aws_sdk_s3::primitives::ByteStream;
use trueup::engine::recovery::{
    Backup, RecoveryError, Restoring, drill, measure, prepare_restore, verify,
};

use crate::harness::Harness;
use crate::recovery::{VAULT, backed_up, objects, sessions, shop, vault};

const BUCKET: &str = "production-assets";

/// A shop with five more objects, and its backup, in which three copies were damaged since.
async fn damaged() -> (Harness, Backup) {
    let harness = shop().await;
    for i in 0..5 {
        put(&harness, BUCKET, &format!("k{i}"), &format!("content {i}")).await;
    }
    let backup = backed_up(&harness).await;
    assert_eq!(problems(&harness, &backup).await, [""; 0]);
    let copies = copies(&harness).await;
    // As a tool does that asks for no SHA-256.
    put(&harness, VAULT, &copies["content 1"], "CONTENT 1").await;
    put(&harness, VAULT, &copies["content 2"], "c").await;
    let s3 = harness.session.s3();
    s3.delete_object().bucket(VAULT).key(&copies["content 3"]).send().await.unwrap();
    (harness, backup)
}

async fn put(harness: &Harness, bucket: &str, key: &str, text: &str) {
    let body = ByteStream::from(text.as_bytes().to_vec());
    harness.session.s3().put_object().bucket(bucket).key(key).body(body).send().await.unwrap();
}

/// Where the copy of which content lies.
async fn copies(harness: &Harness) -> BTreeMap<String, String> {
    let s3 = harness.session.s3();
    let listed = s3.list_objects_v2().bucket(VAULT).prefix("production/data/").send().await;
    let mut copies = BTreeMap::new();
    for copy in listed.unwrap().contents() {
        let key = copy.key().unwrap().to_owned();
        let got = s3.get_object().bucket(VAULT).key(&key).send().await.unwrap();
        let body = got.body.collect().await.unwrap().into_bytes();
        copies.insert(String::from_utf8_lossy(&body).into_owned(), key);
    }
    copies
}

async fn problems(harness: &Harness, backup: &Backup) -> Vec<String> {
    let vault = vault(harness, "production").await;
    let mut found =
        verify(&harness.store, &harness.session, &vault, backup).await.unwrap().problems;
    found.sort();
    found
}

#[tokio::test(start_paused = true)]
async fn what_is_damaged_does_not_come_back_and_everything_else_does() {
    let (harness, backup) = damaged().await;
    assert_eq!(
        problems(&harness, &backup).await,
        [
            "Bucket/assets: k1: its copy is not what was backed up",
            "Bucket/assets: k2: its copy has another length",
            "Bucket/assets: k3: its copy is gone",
        ]
    );
    let before = objects(&harness, BUCKET).await;
    let s3 = harness.session.s3();
    for key in before.keys() {
        s3.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    }
    let whole: Vec<_> =
        before.keys().filter(|k| !["k1", "k2", "k3"].contains(&k.as_str())).collect();
    assert_eq!(whole.len(), 4);
    let sessions = sessions(&harness).await;
    let asked =
        Restoring { objects: vec!["Bucket/assets".parse().unwrap()], ..Restoring::default() };
    for again in [false, true] {
        let prepared =
            prepare_restore(&harness.store, &sessions, "production", &asked).await.unwrap();
        let error = prepared.carry_out(&harness.store, "sre", &|_| {}).await.unwrap_err();
        let RecoveryError::Incomplete { object, lost, .. } = &error else { panic!("{error}") };
        let mut lost = lost.clone();
        lost.sort();
        assert_eq!(object, "Bucket/assets");
        assert_eq!(lost.len(), 3, "{lost:?}");
        assert!(lost[0].starts_with("k1: its copy is not"), "again: {again}: {lost:?}");
        let back = objects(&harness, BUCKET).await;
        assert_eq!(back.keys().collect::<Vec<_>>(), whole, "again: {again}");
        assert!(back.iter().all(|(key, text)| before[key] == *text), "{back:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_next_backup_makes_damaged_copies_again_for_the_one_before_too() {
    let (harness, backup) = damaged().await;
    let next = backed_up(&harness).await;
    assert_ne!(next.id, backup.id);
    for backup in [&next, &backup] {
        assert_eq!(problems(&harness, backup).await, [""; 0], "{}", backup.id);
    }
    let copies = copies(&harness).await;
    assert!((0..5).all(|i| copies.contains_key(&format!("content {i}"))), "{copies:?}");
    // What is as it was made is neither copied nor looked at.
    let count = |action: &str| harness.sandbox.calls().counts().get(action).copied().unwrap_or(0);
    harness.sandbox.calls().clear();
    backed_up(&harness).await;
    assert_eq!(count("s3:CopyObject"), 0);
    assert_eq!(count("s3:HeadObject"), 2, "the package, in its bucket and in the vault");
}

#[tokio::test(start_paused = true)]
async fn a_rehearsal_that_lacks_something_has_failed_and_leaves_nothing() {
    let (harness, backup) = damaged().await;
    let sessions = sessions(&harness).await;
    let judged = || async {
        let measured = measure(&harness.store, &sessions, "production").await.unwrap().unwrap();
        measured.judge(harness.store.clock().now())
    };
    let rehearse = |id: String| {
        let (store, sessions, harness) = (&harness.store, &sessions, &harness);
        async move {
            let vault = vault(harness, "production").await;
            drill(store, sessions, vault, &id, "sre", &|_| {}).await
        }
    };
    let error = rehearse(backup.id.clone()).await.unwrap_err();
    assert!(matches!(error, RecoveryError::Incomplete { .. }), "{error}");
    let buckets = harness.session.s3().list_buckets().send().await.unwrap();
    assert!(!buckets.buckets().iter().any(|b| b.name().unwrap().contains("drill")));
    let failed = judged().await;
    assert_eq!(failed.reason, "RehearsalFailed");
    assert!(failed.message.contains("k1: its copy is not"), "{}", failed.message);
    let next = backed_up(&harness).await;
    rehearse(next.id).await.unwrap();
    assert_eq!(judged().await.reason, "ObjectivesMet");
}
