//! What leaves a release is deleted or let go, in the right order.

use trueup::model::condition_type;

use crate::harness::{DAEMON, Harness, shop, with_shop};

/// The small environment without some of its documents.
fn without(kinds: &[&str]) -> String {
    let all = shop();
    let kept = all
        .split("---")
        .filter(|doc| !kinds.iter().any(|k| doc.contains(&format!("kind: {k}\nmetadata"))));
    kept.collect::<Vec<_>>().join("---")
}

async fn until_forgotten(harness: &Harness, id: &str) {
    harness
        .until(&format!("{id} is forgotten"), || async {
            harness.status("shop", id).await.is_none()
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_function_is_deleted_and_a_table_is_retained() {
    let harness = with_shop().await;
    harness.apply(&without(&["Function", "Table", "Frontend"])).await;
    for id in ["Function/api", "Table/orders", "Frontend/web"] {
        until_forgotten(&harness, id).await;
    }
    let session = &harness.session;
    assert!(session.lambda().get_function().function_name("shop-api").send().await.is_err());
    assert_eq!(session.amplify().list_apps().send().await.unwrap().apps().len(), 0);
    session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_retained_table_is_taken_back_when_its_manifest_returns() {
    let harness = with_shop().await;
    harness.apply(&without(&["Function", "Table"])).await;
    until_forgotten(&harness, "Table/orders").await;
    harness.sandbox.calls().clear();
    harness.apply(&shop()).await;
    harness.until_ready("shop").await;
    assert!(
        !harness.mutations().iter().any(|c| c.contains("CreateTable")),
        "{:?}",
        harness.mutations()
    );
}

#[tokio::test(start_paused = true)]
async fn deletes_run_backwards_along_the_references() {
    let harness = with_shop().await;
    let deleting = shop().replace(
        "  partitionKey: { name: id, type: S }",
        "  deletionPolicy: Delete\n  partitionKey: { name: id, type: S }",
    );
    harness.apply(&deleting).await;
    harness.until_ready("shop").await;
    harness.sandbox.calls().clear();
    // However long it takes.
    harness.sandbox.faults().inject("lambda:DeleteFunction=500*4".parse().unwrap());
    harness.apply(&without(&["Function", "Table"])).await;
    harness
        .until("the table says what it waits for", || async {
            let status = harness.status("shop", "Table/orders").await.unwrap();
            let ready = status.conditions.get(condition_type::READY).unwrap();
            ready.reason == "DependentsRemain" && ready.message.ends_with(": Function/api")
        })
        .await;
    until_forgotten(&harness, "Table/orders").await;
    let mut calls = harness.mutations();
    calls.dedup();
    let expected = [
        "lambda:DeleteFunction shop-api",
        "dynamodb:CreateBackup shop-orders",
        "dynamodb:DeleteTable shop-orders",
    ];
    assert_eq!(calls, expected);
}

#[tokio::test(start_paused = true)]
async fn a_protected_table_is_not_deleted_and_says_what_to_do() {
    let harness = with_shop().await;
    let protected = shop().replace(
        "  partitionKey: { name: id, type: S }",
        "  deletionPolicy: Delete\n  deletionProtection: true\n  partitionKey: { name: id, type: S }",
    );
    harness.apply(&protected).await;
    harness.until_ready("shop").await;
    harness.apply(&without(&["Function", "Table"])).await;
    let (reason, message) = harness.until_stalled("shop", "Table/orders").await;
    assert_eq!(reason, "DeletionProtected");
    assert!(message.contains("deletionProtection: false"), "{message}");
    harness.session.dynamodb().describe_table().table_name("shop-orders").send().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_bucket_with_objects_in_it_stays() {
    let harness = with_shop().await;
    let deleting =
        shop().replace("  versioning: Enabled", "  versioning: Enabled\n  deletionPolicy: Delete");
    harness.apply(&deleting).await;
    harness.until_ready("shop").await;
    let put = harness.session.s3().put_object().bucket("shop-assets").key("logo.svg");
    put.body(aws_sdk_s3::primitives::ByteStream::from_static(b"<svg/>")).send().await.unwrap();
    harness.apply(&without(&["Bucket"])).await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    harness.session.s3().head_object().bucket("shop-assets").key("logo.svg").send().await.unwrap();
    assert!(harness.status("shop", "Bucket/assets").await.is_some(), "it is still to be deleted");
}

#[tokio::test(start_paused = true)]
async fn a_function_that_seems_gone_while_it_leaves_is_deleted_all_the_same() {
    // Its record says that something was written, and not that it was deleted.
    let mut harness = with_shop().await;
    let fault = |text: &str| text.parse::<trueup::sandbox::Fault>().unwrap().of(DAEMON);
    harness.sandbox.faults().inject(fault("lambda:UpdateFunctionConfiguration=ignored"));
    harness.apply(&shop().replace("memorySize: 512", "memorySize: 256")).await;
    harness
        .until("something is written", || async {
            harness.status("shop", "Function/api").await.is_some_and(|s| !s.flap_guard.is_empty())
        })
        .await;
    // The very first observation of what leaves is one of those that do not see it.
    harness.stop().await;
    harness.apply(&without(&["Function"])).await;
    harness.sandbox.faults().inject(fault("lambda:GetFunction=notfound*3"));
    harness.start().await;
    until_forgotten(&harness, "Function/api").await;
    let gone = harness.session.lambda().get_function().function_name("shop-api").send().await;
    assert!(gone.is_err(), "left behind");
}
